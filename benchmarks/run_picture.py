"""Draw the picture of a finished run that the README shows: its curves, and predictions on test drawings.

python -m benchmarks.run_picture outputs/runs/<exp_name>/<folder> docs/images/run.png
"""

import argparse
import csv
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.model.convnet import load_weights
from quickdraw.run.folder import RunFolder
from quickdraw.settings import decoded

mpl.use("Agg")
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("run", type=Path)
parser.add_argument("picture", type=Path)
arguments = parser.parse_args()

with (arguments.run / "metrics.csv").open() as file:
    records = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
epochs = [record["epoch"] for record in records]
run = RunFolder(arguments.run)
settings = {k: v for k, v in decoded(run.status["config"])["data"].items() if k != "_target_"}
data = Bitmaps(**settings)
net, classes = load_weights(next((arguments.run / "weights").glob("*.pth")))
positions = np.random.default_rng(3).choice(len(data.test.indices), 24, replace=False)
images, labels = data.test.take(positions)
with torch.inference_mode():
    predicted = net(images).argmax(1)

figure = plt.figure(figsize=(12, 4.6), constrained_layout=True)
left, middle, right = figure.subfigures(1, 3, width_ratios=[1, 1, 1.5])
for part, name, title in ((left, "loss", "Loss"), (middle, "accuracy", "Accuracy")):
    axes = part.subplots()
    for split, colour in (("train", "#8899aa"), ("val", "#0b6fb8")):
        axes.plot(epochs, [record[f"{split}_{name}"] for record in records], color=colour, label=split, linewidth=2)
    axes.set(title=title, xlabel="epoch")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
result = run.result() or {}
right.suptitle(f"Test drawings and predictions (test accuracy {result['test_accuracy']:.3f})", fontsize=12)
for axes, image, label, guess in zip(right.subplots(4, 6).flat, images, labels, predicted, strict=True):
    axes.imshow(1 - image[0], cmap="gray", vmin=0, vmax=1)
    correct = bool(label == guess)
    name = classes[guess] if correct else f"{classes[guess]}\n({classes[label]})"
    axes.set_title(name, fontsize=8, color="#222222" if correct else "#c0392b")
    axes.axis("off")
figure.savefig(arguments.picture, dpi=110)
