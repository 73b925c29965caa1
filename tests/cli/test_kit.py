"""`effdet-lite kit`: a folder from which a laptop without network installs the course.

The course here is the repository with nothing but small packages in its list, and their wheels are
put together from what is installed: so the whole way runs, without the network, in seconds. Oracles
are uv and pip themselves, a network namespace that has no network, and the disk.
"""

import base64
import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request
import zipfile
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

from effdet_lite import cli
from effdet_lite.download import DownloadError
from effdet_lite.stick import making, packages
from effdet_lite.stick.making import Sources, make_kit
from effdet_lite.stick.systems import SYSTEMS, chosen_pythons, chosen_systems

ROOT = Path(__file__).parents[2]
HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
NEEDED = (
    "packaging",
    "filelock",
)  # of the small course: pure Python, and needed to be asked at all
PROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "effdet-lite"
version = "0.1.0"
requires-python = ">=3.10"
dependencies = ["packaging>=20", "filelock>=3", "onlywindows>=1; sys_platform == 'win32'"]
"""
# What hatchling does for the real course, in the fewest lines: a wheel that points to the folder.
BACKEND = """
import os, zipfile

NAME = "effdet_lite-0.1.0"
FILES = {
    "effdet_lite.pth": os.getcwd() + "\\n",
    f"{NAME}.dist-info/METADATA": "Metadata-Version: 2.1\\nName: effdet-lite\\nVersion: 0.1.0\\n"
    "Requires-Python: >=3.10\\nRequires-Dist: packaging>=20\\nRequires-Dist: filelock>=3\\n",
    f"{NAME}.dist-info/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    f"{NAME}.dist-info/entry_points.txt": "[console_scripts]\\n"
    "effdet-lite = effdet_lite.cli:main\\n",
}


def build_editable(folder, config_settings=None, metadata_directory=None):
    name = f"{NAME}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, name), "w") as wheel:
        for path, text in FILES.items():
            wheel.writestr(path, text)
        rows = "".join(f"{path},,\\n" for path in [*FILES, f"{NAME}.dist-info/RECORD"])
        wheel.writestr(f"{NAME}.dist-info/RECORD", rows)
    return name
"""


@pytest.fixture(scope="module")
def uv():
    """uv's own file: what stands in the PATH may be a script that finds it."""
    found = os.environ.get("UV") or shutil.which("uv")
    if found is None:
        pytest.skip("uv is not installed")
    ask = [found, "run", "--no-project", "--python", sys.executable, "python", "-c"]
    done = subprocess.run(
        [*ask, "import os; print(os.environ['UV'])"], capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip())


