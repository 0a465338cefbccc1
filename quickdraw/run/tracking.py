"""TensorBoard and `metrics.csv`: how a run is watched while it trains, and looked at afterwards.

Both are functions of the history, so a resumed run begins them anew from the history in its checkpoint: every step is
there exactly once, whatever was logged after the checkpoint and whatever the clock did.
"""

import csv
import io
import logging
import shutil
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from quickdraw import metrics
from quickdraw.data.batches import Batches
from quickdraw.data.dataset import Dataset
from quickdraw.files import atomic_write
from quickdraw.predictions import Predictions
from quickdraw.progress import describe
from quickdraw.run.folder import RunFolder
from quickdraw.settings import OUTPUT_KEYS, encoded
from quickdraw.state import EpochRecord, Snapshot

log = logging.getLogger(__name__)

TAGS = {  # of the curves beside those of the validation scores (`quickdraw.metrics`)
    "train_loss": "Loss/train",
    "train_accuracy": "Accuracy/train",
    "lr": "Rate/learning_rate",
    "grad_norm": "Gradient/norm",
    "samples_per_s": "Speed/samples_per_s",
}
TOGETHER: dict[str, list[str | list[str]]] = {  # one chart each on the page Custom Scalars; tags are patterns there
    "Loss: train and val": ["Multiline", ["Loss/train$", "Loss/val$"]],
    "Accuracy: train and val": ["Multiline", ["Accuracy/train$", "Accuracy/val$"]],
}


class Tracker:
    """Writes one run's `tensorboard/` and `metrics.csv` and keeps its status; a resumed run begins with a snapshot."""

    def __init__(self, run: RunFolder, resume_from: Snapshot | None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # 0.3 s

        folder = run.path / "tensorboard"
        if folder.exists():
            shutil.rmtree(folder)
        self.run = run
        self.history: list[EpochRecord] = []
        self.tags = TAGS | metrics.curve_tags()
        self.writer = SummaryWriter(str(folder))
        self.writer.add_custom_scalars({"Train and validation": TOGETHER})
        if resume_from:
            for record in resume_from.history:
                self._scalars(record)
        self._table()

    def epoch(self, record: EpochRecord) -> None:
        """Log one epoch, everywhere."""
        log.info("%s", describe(record))
        self._scalars(record)
        self.writer.flush()
        self._table()
        self.run.update(epoch=record["epoch"], step=record["step"])

    def close(self) -> None:
        """Write out what was logged: another process goes on, or none."""
        self.writer.close()

    def finish(
        self,
        net: nn.Module,
        data: Dataset,
        settings: Mapping[str, Any],
        result: Mapping[str, Any],
        tested: Predictions,
    ) -> None:
        """Log what is known at the end: the network with its best weights, and its predictions of the test split."""
        net.cpu().eval()
        images, labels = some_drawings(data.train)
        self._projector(net, images, [data.classes[label] for label in labels.tolist()])
        self._grid(images)
        self._graph(net, images[:1])
        self._charts(net, data, tested, result["best_epoch"])
        tags = metrics.final_tags()
        scores = {tags[name]: value for name, value in result.items() if name in tags}
        self._hparams(settings, scores, result["best_epoch"])
        self.writer.close()

    def _scalars(self, record: EpochRecord) -> None:
        self.history.append(record)
        for key, tag in self.tags.items():
            if key in record:  # a metric may have been added since that epoch
                self.writer.add_scalar(tag, record[key], record["epoch"])

    def _table(self) -> None:
        """Write `metrics.csv`, one row an epoch; there is none before the first."""
        path = self.run.path / "metrics.csv"
        if not self.history:
            path.unlink(missing_ok=True)
            return
        text = io.StringIO()
        table = csv.DictWriter(text, list(self.history[-1]), restval="", extrasaction="ignore", lineterminator="\n")
        table.writeheader()
        table.writerows(self.history)
        atomic_write(path, text.getvalue().encode())

    def _projector(self, net: nn.Module, images: Tensor, names: Sequence[str]) -> None:
        """Log drawings with their classes' names where `get_features` places them; nothing for a model without it."""
        if not hasattr(net, "get_features"):
            log.info("no projector in TensorBoard: %s has no get_features", type(net).__name__)
            return
        with torch.inference_mode():
            features = turned(net.get_features(images).flatten(1))  # type: ignore[operator]
        self.writer.add_embedding(features, list(names), 1 - images, tag="training_drawings")

    def _grid(self, images: Tensor) -> None:
        """Log up to 64 of the drawings side by side, in an order of chance."""
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:64]
        paper_white = 1 - images[order]
        self.writer.add_images("quickdraw_images", F.pad(paper_white, (1, 1, 1, 1), value=0.8))

    def _graph(self, net: nn.Module, image: Tensor) -> None:
        """Log the network's graph, as it is in eval mode."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.trace(_method)?` is deprecated", DeprecationWarning)
            warnings.filterwarnings("ignore", "The input to trace is already a ScriptModule", UserWarning)
            traced = torch.jit.trace(net, image, check_trace=False)  # the check takes ten times as long
            self.writer.add_graph(traced, image)

    def _charts(self, net: nn.Module, data: Dataset, tested: Predictions, epoch: int) -> None:
        """Log what the network learnt, as pictures."""
        from quickdraw import plotting  # matplotlib: 0.3 s
        from quickdraw.run import charts

        worst = charts.worst_mistakes(tested)
        images, _ = data.test.take(worst)
        figures = {
            "Test/confusion_matrix": charts.confusion_matrix(tested, data.classes),
            "Test/accuracy_by_class": charts.class_accuracy(tested, data.classes),
            "Test/calibration": charts.calibration_curve(tested),
            "Test/mistakes": charts.mistakes(images[:, 0].cpu().numpy(), tested, worst, data.classes),
            "Weights/first_layer": charts.first_filters(net),
        }
        for tag, figure in figures.items():
            if figure:
                self.writer.add_image(tag, plotting.pixels(figure), epoch, dataformats="HWC")

    def _hparams(self, config: Mapping[str, Any], scores: Mapping[str, float], epoch: int) -> None:
        """Log the settings and the final scores for the HParams dashboard, in the run's own writer: one row a run."""
        from torch.utils.tensorboard.summary import hparams

        values = {}
        for key, value in encoded(config).items():  # TensorBoard leaves an infinite number out
            if key not in OUTPUT_KEYS:
                values[key] = value if isinstance(value, bool | int | float | str) else str(value)
        # Without one run's own columns TensorBoard shows those of all runs.
        _columns, *row = hparams(values, dict(scores))
        for summary in row:
            self.writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        for tag, value in scores.items():
            self.writer.add_scalar(tag, value, epoch)


def turned(points: Tensor) -> Tensor:
    """The points [N, D] in their principal directions, [N, min(N, D)]: distances and angles stay as they are.

    256 points of 800 numbers are 3.0 MB of text and take 0.49 s to log, in 256 directions 1.4 MB and 0.23 s.
    """
    if points.shape[1] <= len(points) or not points.isfinite().all():
        return points
    products = points.double() @ points.double().T
    squares, directions = torch.linalg.eigh(products)
    return (directions * squares.clamp(min=0).sqrt()).flip(1).float()


def some_drawings(train_batches: Batches) -> tuple[Tensor, Tensor]:
    """Up to 256 training drawings at equal distances, and their labels."""
    count = len(train_batches.indices)
    return train_batches.take(np.linspace(0, count - 1, min(256, count)).astype(np.int64))
