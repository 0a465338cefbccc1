"""What a configuration may name, and how it is built: a module, a class, plain arguments, and nothing interpreted.

A saved configuration is data that may come from anywhere, so a name is not trusted by its text: what it stands for must
be defined in the very module that it names, and be what its group wants.
"""

import copy
import importlib
import inspect
import re
import traceback
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from quickdraw.errors import ConfigError, QuickdrawError, first_line
from quickdraw.user_files import error_in_user_file, shortest

if TYPE_CHECKING:  # torch takes 1.2 s
    from torch import Tensor, nn

# The names that each place of a configuration may hold.
TARGETS = {
    "model": r"quickdraw\.model\.\w+\.\w+",
    "optimizer": r"(torch\.optim|quickdraw\.optimizer\.\w+)\.\w+",
    "data": r"quickdraw\.data\.\w+\.\w+",
    "trainer": r"quickdraw\.engine\.\w+",
    "schedule": r"quickdraw\.schedule\.\w+",
    "trainer.schedule": r"quickdraw\.schedule\.\w+",
}

# The class that a group's own classes extend. A trainer and a schedule are functions.
BASES = {"model": "torch.nn.Module", "optimizer": "torch.optim.Optimizer", "data": "quickdraw.data.dataset.Dataset"}

# What run.py and the training give to what is built: no user's to set. A function for the group takes all of it.
GIVEN = {
    "model": {"num_classes"},
    "optimizer": {"params"},
    "trainer": {
        "net",
        "optimizer",
        "train_batches",
        "val_batches",
        "seed",
        "on_epoch",
        "save",
        "resume_from",
        "stop_signal",
    },
    "schedule": {"done"},
    "trainer.schedule": {"done"},
}

LATER_KEYS = {"data.train_limit", "data.train_fraction", "data.test_seed"}
KEYWORDS = {"_target_", "_partial_"}  # the keys of a node that are no arguments


def find(place: str, name: Any) -> Any:
    """Import the class or function that a configuration names at `place`: a group, or "trainer.schedule".

    Raises ConfigError for a name of another form, and for anything but a class of that very module that extends what
    the group wants, or a function of it that takes what the group is given.
    """
    here = f"{place}._target_"
    if place not in TARGETS:
        raise ConfigError(f"{here}: _target_ is not allowed here, got {name!r:.60}")
    if not (isinstance(name, str) and re.fullmatch(TARGETS[place], name)):
        raise ConfigError(f"{here}: expected a name of the form {TARGETS[place]}, got {name!r:.60}")
    module_name, _, attribute = name.rpartition(".")
    module = import_module(here, module_name)
    if not hasattr(module, attribute):
        raise ConfigError(f"{here}: there is no {name}")
    found = getattr(module, attribute)
    if place in BASES:
        fits, wanted = is_class_of(found, module, BASES[place]), f"a class that extends {BASES[place]}"
    else:
        fits, wanted = is_function_of(found, module, GIVEN[place]), f"a function of {', '.join(sorted(GIVEN[place]))}"
    if not fits:
        raise ConfigError(f"{here}: expected {wanted}, defined in {module_name}, got {name}")
    return found


def import_module(here: str, name: str) -> ModuleType:
    """Import a module that a configuration names. Raises ConfigError, with file and line if it is a user's own."""
    try:
        return importlib.import_module(name)
    except QuickdrawError:
        raise
    except Exception as error:  # importing a user's file runs code that may be new
        known = error_in_user_file(error)
        raise known or ConfigError(f"{here}: there is no {name} ({first_line(error)})") from error


def is_class_of(found: Any, module: ModuleType, base: str) -> bool:
    """Whether something is a class that this module defines, and extends the base class of that name.

    torch defines each optimizer in a module of its own below `torch.optim`.
    """
    if not isinstance(found, type):
        return False
    base_module, _, base_name = base.rpartition(".")
    home = found.__module__
    at_home = home == module.__name__ or (module.__name__ == "torch.optim" and home.startswith("torch.optim."))
    return at_home and issubclass(found, getattr(importlib.import_module(base_module), base_name))


