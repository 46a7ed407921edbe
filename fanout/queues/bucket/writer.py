"""Writes the next version of packs: what several calls want of one pack at once goes into one version."""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from fanout.errors import DamagedRecordError
from fanout.queues.bucket.objects import FRESH, PairObjects
from fanout.queues.bucket.pack import Pack
from fanout.queues.bucket.state import PackState, decode, decode_bodies, encode

T = TypeVar("T")
Change = Callable[[PackState], tuple[PackState, T]]
"""The state after a change, and what the change has found out; the same state when there is nothing to change. Called
again with a newer version when another process was faster."""


@dataclass(eq=False)
class PackWriter:
    """The packs of one queue of a pair as this process changes them. `name` is different for each process."""

    objects: PairObjects
    queue: str
    name: str
    on_finished: Callable[[Pack], None]
    _waiting: dict[Pack, deque[tuple[Change[Any], "asyncio.Future[Any]"]]] = field(default_factory=dict)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)

    async def change(self, pack: Pack, change: Change[T], nothing: T) -> T:
        """What `change` has found out, once it is in the store; `nothing` when there is no such pack any more."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if (waiting := self._waiting.get(pack)) is not None:
            waiting.append((change, future))
        else:
            self._waiting[pack] = deque([(change, future)])
            task = asyncio.create_task(self._write_all(pack))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            return await future
        except _NoPackError:
            return nothing

    async def current(self, pack: Pack) -> PackState:
        """The newest version that this process knows of, read when it was not yet. _NoPackError when it is gone."""
        while pack.state is None:
            version = pack.version
            key = self.objects.key(self.queue, pack.name, version)
            body = await self.objects.read(key)
            if body is None:
                await self._look(pack)
            elif pack.version == version:
                pack.read(self._decoded(pack, body, key))
        if pack.state.is_finished:  # by a process that died before it had removed the messages
            self._finish(pack, pack.state)
            raise _NoPackError
        return pack.state

    async def known(self, pack: Pack) -> PackState | None:
        """As `current`; None when the pack is gone."""
        try:
            return await self.current(pack)
        except _NoPackError:
            return None

    async def bodies(self, pack: Pack) -> list[str] | None:
        """The messages of a pack; None when they are gone, or cannot be read."""
        if pack.bodies is None:
            key = self.objects.key(self.queue, pack.name, 0)
            if (body := await self.objects.read(key)) is None:
                return None
            try:
                pack.bodies = decode_bodies(body, pack.count, key)
            except DamagedRecordError:
                return None  # what a power cut has torn; messages that are missing are sent again
        return pack.bodies

    async def close(self) -> None:
        """What was begun has been written."""
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _write_all(self, pack: Pack) -> None:
        waiting = self._waiting[pack]
        try:
            while waiting:
                batch = list(waiting)
                waiting.clear()
                try:
                    results = await self._write(pack, [change for change, _ in batch])
                except Exception as exc:  # noqa: BLE001 - those who wait for it have it
                    _fail([future for _, future in batch], exc)
                except BaseException:
                    waiting.extend(batch)
                    raise
                else:
                    _answer([future for _, future in batch], results)
        finally:
            del self._waiting[pack]
            for _, future in waiting:
                future.cancel()

    async def _write(self, pack: Pack, changes: list[Change[Any]]) -> list[Any]:
        for conflicts in itertools.count():
            if conflicts > 1 or self.objects.clock.monotonic() - pack.known_at > FRESH / 2:
                await self._look(pack)
            before = after = await self.current(pack)
            results = list[Any]()
            for change in changes:
                after, result = change(after)
                results.append(result)
            if after is before or await self._create(pack, after.next()):
                return results
        raise AssertionError  # there is always another try

    async def _create(self, pack: Pack, state: PackState) -> bool:
        """Whether `state` is the next version of the pack now."""
        clock, known_at = self.objects.clock, pack.known_at
        asked = clock.monotonic()
        key = self.objects.key(self.queue, pack.name, state.version)
        if not await self.objects.create(key, encode(state, f"{self.name}-{state.version}")):
            pack.seen(state.version, known_at, clock.monotonic())
            return False
        if clock.monotonic() - known_at > FRESH and not await self._is_newest(pack, state.version):
            return False
        pack.seen(state.version, asked, clock.monotonic())
        if pack.version != state.version:
            return True  # a listing has shown a later one meanwhile
        pack.read(state)
        if state.version > 1:  # version 0 has the messages
            self.objects.supersede(self.objects.key(self.queue, pack.name, state.version - 1))
        if state.is_finished:
            self._finish(pack, state)
        self.objects.clean()
        return True

    async def _is_newest(self, pack: Pack, version: int) -> bool:
        """Whether the version follows the one before it, after so long that a later one could have been removed."""
        found = await self.objects.versions(self.queue, pack.name)
        if found is None or found.newest != version or found.oldest == version:
            await self._look(pack)
            return False
        return True

    async def _look(self, pack: Pack) -> None:
        """Which version is the newest is known anew; _NoPackError when there is none, or all its messages are done."""
        asked = self.objects.clock.monotonic()
        found = await self.objects.versions(self.queue, pack.name)
        if found is None or found.oldest > 0:
            self.on_finished(pack)
            raise _NoPackError
        pack.seen(found.newest, asked, self.objects.clock.monotonic())

    def _finish(self, pack: Pack, state: PackState) -> None:
        """Its messages are removed, by which others know that it is finished; its last version goes later."""
        self.objects.supersede(self.objects.key(self.queue, pack.name, state.version))
        self.objects.remove_soon(self.objects.key(self.queue, pack.name, 0))
        self.on_finished(pack)

    def _decoded(self, pack: Pack, body: bytes, key: str) -> PackState:
        try:
            return decode(body, pack.version, pack.count, key)
        except DamagedRecordError:
            if body.startswith(b"{") and body.endswith(b"}"):
                raise
            # Torn by a power cut: all is there to be received, and results say what was done.
            return PackState(pack.version, (0,) * pack.count)


class _NoPackError(Exception):
    """The pack is gone: all its messages are done, or the pair was removed."""


def _fail(futures: "list[asyncio.Future[Any]]", error: BaseException) -> None:
    for future in futures:
        if not future.done():
            future.set_exception(error)


def _answer(futures: "list[asyncio.Future[Any]]", results: list[Any]) -> None:
    for future, result in zip(futures, results, strict=True):
        if not future.done():
            future.set_result(result)
