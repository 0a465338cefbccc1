"""The weights that are handed on: a bare `state_dict` in `<exp_name>_net.pth`, and `<exp_name>_net.json`, its contract.

The `.pth` is the one pickle in the project. It is written by `torch.save` and read with `weights_only=True`, which
builds tensors and plain containers and runs nothing.
"""

import hashlib
import importlib
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from quickdraw.building import TARGETS
from quickdraw.errors import WeightsError
from quickdraw.files import atomic_write, make_folder, write_json

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
    """Return the `state_dict` in `path` and the json beside it.

    `model` is the dotted name of the class they must fit; None takes whichever the json names. Raises WeightsError when
    a file is missing or damaged, or when they do not belong together or to that class.
    """
    path = Path(path)
    try:
        description = json.loads(path.with_suffix(".json").read_bytes())
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{error.filename}: cannot be read ({error.strerror}); a run leaves both files") from error
    except ValueError as error:
        raise WeightsError(f"{path.with_suffix('.json')}: expected JSON, got something else ({error})") from error
    if not isinstance(description, dict) or not {"classes", "model", "sha256"} <= description.keys():
        raise WeightsError(f"{path.with_suffix('.json')}: expected the description of a network's weights")
    if model and description["model"] != model:
        raise WeightsError(f"{path}: expected the weights of {model}, got those of {description['model']}")
    if hashlib.sha256(data).hexdigest() != description["sha256"]:
        raise WeightsError(
            f"{path}: does not match the sha256 in {path.with_suffix('.json').name}: damaged or replaced"
        )
    try:
        state_dict = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on bytes that are no weights
        raise WeightsError(f"{path}: expected weights written by torch.save, got something else") from error
    return state_dict, description


def load_network(place: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    """Return a saved network of any model of the project (in eval mode, on the CPU) and the json beside its weights.

    `place` is a run's folder or its `.pth`. The json names the class and its arguments: only a class that lies in
    `quickdraw.model` is built, from plain values. Raises WeightsError for anything else.
    """
    path = Path(place)
    if path.is_dir():
        found = sorted(path.glob("weights/*.pth"))
        if len(found) != 1:
            raise WeightsError(f"{path}: expected the folder of a completed run, with one .pth in weights/")
        path = found[0]
    state_dict, description = read_weights(path)
    made_by, classes = description["model"], description["classes"]
    config = description.get("config")
    node = config.get("model") if isinstance(config, dict) else None
    arguments = {key: value for key, value in (node or {}).items() if not key.startswith("_")}
    module, _, name = str(made_by).rpartition(".")
    if not re.fullmatch(TARGETS["model"], str(made_by)) or "_target_" in str(arguments):
        raise WeightsError(f"{path.with_suffix('.json')}: expected a model of quickdraw.model, got {made_by!r:.60}")
    try:
        made = getattr(importlib.import_module(module), name)
        if not (isinstance(made, type) and issubclass(made, nn.Module) and made.__module__ == module):
            raise TypeError(f"{made_by} is no network of the project")
        net = made(**arguments, num_classes=len(classes))
        net.load_state_dict(state_dict)
    except (ImportError, AttributeError, RuntimeError, TypeError, ValueError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsError(f"{path}: expected the weights of {made_by}, as its .json says: {reason:.200}") from error
    return net.eval(), description
