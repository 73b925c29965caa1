"""`effdet-lite page`: the folder opened from the disk, with the network off.

Oracles: Pillow and torch for what a picture holds and how it is fitted, onnxruntime on the page's
own network, torch on the detector's file, and `judged` for labels. Pictures are PNGs where numbers
must be equal, since two programs may decode a JPEG differently by a shade.
"""

import base64
import gzip
import io
import json
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from lab import MINUTE, new_page
from lessons import ROOT
from PIL import Image
from torchvision import tv_tensors

from effdet_lite.checkpoint import load_detector
from effdet_lite.cli import main
from effdet_lite.data import ShapesDetection, eval_transforms
from effdet_lite.data.pictures import read_picture
from effdet_lite.download import DownloadError
from effdet_lite.folding import folded
from effdet_lite.page.building import network_of
from effdet_lite.page.runtime import runtime_files
from effdet_lite.predict import detect_photo
from effdet_lite.teach.kit.checks import load_exercises
from effdet_lite.teach.kit.judged import judged
from effdet_lite.teach.kit.plots import COLORS
from effdet_lite.teach.nb.n10_page import NAME
from effdet_lite.teach.nb.n10_page import drawing as exercise_drawing

onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("one_thread")]

WEIGHTS = ROOT / "assets" / "checkpoints" / "shapes.safetensors"
MOST = 12_000_000  # bytes of a page with one of the course's detectors
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The page of a shipped detector."""
    try:
        runtime_files()
    except DownloadError as error:
        pytest.skip(str(error))
    made = tmp_path_factory.mktemp("page") / "shapes"
    main(["page", str(WEIGHTS), "--output", str(made)])
    return made


@pytest.fixture(scope="module")
def detector():
    return load_detector(WEIGHTS)


@pytest.fixture(scope="module")
def network(folder):
    """The page's own network, as an onnx.ModelProto."""
    return onnx.load_from_string(content_of(folder / "network.js", "network"))


def content_of(script: Path, name: str) -> bytes:
    """What a script of the page keeps under this name: 15 bits in a letter."""
    text = script.read_text(encoding="utf-16")
    ((length, letters),) = re.findall(rf'"{name}", \[(\d+), "([^"]+)"\]', text)
    bits = "".join(f"{ord(letter) - 0x100:015b}" for letter in letters)
    number = 8 * int(length)
    return gzip.decompress(int(bits[:number], 2).to_bytes(int(length), "big"))


@pytest.fixture(scope="module")
def shared_page(folder, browser):
    with new_page(browser, offline=True) as page:
        page.goto((folder / "index.html").as_uri())
        page.wait_for_selector("body.ready")
        yield page


@pytest.fixture
def page(shared_page, folder):
    """The page with nothing in its controls; afterwards nothing went wrong, and nothing was asked
    for outside the folder.
    """
    shared_page.locator("#score").fill("0.3")
    yield shared_page
    assert not shared_page.complaints
    inside = (folder.as_uri(), "blob:", "data:")
    assert all(url.startswith(inside) for url in shared_page.asked)


def drawing(number: int) -> Image.Image:
    """A picture of shapes, 128 × 128."""
    return as_picture(ShapesDetection("test", 128, 20)[number][0])


def as_picture(image: torch.Tensor) -> Image.Image:
    """[3, H, W] in 0-1, as 8 bits."""
    return Image.fromarray((image.numpy() * 255).round().astype(np.uint8).transpose(1, 2, 0))


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[ORIENTATION] = orientation
    return block


def see_through(image: Image.Image) -> Image.Image:
    """With every opacity from none to all in it."""
    opacity = np.linspace(0, 255, image.width * image.height).astype(np.uint8)
    image = image.convert("RGBA")
    image.putalpha(Image.fromarray(opacity.reshape(image.height, image.width)))
    return image


