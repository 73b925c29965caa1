"""The first notebook as a learner meets it: `effdet-lite lab`, a browser, Run All, a slider, a
button; and a training that a button stops, while a cell waits for its end.

Oracle: what Chromium has on the page.  Without Chromium (`chromium` or `google-chrome` on the PATH)
this is skipped.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

sync_api = pytest.importorskip("playwright.sync_api")

ROOT = Path(__file__).parents[2]
NOTEBOOK = "notebooks/00_start_here.ipynb"
CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
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
LIVE = "notebooks/live.ipynb"
WATCH = """
import tempfile
from effdet_lite.data import ShapesDetection
from effdet_lite.teach.kit.live import LiveTraining
from effdet_lite.training import TrainConfig
test_set = ShapesDetection("test", 64, 4)
config = TrainConfig(size=(64, 64), batch_size=2, steps=5000, warmup=2, output=tempfile.mkdtemp())
live = LiveTraining(
    config, [test_set[0][0]], [test_set[0][1]], test_set.classes, every=5, test_set=test_set
)
live.show()
"""
WAIT = "history = await live.ended()\nprint('stopped:', 0 < len(history) < 5000)"

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A JupyterLab of our own on a copy of the notebook, started as a learner starts it; its
    address with the token.
    """
    folder = tmp_path_factory.mktemp("lab")
    course = folder / "course"
    (course / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / NOTEBOOK, course / NOTEBOOK)
    cells = [nbformat.v4.new_code_cell(source) for source in (WATCH, WAIT)]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), course / LIVE)
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
        yield wait_for(lab, f"http://127.0.0.1:{port}", folder / "log")
    finally:
        lab.terminate()  # it stops its kernels first
        try:
            lab.wait(60)
        except subprocess.TimeoutExpired:
            lab.kill()


def wait_for(lab, url, log):
    """The address once the server answers there."""
    fetch = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
    deadline = time.monotonic() + 120
    while True:
        try:
            fetch(f"{url}/api/status?token=secret", timeout=10).close()
            return f"{url}/?token=secret"  # from where JupyterLab sends the browser to the notebook
        except OSError:
            assert lab.poll() is None and time.monotonic() < deadline, log.read_text(
                encoding="utf-8"
            )
            time.sleep(0.2)


@pytest.fixture
def page(address):
    """A browser's page at the address, with what went wrong in it as `page.complaints`."""
    with sync_api.sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(2 * MINUTE)
        page.complaints = []

        def heard(message):
            if message.type == "error":
                page.complaints.append(f"{message.text} ({message.location['url']})")

        page.on("console", heard)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address)
        yield page
        browser.close()


def changes(page, shown, act):
    """Do `act`, which must change what is `shown`, in place: one picture before and after."""
    before = shown.inner_html()
    act()
    page.wait_for_function(
        "([element, before]) => element.innerHTML !== before", arg=[shown.element_handle(), before]
    )
    assert shown.locator("img").count() == 1


def test_the_first_notebook_runs_and_its_explorers_answer_to_keys_and_buttons(page):
    page.wait_for_function(IDLE)
    assert page.evaluate("jupyterapp.shell.currentWidget.context.path") == NOTEBOOK
    page.evaluate(RUN_ALL)
    page.wait_for_function("window.ranAll", timeout=5 * MINUTE)
    assert page.locator("[data-mime-type='application/vnd.jupyter.error']").count() == 0
    assert page.locator("[data-mime-type='application/vnd.jupyter.stderr']").count() == 0

    explorers = page.locator(".jp-OutputArea-output .widget-vbox")
    explorers.last.wait_for()
    outputs = page.locator(".jp-OutputArea-child").count()
    assert explorers.count() == 2
    for explorer in explorers.all():
        shown = explorer.locator(".widget-html-content")
        for slider in explorer.locator(".noUi-handle").all():
            number = slider.get_attribute("aria-valuetext")
            slider.focus()
            changes(page, shown, lambda: page.keyboard.press("ArrowRight"))
            assert slider.get_attribute("aria-valuetext") != number
    changes(page, shown, page.get_by_role("button", name="new picture").click)
    assert page.locator(".jp-OutputArea-child").count() == outputs  # nothing piles up
    assert not page.complaints


def test_a_button_stops_a_training_while_a_cell_waits_for_it(page):
    page.wait_for_function(IDLE)
    page.evaluate(f"jupyterapp.commands.execute('docmanager:open', {{path: '{LIVE}'}})")
    page.wait_for_function(f"jupyterapp.shell.currentWidget?.context?.path === '{LIVE}' && {IDLE}")
    page.evaluate(RUN_ALL)
    shown = page.locator(".jp-OutputArea-output .widget-vbox .widget-html-content")
    shown.get_by_text("Running: step").wait_for()
    assert shown.locator("img").count() == 2
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for()
    page.get_by_text("stopped: True").wait_for()
    shown.get_by_text("Stopped; Resume goes on").wait_for()
    page.get_by_role("button", name="Resume").click()
    shown.get_by_text("Running: step").wait_for()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Resume").wait_for()
    assert not page.complaints
