"""One file from the network to the disk: streamed, checked, and put in place whole or not at all.

Shared by `pretrained.py` (checkpoints) and `data/bccd.py` (an archive). `torch.hub` has a function
for this too, which takes a body that broke off for the file and reports errors as they come.
"""

import hashlib
import http.client
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path

from tqdm.auto import tqdm

from effdet_lite.files import whole_file

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
    anew: bool = False,
    progress: bool = True,
    bar: tqdm | None = None,
    timeout: float = 30.0,
) -> Path:
    """Fetch url (http, https or file) into destination and return its path.

    sha256: of the file, in hexadecimal, or the first digits of it. A file that is there already,
    and has this hash where one is given, is kept and nothing is fetched, unless it is to be fetched
    anew.
    bar: count the bytes on this bar of the caller's, who fetches several files, and show no other.
    timeout: seconds without a byte before giving up. Raises DownloadError, WriteError where the
    disk refuses, and ValueError for another kind of URL.
    """
    destination, wanted = Path(destination), (sha256 or "").lower()
    if urllib.parse.urlsplit(url).scheme not in ("http", "https", "file"):
        raise ValueError(f"cannot download {url!r}: pass an http, https or file URL.")
    keep = destination.is_file() and not anew
    if keep and (not wanted or file_sha256(destination).startswith(wanted)):
        if bar is not None:
            bar.update(destination.stat().st_size)
        return destination
    with whole_file(destination) as temporary:
        found = _stream(url, temporary, progress, timeout, bar)
        if not found.startswith(wanted):
            raise DownloadError(
                f"{url} has SHA-256 {found}, not {sha256}: the file is damaged or is another "
                "version."
            )
    return destination


def _stream(url: str, path: Path, progress: bool, timeout: float, shared: tqdm | None) -> str:
    """Copy url into path and return the SHA-256 of what arrived; a body shorter than announced is
    an error.
    """
    digest, arrived = hashlib.sha256(), 0
    response = _network(url, lambda: urllib.request.urlopen(url, timeout=timeout))
    with response, open(path, "wb") as file:
        announced = response.headers.get("Content-Length")
        total = int(announced) if announced and announced.isdigit() else None
        words = path.name.split(".")[0]
        hidden = shared is not None or not progress
        with tqdm(total=total, unit="B", unit_scale=True, desc=words, disable=hidden) as own:
            bar = own if shared is None else shared
            while chunk := _network(url, lambda: response.read(CHUNK)):
                file.write(chunk)
                digest.update(chunk)
                arrived += len(chunk)
                bar.update(len(chunk))
    if total is not None and arrived != total:
        raise DownloadError(f"{url} broke off after {arrived:,} of {total:,} bytes: try again.")
    return digest.hexdigest()


def _network(url: str, act: Callable):
    """What `act` gives; what befalls it on the network as one sentence."""
    try:
        return act()
    except urllib.error.HTTPError as error:
        answer = f"the server answers {error.code} {error.reason}"
        raise DownloadError(f"{url} cannot be fetched: {answer}.") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise DownloadError(f"{url} cannot be fetched: {reason}.") from error