# How each picture is written: (the picture, options of `save`).
PICTURES = {
    "as it is": lambda: (drawing(0), {}),
    "larger": lambda: (drawing(1).resize((333, 333)), {}),
    "smaller": lambda: (drawing(2).resize((90, 90)), {}),
    "wide": lambda: (drawing(3).resize((401, 150)), {}),
    "high": lambda: (drawing(4).resize((77, 128)), {}),
    "turned by 3": lambda: (drawing(5).resize((200, 150)), {"exif": exif(3)}),
    "turned by 6": lambda: (drawing(6).resize((200, 150)), {"exif": exif(6)}),
    "see-through": lambda: (see_through(drawing(7)), {}),
    "see-through and turned": lambda: (
        see_through(drawing(8).crop((0, 0, 128, 90))),
        {"exif": exif(8)},
    ),
    "few colors": lambda: (drawing(9).quantize(16), {"transparency": 3}),
    "gray, see-through": lambda: (see_through(drawing(10)).convert("LA"), {}),
    "large and gray": lambda: (drawing(11).convert("L").resize((640, 480)), {}),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The path of each picture."""
    place = tmp_path_factory.mktemp("pictures")
    paths = {}
    for number, (name, make) in enumerate(PICTURES.items()):
        image, options = make()
        paths[name] = place / f"{number}.png"
        image.save(paths[name], **options)
    return paths


def said_of(page, name: str) -> str:
    """What the page says of a file of this name, once it has looked at it."""
    page.wait_for_function(
        "name => document.getElementById('said').textContent.startsWith(name)",
        arg=name,
        timeout=2 * MINUTE,
    )
    return page.inner_text("#said")


def looked_at(page, path: Path) -> str:
    page.set_input_files("#file", path)
    return said_of(page, path.name)


def found_by_onnxruntime(network, path: Path, size) -> tuple[np.ndarray, ...]:
    """Boxes, scores, labels in the picture's own pixels."""
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = runtime.InferenceSession(network.SerializeToString(), options)
    photo = torch.from_numpy(read_picture(path))
    height, width = photo.shape[-2:]
    scale = min(size[0] / height, size[1] / width)
    shown = [max(1, round(height * scale)), max(1, round(width * scale))]
    image = eval_transforms(size)(tv_tensors.Image(photo))
    boxes, scores, labels = session.run(None, {"images": image[None].numpy()})
    boxes = boxes * np.float32([width / shown[1], height / shown[0]] * 2)
    boxes = np.minimum(boxes, np.float32([width, height] * 2))
    seen = (boxes[:, 2:] > boxes[:, :2]).all(1)
    return boxes[seen], scores[seen], labels[seen]


def in_page(page) -> tuple[np.ndarray, ...]:
    found = page.evaluate("state.found")
    boxes = np.array([one["box"] for one in found]).reshape(-1, 4)
    return boxes, np.array([one["score"] for one in found]), [one["label"] for one in found]


# --- The network ---


def test_the_folder_is_small_and_whole(folder):
    assert sum(path.stat().st_size for path in folder.iterdir()) <= MOST
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert str(ROOT).encode() not in b"".join(path.read_bytes() for path in folder.iterdir())


def test_no_weight_was_rounded(network, detector):
    """Halves times factors are the folded network's weights, bit for bit."""
    assert share_of_exact_weights(network, detector[0]) < 0.6


def test_no_weight_of_a_file_in_8_bits_was_rounded():
    """Its halves are places in a list of values."""
    model, about = load_detector(WEIGHTS.with_name("shapes-phi-3.safetensors"))
    network = onnx.load_from_string(network_of(model, about))
    assert share_of_exact_weights(network, model) < 0.35


def share_of_exact_weights(network, model) -> float:
    """How much of 32-bit weights this file takes; its weights are exactly the folded model's."""
    stored = {one.name: onnx.numpy_helper.to_array(one) for one in network.graph.initializer}
    wanted = {f"model.{name}": x.numpy() for name, x in folded(model).state_dict().items()}
    sizes = sum(array.nbytes for array in stored.values())
    for node in network.graph.node:
        if node.op_type == "Cast" and node.input[0] in stored:
            kind = onnx.helper.tensor_dtype_to_np_dtype(node.attribute[0].i)
            stored[node.output[0]] = stored[node.input[0]].astype(kind)
        elif node.op_type == "Gather" and node.input[0].endswith("/values"):
            stored[node.output[0]] = stored[node.input[0]][stored[node.input[1]]]
        elif node.op_type == "Mul" and f"{node.output[0]}/factors" in node.input:
            stored[node.output[0]] = stored[node.input[0]] * stored[node.input[1]]
    compared = [name for name in wanted if name in stored]
    for name in compared:
        np.testing.assert_array_equal(stored[name], wanted[name], err_msg=name)
    assert len(compared) > 50
    return sizes / sum(wanted[name].nbytes for name in compared)


@pytest.mark.parametrize("name", PICTURES)
def test_it_finds_what_onnxruntime_and_torch_find(page, files, network, detector, name):
    path, (model, about) = files[name], detector
    looked_at(page, path)
    ours = in_page(page)
    boxes, scores, labels = found_by_onnxruntime(network, path, about["size"])
    assert ours[2] == labels.tolist() and len(labels)
    np.testing.assert_allclose(ours[0], boxes, rtol=0, atol=1e-3)
    np.testing.assert_allclose(ours[1], scores, rtol=0, atol=1e-5)
    photo = torch.from_numpy(read_picture(path))
    asked = detect_photo(model, photo, about["size"], score_threshold=0.05)
    assert ours[2] == asked["labels"].tolist()
    np.testing.assert_allclose(ours[0], asked["boxes"], rtol=0, atol=1e-2)


def test_the_last_exercise_of_notebook_10_is_what_the_page_shows(page, tmp_path):
    """Oracle: the answer that its check takes for right, which the solution computes in Python."""
    Image.fromarray(exercise_drawing().permute(1, 2, 0).numpy()).save(tmp_path / NAME)
    looked_at(page, tmp_path / NAME)
    shown = []
    for lowest in ("0.3", "0.6"):
        page.locator("#score").fill(lowest)
        shown.append(int(re.findall(r"\d+", page.inner_text("#counts tfoot"))[-1]))
    assert shown == load_exercises("10")["10.5"].right


def test_what_it_sees_is_what_detect_sees(page, files, detector):
    """The network's input, bit for bit: read, turned, fitted and made 0-1."""
    for path in files.values():
        picture = torch.from_numpy(read_picture(path))
        wanted = eval_transforms(detector[1]["size"])(tv_tensors.Image(picture))
        looked_at(page, path)
        seen = page.evaluate(
            "Promise.resolve(state.detector).then((one) => "
            "[...one.input(state.picture, fittedSize(state.picture, one.size))])"
        )
        np.testing.assert_array_equal(np.float32(seen), wanted.numpy().ravel(), path.name)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(page, tmp_path, orientation):
    """Of a JPEG by the browser, and of a see-through PNG by the page."""
    image = drawing(12).crop((0, 0, 128, 70))
    image.save(tmp_path / "photo.jpg", quality=95, exif=exif(orientation))
    see_through(image).save(tmp_path / "glass.png", exif=exif(orientation))
    for path, tolerance in ((tmp_path / "photo.jpg", 12), (tmp_path / "glass.png", 0)):
        wanted = read_picture(path).transpose(1, 2, 0)
        looked_at(page, path)
        shape = page.evaluate("[state.picture.height, state.picture.width, 4]")
        pixels = np.array(page.evaluate("[...state.picture.rgba]")).reshape(shape)
        assert pixels.shape[:2] == wanted.shape[:2]
        assert abs(pixels[..., :3] - wanted.astype(int)).max() <= tolerance


def test_an_interlaced_png_is_read(page, tmp_path):
    """Pillow cannot write one, so each of its seven passes is cut out here."""
    image = see_through(drawing(13)).crop((0, 0, 21, 13))
    pixels = np.array(image)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)]
    lines = [
        b"\0" + line.tobytes()
        for left, top, right, down in [*passes, (0, 1, 1, 2)]
        for line in pixels[top::down, left::right]
    ]
    (tmp_path / "woven.png").write_bytes(png(image.size, 6, b"".join(lines), interlaced=1))
    looked_at(page, tmp_path / "woven.png")
    shown = np.array(page.evaluate("[...state.picture.rgba]")).reshape(13, 21, 4)
    np.testing.assert_array_equal(
        shown[..., :3], read_picture(tmp_path / "woven.png").transpose(1, 2, 0)
    )


