"""Which drawings a network finds hardest, and which of them are probably not what their label says.

Both read Predictions, of a network in a notebook or of a finished run (`read_predictions`): of drawings that it was not
trained on, for it knows those by heart.
"""

import numpy as np

from quickdraw.predictions import Predictions


def hardest(predictions: Predictions, count: int, label: int | None = None) -> np.ndarray:
    """The places of the `count` drawings with the largest loss (of one label, if given), the hardest first."""
    places = np.arange(len(predictions.loss))
    if label is not None:
        places = np.flatnonzero(predictions.label == label)
    return places[np.argsort(-predictions.loss[places], kind="stable")][:count]


def likely_mislabelled(predictions: Predictions) -> np.ndarray:
    """The places of drawings that look like another class, the most certain first.

    The network must be at least as sure of the other class as it is, on average, of that class's own drawings: so a
    class that it is rarely sure of needs less. Sorted by how much likelier the other class is than the label.
    Source: Northcutt, Jiang and Chuang, Confident Learning (2021), with the likeliest class only.
    """
    own = np.exp(-predictions.loss.astype(np.float64))  # the label's probability
    classes = int(max(predictions.label.max(initial=0), predictions.predicted.max(initial=0))) + 1
    sums, counts = np.bincount(predictions.label, own, classes), np.bincount(predictions.label, minlength=classes)
    usual = np.divide(sums, counts, out=np.full(classes, np.inf), where=counts > 0)
    places = np.flatnonzero(~predictions.correct & (predictions.confidence >= usual[predictions.predicted]))
    return places[np.argsort(own[places] - predictions.confidence[places], kind="stable")]
