"""The command `effdet-lite`: a few lines for each subcommand, over the modules that do the work."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from types import NoneType
from typing import get_args, get_origin
from urllib.parse import quote

from effdet_lite.course import PUBLISHED, preflight
from effdet_lite.places import cells_folder, course_folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the subcommand that `arguments` name, by default the process's own. Bad input: one
    sentence and status 2.
    """
    parser = argparse.ArgumentParser(
        prog="effdet-lite", description="EfficientDet as a course you run.", allow_abbrev=False
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    lab = commands.add_parser(
        "lab",
        help="open the course in JupyterLab, at the first notebook",
        epilog="Any other option, --port 9000 for instance, goes to JupyterLab as it stands.",
        allow_abbrev=False,
    )
    lab.set_defaults(run=_lab, passes_options_on=True)
    train = commands.add_parser(
        "train",
        help="train a detector on shapes, blood cells or a folder of your own",
        description="Train a detector. Stopped at any moment, the same command goes on where the last checkpoint was.",
        allow_abbrev=False,
    )
    detect = commands.add_parser(
        "detect",
        help="find objects on photos of your own, with a detector that you trained",
        description="Find objects on photos. Writes each photo with its boxes, and detections.json, a COCO file.",
        allow_abbrev=False,
    )
    detect.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="a picture, or a folder of pictures"
    )
    detect.add_argument(
        "--weights", required=True, help="a detector.safetensors that `effdet-lite train` wrote"
    )
    detect.add_argument(
        "--score", type=float, default=0.3, help="lowest score of a box, 0-1 (default: 0.3)"
    )
    detect.add_argument(
        "--iou", type=float, default=0.5, help="overlap from which two boxes are one (default: 0.5)"
    )
    detect.add_argument(
        "--output", default="detections", help="folder for what is written (default: detections)"
    )
    detect.set_defaults(run=_detect)
    export = commands.add_parser(
        "export",
        help="write a detector that you trained as an ONNX file, for programs without torch",
        description="Write a detector as one ONNX file, with decoding and non-maximum suppression inside.",
        allow_abbrev=False,
    )
    export.add_argument("weights", help="a detector.safetensors that `effdet-lite train` wrote")
    export.add_argument(
        "--output", default="detector.onnx", help="the file to write (default: detector.onnx)"
    )
    export.add_argument(
        "--score", type=float, default=0.3, help="lowest score of a box, 0-1 (default: 0.3)"
    )
    export.add_argument(
        "--iou", type=float, default=0.5, help="overlap from which two boxes are one (default: 0.5)"
    )
    export.set_defaults(run=_export)
    doctor = commands.add_parser(
        "doctor",
        help="look whether this machine is ready for the course",
        description="Look at versions, memory, sliders, checkpoints and data, offline. Status 1: something is missing.",
        allow_abbrev=False,
    )
    doctor.set_defaults(run=_doctor)
    prefetch = commands.add_parser(
        "prefetch",
        help="bring data and published weights to this machine, for a room without network",
        description="Fetch the blood cells and the published weights, once. What is there already is kept.",
        allow_abbrev=False,
    )
    prefetch.set_defaults(run=_prefetch)
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    if "train" in arguments[:1]:  # its options come with torch, which takes seconds to import
        _add_train_options(train)
    train.set_defaults(run=_train)

    options, rest = parser.parse_known_args(arguments)
    if rest and not getattr(options, "passes_options_on", False):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    try:
        options.run(options, rest)
    except (OSError, ValueError, FloatingPointError, MemoryError, ImportError) as error:
        parser.exit(2, f"effdet-lite: {error}\n")
    except KeyboardInterrupt as error:
        parser.exit(130, f"effdet-lite: {str(error) or 'stopped.'}\n")


def lab_arguments(course: Path, rest: Sequence[str], *, root: bool, display: bool) -> list[str]:
    """JupyterLab's arguments to open the course; `root`: is the user root, `display`: can a browser
    be shown.
    """
    first = next(iter(sorted(course.glob("notebooks/[0-9]*.ipynb"))), course / "README.md")
    arguments = [
        f"--ServerApp.root_dir={course}",
        f"--LabApp.default_url=/lab/tree/{quote(first.relative_to(course).as_posix())}",
    ]
    if not any(option.startswith(("--ip", "--ServerApp.ip")) for option in rest):
        arguments.append(
            "--ip=127.0.0.1"
        )  # the learner's own machine, whatever a configuration file says
    if root:
        arguments.append("--allow-root")
    if not display:
        arguments.append("--no-browser")  # JupyterLab then prints the URL
    return [*arguments, *rest]


def _lab(options: argparse.Namespace, rest: list[str]) -> None:
    from jupyterlab.labapp import LabApp

    root = hasattr(os, "geteuid") and os.geteuid() == 0
    display = not sys.platform.startswith("linux") or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))
    )
    LabApp.launch_instance(lab_arguments(course_folder(), rest, root=root, display=display))


def _doctor(options: argparse.Namespace, rest: list[str]) -> None:
    findings = preflight()
    for finding in findings:
        mark = "ok" if finding.ok else "FIX" if finding.essential else "note"
        print(f"{mark:4}  {finding.name:17}  {finding.sentence}")
    if any(finding.essential and not finding.ok for finding in findings):
        sys.exit(1)


