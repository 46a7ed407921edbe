"""A Docker daemon of its own, and an image that borrows this machine's Python: nothing is fetched, nothing is built."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.clusters.processes import Processes, wait_until

IMAGE = "fanout-borrowed:1"


@dataclass
class Docker:
    """The daemon; `environ` is what `docker` needs. `options` are volumes that give the image this machine's Python."""

    environ: dict[str, str]
    options: tuple[str, ...]

    def settings(self) -> str:
        """For `fanout.toml`."""
        return (
            f'[engines.docker]\nimage = "{IMAGE}"\npython = "{sys.executable}"\noptions = {json.dumps(self.options)}\n'
        )

    def containers(self) -> list[str]:
        """Names of all that there are."""
        command = ["docker", "ps", "--all", "--format", "{{.Names}}"]
        return subprocess.run(
            command, env={**os.environ, **self.environ}, capture_output=True, text=True
        ).stdout.split()


def missing() -> str | None:
    """What this machine lacks for it."""
    lacking = [name for name in ("docker", "dockerd", "containerd") if shutil.which(name) is None]
    if lacking:
        return f"no {', '.join(lacking)} here (apt-get install docker.io)"
    return None if os.getuid() == 0 else "dockerd is started by root here"


@contextmanager
def docker(folder: Path) -> Iterator[Docker]:
    """A daemon for as long as the context lasts; its containers end with it."""
    folder.mkdir(parents=True, exist_ok=True)
    short = tempfile.mkdtemp(prefix="fanout-docker-")  # a socket's path has at most 107 characters
    socket = f"unix://{short}/s"
    processes = Processes(folder)
    places = {"data-root": folder / "data", "exec-root": f"{short}/exec", "pidfile": folder / "pid", "host": socket}
    off = [f"--{name}=false" for name in ("iptables", "ip6tables", "ip-forward", "ip-masq")]
    try:
        processes.start(
            "dockerd",
            "dockerd",
            *(f"--{name}={value}" for name, value in places.items()),
            *off,
            "--bridge=none",
            "--storage-driver=vfs",
        )
        found = Docker({"DOCKER_HOST": socket}, tuple(_borrowed()))
        environ = {**os.environ, **found.environ}

        def is_up() -> bool:
            return subprocess.run(["docker", "version"], env=environ, capture_output=True).returncode == 0

        wait_until(is_up, f"dockerd is up; see {folder}/dockerd.out")
        subprocess.run(["docker", "import", "-", IMAGE], env=environ, input=_mount_points(), check=True, stdout=-3)
        yield found
        if left := found.containers():
            subprocess.run(["docker", "rm", "--force", *left], env=environ, capture_output=True)
    finally:
        processes.end()
        _unmount_below(Path(short))
        shutil.rmtree(short)


def _borrowed() -> Iterator[str]:
    """Volumes for all that the Python of this suite is made of."""
    for path in _folders():
        yield from ("--volume", f"{path}:{path}:ro")


def _folders() -> list[str]:
    system = [path for path in ("/bin", "/etc", "/lib", "/lib64", "/usr") if Path(path).exists()]
    own = {str(Path(sys.prefix).resolve()), str(Path(sys.base_prefix).resolve()), str(Path(__file__).parents[2])}
    outside = sorted(path for path in own if not path.startswith("/usr/"))
    return [*system, *(path for path in outside if not any(path.startswith(f"{other}/") for other in outside))]


def _mount_points() -> bytes:
    """A file system of empty folders."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for path in _with_parents([*_folders(), "/tmp", "/proc", "/sys", "/dev"]):
            folder = tarfile.TarInfo(path.lstrip("/"))
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            archive.addfile(folder)
    return made.getvalue()


def _with_parents(paths: list[str]) -> list[str]:
    """The paths and all folders above them, each before what is in it."""
    found = {str(folder) for path in paths for folder in (Path(path), *Path(path).parents)} - {"/"}
    return sorted(found)


def _unmount_below(folder: Path) -> None:
    """What the daemon leaves mounted: the namespace of the network of containers."""
    mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    for mount in reversed([mount for mount in mounts if mount.startswith(f"{folder}/")]):
        subprocess.run(["umount", mount], check=False, capture_output=True)
