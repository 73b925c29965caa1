"""`effdet-lite train` as its user meets it: options, output, bad input, data of one's own, and
being killed.

Oracles: the fields of TrainConfig, files made here with Pillow, exit statuses, a run that nobody
killed.
"""

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from PIL import Image, ImageDraw

from effdet_lite import training
from effdet_lite.checkpoint import load_detector, load_tensors
from effdet_lite.cli import main
from effdet_lite.training import TrainConfig

SMALL = ["--size", "64", "64", "--batch-size", "2", "--warmup", "2", "--save-every", "1"]


pytestmark = pytest.mark.usefixtures("one_thread")


def pictures(folder: Path, number: int = 8) -> list[tuple[str, tuple[int, int, int, int]]]:
    """Pictures of 80 x 60 with one light square each, as (file name, its xyxy box)."""
    folder.mkdir(parents=True)
    found = []
    for index in range(number):
        x, y, side = 3 + 5 * index, 20 - 2 * index, 12 + 2 * index
        image = Image.new("RGB", (80, 60), (40, 10 * index, 80))
        ImageDraw.Draw(image).rectangle(
            (x, y, x + side - 1, y + side - 1), (250, 240, 90 + 20 * index)
        )
        image.save(folder / f"p{index}.png")
        found.append((f"p{index}.png", (x, y, x + side, y + side)))
    return found


def coco(root: Path, boxes: bool = True, number: int = 8) -> str:
    """The --data of a small COCO folder."""
    found = list(enumerate(pictures(root / "images", number)))
    (root / "a.json").write_text(
        json.dumps(
            {
                "images": [
                    {"id": index, "file_name": name, "width": 80, "height": 60}
                    for index, (name, _) in found
                ],
                "categories": [{"id": 7, "name": "square"}, {"id": 9, "name": "circle"}],
                "annotations": [
                    {
                        "id": index,
                        "image_id": index,
                        "category_id": 7,
                        "bbox": [x, y, u - x, v - y],
                        "iscrowd": 0,
                    }
                    for index, (_, (x, y, u, v)) in found
                    if boxes
                ],
            }
        )
    )
    return f"coco:{root / 'images'},{root / 'a.json'}"


def voc(root: Path) -> str:
    """The --data of a small VOC folder."""
    found = pictures(root / "JPEGImages")
    for folder in ("Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for name, corners in found:
        box = "".join(
            f"<{k}>{v}</{k}>"
            for k, v in zip(("xmin", "ymin", "xmax", "ymax"), corners, strict=True)
        )
        (root / "Annotations" / f"{name[:-4]}.xml").write_text(
            "<annotation><size><width>80</width><height>60</height></size>"
            f"<object><name>square</name><bndbox>{box}</bndbox></object></annotation>"
        )
    for split, part in (("trainval", found[:6]), ("test", found[6:])):
        (root / "ImageSets/Main" / f"{split}.txt").write_text(
            "\n".join(name[:-4] for name, _ in part)
        )
    return f"voc:{root}"


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


@pytest.mark.parametrize(("make", "classes"), [(coco, ("square", "circle")), (voc, ("square",))])
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
    history = load_tensors(tmp_path / "run" / "last.safetensors")[1]["history"]
    assert all(row["box_loss"] > 0 for row in history)  # boxes arrived
    assert load_detector(tmp_path / "run" / "detector.safetensors")[1]["classes"] == classes


def test_pictures_without_boxes(tmp_path, capsys):
    main(
        [
            "train",
            "--data",
            coco(tmp_path, boxes=False),
            *SMALL,
            "--steps",
            "2",
            "--output",
            str(tmp_path / "run"),
        ]
    )
    assert "AP nan" in capsys.readouterr().out


def test_other_classes_in_the_test_data_are_found_before_training(tmp_path, capsys):
    data = ["--data", coco(tmp_path / "a"), "--test-data", voc(tmp_path / "b")]
    assert "the same, in the same order" in fails(
        [*SMALL, *data, "--output", tmp_path / "run"], capsys
    )
    assert not (tmp_path / "run").exists()


def test_one_picture_cannot_be_split(tmp_path, capsys):
    assert "one image cannot be shared" in fails(
        ["--data", coco(tmp_path, number=1), *SMALL], capsys
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--steps 0", "steps must be at least 1"),
        ("--steps many", "invalid int value"),
        ("--size 64", "expected 2 arguments"),
        ("--size 100 100", "use 64 or 128"),
        ("--phi 8", "phi must be"),
        ("--optimizer adam", 'optimizer must be "adamw" or "sgd"'),
        ("--learning-rate nan", "learning_rate must be a positive number"),
        ("--learn 1", "unrecognized arguments: --learn"),
        ("--data squares", "data must be shapes, bccd"),
        ("--data bccd", "no blood cells in data/bccd: .*--download.*bccd:FOLDER"),
        ("--data voc:nowhere", "there is no folder nowhere"),
        ("--data coco:nowhere,x.json", "there is no folder nowhere"),
    ],
)
def test_bad_input_is_one_sentence_and_status_2(arguments, message, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
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


def steps_saved(path: Path) -> int:
    """Readable at any moment, for the file is replaced in one go."""
    return len(load_tensors(path)[1]["history"]) if path.exists() else 0


# Starts the command anew for each line that it reads. To import torch takes seconds, and a fork of
# this has it already.
NEW_PROCESSES = """
import os, sys
from effdet_lite import cli, training
for _ in sys.stdin:
    child = os.fork()
    if not child:
        os.dup2(2, 1)
        cli.main(sys.argv[1:])
        break
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no SIGKILL")
def test_killed_at_random_moments_and_run_again_is_never_killed(tmp_path):
    """SIGKILL, which no program can prepare for; then the same weights bit for bit, and no
    debris.
    """
    arguments = ["train", "--data", coco(tmp_path / "data"), *SMALL, "--steps", "24", "--output"]
    main([*arguments, str(tmp_path / "straight")])
    last, said, moments = tmp_path / "killed" / "last.safetensors", tmp_path / "said", [0]
    with (
        open(said, "w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", NEW_PROCESSES, *arguments, last.parent],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as server,
    ):
        for kill in (True, True, True, False):
            server.stdin.write("go\n")
            server.stdin.flush()
            child = int(server.stdout.readline())
            if kill:
                deadline = time.monotonic() + 60
                while steps_saved(last) <= moments[-1] and time.monotonic() < deadline:
                    time.sleep(0.01)
                time.sleep(random.uniform(0, 0.2))
                os.kill(child, signal.SIGKILL)
            assert int(server.stdout.readline()) == (-signal.SIGKILL if kill else 0), (
                said.read_text()[-2000:]
            )
            moments.append(steps_saved(last))
        server.stdin.close()
    assert sorted(set(moments)) == moments and moments[-1] == 24, moments
    assert "24 steps in" in said.read_text()
    assert sorted(os.listdir(last.parent)) == ["detector.safetensors", "last.safetensors"], moments
    for name in ("last", "detector"):
        mine, theirs = (
            load_tensors(tmp_path / run / f"{name}.safetensors")[0]
            for run in ("straight", "killed")
        )
        assert mine.keys() == theirs.keys() and len(mine) > 100
        assert not [key for key in mine if not torch.equal(mine[key], theirs[key])], moments
