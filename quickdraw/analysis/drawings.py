"""The drawings that a run was tested on, found again by their content.

A run keeps the sha256 of each class's file, and the folder `data.cache` knows which file had that content: the official
file, or what was rendered from strokes or generated. So a picture is shown only if it is the one that the run saw, and
nothing is rendered, generated or hashed anew for it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quickdraw.analysis.comparison import description
from quickdraw.data.class_files import open_class_file
from quickdraw.data.drawings import Drawings
from quickdraw.data.fingerprint import known_files
from quickdraw.errors import DataError
from quickdraw.run.listing import Run


def drawings(run: Run, index: np.ndarray, label: np.ndarray) -> np.ndarray:
    """The drawings at these places, uint8 [K, 784]: `index` and `label` [K] are as in the run's Predictions.

    Raises DataError, which says what is missing, when they are no longer where the run found them; RunError when the
    run does not tell which they are.
    """
    known = description(run)
    places = known_files(Path(str(run.settings.get("data.cache", "outputs/.cache"))))
    found = [places.get(known["fingerprints"][name]) for name in known["classes"]]
    missing = [name for name, path in zip(known["classes"], found, strict=True) if path is None]
    if missing:
        some = ", ".join(missing[:3])
        if len(missing) > 3:
            some += ", ..."
        raise DataError(
            f"the drawings ({some}) are not where the run found them, or have changed; run from the folder where it ran"
        )
    limit = run.settings.get("data.limit_per_class")
    if not isinstance(limit, int):
        limit = None
    drawings = Drawings([open_class_file(path)[:limit] for path in found if path])
    total = known.get("drawings", {}).get("total", len(drawings))
    if total != len(drawings) or not np.array_equal(drawings.labels(index), label):
        raise DataError(f"the files hold {len(drawings):,} drawings, and the run saw {total:,}")
    return drawings[index]


def synthetic(runs: Sequence[Run]) -> bool:
    """Whether these runs saw only drawings made by a program, which nobody has to be named for."""
    return all("synthetic" in str(run.settings.get("data._target_", "")) for run in runs)
