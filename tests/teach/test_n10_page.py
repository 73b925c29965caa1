"""The page of notebook 10's last exercise. That it shows what the exercise asks for is tested in
tests/course/browser/test_detector_page.py. Oracles: the disk, Pillow, and the errors' own words.
"""

import numpy as np
import pytest
from PIL import Image

from effdet_lite.data.pictures import read_picture
from effdet_lite.download import DownloadError
from effdet_lite.page import building
from effdet_lite.places import shipped_detector
from effdet_lite.teach.nb import n10_page


@pytest.fixture
def shapes():
    return shipped_detector("shapes")


def fail(*_, **__):
    pytest.fail("nobody asked for a page")


def test_run_all_makes_and_fetches_nothing(monkeypatch, tmp_path, shapes, capsys):
    monkeypatch.setattr(n10_page, "build_page", fail)
    n10_page.make_page(shapes, tmp_path / "page", False)
    said = capsys.readouterr().out
    assert "write wanted = True" in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "error",
    [
        DownloadError("onnxruntime-web could not be fetched."),
        ImportError("pip install onnx onnxscript."),
        ValueError("the page of this detector would weigh 15.2 MB."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_cannot_be_made_is_one_sentence_and_the_notebook_goes_on(
    monkeypatch, tmp_path, shapes, capsys, error
):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr(n10_page, "build_page", refuse)
    n10_page.make_page(shapes, tmp_path / "page", True)
    said = capsys.readouterr().out
    assert said == f"There is no page, for {error} You can go on without one.\n"
    assert not list(tmp_path.iterdir())


def test_without_a_network_the_runtime_is_named(monkeypatch, tmp_path, shapes, capsys):
    """The real `build_page`, on a machine without npm."""
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("effdet_lite.page.runtime.importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr(building, "export_onnx", fail)
    n10_page.make_page(shapes, tmp_path / "page", True)
    assert "a page needs onnxruntime-web" in capsys.readouterr().out
    assert not (tmp_path / "page").exists()


def test_a_page_is_said_with_its_place_and_is_not_made_twice(monkeypatch, tmp_path, shapes, capsys):
    def build(model, about, folder, **options):
        assert about["classes"] == ("circle", "square", "triangle", "cross")
        folder.mkdir()
        (folder / "index.html").write_text("the page")
        (folder / "network.js").write_bytes(bytes(4_300_000))
        return 9_300_000

    monkeypatch.setattr(n10_page, "build_page", build)
    n10_page.make_page(shapes, tmp_path / "page", True)
    said = capsys.readouterr().out
    assert str(tmp_path / "page" / "index.html") in said
    assert "9.3 MB in all; the network takes 4.3 MB" in said
    dropped = tmp_path / "page" / n10_page.NAME
    with Image.open(dropped) as image:
        assert image.size == (128, 128) and image.mode == "RGB"
    np.testing.assert_array_equal(read_picture(dropped), n10_page.drawing().numpy())
    monkeypatch.setattr(n10_page, "build_page", fail)
    n10_page.make_page(shapes, tmp_path / "page", True)
    assert "is there already" in capsys.readouterr().out
