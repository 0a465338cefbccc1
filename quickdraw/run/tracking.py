"""What a run shows of itself: TensorBoard, and `metrics.csv`.

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
from torch import nn

from quickdraw.data.batches import Batches
from quickdraw.data.dataset import Dataset
from quickdraw.files import atomic_write
from quickdraw.predictions import Predictions
from quickdraw.progress import describe
from quickdraw.run.folder import RunFolder
from quickdraw.settings import OUTPUT_KEYS, encoded
from quickdraw.state import Record, Saved

log = logging.getLogger(__name__)

TAGS = {
    "train_loss": "Loss/train",
    "val_loss": "Loss/val",
    "train_accuracy": "Accuracy/train",
    "val_accuracy": "Accuracy/val",
    "val_balanced_accuracy": "Accuracy/val_balanced",
    "val_top3_accuracy": "Accuracy/val_top3",
    "val_top5_accuracy": "Accuracy/val_top5",
    "lr": "Rate/learning_rate",
    "grad_norm": "Gradient/norm",
    "samples_per_s": "Speed/samples_per_s",
}

FINAL_TAGS = {  # one point each; HParams shows at first the five that come first in the alphabet
    "val_accuracy": "Accuracy/best_val",
    "test_accuracy": "Accuracy/test",
    "test_balanced_accuracy": "Accuracy/test_balanced",
    "val_loss": "Loss/best_val",
    "test_loss": "Loss/test",
    "test_calibration_error": "Calibration/test_error",
}
TOGETHER: dict[str, list[str | list[str]]] = {  # one chart each on the page Custom Scalars; tags are patterns there
    "Loss: train and val": ["Multiline", ["Loss/train$", "Loss/val$"]],
    "Accuracy: train and val": ["Multiline", ["Accuracy/train$", "Accuracy/val$"]],
}


class Tracker:
    """Writes one run's `tensorboard/` and `metrics.csv` and keeps its status; `saved` is what a checkpoint held."""

    def __init__(self, run: RunFolder, saved: Saved | None) -> None:
        from torch.utils.tensorboard import SummaryWriter  # 0.3 s

        folder = run.path / "tensorboard"
        if folder.exists():
            shutil.rmtree(folder)
        self.run = run
        self.history: list[Record] = []
        self.writer = SummaryWriter(str(folder))
        self.writer.add_custom_scalars({"Train and validation": TOGETHER})
        for record in saved[1]["position"]["history"] if saved else ():
            self._scalars(record)
        self._table()

    def epoch(self, record: Record) -> None:
        """Log one epoch, everywhere."""
        log.info("%s", describe(record))
        self._scalars(record)
        self.writer.flush()
        self._table()
        self.run.update(epoch=record["epoch"], step=record["step"])

    def finish(
        self,
        net: nn.Module,
        data: Dataset,
        settings: Mapping[str, Any],
        result: Mapping[str, Any],
        tested: Predictions,
    ) -> None:
        """Log what is known at the end: of the network with its best weights, and what it says of the test split."""
        self._drawings(net.cpu().eval(), data.train, data.classes)
        self._charts(net, data, tested, result["best_epoch"])
        self._hparams(settings, {tag: result[name] for name, tag in FINAL_TAGS.items()}, result["best_epoch"])
        self.writer.close()

    def _scalars(self, record: Record) -> None:
        self.history.append(record)
        for key, tag in TAGS.items():
            self.writer.add_scalar(tag, record[key], record["epoch"])

    def _table(self) -> None:
        """Write `metrics.csv`, one row an epoch; there is none before the first."""
        path = self.run.path / "metrics.csv"
        if not self.history:
            path.unlink(missing_ok=True)
            return
        text = io.StringIO()
        table = csv.DictWriter(text, list(self.history[0]), lineterminator="\n")
        table.writeheader()
        table.writerows(self.history)
        atomic_write(path, text.getvalue().encode())

    def _drawings(self, net: nn.Module, train_batches: Batches, classes: Sequence[str]) -> None:
        """Log 256 training drawings in the projector (by `get_features`), a grid of 64, and the graph in eval mode."""
        count = len(train_batches.indices)
        images, labels = train_batches.take(np.linspace(0, count - 1, min(256, count)).astype(np.int64))
        with torch.inference_mode():
            features = net.get_features(images)  # type: ignore[operator]
        paper_white = 1 - images
        self.writer.add_embedding(
            features, [classes[label] for label in labels.tolist()], paper_white, tag="training_drawings"
        )
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:64]
        self.writer.add_images("quickdraw_images", F.pad(paper_white[order], (1, 1, 1, 1), value=0.8))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", r"`torch\.jit\.trace(_method)?` is deprecated", DeprecationWarning)
            warnings.filterwarnings("ignore", "The input to trace is already a ScriptModule", UserWarning)
            traced = torch.jit.trace(net, images[:1], check_trace=False)  # the check takes ten times as long
            self.writer.add_graph(traced, images[:1])

    def _charts(self, net: nn.Module, data: Dataset, tested: Predictions, epoch: int) -> None:
        """Log what the network learnt, as pictures."""
        from quickdraw import plotting  # matplotlib: 0.3 s
        from quickdraw.run import charts  # matplotlib: 0.3 s

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

        values = {
            key: value if isinstance(value, bool | int | float | str) else str(value)
            for key, value in encoded(config).items()  # TensorBoard leaves an infinite number out
            if key not in OUTPUT_KEYS
        }
        # Without one run's own columns TensorBoard shows those of all runs.
        _columns, *row = hparams(values, dict(scores))
        for summary in row:
            self.writer.file_writer.add_summary(summary)  # type: ignore[attr-defined]
        for tag, value in scores.items():
            self.writer.add_scalar(tag, value, epoch)