def png(size: tuple[int, int], color: int, lines: bytes, interlaced: int) -> bytes:
    header = struct.pack(">IIBBBBB", *size, 8, color, 0, 0, interlaced)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(lines)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# --- The controls ---


def test_the_score_chooses_and_counts_by_keyboard(page, files, detector):
    looked_at(page, files["as it is"])
    _, scores, labels = in_page(page)
    slider = page.locator("#score")
    slider.focus()
    for _ in range(15):
        slider.press("ArrowRight")
    assert page.inner_text("#lowest") == "0.45"
    kept = [label for label, score in zip(labels, scores, strict=True) if score >= 0.45]
    assert 0 < len(kept) < len(labels)
    rows = [row.split("\t") for row in page.inner_text("#counts tbody").splitlines()]
    classes = detector[1]["classes"]
    assert rows == [[name, str(kept.count(i))] for i, name in enumerate(classes)]
    words = page.inner_text("#said")
    assert f": {len(kept)} object" in words and "a score of 0.45 or more" in words
    assert page.get_attribute("#boxes", "aria-label") == words
    assert page.locator("#boxes .box").count() == len(kept)
    drawn = page.locator("#boxes .box rect:last-child").evaluate_all(
        "all => all.map((one) => one.getAttribute('stroke'))"
    )
    assert drawn == [COLORS[label] for label in kept]


