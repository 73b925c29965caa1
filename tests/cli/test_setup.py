"""A newcomer's first minutes: one list of dependencies, the README's commands, and JupyterLab at
the first notebook.
"""

import ast
import importlib.metadata
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from effdet_lite import opening
from effdet_lite.download import DownloadError
from effdet_lite.stick import packages
from effdet_lite.stick.making import Sources, make_kit

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
REQUIREMENTS = [Requirement(line) for line in PYPROJECT["project"]["dependencies"]]
# What ipywidgets, JupyterLab's kernel and matplotlib are made of; none of them runs without it.
COMES_ALONG = ("IPython", "cycler", "jupyter_core", "psutil", "pygments", "traitlets")
DEVELOPMENT = [Requirement(line) for line in PYPROJECT["dependency-groups"]["dev"]]
# Tried, and done without: notebook 01's table has a row for fvcore where it is installed, notebook
# 07 compares the learner's detector with effdet's, and notebook 09 an AP with pycocotools'.
OPTIONAL = {"fvcore", "effdet", "pycocotools"}
COMPARES = ("n07_official.py", "n09_coco.py")


def git(*arguments):
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    return subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


# --- one list of dependencies ---


def test_conda_installs_what_pyproject_lists():
    """environment.yml names Python and pip, and leaves the rest to the package itself: there is one
    list.
    """
    *plain, from_pip = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))[
        "dependencies"
    ]
    assert from_pip == {"pip": ["-e .[export]"]}
    named = dict(re.fullmatch(r"(\w+)([=<>].*)", line).groups() for line in plain)
    assert named.keys() == {"python", "pip"}
    assert SpecifierSet(PYPROJECT["project"]["requires-python"]).contains(
        named["python"].strip("=")
    )


def test_users_get_ranges_and_our_own_environment_exact_versions():
    assert all(
        str(requirement.specifier).startswith(">=") for requirement in REQUIREMENTS + DEVELOPMENT
    )
    ranges = {requirement.name: requirement.specifier for requirement in REQUIREMENTS + DEVELOPMENT}
    for line in PYPROJECT["tool"]["uv"]["constraint-dependencies"]:
        pinned = Requirement(line)
        (version,) = [clause.version for clause in pinned.specifier if clause.operator == "=="]
        assert ranges[pinned.name].contains(version)


def test_the_oracles_are_for_tests_only():
    names = {requirement.name for requirement in REQUIREMENTS}
    assert not names & {"effdet", "timm", "pycocotools", "hypothesis", "playwright"}
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "effdet_lite").rglob("*.py")
        if path.name not in COMPARES
    )
    assert not re.findall(
        r"^\s*(?:import|from) (?:effdet|timm|pycocotools)\b", sources, re.MULTILINE
    )


