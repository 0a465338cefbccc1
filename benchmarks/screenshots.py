"""Take the pictures of TensorBoard that the README shows, of a folder of runs; needs Chromium.

python -m benchmarks.screenshots outputs/multirun/<exp_name> docs/images
"""

import argparse
from pathlib import Path

from PIL import Image

from tests.support.browser import Board, board, find_chromium

COLOURS = 96  # enough for pages of few colours, and a third of the bytes


def main() -> None:
    """Take them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    chromium = find_chromium()
    if not chromium:
        parser.error("there is no Chromium")
    with board(arguments.runs, chromium, arguments.folder) as seen:
        time_series(seen)
        hparams(seen)
        images(seen)
        projector(seen)
    for name in ("time_series", "hparams", "images", "projector"):
        path = arguments.folder / f"{name}.png"
        Image.open(path).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
        print(path, path.stat().st_size)


def time_series(seen: Board) -> None:
    """Loss and accuracy of the runs."""
    page = seen.open("timeseries")
    page.get_by_role("button", name="Settings").first.click()  # closes it
    page.locator('input[placeholder="Filter tags (regex)"]').fill("(Accuracy|Loss)/(train|val)$")
    page.keyboard.press("Escape")  # closes the list of tags
    page.locator("card-view line-chart").nth(3).wait_for()
    page.wait_for_timeout(1500)  # the curves are drawn by a worker that tells nobody when it is done
    seen.keep("time_series")


def hparams(seen: Board) -> None:
    """One row a run."""
    page = seen.open("hparams")
    page.set_viewport_size({"width": 1900, "height": 400})
    page.locator("vaadin-grid-cell-content", has_text="dropout_rate").first.wait_for()
    page.wait_for_timeout(1000)
    seen.keep("hparams")


def images(seen: Board) -> None:
    """Confusion matrices and mistakes."""
    page = seen.open("images")
    page.set_viewport_size({"width": 1280, "height": 1050})
    page.locator("tf-image-loader img").first.wait_for()
    page.locator("tf-image-loader", has_text="confusion").first.scroll_into_view_if_needed()
    page.mouse.move(800, 500)
    page.mouse.wheel(0, 650)
    page.wait_for_timeout(2000)
    seen.keep("images")


def projector(seen: Board) -> None:
    """The drawings, coloured by class."""
    page = seen.open("projector")
    page.set_viewport_size({"width": 1280, "height": 800})
    page.wait_for_timeout(6000)  # it moves until its principal components are there
    seen.keep("projector")


if __name__ == "__main__":
    main()
