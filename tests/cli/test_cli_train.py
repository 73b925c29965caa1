"""`effdet-lite train` as its user meets it: options, output, bad input, data of one's own, and
being killed.

Oracles: the fields of TrainConfig, files made here with Pillow, exit statuses, a run that nobody
killed.
"""

import os
import re
from dataclasses import fields

import pytest
import torch
from oracles import write_coco, write_voc

from effdet_lite import training
from effdet_lite.checkpoint import load_detector, load_tensors
from effdet_lite.cli import main
from effdet_lite.run import read_history
from effdet_lite.training import TrainConfig

SMALL = ["--size", "64", "64", "--batch-size", "2", "--warmup", "2", "--save-every", "1"]
SMALL += ["--width", "0.25", "--depth", "0.25"]


pytestmark = pytest.mark.usefixtures("one_thread")


def fails(arguments: list[str], capsys) -> str:
    """What the command says before it exits with status 2: one sentence, no traceback."""
    with pytest.raises(SystemExit) as caught:
        main(["train", *map(str, arguments)])
    assert caught.value.code == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert "Traceback" not in "".join(said)
    return said[-1]


def test_help_lists_every_field_of_the_configuration(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "--help"])
    assert caught.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    for field in fields(TrainConfig):
        assert f"--{field.name.replace('_', '-')} " in said
        assert " ".join(field.metadata["help"].split()) in said
        if field.default is not None:
            assert f"(default: {field.default})" in said


def test_each_option_reaches_its_field(monkeypatch):
    values = {
        "data": "bccd:x",
        "test_data": "bccd:y",
        "phi": -1.5,
        "size": (64, 128),
        "levels": (3, 6),
        "steps": 7,
        "anchor_scale": 2.5,
        "optimizer": "sgd",
        "learning_rate": 0.5,
        "output": "o",
    }
    seen = []
    monkeypatch.setattr(training, "train", lambda config, **_: seen.append(config) or [{}])
    arguments = []
    for name, value in values.items():
        arguments += [
            f"--{name.replace('_', '-')}",
            *map(str, value if isinstance(value, tuple) else (value,)),
        ]
    main(["train", *arguments])
    assert seen == [TrainConfig(**values)]
    main(["train"])
    assert seen[1] == TrainConfig(output="runs/shapes-phi-3")


@pytest.mark.slow
def test_two_steps_on_shapes_and_once_more(tmp_path, capsys):
    arguments = ["train", *SMALL, "--steps", "2", "--output", str(tmp_path)]
    main(arguments)
    said = capsys.readouterr().out
    assert (
        "2 steps in" in said
        and "AP50 0." in said
        and str(tmp_path / "detector.safetensors") in said
    )
    model, header = load_detector(tmp_path / "detector.safetensors")
    assert str(tmp_path) not in str(header), (
        "a detector that is given away names no folder of whoever made it"
    )
    assert header["size"] == (64, 64) and len(header["classes"]) == 4
    assert len(model.detect(torch.rand(1, 3, 64, 64), score_threshold=0.0)[0]["boxes"]) == 100
    before = (tmp_path / "last.safetensors").read_bytes()
    main(arguments)
    again = capsys.readouterr().out
    assert "already finished" in again and said in again
    assert (tmp_path / "last.safetensors").read_bytes() == before
    assert "another run: steps 2 (now 3)" in fails(
        [*SMALL, "--steps", "3", "--output", tmp_path], capsys
    )


@pytest.mark.parametrize(
    ("make", "classes"), [(write_coco, ("square", "circle")), (write_voc, ("square",))]
)
def test_data_of_ones_own(tmp_path, capsys, make, classes):
    main(
        [
            "train",
            "--data",
            make(tmp_path / "data"),
            *SMALL,
            "--steps",
            "2",
            "--output",
            str(tmp_path / "run"),
        ]
    )
    assert "2 steps in" in capsys.readouterr().out
    history = read_history(tmp_path / "run" / "last.safetensors")
    assert all(row["box_loss"] > 0 for row in history)  # boxes arrived
    assert load_detector(tmp_path / "run" / "detector.safetensors")[1]["classes"] == classes


def test_pictures_without_boxes(tmp_path, capsys):
    main(
        [
            "train",
            "--data",
            write_coco(tmp_path, boxes=False),
            *SMALL,
            "--steps",
            "2",
            "--output",
            str(tmp_path / "run"),
        ]
    )
    said = capsys.readouterr().out
    assert "AP nan, for the test images hold no object that could be found." in said


def test_other_classes_in_the_test_data_are_found_before_training(tmp_path, capsys):
    data = ["--data", write_coco(tmp_path / "a"), "--test-data", write_voc(tmp_path / "b")]
    for path in (tmp_path / "b" / "Annotations").iterdir():
        path.write_text(path.read_text().replace("square", "disc"))
    said = fails([*SMALL, *data, "--steps", "1", "--output", tmp_path / "run"], capsys)
    assert "disc" in said
    assert not (tmp_path / "run").exists()


def test_one_picture_cannot_be_split(tmp_path, capsys):
    assert "one image cannot be shared" in fails(
        ["--data", write_coco(tmp_path, number=1), *SMALL], capsys
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--steps 0", "steps must be a whole number from 1"),
        ("--steps many", "invalid int value"),
        ("--size 64", "expected 2 arguments"),
        ("--size 100 100", "use 64 or 128"),
        ("--phi 8", "phi must be"),
        ("--optimizer adam", "optimizer must be one of adamw, sgd"),
        ("--learning-rate nan", "learning_rate must be a positive number"),
        ("--learn 1", "unrecognized arguments: --learn"),
        ("--data squares", "data must be shapes, bccd"),
        ("--data bccd", "no blood cells in nowhere: .*--download.*bccd:FOLDER"),
        ("--data shapes --download", "fetches the blood cells, and --data is shapes"),
        ("--threads 0", "must be from 1 to 256"),
        ("--data voc:nowhere", "there is no folder nowhere"),
        ("--data coco:nowhere,x.json", "there is no folder nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EFFDET_LITE_BCCD", "nowhere")
    said = fails(arguments.split(), capsys)
    assert said.startswith("effdet-lite")
    assert re.search(message, said), said
    assert not os.listdir(tmp_path)


def test_a_checkpoint_that_is_not_one_is_one_sentence(tmp_path, capsys):
    (tmp_path / "last.safetensors").write_bytes(b"nothing")
    assert "not a whole safetensors file" in fails([*SMALL, "--output", tmp_path], capsys)


def test_a_training_that_diverges_is_one_sentence(tmp_path, capsys):
    said = fails(
        [*SMALL, "--steps", "4", "--learning-rate", "1e30", "--warmup", "0", "--output", tmp_path],
        capsys,
    )
    assert "lower learning_rate" in said
    load_tensors(tmp_path / "last.safetensors")


def test_interrupted_at_the_keyboard(tmp_path, capsys, monkeypatch):
    def interrupted(config, **_):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", interrupted)
    with pytest.raises(SystemExit) as caught:
        main(["train", "--output", str(tmp_path)])
    assert caught.value.code == 130
    assert "stopped" in capsys.readouterr().err