def write_wheel(folder, name, files, tag="py3-none-any"):
    """A wheel with these files, {path: bytes}, and the metadata that they bring or lack."""
    package, version = name.split("-")
    info = f"{package}-{version}.dist-info"
    about = f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
    files = {
        f"{info}/METADATA": about.encode(),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n".encode(),
        **files,
    }
    rows = []
    for path, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.append(f"{path},sha256={digest},{len(content)}\n")
    files[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    with zipfile.ZipFile(folder / f"{name}-{tag}.whl", "w", zipfile.ZIP_DEFLATED, True, 1) as wheel:
        for path, content in files.items():
            wheel.writestr(path, content)


@pytest.fixture(scope="module")
def publisher(uv, tmp_path_factory):
    """A folder that stands for the package index."""
    folder = tmp_path_factory.mktemp("publisher")
    for name in NEEDED:
        found = importlib.metadata.distribution(name)
        paths = [path for path in found.files if path.suffix in (".py", ".typed")]
        files = {path.as_posix(): found.locate_file(path).read_bytes() for path in paths}
        write_wheel(folder, f"{name}-{found.version}", files)
    version = subprocess.run([uv, "--version"], capture_output=True, text=True, check=True)
    version = version.stdout.split()[1]
    program = {f"uv-{version}.data/scripts/uv": uv.read_bytes()}
    write_wheel(folder, f"uv-{version}", program, "py3-none-manylinux_2_17_x86_64")
    write_wheel(folder, "onlywindows-1.0", {"onlywindows.py": b""})
    for tag in ("win_amd64", "macosx_11_0_arm64"):
        stub = {f"uv-{version}.data/scripts/{'uv.exe' if 'win' in tag else 'uv'}": b"no program"}
        write_wheel(folder, f"uv-{version}", stub, f"py3-none-{tag}")
    return folder


@pytest.fixture
def index(publisher, monkeypatch):
    """Let uv look nowhere else; in copies of the wheels, which a test may damage."""
    monkeypatch.setenv("UV_FIND_LINKS", str(publisher))
    for name, value in {"UV_NO_INDEX": "1", "UV_OFFLINE": "1", "UV_NO_CONFIG": "1"}.items():
        monkeypatch.setenv(name, value)
    return publisher


@pytest.fixture
def sources(tmp_path):
    """The repository as a course of few packages, with one photograph and tiny weights."""
    course = tmp_path / "the course"
    course.mkdir()
    (course / "notebooks").mkdir()
    (course / "notebooks" / "00_start_here.ipynb").write_text("{}", encoding="utf-8")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "effdet_lite", course / "effdet_lite", ignore=ignore)
    (course / "pyproject.toml").write_text(PROJECT, encoding="utf-8")
    (course / "backend.py").write_text(BACKEND, encoding="utf-8")
    for name in (".venv/big", "data/bccd/private.jpg", "runs/a/detector", ".git/config", "uv.lock"):
        (course / name).parent.mkdir(parents=True, exist_ok=True)
        (course / name).write_text("stays at home", encoding="utf-8")
    cells = tmp_path / "cells"
    for name in ("BCCD/JPEGImages/a.jpg", "BCCD/Annotations/a.xml"):
        (cells / name).parent.mkdir(parents=True, exist_ok=True)
        (cells / name).write_bytes(name.encode())
    weights = tmp_path / f"b0-{hashlib.sha256(b'tensor').hexdigest()[:8]}.pth"
    weights.write_bytes(b"tensor")
    runtime = tmp_path / "onnxruntime-web-1.tgz"
    runtime.write_bytes(b"the runtime")
    return Sources(course, lambda: cells, {"b0": lambda: weights}, runtime=lambda: runtime)


def made(folder, sources, systems=("linux",), **options):
    options = {"pythons": [HERE], "without": ["python"], "progress": False} | options
    return make_kit(folder, sources, systems=systems, **options)


def files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


# --- what is in it ---


@pytest.mark.slow
def test_a_kit_holds_all_that_is_needed_and_nothing_of_its_makers(index, sources, tmp_path):
    kit = tmp_path / "kit"
    made(kit, sources, ["linux", "windows", "macos"])
    about = json.loads((kit / "kit.json").read_text())
    assert about["systems"] == ["linux", "windows", "macos"] and about["pythons"] == [HERE]
    assert (kit / "uv" / "windows" / "uv.exe").read_bytes() == b"no program"
    assert os.access(kit / "uv" / "linux" / "uv", os.X_OK)
    with tarfile.open(kit / "course.tar.gz") as archive:
        names = archive.getnames()
        owners = {entry.uname for entry in archive}
    assert {"pyproject.toml", "backend.py", "effdet_lite/cli.py"} <= set(names)
    assert not [name for name in names if "stays at home" in name or name.startswith((".", "data"))]
    assert "uv.lock" not in names and not any(name.startswith("runs/") for name in names)
    assert owners == {""}
    for name in ("install.sh", "install.ps1"):
        text = (kit / name).read_text(encoding="utf-8")
        assert "@" not in re.sub(r"\$@", "", text) and HERE in text
    # Each system has what it alone needs, and uv resolves it there from the folder alone.
    assert "onlywindows" in (kit / "pins" / f"windows-{HERE}.txt").read_text()
    assert "onlywindows" not in (kit / "pins" / f"macos-{HERE}.txt").read_text()
    ask = [
        packages.find_uv(),
        "pip",
        "install",
        "--dry-run",
        "--no-index",
        "--target",
        str(tmp_path / "x"),
    ]
    ask += ["--find-links", str(kit / "wheels"), "--require-hashes", "--python-version", HERE]
    pins = str(kit / "pins" / f"windows-{HERE}.txt")
    subprocess.run([*ask, "--python-platform", "windows", "-r", pins], check=True)
    # What uv pinned is there under its hash.
    pins = (kit / "pins" / f"linux-{HERE}.txt").read_text()
    found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in kit.glob("wheels/*.whl")}
    assert set(re.findall(r"sha256:(\w+)", pins)) <= found and pins.count("==") == len(NEEDED)


