"""Jobs of equal shape that train side by side, in the lanes of a pack; each is finished by a process of its own."""

import json
import math
import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from quickdraw.console import note
from quickdraw.run.folder import RunFolder
from quickdraw.settings import encoded
from quickdraw.sweep.job import Job
from quickdraw.sweep.jobs import LAST_WORD_S, Judge
from quickdraw.sweep.local import LocalJobs
from quickdraw.sweep.pool import Exit, no_answer
from quickdraw.sweep.process import run_here, run_pack
from quickdraw.sweep.pruning_hook import EPOCH, TOO_WIDE
from quickdraw.sweep.shapes import (
    Gpus,
    fitting_width,
    note_width,
    noted_width,
    send_gpus,
    send_refusals,
    shape_of,
)

NARROWEST = 2  # lanes of a pack: what is out of memory there does not fit anywhere
OUT_OF_MEMORY = "out of memory in the narrowest pack; lower data.batch_size, or set data.limit_per_class"
END = b""  # to a pack: no more jobs will come


@dataclass
class PackChild:
    """The process of a pack as the sweep's own sees it: the jobs in its lanes, and whether it waits for more."""

    name: str
    width: int = 0
    shape: str = ""
    jobs: dict[Path, Job] = field(default_factory=dict)
    waits: bool = False
    too_wide: bool = False  # its memory did not hold so many lanes

    def word(self, new: Sequence[Job]) -> bytes:
        """What lets it go on: new jobs for its lanes."""
        asked = []
        for job in new:
            config = encoded({**job.config, "lanes": self.width})
            facts = {"overrides": job.overrides, "config_from": list(job.config_from), "judged": job.judged}
            asked.append({"folder": str(job.folder), "config": config, **facts})
        return json.dumps({"lanes": self.width, "shape": self.shape, "jobs": asked}).encode()


