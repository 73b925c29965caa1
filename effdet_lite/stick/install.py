"""Install the course from a kit, on a laptop without a network; install.sh and .ps1 run this.

It takes Python's standard library alone, for nothing else is there yet. Whatever was stopped goes
on when it is run again, and a course that is there already is kept as its owner left it.
"""

import argparse
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

CHUNK = 1 << 20  # bytes


def main(arguments: list[str] | None = None) -> int:
    """Install, and say how to open the course. Status 1: one sentence says what was wrong."""
    parser = argparse.ArgumentParser(prog="install")
    for name in ("kit", "folder", "system", "uv"):
        parser.add_argument(f"--{name}", required=True)
    options = parser.parse_args(arguments)
    try:
        return install(options.kit, Path(options.folder), options.system, options.uv)
    except (OSError, ValueError, tarfile.TarError) as error:
        print(f"install: {' '.join(str(error).split())}", file=sys.stderr)
        return 1


def install(kit: str, folder: Path, system: str, uv: str) -> int:
    """Put the course of `kit`, a folder or an address, into `folder`. Gives doctor's status."""
    about = json.loads(read(kit, "kit.json"))
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    check_room(folder, about["disk"][f"{system}-{python}"])
    print(f"The course, into {folder}", flush=True)
    put_course(kit, folder)
    print("Packages", flush=True)
    put_packages(kit, folder, f"pins/{system}-{python}.txt", uv)
    if about["cells"] and not (folder / "data" / "bccd").exists():
        print("Photographs of blood cells", flush=True)
        unpack(kit, "cells.tar.gz", folder / "data" / "bccd")
    for name in about["weights"]:
        put_weights(kit, name)
    if about.get("runtime"):
        put_runtime(kit, about["runtime"])
    print("Is all well?", flush=True)
    status = subprocess.run([program(folder), "doctor"], cwd=folder, check=False).returncode
    print(farewell(folder))
    return status


def program(folder: Path) -> Path:
    """The command `effdet-lite` of the course in this folder."""
    windows = os.name == "nt"
    return folder / ".venv" / ("Scripts" if windows else "bin") / f"effdet-lite{'.exe' * windows}"


def farewell(folder: Path) -> str:
    """How to open the course, and how to type its other commands: this laptop has no uv."""
    command = typed(str(program(folder)))
    return (
        f"\nThe course is in {folder}. Where a page says `effdet-lite` or `uv run effdet-lite`,\n"
        f"type this in its place, in a second terminal:\n{command} progress\n"
        f"Open the course, from now on, with:\n{command} lab"
    )


def typed(path: str) -> str:
    """A program's path as one types it into PowerShell, or elsewhere into sh."""
    if os.name != "nt":
        return shlex.quote(path)
    if re.fullmatch(r"[\w.:\\/-]+", path):
        return path
    return "& '" + path.replace("'", "''") + "'"


def check_room(folder: Path, packages: int) -> None:
    """Raise OSError where the disk has not the room: packages unpacked, and what is learned with
    them. What a stopped installation has put there already counts as room.
    """
    needed = packages * 1.2 + 5e8
    there = sum(path.stat().st_size for path in (folder / ".venv").rglob("*") if path.is_file())
    free = shutil.disk_usage(folder).free + there
    if free < needed:
        raise OSError(
            f"{folder} has {free / 1e9:.1f} GB free, and {needed / 1e9:.1f} GB are needed: delete "
            "what you can spare, or name another folder."
        )


def put_course(kit: str, folder: Path) -> None:
    """Unpack the course, unless it is there. Raises ValueError for a folder with other things."""
    if (folder / "pyproject.toml").exists():
        if not (folder / "notebooks").is_dir():
            raise ValueError(f"{folder} holds another project: name an empty folder.")
        print("  it is there already, and is kept as it is", flush=True)
        return
    ours = {".venv", ".python", ".tools", ".uv-cache", ".course"}
    half = (folder / ".course").exists()
    others = [entry.name for entry in folder.iterdir() if entry.name not in ours]
    if others and not half:
        raise ValueError(f"{folder} holds other things ({others[0]}): name an empty folder.")
    part = folder / ".course"
    unpack(kit, "course.tar.gz", part / "new")
    # pyproject.toml goes last: with it the course counts as whole.
    entries = sorted((part / "new").iterdir(), key=lambda entry: entry.name == "pyproject.toml")
    for entry in entries:
        if (folder / entry.name).exists():  # of an installation that was stopped here
            remove(folder / entry.name)
        os.replace(entry, folder / entry.name)
    shutil.rmtree(part)


