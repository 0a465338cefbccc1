"""The pair of files in which weights are handed on: a bare `state_dict` (`.pth`), and beside it its contract (`.json`).

The `.pth` is the one pickle in the project. It is written by `torch.save` and read with `weights_only=True`, which
builds tensors and plain containers and runs nothing.
"""

import hashlib
import io
import math
import os
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quickdraw.errors import WeightsError
from quickdraw.files import atomic_write, make_folder, read_bounded, write_json
from quickdraw.records import read_description

INPUT = {"shape": ["B", 1, 28, 28], "dtype": "float32", "range": [0, 1], "meaning": "0 paper, 1 ink"}
OUTPUT = {"shape": ["B", "C"], "dtype": "float32", "meaning": "logits, in the order of classes"}


def write_weights(path: Path, net: nn.Module, description: dict[str, Any]) -> None:
    """Write the network's weights to `path` (`.pth`) and what they are to the `.json` beside it."""
    buffer = io.BytesIO()
    torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}, buffer)
    make_folder(path.parent)
    atomic_write(path, buffer.getvalue())
    contract = {"input": INPUT, "output": OUTPUT, "sha256": hashlib.sha256(buffer.getvalue()).hexdigest()}
    write_json(path.with_suffix(".json"), description | contract)


def read_weights(path: str | os.PathLike[str], model: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The `state_dict` in `path`, and the content of the `.json` beside it.

    `model` is the dotted name of the class they must fit; None takes whichever the json names. Raises WeightsError when
    a file is missing or damaged, or when they do not belong together or to that class.
    """
    path = Path(path)
    description = read_description(path.with_suffix(".json"))
    if not {"model", "sha256"} <= description.keys():
        raise WeightsError(f"{path.with_suffix('.json')}: expected the description of a network's weights")
    try:
        data = read_bounded(path, most=math.inf)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({error.strerror}); a run leaves both files") from error
    except ValueError as error:
        raise WeightsError(f"{path}: {error}") from error
    if model and description["model"] != model:
        raise WeightsError(f"{path}: expected the weights of {model}, got those of {description['model']}")
    if hashlib.sha256(data).hexdigest() != description["sha256"]:
        raise WeightsError(
            f"{path}: does not match the sha256 in {path.with_suffix('.json').name}: damaged or replaced"
        )
    check_stored(path, data)
    try:
        state_dict = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on bytes that are no weights
        raise WeightsError(f"{path}: expected weights written by torch.save, got something else") from error
    return state_dict, description


def check_stored(path: Path, data: bytes) -> None:
    """Raise WeightsError unless these are the bytes of an archive that holds no more than it has: none compressed."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            is_stored = sum(member.file_size for member in archive.infolist()) <= len(data)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise WeightsError(f"{path}: expected weights written by torch.save, got something else") from error
    if not is_stored:
        raise WeightsError(f"{path}: expected weights written by torch.save, got an archive that unpacks to more")
