"""A configuration as plain values, and the two names that it computes: a fresh run's folder and a sweep job's."""

import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from quickdraw.hardware import job_threads
from quickdraw.settings import OUTPUT_KEYS, decoded, flatten, identity, shown

CONF = Path(__file__).resolve().parents[2] / "conf"


def job_folder(_root_: DictConfig) -> str:
    """The folder of a sweep's job: what was overridden, readable, and a hash of what can change its result.

    The words depend on what was typed, the hash on the settings alone: `quickdraw.sweep.places` finds a job by it.
    """
    config = plain(_root_)
    values = {**_root_.hydra.runtime.choices, **flatten(config)}
    keys = {override.lstrip("+~").split("=", 1)[0] for override in _root_.hydra.overrides.task}
    left_out = {"exp_name", *OUTPUT_KEYS, *_root_.hydra.job.config.override_dirname.exclude_keys}
    parts = []
    for key in sorted(keys - left_out):
        value = plain_letters(shown(values.get(key, "")))
        parts.append(f"{key.split('.')[-1]}-{value[-20:]}")
    slug = plain_letters("_".join(parts))[:60].lstrip("-.")
    if "threads" in config:
        config["threads"] = job_threads(config["threads"])
    return f"{slug or 'job'}-{identity(config)}"


def plain_letters(text: str) -> str:
    """The letters and digits of a text, and `_ . + -`: what no shell minds and every file system takes."""
    return re.sub(r"[^\w.+-]+", "", text)


def plain(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as plain resolved values, without Hydra's own node.

    Hydra's grammar takes the `.inf` of YAML for a text; it is infinity on the command line, too. What `${now:...}` was
    when Hydra named the folder, it is here.
    """
    keys = [str(key) for key in config if key != "hydra"]
    own = OmegaConf.masked_copy(config, keys)
    OmegaConf.copy_cache(config, own)
    return decoded(OmegaConf.to_container(own, resolve=True))


def composed(overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The configuration of `conf/` with some overrides, as plain resolved values."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("config", list(overrides)))


def register() -> None:
    """Make the resolvers known to OmegaConf."""
    OmegaConf.register_new_resolver("random_id", lambda: secrets.token_hex(3), use_cache=True, replace=True)
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
