"""BCCD against its own files read by hand, and its download against a loopback server with honest
and hostile zips.
"""

import http.server
import os
import threading
import warnings
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from oracles import voc_annotation, voc_object
from PIL import Image

from effdet_lite.data import BCCDDetection, bccd, eval_transforms
from effdet_lite.download import DownloadError
from effdet_lite.places import cells_folder, course_folder

ROOT = cells_folder()
needs_data = pytest.mark.skipif(
    not ROOT.is_dir(), reason=f"no blood cells in {ROOT}: set EFFDET_LITE_BCCD to their folder"
)
SPLITS = {"train": 205, "val": 87, "test": 72, "trainval": 292}
FILES = {
    "Annotations/a.xml": voc_annotation(voc_object("WBC", 1, 1, 9, 9)),
    "ImageSets/Main/train.txt": "a\n",
    "JPEGImages/a.jpg": None,  # drawn by the fixture
}


def quiet(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return BCCDDetection(*args, **options)


@needs_data
def test_unseen_photographs_are_those_of_the_published_list_and_of_the_test():
    data, whole = quiet(ROOT, "test-unseen", verify=False), quiet(ROOT, "test", verify=False)
    published = (course_folder() / "assets" / "bccd-test-unseen.txt").read_text().split()
    assert sorted(one.path.stem for one in data.samples) == published
    assert len(data) == len(published) == 63 == len(whole) - len(bccd.SEEN_SCENES)
    # The same pictures, boxes and ids as in the whole list.
    by_path = {sample.path: sample for sample in whole.samples}
    for sample in data.samples:
        other = by_path[sample.path]
        assert sample.image_id == other.image_id and np.array_equal(sample.boxes, other.boxes)
    assert data.fingerprint() != whole.fingerprint()


@needs_data
@pytest.mark.parametrize("split", SPLITS)
def test_counts_boxes_and_classes(split):
    data = quiet(ROOT, split, transforms=eval_transforms((192, 256)), max_side=320)
    stems = (ROOT / "ImageSets" / "Main" / f"{split}.txt").read_text().split()
    assert len(data) == len(stems) == SPLITS[split] and data.classes == ("RBC", "WBC", "Platelets")
    without_area = 0
    for sample, stem in zip(data.samples, stems, strict=True):
        things = ElementTree.parse(ROOT / "Annotations" / f"{stem}.xml").findall("object")
        rows = [[float(side.text) for side in thing.find("bndbox")] for thing in things]
        whole = [index for index, (x0, y0, x1, y1) in enumerate(rows) if x1 > x0 and y1 > y0]
        without_area += len(rows) - len(whole)
        np.testing.assert_array_equal(
            sample.boxes, np.reshape([rows[index] for index in whole], (-1, 4))
        )
        assert [data.classes[label] for label in sample.labels] == [
            things[index].findtext("name") for index in whole
        ]
    assert data.skipped.total() == without_area and data.clipped == 0
    image, target = data[0]
    assert image.shape == (3, 192, 256)
    expected = torch.from_numpy(data.samples[0].boxes) * 0.4  # 640 x 480 to 256 x 192
    torch.testing.assert_close(target["boxes"].as_subclass(torch.Tensor), expected)


@needs_data
def test_the_two_boxes_without_area_are_told():
    told = []
    for split in ("trainval", "test"):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            told.append(
                (BCCDDetection(ROOT, split).skipped, [str(warning.message) for warning in caught])
            )
    assert sum((skipped for skipped, _ in told), start=type(told[0][0])()) == {
        "boxes without area": 2
    }
    assert "BloodImage_00338" in str(told) or "BloodImage_00343" in str(told)


class Archive(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.server.body)))
        self.end_headers()
        self.wfile.write(self.server.body[: self.server.sent])

    def log_message(self, *_):
        pass


@pytest.fixture
def serve(monkeypatch, tmp_path):
    """serve(members) -> URL of a zip with them; a member is (name, content) or (ZipInfo,
    content).
    """
    monkeypatch.setenv("no_proxy", "*")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Archive)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def start(members, sent=None):
        path = tmp_path / "served.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members:
                archive.writestr(name, content)
        server.body, server.sent = path.read_bytes() if members else b"no zip", sent
        path.unlink()
        return f"http://127.0.0.1:{server.server_port}/archive.zip"

    yield start
    server.shutdown()
    server.server_close()


