"""Hosts that are reached by ssh: an sshd of Debian on loopback for each, with a home folder of its own."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clusters.processes import Processes, end_tree, free_port, wait_until

SSHD = "/usr/sbin/sshd"


@dataclass
class Hosts:
    """Names of hosts, and the options by which ssh finds them."""

    names: tuple[str, ...]
    options: tuple[str, ...]
    processes: Processes
    folder: Path

    def kill(self, name: str) -> None:
        """The host vanishes, with all that runs on it."""
        import psutil

        home = str(self.folder / name)
        end_tree(self.processes.running[name].pid)
        for process in psutil.process_iter():
            try:
                if process.environ().get("HOME") == home:
                    process.kill()
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        self.processes.running.pop(name).wait()

    def settings(self) -> str:
        """For `fanout.toml`."""
        return f"[engines.ssh]\nhosts = {list(self.names)}\noptions = {list(self.options)}\n".replace("'", '"')


def missing() -> str | None:
    """What this machine lacks for it."""
    lacking = [name for name in ("ssh", "ssh-keygen") if shutil.which(name) is None]
    lacking += [] if Path(SSHD).exists() else [SSHD]
    return f"no {', '.join(lacking)} here (apt-get install openssh-server)" if lacking else None


@contextmanager
def hosts(folder: Path, *names: str) -> Iterator[Hosts]:
    """Hosts of these names, for as long as the context lasts."""
    folder.mkdir(parents=True, exist_ok=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    for key in ("host_key", "user_key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key)], check=True)
    processes = Processes(folder)
    config = []
    try:
        for name in names:
            port = free_port()
            (folder / name).mkdir()
            (folder / f"{name}.conf").write_text(_sshd_config(folder, name, port))
            processes.start(name, SSHD, "-D", "-e", "-f", str(folder / f"{name}.conf"))
            config.append(_ssh_config(folder, name, port))
        (folder / "config").write_text("\n".join(config))
        found = Hosts(names, ("-F", str(folder / "config")), processes, folder)
        for name in names:
            command = ["ssh", *found.options, "-o", "BatchMode=yes", name, "true"]
            wait_until(lambda command=command: subprocess.run(command, capture_output=True).returncode == 0, name)  # type: ignore[misc]
        yield found
    finally:
        processes.end()


def _sshd_config(folder: Path, name: str, port: int) -> str:
    return f"""\
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/user_key.pub
PidFile {folder}/{name}.pid
StrictModes no
UsePAM no
PasswordAuthentication no
MaxStartups 100
SetEnv HOME={folder}/{name}
"""


def _ssh_config(folder: Path, name: str, port: int) -> str:
    return f"""\
Host {name}
  HostName 127.0.0.1
  Port {port}
  IdentityFile {folder}/user_key
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
"""
