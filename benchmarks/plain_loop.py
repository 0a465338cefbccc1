"""The plain program that the project is measured against: what one writes at first, in one file.

The same network, split and optimizer as `experiment=course`: a float32 copy of all drawings, a DataLoader with one
worker, AdamW at a constant rate, the loss read at every step and its running mean shown. `--fixed` takes its obvious
flaws away and nothing else: no worker, and no loss read or averaged at every step. Prints one JSON object.

python -m benchmarks.plain_loop ../shared/quickdraw/bitmap --epochs 10
"""

import argparse
import json
import resource
import time
from pathlib import Path
from statistics import mean
from typing import Any

BEGIN = time.perf_counter()

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402
from tqdm import tqdm  # noqa: E402

from quickdraw.data.names import DEFAULT_CLASSES  # noqa: E402

try:
    from sklearn.model_selection import train_test_split
except ImportError:  # a machine with no more than requirements.txt; it divides as well, without the second of import
    from quickdraw.data.split import stratified

    def train_test_split(*arrays: Any, test_size: float, random_state: int, stratify: np.ndarray) -> list[Any]:
        """The train and the test part of each array."""
        parts = stratified(stratify, test_size, random_state)
        return [array[part] for array in arrays for part in parts]


def network(classes: int, dropout_rate: float) -> nn.Module:
    """The course's ConvNet, from torch's own layers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(dropout_rate), nn.Flatten(), nn.Linear(800, 128), nn.ReLU(), nn.Linear(128, classes)),
    )


def evaluate(net: nn.Module, loader: DataLoader, device: str) -> float:
    """Accuracy, batch by batch."""
    net.eval()
    correct = total = 0
    with torch.no_grad():
        for images, labels in loader:
            images, labels = images.to(device), labels.to(device)
            correct += (net(images).argmax(1) == labels).sum().item()
            total += len(labels)
    return correct / total


def main() -> None:
    """Train, test, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch_size", type=int, default=64)
    parser.add_argument("--max_steps", type=int, default=0, help="steps in an epoch; 0: all")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)

    names = [name for name in DEFAULT_CLASSES if (arguments.root / f"{name}.npy").exists()]
    arrays = [np.load(arguments.root / f"{name}.npy") for name in names]
    pixels, labels = np.concatenate(arrays), np.repeat(np.arange(len(names)), [len(a) for a in arrays])
    del arrays
    parts = train_test_split(pixels, labels, test_size=0.3, random_state=42, stratify=labels)
    halves = train_test_split(parts[1], parts[3], test_size=0.5, random_state=42, stratify=parts[3])
    loaders = [
        DataLoader(
            TensorDataset(torch.from_numpy(x).float().div(255).view(-1, 1, 28, 28), torch.from_numpy(y)),
            arguments.batch_size,
            shuffle=shuffle,
            num_workers=0 if arguments.fixed else 1,
        )
        for x, y, shuffle in ((parts[0], parts[2], True), (halves[0], halves[2], False), (halves[1], halves[3], False))
    ]
    net = network(len(names), 0.5).to(arguments.device)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-2)
    criterion = nn.CrossEntropyLoss()
    train_s, samples, first_step_s, val_accuracy = 0.0, 0, 0.0, []
    for _ in range(arguments.epochs):
        net.train()
        begin, losses = time.perf_counter(), []
        bar = tqdm(loaders[0])
        for step, (images, targets) in enumerate(bar, 1):
            loss = criterion(net(images.to(arguments.device)), targets.to(arguments.device))
            if not arguments.fixed:
                losses.append(loss.item())
                bar.set_description(f"training loss {mean(losses):.4f}")
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            samples += len(targets)
            first_step_s = first_step_s or time.perf_counter() - BEGIN
            if step == arguments.max_steps:
                break
        train_s += time.perf_counter() - begin
        if not arguments.max_steps:
            val_accuracy.append(evaluate(net, loaders[1], arguments.device))
    begin = time.perf_counter()
    test_accuracy = evaluate(net, loaders[2], arguments.device)
    print(
        json.dumps(
            {
                "samples_per_s": samples / train_s,
                "train_s": train_s,
                "first_step_s": first_step_s,
                "total_s": time.perf_counter() - BEGIN,
                "test_accuracy": test_accuracy,
                "evaluated_per_s": len(loaders[2].dataset) / (time.perf_counter() - begin),  # type: ignore[arg-type]
                "val_accuracy": val_accuracy,
                "peak_rss_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
            }
        )
    )


if __name__ == "__main__":
    main()
