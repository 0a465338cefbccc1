"""`python -m quickdraw.predict RUN PICTURE...`: what a run's network takes pictures for.

RUN is a run's folder or its .pth. A picture may have any size, and ink of any colour on a ground of another, or alpha.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw import console
from quickdraw.errors import DataError, printable
from quickdraw.files import user_path

SHOWN = 3
BAR = 24  # letters
SURE = 0.7  # of the probability; below it "not sure" is printed. Measured: docs/pictures.md
PICTURE_HELP = "a .png, .jpg, .gif, .bmp, .webp or .tiff of one drawing, a folder of them, or a pattern in quotes"


def arguments() -> console.Parser:
    """The parser of the command line."""
    parser = console.Parser(prog="python -m quickdraw.predict", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=user_path, help="a run's folder, or its .pth")
    parser.add_argument("pictures", metavar="PICTURE", type=user_path, nargs="+", help=PICTURE_HELP)
    parser.add_argument(
        "--show",
        metavar="FILE.png",
        type=user_path,
        help="save each picture, what the network saw of it, and the answers",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 1 error."""
    return console.call(lambda: command(argv))


def command(argv: Sequence[str] | None) -> None:
    """Predict what the pictures show, and print and save the answers; raise at the end what could not be read."""
    from quickdraw.data.picture.places import picture_files

    options = arguments().parse_args(argv)
    pictures = picture_files(options.pictures)
    predictions = predict(options.run, pictures)
    if options.json:
        console.say(json.dumps(predictions.answers, indent=2, ensure_ascii=False))
    else:
        show(predictions.answers)
    if options.show and predictions.answers:
        save_sheet(options.show, predictions)
    if predictions.refused:
        raise refusal(predictions.refused, len(pictures))


@dataclass(frozen=True)
class PicturePredictions:
    """Of each picture that could be read its answer and its bitmap, uint8 [28, 28]; of each other why it could not."""

    answers: list[dict[str, Any]]
    bitmaps: list[np.ndarray]
    refused: list[DataError]


def predict(place: Path, pictures: Sequence[Path]) -> PicturePredictions:
    """The likeliest classes of each picture, with their probabilities.

    Raises WeightsError for what is no run.
    """
    from quickdraw.data.image_file import read_picture

    paths, bitmaps, refused = [], [], []
    for path in pictures:
        try:
            bitmaps.append(read_picture(path))
            paths.append(path)
        except DataError as error:
            refused.append(error)
    if not bitmaps:
        return PicturePredictions([], [], refused)

    import torch  # 1.2 s, so only when there is a picture

    from quickdraw.run.weights import load_network

    net, description = load_network(place)
    with torch.inference_mode():
        images = torch.from_numpy(np.stack(bitmaps))[:, None].float() / 255
        probabilities = net(images).double().softmax(dim=1)
    answers = []
    for path, shares in zip(paths, probabilities, strict=True):
        answers.append(answer(path, shares.tolist(), description["classes"]))
    return PicturePredictions(answers, bitmaps, refused)


def answer(path: Path, shares: Sequence[float], classes: Sequence[str]) -> dict[str, Any]:
    """The likeliest classes of one picture, of the probabilities of all classes."""
    likeliest = sorted(range(len(classes)), key=lambda index: -shares[index])[:SHOWN]
    top = [{"class": classes[index], "probability": shares[index]} for index in likeliest]
    return {"picture": str(path), "sure": shares[likeliest[0]] >= SURE, "top": top}


def refusal(refused: Sequence[DataError], pictures: int) -> DataError:
    """One error for all pictures that could not be read."""
    if len(refused) == 1:
        return refused[0]
    lines = [f"\n  {error}" for error in refused]
    return DataError(f"{len(refused)} of {pictures} pictures could not be read:" + "".join(lines))


def save_sheet(path: Path, predictions: PicturePredictions) -> None:
    """Save each picture, what the network saw of it and what it answered, as one picture."""
    from quickdraw.data.picture.sheet import Row, save_sheets

    rows = []
    for given, bitmap in zip(predictions.answers, predictions.bitmaps, strict=True):
        lines = [f"{guess['class']}  {100 * guess['probability']:.1f} %" for guess in given["top"]]
        rows.append(Row(Path(given["picture"]), bitmap, lines if given["sure"] else ["not sure", *lines]))
    for written in save_sheets(path, rows):
        console.note(f"saved {written}")


def show(answers: Sequence[dict[str, Any]]) -> None:
    """Print the answers: in colour on a terminal, as plain text into a pipe."""
    from rich.console import Console
    from rich.text import Text

    terminal = Console(highlight=False, soft_wrap=True)
    block = "█" if console.can_show("█") else "#"
    for answer in answers:
        terminal.print(Text(printable(answer["picture"]) + ("" if answer["sure"] else "  (not sure)"), style="bold"))
        width = max(len(guess["class"]) for guess in answer["top"])
        for place, guess in enumerate(answer["top"]):
            bar = block * round(BAR * guess["probability"])
            line = f"  {guess['class'].ljust(width)}  {100 * guess['probability']:5.1f} %  {bar}".rstrip()
            terminal.print(Text(printable(line), style="green" if place == 0 else "bright_black"))


if __name__ == "__main__":
    sys.exit(main())
