"""Pictures as people have them become the bitmap of the drawing that they show."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from quickdraw.data.image_file import read_picture
from quickdraw.data.rendering.rasterise import rasterise
from tests.support.drawn import BLACK, CAT, WHITE, Bytes, coloured, framed, ink, on_desk, similarity, slopes

NAVY, ORANGE, CREAM, GREY = (30, 30, 120), (255, 150, 50), (250, 240, 215), (128, 128, 128)


def bitmap(picture: Bytes | Image.Image, folder: Path, name: str = "a.png", **options: object) -> Bytes:
    """What is read from a picture once it has been saved."""
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    image.save(folder / name, **options)
    return read_picture(folder / name)


def is_cat(picture: Bytes | Image.Image, folder: Path, name: str = "a.png", **options: object) -> bool:
    """Whether a picture becomes the official bitmap of the drawing, or nearly."""
    official = rasterise(CAT)
    return similarity(bitmap(picture, folder, name, **options), official) > 0.9


@pytest.mark.parametrize(
    ("paper", "pen"),
    [(WHITE, BLACK), (BLACK, (255, 255, 0)), (CREAM, (120, 80, 40)), (WHITE, (120, 235, 245)), (GREY, (110, 150, 110))],
)
def test_ink_is_what_differs_in_colour_from_its_ground(
    paper: tuple[int, int, int], pen: tuple[int, int, int], tmp_path: Path
) -> None:
    assert is_cat(coloured(ink(), paper, pen), tmp_path)


def test_ink_as_bright_as_its_ground_is_seen_by_its_colour(tmp_path: Path) -> None:
    picture = coloured(ink(), (200, 60, 60), (20, 140, 60))
    grey = np.asarray(Image.fromarray(picture).convert("L"))
    assert int(grey.max()) - int(grey.min()) < 24
    assert is_cat(picture, tmp_path)


def test_two_pens_one_of_them_pale_count_both(tmp_path: Path) -> None:
    drawn = ink()
    drawn[:, :200] *= 0.33
    assert is_cat(coloured(drawn), tmp_path)


def test_black_and_white_ink_on_grey_count_both(tmp_path: Path) -> None:
    left = slopes(ink())[1][..., None] < 0.5
    assert is_cat(np.where(left, coloured(ink(), GREY, WHITE), coloured(ink(), GREY, BLACK)), tmp_path)


@pytest.mark.parametrize("turn", range(4))
def test_light_that_falls_off_to_any_side_is_no_ink(turn: int, tmp_path: Path) -> None:
    light = np.rot90(0.4 + 0.6 * slopes(np.zeros((400, 400)))[0], turn)[..., None]
    picture = coloured(ink((400, 400)), (240, 235, 225), (40, 40, 60)) * light
    assert is_cat(picture.astype(np.uint8), tmp_path, "a.jpg", quality=80)


def test_a_chalk_board_in_uneven_light_is_read(tmp_path: Path) -> None:
    light = (0.45 + 0.55 * slopes(ink())[1])[..., None]
    assert is_cat((coloured(ink(), (55, 70, 60), (230, 230, 230)) * light).astype(np.uint8), tmp_path, "a.jpg")


def test_the_edge_of_a_shadow_is_no_ink(tmp_path: Path) -> None:
    down, across = slopes(ink())
    edge = Image.fromarray(((across + 0.5 * down > 0.8) * 255).astype(np.uint8)).filter(ImageFilter.GaussianBlur(3))
    shadow = 1 - 0.4 * np.asarray(edge)[..., None] / 255
    assert is_cat((coloured(ink(), (235, 235, 230)) * shadow).astype(np.uint8), tmp_path, "a.jpg", quality=85)


@pytest.mark.parametrize(("width", "inset"), [(1, 0), (9, 0), (2, 14), (30, 0)])
def test_a_frame_is_left_out(width: int, inset: int, tmp_path: Path) -> None:
    assert is_cat(framed(coloured(ink()), width, inset, (180, 0, 0)), tmp_path)


def test_a_drawing_cropped_to_its_ink_loses_no_straight_side(tmp_path: Path) -> None:
    door = [[[0, 3, 118, 120, 0], [255, 0, 2, 255, 253]], [[95, 100], [130, 134]]]
    drawn = ink((150, 290), 10, 255, (15, 15), door)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    cropped = drawn[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    assert similarity(bitmap(coloured(cropped), tmp_path), rasterise(door)) > 0.9


@pytest.mark.parametrize(("desk", "room"), [((60, 60, 60), 90), ((110, 75, 45), 40), ((40, 50, 55), 200)])
def test_paper_on_a_desk_is_read_without_the_desk(desk: tuple[int, int, int], room: int, tmp_path: Path) -> None:
    assert is_cat(on_desk(coloured(ink(), (245, 245, 240), NAVY), desk, room), tmp_path, "a.jpg", quality=88)


@pytest.mark.parametrize("colour", [(170, 190, 230), (90, 90, 90)])
def test_ruled_paper_is_no_ink(colour: tuple[int, int, int], tmp_path: Path) -> None:
    picture, free = coloured(ink()), ink() < 0.05
    for row in range(12, 380, 24):
        picture[row][free[row]] = colour
    assert is_cat(picture, tmp_path)


@pytest.mark.parametrize("share", [0.001, 0.01])
def test_salt_and_pepper_are_no_ink(share: float, tmp_path: Path) -> None:
    picture, chance = coloured(ink()), np.random.default_rng(3)
    picture[chance.random(picture.shape[:2]) < share] = 0
    picture[chance.random(picture.shape[:2]) < share] = 255
    assert is_cat(picture, tmp_path)


def test_specks_far_from_the_drawing_do_not_make_it_small(tmp_path: Path) -> None:
    picture = coloured(ink((600, 600), 8, 280, (20, 30)))
    picture[570:576, 560:565] = 0
    picture[585:588, 40:44] = 0
    assert is_cat(picture, tmp_path)


@pytest.mark.parametrize("pen", [2, 26, 38])
def test_any_pen_becomes_the_official_line_width(pen: int, tmp_path: Path) -> None:
    simple = CAT[:2]
    read = bitmap(coloured(ink((500, 500), pen, 360, None, simple)), tmp_path)
    assert similarity(read, rasterise(simple)) > 0.9
    assert read.sum() == pytest.approx(rasterise(simple).sum(), rel=0.2)


def test_a_filled_shape_is_ink_as_a_whole(tmp_path: Path) -> None:
    picture = np.full((300, 300, 3), 255, np.uint8)
    down, across = slopes(np.zeros((300, 300)))
    picture[np.hypot(down - 0.5, across - 0.5) < 0.35] = 0
    assert (bitmap(picture, tmp_path)[9:19, 9:19] == 255).all()


def test_a_bitmap_of_the_dataset_keeps_every_pixel(tmp_path: Path) -> None:
    assert np.array_equal(bitmap(rasterise(CAT), tmp_path), rasterise(CAT))
    assert np.array_equal(bitmap(255 - rasterise(CAT), tmp_path), rasterise(CAT))


@pytest.mark.parametrize(("box", "corner"), [(250, (20, 200)), (200, (290, 10))])
def test_28_pixels_with_the_drawing_elsewhere_are_brought_to_the_middle(
    box: int, corner: tuple[int, int], tmp_path: Path
) -> None:
    simple = CAT[:2]
    small = Image.fromarray(coloured(ink((512, 512), 14, box, corner, simple))).resize((28, 28), Image.Resampling.BOX)
    assert similarity(bitmap(small, tmp_path), rasterise(simple)) > 0.75


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (65535.0, 0.0), (-2.0, 1.0), (1e-6, 0.5)])
def test_float_pictures_of_any_scale_are_read(scale: float, shift: float, tmp_path: Path) -> None:
    assert is_cat(Image.fromarray(((1 - ink()) * scale + shift).astype(np.float32)), tmp_path, "a.tiff")


@pytest.mark.parametrize("most", [4095, 65535])
def test_deep_greys_are_read(most: int, tmp_path: Path) -> None:
    assert is_cat(Image.fromarray(((1 - ink()) * most).astype(np.uint16)), tmp_path)


@pytest.mark.parametrize("name", ["a.gif", "a.bmp", "a.webp", "a.tiff", "a.jpg"])
def test_every_named_format_is_read(name: str, tmp_path: Path) -> None:
    assert is_cat(coloured(ink(), CREAM, NAVY), tmp_path, name)
