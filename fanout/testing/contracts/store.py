"""What every store promises through `fanout.storage.objects`, as tests.

class TestMyStore(StoreContract):
    @pytest.fixture
    def store(self):
        return open_store("s3://a-fresh-prefix/for/each/test", Access.from_environ(os.environ))
"""

import asyncio

import obstore
import pytest
from obstore.store import ObjectStore

from fanout.errors import StoreError
from fanout.storage import objects

PART = 5 * 1024 * 1024
"""Bytes of the smallest part that S3 takes, but for the last one."""


@pytest.mark.asyncio
class StoreContract:
    """The suite. A subclass in a test module brings the fixture `store`, an empty store for each test."""

    async def test_create_once(self, store: ObjectStore) -> None:
        """The second creator hears False, and the first one's object stays."""
        assert await objects.create(store, "run/verdict.json", b"first") is True
        assert await objects.create(store, "run/verdict.json", b"second") is False
        assert await objects.read(store, "run/verdict.json") == b"first"

    async def test_one_of_many_creators_wins(self, store: ObjectStore) -> None:
        """Of creators that race exactly one hears True, and its object is the one that is there."""
        bodies = [f"creator {number}".encode() for number in range(12)]
        won = await asyncio.gather(*(objects.create(store, "seal", body) for body in bodies))
        assert sum(won) == 1
        assert await objects.read(store, "seal") == bodies[won.index(True)]

    async def test_put_replaces(self, store: ObjectStore) -> None:
        """`put` writes over what is there."""
        await objects.put(store, "a", b"one")
        await objects.put(store, "a", b"")
        assert await objects.read(store, "a") == b""

    async def test_what_is_missing_is_none(self, store: ObjectStore) -> None:
        """Reading what is not there is an answer, not an error."""
        assert await objects.read(store, "nothing") is None
        assert await objects.read_range(store, "nothing", 0, 5) is None
        assert await _keys(store, "nothing/") == []
        assert await objects.list_names(store, "nothing/") == []

    async def test_ranges(self, store: ObjectStore) -> None:
        """Half-open ranges, and an error when the object ends too early."""
        await objects.put(store, "a", b"0123456789")
        assert await objects.read_range(store, "a", 0, 10) == b"0123456789"
        assert await objects.read_range(store, "a", 3, 5) == b"34"
        assert await objects.read_range(store, "a", 5, 5) == b""
        for start, stop in ((8, 12), (20, 30)):
            with pytest.raises(StoreError, match="cannot read a"):
                await objects.read_range(store, "a", start, stop)

    async def test_list_after_put(self, store: ObjectStore) -> None:
        """What was written is in the next listing, with its size, and nothing of a sibling's."""
        for number in range(30):
            await objects.put(store, f"results/node/{number:08d}", b"x" * number)
        await objects.put(store, "results/node-2/00000000", b"y")
        listed = [found async for found in objects.list_keys(store, "results/node/")]
        assert {found.key: found.size for found in listed} == {f"results/node/{n:08d}": n for n in range(30)}

    async def test_list_goes_on_after_a_key(self, store: ObjectStore) -> None:
        """`after` gives the keys that came since."""
        for number in range(5):
            await objects.put(store, f"r/{number}", b"")
        assert await _keys(store, "r/", after="r/2") == ["r/3", "r/4"]

    async def test_names_are_immediate_children(self, store: ObjectStore) -> None:
        """Objects and folders of one level, sorted, without what lies deeper."""
        for key in ("runs/b/run.json", "runs/a/step/verdict.json", "runs/a/run.json", "runs/readme"):
            await objects.put(store, key, b"")
        assert await objects.list_names(store, "runs/") == ["a", "b", "readme"]
        assert await objects.list_names(store, "runs/a") == ["run.json", "step"]
        assert await objects.list_names(store) == ["runs"]

    async def test_delete_tolerates_what_is_gone(self, store: ObjectStore) -> None:
        """After `delete` none is there, whether or not all were there before."""
        for key in ("a", "b", "c"):
            await objects.put(store, key, b"")
        await objects.delete(store, "a", "missing", "b")
        await objects.delete(store, "a")
        await objects.delete(store)
        assert await _keys(store) == ["c"]

    async def test_more_keys_than_a_server_lists_or_deletes_at_once(self, store: ObjectStore) -> None:
        """1,100 objects are listed, every one, and gone after one `delete`: S3 answers for at most 1,000 at a time."""
        keys = [f"results/{number:08d}" for number in range(1100)]
        for start in range(0, len(keys), 50):
            await asyncio.gather(*(objects.put(store, key, b"") for key in keys[start : start + 50]))
        assert await _keys(store, "results/") == keys
        assert await _keys(store, "results/", after=keys[1050]) == keys[1051:]
        await objects.delete(store, *keys)
        assert await _keys(store) == []

    async def test_creators_of_many_objects_win_once_each(self, store: ObjectStore) -> None:
        """Eight nodes create the same twenty objects at once: each has one creator, and is what it wrote."""
        keys = [f"nodes/{number}" for number in range(20)]
        won = await asyncio.gather(
            *(objects.create(store, key, f"{key} of {node}".encode()) for key in keys for node in range(8))
        )
        for place, key in enumerate(keys):
            [node] = [node for node in range(8) if won[place * 8 + node]]
            assert await objects.read(store, key) == f"{key} of {node}".encode()

    async def test_creating_replaces_nothing_that_was_put_or_written_in_parts(self, store: ObjectStore) -> None:
        """`create` sees any object that is there, however it came, and may create again what was deleted."""
        await objects.put(store, "a", b"put")
        async with obstore.open_writer_async(store, "b", buffer_size=PART) as writer:
            await writer.write(b"p" * (PART + 1))
        assert [await objects.create(store, key, b"mine") for key in ("a", "b")] == [False, False]
        assert await objects.read(store, "a") == b"put"
        await objects.delete(store, "a")
        assert await objects.create(store, "a", b"mine") is True

    async def test_copy(self, store: ObjectStore) -> None:
        """A copy replaces, and needs a source."""
        await objects.put(store, "staged/a", b"rows")
        await objects.put(store, "out/a", b"old")
        await objects.copy(store, "staged/a", "out/a")
        assert await objects.read(store, "out/a") == b"rows"
        with pytest.raises(StoreError, match="cannot copy missing to out/b"):
            await objects.copy(store, "missing", "out/b")

    @pytest.mark.parametrize(
        "name", ["blank in name", "ümlaut €", "percent%41", "plus+and&=", "a#b?c", "quote'\"", "😀"]
    )
    async def test_unusual_names(self, store: ObjectStore, name: str) -> None:
        """A key is found, listed and deleted under the very name it was written with."""
        await objects.put(store, f"d/{name}", b"1")
        assert await objects.read(store, f"d/{name}") == b"1"
        assert await objects.list_names(store, "d/") == [name]
        await objects.copy(store, f"d/{name}", f"e/{name}")
        assert await _keys(store) == [f"d/{name}", f"e/{name}"]
        await objects.delete(store, f"d/{name}", f"e/{name}")
        assert await objects.read(store, f"d/{name}") is None
        assert await _keys(store) == []

    @pytest.mark.parametrize("key", ["../outside", "a/../../outside"])
    async def test_keys_stay_inside(self, store: ObjectStore, key: str) -> None:
        """No key leads out of the store."""
        with pytest.raises(StoreError, match="outside"):
            await objects.put(store, key, b"")

    async def test_written_in_parts(self, store: ObjectStore) -> None:
        """A multipart writer's object is there when it is closed, and not before."""
        async with obstore.open_writer_async(store, "large", buffer_size=PART) as writer:
            for letter in (b"a", b"b", b"c"):
                await writer.write(letter * PART)
            assert await objects.read(store, "large") is None
        assert await objects.read_range(store, "large", PART - 1, PART + 1) == b"ab"
        assert [(found.key, found.size) async for found in objects.list_keys(store)] == [("large", 3 * PART)]

    async def test_parts_of_an_abandoned_writer_never_show(self, store: ObjectStore) -> None:
        """A writer that fails half-way leaves no object."""
        with pytest.raises(RuntimeError):
            async with obstore.open_writer_async(store, "large", buffer_size=PART) as writer:
                await writer.write(b"a" * PART * 2)
                raise RuntimeError("half-way")
        assert await _keys(store) == []


async def _keys(store: ObjectStore, prefix: str = "", after: str | None = None) -> list[str]:
    return sorted([listed.key async for listed in objects.list_keys(store, prefix, after)])
