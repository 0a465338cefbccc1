"""What a run does with weights: describes those it leaves in `weights/`, and builds its network again from them.

The files themselves, `<exp_name>_net.pth` and `<exp_name>_net.json`, are `quickdraw.weights_file`'s.
"""

import importlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from quickdraw.building import TARGETS
from quickdraw.data.dataset import Dataset
from quickdraw.errors import WeightsError
from quickdraw.settings import encoded
from quickdraw.weights_file import read_weights


def describe_weights(
    config: Mapping[str, Any], data: Dataset, result: Mapping[str, Any], environment: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of `<exp_name>_net.json`, beside the contract of input and output."""
    scores = {key: value for key, value in result.items() if key.startswith(("test_", "val_")) or key == "best_epoch"}
    return {
        "classes": data.classes,
        "model": config["model"]["_target_"],
        "drawings": data.counts(),
        "metrics": scores,
        "config": encoded(config),
        "fingerprints": data.fingerprints,
        "split": data.split_digest,
        "versions": environment["versions"],
    }


def load_network(place: str | os.PathLike[str]) -> tuple[nn.Module, dict[str, Any]]:
    """A saved network of any model of the project (in eval mode, on the CPU), and the json beside its weights.

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
