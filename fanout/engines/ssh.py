"""Nodes on hosts that are reached by ssh. Nothing but a shell and fanout's Python is needed there.

Each node has a folder `~/.fanout/nodes/<group>/<number>` on its host, with its process id, its exit code when it has
ended, and what it wrote to stderr; so any process finds nodes again. Values of variables go through ssh's standard
input: no command line shows them.
"""

import asyncio
import contextlib
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fanout.config.typed_table import typed
from fanout.engines.base import ALIVE, Placer, Seen, State, Wanted
from fanout.engines.programs import ProgramError, missing, output_of
from fanout.errors import EngineError
from fanout.tasks import each

HOST_LIMIT = 30.0
"""Seconds without an answer after which what runs on a host counts as lost."""
NO_CONNECTION = 255
"""ssh's own exit code."""
SIGNALS_FROM = 128

# A process id may be another process's by now: beside it is kept when the process began.
_BEGAN = """
began() { sed "s/.*) //" "/proc/$1/stat" 2>/dev/null | cut -d" " -f20; }
"""
_PLACE = """
d="$HOME/.fanout/nodes/{group}"
mkdir -p "$d" && chmod 700 "$d" || exit 1
if mkdir "$d/{number}" 2>/dev/null; then
  cd "$d/{number}" || exit 1
  {exports}
  setsid sh -c '
    "$@" >/dev/null 2>stderr &
    echo $! $(sed "s/.*) //" /proc/$!/stat | cut -d" " -f20) >pid.new; mv pid.new pid
    wait $!; echo $? >code.new; mv code.new code
  ' node {command} </dev/null >/dev/null 2>&1 &
fi
"""
_LOOK = """
cd "$HOME/.fanout/nodes/{group}" 2>/dev/null || exit 0
for n in *; do
  [ -d "$n" ] || continue
  p=; b=; read -r p b 2>/dev/null <"$n/pid"; c=$(cat "$n/code" 2>/dev/null)
  if [ -n "$c" ]; then s=ended
  elif [ -z "$p" ]; then s=waiting
  elif [ "$(began $p)" = "$b" ]; then s=running
  else sleep 0.2; c=$(cat "$n/code" 2>/dev/null); if [ -n "$c" ]; then s=ended; else s=lost; fi
  fi
  echo "$n $s ${{c:--}} $(tail -c 400 "$n/stderr" 2>/dev/null | tail -n 1)"
done
"""
_REMOVE = """
cd "$HOME/.fanout/nodes/{group}" 2>/dev/null || exit 0
for n in {numbers}; do
  read -r p b 2>/dev/null <"$n/pid" || continue
  if [ ! -e "$n/code" ] && [ "$(began $p)" = "$b" ]; then
    kill -TERM "$p"
    setsid sh -c '
      i=0
      while kill -0 $0 2>/dev/null; do [ $i -ge {grace} ] && kill -KILL $0; sleep 1; i=$((i+1)); done
    ' "$p" </dev/null >/dev/null 2>&1 &
  else
    rm -rf "$n"
  fi
done
cd .. && rmdir {group} 2>/dev/null
exit 0
"""


@dataclass(frozen=True, slots=True)
class SshSettings:
    """`hosts`: as ssh takes them; `options`: further options of ssh, such as `["-i", "key"]`."""

    hosts: tuple[str, ...]
    options: tuple[str, ...] = ()


def open_placer(settings: Mapping[str, Any]) -> Placer:
    """The placer of the hosts that the settings name."""
    return SshPlacer(typed(SshSettings, settings, "ssh"))


