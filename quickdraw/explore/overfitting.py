"""How a training went: its curves, and whether the network learnt its drawings by heart."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from quickdraw.plotting import figure
from quickdraw.state import EpochRecord

# A smaller rise of the validation loss may be chance: from one epoch to the next, the change of the mean over 3,375
# drawings has a standard error of 1.0 to 1.6 % (eight epochs at a constant rate; once it rose by 2.8 % and fell again).
CHANCE = 0.03


def curves(history: Sequence[EpochRecord], title: str = "") -> Figure:
    """The loss and the accuracy on training and validation drawings over the epochs of `train`'s history."""
    epochs = column(history, "epoch")
    with figure(8, 2.9, title, ncols=2) as (made, axes):
        for spot, name in zip(axes, ("loss", "accuracy"), strict=True):
            for split, label in (("train", "training"), ("val", "validation")):
                spot.plot(epochs, column(history, f"{split}_{name}"), marker="o", ms=4, label=label)
            spot.set(title=name.capitalize(), xlabel="epoch")
            spot.xaxis.set_major_locator(MaxNLocator(integer=True))
            spot.grid(alpha=0.3)
            spot.legend()
    return made


def column(history: Sequence[EpochRecord], name: str) -> list[float]:
    """One number of each epoch."""
    return [record[name] for record in history]


def overfitting(history: Sequence[EpochRecord], on_train: Mapping[str, float], on_val: Mapping[str, float]) -> str:
    """Whether the training overfitted, in words.

    It did when the validation loss rises (by more than CHANCE of its lowest) while the training loss falls. `on_train`
    and `on_val` are the trained network's scores (`test`) on both splits: measured in the same way, which the losses of
    the history are not, since in training there is dropout, and weights that still change.
    """
    train, val = column(history, "train_loss"), column(history, "val_loss")
    best = val.index(min(val))
    rise = val[-1] / val[best] - 1
    measured = compared(on_train, on_val)
    if rise > CHANCE and train[-1] < train[best]:
        return (
            f"It did overfit: the validation loss was lowest in epoch {best + 1}, {val[best]:.3f}, and rose to "
            f"{val[-1]:.3f} by epoch {len(val)}, while the training loss fell from {train[best]:.3f} to "
            f"{train[-1]:.3f}. {measured} `train` left the weights of its best epoch."
        )
    if rise > CHANCE:
        return f"It did not overfit, but the validation loss rose and the training loss as well. {measured}"
    course = f"is {val[0]:.3f}"
    if len(val) > 1:
        course = f"went from {val[0]:.3f} to {val[-1]:.3f}"
    if best + 1 < len(val):
        course += f" (lowest in epoch {best + 1}, {val[best]:.3f}: a difference that may be chance)"
    elif len(val) > 1 and val[-1] < val[-2] * (1 - CHANCE):
        course += " and was still falling, so more epochs would help"
    return f"It did not overfit: the validation loss {course}. {measured}"


def compared(on_train: Mapping[str, float], on_val: Mapping[str, float]) -> str:
    """The scores of a trained network on both splits, as a sentence."""
    gap = on_val["loss"] / on_train["loss"] - 1
    direction = "more" if gap > 0 else "less"
    return (
        f"The trained network's loss is {on_train['loss']:.3f} on training drawings and {on_val['loss']:.3f} on "
        f"validation drawings, {abs(gap):.0%} {direction}; its accuracy {on_train['accuracy']:.1%} "
        f"and {on_val['accuracy']:.1%}."
    )