@pytest.mark.slow
def test_the_same_command_keeps_what_is_there(index, sources, tmp_path):
    kit = tmp_path / "kit"
    made(kit, sources)
    before = {path: path.stat().st_mtime_ns for path in kit.glob("wheels/*")}
    whole = files(kit)
    # A wheel that was damaged, one that is missing, and what a stopped copy leaves.
    first, *_ = before
    first.write_bytes(b"half of it")
    (kit / "kit.json").unlink()
    (kit / "wheels" / f".{first.name}.abcd").mkdir()
    (kit / "wheels" / f".{first.name}.abcd" / first.name).write_bytes(b"half")
    made(kit, sources)
    assert files(kit) == whole
    assert all(path.stat().st_mtime_ns == when for path, when in before.items() if path != first)


@pytest.mark.slow
def test_a_kit_that_was_killed_goes_on_and_is_unfinished_until_then(index, sources, tmp_path):
    """Killed at each of its steps, by hand: nothing half-written counts as there."""
    kit = tmp_path / "kit"
    made(tmp_path / "other", sources)
    whole = files(tmp_path / "other")
    original = making.download

    def stop_after(number):
        calls = []

        def fetch(*arguments, **options):
            calls.append(arguments)
            if len(calls) > number:
                raise KeyboardInterrupt
            return original(*arguments, **options)

        return fetch

    for number in range(3):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(making, "download", stop_after(number))
            with pytest.raises(KeyboardInterrupt):
                made(kit, sources)
        assert not (kit / "kit.json").exists()
        there = files(kit)
        assert len(there) == number and there.items() <= whole.items()
    made(kit, sources)
    assert files(kit) == whole


def test_a_full_disk_is_found_before_anything_is_fetched(index, sources, tmp_path, monkeypatch):
    space = shutil.disk_usage(tmp_path)._replace(free=90_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda path: space)
    kit = tmp_path / "kit"
    with pytest.raises(ValueError, match=r"has 0\.1 GB free, and the kit takes .* GB more"):
        made(kit, sources)
    assert files(kit) == {}


def no_runtime():
    raise DownloadError("there is no npm here.")


@pytest.mark.parametrize(
    ("options", "bring", "told"),
    [
        ({}, no_runtime, "there is no npm here."),
        ({"without": ["python", "runtime"]}, lambda: pytest.fail(), ""),
        ({}, None, ""),
    ],
    ids=["cannot be fetched", "not wanted", "never"],
)
def test_a_kit_without_what_runs_a_page_is_whole(index, sources, tmp_path, options, bring, told):
    finished = made(tmp_path / "kit", sources._replace(runtime=bring), **options)
    assert finished.no_runtime == told and not (tmp_path / "kit" / "runtime").exists()
    assert json.loads((tmp_path / "kit" / "kit.json").read_text())["runtime"] == ""


def test_a_kit_brings_what_writes_a_detector_for_a_page():
    """Oracle: the extra's own list."""
    asked = {
        line.split(">")[0] for line in packages.export_requirements(packages.read_project(ROOT))
    }
    assert asked == {"onnx", "onnxruntime", "onnxscript"}
    assert packages.export_requirements({}) == []


# --- bad input ---


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--systems", "linux,amiga"], "there is no system 'amiga': choose from linux, windows"),
        (["--systems", ""], "no system is named"),
        (["--python", "3"], "'3' is no version of Python: write two numbers"),
        (["--python", "3.11,python3.12"], "'python3.12' is no version"),
        (["--python", "3.9"], "the course does not run on Python 3.9: it asks >=3.10"),
        (["--python", ","], "no version of Python is named"),
        (["--torch", "gpu"], "--torch 'gpu' is not known: choose from cpu, plain"),
        (["--without", "uv"], "--without 'uv' is not known: choose from python, cells"),
        (["--site", "nowhere"], "nowhere has no index.html"),
    ],
    ids=str,
)
def test_a_bad_choice_is_told_in_one_sentence(tmp_path, capsys, options, sentence):
    folder = tmp_path / "kit"
    with pytest.raises(SystemExit) as stopped:
        cli.main(["kit", str(folder), "--without", "weights,python", *options])
    told = capsys.readouterr().err.splitlines()
    assert stopped.value.code == 2 and len(told) == 1 and sentence in told[0]
    assert not folder.exists()


