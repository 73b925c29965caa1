"""How the notebooks are tested: the kernels' environment, one sanitise file, and failures that a
person can read.

It stands at the top and not in `tests/`, because pytest reads only the conftest files above what it
was asked to run, and `pytest notebooks/01_….ipynb` alone has to behave like the whole run.
"""

import itertools
import os
import re
import tempfile
from pathlib import Path

import pytest
from nbval.kernel import RunningKernel
from nbval.plugin import IPyNbCell, NbCellError

ROOT = Path(__file__).parent
BROWSER = "tests/course/browser/"  # these tests share one JupyterLab
COLOR = re.compile(r"\x1b\[[0-9;]*m")
PROGRESS = pytest.StashKey[Path]()  # the folder with the progress files of the tests
NUMBERS = itertools.count()


def pytest_addoption(parser):
    parser.addoption(
        "--every-cell",
        action="store_true",
        help="with its solutions put in, run the whole notebook and not only what they touch",
    )
    parser.addoption(
        "--whole-site",
        action="store_true",
        help="also build the site of all notebooks, and move each of its explorers (minutes)",
    )


def pytest_configure(config):
    """Every kernel sees the same environment, whoever starts pytest and from where."""
    ipython = tempfile.TemporaryDirectory(prefix="ipython-", ignore_cleanup_errors=True)
    config.add_cleanup(ipython.cleanup)
    progress = tempfile.TemporaryDirectory(prefix="progress-", ignore_cleanup_errors=True)
    config.add_cleanup(progress.cleanup)
    config.stash[PROGRESS] = Path(progress.name)
    os.environ |= {
        # Sums come out the same on any number of cores, and two workers do not fight for them.
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        "IPYTHONDIR": ipython.name,  # nobody's start-up files, and nobody's history, in our kernels
    }
    os.environ.pop("MPLBACKEND", None)  # Agg would take the figures out of the outputs
    if config.option.nbval_sanitize_with is None:
        config.option.nbval_sanitize_with = str(ROOT / "tests" / "nbval_sanitize.cfg")


def pytest_collection_modifyitems(items):
    """Mark what needs the notebooks or a browser: `-m "not slow and not course"` is quick."""
    for item in items:
        # The structure of the package is no part of the course, and quickly looked at.
        in_course = ROOT / "tests" / "course" in item.path.parents
        if isinstance(item, IPyNbCell) or (in_course and item.path.stem != "test_structure"):
            item.add_marker(pytest.mark.course)
    _longest_first(items)


def _longest_first(items):
    """Put notebooks before slow files and those with a browser, and these before quick ones.

    Files are handed to the workers in this order, so that none of them ends a long one alone.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def length(item):
        is_slow = item.path in slow or item.nodeid.startswith(BROWSER)
        return (_notebook(item.nodeid) is None, not is_slow)

    items.sort(key=length)  # keeps the order of equals, so the tests of a file stay together


def _notebook(nodeid: str) -> str | None:
    """The notebook that a test belongs to; nbval writes 01_cost::ipynb::Cell 3. What a browser
    shows of a notebook belongs to the browser.
    """
    if nodeid.startswith(BROWSER):
        return None
    found = re.search(r"(\w+)(?:\.|::)ipynb", nodeid)
    return found and found[1]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Files are shared out whole, but what is done with a notebook goes with it: its solved run
    takes as long as its cells, and eleven of those in one file would be one worker's work. All
    that needs a browser is one worker's, so that one JupyterLab is started."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class NotebookScheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            if nodeid.startswith(BROWSER):
                return BROWSER
            return _notebook(nodeid) or super()._split_scope(nodeid)

    return NotebookScheduling(config, log)


def _execute_with_history(self, cell_input, allow_stdin=None):
    # Only with history does IPython see the semicolon of `expression;`, which Run All respects.
    return self.kc.execute(
        cell_input, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
    )


RunningKernel.execute_cell_input = _execute_with_history


def _place(cell: IPyNbCell) -> str:
    return f"{cell.path.name}, code cell [{cell.cell_num + 1}]"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    # Nobody's progress: a file that is not there yet, for each test and each notebook's kernel.
    folder = item.config.stash[PROGRESS]
    os.environ["EFFDET_LITE_PROGRESS"] = str(folder / f"{next(NUMBERS)}.json")
    broken = getattr(item.parent, "broken", None)
    if isinstance(item, IPyNbCell) and broken:
        pytest.skip(f"{broken} did not finish")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    try:
        return (yield)
    except NbCellError as error:
        # It raised or timed out: what follows would only repeat it.
        if "outputs differ" not in str(error):
            item.parent.broken = _place(item)
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    error = call.excinfo.value if call.excinfo else None
    if isinstance(error, NbCellError):
        message = str(error).replace(
            "outputs differ", "outputs differ: + was stored, - is computed now"
        )
        details = f"{_place(item)}: {message}\n\n{error.source}\n\n{error.inner_traceback or ''}"
        report.longrepr = COLOR.sub("", details)
    return report
