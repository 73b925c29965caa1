"""One browser and one JupyterLab for all tests here; each test has a page of its own.

They end with the last of these tests, not with the session: while Playwright runs, no other test of
the same process could call `asyncio.run`. Without Chromium the tests are skipped.
"""

import shutil

import pytest
from lab import CHROMIUM, FIRST, FLAGS, MINUTE, new_page, running_lab
from lessons import ROOT
from touch_page import write_page


@pytest.fixture(scope="package")
def browser():
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    """An empty page, as in a browser that nobody has used."""
    with new_page(browser) as page:
        yield page


@pytest.fixture(scope="package")
def shared_lab(browser, tmp_path_factory):
    """A JupyterLab on a course that has the first notebook."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "course" / "notebooks").mkdir(parents=True)
    shutil.copy(ROOT / FIRST, folder / "course" / FIRST)
    with running_lab(folder) as lab:
        yield lab


@pytest.fixture
def lab(shared_lab):
    """The JupyterLab, as if nobody had worked in it."""
    shared_lab.forget()  # here and not afterwards, when a page may still be open
    return shared_lab


@pytest.fixture
def plain(page, tmp_path):
    """Opens pads on a page of their own, from a file."""

    def opened(*pads):
        write_page(tmp_path / "pads.html", pads)
        page.goto((tmp_path / "pads.html").as_uri())
        page.wait_for_function("window.ready", timeout=MINUTE)
        return page

    yield opened
    assert not page.complaints
    assert all(url.startswith(("file:", "data:", "blob:", "about:")) for url in page.asked)
