"""What a laptop runs to install the course from a kit, step by step and without uv.

The whole way, uv included, is in test_kit.py. Oracles are the disk, hashes, and the manuals of
Python and of each system.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from effdet_lite.page.runtime import kept_archive
from effdet_lite.stick import install


def below(folder):
    """The places of all files in a folder."""
    paths = folder.rglob("*")
    return sorted(path.relative_to(folder).as_posix() for path in paths if path.is_file())


def packed(kit, files):
    """A kit of one archive, the course."""
    kit.mkdir()
    with tarfile.open(kit / "course.tar.gz", "w:gz") as archive:
        for name in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(name)
            archive.addfile(entry, io.BytesIO(name.encode()))
    return str(kit)


COURSE = ("effdet_lite/a.py", "notebooks/00.ipynb", "pyproject.toml")


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    kit = packed(tmp_path / "kit", COURSE)
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"a")
    with pytest.raises(ValueError, match=r"holds other things \(a.jpg\): name an empty folder"):
        install.put_course(kit, folder)
    (folder / "pyproject.toml").write_bytes(b"")
    with pytest.raises(ValueError, match="holds another project"):
        install.put_course(kit, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["a.jpg", "pyproject.toml"]


@pytest.mark.parametrize("number", range(3))
def test_unpacking_that_was_stopped_goes_on(tmp_path, monkeypatch, number):
    """Stopped before each of the moves: the course counts as there with its last part only."""
    kit, folder = packed(tmp_path / "kit", COURSE), tmp_path / "course"
    folder.mkdir()
    replace, calls = os.replace, []

    def stop(source, target):
        calls.append(target)
        if len(calls) == number + 2:  # the first one is the archive's
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", stop)
        with pytest.raises(KeyboardInterrupt):
            install.put_course(kit, folder)
    assert not (folder / "pyproject.toml").exists()
    install.put_course(kit, folder)
    assert below(folder) == sorted(COURSE)


def test_an_archive_may_not_write_outside_its_folder(tmp_path):
    kit = packed(tmp_path / "kit", ["../outside"])
    if not hasattr(tarfile, "data_filter"):
        pytest.skip("this Python's tarfile has no filter")
    with pytest.raises(tarfile.TarError):
        install.unpack(kit, "course.tar.gz", tmp_path / "deep" / "course")
    assert not list(tmp_path.rglob("outside")) and not (tmp_path / "deep" / "course").exists()


def test_damaged_weights_are_found(tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "b0-01234567.pth").write_bytes(b"tensor")
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ValueError, match=r"b0-01234567\.pth is damaged on the kit"):
        install.put_weights(str(tmp_path), "b0-01234567.pth")
    assert not (tmp_path / "cache").exists()


def test_the_runtime_is_put_where_the_course_looks_and_is_kept(tmp_path, monkeypatch):
    """Oracle: the package's own place for it."""
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    name = kept_archive().name
    (tmp_path / "runtime").mkdir()
    (tmp_path / "runtime" / name).write_bytes(b"the runtime")
    install.put_runtime(str(tmp_path), name)
    assert kept_archive().read_bytes() == b"the runtime"
    (tmp_path / "runtime" / name).unlink()
    install.put_runtime(str(tmp_path), name)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [name]


def test_too_little_room_on_the_laptop(tmp_path, monkeypatch):
    space = shutil.disk_usage(tmp_path)._replace(free=1_000_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: space)
    install.check_room(tmp_path, 400_000_000)
    with pytest.raises(OSError, match=r"has 1\.0 GB free, and 1\.5 GB are needed"):
        install.check_room(tmp_path, 800_000_000)


def test_a_kit_that_is_not_finished(tmp_path, capsys):
    ask = ["--kit", str(tmp_path), "--folder", str(tmp_path / "course"), "--system", "linux"]
    assert install.main([*ask, "--uv", "uv"]) == 1
    assert "has no kit.json: the kit is not finished" in capsys.readouterr().err


def test_what_the_laptop_runs_takes_the_standard_library_alone():
    """There is nothing else yet."""
    source = Path(install.__file__).read_text(encoding="utf-8")
    imported = set(re.findall(r"^\s*(?:import|from) (\w+)", source, re.MULTILINE))
    assert imported and imported <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("kit", "name", "whole"),
    [
        ("/media/ana/MY STICK", "wheels", "/media/ana/MY STICK/wheels"),
        ("http://10.0.0.2:8000", "wheels", "http://10.0.0.2:8000/wheels/"),
        ("http://10.0.0.2:8000/", "wheels", "http://10.0.0.2:8000/wheels/"),
    ],
)
def test_where_uv_finds_the_packages(kit, name, whole):
    assert install.place(kit, name) == whole


def test_the_program_is_where_each_system_has_it(monkeypatch):
    """https://docs.python.org/3/library/venv.html: Scripts on Windows, bin elsewhere."""
    assert install.program(Path("c")).as_posix() == "c/.venv/bin/effdet-lite"
    folder = Path("c")
    monkeypatch.setattr(os, "name", "nt")
    assert install.program(folder).as_posix() == "c/.venv/Scripts/effdet-lite.exe"


@pytest.mark.parametrize("name", ["ana", "Ana Lima", "O'Neill", "ana;exit 3", "$(exit 3)"])
def test_the_last_lines_can_be_typed_as_they_stand(tmp_path, name):
    """Oracle: sh. No uv is left on the laptop, so no line may need it."""
    folder = tmp_path / name
    program = install.program(folder)
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "asked for $1"\n', encoding="utf-8")
    program.chmod(0o755)
    *_, progress, _, lab = install.farewell(folder).splitlines()
    for line, asked in ((progress, "progress"), (lab, "lab")):
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        assert done.stdout == f"asked for {asked}\n"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (r"C:\Users\ana\c\effdet-lite.exe", r"C:\Users\ana\c\effdet-lite.exe"),
        (r"C:\Users\Ana Lima\effdet-lite.exe", r"& 'C:\Users\Ana Lima\effdet-lite.exe'"),
        (r"C:\Users\O'Neill\effdet-lite.exe", r"& 'C:\Users\O''Neill\effdet-lite.exe'"),
    ],
)
def test_powershell_runs_a_path_in_quotes_by_its_call_operator(monkeypatch, path, line):
    """learn.microsoft.com: "about_Operators" (the call operator), "about_Quoting_Rules"."""
    monkeypatch.setattr(os, "name", "nt")
    assert install.typed(path) == line
