"""The blood cells as everybody reads them: YOLO's text files and COCO's JSON, written once.

Training and validation pictures lie in images/ and labels/, test pictures apart in test/images/,
without labels: only the judge has these. Of every list there is a NAME.txt with its pictures and a
NAME.json (COCO); of those to train on, a NAME.yaml (YOLO). Boxes without area are left out.
"""

import json
import shutil
import warnings
from pathlib import Path

import numpy as np
import torch
from contestants.common import image_number

from effdet_lite.data import BCCDDetection
from effdet_lite.data.bccd import UNSEEN
from effdet_lite.evaluation import coco_ap_from_detections

LEARNED_FROM = ("train", "val", "trainval")
JUDGED = ("test", UNSEEN)
DONE = "complete"  # an empty file, written last


def export(cells: Path, folder: Path, most: int | None = None) -> None:
    """Write the data of the folder `cells` into `folder`, unless it is there already.

    most: pictures of each list, for a quick look.
    """
    if (folder / DONE).exists():
        return
    for name in (*LEARNED_FROM, *JUDGED):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of the boxes without area
            dataset = BCCDDetection(cells, name, verify=False)
        samples, classes = dataset.samples[:most], dataset.classes
        part = folder / "test" if name in JUDGED else folder
        pictures = [(part / "images" / one.path.name).resolve() for one in samples]
        for sample, picture in zip(samples, pictures, strict=True):
            picture.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(sample.path, picture)
            if name in LEARNED_FROM:
                label = folder / "labels" / f"{picture.stem}.txt"
                label.parent.mkdir(exist_ok=True)
                label.write_text(yolo_text(sample), encoding="utf-8")
        (folder / f"{name}.txt").write_text("\n".join(map(str, pictures)) + "\n", encoding="utf-8")
        document = json.dumps(coco_document(samples, classes))
        (folder / f"{name}.json").write_text(document, encoding="utf-8")
        if name in LEARNED_FROM:
            (folder / f"{name}.yaml").write_text(yolo_yaml(folder, name, classes), encoding="utf-8")
    (folder / DONE).touch()


def yolo_text(sample) -> str:
    """One line an object: label, center x, center y, width, height, as shares of the picture."""
    lines = []
    for (x0, y0, x1, y1), label in zip(sample.boxes.tolist(), sample.labels, strict=True):
        width, height = sample.size
        shares = (
            (x0 + x1) / 2 / width,
            (y0 + y1) / 2 / height,
            (x1 - x0) / width,
            (y1 - y0) / height,
        )
        lines.append(" ".join([str(label), *(f"{share:.8f}" for share in shares)]))
    return "".join(f"{line}\n" for line in lines)


def yolo_yaml(folder: Path, name: str, classes: tuple[str, ...]) -> str:
    """The description of a list to train on; the validation pictures are only named."""
    names = "".join(f"  {label}: {title}\n" for label, title in enumerate(classes))
    path = json.dumps(str(folder.resolve()))
    return f"path: {path}\ntrain: {name}.txt\nval: val.txt\nnames:\n{names}"


def coco_document(samples: list, classes: tuple[str, ...]) -> dict:
    """COCO's "instances": image ids are the photographs' numbers, category ids count from 1."""
    images, annotations = [], []
    for sample in samples:
        number, (width, height) = image_number(sample.path), sample.size
        images.append(
            {"id": number, "file_name": sample.path.name, "width": width, "height": height}
        )
        for (x0, y0, x1, y1), label in zip(sample.boxes.tolist(), sample.labels, strict=True):
            box = [x0, y0, x1 - x0, y1 - y0]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": number,
                    "category_id": int(label) + 1,
                    "bbox": box,
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(classes)]
    return {"images": images, "annotations": annotations, "categories": categories}


# --- the judge ---


def judged(rows: list[dict], truth: dict) -> dict[str, float]:
    """AP and AP50 of COCO results `rows` on the images of the COCO document `truth`.

    Results on other images are not looked at.
    """
    numbers = [image["id"] for image in truth["images"]]
    classes = [category["name"] for category in truth["categories"]]
    found, objects = by_image(rows, numbers), by_image(truth["annotations"], numbers)
    detections = [one | {"scores": scores} for one, scores in map(_with_scores, found)]
    targets = [
        {"image_id": number, "boxes": boxes_of(one), "labels": labels_of(one)}
        for number, one in zip(numbers, objects, strict=True)
    ]
    figures = coco_ap_from_detections(detections, targets, classes)
    return {name: round(figures[name], 4) for name in ("ap", "ap50")}


def by_image(rows: list[dict], numbers: list[int]) -> list[list[dict]]:
    """The rows of each image, in the order of the images' numbers."""
    groups = {number: [] for number in numbers}
    for row in rows:
        if row["image_id"] in groups:
            groups[row["image_id"]].append(row)
    return list(groups.values())


def boxes_of(rows: list[dict]) -> torch.Tensor:
    """Boxes [n, 4] as xyxy of COCO rows, which have x, y, width, height; float64."""
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return torch.from_numpy(boxes)


def labels_of(rows: list[dict]) -> torch.Tensor:
    """Labels [n] from 0 of COCO rows."""
    return torch.tensor([row["category_id"] - 1 for row in rows], dtype=torch.int64)


def _with_scores(rows: list[dict]) -> tuple[dict, torch.Tensor]:
    scores = torch.tensor([row["score"] for row in rows], dtype=torch.float64)
    return {"boxes": boxes_of(rows), "labels": labels_of(rows)}, scores
