"""One file from the network to the disk: streamed, checked, and put in place whole or not at all.

Shared by `pretrained.py` (checkpoints) and `data/bccd.py` (an archive). The bytes land in a
temporary file beside the destination and are renamed only once their number and their hash are
right, so a broken download leaves nothing behind.
"""

import hashlib
import http.client
import os
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path

from tqdm.auto import tqdm

CHUNK = 1 << 18  # bytes


class DownloadError(OSError):
    """A file could not be fetched, or is not the file that was asked for."""


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def download(
    url: str,
    destination: str | Path,
    sha256: str | None = None,
    *,
    progress: bool = True,
    timeout: float = 30.0,
) -> Path:
    """Fetch url (http, https or file) into destination and return its path.

    A file that is there already, and has the hash `sha256` where one is given, is kept and nothing
    is fetched.
    timeout: seconds without a byte before giving up. Raises DownloadError, and ValueError for
    another kind of URL.
    """
    destination = Path(destination)
    if urllib.parse.urlsplit(url).scheme not in ("http", "https", "file"):
        raise ValueError(f"cannot download {url!r}: pass an http, https or file URL.")
    if destination.is_file() and (sha256 is None or file_sha256(destination) == sha256.lower()):
        return destination
    partial = destination.with_name(f"{destination.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        found = _stream(url, partial, progress, timeout)
        if sha256 is not None and found != sha256.lower():
            raise DownloadError(
                f"{url} has SHA-256 {found}, not {sha256}: the file is damaged or is another version."
            )
        os.replace(partial, destination)
    except DownloadError:
        raise
    except urllib.error.HTTPError as error:
        raise DownloadError(
            f"{url} cannot be fetched: the server answers {error.code} {error.reason}."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"{url} cannot be fetched to {destination}: {reason}.") from error
    finally:
        if partial.exists():
            partial.unlink()
    return destination


def _stream(url: str, path: Path, progress: bool, timeout: float) -> str:
    """Copy url into path and return the SHA-256 of what arrived; a body shorter than announced is
    an error.
    """
    digest = hashlib.sha256()
    with urllib.request.urlopen(url, timeout=timeout) as response, open(path, "wb") as file:
        announced = response.headers.get("Content-Length")
        total = int(announced) if announced and announced.isdigit() else None
        with tqdm(
            total=total,
            unit="B",
            unit_scale=True,
            desc=path.name.split(".")[0],
            disable=not progress,
        ) as bar:
            while chunk := response.read(CHUNK):
                file.write(chunk)
                digest.update(chunk)
                bar.update(len(chunk))
        if total is not None and file.tell() != total:
            raise DownloadError(
                f"{url} broke off after {file.tell():,} of {total:,} bytes: try again."
            )
    return digest.hexdigest()
