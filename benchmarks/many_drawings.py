"""What millions of drawings cost a run before it learns, and in memory.

    python benchmarks/many_drawings.py --drawings 10000000 --source ../shared/quickdraw/bitmap_345

Tiles the drawings of a folder to as many as asked, each made unique by its number in four pixels of the margin, in a
temporary folder (784 bytes a drawing). Then calls `run.py` twice on them as a user would, reads from its progress bar
when the first step was done, and from Linux' /proc the anonymous memory, that is all but the mapped files.
"""

import argparse
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
CHUNK = 16_384  # drawings written at once
CORNERS = [0, 27, 756, 783]  # paper in every drawing: the margin is 2 pixels wide


def tile(source: Path, target: Path, drawings: int) -> int:
    """Fill `target` with the classes of `source`, `drawings` in all, no two alike. Return how many there are."""
    files = sorted(source.glob("*.npy"))
    if not files:
        sys.exit(f"error: {source}: expected .npy files, got none")
    each = -(-drawings // len(files))
    if shutil.disk_usage(target).free < 1.1 * each * len(files) * 784:
        sys.exit(f"error: {target}: too little room for {drawings:,} drawings; set TMPDIR")
    for file in files:
        rows = np.load(file)
        out = np.lib.format.open_memmap(target / file.name, "w+", np.uint8, (each, 784))
        for start in range(0, each, CHUNK):
            numbers = np.arange(start, min(start + CHUNK, each), dtype="<u4")
            tiles = rows[numbers % len(rows)]
            tiles[:, CORNERS] = numbers.view(np.uint8).reshape(-1, 4)
            out[start : start + CHUNK] = tiles
        del out
    return each * len(files)


def start(folder: Path, data: Path, arguments: list[str], steps: int) -> tuple[float, float]:
    """Run until that many steps are done. Return the seconds to the first, and the peak of anonymous memory in MB."""
    command = [sys.executable, str(ROOT / "run.py"), f"data.root={data}", "data.classes=all", "trainer.progress=true"]
    begin = time.perf_counter()
    first, peak, said = 0.0, 0.0, ""
    with subprocess.Popen([*command, *arguments], cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as run:
        assert run.stderr
        waiting = selectors.DefaultSelector()
        waiting.register(run.stderr, selectors.EVENT_READ)
        while run.poll() is None:
            peak = max(peak, anonymous_mb(run.pid))
            if waiting.select(timeout=0.02):
                said = (said + os.read(run.stderr.fileno(), 4096).decode(errors="replace"))[-2000:]
            done = re.findall(r"epoch 1/\d+:[^\r]*?(\d+)/\d+", said)
            if done and int(done[-1]) >= 1 and not first:
                first = time.perf_counter() - begin
            if done and int(done[-1]) >= steps:
                run.send_signal(signal.SIGKILL)
                break
    if not first:
        sys.exit(f"error: run.py ended without a step: {said}")
    return first, peak


def anonymous_mb(pid: int) -> float:
    """Return what a process holds of memory that is no file's, in MB."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        return int(status.split("RssAnon:")[1].split()[0]) / 1e3
    except (OSError, IndexError):
        return 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawings", type=int, default=1_000_000)
    parser.add_argument("--source", type=Path, default=ROOT.parent / "shared/quickdraw/bitmap_345")
    parser.add_argument("--steps", type=int, default=200, help="to run at each start")
    options, arguments = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        count = tile(options.source, data, options.drawings)
        print(f"{count:,} drawings, {count * 784 / 1e9:.1f} GB", flush=True)
        for name in ("first start", "second start"):
            seconds, memory = start(Path(folder), data, arguments, options.steps)
            print(f"{name}: {seconds:.1f} s to the first step, {memory:.0f} MB of anonymous memory", flush=True)


if __name__ == "__main__":
    main()
