"""The one reader of pictures against Pillow's own turning, and against files that are damaged."""

import os
import struct
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from oracles import voc_annotation, voc_object
from PIL import Image, ImageOps

from effdet_lite.data import VocFolder, pictures
from effdet_lite.data.pictures import list_pictures, look_at, open_picture, read_picture

ORIENTATION = 0x0112
LOSSLESS = {"png": {}, "tif": {}, "webp": {"lossless": True}}
FORMATS = [*LOSSLESS, "jpg", "jfif", "tif-lzw", "avif"]
BLOCK = (20, 5, 50, 15)  # white, in the stored picture of 60 x 40
each_orientation = pytest.mark.parametrize("orientation", range(1, 9))


def write(folder, kind, orientation):
    """A black picture of 60 x 40 with a white block, whose EXIF has this orientation."""
    stored = np.zeros((40, 60, 3), np.uint8)
    left, top, right, bottom = BLOCK
    stored[top:bottom, left:right] = 255
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    suffix, _, compression = kind.partition("-")
    options = dict(LOSSLESS.get(suffix, {"quality": 95}))
    if compression:
        options["compression"] = "tiff_lzw"
    path = folder / f"a.{suffix}"
    file_format = {"jfif": "JPEG"}.get(suffix)
    Image.fromarray(stored).save(path, file_format, exif=exif, **options)
    return path, stored


def white(image):
    """The box around what is white in [3, H, W]."""
    rows, columns = (np.flatnonzero((image[0] > 127).any(axis)) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def as_shown(orientation):
    """The block where a viewer shows it, by Pillow's turning of a picture without a file."""
    mask = Image.fromarray(np.zeros((40, 60), np.uint8))
    mask.paste(255, BLOCK)
    mask.getexif()[ORIENTATION] = orientation
    turned = ImageOps.exif_transpose(mask)
    return turned.size, turned.getbbox()


@each_orientation
@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_read_upright_in_every_format(tmp_path, kind, orientation):
    path, _ = write(tmp_path, kind, orientation)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB")).transpose(2, 0, 1)
    np.testing.assert_array_equal(read_picture(path), expected)
    size, box = as_shown(orientation)
    assert expected.shape == (3, *size[::-1]) and white(read_picture(path)) == list(box)


@each_orientation
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
@pytest.mark.parametrize("suffix", ["tif", "png"])
def test_and_in_every_kind_of_pixels(tmp_path, suffix, mode, orientation):
    if (suffix, mode) == ("png", "CMYK"):
        pytest.skip("PNG knows no CMYK")
    stored = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60), np.uint8))
    stored = stored.convert("RGB").convert(mode)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"a.{suffix}"
    stored.save(path, exif=exif)
    pixels = stored.convert("RGB")
    np.testing.assert_array_equal(np.asarray(open_picture(path, upright=False)), pixels)
    pixels.getexif()[ORIENTATION] = orientation
    shown = np.asarray(ImageOps.exif_transpose(pixels))  # of a picture without a file
    np.testing.assert_array_equal(read_picture(path), shown.transpose(2, 0, 1))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes by name are Unix'")
def test_a_pipe_is_no_picture_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")
    assert look_at(tmp_path / "a.jpg", verify=True).problem == "images that cannot be read"
    with pytest.raises(ValueError, match="it is no file"):
        read_picture(tmp_path / "a.jpg")


@each_orientation
@pytest.mark.parametrize("kind", [*LOSSLESS, "tif-lzw"])
def test_and_as_it_is_stored_where_that_is_asked_for(tmp_path, kind, orientation):
    path, stored = write(tmp_path, kind, orientation)
    np.testing.assert_array_equal(np.asarray(open_picture(path, upright=False)), stored)
    look = look_at(path, verify=True)
    assert look == look_at(path, verify=False)
    assert (look.stored, look.shown) == ((60, 40), as_shown(orientation)[0])


@each_orientation
@pytest.mark.parametrize("kind", FORMATS)
def test_boxes_and_pixels_agree_however_a_turned_picture_was_annotated(tmp_path, kind, orientation):
    """With its size as shown, as stored, or without one."""
    shown_size, shown_box = as_shown(orientation)
    cases = [(shown_size, shown_box), (None, shown_box)]
    if shown_size != (60, 40):  # else the annotated size cannot tell
        cases.append(((60, 40), BLOCK))
    (tmp_path / "JPEGImages").mkdir()
    (tmp_path / "Annotations").mkdir()
    write(tmp_path / "JPEGImages", kind, orientation)
    for size, box in cases:
        text = voc_annotation(voc_object("block", *box), size)
        (tmp_path / "Annotations" / "a.xml").write_text(text)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            image, target = VocFolder(tmp_path)[0]
        assert target["boxes"].tolist() == [white(image.numpy() * 255)] == [list(box)]
        assert len(told) == (orientation != 1)


def exif_of(entries):
    """An EXIF block of (tag, type, count, four bytes or more)."""
    head = b"II*\0" + struct.pack("<LH", 8, len(entries))
    offset, behind = 8 + 2 + 12 * len(entries) + 4, b""
    for tag, kind, count, value in entries:
        head += struct.pack("<HHL", tag, kind, count)
        if len(value) <= 4:
            head += value.ljust(4, b"\0")
        else:
            head += struct.pack("<L", offset + len(behind))
            behind += value
    return b"Exif\0\0" + head + b"\0\0\0\0" + behind


