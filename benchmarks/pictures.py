"""How many pictures of each kind a network gets right: `python -m benchmarks.pictures RUN FOLDER...`

A FOLDER holds one folder for each kind, and that `<class>_<anything>.png` or of another format. Printed are the kinds
with how many pictures were right, refused, and in all, and how often answers that are "not sure" are right.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from quickdraw.data.picture.places import picture_files
from quickdraw.predict import predict


@dataclass
class Tally:
    """What became of the pictures of one kind, or of all."""

    right: int = 0
    refused: int = 0
    pictures: int = 0
    sure: int = 0
    sure_and_right: int = 0

    def add(self, other: "Tally") -> None:
        """Count another's pictures as well."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="only each Nth picture of a kind")
    asked = parser.parse_args(arguments)

    total = Tally()
    print("| kind | right | refused | pictures |\n|---|---|---|---|")
    for folder in asked.folders:
        for kind in sorted(path for path in folder.iterdir() if path.is_dir()):
            tally = tally_of(asked.run, picture_files([kind])[:: asked.every])
            print(f"| {kind.name} | {tally.right} | {tally.refused} | {tally.pictures} |", flush=True)
            total.add(tally)
    unsure = total.pictures - total.refused - total.sure
    print(f"\nsure: {total.sure_and_right:,} right of {total.sure:,}")
    print(f"not sure: {total.right - total.sure_and_right:,} right of {unsure:,}")
    return 0


def tally_of(run: Path, pictures: Sequence[Path]) -> Tally:
    """What became of pictures whose names begin with their class."""
    predictions = predict(run, pictures)
    tally = Tally(refused=len(predictions.refused), pictures=len(pictures))
    for answer in predictions.answers:
        is_right = answer["top"][0]["class"] == Path(answer["picture"]).stem.rsplit("_", 1)[0]
        tally.right += is_right
        tally.sure += answer["sure"]
        tally.sure_and_right += is_right and answer["sure"]
    return tally


if __name__ == "__main__":
    sys.exit(main())