def test_labels_do_not_lie_over_one_another(page, files):
    looked_at(page, files["larger"])
    page.locator("#score").fill("0.1")
    frames = page.locator("#boxes .label > rect").evaluate_all(
        "all => all.map((one) => one.getBoundingClientRect().toJSON())"
    )
    assert len(frames) > 3
    for number, one in enumerate(frames):
        for other in frames[:number]:
            apart = one["left"] >= other["right"] - 1.5 or other["left"] >= one["right"] - 1.5
            assert (
                apart or one["top"] >= other["bottom"] - 1.5 or other["top"] >= one["bottom"] - 1.5
            )
    page.locator("#words").uncheck()
    assert page.locator("#boxes .label").count() == 0
    page.locator("#words").check()


def test_a_file_is_chosen_by_keyboard_dropped_or_pasted(page, files):
    with page.expect_file_chooser() as chooser:
        # On the element, which Playwright waits for: a bare key may come before it hears of files.
        page.locator("#choose").press("Enter")
    chooser.value.set_files(files["wide"])
    said_of(page, files["wide"].name)
    for kind, carrier in (("drop", "dataTransfer"), ("paste", "clipboardData")):
        content = base64.b64encode(files["high"].read_bytes()).decode()
        page.evaluate(
            """([kind, carrier, content, name]) => {
                const bytes = Uint8Array.from(atob(content), (one) => one.charCodeAt(0));
                const carried = new DataTransfer();
                carried.items.add(new File([bytes], name, { type: "image/png" }));
                const Kind = kind === "drop" ? DragEvent : ClipboardEvent;
                const how = { bubbles: true, [carrier]: carried };
                document.body.dispatchEvent(new Kind(kind, how));
            }""",
            [kind, carrier, content, f"{kind}ped.png"],
        )
        said_of(page, f"{kind}ped.png: ")


def test_the_camera_is_looked_at_until_it_is_stopped(page):
    page.evaluate(
        """() => {
            const canvas = document.createElement("canvas");
            const paint = canvas.getContext("2d");
            setInterval(() => paint.fillRect(0, 0, 300 * Math.random(), 90), 50);
            navigator.mediaDevices.getUserMedia = async () => canvas.captureStream();
        }"""
    )
    page.locator("#camera").press("Enter")
    page.wait_for_function("state.picture?.name === 'Camera'")
    assert page.get_attribute("#camera", "aria-pressed") == "true"
    page.locator("#camera").press("Enter")
    assert "Found in" in said_of(page, "Camera: ")
    assert page.get_attribute("#camera", "aria-pressed") == "false"


def test_a_camera_that_is_refused_gets_a_sentence(page):
    page.evaluate(
        """() => {
            const refusal = new DOMException("Permission denied", "NotAllowedError");
            navigator.mediaDevices.getUserMedia = () => Promise.reject(refusal);
        }"""
    )
    page.locator("#camera").click()
    said = said_of(page, "The camera")
    assert said == "The camera could not be used: Permission denied."


