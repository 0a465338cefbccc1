"""Processes for jobs on a Ray cluster, by hydra-ray-launcher. Hydra leaves this file alone, for it imports ray."""

import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from hydra.core.singleton import Singleton
from hydra_plugins.hydra_ray_launcher._launcher_util import launch_job_on_ray, start_ray
from omegaconf import DictConfig
from ray.exceptions import RayError

from hydra_plugins.quickdraw_cluster.job import RayTask, importable_task, placed
from quickdraw.errors import RunError
from quickdraw.sweep.pool import Ended, Pool


class RayPool(Pool):
    """At most `size` tasks at once. What is asked before the first starts is asked of this machine."""

    def __init__(self, settings: DictConfig) -> None:
        super().__init__()
        self.settings = settings
        self.tasks: dict[str, Any] = {}  # Ray's reference to each, by the name of the job
        self.cpus: float | None = settings.remote.get("num_cpus")

    def connect(self) -> int:
        """Attach to the cluster, or start one; return how many jobs it has room for. Raises RunError without any."""
        try:
            start_ray(self.settings.init)
        except (ConnectionError, RuntimeError, ValueError, TypeError) as error:
            raise RunError(f"hydra/launcher=ray: {str(error).strip().splitlines()[0]}") from error
        wanted = {"CPU": self.cpus or 0, "GPU": self.settings.remote.get("num_gpus") or 0}
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        room = sum(
            min((int(node.get(name, 0) / amount) for name, amount in wanted.items() if amount), default=1)
            for node in nodes
        )
        if not room:
            raise RunError(f"hydra/launcher=ray: no machine of the cluster has what a job asks for: {wanted}")
        return room

    def has_room(self) -> bool:
        """Return whether a task can be started now."""
        return len(self.tasks) < self.size

    def submit(self, name: str, function: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        """Start a job as a task; `arguments` are those of `run_job_here`, which needs a parent and is not called."""
        context, config, folder, task = arguments
        self.tasks[name] = launch_job_on_ray(
            context,
            self.settings.remote,
            placed(config, folder),
            RayTask(Path.cwd(), Path(folder).absolute(), importable_task(*task)),
            Singleton.get_state(),
        )

    def next(self, timeout_s: float | None = None) -> Ended | None:
        """Wait for a task to end; None after a time-out."""
        ready, _ = ray.wait(list(self.tasks.values()), timeout=timeout_s) if self.tasks else ([], [])
        for name, task in self.tasks.items():
            if task in ready:
                del self.tasks[name]
                return Ended(name, *how_it_ended(task))
        return None

    def stop(self, number: int) -> None:
        """Ask every task to stop, as Ctrl-C does; end its process at once if the signal is SIGKILL."""
        for task in self.tasks.values():
            with contextlib.suppress(RayError, ValueError):
                ray.cancel(task, force=number == signal.SIGKILL)


def how_it_ended(task: Any) -> tuple[int, str]:
    """Return an exit code, 0 or 1, and in Ray's words why it is 1."""
    try:
        _ = ray.get(task).return_value  # raises what the job raised
    except RunError as error:  # the job has told its cause itself, or ended before it could
        return 1, f"its process ended with {error}"
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return 1, f"Ray: {type(error).__name__}: {lines[0].split('. ')[0] if lines else ''}"
    return 0, ""
