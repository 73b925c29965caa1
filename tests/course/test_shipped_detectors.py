"""The detectors in assets/checkpoints: they load, find what their headers say, and their README
tells the same.

Oracles: the result that each file's header has from when it was made, pycocotools for one of them,
torch's counter.
"""

import io
import re
from contextlib import redirect_stdout

import pytest
import torch
from lessons import ROOT
from oracles import macs, parameters, pycocotools
from safetensors import safe_open

from effdet_lite.checkpoint import load_detector
from effdet_lite.course import SHIPPED
from effdet_lite.data import ShapesDetection
from effdet_lite.evaluation import coco_ap_from_detections, detect_dataset

FOLDER = ROOT / "assets" / "checkpoints"
FILES = sorted(FOLDER.glob("*.safetensors"))
SHAPES = [path for path in FILES if path.stem.startswith("shapes")]
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def by_name(path):
    return path.stem


def shown(value):
    """A figure between 0 and 1 as the README writes it."""
    return f"{value:.3f}".removeprefix("0")


def test_what_is_shipped_is_what_the_preflight_looks_for():
    assert {path.stem for path in FILES} == set(SHIPPED)
    assert (
        sum(path.stat().st_size for path in (ROOT / "assets").rglob("*") if path.is_file()) < 25e6
    )


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_a_header_names_no_place_on_the_machine_that_made_it(path):
    with safe_open(path, "pt") as file:
        header = file.metadata()
    assert {"config", "classes", "size", "seconds", "training", "result"} <= header.keys()
    assert not re.search(r"[/\\]|\bruns\b|\btmp\b", " ".join(header.values()))


@pytest.mark.parametrize("path", SHAPES, ids=by_name)
def test_a_detector_finds_on_the_test_pictures_what_its_header_says(path):
    """Within what another processor's rounding may change."""
    model, header = load_detector(path)
    detections, targets = detect_dataset(
        model, ShapesDetection("test", size=header["size"][0]), progress=False
    )
    found = coco_ap_from_detections(detections, targets, header["classes"])
    for name, value in header["result"].items():
        assert found[name] == pytest.approx(value, abs=0.01), name


def test_pycocotools_comes_to_the_same_ap():
    model, header = load_detector(FOLDER / "shapes-phi-3.safetensors")
    detections, targets = detect_dataset(model, ShapesDetection("test"), progress=False)

    oracle = pycocotools(detections, targets, len(header["classes"]))
    with redirect_stdout(io.StringIO()):
        oracle.summarize()
    assert oracle.stats[0] == pytest.approx(header["result"]["ap"], abs=0.01)
    assert oracle.stats[1] == pytest.approx(header["result"]["ap50"], abs=0.01)


@pytest.mark.parametrize("path", FILES, ids=by_name)
def test_the_readme_tells_what_the_header_says(path):
    model, header = load_detector(path)
    (row,) = [line for line in README.splitlines() if line.startswith(f"| `{path.name}` |")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2] == f"{header['seconds']:.0f}"
    assert cells[3:5] == [shown(header["result"][name]) for name in ("ap50", "ap")]
    assert f"--phi {header['training']['phi']:g} " in cells[1].replace("`", " ") + " "
    if len(cells) > 5:
        million = macs(model, torch.zeros(1, 3, *header["size"])) / 1e6
        assert cells[5:7] == [f"{parameters(model):,}", f"{million:.1f} million"]


def test_the_four_sizes_were_trained_alike():
    """Everything but phi is the same, and is what the README's command says."""
    settings = [
        load_detector(FOLDER / f"shapes-phi{phi}.safetensors")[1]["training"]
        for phi in (-3, -2, -1, 0)
    ]
    assert [row.pop("phi") for row in settings] == [-3, -2, -1, 0]
    assert all(row == settings[0] for row in settings)
    command = re.search(
        r"effdet-lite train (--data shapes --phi PHI .*?)--output", README, re.DOTALL
    )[1]
    options = re.findall(r"--([a-z-]+) ([^-\\]+?) *(?=--|\\|$)", command)
    assert len(options) == 11 == command.count("--")
    for option, values in options:
        told = settings[0].get(option.replace("-", "_"), "PHI")
        told = told if isinstance(told, list) else [told]
        assert [str(value).removesuffix(".0") for value in told] == values.split(), option