@dataclass(slots=True)
class SshPlacer(Placer):
    """Spreads nodes evenly over the hosts that answer."""

    settings: SshSettings
    _silent: dict[str, float] = field(default_factory=dict)  # hosts without an answer, and since when
    _seen: dict[int, tuple[str, Seen]] = field(default_factory=dict)  # what each host has said last
    _sockets: "tempfile.TemporaryDirectory[str] | None" = None

    async def place(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        known = await self.look(wanted)  # those of another process may be on any host
        for number in numbers:
            if number not in known:
                await self._place(wanted, number)

    async def look(self, wanted: Wanted) -> Mapping[int, Seen]:
        answers = await each(lambda host: self._look_on(wanted, host), self.settings.hosts)
        if all(answer is None for answer in answers):
            raise EngineError(f"no host answers: {', '.join(self.settings.hosts)}")
        for host, answer in zip(self.settings.hosts, answers, strict=True):
            if answer is not None:
                known = {number: one for number, one in self._seen.items() if one[0] != host}
                self._seen = known | {number: (host, seen) for number, seen in answer.items()}
        return {number: self._now(host, seen) for number, (host, seen) in self._seen.items()}

    async def remove(self, wanted: Wanted, numbers: Sequence[int]) -> None:
        hosts = {self._seen[number][0] for number in numbers if number in self._seen}
        for host in hosts:
            here = [number for number in numbers if number in self._seen and self._seen[number][0] == host]
            words = " ".join(map(str, here))
            await self._answer(
                host, _BEGAN + _REMOVE.format(group=wanted.group, numbers=words, grace=round(wanted.grace))
            )

    async def problems(self, wanted: Wanted, ask: Sequence[str]) -> Sequence[str]:
        if lacking := missing("ssh"):
            return lacking
        if not self.settings.hosts:
            return ["hosts: name at least one"]
        script = f"{_exports(wanted)}\nexec {shlex.join(ask)} </dev/null"
        found = await each(lambda host: self._problems_of(host, script), self.settings.hosts)
        return [line for lines in found for line in lines]

    async def close(self) -> None:
        if self._sockets is not None:
            for host in self.settings.hosts:
                await _quietly(self._command(host, "-O", "exit"))
            self._sockets.cleanup()
            self._sockets = None

    async def _place(self, wanted: Wanted, number: int) -> None:
        """On the first host that answers, those with the fewest nodes before others."""
        script = _PLACE.format(
            group=wanted.group, number=number, exports=_exports(wanted), command=shlex.join(wanted.command)
        )
        for host in self._by_room():
            if await self._answer(host, script) is not None:
                self._seen[number] = host, Seen(State.WAITING)
                return
        raise EngineError(f"no host answers: {', '.join(self.settings.hosts)}")

    def _by_room(self) -> list[str]:
        taken = [host for host, seen in self._seen.values() if seen.state in ALIVE]
        return sorted(self.settings.hosts, key=lambda host: (host in self._silent, taken.count(host)))

    async def _look_on(self, wanted: Wanted, host: str) -> dict[int, Seen] | None:
        """What the host says; None when it does not answer."""
        text = await self._answer(host, _BEGAN + _LOOK.format(group=wanted.group))
        return None if text is None else dict(_parsed(text, host))

    def _now(self, host: str, seen: Seen) -> Seen:
        """Lost, when its host has not answered for long."""
        since = self._silent.get(host)
        if since is None or seen.state not in ALIVE or _moment() - since < HOST_LIMIT:
            return seen
        notice = f"host {host} does not answer; its nodes are replaced on others"
        return Seen(State.LOST, reason=notice, notice=notice)

    async def _answer(self, host: str, script: str) -> str | None:
        """What the script prints on the host; None when the host cannot be reached. EngineError when it fails there."""
        try:
            said = await output_of([*self._command(host), "sh -s"], script)
        except ProgramError as exc:
            if exc.exit_code != NO_CONNECTION:
                raise
        except EngineError:  # no answer in time
            pass
        else:
            self._silent.pop(host, None)
            return said
        self._silent.setdefault(host, _moment())
        return None

    async def _problems_of(self, host: str, script: str) -> list[str]:
        try:
            said = await output_of([*self._command(host), "sh -s"], script)
        except EngineError as exc:
            return [f"{host}: {exc}"]
        return [line for line in said.splitlines() if line.strip()]

    def _command(self, host: str, *more: str) -> list[str]:
        """ssh, over one connection for all commands to the host."""
        if self._sockets is None:
            self._sockets = tempfile.TemporaryDirectory(prefix="fanout-ssh-")
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "ServerAliveInterval": "5",
            "ServerAliveCountMax": "3",
            "ControlMaster": "auto",
            "ControlPath": f"{self._sockets.name}/%C",
            "ControlPersist": "20",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return ["ssh", *self.settings.options, *words, *more, host]


def _parsed(text: str, host: str) -> Iterator[tuple[int, Seen]]:
    """The placements in what `_LOOK` has printed."""
    for line in text.splitlines():
        number, _, rest = line.partition(" ")
        state, _, rest = rest.partition(" ")
        code, _, reason = rest.partition(" ")
        if number.isdecimal() and state in set(State):
            ended = int(code) if code.isdecimal() else None
            if ended is not None and ended > SIGNALS_FROM:
                ended = SIGNALS_FROM - ended
            lost = f"a node on {host} vanished" if state == State.LOST else ""
            yield int(number), Seen(State(state), ended, reason.strip() or lost)


def _exports(wanted: Wanted) -> str:
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in wanted.environ.items())


async def _quietly(command: Sequence[str]) -> None:
    with contextlib.suppress(EngineError):
        await output_of(command, limit=5.0)


def _moment() -> float:
    return asyncio.get_running_loop().time()
