"""How a training went: its curves, and whether the network learnt its drawings by heart."""

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from quickdraw.plotting import figure
from quickdraw.state import Record

# A smaller rise of the validation loss may be chance: from one epoch to the next, the change of the mean over 3,375
# drawings has a standard error of 1.0 to 1.6 % (eight epochs at a constant rate; once it rose by 2.8 % and fell again).
CHANCE = 0.03


def curves(history: Sequence[Record], title: str = "") -> Figure:
    """Return the loss and the accuracy on training and validation drawings over the epochs of `train`'s history."""
    epochs = [record["epoch"] for record in history]
    with figure(8, 2.9, title, ncols=2) as (made, axes):
        for spot, name in zip(axes, ("loss", "accuracy"), strict=True):
            for split, told in (("train", "training"), ("val", "validation")):
                spot.plot(epochs, [record[f"{split}_{name}"] for record in history], marker="o", ms=4, label=told)
            spot.set(title=name.capitalize(), xlabel="epoch")
            spot.xaxis.set_major_locator(MaxNLocator(integer=True))
            spot.grid(alpha=0.3)
            spot.legend()
    return made


def overfitting(history: Sequence[Record], on_train: Mapping[str, float], on_val: Mapping[str, float]) -> str:
    """Return in words whether the training overfitted.

    It did when the validation loss rises (by more than CHANCE of its lowest) while the training loss falls. `on_train`
    and `on_val` are the trained network's scores (`test`) on both splits: measured in the same way, which the losses of
    the history are not, since in training there is dropout, and weights that still change.
    """
    train, val = [[record[f"{split}_loss"] for record in history] for split in ("train", "val")]
    best = val.index(min(val))
    rise, gap = val[-1] / val[best] - 1, on_val["loss"] / on_train["loss"] - 1
    measured = (
        f"The trained network's loss is {on_train['loss']:.3f} on training drawings and {on_val['loss']:.3f} on "
        f"validation drawings, {abs(gap):.0%} {'more' if gap > 0 else 'less'}; its accuracy {on_train['accuracy']:.1%} "
        f"and {on_val['accuracy']:.1%}."
    )
    if rise > CHANCE and train[-1] < train[best]:
        return (
            f"It did overfit: the validation loss was lowest in epoch {best + 1}, {val[best]:.3f}, and rose to "
            f"{val[-1]:.3f} by epoch {len(val)}, while the training loss fell from {train[best]:.3f} to "
            f"{train[-1]:.3f}. {measured} `train` left the weights of its best epoch."
        )
    if rise > CHANCE:
        return f"It did not overfit, but the validation loss rose and the training loss as well. {measured}"
    told = f"went from {val[0]:.3f} to {val[-1]:.3f}" if len(val) > 1 else f"is {val[0]:.3f}"
    if best + 1 < len(val):
        told += f" (lowest in epoch {best + 1}, {val[best]:.3f}: a difference that may be chance)"
    elif len(val) > 1 and val[-1] < val[-2] * (1 - CHANCE):
        told += " and was still falling, so more epochs would help"
    return f"It did not overfit: the validation loss {told}. {measured}"
