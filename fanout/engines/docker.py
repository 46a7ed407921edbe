"""Nodes as containers of the Docker daemon that `docker` talks to (DOCKER_HOST), or of Podman under that name."""

import asyncio
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fanout.config.typed_table import typed
from fanout.engines.base import ALIVE, Placer, Seen, State, Wanted
from fanout.engines.programs import missing, output_of
from fanout.errors import EngineError

GROUP, NUMBER = "fanout.group", "fanout.number"
_REPLIES_AFTER = 120.0
"""Seconds in which the daemon of a loaded machine starts a container."""


@dataclass(frozen=True, slots=True)
class DockerSettings:
    """`network`: of the containers; `user`: that they run as, by default the one of this process.

    `options`: further options of `docker run`.
    """

    network: str = "host"
    user: str | None = None
    options: tuple[str, ...] = ()


def open_placer(settings: Mapping[str, Any]) -> Placer:
    """The placer of the daemon that `docker` talks to."""
    return DockerPlacer(typed(DockerSettings, settings, "docker"))


@dataclass(slots=True)
class DockerPlacer(Placer):
    """A container a node: read-only, without capabilities, with the folders that the step needs."""

    settings: DockerSettings
    has_images: bool = True
    _ended: dict[str, Seen] = field(default_factory=dict)  # by id: what has ended does not change

    async def place(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        known = await self.look(wanted)
        for number in numbers:
            if number not in known:
                labels = ("--label", f"{GROUP}={wanted.group}", "--label", f"{NUMBER}={number}")
                named = ("--detach", "--name", wanted.name(number), *labels)
                await self._run(wanted, named, wanted.command)

    async def look(self, wanted: Wanted) -> Mapping[int, Seen]:
        listed = await _docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"label={GROUP}={wanted.group}")
        seen = {}
        for one in await _inspect(listed.split()):
            now = self._ended.get(one["Id"]) or _seen(one["State"], wanted)
            if now.state is State.ENDED and one["Id"] not in self._ended:
                now = self._ended[one["Id"]] = now if now.reason else replace(now, reason=await _last_line(one["Id"]))
            seen[int(one["Config"]["Labels"][NUMBER])] = now
        return seen

    async def remove(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        seen = await self.look(wanted)
        known = [number for number in numbers if number in seen]
        if ended := [wanted.name(number) for number in known if seen[number].state not in ALIVE]:
            await _quietly("rm", "--force", *ended)
        if running := [wanted.name(number) for number in known if seen[number].state in ALIVE]:
            await _quietly("kill", "--signal", "TERM", *running)
            task = asyncio.create_task(_kill_later(wanted.grace, running))
            _KILLING.add(task)
            task.add_done_callback(_KILLING.discard)

    async def problems(self, wanted: Wanted, ask: Sequence[str]) -> Sequence[str]:
        if lacking := missing("docker"):
            return lacking
        image = wanted.resources.image
        if image is None:
            return ["no image is named: set image in [engines.docker], or environment.image of the step"]
        try:
            await _docker("version", "--format", "{{.Server.Version}}")
            if not await _is_here(image):
                await _docker("pull", "--quiet", image, limit=3600.0)
            said = await self._run(wanted, ("--rm",), ask)
        except EngineError as exc:
            return [str(exc)]
        return [line for line in said.splitlines() if line.strip()]

    async def _run(self, wanted: Wanted, more: Sequence[str], command: Sequence[str]) -> str:
        for folder in wanted.written:
            Path(folder).mkdir(parents=True, exist_ok=True)  # else the daemon makes it, and root owns it
        words = ["run", *more, *self._options(wanted), *_volumes(wanted)]
        image = ("--entrypoint", command[0], str(wanted.resources.image), *command[1:])
        return await _docker(*words, *image, environ=wanted.environ, limit=_REPLIES_AFTER)

    def _options(self, wanted: Wanted) -> list[str]:
        needs = wanted.resources
        limits = {
            "--memory": None if needs.memory_mb is None else f"{needs.memory_mb}m",
            "--memory-swap": None if needs.memory_mb is None else f"{needs.memory_mb}m",
            "--cpus": None if needs.cpus is None else f"{needs.cpus:g}",
            "--gpus": None if needs.gpus is None else str(needs.gpus),
            "--network": self.settings.network,
            "--user": self.settings.user or f"{os.getuid()}:{os.getgid()}",
        }
        safe = ["--init", "--read-only", "--tmpfs", "/tmp:exec", "--cap-drop", "ALL"]  # noqa: S108 - of the container
        safe += ["--security-opt", "no-new-privileges", "--env", "HOME=/tmp"]
        # Names alone: values come from the variables of `docker`, and stand on no command line.
        variables = [word for name in wanted.environ for word in ("--env", name)]
        given = [word for name, value in limits.items() if value is not None for word in (name, value)]
        return [*safe, *given, *variables, *self.settings.options]


_KILLING: "set[asyncio.Task[None]]" = set()


def _volumes(wanted: Wanted) -> list[str]:
    """The folders of this machine, under their own paths."""
    written = [f"{folder}:{folder}" for folder in wanted.written]
    read = [f"{path}:{path}:ro" for path in wanted.read if path not in wanted.written and Path(path).exists()]
    return [word for volume in (*written, *read) for word in ("--volume", volume)]


def _seen(state: Mapping[str, Any], wanted: Wanted) -> Seen:
    match state["Status"]:
        case "created":
            return Seen(State.WAITING)
        case "running" | "paused" | "restarting" | "removing":
            return Seen(State.RUNNING)
    code = int(state["ExitCode"])
    ended = 128 - code if code > 128 else code
    if state.get("OOMKilled") and code == 137:  # also true when only a slot's process was killed, and the node lived
        limit = f" (limit {wanted.resources.memory_mb} MiB)" if wanted.resources.memory_mb else ""
        notice = (
            f"a node was killed because memory ran out{limit}: memory in [engines] gives it more, fewer slots need less"
        )
        return Seen(State.ENDED, ended, notice, notice=notice)
    return Seen(State.ENDED, ended, state.get("Error", ""))


async def _inspect(ids: Sequence[str]) -> list[dict[str, Any]]:
    """What the daemon knows of these; of one that went away meanwhile, nothing."""
    try:
        found: list[dict[str, Any]] = json.loads(await _docker("inspect", *ids)) if ids else []
    except EngineError as exc:
        if "No such" not in str(exc):
            raise
        return [] if len(ids) == 1 else [known for one in ids for known in await _inspect([one])]
    return found


async def _last_line(container: str) -> str:
    try:
        said = await output_of(["sh", "-c", 'exec docker logs --tail 1 "$0" 2>&1', container])
    except EngineError:
        return ""
    return said.strip()


async def _is_here(image: str) -> bool:
    try:
        await _docker("image", "inspect", "--format", "{{.Id}}", image)
    except EngineError:
        return False
    return True


async def _kill_later(seconds: float, names: Sequence[str]) -> None:
    await asyncio.sleep(seconds)
    for name in names:
        await _quietly("kill", name)


async def _quietly(*words: str) -> None:
    """For containers that may have ended or gone meanwhile."""
    try:
        await _docker(*words)
    except EngineError as exc:
        if not any(known in str(exc) for known in ("No such container", "is not running")):
            raise


async def _docker(*words: str, environ: Mapping[str, str] | None = None, limit: float = 60.0) -> str:
    return await output_of(["docker", *words], environ=environ, limit=limit)
