"""The command `effdet-lite`: a few lines for each subcommand, over the modules that do the work.

What takes seconds to import (torch) is imported by the subcommand that needs it.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from effdet_lite.console import (
    counted,
    figures,
    first_of,
    say,
    show_any_text,
    stop_with,
    stopping_at_once,
)

if TYPE_CHECKING:
    from torch import Tensor


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the subcommand that `arguments` name, by default the process's own.

    Bad input: one sentence and status 2. Stopped at the keyboard, from the first moment on: one
    line and status 130.
    """
    try:
        show_any_text()
        with stopping_at_once():
            from effdet_lite.options import parse

            options, rest = parse(sys.argv[1:] if arguments is None else list(arguments))
        COMMANDS[options.command](options, rest)
    except (OSError, ValueError, FloatingPointError, MemoryError, ImportError) as error:
        stop_with(2, str(error) or type(error).__name__)
    except KeyboardInterrupt as error:
        stop_with(130, str(error) or "stopped.")


def _lab(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.opening import open_lab

    open_lab(rest)


def _doctor(options: argparse.Namespace, rest: list[str]) -> None:
    with stopping_at_once():  # to look is to load, and leaves nothing behind
        from effdet_lite.course import preflight

        findings = preflight()
    for finding in findings:
        mark = "ok" if finding.ok else "FIX" if finding.essential else "note"
        say(f"{mark:4}  {finding.name:17}  {finding.sentence}")
    if any(finding.essential and not finding.ok for finding in findings):
        sys.exit(1)


def _prefetch(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.fetching import fetch_everything

    fetch_everything()


def _kit(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.fetching import fetch_cells, fetch_runtime, fetch_weights
    from effdet_lite.stick.asking import bring_kit

    for line in bring_kit(options, fetch_cells, fetch_weights, fetch_runtime):
        say(line)


def _train(options: argparse.Namespace, rest: list[str]) -> None:
    from dataclasses import fields

    from effdet_lite.fetching import fetch_cells
    from effdet_lite.places import expanded
    from effdet_lite.training import TrainConfig, train

    _use_threads(options.threads)
    values = {field.name: getattr(options, field.name) for field in fields(TrainConfig)}
    values |= {name: tuple(values[name]) for name in ("size", "levels") if values[name]}
    kind, _, place = options.data.partition(":")
    values["output"] = str(expanded(options.output or f"runs/{kind}-phi{options.phi:+g}"))
    if options.start:
        values["start"] = str(expanded(options.start))
    config = TrainConfig(**values)
    if options.download:
        if kind != "bccd":
            raise ValueError(f"--download fetches the blood cells, and --data is {options.data}.")
        fetch_cells(expanded(place) if place else None)
    rows = []
    history = train(config, on_step=rows.append)
    last = history[-1]
    # Of several processes, the first one tests and tells.
    if "ap" not in last and (config.test_data != "none" or os.environ.get("RANK", "0") != "0"):
        return
    if not rows:
        say(
            f"This training was already finished; choose another --output than {config.output} "
            "to train anew."
        )
    say(f"{last['step']} steps in {last['seconds']:.0f} s of training: {figures(last)}")
    say(f"The detector is {config.output}/detector.safetensors.")


def _detect(options: argparse.Namespace, rest: list[str]) -> None:
    with stopping_at_once():
        from effdet_lite import predict
        from effdet_lite.checkpoint import load_detector

    _use_threads(options.threads)
    model, about = load_detector(options.weights)
    photos = predict.find_photos(options.photos)
    predict.check_output(options.photos, options.output)
    report = predict.detect_photos(
        model,
        about,
        photos,
        options.output,
        _drawing,
        score_threshold=options.score,
        iou_threshold=options.iou,
        max_detections=options.max_detections,
    )
    output = os.path.realpath(options.output)
    others = [
        path
        for path in predict.passed_over(options.photos)
        if os.path.realpath(path) != output  # unlike `resolve`, also of a link to itself
    ]
    found = f"{counted(report.objects, 'object')} on {counted(report.photos, 'photo')}"
    say(f"{found}, in {options.output}.")
    if report.full:
        say(
            f"{counted(len(report.full), 'photo')} reached the limit of {options.max_detections} "
            f"boxes (first: {report.full[0]}): a higher --max-detections may find more."
        )
    if others:
        say(f"Passed over, for they are no pictures that can be read: {first_of(others)}.")
    if report.unread:
        left_out = f"{len(report.unread)} of {counted(len(photos), 'photo')} left out"
        raise ValueError(f"{left_out}: {' '.join(report.unread)}")


def _drawing(photo: "Tensor", found: dict, classes: Sequence[str]) -> bytes:
    """The photo, uint8 [3, H, W], with its boxes, as a PNG."""
    from effdet_lite.teach.kit.boxes import photo_figure
    from effdet_lite.teach.kit.plots import png

    boxes, labels, scores = found["boxes"], found["labels"], found["scores"]
    return png(photo_figure(photo, boxes, labels, classes, scores), dpi=100)


def _export(options: argparse.Namespace, rest: list[str]) -> None:
    with stopping_at_once():
        from effdet_lite.checkpoint import load_detector
        from effdet_lite.export import export_onnx
        from effdet_lite.files import ensure_writable

    _use_threads(options.threads)
    if options.output.exists() and options.output.samefile(options.weights):
        raise ValueError(f"{options.output} is the detector itself: pass another --output.")
    model, about = load_detector(options.weights)
    ensure_writable(options.output)
    export_onnx(
        model,
        about["size"],
        options.output,
        classes=about["classes"],
        score_threshold=options.score,
        iou_threshold=options.iou,
        max_detections=options.max_detections,
    )
    height, width = about["size"]
    say(
        f"{options.output} takes one image [1, 3, {height}, {width}], 0-1, and gives boxes, scores "
        "and labels."
    )


def _page(options: argparse.Namespace, rest: list[str]) -> None:
    with stopping_at_once():
        from effdet_lite.checkpoint import load_detector
        from effdet_lite.page.building import build_page
        from effdet_lite.teach.kit.plots import COLORS

    _use_threads(options.threads)
    model, about = load_detector(options.weights)
    size = build_page(
        model,
        about,
        options.output,
        title=options.title or f"The detector {options.weights.stem}",
        colors=COLORS,
        score_threshold=options.score,
        iou_threshold=options.iou,
        max_detections=options.max_detections,
    )
    say(f"{options.output / 'index.html'} runs in a browser ({size / 1e6:.1f} MB in all).")


def _progress(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.places import progress_file
    from effdet_lite.teach.kit import classroom, progress

    if options.merge is not None:
        lines, notes = classroom.report(options.merge)
        for note in notes:
            print(note, file=sys.stderr)
        for line in lines:
            say(line)
        return
    if note := progress.read().note:
        print(note, file=sys.stderr)
    if options.line is not None:
        say(progress.paste_line(options.line))
    elif options.clear:
        kept, copy = progress.clear()
        exercises = counted(len(kept.results), "exercise")
        guesses = counted(len(kept.guesses), "guess", "guesses")
        say(
            f"Cleared: {exercises}, {guesses}. A copy is {copy}."
            if copy
            else "There is nothing to clear."
        )
    else:
        for line in progress.report():
            say(line)
        say(f"Kept in {progress_file()}.")


def _site(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.teach.site.build import build_site

    folder = options.output
    for note in build_site(folder, explorers=() if options.still else None):
        print(note, file=sys.stderr)
    files = [path for path in folder.rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files)
    say(f"{counted(len(files), 'file')}, {size / 1e6:.0f} MB. Open {folder / 'index.html'}.")


def _slides(options: argparse.Namespace, rest: list[str]) -> None:
    from effdet_lite.teach.deck.making import make

    decks = counted(len(make(options.output, options.notebooks, say)), "deck")
    say(f"{decks} and as many handouts. Open {options.output / 'index.html'}.")


def _use_threads(number: int | None) -> None:
    if number is not None:
        import torch

        torch.set_num_threads(number)


COMMANDS = {
    "lab": _lab,
    "train": _train,
    "detect": _detect,
    "export": _export,
    "page": _page,
    "doctor": _doctor,
    "prefetch": _prefetch,
    "kit": _kit,
    "progress": _progress,
    "site": _site,
    "slides": _slides,
}


if __name__ == "__main__":
    main()
