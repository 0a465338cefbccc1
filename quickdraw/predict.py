"""`python -m quickdraw.predict RUN PICTURE...`: what a run's network takes pictures for.

RUN is a run's folder or its .pth. A picture may have any size, dark ink on light or light on dark, or alpha.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quickdraw import console

SHOWN = 3
BAR = 24  # letters


def arguments() -> console.Parser:
    """The parser of the command line."""
    parser = console.Parser(prog="python -m quickdraw.predict", description=__doc__)
    parser.add_argument("run", metavar="RUN", type=Path, help="a run's folder, or its .pth")
    parser.add_argument("pictures", metavar="PICTURE", type=Path, nargs="+", help="a .png, .jpg, ... of one drawing")
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code: 0 done, 1 error."""
    return console.call(lambda: command(argv))


def command(argv: Sequence[str] | None) -> None:
    """Predict what the pictures show that the command line names, and print the answers."""
    options = arguments().parse_args(argv)
    answers = predict(options.run, options.pictures)
    if options.json:
        print(json.dumps(answers, indent=2, ensure_ascii=False))
    else:
        show(answers)


def predict(place: Path, pictures: Sequence[Path]) -> list[dict[str, Any]]:
    """Return of each picture its path and the likeliest classes with their probabilities.

    Raises DataError for what is no picture, WeightsError for what is no run.
    """
    from quickdraw.data.image_file import read_picture

    bitmaps = np.stack([read_picture(path) for path in pictures])

    import torch  # 1.2 s, so only when the pictures are good

    from quickdraw.run.weights import load_network

    net, description = load_network(place)
    classes = description["classes"]
    with torch.inference_mode():
        images = torch.from_numpy(bitmaps)[:, None].float() / 255
        shares = net(images).double().softmax(dim=1)
    best = shares.topk(min(SHOWN, len(classes)))
    return [
        {
            "picture": str(path),
            "top": [{"class": classes[k], "probability": p} for p, k in zip(values, indices, strict=True)],
        }
        for path, values, indices in zip(pictures, best.values.tolist(), best.indices.tolist(), strict=True)
    ]


def show(answers: Sequence[dict[str, Any]]) -> None:
    """Print the answers: in colour on a terminal, as plain text into a pipe."""
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for answer in answers:
        console.print(Text(answer["picture"], style="bold"))
        width = max(len(guess["class"]) for guess in answer["top"])
        for place, guess in enumerate(answer["top"]):
            bar = "█" * round(BAR * guess["probability"])
            line = f"  {guess['class'].ljust(width)}  {100 * guess['probability']:5.1f} %  {bar}".rstrip()
            console.print(Text(line, style="green" if place == 0 else "bright_black"))


if __name__ == "__main__":
    sys.exit(main())