def is_function_of(found: Any, module: ModuleType, given: set[str]) -> bool:
    """Whether something is a function that this module defines, and has these arguments."""
    if not inspect.isfunction(found) or found.__module__ != module.__name__:
        return False
    return given <= set(inspect.signature(found).parameters)


def build(config: Mapping[str, Any], group: str, *live: Any, **named: Any) -> Any:
    """Build what a group of the configuration names, with the live objects that its file says it waits for.

    Raises ConfigError when the settings do not go together, or a user's own file raises something.
    """
    try:
        made = construct(group, config[group])
        return made(*live, **named) if isinstance(made, partial) else made
    except QuickdrawError:
        raise
    except Exception as error:
        known = error_in_user_file(error)
        if known:
            raise known from error
        if isinstance(error, ValueError | TypeError):
            raise ConfigError(f"{group}: {error}") from error
        raise


def is_unset(key: str, value: Any) -> bool:
    """Whether a key that came later is null: as if it were absent, for what was trained or written before it."""
    return value is None and key in LATER_KEYS


def construct(place: str, node: Mapping[str, Any]) -> Any:
    """Call what a node names with the node's values; a value that is a node is constructed first.

    With `_partial_: true` the call waits for live objects: a function of them is returned.
    """
    target = find(place, node.get("_target_"))
    arguments: dict[str, Any] = {}
    for key, value in node.items():
        if key in KEYWORDS or is_unset(f"{place}.{key}", value):
            continue
        if isinstance(value, Mapping) and "_target_" in value:
            arguments[key] = construct(f"{place}.{key}", value)
        else:
            arguments[key] = copy.deepcopy(value)  # a class may change its list
    made = partial(target, **arguments)
    return made if node.get("_partial_") is True else made()


def check_network(net: "nn.Module", images: "Tensor", classes: int) -> None:
    """Raise ConfigError unless the network answers a batch, float [B, 1, 28, 28], with logits that it can learn from.

    Two images are enough. The network is left as it was: its buffers, its gradients and its mode.
    """
    import torch

    few = images[:2]
    was_training = net.training
    net.eval()  # in which no running mean is changed
    logits = net(few)
    net.train(was_training)
    place = f"{described_place(type(net))}: "
    wanted = f"{place}expected logits float [{len(few)}, {classes}]"
    if not isinstance(logits, torch.Tensor):
        raise ConfigError(f"{wanted}, got {type(logits).__name__}")
    if not logits.is_floating_point() or logits.shape != (len(few), classes):
        raise ConfigError(f"{wanted}, got {str(logits.dtype).removeprefix('torch.')} {list(logits.shape)}")
    if not logits.requires_grad:
        raise ConfigError(f"{place}nothing of what it computes can be learnt: its logits depend on no parameter")


def check_optimizer(optimizer: Any) -> None:
    """Raise ConfigError for an optimizer whose step wants more than the gradients, such as a closure."""
    wanted = []
    for name, argument in inspect.signature(optimizer.step).parameters.items():
        if argument.default is argument.empty and argument.kind not in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            wanted.append(name)
    if wanted:
        kind = type(optimizer).__name__
        raise ConfigError(
            f"optimizer: expected one whose step() needs the gradients only, got {kind}, which needs "
            f"{', '.join(wanted)}; choose another, such as optimizer=adamw"
        )


def error_in_optimizer(error: Exception) -> ConfigError | None:
    """What an optimizer of torch says against the network in its step, in one line; None for another error."""
    for frame in traceback.extract_tb(error.__traceback__):
        if "/torch/optim/" in Path(frame.filename).as_posix():
            return ConfigError(f"optimizer: {first_line(error)}; choose another, such as optimizer=adamw")
    return None


def described_place(kind: type) -> str:
    """Where a class begins, as file and line."""
    _, line = inspect.getsourcelines(kind)
    return f"{shortest(Path(inspect.getfile(kind)))}:{line}"