TURNED = (ORIENTATION, 3, 1, struct.pack("<H", 6))
BROKEN = [
    [TURNED, (0x11A, 10, 1, struct.pack("<ll", -1, 0))],  # a fraction of nothing
    [TURNED, (0x8769, 4, 1, struct.pack("<L", 99999))],  # an offset beyond the end
    [TURNED, (0x10F, 2, 400, b"none of it")],
    [(ORIENTATION, 2, 2, b"6\0")],
    [(ORIENTATION, 3, 2, struct.pack("<HH", 6, 6))],
    [(ORIENTATION, 3, 1, struct.pack("<H", 77))],
]


@pytest.mark.parametrize("entries", BROKEN)
def test_a_damaged_entry_of_the_exif_costs_nothing(tmp_path, entries):
    pixels = np.zeros((40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif_of(entries))
    assert read_picture(tmp_path / "a.jpg").shape in ((3, 40, 60), (3, 60, 40))
    assert look_at(tmp_path / "a.jpg", verify=True).problem == ""


@pytest.mark.slow
def test_3000_randomly_damaged_exif_blocks_raise_nothing(tmp_path):
    """And what the check calls the picture's size is what is loaded."""
    camera = [
        TURNED,
        (0x10F, 2, 6, b"maker\0"),
        (0x11A, 5, 1, struct.pack("<LL", 72, 1)),
        (0x132, 2, 20, b"2020:01:01 00:00:00\0"),
        (0x8769, 4, 1, struct.pack("<L", 8)),
    ]
    path = tmp_path / "a.jpg"
    Image.fromarray(np.zeros((16, 24, 3), np.uint8)).save(path, exif=exif_of(camera))
    whole = path.read_bytes()
    start = whole.index(b"Exif\0\0") + 6
    end = start + len(exif_of(camera)) - 6
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(3000):
            damaged = bytearray(whole)
            for place in rng.integers(start, end, rng.integers(1, 7)):
                damaged[place] = rng.integers(256)
            path.write_bytes(damaged)
            look = look_at(path, verify=True)
            assert look.problem == ""
            assert read_picture(path).shape == (3, *look.shown[::-1])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    kind=st.sampled_from(["jpg", "png", "tif", "webp", "avif"]),
    cut=st.integers(0, 400),
    damage=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
)
def test_any_bytes_are_a_picture_or_one_sentence_and_the_check_is_the_load(
    tmp_path, kind, cut, damage
):
    path, _ = write(tmp_path, kind, 6)
    data = bytearray(path.read_bytes())
    for place, value in damage:
        data[place % len(data)] = value
    path.write_bytes(data[: len(data) - cut % len(data)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        look = look_at(path, verify=True)
        try:
            image = read_picture(path)
        except ValueError as error:
            assert "\n" not in str(error) and str(path) in str(error)
            if kind != "jpg":  # which is checked at an eighth of its size
                assert look.problem
        else:
            assert image.dtype == np.uint8 and image.shape[0] == 3
            assert look.problem == "" and look.shown == image.shape[:0:-1]


def test_what_cannot_be_used_is_said_in_one_sentence(tmp_path, monkeypatch):
    ramp = np.arange(600).reshape(20, 30)
    Image.fromarray((ramp * 100).astype(np.uint16)).save(tmp_path / "deep.png")
    Image.fromarray((ramp / 600).astype(np.float32)).save(tmp_path / "float.tif")
    Image.fromarray(np.zeros((200, 200), np.uint8)).save(tmp_path / "large.png")
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "empty.png").touch()
    (tmp_path / "photo.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + bytes(40))
    (tmp_path / "folder.jpg").mkdir()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10_000)
    for name, words in {
        "deep.png": "more than 8 bits a channel",
        "float.tif": "more than 8 bits a channel",
        "large.png": "shrink it or cut it",
        "page.jpg": "not a picture that can be read",
        "empty.png": "not a picture that can be read",
        "photo.HEIC": "HEIC is not supported, save it as JPEG or PNG",
        "folder.jpg": "not a picture that can be read",
    }.items():
        with pytest.raises(ValueError, match=words) as caught:
            read_picture(tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
        assert look_at(tmp_path / name, verify=True).problem
    with pytest.raises(FileNotFoundError, match=r"there is no picture .*none\.jpg"):
        read_picture(tmp_path / "none.jpg")
    assert look_at(tmp_path / "none.jpg", verify=True).problem == pictures.MISSING


def test_the_pictures_of_a_folder_and_what_is_passed_over(tmp_path):
    for name in ("b.JFIF", "a.gif", "c.webp", "._a.jpg", "d.HEIC", "e.cr2", "f.txt"):
        (tmp_path / name).touch()
    (tmp_path / "album.jpg").mkdir()
    found, passed_over = list_pictures(tmp_path)
    assert [path.name for path in found] == ["a.gif", "b.JFIF", "c.webp"]
    assert [path.name for path in passed_over] == ["d.HEIC", "e.cr2"]
