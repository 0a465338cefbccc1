"""The whole promise at its real size: ten classes as large as the official ones, every connection cut after 1 MB."""

import hashlib
import itertools
import mmap
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from quickdraw.data.class_files import write_bitmap_header
from quickdraw.data.fetch import official
from quickdraw.data.names import DEFAULT_CLASSES
from tests.support.downloads import assert_right, path_of, source, start, stop_on_the_way
from tests.support.faulty_server import FaultyServer, Reply

CUT = 1 << 20


@pytest.mark.stress
def test_ten_classes_cut_after_every_megabyte_and_killed_five_times(tmp_path: Path) -> None:
    """1.14 GB are written twice below tmp_path; takes about two minutes."""
    files, rows = {}, ["kind\tclass\tbytes\tmd5"]
    table = official.read_table()
    block = np.random.default_rng(0).integers(0, 256, 10_000 * 784, dtype=np.uint8)
    for number, name in enumerate(DEFAULT_CLASSES):
        count = ((table["bitmap", name].size or 0) - 80) // 784
        truth = tmp_path / f"{name}.truth"
        with open(truth, "wb") as file:
            file.write(write_bitmap_header(80, count))
            for start_row in range(0, count, 10_000):
                part = np.bitwise_xor(block, (number * 31 + start_row // 10_000) % 256)
                file.write(part[: (count - start_row) * 784].tobytes())
        with open(truth, "rb") as file:
            files[path_of("bitmap", name)] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            rows.append(f"bitmap\t{name}\t{truth.stat().st_size}\t{hashlib.file_digest(file, 'md5').hexdigest()}")
    (tmp_path / "table.tsv").write_text("\n".join(rows) + "\n")

    root, started_s = tmp_path / "data", time.monotonic()
    with FaultyServer(files, always=Reply(cut=CUT)) as server:
        arguments = ["--root", str(root), *source(server, tmp_path / "table.tsv")]
        for _ in range(5):
            code, _ = stop_on_the_way(start(arguments), server, signal.SIGKILL, len(server.requests) + 190)
            assert code == -signal.SIGKILL
            print(f"killed after {len(server.requests)} requests; whole: {assert_right(root, files)}")
        process = start(arguments)
        assert process.communicate(timeout=900)[1] == ""
        assert process.returncode == 0
        print(f"{time.monotonic() - started_s:.0f} s, {len(server.requests)} requests")
        assert len(assert_right(root, files)) == len(DEFAULT_CLASSES)
        sent, needed = sum(map(server.sent, files)), sum(map(len, files.values()))
        print(f"{sent / 1e6:.1f} MB sent for {needed / 1e6:.1f} MB")
        assert sent < needed + 5 * 4 * CUT
        for path in files:
            places = [
                int((request.range or "bytes=0-")[6:].split("-")[0])
                for request in server.requests
                if request.path == path
            ]
            assert all(earlier <= later for earlier, later in itertools.pairwise(places))
