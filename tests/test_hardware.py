"""What a run computes on: what `auto` means here, how many cores there are, and which changes are worth a warning."""

import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from quickdraw import hardware
from quickdraw.run.checkpoint import Checkpoints
from quickdraw.run.folder import RunFolder
from quickdraw.state import Position, Snapshot

VALUES = {"position": asdict(Position()), "optimizer": []}  # of a training that did not begin


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


def environment(monkeypatch: pytest.MonkeyPatch, instruction_set: str, gpu: str, device: str) -> dict[str, Any]:
    """Return what is recorded of a machine with that processor and that GPU."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: instruction_set)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: gpu)
    return hardware.environment({"device": device, "threads": 1})


def warnings_of(folder: Path, before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return what a run that was saved in one environment is warned of when it continues in another."""
    run = RunFolder(folder)
    run.begin({}, [])
    snapshot = Snapshot({"net/weight": torch.zeros(1)}, VALUES)
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


def test_another_number_of_lanes_is_a_recorded_warning_and_earlier_versions_had_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = environment(monkeypatch, "AVX2", "", "cpu")
    earlier = {name: value for name, value in now.items() if name != "lanes"}
    assert hardware.environment_changes(earlier, now) == []
    (warning,) = warnings_of(tmp_path, {**now, "lanes": 64}, now)
    assert warning.startswith("lanes was 64 and is 1: the run may end with other bits")


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


class MadeUpDriver:
    """As much of `libcuda.so.1` as is asked for; `calls` is what was called, with numbers."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *given: self.calls.append((name, *(value for value in given if isinstance(value, int))))


@pytest.mark.parametrize(("device", "gpu"), [("auto", 0), ("cuda", 0), ("cuda:1", 1), ("cpu", None), ("mps", None)])
def test_the_driver_of_a_gpu_that_may_be_used_starts_at_once(
    device: str, gpu: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = MadeUpDriver()
    monkeypatch.setattr(hardware, "built_for_cuda", lambda: True)
    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda name: driver)
    before = set(threading.enumerate())
    hardware.start_cuda(device)
    for thread in set(threading.enumerate()) - before:
        thread.join()
    expected = [("cuInit", 0), ("cuDeviceGet", gpu), ("cuDevicePrimaryCtxRetain",)]
    assert driver.calls == ([] if gpu is None else expected)


def test_no_driver_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(hardware, "built_for_cuda", lambda: True)
    monkeypatch.setattr(hardware.ctypes, "CDLL", missing)
    hardware.start_cuda("cuda")


def test_a_torch_for_cpus_leaves_the_driver_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert hardware.built_for_cuda() == torch.backends.cuda.is_built()
    driver = MadeUpDriver()
    monkeypatch.setattr(hardware, "built_for_cuda", lambda: False)
    monkeypatch.setattr(hardware.ctypes, "CDLL", lambda name: driver)
    hardware.start_cuda("auto")
    assert driver.calls == []


def test_versions_are_read_once_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def version(package: str) -> str:
        asked.append(package)
        return "1.0"

    with monkeypatch.context() as patch:
        patch.setattr(hardware, "version", version)
        hardware.versions.cache_clear()
        first, second = hardware.versions(), hardware.versions()
    hardware.versions.cache_clear()
    assert first == second
    assert first["torch"] == "1.0"
    assert asked == list(hardware.PACKAGES)