def test_a_folder_that_is_a_file(index, sources, tmp_path):
    (tmp_path / "kit").write_bytes(b"")
    with pytest.raises(OSError, match="kit"):
        made(tmp_path / "kit", sources)


def test_no_uv(index, sources, tmp_path, monkeypatch):
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ValueError, match="put together by uv, which is not installed"):
        made(tmp_path / "kit", sources)


def test_what_uv_cannot_find_is_told_with_its_reason(index, sources, tmp_path):
    path = sources.course / "pyproject.toml"
    path.write_text(PROJECT.replace("filelock>=3", "nowhere-to-be-found>=3"), encoding="utf-8")
    with pytest.raises(DownloadError, match=r"for linux with Python 3.* nowhere-to-be-found"):
        made(tmp_path / "kit", sources)


def test_a_package_without_a_wheel_cannot_be_carried():
    text = '[[packages]]\nname = "old"\nversion = "1"\nsdist = { url = "https://e.org/old.tar.gz" }'
    with pytest.raises(ValueError, match="old has no wheel"):
        packages.read_lock(text, Path())


def test_systems_and_pythons_are_named_once():
    assert [one.name for one in chosen_systems(["macos", "linux", "macos"])] == ["macos", "linux"]
    assert chosen_pythons(["3.12", "3.11", "3.12"], SpecifierSet(">=3.10")) == ["3.12", "3.11"]


def test_pythons_own_builds_are_those_that_uv_lists(uv):
    """Oracle: uv's list; the place is the address's end, which is where uv looks in a mirror
    (https://docs.astral.sh/uv/reference/environment/#uv_python_install_mirror).
    """
    for system in SYSTEMS.values():
        piece = packages.python_build(ROOT, system, "3.12")
        assert re.fullmatch(r"python/\d{8}/cpython-3\.12\.\d+\+\d{8}-.*\.tar\.gz", piece.place)
        assert {"linux": "linux-gnu", "windows": "windows-msvc", "macos": "apple-darwin"}[
            system.name
        ] in piece.place
        assert piece.url.endswith(piece.place.removeprefix("python/").replace("+", "%2B"))


# --- a laptop ---


def without_network():
    """The beginning of a command that runs without any network, or a reason to skip."""
    if not sys.platform.startswith("linux") or shutil.which("unshare") is None:
        pytest.skip("a network namespace takes Linux and its program unshare")
    for prefix in (["unshare", "--net"], ["unshare", "--net", "--map-root-user"]):
        if subprocess.run([*prefix, "true"], capture_output=True, check=False).returncode == 0:
            return prefix
    pytest.skip("this machine does not let its users make a network namespace")


def laptop(tmp_path):
    """Another person's environment: a home folder of their own, and none of our settings."""
    home = tmp_path / "home of ana"
    home.mkdir(exist_ok=True)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return {"HOME": str(home), "PATH": path, "LANG": "C.UTF-8"}


def on_linux():
    if not sys.platform.startswith("linux") or os.uname().machine != "x86_64":
        pytest.skip("install.sh of this kit is for Linux on x86_64")


CONNECTED = """
import socket
try:
    socket.create_connection(("192.0.2.1", 80), timeout=2)
except OSError as error:
    print(error.errno)
"""


