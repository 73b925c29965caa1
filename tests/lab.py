"""A JupyterLab of our own, and pages of a browser. tests/course/browser/conftest.py makes fixtures
of them.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import nbformat
from lessons import ROOT

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
MINUTE = 60_000  # milliseconds: generous, for a machine that is busy with the other tests
SETTINGS = {
    "notebook-extension/tracker": {
        "windowingMode": "none"
    },  # every cell in the page, also those out of sight
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
FIRST = "notebooks/00_start_here.ipynb"
RUN_ALL = """() => {
    jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.ranAll = true })
}"""


@dataclass(frozen=True)
class Lab:
    """A JupyterLab that runs.

    url: where it answers, without the token.
    folder: the learner's; "course" in it is what the JupyterLab shows.
    """

    url: str
    folder: Path

    def ask(self, path, method="GET"):
        """What the server answers, as bytes. Raises OSError while nobody listens."""
        request = urllib.request.Request(f"{self.url}/{path}?token=secret", method=method)
        fetch = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
        with fetch(request, timeout=60) as answer:
            return answer.read()

    def write_notebook(self, path, *sources):
        """Put a notebook with a code cell for each source into the course."""
        cells = [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        notebook = nbformat.v4.new_notebook(cells=cells, metadata=kernel)
        nbformat.write(notebook, self.folder / "course" / path)

    def forget(self):
        """Stop every kernel; forget which notebooks were open, and the learner's progress."""
        for session in json.loads(self.ask("api/sessions")):
            self.ask(f"api/sessions/{session['id']}", "DELETE")
        shutil.rmtree(self.folder / "workspaces", ignore_errors=True)
        (self.folder / "progress.json").unlink(missing_ok=True)


@contextlib.contextmanager
def running_lab(folder):
    """A Lab on folder/course, started as a learner starts it."""
    course = folder / "course"
    for name in ("effdet_lite", "assets", "notebooks/exercises"):
        (course / name).symlink_to(ROOT / name)
    for name, values in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "JPY"))
    }
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        environment[name] = str(folder / name)
    environment["EFFDET_LITE_PROGRESS"] = str(folder / "progress.json")
    options = [
        f"--port={port}",
        "--no-browser",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=secret",
        "--LabApp.expose_app_in_browser=True",
        f"--LabApp.user_settings_dir={folder / 'settings'}",
        f"--LabApp.workspaces_dir={folder / 'workspaces'}",
    ]
    command = [sys.executable, "-m", "effdet_lite.cli", "lab", *options]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            command, cwd=course, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        lab = Lab(f"http://127.0.0.1:{port}", folder)
        _wait_for(lab, process)
        yield lab
    finally:
        process.terminate()  # it stops its kernels first
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_for(lab, process):
    """Until the server answers."""
    deadline = time.monotonic() + 120
    while True:
        try:
            lab.ask("api/status")
            return
        except OSError:
            log = (lab.folder / "log").read_text(encoding="utf-8")
            assert process.poll() is None and time.monotonic() < deadline, log
            time.sleep(0.2)


@contextlib.contextmanager
def new_page(browser, **options):
    """A page that shares nothing with others, with what went wrong in it as `page.complaints` and
    the addresses that it asked for as `page.asked`.
    """
    page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
    page.set_default_timeout(2 * MINUTE)
    page.complaints, page.asked = [], []

    def heard(message):
        if message.type == "error":
            page.complaints.append(f"{message.text} ({message.location['url']})")

    page.on("console", heard)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("request", lambda request: page.asked.append(request.url))
    try:
        yield page
    finally:
        page.close()


def open_lab(page, lab, path=None):
    """Open a notebook of the course, or what JupyterLab opens by itself, and wait for its kernel.

    Returns the notebook's path.
    """
    page.goto(f"{lab.url}/{f'lab/tree/{path}' if path else ''}?token=secret")
    page.wait_for_function(
        "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
    )
    opened = page.evaluate("jupyterapp.shell.currentWidget.context.path")
    assert path in (None, opened)
    return opened


def run_all(page):
    """Run every cell of the open notebook; none raises an error, or warns."""
    page.evaluate(RUN_ALL)
    page.wait_for_function("window.ranAll", timeout=5 * MINUTE)
    for kind in ("error", "stderr"):
        faults = page.locator(f"[data-mime-type='application/vnd.jupyter.{kind}']")
        assert not faults.all_inner_texts()


def changes(page, shown, act):
    """Do `act`, which must change what is `shown`, in place: one picture before and after."""
    before = shown.inner_html()
    act()
    page.wait_for_function(
        "([element, before]) => element.innerHTML !== before", arg=[shown.element_handle(), before]
    )
    assert shown.locator("img").count() == 1