def _prefetch(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.data import BCCDDetection, bccd
    from effdet_lite.pretrained import fetch, published_url

    def cells() -> Path:
        BCCDDetection(cells_folder(), "trainval", download=True, url=bccd.URL, verify=False)
        return cells_folder()

    wanted = {"blood cells": cells} | {
        name: lambda name=name: fetch(published_url(name)) for name in PUBLISHED
    }
    failed = []
    for name, bring in wanted.items():
        try:
            print(f"{name}: in {bring()}")
        except (
            OSError,
            ValueError,
        ) as error:  # what can be fetched is worth having without the rest
            failed.append(name)
            print(f"{name}: {error}", file=sys.stderr)
    if failed:
        raise ValueError(
            f"{', '.join(failed)} could not be fetched: try again, the same command keeps what is there."
        )


def _add_train_options(parser: argparse.ArgumentParser) -> None:
    """One option for each field of `training.TrainConfig`, which also has its default and its
    help.
    """
    from effdet_lite.training import TrainConfig

    for entry in fields(TrainConfig):
        kind = next(kind for kind in (*get_args(entry.type), entry.type) if kind is not NoneType)
        parsing = {"type": int, "nargs": 2} if get_origin(kind) is tuple else {"type": kind}
        meaning = entry.metadata["help"] + (
            f" (default: {entry.default})" if entry.default is not None else ""
        )
        parser.add_argument(
            f"--{entry.name.replace('_', '-')}", default=entry.default, help=meaning, **parsing
        )
    parser.add_argument(
        "--download", action="store_true", help="fetch the blood cells first, if they are not there"
    )


def _train(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.data import BCCDDetection
    from effdet_lite.training import TrainConfig, train

    values = {entry.name: getattr(options, entry.name) for entry in fields(TrainConfig)}
    values |= {name: tuple(values[name]) for name in ("size", "levels") if values[name]}
    values["output"] = (
        values["output"] or f"runs/{options.data.partition(':')[0]}-phi{options.phi:+g}"
    )
    config = TrainConfig(**values)
    kind, _, place = config.data.partition(":")
    if options.download and kind == "bccd":
        BCCDDetection(place or cells_folder(), "trainval", download=True)
    rows = []
    last = train(config, on_step=rows.append)[-1]
    if "ap" not in last:
        return  # of several processes, the first one tests and tells
    if not rows:
        print(
            f"This training was already finished; choose another --output than {config.output} to train anew."
        )
    print(
        f"{last['step']} steps in {last['seconds']:.0f} s of training: "
        f"AP {last['ap']:.3f}, AP50 {last['ap50']:.3f}, AP75 {last['ap75']:.3f} on the test images.\n"
        f"The detector is {config.output}/detector.safetensors."
    )


def _detect(options: argparse.Namespace, rest: list[str]) -> None:
    from tqdm.auto import tqdm

    from effdet_lite import predict
    from effdet_lite.checkpoint import load_detector
    from effdet_lite.teach.kit.plots import draw_boxes, new_figure, png

    for name in ("score", "iou"):
        if not 0 <= getattr(options, name) <= 1:
            raise ValueError(f"--{name} must lie in 0-1, got {getattr(options, name)}.")
    model, about = load_detector(options.weights)
    photos = predict.find_photos(options.photos)
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    names, sizes, detections, unread = [], [], [], []
    for path in tqdm(photos, "detect", unit="photo"):
        try:
            photo = predict.read_photo(path)
        except ValueError as error:  # one broken file does not take the others with it
            unread.append(str(error))
            continue
        found = predict.detect_photo(
            model, photo, about["size"], score_threshold=options.score, iou_threshold=options.iou
        )
        height, width = photo.shape[-2:]
        inches = min(12, max(5, width / 100))
        edges = {"left": 0, "right": 1, "bottom": 0, "top": 1}
        figure, axes = new_figure(width=inches, height=inches * height / width, margins=edges)
        draw_boxes(
            photo / 255,
            found["boxes"],
            found["labels"],
            about["classes"],
            found["scores"],
            axis=axes[0, 0],
        )
        # Photos of one name may come from several folders.
        number = sum(Path(name).name == path.name for name in names)
        (folder / (path.stem + (f"-{number + 1}" if number else "") + ".png")).write_bytes(
            png(figure, dpi=100)
        )
        names.append(str(path))
        sizes.append((height, width))
        detections.append(found)
    predict.write_json(
        folder / "detections.json",
        predict.coco_document(names, sizes, detections, about["classes"]),
    )
    objects = sum(len(found["labels"]) for found in detections)
    print(f"{objects} objects on {len(detections)} photos, in {folder}.")
    if unread:
        raise ValueError(f"{len(unread)} of {len(photos)} photos were left out: {' '.join(unread)}")


def _export(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.checkpoint import load_detector
    from effdet_lite.export import export_onnx

    model, about = load_detector(options.weights)
    export_onnx(
        model,
        about["size"],
        options.output,
        classes=about["classes"],
        score_threshold=options.score,
        iou_threshold=options.iou,
    )
    height, width = about["size"]
    print(
        f"{options.output} takes one image [1, 3, {height}, {width}], 0-1, and gives boxes, scores and labels."
    )


if __name__ == "__main__":
    main()