class LaneJobs(LocalJobs):
    """Jobs of this machine of which those of equal shape train side by side, in one pack a GPU, or one on a CPU.

    A pack reports at the end of each epoch which jobs have left their lanes, and waits for a word that brings others.
    What a trained job still has to do is done by a process of its own, which runs its `task`; so are jobs that may not
    share. `lanes` is how many train side by side, `auto`: on a GPU as many as fit, on a CPU 1.
    """

    def __init__(self, folder: Path, n_jobs: int | str, preload: Sequence[str], lanes: int | str) -> None:
        super().__init__(folder, n_jobs, preload)
        self.lanes = lanes
        self.width = 1
        self.processes = 1  # at once, beside the packs
        self.packs_at_once = 1
        self.shares: dict[str, bool] = {}  # by shape
        self.packs: dict[str, PackChild] = {}  # by the name of the process
        self.waiting: list[Job] = []  # for a lane
        self.alone: list[Job] = []  # for a process, because they may not share
        self.trained: list[Job] = []  # for a process that finishes them
        self.exits: list[Exit] = []  # of jobs, to be handed out

    def fitting(self, jobs: Sequence[Job], on_gpus: int) -> int:
        """How many of these jobs can run at once: the lanes of all packs, or processes where none may share."""
        self.processes = super().fitting(jobs, on_gpus)
        gpus = Gpus(0, math.inf)
        if on_gpus and any(job.config["device"] != "cpu" for job in jobs):
            gpus = self.pool.call_in_process(send_gpus, on_gpus)
        self.packs_at_once = max(1, gpus.count)
        self.width = self._width(jobs, gpus)
        if not self._find_out(jobs):
            return self.processes
        self.pool.size = self.processes + self.packs_at_once
        return self.width * self.packs_at_once

    def arranged(self, jobs: Sequence[Job]) -> list[Job]:
        """The jobs with those of a shape together, because a pack has one shape at a time; first those that share."""
        if not any(self.shares.values()):
            return list(jobs)
        shapes = list(self.shares)
        return sorted(jobs, key=lambda job: (not self.shares[shape_of(job.config)], shapes.index(shape_of(job.config))))

    def has_room(self) -> bool:
        """Whether a job can be submitted now: a lane is free, and no job is left over for a process."""
        if not any(self.shares.values()):
            return super().has_room()
        in_lanes = sum(len(pack.jobs) for pack in self.packs.values())
        return not self.alone and len(self.waiting) + in_lanes < self.width * self.packs_at_once

    def start(self, job: Job) -> None:
        """Let a job wait for a lane, or start a process for it."""
        if not any(self.shares.values()):
            super().start(job)
        elif self._find_out([job]):
            self.waiting.append(job)
        else:
            self.alone.append(job)

    def next_exit(self, timeout_s: float | None, judge: Judge) -> Exit | None:
        """Wait for a job to end; None after a time-out, and when lanes are free for jobs that are not submitted yet."""
        if not any(self.shares.values()):
            return super().next_exit(timeout_s, judge)
        end = math.inf if timeout_s is None else time.monotonic() + timeout_s
        while True:
            if not self.exits:
                self._go_on()
            if self.exits:
                return self.exits.pop(0)
            left_s = None if timeout_s is None else max(0.0, end - time.monotonic())
            ended = self.pool.next(left_s, partial(self._answer, judge))
            if ended:
                self._take_in(ended)
            elif not self.stopping or left_s == 0:
                return None

    def close(self) -> None:
        """End the packs: no more jobs will come."""
        for name in self.packs:
            self.pool.reply(name, END)
        while self.packs:
            ended = self.pool.next(LAST_WORD_S, no_answer)  # what else is reported gets the same reply
            if ended is None:
                self.pool.stop(getattr(signal, "SIGKILL", signal.SIGTERM))
            else:
                self.packs.pop(ended.name, None)

    def _width(self, jobs: Sequence[Job], gpus: Gpus) -> int:
        """The number of lanes: as it was asked for, otherwise as the GPUs have room; the first command's is kept."""
        if isinstance(self.lanes, int):
            return self.lanes
        if not gpus.count:
            return 1
        most = max(job.config["data"]["batch_size"] for job in jobs)
        return noted_width(self.folder) or fitting_width(math.ceil(len(jobs) / gpus.count), most, gpus)

    def _find_out(self, jobs: Sequence[Job]) -> bool:
        """Whether one of these jobs may share a process with others; asked once for each shape."""
        if self.width == 1:
            return False
        unknown: dict[str, dict[str, Any]] = {}
        for job in jobs:
            shape = shape_of(job.config)
            if shape not in self.shares:
                unknown[shape] = job.config
        if unknown:
            refusals = self.pool.call_in_process(send_refusals, list(unknown.values()))
            for refusal in sorted({*refusals} - {""}):
                note(f"not in lanes, each in a process of its own: {refusal}")
            for shape, refusal in zip(unknown, refusals, strict=True):
                self.shares[shape] = not refusal
        return any(self.shares[shape_of(job.config)] for job in jobs)

    def _go_on(self) -> None:
        """Start what there is room for, and let each pack that waits go on, with the jobs that were submitted since."""
        if self.stopping:
            self._drop_queues()
        self._start_processes()
        self._start_packs()
        for pack in self.packs.values():
            if pack.waits:
                new = self._fill(pack)
                if pack.jobs or self.stopping:
                    pack.waits = False
                    self.pool.reply(pack.name, pack.word(new))

    def _drop_queues(self) -> None:
        """Start no more: jobs that wait for a lane or a process are left as they are."""
        for queue in (self.waiting, self.alone, self.trained):
            while queue:
                self.exits.append(Exit(str(queue.pop(0).folder), 0))

    def _start_processes(self) -> None:
        """Start processes as far as there is room, first those that finish what was trained."""
        free = self.processes - (len(self.pool.running) - len(self.packs))
        while free > 0 and (self.trained or self.alone):
            job = (self.trained or self.alone).pop(0)
            self.before[job.folder] = RunFolder(job.folder).status
            self.pool.submit(str(job.folder), run_here, job)
            free -= 1

    def _start_packs(self) -> None:
        """Start the process of each pack that is not there, if jobs wait for it."""
        for number in range(min(self.packs_at_once, len(self.waiting))):
            name = f"pack {number}"
            if name not in self.packs:
                self._keep_width()
                self.packs[name] = PackChild(name)
                self.pool.submit(name, run_pack, self.folder, number, self.waiting[0].config["device"])

    def _keep_width(self) -> None:
        if self.lanes == "auto":
            note_width(self.folder, self.width)

    def _fill(self, pack: PackChild) -> list[Job]:
        """Give a pack its part of the waiting jobs of its shape; one that is empty takes the shape of the first."""
        if self.waiting and not pack.jobs:
            pack.shape, pack.width = shape_of(self.waiting[0].config), self.width
        alike = [job for job in self.waiting if shape_of(job.config) == pack.shape]
        packs = [other for other in self.packs.values() if other.shape == pack.shape or not other.jobs]
        part = math.ceil((len(alike) + sum(len(other.jobs) for other in packs)) / len(packs))
        new = alike[: max(0, min(part, pack.width) - len(pack.jobs))]
        for job in new:
            self.waiting.remove(job)
            pack.jobs[job.folder] = job
        return new

    def _answer(self, judge: Judge, name: str, question: bytes) -> bytes | None:
        """Let the judge answer what is asked about a job. A pack that reports gets its word later."""
        if question.startswith(EPOCH):
            folder = os.fsdecode(question.removeprefix(EPOCH)) or name
            return judge(self.running[Path(folder)]).encode()
        report = json.loads(question)
        pack = self.packs[name]
        pack.waits, pack.too_wide = not report["end"], report["end"] == TOO_WIDE
        for folder in report["trained"]:
            self.trained.append(pack.jobs.pop(Path(folder)))
        for folder, code in report["ended"].items():
            del pack.jobs[Path(folder)]
            self.exits.append(Exit(folder, code))
        return None

    def _take_in(self, ended: Exit) -> None:
        """Take in the end of a process: of one job, or of a pack, and with it of all jobs in its lanes."""
        pack = self.packs.pop(ended.name, None)
        if pack is None:
            self.exits.append(ended)
        elif pack.too_wide and pack.width > NARROWEST:
            self._halve(pack)
        else:
            code, reason = (0, OUT_OF_MEMORY) if pack.too_wide else (ended.code, ended.reason)
            for folder in pack.jobs:
                self.exits.append(Exit(str(folder), code, reason))

    def _halve(self, pack: PackChild) -> None:
        """Let the jobs of a pack that was too wide for its memory go on in one of half the width."""
        self.width = min(self.width, max(NARROWEST, pack.width // 2))
        self.size = self.width * self.packs_at_once
        note(f"out of memory with {pack.width} lanes; going on with {self.width}")
        self._keep_width()
        self.waiting[:0] = pack.jobs.values()