@pytest.fixture
def small(tmp_path_factory, monkeypatch):
    """A tiny data set in BCCD's layout as zip members below the repository's folder; its digest is
    the expected one.
    """
    folder = tmp_path_factory.mktemp("small")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True)
        if name.endswith(".jpg"):
            Image.new("RGB", (20, 20)).save(folder / name)
        else:
            (folder / name).write_text(FILES[name])
    monkeypatch.setattr(bccd, "DIGEST", bccd.content_digest(folder))
    return [(f"BCCD_Dataset-abc/BCCD/{name}", (folder / name).read_bytes()) for name in FILES]


@needs_data
def test_the_real_content_passes_the_digest(serve, tmp_path):
    folders = ("Annotations", "ImageSets/Main", "JPEGImages")
    files = [path for folder in folders for path in (ROOT / folder).iterdir()]
    members = [
        (f"BCCD_Dataset-x/BCCD/{path.relative_to(ROOT).as_posix()}", path.read_bytes())
        for path in files
    ]
    url = serve([("BCCD_Dataset-x/README.md", "hello"), *members])
    data = quiet(tmp_path / "data", "test", download=True, url=url)
    assert len(data) == 72 and os.listdir(tmp_path / "data") == ["BCCD"]


def test_download_once_then_use_the_folder(serve, small, tmp_path):
    url = serve(small)
    assert BCCDDetection(tmp_path, "train", download=True, url=url)[0][1]["boxes"].tolist() == [
        [1, 1, 9, 9]
    ]
    assert os.listdir(tmp_path) == ["BCCD"]
    for root in (tmp_path, tmp_path / "BCCD"):
        assert len(BCCDDetection(root, "train", download=True, url="http://127.0.0.1:1/")) == 1
    with pytest.raises(FileNotFoundError, match="download=True"):
        BCCDDetection(tmp_path / "elsewhere", "train")


def link(name):
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, 0o120777 << 16
    return info


@pytest.mark.parametrize(
    "extra", ["../../evil.xml", "/tmp/evil.xml", "../../../BCCD/evil.xml", "a/BCCD/../../evil.xml"]
)
def test_members_that_point_elsewhere_are_not_written(serve, small, tmp_path, extra):
    root = tmp_path / "a" / "b"
    BCCDDetection(root, "train", download=True, url=serve([*small, (extra, "evil")]))
    written = {
        path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()
    }
    assert written == {f"a/b/BCCD/{name}" for name in FILES}
    assert not Path("/tmp/evil.xml").exists()


@pytest.mark.parametrize(
    "damage, sentence",
    [
        (lambda members: [], "no archive that can be unpacked"),
        (lambda members: members[:2], "does not hold the BCCD data"),
        (lambda members: [*members[:2], (members[2][0], b"other")], "does not hold the BCCD data"),
        (
            lambda members: [*members[:2], (link(members[2][0]), "/etc/passwd")],
            "does not hold the BCCD data",
        ),
        (
            lambda members: [*members, ("BCCD/Annotations/b.xml", "<a/>")],
            "does not hold the BCCD data",
        ),
        (
            lambda members: [*members, ("BCCD/Annotations/b.xml", bytes(60_000_000))],
            "more than this dataset",
        ),
        (
            lambda members: [*members, *((f"BCCD/Annotations/x{i}.xml", "") for i in range(1000))],
            "more than this",
        ),
    ],
)
def test_a_wrong_archive_is_one_sentence_and_nothing_stays(
    serve, small, tmp_path, damage, sentence
):
    with pytest.raises(DownloadError, match=sentence) as caught:
        BCCDDetection(tmp_path, "train", download=True, url=serve(damage(small)))
    assert "\n" not in str(caught.value) and not any(tmp_path.iterdir())


def test_a_download_that_breaks_off_leaves_nothing(serve, small, tmp_path):
    with pytest.raises(DownloadError, match="broke off"):
        BCCDDetection(tmp_path, "train", download=True, url=serve(small, sent=100))
    assert not any(tmp_path.iterdir())


def test_a_tilde_is_the_home_folder_and_no_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="home"):
        BCCDDetection("~/cells", "train")
    with pytest.raises(OSError, match="cannot be fetched"):
        BCCDDetection("~/cells", "train", download=True, url=(tmp_path / "none.zip").as_uri())
    assert not (tmp_path / "~").exists()
