"""Per-example values [B] of logits. An average is taken once, over all examples: never a mean of batch means."""

import torch
import torch.nn.functional as F
from torch import Tensor


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """-log softmax(logits)[label], float [B], of logits [B, C] and labels int64 [B]."""
    return F.cross_entropy(logits, labels, reduction="none")


def accuracy(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether the largest logit is the label's, bool [B], of logits [B, C] and labels int64 [B]."""
    return logits.argmax(dim=1) == labels


def rank(logits: Tensor, labels: Tensor) -> Tensor:
    """The number of classes that come before the label's, int64 [B], of logits [B, C] and labels int64 [B].

    Of equal logits the first comes first, as in `argmax`: 0 is what `accuracy` calls right.
    """
    own = logits.gather(1, labels[:, None])
    earlier = torch.arange(logits.shape[1], device=logits.device) < labels[:, None]
    return ((logits > own) | ((logits == own) & earlier)).sum(dim=1)


def confidence(logits: Tensor) -> Tensor:
    """The largest softmax probability, float [B], of logits [B, C]."""
    return (logits.amax(dim=1) - logits.logsumexp(dim=1)).exp()