def imported_by(path):
    """The packages that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def test_what_the_package_imports_is_listed():
    """By itself, and not because something else that is listed happens to need it."""
    extras = PYPROJECT["project"]["optional-dependencies"]["export"]
    listed = {one.name for one in [*REQUIREMENTS, *map(Requirement, extras)]}
    names = importlib.metadata.packages_distributions()
    for path in (ROOT / "effdet_lite").rglob("*.py"):
        for name in imported_by(path):
            if name not in (*sys.stdlib_module_names, "effdet_lite", *COMES_ALONG, *OPTIONAL):
                known = {one.lower().replace("_", "-") for one in names.get(name, [name])}
                assert known & listed, f"{path.name} imports {name}"


def test_no_lock_file_is_kept():
    """It would name the package index of whoever wrote it."""
    assert git("check-ignore", "uv.lock").returncode == 0
    assert git("ls-files", "uv.lock", "pylock.toml").stdout == ""


# --- the README's commands ---


def fenced(page):
    """The lines that a page gives to be typed: those of its code blocks without a language."""
    lines, block = [], None
    for line in page.splitlines():
        line = line.removeprefix("> ")
        if line.startswith("```"):
            block = None if block is not None else line.removeprefix("```")
        elif block == "":
            lines.append(line)
    return lines


def test_the_readme_gives_both_commands_and_ci_runs_the_second():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert readme.count("uv run effdet-lite lab") == 1
    assert readme.count("uv run --group dev pytest") == 1
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "grep -m1 -x 'uv run --group dev pytest' README.md" in (ROOT / ".ci" / "run").read_text(
        encoding="utf-8"
    )


LEARNERS = ("README.md", "notebooks/workshop/SETUP.md", "notebooks/INSTRUCTOR.md")


@pytest.mark.parametrize("page", LEARNERS)
def test_each_line_can_be_typed_into_powershell_and_any_shell(page):
    """Windows PowerShell 5.1 has no `&&` (learn.microsoft.com, "about_Pipeline_Chain_Operators"),
    and takes no backslash for a line that goes on;
    Debian, Ubuntu and Homebrew refuse `pip install` (https://peps.python.org/pep-0668).
    """
    for line in fenced((ROOT / page).read_text(encoding="utf-8")):
        assert "&&" not in line and not line.endswith("\\"), line
        assert not re.match(r"(sudo )?pip3? install", line), line


@pytest.mark.parametrize("page", ["README.md", "notebooks/workshop/SETUP.md"])
def test_uv_is_installed_by_its_own_installers(page):
    """As its page has them: https://docs.astral.sh/uv/getting-started/installation."""
    lines = fenced((ROOT / page).read_text(encoding="utf-8"))
    for command in (
        'powershell -ExecutionPolicy ByPass -c "irm https://astral.sh/uv/install.ps1 | iex"',
        "curl -LsSf https://astral.sh/uv/install.sh | sh",
        "wget -qO- https://astral.sh/uv/install.sh | sh",
    ):
        assert command in lines


@pytest.mark.parametrize("page", LEARNERS)
def test_a_command_can_be_copied_from_the_raw_text(page):
    """Who downloads a ZIP sees Markdown as it is written: in a table, code has \\| for |."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert not re.findall(r"`[^`\n]*\\\|[^`\n]*`", text)


# --- what a learner installs ---


def gigabytes(text):
    return [float(number) for number in re.findall(r"([\d.]+) GB", text)]


def downloads():
    """system: (GB without, GB with the extra `export`), by the README's table of what it takes."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.partition("| with `export` |")[2].partition("\n\n")[0]
    rows = [line.strip("|").split("|") for line in table.splitlines()[2:]]
    return {name.strip(): tuple(gigabytes("".join(rest))[:2]) for name, *rest in rows}


def test_the_pages_tell_one_size_of_the_download():
    """Oracle: the README's table, which says how it was measured."""
    taken = downloads()
    assert list(taken) == ["Windows", "macOS, Apple silicon", "Linux, plain", "Linux, short"]
    plain, export = zip(*taken.values(), strict=True)
    readme, setup, guide = ((ROOT / page).read_text(encoding="utf-8") for page in LEARNERS)
    first = re.search(r"The first command downloads what it needs: (.*)", readme)[1]
    assert gigabytes(first) == [plain[0], plain[2]] and plain[0] == plain[1]
    elsewhere = max(export[:2])
    assert gigabytes(re.search(r"The first one fetches (.*):\n", setup)[1]) == [elsewhere]
    assert gigabytes(re.search(r"this short way fetches (.*?)\. Its", setup)[1]) == [export[3]]
    assert gigabytes(re.search(r"after all, (.*) in sum", setup)[1]) == [plain[2]]
    assert gigabytes(re.search(r"The first line downloads (.*?) on Windows", guide)[1]) == [
        elsewhere
    ]
    assert gigabytes(re.search(r"five lines of (.*?)\)", guide, re.DOTALL)[1]) == [
        export[3],
        plain[2],
    ]


def test_whatever_way_is_taken_brings_what_the_last_notebook_exports_with():
    """uv on Windows and macOS, the short way for Linux, conda; the kit is below."""
    readme, setup, guide = (fenced((ROOT / page).read_text(encoding="utf-8")) for page in LEARNERS)
    for lines in (setup, guide):
        (first,) = [line for line in lines if line.startswith("uv run") and "doctor" in line][-1:]
        assert first == "uv run --extra export effdet-lite doctor"
    short = 'uv pip install --torch-backend cpu -e ".[export]"'
    assert short in readme and short in setup
    assert "-e .[export]" in (ROOT / "environment.yml").read_text(encoding="utf-8")


def test_a_kit_brings_it_too(monkeypatch, tmp_path):
    """A laptop without a network cannot add it later. Oracle: what uv is asked to look up."""
    asked = []

    def locked(course, system, python, torch, extra):
        asked.extend(extra)
        raise DownloadError("far enough")

    monkeypatch.setattr(packages, "locked", locked)
    sources = Sources(ROOT, lambda: tmp_path, {})
    with pytest.raises(DownloadError, match="far enough"):
        make_kit(tmp_path / "kit", sources, systems=["linux"], pythons=["3.12"])
    assert {Requirement(line).name for line in asked} >= {"onnx", "onnxruntime", "onnxscript"}


@pytest.fixture
def export(tmp_path):
    """What uv would install with these options, looked up without the network, in a copy."""
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    for name in ("pyproject.toml", "README.md", "LICENSE", "uv.lock"):
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, tmp_path)

    def names(*options):
        command = ["uv", "export", "--offline", "--quiet", "--no-hashes", "--no-emit-project"]
        done = subprocess.run(
            [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip("uv has not looked up these packages on this machine before")
        lines = [line for line in done.stdout.splitlines() if not line.lstrip().startswith("#")]
        return {Requirement(line).name for line in lines}

    return names


def test_a_learners_uv_run_installs_no_development_group(export):
    assert PYPROJECT["tool"]["uv"]["default-groups"] == []
    needed = {requirement.name for requirement in REQUIREMENTS}
    comes_along = {"nbclient", "pyyaml"}  # with JupyterLab
    development = {requirement.name for requirement in DEVELOPMENT} - comes_along
    plain = export()
    assert plain >= needed
    assert plain & development == set()
    assert export("--group", "dev") >= needed | development


def test_uv_run_leaves_what_an_extra_brought(tmp_path):
    """So the extra is asked for once, in the first line that a learner types. Oracle: uv itself,
    on a project whose extra is one small wheel.
    """
    if shutil.which("uv") is None:
        pytest.skip("uv is not installed")
    with zipfile.ZipFile(tmp_path / "small-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("small.py", "")
        wheel.writestr(
            "small-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: small\nVersion: 1\n"
        )
        wheel.writestr(
            "small-1.dist-info/WHEEL",
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        )
        wheel.writestr("small-1.dist-info/RECORD", "")
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "course"\nversion = "1"\nrequires-python = ">=3.10"\n'
        '[project.optional-dependencies]\nexport = ["small"]\n'
        '[tool.uv.sources]\nsmall = { path = "small-1-py3-none-any.whl" }\n'
    )
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("VIRTUAL_ENV", "PYTHONPATH")
    }

    def is_there(*options):
        ask = "import importlib.util; print(importlib.util.find_spec('small') is not None)"
        command = ["uv", "run", "--offline", "--no-progress", "--python", sys.executable, *options]
        done = subprocess.run(
            [*command, "python", "-c", ask],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip() == "True"

    assert [is_there(), is_there("--extra", "export"), is_there()] == [False, True, True]


def told_by(node):
    """The strings of the code, each once and whole, with what it puts into them."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Constant | ast.JoinedStr):
            yield ast.unparse(child)
        else:
            yield from told_by(child)


def test_no_sentence_asks_for_a_pip_that_is_not_there():
    """An environment of uv's has none."""
    for path in (ROOT / "effdet_lite").rglob("*.py"):
        for told in told_by(ast.parse(path.read_text(encoding="utf-8"))):
            if "pip install" in told:
                assert "uv pip install" in told or "`pip install uv`" in told, (path.name, told)


def test_ci_fails_where_the_readme_has_no_test_command(tmp_path):
    (tmp_path / ".ci").mkdir()
    (tmp_path / ".ci" / "run").write_bytes((ROOT / ".ci" / "run").read_bytes())
    (tmp_path / "README.md").write_text("nothing here", encoding="utf-8")
    done = subprocess.run(
        ["bash", tmp_path / ".ci" / "run"], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and "README" in done.stderr


def test_what_is_cited_is_what_is_released():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (cited["version"], cited["license"]) == (
        PYPROJECT["project"]["version"],
        PYPROJECT["project"]["license"],
    )
    (author,) = cited["authors"]
    held_by = (ROOT / "LICENSE").read_text(encoding="utf-8").splitlines()[2]
    assert author["name"].removeprefix("the ") in held_by


# --- effdet-lite lab ---


@pytest.fixture
def course(tmp_path):
    for name in ("effdet_lite", "notebooks"):
        (tmp_path / name).mkdir()
    for name in ("README.md", "notebooks/10_real_data.ipynb", "notebooks/08_training.ipynb"):
        empty = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
        (tmp_path / name).write_text(json.dumps(empty), encoding="utf-8")
    return tmp_path


def opened(arguments):
    (url,) = [
        line.partition("=")[2] for line in arguments if line.startswith("--LabApp.default_url=")
    ]
    return url


def test_lab_opens_the_first_notebook_or_the_readme(course):
    def arguments():
        return opening.lab_arguments(course, [], root=False, display=True)

    assert opened(arguments()) == "/lab/tree/notebooks/08_training.ipynb"
    for notebook in course.glob("notebooks/*.ipynb"):
        notebook.unlink()
    assert opened(arguments()) == "/lab/tree/README.md"


def test_lab_asks_for_what_the_machine_needs_and_passes_the_rest_on(course):
    at_home = opening.lab_arguments(course, ["--port", "9000"], root=False, display=True)
    assert at_home[-2:] == ["--port", "9000"] and "--ip=127.0.0.1" in at_home
    assert not {"--allow-root", "--no-browser"} & set(at_home)
    assert {"--allow-root", "--no-browser"} <= set(
        opening.lab_arguments(course, [], root=True, display=False)
    )
    assert "--ip=127.0.0.1" not in opening.lab_arguments(
        course, ["--ip=0.0.0.0"], root=False, display=True
    )


@pytest.mark.slow
def test_lab_answers_on_this_machine_only_and_prints_its_url(course, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {key: value for key, value in os.environ.items() if "DISPLAY" not in key}
    environment |= {
        "JUPYTER_RUNTIME_DIR": str(tmp_path),
        "JUPYTER_CONFIG_DIR": str(tmp_path),
        "PYTHONPATH": str(ROOT),
    }
    command = [
        sys.executable,
        "-c",
        "from effdet_lite.cli import main; main()",
        "lab",
        f"--port={port}",
    ]
    log = tmp_path / "log"
    with open(log, "wb") as sink:
        lab = subprocess.Popen(
            [*command, "--ServerApp.port_retries=0", "--IdentityProvider.token=t"],
            cwd=course,
            env=environment,
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + 60
        while (
            f"http://127.0.0.1:{port}/lab/tree/notebooks/08_training.ipynb?token="
            not in log.read_text()
        ):
            assert lab.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        while True:  # under load the address can be printed a moment before anybody listens there
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
                break
            except ConnectionRefusedError:
                assert lab.poll() is None and time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
        fetch = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        with fetch(
            f"http://127.0.0.1:{port}/api/contents/notebooks?token=t", timeout=30
        ) as response:
            names = {entry["name"] for entry in json.load(response)["content"]}
        assert names == {"08_training.ipynb", "10_real_data.ipynb"}
        with fetch(
            f"http://127.0.0.1:{port}/lab/tree/notebooks/08_training.ipynb?token=t", timeout=30
        ) as page:
            assert "<title>JupyterLab</title>" in page.read().decode()
    finally:
        lab.terminate()
        lab.wait(30)
