"""The two names that `conf/config.yaml` computes: a fresh run's folder and a sweep job's."""

import re
import secrets
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from quickdraw.settings import flatten, identity

CONF = Path(__file__).parents[2] / "conf"


def job_folder(_root_: DictConfig) -> str:
    """Return the folder of a sweep's job: what was overridden, readable, and a hash of what can change its result.

    The same settings always get the same folder, so a sweep that is started again finds its jobs.
    """
    config: dict[str, Any] = OmegaConf.to_container(
        OmegaConf.masked_copy(_root_, [str(key) for key in _root_ if key != "hydra"]), resolve=True
    )  # type: ignore[assignment]
    flat = flatten(config)
    keys = sorted({override.lstrip("+~").split("=", 1)[0] for override in _root_.hydra.overrides.task})
    choices = _root_.hydra.runtime.choices
    parts = [f"{key.split('.')[-1]}-{flat.get(key, choices.get(key, ''))}" for key in keys if key != "exp_name"]
    slug = re.sub(r"[^\w.+-]+", "", "_".join(parts))[:60]
    return f"{slug}-{identity(config)}".lstrip("-.")


def register() -> None:
    """Make the resolvers known to OmegaConf."""
    OmegaConf.register_new_resolver("random_id", lambda: secrets.token_hex(3), use_cache=True, replace=True)
    OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
