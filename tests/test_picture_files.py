"""Picture files: six formats, within bounds, and named in a folder's or a pattern's order."""

import json
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from quickdraw import predict
from quickdraw.data.image_file import read_picture
from quickdraw.data.picture import decode as decoding
from quickdraw.data.picture.decode import decode
from quickdraw.data.picture.places import picture_files
from quickdraw.data.picture.sheet import ROWS, Row, save_sheets
from quickdraw.errors import DataError
from tests.support.drawn import coloured, ink, similarity
from tests.support.program import Outcome


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A PNG of a few bytes that says it is as large as that."""
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(12_000, 12_000), (90_000, 3), (2**31 - 1, 2**31 - 1), (70_000, 70_000)])
def test_a_picture_that_says_it_is_huge_is_refused_before_it_is_decoded(
    width: int, height: int, tmp_path: Path
) -> None:
    (tmp_path / "a.png").write_bytes(png_header(width, height))
    with pytest.raises(DataError, match="too large: at most 120 million pixels and 65,500 a side"):
        read_picture(tmp_path / "a.png")


def test_a_tile_that_is_larger_than_its_picture_is_refused(tmp_path: Path) -> None:
    tags = [
        (256, 20),
        (257, 20),
        (258, 8),
        (259, 8),
        (262, 1),
        (277, 1),
        (322, 65_488),
        (323, 65_488),
        (324, 8),
        (325, 9),
    ]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    (tmp_path / "a.tiff").write_bytes(b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(99))
    with pytest.raises(DataError, match="too large"):
        read_picture(tmp_path / "a.tiff")


def test_a_truncated_picture_has_words_of_its_own(tmp_path: Path) -> None:
    for name in ("a.png", "a.jpg", "a.bmp"):
        Image.fromarray(coloured(ink())).save(tmp_path / name)
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) * 2 // 3])
        with pytest.raises(DataError, match="truncated: the file ends before the picture does"):
            read_picture(tmp_path / name)


@pytest.mark.parametrize(
    "content", [b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n", b"P6 2 2 255 abcdefabcdef"]
)
def test_other_formats_start_no_program_whatever_their_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match="not a picture: expected one of the formats PNG, JPEG"):
        read_picture(tmp_path / "a.png")


def test_a_pipe_and_a_folder_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    for place in (tmp_path / "pipe.png", tmp_path):
        with pytest.raises(DataError, match="expected a file"):
            decode(place)


def test_a_large_picture_is_read_in_bands_and_a_jpeg_at_a_fraction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = Image.fromarray(coloured(ink())).resize((4200, 3800))
    bitmaps = []
    for name, picture in [
        ("a.png", large),
        ("a.jpg", large),
        ("b.png", large.convert("P")),
        ("c.png", large.convert("1")),
    ]:
        picture.save(tmp_path / name)
        monkeypatch.setattr(decoding, "BAND", 4200 * 333)
        assert max(decode(tmp_path / name).size) <= decoding.WORKING_SIDE
        bitmaps.append(read_picture(tmp_path / name))
    plain = Image.fromarray(coloured(ink()))
    plain.save(tmp_path / "plain.png")
    for bitmap in bitmaps:
        assert similarity(bitmap, read_picture(tmp_path / "plain.png")) > 0.97


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_stands_upright_as_its_exif_says(orientation: int, tmp_path: Path) -> None:
    upright = Image.fromarray(coloured(ink()))
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's numbers of the turns back
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(undo[orientation]))
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(decode(tmp_path / "a.png").convert("RGB")), np.asarray(upright))


def test_folders_and_patterns_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("10.png", "2.png", "1.JPG", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    names = [path.name for path in picture_files([tmp_path])]
    assert names == ["1.JPG", "2.png", "10.png"]
    assert [path.name for path in picture_files([tmp_path / "*.png", tmp_path / "notes.txt"])] == [
        "2.png",
        "10.png",
        "notes.txt",
    ]
    with pytest.raises(DataError, match="no picture there"):
        picture_files([tmp_path / "*.bmp"])


def test_a_bad_picture_among_good_ones_is_named_at_the_end(
    finished: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("1.png", "3.png"):
        Image.fromarray(coloured(ink())).save(tmp_path / name)
    (tmp_path / "2.png").write_text("no picture")
    assert predict.main([str(finished.run), str(tmp_path), "--json"]) == 1
    printed = capsys.readouterr()
    assert [Path(answer["picture"]).name for answer in json.loads(printed.out)] == ["1.png", "3.png"]
    assert printed.err.startswith(f"error: {tmp_path / '2.png'}: not a picture")
    assert len(printed.err.splitlines()) == 1


def test_two_bad_pictures_are_named_both(finished: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(coloured(ink())).save(tmp_path / "1.png")
    assert (
        predict.main([str(finished.run), str(tmp_path / "1.png"), str(tmp_path / "a.png"), str(tmp_path / "b.png")])
        == 1
    )
    printed = capsys.readouterr()
    assert "1.png" in printed.out
    assert "2 of 3 pictures could not be read" in printed.err
    assert "a.png: no such file" in printed.err
    assert "b.png: no such file" in printed.err


def test_an_answer_of_low_probability_is_said_to_be_unsure() -> None:
    answer = predict.answer(Path("a.png"), [0.2, 0.45, 0.35], ["cat", "moon", "door"])
    assert answer["top"][0]["class"] == "moon"
    assert answer["sure"] is False
    assert predict.answer(Path("a.png"), [0.01, 0.98, 0.01], ["cat", "moon", "door"])["sure"] is True


def test_unsure_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    predict.show([predict.answer(Path("a.png"), [0.55, 0.45], ["cat", "moon"])])
    assert "a.png  (not sure)" in capsys.readouterr().out


def test_show_saves_what_came_in_and_what_the_network_saw(
    finished: Outcome, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(coloured(ink(), (255, 255, 0), (0, 0, 255))).save(tmp_path / "a.png")
    sheet = tmp_path / "sheets/seen.png"
    assert predict.main([str(finished.run), str(tmp_path / "a.png"), "--show", str(sheet)]) == 0
    assert f"saved {sheet}" in capsys.readouterr().err
    with Image.open(sheet) as file:
        shown = np.asarray(file.convert("RGB"))
    assert ((shown == (255, 255, 0)).all(axis=2)).sum() > 5000
    seen = shown[12:180, 192:360, 0][3::6, 3::6]
    assert np.array_equal(255 - seen, read_picture(tmp_path / "a.png"))


def test_many_pictures_make_several_sheets(tmp_path: Path) -> None:
    Image.new("L", (3, 3)).save(tmp_path / "a.png")
    rows = [Row(tmp_path / "a.png", np.zeros((28, 28), np.uint8), ["cat"])] * (ROWS + 1)
    assert [path.name for path in save_sheets(tmp_path / "s.png", rows)] == ["s.png", "s-2.png"]
    with pytest.raises(DataError, match=r"\.png"):
        save_sheets(tmp_path / "s.pdf", rows)
