"""Per-example values against their definitions, in float64."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from quickdraw import per_example

LOGITS = st.tuples(st.integers(1, 8), st.integers(2, 12)).flatmap(
    lambda shape: arrays.arrays(np.float32, shape, elements=st.floats(-1e4, 1e4, width=32))
)


@given(logits=LOGITS, data=st.data())
def test_cross_entropy_is_minus_log_of_the_labels_share_for_each_example(
    logits: np.ndarray, data: st.DataObject
) -> None:
    labels = data.draw(arrays.arrays(np.int64, len(logits), elements=st.integers(0, logits.shape[1] - 1)))
    values = per_example.cross_entropy(torch.from_numpy(logits), torch.from_numpy(labels))
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    expected = np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(labels)), labels]
    np.testing.assert_allclose(values.numpy(), expected, rtol=1e-5, atol=1e-5)


@given(logits=LOGITS, data=st.data())
def test_accuracy_is_whether_the_label_has_the_largest_logit_for_each_example(
    logits: np.ndarray, data: st.DataObject
) -> None:
    labels = data.draw(arrays.arrays(np.int64, len(logits), elements=st.integers(0, logits.shape[1] - 1)))
    hits = per_example.accuracy(torch.from_numpy(logits), torch.from_numpy(labels))
    assert hits.dtype == torch.bool
    assert hits.tolist() == (logits.argmax(axis=1) == labels).tolist()


@given(logits=LOGITS, data=st.data())
def test_rank_is_the_labels_place_in_descending_order_the_first_of_equals_first(
    logits: np.ndarray, data: st.DataObject
) -> None:
    labels = data.draw(arrays.arrays(np.int64, len(logits), elements=st.integers(0, logits.shape[1] - 1)))
    ranks = per_example.rank(torch.from_numpy(logits), torch.from_numpy(labels))
    order = np.argsort(-logits, axis=1, kind="stable")
    assert ranks.tolist() == [row.tolist().index(label) for row, label in zip(order, labels, strict=True)]


@given(logits=LOGITS)
def test_confidence_is_the_largest_probability_for_each_example(logits: np.ndarray) -> None:
    values = per_example.confidence(torch.from_numpy(logits))
    shares = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    np.testing.assert_allclose(values.numpy(), (shares / shares.sum(axis=1, keepdims=True)).max(axis=1), rtol=1e-2)
