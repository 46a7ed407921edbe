"""A Slurm of one machine: munged, slurmctld and a slurmd for each of its machines, all state in one folder."""

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.clusters.processes import Processes, end_tree, free_port, wait_until

CONF = """\
ClusterName=fanout
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout=10
SlurmctldTimeout=10
KillWait=3
MinJobAge=600
InactiveLimit=0
SchedulerParameters=batch_sched_delay=0,sched_min_interval=100000,requeue_delay=0
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


@dataclass
class Slurm:
    """A cluster; `environ` is what its programs need."""

    environ: dict[str, str]
    processes: Processes

    def kill(self, machine: str) -> None:
        """The machine vanishes, with all that runs on it."""
        daemon = self.processes.running.pop(machine)
        steps = [p.pid for p in psutil.process_iter() if _is_step_of(p, self.processes.folder, machine)]
        end_tree(daemon.pid, *steps)
        daemon.wait()


def _is_step_of(process: psutil.Process, folder: Path, machine: str) -> bool:
    """A daemon of a job's step on this machine: its own environment says where it works."""
    try:
        if not process.name().startswith("slurmstepd"):
            return False
        return any(child.environ().get("SLURMD_NODENAME") == machine for child in process.children(recursive=True))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def missing() -> str | None:
    """What this machine lacks for it."""
    lacking = [name for name in ("munged", "slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if lacking:
        return f"no {', '.join(lacking)} here (apt-get install slurm-wlm munge)"
    return None if os.getuid() == 0 else "Slurm's daemons are started by root here"


@contextmanager
def slurm(folder: Path, machines: int = 2) -> Iterator[Slurm]:
    """A cluster whose machines are idle, for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    (folder / "state").mkdir()
    host = socket.gethostname().partition(".")[0]
    names = [f"n{number}" for number in range(machines)]
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={free_port()} CPUs=2 RealMemory=4000"
        for name in names
    )
    conf = folder / "slurm.conf"
    conf.write_text(CONF.format(host=host, user="root", port=free_port(), folder=folder, nodes=nodes))
    key = folder / "munge.key"
    key.write_bytes(secrets.token_bytes(128))
    key.chmod(0o400)
    environ = {"SLURM_CONF": str(conf)}
    processes = Processes(folder, environ)
    try:
        munge = {"socket": "munge.socket", "key-file": key.name, "pid-file": "munged.pid", "log-file": "munged.log"}
        options = [f"--{name}={folder}/{file}" for name, file in {**munge, "seed-file": "munged.seed"}.items()]
        processes.start("munged", "munged", "--foreground", "--force", "--num-threads=2", *options)
        wait_until((folder / "munge.socket").exists, "munged is up")
        processes.start("slurmctld", "slurmctld", "-D", "-c")
        for name in names:
            processes.start(name, "slurmd", "-D", "-N", name)
        wait_until(lambda: _states(environ) == ["idle"] * machines, f"machines are idle; see {folder}")
        yield Slurm(environ, processes)
    finally:
        everything = {**os.environ, **environ}
        subprocess.run(["scancel", "--full", "--signal=KILL", "--me"], env=everything, capture_output=True)
        processes.end()


def _states(environ: dict[str, str]) -> list[str]:
    command = ["sinfo", "-h", "-N", "-o", "%T"]
    return subprocess.run(command, env={**os.environ, **environ}, capture_output=True, text=True).stdout.split()
