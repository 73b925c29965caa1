"""A JupyterLab of our own and a browser on it, for the tests that need both.

Without Chromium (`chromium` or `google-chrome` on the PATH) they are skipped.
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

import nbformat
import pytest
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
IDLE = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
RUN_ALL = """() => {
    jupyterapp.commands.execute('notebook:run-all-cells').then(() => { window.ranAll = true })
}"""

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def write_notebook(path, *sources):
    """A notebook with a code cell for each source."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)


@contextlib.contextmanager
def running_lab(folder):
    """A JupyterLab on folder/course, started as a learner starts it; its address with the token,
    from where it sends the browser to the first notebook.
    """
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
        lab = subprocess.Popen(
            command, cwd=course, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield _wait_for(lab, f"http://127.0.0.1:{port}", folder / "log")
    finally:
        lab.terminate()  # it stops its kernels first
        try:
            lab.wait(60)
        except subprocess.TimeoutExpired:
            lab.kill()


def _wait_for(lab, url, log):
    """The address once the server answers there."""
    fetch = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    deadline = time.monotonic() + 120
    while True:
        try:
            fetch(f"{url}/api/status?token=secret", timeout=10).close()
            return f"{url}/?token=secret"
        except OSError:
            assert lab.poll() is None and time.monotonic() < deadline, log.read_text(
                encoding="utf-8"
            )
            time.sleep(0.2)


@contextlib.contextmanager
def browser_page(address, **options):
    """A browser's page at the address, with what went wrong in it as `page.complaints` and the
    addresses that it asked for as `page.asked`.
    """
    from playwright import sync_api

    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 900}, **options)
        page.set_default_timeout(2 * MINUTE)
        page.complaints, page.asked = [], []

        def heard(message):
            if message.type == "error":
                page.complaints.append(f"{message.text} ({message.location['url']})")

        page.on("console", heard)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.on("request", lambda request: page.asked.append(request.url))
        page.goto(address)
        yield page
        browser.close()


def open_notebook(page, path):
    """Bring a notebook of the course to the front, with its kernel ready."""
    page.wait_for_function(IDLE)
    page.evaluate(f"jupyterapp.commands.execute('docmanager:open', {{path: '{path}'}})")
    page.wait_for_function(f"jupyterapp.shell.currentWidget?.context?.path === '{path}' && {IDLE}")
