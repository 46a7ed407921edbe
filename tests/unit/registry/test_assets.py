"""The registry: versions are made once and numbered, `@latest` is the newest, and messages name what there is."""

from pathlib import Path

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.errors import DamagedRecordError, InputError
from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.assets import AssetName
from fanout.registry.assets import Asset, check_name, find, list_assets, next_version, register
from fanout.storage import keys
from fanout.storage.objects import put

DATA = (AssetKind.DATA, AssetKind.MODEL)


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """An empty store: a folder, or memory."""
    return LocalStore(tmp_path / "store", mkdir=True) if request.param == "local" else MemoryStore()


def data(version: str, uri: str = "file:///a", created: float = 1.0, **fields: object) -> Asset:
    return Asset(AssetKind.DATA, "sales", version, created, "uri_folder", uri, **fields)  # type: ignore[arg-type]


async def test_what_is_registered_is_found_by_its_version(store: ObjectStore) -> None:
    """As it was registered."""
    asset = data("2024-01", description="of January", tags={"team": "a"})
    assert await register(store, asset) == asset
    assert await find(store, AssetName("sales", "2024-01"), DATA) == asset


async def test_without_a_version_it_gets_the_next_number(store: ObjectStore) -> None:
    """But the same once more is the same version."""
    assert (await register(store, data("", "file:///a"))).version == "1"
    assert (await register(store, data("", "file:///a", 2.0))).version == "1"
    assert (await register(store, data("", "file:///b", 3.0))).version == "2"
    await register(store, data("named", "file:///c", 4.0))
    assert (await register(store, data("", "file:///d", 5.0))).version == "3"
    assert next_version(["9", "10", "x"]) == "11"


async def test_the_newest_is_what_was_made_last(store: ObjectStore) -> None:
    """Not the version that sorts last."""
    await register(store, data("9", created=1.0))
    await register(store, data("10", created=2.0))
    await register(store, data("1", created=3.0))
    assert (await find(store, AssetName("sales"), DATA)).version == "1"


async def test_a_version_does_not_change(store: ObjectStore) -> None:
    """What is said about it does; when it was made stays."""
    await register(store, data("1"))
    changed = await register(store, data("1", created=9.0, description="better", tags={"a": "b"}))
    assert await find(store, AssetName("sales", "1"), DATA) == changed
    assert (changed.created, changed.description) == (1.0, "better")
    with pytest.raises(InputError, match=r"stands for something else already; .*register version 2"):
        await register(store, data("1", "file:///elsewhere"))


async def test_kinds_have_names_of_their_own(store: ObjectStore) -> None:
    """The first kind that is asked for wins."""
    await register(store, data("1"))
    await register(store, Asset(AssetKind.MODEL, "sales", "1", 1.0, "custom_model", "file:///model"))
    assert (await find(store, AssetName("sales", "1"), DATA)).uri == "file:///a"
    assert (await find(store, AssetName("sales", "1"), DATA[::-1])).uri == "file:///model"
    assert [asset.kind for asset in await list_assets(store)] == ["data", "model"]
    assert await list_assets(store, [AssetKind.COMPONENT]) == []


async def test_messages_name_what_there_is(store: ObjectStore) -> None:
    """Versions, similar names, and the command that registers."""
    await register(store, data("1"))
    with pytest.raises(InputError, match="data sales has no version 2; it has 1, and @latest"):
        await find(store, AssetName("sales", "2"), DATA)
    with pytest.raises(InputError, match=r"did you mean 'sales'\?; register it: fanout assets add PATH --kind data"):
        await find(store, AssetName("salse", "2"), DATA)
    with pytest.raises(InputError, match="no component of this name"):
        await find(store, AssetName("sales", "1"), [AssetKind.COMPONENT])


async def test_a_damaged_asset_is_named(store: ObjectStore) -> None:
    """By its key."""
    await put(store, keys.asset("data", "sales", "1"), b'{"asset": 1}')
    with pytest.raises(DamagedRecordError, match=r"assets/data/sales/1\.json"):
        await find(store, AssetName("sales", "1"), DATA)


@pytest.mark.parametrize(("name", "version"), [("../x", "1"), ("a/b", "1"), ("", "1"), ("a", "1/2"), ("a", "latest")])
def test_names_that_cannot_be_keys_are_refused(name: str, version: str) -> None:
    """Nothing leaves the folder of the registry."""
    with pytest.raises(InputError):
        check_name(name, version)
