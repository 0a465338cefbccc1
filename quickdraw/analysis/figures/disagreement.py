"""Where two runs disagree, as figures: classes, confusion, and the drawings that only one gets right."""

import numpy as np
from matplotlib.figure import Figure

from quickdraw.analysis.comparison import Comparison
from quickdraw.analysis.drawings import drawings, synthetic
from quickdraw.analysis.figures.parts import COLORS, WIDTH, escape_math, escaped, heat_map
from quickdraw.analysis.frames import class_frame, confusion_frame
from quickdraw.errors import QuickdrawError
from quickdraw.plotting import figure, sheet

MOST_CLASSES = 16  # in a figure, those that differ most; a frame has all
MOST_DRAWINGS = 16  # of each kind
CREDIT = (
    "Drawings by the players of Quick, Draw!, made available by Google, Inc. under CC BY 4.0 "
    "(https://creativecommons.org/licenses/by/4.0/)."
)


def class_figure(comparison: Comparison) -> Figure:
    """Draw by how much B is better on each class than A, the largest difference on top."""
    frame = class_frame(comparison)[:MOST_CLASSES]
    title = f"Accuracy by class: B ({short_name(comparison, 1)}) less A ({short_name(comparison, 0)})"
    with figure(WIDTH, 1.0 + 0.28 * len(frame), title) as (made, axes):
        gain = frame["B - A"].to_numpy()
        colors = np.where(gain >= 0, COLORS[0], COLORS[1])
        axes.barh(range(len(frame)), gain, color=colors)
        for place, (a, b) in enumerate(zip(frame["A"], frame["B"], strict=True)):
            aside, side = (4, "left") if gain[place] >= 0 else (-4, "right")
            axes.annotate(
                f"{a:.3f} to {b:.3f}",
                (gain[place], place),
                xytext=(aside, 0),
                textcoords="offset points",
                va="center",
                ha=side,
                fontsize=8,
            )
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_yticks(range(len(frame)), escaped(frame["class"], 24))
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set_xlabel("accuracy of B less that of A")
    return made


def confusion_figure(comparison: Comparison) -> Figure:
    """Draw the difference of the two confusion matrices, of the classes that differ most."""
    frame = confusion_frame(comparison)
    moved = frame.abs().to_numpy()
    order = np.argsort(-(moved.sum(axis=0) + moved.sum(axis=1)), kind="stable")[:MOST_CLASSES]
    part = frame.iloc[np.sort(order), np.sort(order)]
    title = "Confusion: how many more drawings B takes for a class than A"
    if len(part) < len(frame):
        title += f" ({len(part)} of {len(frame)} classes, those that differ most)"
    with figure(WIDTH, 1.6 + 0.34 * len(part), title) as (made, axes):
        heat_map(axes, part, "PuOr", "{:+.0f}", limit=max(1.0, float(np.abs(part.to_numpy()).max())))
    return made


def drawings_figures(comparison: Comparison) -> tuple[list[Figure], str]:
    """Draw the test drawings that only A gets right, and those that only B does.

    Returns the figures, and what to say below them: whose drawings they are, or why there are none.
    """
    try:
        both = (drawings_figure(comparison, "A"), drawings_figure(comparison, "B"))
    except QuickdrawError as error:
        return [], f"No drawings here: {error}"
    made = [each for each in both if each]
    credit = CREDIT if made and not synthetic(comparison.runs) else ""
    return made, credit


def drawings_figure(comparison: Comparison, right: str) -> Figure | None:
    """Draw the test drawings that only one of the two gets right (`right` is A or B), the other's surest errors first.

    Each has the true class and what the other took it for. None if there is none; raises DataError when the drawings
    are not there any more.
    """
    only, wrong, other = comparison.only_a, comparison.b, "B"
    if right == "B":
        only, wrong, other = comparison.only_b, comparison.a, "A"
    chosen = np.flatnonzero(only)
    chosen = chosen[np.argsort(-wrong.confidence[chosen], kind="stable")][:MOST_DRAWINGS]
    if not len(chosen):
        return None
    label, taken = wrong.label[chosen], wrong.predicted[chosen]
    images = drawings(comparison.runs[0], wrong.index[chosen], label)
    names = escaped(comparison.classes, 14)
    pairs = zip(label.tolist(), taken.tolist(), strict=True)
    titles = [f"{names[true]}\nnot {names[false]}" for true, false in pairs]
    title = f"{right} right, {other} wrong: {len(chosen)} of {int(only.sum())}, {other}'s surest errors first"
    return sheet(images, titles, columns=8, title=title)


def short_name(comparison: Comparison, which: int) -> str:
    """What differs in a run, no longer than half a title."""
    return escape_math(comparison.names[which], 30)
