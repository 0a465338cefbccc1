"""Test a run's weights on other drawings, all of them: how far does training on synthetic ones carry?

python -m benchmarks.transfer outputs/runs/quickstart/<run> ../shared/quickdraw/bitmap
"""

import argparse
from pathlib import Path

from quickdraw.data.bitmaps import Bitmaps
from quickdraw.engine import test
from quickdraw.model.convnet import load_weights

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", type=Path)
parser.add_argument("root", type=Path)
arguments = parser.parse_args()
net, classes = load_weights(next((arguments.run / "weights").glob("*.pth")))
data = Bitmaps(arguments.root, classes)
parts = (data.train, data.val, data.test)
correct = sum(test(net, part)["accuracy"] * len(part.indices) for part in parts)
print(f"accuracy {correct / data.counts()['total']:.4f} on {data.counts()['total']:,} drawings of {arguments.root}")
