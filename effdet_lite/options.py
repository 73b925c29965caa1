"""What the command `effdet-lite` can be asked: each subcommand with its options."""

import argparse
from dataclasses import fields
from types import NoneType
from typing import get_args, get_origin

from effdet_lite.places import expanded
from effdet_lite.values import read_count, read_names, read_share, read_threads

NEW_FOLDER = "the folder to write: one that is not there yet, or an empty one"


def parse(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options, of which `command` is the subcommand's name, and what it passes on to another
    program. Bad options: argparse's own sentence and status 2.
    """
    parser = argparse.ArgumentParser(
        prog="effdet-lite", description="EfficientDet as a course you run.", allow_abbrev=False
    )
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )
    _add_lab(commands)
    # Its options come with torch, which takes seconds to import.
    _add_train(commands, with_options=arguments[:1] == ["train"])
    _add_detect(commands)
    _add_export(commands)
    _add_page(commands)
    _add_doctor(commands)
    _add_prefetch(commands)
    _add_kit(commands)
    _add_progress(commands)
    _add_site(commands)
    _add_slides(commands)
    options, rest = parser.parse_known_args(arguments)
    if rest and options.command != "lab":
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return options, rest


def _add_lab(commands) -> None:
    commands.add_parser(
        "lab",
        help="open the course in JupyterLab, at the first notebook",
        epilog="Any other option, --port 9000 for instance, goes to JupyterLab as it stands.",
        allow_abbrev=False,
    )


def _add_train(commands, *, with_options: bool) -> None:
    """One option for each field of `TrainConfig`, which also has its default and its help."""
    parser = commands.add_parser(
        "train",
        help="train a detector on shapes, blood cells or a folder of your own",
        description="Train a detector. Stopped at any moment, the same command goes on where the "
        "last checkpoint was.",
        allow_abbrev=False,
    )
    if not with_options:
        return
    from effdet_lite.training import TrainConfig  # with torch

    for field in fields(TrainConfig):
        meaning = field.metadata["help"]
        if field.default is not None:
            meaning += f" (default: {field.default})"
        option = f"--{field.name.replace('_', '-')}"
        parser.add_argument(option, default=field.default, help=meaning, **_parsing(field.type))
    parser.add_argument(
        "--download", action="store_true", help="with bccd: fetch the blood cells first, if need be"
    )
    _add_threads(parser)


def _parsing(kind: type) -> dict:
    """How argparse is to read a value of this type, which may also be None: the first other one."""
    if get_origin(kind) is not tuple:
        kind = next(one for one in (*get_args(kind), kind) if one is not NoneType)
    return {"type": int, "nargs": 2} if get_origin(kind) is tuple else {"type": kind}


def _add_detect(commands) -> None:
    parser = commands.add_parser(
        "detect",
        help="find objects on photos of your own, with a detector that you trained",
        description="Find objects on photos. Writes each photo with its boxes (a.jpg becomes "
        "a.jpg.png), and detections.json, a COCO file.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "photos", nargs="+", metavar="PHOTO", help="a picture, or a folder of pictures"
    )
    parser.add_argument(
        "--weights",
        required=True,
        type=expanded,
        help="a detector.safetensors that `effdet-lite train` wrote",
    )
    _add_output(parser, "folder for what is written", "detections")
    _add_what_counts(parser)
    _add_threads(parser)


def _add_export(commands) -> None:
    parser = commands.add_parser(
        "export",
        help="write a detector that you trained as an ONNX file, for programs without torch",
        description="Write a detector as one ONNX file, with decoding and non-maximum suppression "
        "inside.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "weights", type=expanded, help="a detector.safetensors that `effdet-lite train` wrote"
    )
    _add_output(parser, "the file to write", "detector.onnx")
    _add_what_counts(parser)
    _add_threads(parser)


def _add_page(commands) -> None:
    parser = commands.add_parser(
        "page",
        help="write a detector that you trained as a page, which runs it in a browser",
        description="Write a folder whose index.html runs the detector on pictures and on the "
        "camera: opened by double click, without Python and without a network.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "weights", type=expanded, help="a detector.safetensors that `effdet-lite train` wrote"
    )
    _add_output(parser, NEW_FOLDER, "page")
    parser.add_argument("--title", help="heading of the page (default: named after the file)")
    _add_what_counts(parser)
    _add_threads(parser)


def _add_doctor(commands) -> None:
    commands.add_parser(
        "doctor",
        help="look whether this machine is ready for the course",
        description="Look at versions, cores, memory, sliders, checkpoints and data, offline. "
        "Status 1: something is missing.",
        allow_abbrev=False,
    )


def _add_prefetch(commands) -> None:
    commands.add_parser(
        "prefetch",
        help="bring data, weights and a page's runtime to this machine, for a room without network",
        description="Fetch the blood cells, the published weights, and with npm the runtime of a "
        "detector's page, once. What is there already is kept.",
        allow_abbrev=False,
    )


def _add_kit(commands) -> None:
    parser = commands.add_parser(
        "kit",
        help="put the course and all it needs on a stick, for laptops without network",
        description="Bring packages, uv, the course, data, weights, and Python where it can be had "
        "(the last lines say so) into one folder. A laptop without network installs from it by one "
        "command, from a stick or from a machine in the room. What is there already is kept: "
        "stopped at any moment, the same command goes on.",
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", help="the folder to fill, on a stick for instance")
    parser.add_argument(
        "--systems",
        type=read_names,
        default=["linux", "windows", "macos"],
        metavar="NAMES",
        help="for which laptops (default: linux,windows,macos)",
    )
    parser.add_argument(
        "--python",
        type=read_names,
        default=["3.12"],
        metavar="VERSIONS",
        help="for which versions of Python, 3.11,3.12 for instance (default: 3.12)",
    )
    parser.add_argument(
        "--torch",
        default="cpu",
        metavar="KIND",
        help="PyTorch for Linux: cpu, or plain with the libraries for graphics cards, 3 GB more "
        "(default: cpu)",
    )
    parser.add_argument(
        "--without",
        type=read_names,
        default=[],
        metavar="PARTS",
        help="parts to leave out: python, cells, weights, site, runtime",
    )
    parser.add_argument(
        "--site",
        type=expanded,
        metavar="FOLDER",
        help="the pages that `effdet-lite site` made, to carry along",
    )


def _add_progress(commands) -> None:
    parser = commands.add_parser(
        "progress",
        help="show which exercises of the course you have done",
        description="Show how many exercises of each notebook are correct, and how many guesses "
        "you made. It is kept in one file on this machine, and never sent anywhere.",
        allow_abbrev=False,
    )
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument(
        "--line",
        metavar="NOTEBOOK",
        help="print the line for one notebook, 08 for instance, to paste for your class",
    )
    asked.add_argument(
        "--clear", action="store_true", help="begin anew; a copy of the file is kept beside it"
    )
    asked.add_argument(
        "--merge",
        metavar="FILE",
        nargs="+",
        help="for teachers: from copies of learners' files, or folders of them with all that is "
        "in those, tell which exercises were hard; no names",
    )


def _add_site(commands) -> None:
    parser = commands.add_parser(
        "site",
        help="write the course as pages that open in a browser, without Python or network",
        description="Write all notebooks, the notation, the claims and the guide as pages into a "
        "folder. A double click on its index.html opens them; they need no network. The command "
        "does the first time, to fetch onnxruntime-web, which runs detectors in the pages.",
        allow_abbrev=False,
    )
    _add_output(parser, NEW_FOLDER)
    parser.add_argument(
        "--still",
        action="store_true",
        help="leave explorers that do not compute in the page as pictures: a minute, not several",
    )


def _add_slides(commands) -> None:
    parser = commands.add_parser(
        "slides",
        help="for teachers: make slides and handouts from the notebooks",
        description="Make a deck of slides and a handout of one page from each notebook. They need "
        "no network; the command does the first time, to fetch reveal.js, which turns the slides.",
        allow_abbrev=False,
    )
    _add_output(parser, NEW_FOLDER)
    parser.add_argument(
        "--notebooks",
        nargs="+",
        default=[],
        metavar="NOTEBOOK",
        help="01 03 for instance (default: all)",
    )


def _add_output(parser: argparse.ArgumentParser, what: str, default: str | None = None) -> None:
    """Where to write; it must be said where there is no default."""
    words = f"{what} (default: {default})" if default else what
    parser.add_argument(
        "--output", default=default, required=not default, type=expanded, help=words
    )


def _add_what_counts(parser: argparse.ArgumentParser) -> None:
    """The options that say which boxes are kept."""
    parser.add_argument(
        "--score", type=read_share, default=0.3, help="lowest score of a box, 0-1 (default: 0.3)"
    )
    parser.add_argument(
        "--iou",
        type=read_share,
        default=0.5,
        help="overlap from which two boxes are one, 0-1 (default: 0.5)",
    )
    parser.add_argument(
        "--max-detections",
        type=read_count,
        default=100,
        help="most boxes on one picture (default: 100)",
    )


def _add_threads(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--threads", type=read_threads, help="CPU threads to compute with (default: torch's choice)"
    )