def remove(path: Path) -> None:
    """Take away a file or a folder."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def put_packages(kit: str, folder: Path, pins: str, uv: str) -> None:
    """An environment in the course's folder, with exactly the packages of the kit, each checked
    against its hash; and the course itself, so that a change of its code is seen at once.
    """
    home = folder / ".venv"
    environment = os.environ | {"UV_CACHE_DIR": str(folder / ".uv-cache"), "UV_NO_CONFIG": "1"}
    for name in ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL"):
        environment.pop(name, None)

    def run(*arguments: str) -> None:
        done = subprocess.run([uv, *arguments], cwd=folder, env=environment, check=False)
        if done.returncode:
            raise ValueError("the packages could not be installed; uv says above why.")

    if not (home / "pyvenv.cfg").exists():
        run("venv", "--quiet", "--clear", "--no-project", "--python", sys.executable, str(home))
    with tempfile.TemporaryDirectory() as temporary:
        listed = Path(temporary, "pins.txt")
        listed.write_bytes(read(kit, pins))
        source = ["--no-index", "--find-links", place(kit, "wheels"), "--python", str(home)]
        run("pip", "install", *source, "--no-deps", "--require-hashes", "-r", str(listed))
    run("pip", "install", *source, "--no-deps", "--no-build-isolation", "-e", str(folder))
    shutil.rmtree(folder / ".uv-cache", ignore_errors=True)


def cache_folder() -> Path:
    """Where the course looks for what it fetched, as `effdet_lite.places` has it."""
    places = {"EFFDET_LITE_CACHE": "", "XDG_CACHE_HOME": "effdet_lite"}
    for variable, below in places.items():
        if value := os.environ.get(variable):
            return Path(value).expanduser() / below
    return Path.home() / ".cache" / "effdet_lite"


def put_weights(kit: str, name: str) -> None:
    """Published weights, where the course looks for them. What is there is kept."""
    if (cache_folder() / name).exists():
        return
    print(f"Weights, {name}", flush=True)
    content = read(kit, f"weights/{name}")
    # The name ends in the first digits of the file's SHA-256.
    digits = Path(name).stem.rpartition("-")[2]
    if not hashlib.sha256(content).hexdigest().startswith(digits):
        raise ValueError(f"{name} is damaged on the kit: make the kit again.")
    put_in_cache(name, content)


def put_runtime(kit: str, name: str) -> None:
    """What runs a detector in a page; the course checks it at each use. What is there is kept."""
    if not (cache_folder() / name).exists():
        print("What runs a detector in a page", flush=True)
        put_in_cache(name, read(kit, f"runtime/{name}"))


def put_in_cache(name: str, content: bytes) -> None:
    """Write a file where the course looks for it, whole or not at all."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    part = cache / f"{name}.part"
    part.write_bytes(content)
    os.replace(part, cache / name)


def unpack(kit: str, name: str, destination: Path) -> None:
    """Unpack an archive of the kit; `destination` is there whole or not at all."""
    destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(f"{destination.name}.part")
    for left in (part, destination):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryFile() as file:
        file.write(read(kit, name))
        file.seek(0)
        with tarfile.open(fileobj=file) as archive:
            if hasattr(tarfile, "data_filter"):
                archive.extractall(part, filter="data")
            else:
                archive.extractall(part)  # an older Python; the archive is the kit's own
    os.replace(part, destination)


def remote(kit: str) -> bool:
    """Is the kit an address, and not a folder?"""
    return kit.startswith(("http://", "https://"))


def place(kit: str, name: str) -> str:
    """Where a part of the kit is, for uv."""
    return f"{kit.rstrip('/')}/{name}/" if remote(kit) else str(Path(kit) / name)


def read(kit: str, name: str) -> bytes:
    """A file of the kit. Raises OSError where it cannot be had."""
    if not remote(kit):
        try:
            return (Path(kit) / name).read_bytes()
        except FileNotFoundError:
            raise OSError(f"{kit} has no {name}: the kit is not finished, make it again.") from None
    try:
        with urllib.request.urlopen(f"{kit.rstrip('/')}/{name}", timeout=60) as answer:
            return answer.read()
    except urllib.error.URLError as error:
        raise OSError(f"{kit}/{name} cannot be fetched: {error.reason}.") from error


if __name__ == "__main__":
    sys.exit(main())