def broken(kind: str) -> bytes:
    whole = io.BytesIO()
    image = see_through(drawing(0)) if kind == "half, see-through" else drawing(0)
    image.save(whole, "PNG")
    contents = {
        "words": b"no picture",
        "empty": b"",
        "half": whole.getvalue()[: len(whole.getvalue()) // 2],
        "half, see-through": whole.getvalue()[: len(whole.getvalue()) // 2],
        "head alone": whole.getvalue()[:40],
    }
    return contents[kind]


@pytest.mark.parametrize("kind", ["words", "empty", "half", "half, see-through", "head alone"])
def test_a_broken_file_gets_a_sentence_and_the_picture_stays(page, files, tmp_path, kind):
    looked_at(page, files["as it is"])
    (tmp_path / "broken.png").write_bytes(broken(kind))
    with pytest.raises(ValueError):
        read_picture(tmp_path / "broken.png")
    page.set_input_files("#file", tmp_path / "broken.png")
    said = said_of(page, "broken.png is")
    assert said == ("broken.png is not a picture that this browser can read: try a PNG or a JPEG.")
    assert page.evaluate("state.picture.name") == files["as it is"].name


# --- Labels ---


@pytest.fixture
def labeled(tmp_path):
    """A picture whose objects are known, and a label file of each kind."""
    dataset = ShapesDetection("test", 128, 20)
    image, target = dataset[0]
    classes = dataset.classes
    as_picture(image).save(tmp_path / "a.png")
    boxes, labels = target["boxes"].tolist(), target["labels"].tolist()
    rows = list(zip(boxes, labels, strict=True))
    sides = ("xmin", "ymin", "xmax", "ymax")
    objects = [
        f"<object><name>{classes[label]}</name><bndbox>"
        + "".join(f"<{side}>{value}</{side}>" for side, value in zip(sides, box, strict=True))
        + "</bndbox></object>"
        for box, label in rows
    ]
    (tmp_path / "a.xml").write_text(f"<annotation>{''.join(objects)}</annotation>")
    lines = [
        f"{label} {(x + x2) / 256} {(y + y2) / 256} {(x2 - x) / 128} {(y2 - y) / 128}\n"
        for (x, y, x2, y2), label in rows
    ]
    (tmp_path / "a.txt").write_text("".join(lines))
    coco = {
        "images": [{"id": 7, "file_name": "x/b.png"}, {"id": 8, "file_name": "x/a.png"}],
        "categories": [{"id": 3 * i, "name": name} for i, name in enumerate(classes)],
        "annotations": [
            {"image_id": 8, "category_id": 3 * label, "bbox": [x, y, x2 - x, y2 - y]}
            for (x, y, x2, y2), label in rows
        ],
    }
    (tmp_path / "a.json").write_text(json.dumps(coco))
    return tmp_path, target


@pytest.mark.parametrize("kind", ["xml", "txt", "json"])
def test_labels_are_compared_as_the_course_compares(page, labeled, kind):
    place, target = labeled
    looked_at(page, place / "a.png")
    boxes, scores, labels = in_page(page)
    sure = scores >= 0.3
    found = {
        "boxes": torch.tensor(boxes[sure], dtype=torch.float32),
        "scores": torch.tensor(scores[sure]),
        "labels": torch.tensor(labels)[torch.tensor(sure)],
    }
    result = judged(found, target)
    page.set_input_files("#labels", place / f"a.{kind}")
    page.wait_for_function("document.getElementById('said').textContent.includes('Compared')")
    counts = {name: result.count(name) for name in ("right", "wrong", "double", "missed")}
    assert counts["right"] and counts["wrong"] + counts["missed"]
    words = ", ".join(f"{count} {name}" for name, count in counts.items())
    assert f"Compared with a.{kind}: {words}." in page.inner_text("#said")
    assert page.inner_text("#counts tfoot").split("\t")[2:] == list(map(str, counts.values()))
    page.locator("#forget").click()
    assert "Compared" not in page.inner_text("#said")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("b.xml", "<annotation>", "it is not XML"),
        ("b.txt", "circle 1 2 3 4", '"circle 1 2 3 4" is not a class and four numbers'),
        ("b.json", '{"images": [], "annotations": []}', "it knows no picture a.png"),
        ("b.json", "[1]", 'it has no "images" and "annotations"'),
    ],
)
def test_a_label_file_that_does_not_fit_gets_a_sentence(page, labeled, name, content, reason):
    place, _ = labeled
    (place / name).write_text(content)
    looked_at(page, place / "a.png")
    page.set_input_files("#labels", place / name)
    said = said_of(page, name)
    assert said.startswith(f"{name} is no label file for this picture: {reason}.")
    assert "Compared" not in said
