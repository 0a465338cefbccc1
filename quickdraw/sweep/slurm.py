"""Many jobs of a sweep in Slurm's queue: what is missing is submitted, and all are watched from their folders.

Nothing here keeps a job alive: the command may end, and the one that is typed next takes the watch up again.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from quickdraw.analysis.sweep import Sweep as SweepOnDisk
from quickdraw.analysis.tables import report
from quickdraw.errors import Interrupted, RunError
from quickdraw.run.listing import KILLED, Run, write_summary
from quickdraw.signals import stop_on_signals
from quickdraw.sweep.jobs import Plan, Sweep, record
from quickdraw.sweep.runner import Batch
from quickdraw.sweep.slurm_queue import Entry, Queue, array_size, arrays
from quickdraw.sweep.view import View

TICK_S = 0.2


class SlurmBatch(Batch):
    """Some jobs of one sweep. `send` submits some as an array and returns Slurm's numbers."""

    def __init__(
        self,
        sweep: Sweep,
        plans: Iterable[Plan],
        queue: Queue,
        send: Callable[[Sequence[Plan]], list[str]],
        report: bool,
    ) -> None:
        super().__init__(sweep, plans, report)
        self.queue = queue
        self.send = send
        self._sort()

    def _sort(self) -> None:
        """Find out how each run stands with Slurm, and which are neither finished nor queued."""
        entries = self.queue.read()
        self.runs = {folder: self.told(plan.run(), entries) for folder, plan in self.plans.items()}
        self.todo = [plan for plan in self.plans.values() if not (self._waits(plan) or self.runs[plan.folder].ended)]

    @staticmethod
    def told(run: Run, entries: dict[str, Entry]) -> Run:
        """Return the run with Slurm's word on it: `queued` or `running` while Slurm is not done with it."""
        entry = entries.get(run.folder.name)
        if run.ended or entry is None or entry.ended:
            return run
        return replace(run, state="running" if entry.state in ("RUNNING", "COMPLETING") else "queued")

    def submit(self) -> None:
        """Submit what is neither finished nor queued, and say how all stand, how to watch and how to cancel.

        Raises ConfigError before any is submitted if a setting is bad, RunError if Slurm takes no more.
        """
        with self.queue.lock:
            self._sort()  # a second command may have submitted since
            self._check()
            print(self._to_do(), flush=True)
            size = array_size() if self.todo else 1
            for start in range(0, len(self.todo), size):
                some = self.todo[start : start + size]
                numbers = self.send(some)
                self.queue.record({plan.folder.name: number for plan, number in zip(some, numbers, strict=True)})
                for plan in some:
                    self.runs[plan.folder] = replace(self.runs[plan.folder], state="queued", reason="")
        self.todo = []
        print(self.advice(), flush=True)

    def _to_do(self) -> str:
        states = [run.state for run in self.runs.values()]
        counts = {state: states.count(state) for state in ("completed", "diverged", "pruned", "running", "queued")}
        told = [f"{count} {state}" for state, count in counts.items() if count]
        missing = len(self.todo) or "none"
        jobs = "1 job" if len(states) == 1 else f"{len(states)} jobs"
        return f"{jobs} in {self.sweep.folder}: {', '.join([*told, f'{missing} to submit'])}"

    def advice(self) -> str:
        """Return how to watch the jobs that have not ended, and how to cancel them."""
        waiting = [folder.name for folder, run in self.runs.items() if run.state in ("queued", "running")]
        numbers = arrays(self.queue.numbers[name] for name in waiting if name in self.queue.numbers)
        if not numbers:
            return "no job is queued"
        return (
            f"watch:  squeue --jobs={','.join(numbers)}\n"
            f"        python -m quickdraw.analysis sweep {self.sweep.folder}\n"
            f"cancel: scancel {' '.join(numbers)}\n"
            "Ctrl-C ends this command and no job; the same command again shows the state and submits what is missing"
        )

    def watch(self, poll_s: float) -> None:
        """Wait until Slurm is done with all jobs, and print how it went.

        Raises RunError at the end if some did not finish; Interrupted after a signal, which no job hears of.
        """
        unseen: set[str] = set()
        try:
            with stop_on_signals(), View(self.names, self.runs.values(), self.sweep.pool.size) as view:
                while waiting := [plan for plan in self.plans.values() if self._waits(plan)]:
                    entries = self.queue.read()
                    for plan in waiting:
                        self._look(plan, entries.get(plan.folder.name), unseen, view)
                    view.show(sum(run.state == "running" for run in self.runs.values()))
                    end = time.monotonic() + poll_s
                    while time.monotonic() < end and any(map(self._waits, self.plans.values())):
                        time.sleep(min(TICK_S, poll_s))
        except Interrupted:
            ended = sum(run.ended for run in self.runs.values())
            print(f"\n{ended} of {len(self.runs)} jobs are finished; the others go on without this command")
            print(self.advice(), flush=True)
            raise
        summary = write_summary(self.sweep.folder)
        print(
            f"\n{report(SweepOnDisk(self.sweep.folder, list(self.runs.values())))}\n\nall of it: {summary}", flush=True
        )
        if self.report:
            self._draw()
        missing = sum(not run.ended for run in self.runs.values())
        if missing:
            raise RunError(
                f"{missing} of {len(self.runs)} jobs did not finish; the same command submits them again, and only them"
            )

    def _waits(self, plan: Plan) -> bool:
        return self.runs[plan.folder].state in ("queued", "running")

    def _look(self, plan: Plan, entry: Entry | None, unseen: set[str], view: View) -> None:
        """Bring one run up to date. One that Slurm is done with has a second look to show its end on a shared disk."""
        if entry and not entry.ended:
            unseen.discard(plan.folder.name)
            self.runs[plan.folder] = self.told(self.runs[plan.folder], {plan.folder.name: entry})
            return
        run = plan.run()
        if not run.ended and plan.folder.name not in unseen:
            unseen.add(plan.folder.name)
            return
        if run.state == "running":  # another launcher's, or a disk that is slow to tell
            return
        if not run.ended:
            run = self._explained(plan, run, entry)
        self.runs[plan.folder] = run
        view.ended(run)

    @staticmethod
    def _explained(plan: Plan, run: Run, entry: Entry | None) -> Run:
        """Return a run that Slurm ended with the cause, and note it in the job's folder."""
        cancelled = entry is not None and entry.state == "CANCELLED"
        if run.state in ("new", "queued") or run.reason == KILLED:
            cause = entry.cause() if entry else "its process is gone, and Slurm has forgotten why"
            run = replace(
                run, state="interrupted" if cancelled else "failed", reason="cancelled" if cancelled else cause
            )
            record(plan, run)
        return run
