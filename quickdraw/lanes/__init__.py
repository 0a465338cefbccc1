"""Several trainings of equal shape side by side in one process: what makes a GPU worth having for a sweep.

A *lane* is a place in a *pack*; a pack (`pack`) is so many trainings as stacked tensors (`stack`), learnt by one step.
Lanes share the shapes; their settings are their own. A training alone in a pack is `train`, the counterpart of
`engine.train`; `may_share` says whether a training may have a lane at all.
"""

from quickdraw.lanes.pack import Pack, train
from quickdraw.lanes.training import Training, may_share

__all__ = ["Pack", "Training", "may_share", "train"]
