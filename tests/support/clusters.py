"""A Slurm and a Ray cluster on this machine, for the length of a test: started, asked and stopped without a service."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import pytest

from tests.support.program import ROOT, Outcome
from tests.support.sweeps import alive, until

PATIENCE_S = 240
WORKER_PORTS = ("--min-worker-port=20000", "--max-worker-port=20999")  # the head has 10002 to 19999
RUN = [sys.executable, str(ROOT / "run.py"), "-m"]

SLURM_CONF = """
ClusterName=quickdraw
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge/socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
KillWait=10
NodeName=localhost NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 PriorityTier=1 State=UP
PartitionName=urgent Nodes=ALL MaxTime=60 PriorityTier=2 State=UP
"""


def free_port() -> int:
    """Return a port that nobody listens to."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def say(*command: str, env: Mapping[str, str] | None = None) -> str:
    """Return what a command prints; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


@contextlib.contextmanager
def slurm(folder: Path) -> Iterator[None]:
    """Run munged, slurmctld and one slurmd of two processors, which the commands of Slurm find by SLURM_CONF."""
    missing = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if not shutil.which(name)]
    if missing or not find_spec("submitit"):
        pytest.skip(f"needs Debian's slurm-wlm and requirements-cluster.txt; missing: {missing or 'submitit'}")
    if os.geteuid() != 0:
        pytest.skip("slurmd starts jobs as root only")
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    key = folder / "munge" / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    ports = {"controller_port": free_port(), "node_port": free_port()}
    conf = folder / "slurm.conf"
    conf.write_text(SLURM_CONF.format(folder=folder, host=socket.gethostname().split(".")[0], **ports))
    os.environ["SLURM_CONF"] = str(conf)
    files = {"--key-file": "key", "--socket": "socket", "--pid-file": "pid", "--log-file": "log", "--seed-file": "seed"}
    try:
        say("munged", "--force", *(f"{option}={folder}/munge/{name}" for option, name in files.items()))
        say("slurmctld", "-i")
        say("slurmd", "-N", "localhost")
        until(lambda: "idle" in say("sinfo", "--noheader", "--format=%t"), "an idle node")
        yield
    finally:
        with contextlib.suppress(TimeoutError, AssertionError):
            empty_queue()
        for name in ("slurmd.pid", "slurmctld.pid", "munge/pid"):
            stop(folder / name)
        del os.environ["SLURM_CONF"]


def empty_queue() -> None:
    """Cancel every job and wait until none is left."""
    say("scancel", "--user=root")
    until(lambda: not say("squeue", "--noheader"), "an empty queue")


def stop(pid_file: Path) -> None:
    """End a daemon and wait until it is gone."""
    if pid_file.exists():
        pid = int(pid_file.read_text())
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
        until(lambda: not alive(pid), f"the end of {pid_file.stem}")


@contextlib.contextmanager
def ray(folder: Path) -> Iterator[str]:
    """Run a head and a second node of Ray, one processor each, with a token of their own; yield the head's address."""
    if not find_spec("ray"):
        pytest.skip("needs requirements-cluster.txt: there is no ray")
    program = str(Path(sys.executable).with_name("ray"))
    token = folder / "token"
    token.write_text(os.urandom(32).hex())
    settings = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0"}
    settings |= {"RAY_raylet_start_wait_time_s": "180", "RAY_worker_niceness": "0"}  # a busy machine
    os.environ.update(settings)
    address = f"127.0.0.2:{6400 + os.getpid() % 500}"
    begin = set(raylets())
    node = [program, "start", "--num-cpus=1", "--object-store-memory=100000000"]
    head = ["--head", "--node-ip-address=127.0.0.2", f"--port={address.split(':')[1]}", "--include-dashboard=false"]
    try:
        say(*node, *head, f"--temp-dir={short(folder)}")
        say(*node, f"--address={address}", "--node-ip-address=127.0.0.3", *WORKER_PORTS)
        yield address
    finally:
        subprocess.run([program, "stop", "--force"], check=False, timeout=PATIENCE_S, capture_output=True)
        until(lambda: not set(raylets()) - begin, "the end of Ray")
        for key in settings:
            del os.environ[key]
        shutil.rmtree(short(folder), ignore_errors=True)


def short(folder: Path) -> Path:
    """Return a folder with a short name: a socket's path has room for 107 letters."""
    return Path("/tmp") / f"ray-{folder.stat().st_ino}"


def raylets() -> list[int]:
    """Return the processes of Ray on this machine."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if b"/ray/" in words or words.startswith(b"ray::"):
                found.append(int(process.name))
    return [pid for pid in found if alive(pid)]


class Command:
    """A started `python run.py -m` with a cluster's launcher."""

    started: ClassVar[list["subprocess.Popen[str]"]] = []

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [*RUN, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.started.append(self.process)

    @classmethod
    def end_all(cls) -> None:
        """End what a test that failed has started."""
        for process in cls.started:
            process.kill()
            process.communicate()
        cls.started.clear()

    def wait(self, timeout_s: float = PATIENCE_S) -> Outcome:
        """Wait for its end."""
        try:
            out, err = self.process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise TimeoutError(f"still running after {timeout_s} s: {self.process.communicate()}") from None
        return Outcome(self.process.returncode, out, err, self.folder)


def patiently(condition: object, what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition holds that takes longer than `until` allows."""
    end = time.monotonic() + patience_s
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.1)
