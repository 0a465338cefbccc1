"""What a run computes on: what `auto` means here, how many cores there are, and which changes are worth a warning."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from quickdraw import hardware
from quickdraw.run.checkpoint import Checkpoints
from quickdraw.run.folder import RunFolder
from quickdraw.state import Snapshot


@pytest.mark.parametrize(
    ("capabilities", "precision"),
    [
        ({"avx512_bf16": True}, "bfloat16"),
        ({"amx_bf16": True, "avx512_bf16": False}, "bfloat16"),
        ({"avx512_bf16": False, "avx2": True}, "float32"),
        ({}, "float32"),
    ],
)
def test_precision_auto_is_bfloat16_where_the_cpu_multiplies_it_faster(
    capabilities: dict[str, bool], precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities)
    assert hardware.resolve_precision("auto", "cpu") == precision
    assert hardware.resolve_precision("auto", "mps") == "float32"


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_precision_that_is_named_is_used_whatever_the_hardware(precision: str) -> None:
    for device in ("cpu", "cuda", "mps"):
        assert hardware.resolve_precision(precision, device) == precision


@pytest.fixture
def no_quota(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the control groups of the system; no group is limited yet."""
    groups = tmp_path / "cgroup"
    groups.mkdir()
    monkeypatch.setattr(hardware, "CGROUPS", groups)
    monkeypatch.setattr(hardware, "CGROUP_OF_PROCESS", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(16)), raising=False)
    (tmp_path / "own").write_text("0::/jobs/ours\n")
    return groups


@pytest.fixture
def on_one_core() -> Iterator[None]:
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip("only Linux pins a process to cores")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    yield
    os.sched_setaffinity(0, before)


def test_a_process_pinned_to_one_core_counts_one(on_one_core: None) -> None:
    assert hardware.usable_cores() == 1
    assert hardware.resolve_threads("auto", one_of_many=False) == 1


def test_threads_are_all_cores_for_one_run_and_one_for_a_job(no_quota: Path) -> None:
    assert hardware.resolve_threads("auto", one_of_many=False) == 16
    assert hardware.resolve_threads("auto", one_of_many=True) == 1
    assert hardware.resolve_threads(3, one_of_many=True) == 3


@pytest.mark.parametrize(
    ("group", "content", "cores"),
    [
        ("jobs/ours", "200000 100000\n", 2),
        ("jobs", "150000 100000\n", 2),
        ("", "50000 100000\n", 1),
        ("jobs/ours", "max 100000\n", 16),
        ("jobs/others", "100000 100000\n", 16),
        ("jobs/ours", "6400000 100000\n", 16),
    ],
)
def test_a_containers_quota_counts_for_its_own_group_and_those_above(
    no_quota: Path, group: str, content: str, cores: int
) -> None:
    (no_quota / group).mkdir(parents=True, exist_ok=True)
    (no_quota / group / "cpu.max").write_text(content)
    assert hardware.usable_cores() == cores


@pytest.mark.parametrize(("allowed", "cores"), [("300000", 3), ("-1", 16)])
def test_a_quota_of_the_first_version_of_control_groups_counts_too(no_quota: Path, allowed: str, cores: int) -> None:
    (no_quota.parent / "own").write_text("3:memory:/jobs\n2:cpu,cpuacct:/jobs\n")
    (no_quota / "cpu" / "jobs").mkdir(parents=True)
    (no_quota / "cpu/jobs/cpu.cfs_quota_us").write_text(f"{allowed}\n")
    (no_quota / "cpu/jobs/cpu.cfs_period_us").write_text("100000\n")
    assert hardware.usable_cores() == cores


def environment(monkeypatch: pytest.MonkeyPatch, instruction_set: str, gpu: str, device: str) -> dict[str, Any]:
    """Return what is recorded of a machine with that processor and that GPU."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: instruction_set)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: gpu)
    return hardware.environment({"device": device, "threads": 1})


def warnings_of(folder: Path, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what a run that was saved in one environment is warned of when it continues in another."""
    run = RunFolder(folder)
    run.begin({}, [])
    snapshot = Snapshot({"net/weight": torch.zeros(1)}, {"position": {"history": []}})
    Checkpoints(run, {"fingerprints": {}, "environment": before}).save(1, snapshot)
    assert Checkpoints(run, {"fingerprints": {}, "environment": after}).load() == snapshot
    warnings: list[str] = run.status["warnings"]
    return warnings


def test_another_gpu_or_instruction_set_is_a_recorded_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = environment(monkeypatch, "AVX512", "H100", "cuda")
    after = environment(monkeypatch, "AVX2", "A100", "cuda")
    first, second = warnings_of(tmp_path, before, after)
    assert first == "gpu was 'H100' and is 'A100': the run may end with other bits than it would have"
    assert second.startswith("instruction_set was 'AVX512' and is 'AVX2': ")


def test_a_gpu_that_is_not_used_is_not_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment(monkeypatch, "AVX512", "H100", "cpu")["gpu"] is None


def test_a_package_that_only_an_earlier_version_recorded_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = environment(monkeypatch, "AVX2", "", "cpu")
    versions = {**now["versions"], "scikit-learn": "1.9.1", "numpy": "1.0"}
    del versions["torchvision"]
    (warning,) = warnings_of(tmp_path, {**now, "versions": versions}, now)
    assert warning.startswith("versions.numpy was '1.0' and is ")