@pytest.mark.slow
def test_a_laptop_without_network_installs_from_the_stick(index, sources, tmp_path):
    on_linux()
    offline, environment = without_network(), laptop(tmp_path)
    probe = subprocess.run(
        [*offline, sys.executable, "-c", CONNECTED], capture_output=True, text=True, check=True
    )
    assert probe.stdout.strip() == "101"  # ENETUNREACH: there is no network at all
    stick = tmp_path / "my stick"
    made(stick, sources)
    shutil.rmtree(sources.course)  # the laptop has nothing but the stick
    command = [*offline, "sh", str(stick / "install.sh")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    folder = Path(environment["HOME"]) / "effdet_lite"
    told = done.stdout + done.stderr
    # This home has spaces in its name, so sh wants the path in quotes.
    assert f"Open the course, from now on, with:\n'{folder}/.venv/bin/effdet-lite' lab" in told
    # The small course has no torch, and doctor says so; its status is the installation's.
    assert done.returncode == 1
    assert "FIX   device" in told and "ok    Python" in told
    assert (folder / "data/bccd/BCCD/JPEGImages/a.jpg").read_bytes() == b"BCCD/JPEGImages/a.jpg"
    cache = sorted(Path(environment["HOME"], ".cache/effdet_lite").iterdir())
    assert [path.read_bytes() for path in cache] == [b"tensor", b"the runtime"]
    assert not [name for name in (".tools", ".course", ".uv-cache") if (folder / name).exists()]
    program = folder / ".venv" / "bin" / "effdet-lite"
    ask = [*offline, str(program), "--help"]
    done = subprocess.run(ask, env=environment, capture_output=True, text=True, check=True)
    assert "EfficientDet as a course you run." in done.stdout

    # Once more: the learner's work stays.
    notebook = folder / "notebooks" / "00_start_here.ipynb"
    notebook.write_text("mine", encoding="utf-8")
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "it is there already, and is kept as it is" in done.stdout
    assert notebook.read_text(encoding="utf-8") == "mine"


@pytest.mark.slow
def test_a_laptop_installs_from_a_machine_in_the_room(index, sources, tmp_path):
    """The teacher's machine serves the folder; whoever asks another host meets a closed door."""
    on_linux()
    environment = laptop(tmp_path)
    kit = tmp_path / "kit"
    made(kit, sources)
    serve = [sys.executable, "-u", "-m", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        serve, cwd=kit, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            port = re.search(r"port (\d+)", server.stdout.readline())[1]
            address = f"http://127.0.0.1:{port}"
            with urllib.request.urlopen(f"{address}/install.sh") as answer:
                script = answer.read().decode()
            closed = "http://127.0.0.1:9"
            environment |= {"KIT": address, "no_proxy": "127.0.0.1"}
            environment |= {name: closed for name in ("http_proxy", "https_proxy")}
            done = subprocess.run(
                ["sh"], input=script, env=environment, capture_output=True, text=True, check=False
            )
        finally:
            server.terminate()
    folder = Path(environment["HOME"]) / "effdet_lite"
    assert f"'{folder}/.venv/bin/effdet-lite' lab" in done.stdout, done.stdout + done.stderr
    assert (folder / "data/bccd/BCCD/Annotations/a.xml").is_file()


@pytest.fixture
def script(tmp_path):
    """install.sh as a kit for Windows and Python 3.12 has it, on a stick without anything else."""
    on_linux()
    text = Path(making.__file__).with_name("install.sh").read_text(encoding="utf-8")
    text = text.replace("@SYSTEMS@", "windows").replace("@PYTHONS@", "3.12")
    (tmp_path / "install.sh").write_text(text, encoding="utf-8")
    return tmp_path / "install.sh"


def test_a_kit_for_other_laptops_says_so(script, tmp_path):
    environment = laptop(tmp_path)
    done = subprocess.run(
        ["sh", str(script)], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and not list(Path(environment["HOME"]).iterdir())
    assert done.stderr == (
        "install: this kit was made for windows, and not for linux: ask for another one.\n"
    )


def test_a_stick_without_its_files(script, tmp_path):
    script.write_text(script.read_text().replace("windows", "linux"), encoding="utf-8")
    done = subprocess.run(
        ["sh", str(script)], env=laptop(tmp_path), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "uv/linux/uv is not to be had: is the stick in" in done.stderr


@pytest.mark.skipif(shutil.which("dash") is None, reason="dash, Ubuntu's sh, is not installed")
def test_the_script_is_one_for_every_shell(script):
    """Oracle: dash reads no more than POSIX has."""
    subprocess.run(["dash", "-n", str(script)], check=True)


def test_windows_is_told_the_same(sources):
    """The two scripts hand the same on, by reading: nobody here has a PowerShell."""
    folder = Path(making.__file__).parent
    unix, windows = ((folder / name).read_text() for name in ("install.sh", "install.ps1"))
    for option in ("--kit", "--folder", "--system", "--uv", "--no-python-downloads", "--no-bin"):
        assert option in unix and option in windows
    for name in (
        "UV_NO_CONFIG",
        "UV_CACHE_DIR",
        "UV_PYTHON_INSTALL_DIR",
        "UV_PYTHON_INSTALL_MIRROR",
    ):
        assert name in unix and name in windows
    assert "&&" not in windows and "||" not in windows  # PowerShell 5.1 has neither
