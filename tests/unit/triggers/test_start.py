"""From events to runs: one for each object version, however often, in whatever order, and wherever it is cut."""

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import obstore
import pytest

from fanout.config.settings import Settings
from fanout.errors import SettingsError, StoreError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import DataInput, DataType
from fanout.records.run import load_record
from fanout.storage import keys
from fanout.storage.objects import list_names, read
from fanout.triggers import start as module
from fanout.triggers.compiled import CompiledTrigger
from fanout.triggers.event import ObjectEvent
from fanout.triggers.loop_guard import own_places
from fanout.triggers.objects import file_version
from fanout.triggers.records import TriggerRecords
from fanout.triggers.start import StartState, finish_start, give_up, start_runs

BATCH = "  batch: {objects: 3, seconds: 1}\n"
KNOWN, STARTED, IGNORED, GONE = StartState.KNOWN, StartState.STARTED, StartState.IGNORED, StartState.GONE


def batched(text: str) -> str:
    return text.replace("trigger:\n", f"trigger:\n{BATCH}")


async def runs(scene: Any) -> list[str]:
    return await list_names(scene.context.store, "runs/")


async def objects_of(scene: Any, run: str) -> list[str]:
    """What the mini-batches of a run will be made of."""
    record = await load_record(scene.context.store, run)
    given = record.pipeline.steps[0].inputs["data"]
    assert isinstance(given, DataInput)
    assert given.type is DataType.MLTABLE
    store = scene.context.settings.store
    body = await read(scene.context.store, given.uri.removeprefix(f"{store}/") + "/MLTable")
    return [entry["file"].rpartition("/")[2] for entry in json.loads(body or b"")["paths"]]


async def test_one_run_an_object(scene: Any) -> None:
    """Its list holds the object alone, whatever else is in the folder."""
    compiled = await scene.compile_trigger()
    events = [scene.arrive(f"{name}.txt") for name in "abc"]
    starts = await start_runs(events, compiled, scene.context)
    assert [start.state for start in starts] == [STARTED] * 3
    assert [await objects_of(scene, start.run) for start in starts] == [["a.txt"], ["b.txt"], ["c.txt"]]
    assert starts[0].run.startswith("score-a-")


@pytest.mark.parametrize("change", [lambda text: text, batched], ids=["each", "batch"])
async def test_events_that_come_again_start_nothing(scene: Any, change: Callable[[str], str], pipeline: str) -> None:
    """Also in another order, together with others, in another process, and after the run is over."""
    compiled = await scene.compile_trigger(change(pipeline))
    events = [scene.arrive(f"{number}.txt") for number in range(6)]
    for event in events:
        await start_runs([event], compiled, scene.context)
    before = await runs(scene)
    chance = random.Random(7)  # noqa: S311
    again = await scene.compile_trigger(change(pipeline))
    for _ in range(5):
        many = chance.choices(events, k=9)
        assert {start.state for start in await start_runs(many, again, scene.context)} == {KNOWN}
    records = TriggerRecords(scene.context.store, "score")
    for run in before:
        await records.end_start(run)
    assert {start.state for start in await start_runs(events, compiled, scene.context)} == {KNOWN}
    assert await runs(scene) == before
    assert len(before) == 6


async def test_another_version_is_another_run(scene: Any) -> None:
    """The same key with other content."""
    compiled = await scene.compile_trigger()
    first = await start_runs([scene.arrive("a.txt", "one")], compiled, scene.context)
    second = await start_runs([scene.arrive("a.txt", "another")], compiled, scene.context)
    assert [start.state for start in first + second] == [STARTED, STARTED]
    assert first[0].run != second[0].run


async def test_batches(scene: Any, pipeline: str) -> None:
    """As many objects a run as `objects` says; the list holds exactly them."""
    compiled = await scene.compile_trigger(batched(pipeline))
    events = [scene.arrive(f"{number}.txt") for number in range(7)]
    starts = await start_runs(events, compiled, scene.context)
    assert [await objects_of(scene, start.run) for start in starts] == [
        ["0.txt", "1.txt", "2.txt"],
        ["3.txt", "4.txt", "5.txt"],
        ["6.txt"],
    ]


async def test_batches_that_overlap_share_no_object(scene: Any, pipeline: str) -> None:
    """Two processes that were told of the same objects in other batches at the same time: each is in one run."""
    compiled = await scene.compile_trigger(batched(pipeline))
    events = [scene.arrive(f"{number}.txt") for number in range(12)]
    chance = random.Random(3)  # noqa: S311
    told = [chance.sample(events, k=5) for _ in range(8)] + [events]
    await asyncio.gather(*(start_runs(some, compiled, scene.context) for some in told))
    found = [name for run in await runs(scene) for name in await objects_of(scene, run)]
    assert sorted(found) == sorted(event.key for event in events)


async def test_what_is_not_watched_is_ignored(scene: Any, event: Callable[..., ObjectEvent]) -> None:
    """Another bucket, another ending, and what runs have written."""
    compiled = await scene.compile_trigger()
    wrong = [event("a.txt"), scene.arrive("a.csv")]
    starts = await start_runs(wrong, compiled, scene.context)
    assert [start.state for start in starts] == [IGNORED, IGNORED]
    assert "not in" in starts[0].reason
    assert "does not end with .txt" in starts[1].reason
    assert await runs(scene) == []


async def test_objects_that_are_gone(scene: Any) -> None:
    """Replaced before their run: none is started for what is not there any more, which a dead letter tells."""
    compiled = await scene.compile_trigger()
    old, new = scene.arrive("a.txt", "old"), scene.arrive("a.txt", "newer")
    removed = scene.arrive("b.txt")
    (scene.folder / "in" / "b.txt").unlink()
    starts = await start_runs([old, new, removed], compiled, scene.context)
    assert [start.state for start in starts] == [GONE, STARTED, GONE]
    letters = [letter async for letter in TriggerRecords(scene.context.store, "score").letters()]
    assert {(letter.events, letter.gone) for letter in letters} == {((old,), True), ((removed,), True)}
    assert [start.state for start in await start_runs([old], compiled, scene.context)] == [GONE]


@pytest.mark.parametrize("change", [lambda text: text, batched], ids=["each", "batch"])
async def test_an_event_may_come_before_its_object(scene: Any, change: Callable[[str], str], pipeline: str) -> None:
    """It starts nothing, and the same event does once the object is there: alone, and beside one that was there."""
    compiled = await scene.compile_trigger(change(pipeline))
    there, early = scene.arrive("a.txt"), scene.arrive("b.txt")
    place, aside = scene.folder / "in" / "b.txt", scene.folder / "b.txt"
    place.rename(aside)
    await start_runs([there, early], compiled, scene.context)
    assert [start.state for start in await start_runs([early], compiled, scene.context)] == [GONE]
    before = await runs(scene)
    aside.rename(place)
    assert [start.state for start in await start_runs([early], compiled, scene.context)] == [STARTED]
    [run] = set(await runs(scene)) - set(before)
    assert await objects_of(scene, run) == ["b.txt"]
    assert [start.state for start in await start_runs([early, there], compiled, scene.context)] == [KNOWN, KNOWN]
    assert len(await runs(scene)) == len(before) + 1


@pytest.mark.parametrize("name", ["link.txt", "folder/x.txt", "deep/folder/x.txt", "loop.txt"])
async def test_links_in_a_watched_folder_are_not_followed(scene: Any, name: str) -> None:
    """Neither the file nor a folder above it: who may write there could make the watch read anything."""
    compiled = await scene.compile_trigger()
    secret = scene.folder / "secret"
    (secret / "folder").mkdir(parents=True)
    (secret / "x.txt").write_text("secret")
    (secret / "folder" / "x.txt").write_text("secret")
    watched = scene.folder / "in"
    (watched / "link.txt").symlink_to(secret / "x.txt")
    (watched / "folder").symlink_to(secret)
    (watched / "deep").symlink_to(secret)
    (watched / "loop.txt").symlink_to("loop.txt")
    etag = "x" if name == "loop.txt" else file_version((watched / name).stat())
    event = ObjectEvent(f"{scene.folder.as_uri()}/in", name, etag=etag)
    assert [start.state for start in await start_runs([event], compiled, scene.context)] == [GONE]
    assert await runs(scene) == []


class Cut(Exception):  # noqa: N818
    """The process is killed here."""


@pytest.mark.parametrize("change", [lambda text: text, batched], ids=["each", "batch"])
async def test_a_start_may_be_cut_at_every_write(
    scene: Any, change: Callable[[str], str], pipeline: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same events again, with others or in another order, end with each object in one run."""
    compiled = await scene.compile_trigger(change(pipeline))
    before: set[str] = set()
    for cut in range(40):
        events = [scene.arrive(f"{cut}-{number}.txt") for number in range(4)]
        done = await _cut_after(cut, events, compiled, scene, monkeypatch)
        late = scene.arrive(f"{cut}-late.txt")
        await start_runs([late, *reversed(events)], compiled, scene.context)
        new = set(await runs(scene)) - before
        found = [name for run in new for name in await objects_of(scene, run)]
        assert sorted(found) == sorted(event.key for event in [*events, late]), f"cut after write {cut}"
        if done:
            return
        before |= new
    pytest.fail("never whole")


async def _cut_after(writes: int, events: list[ObjectEvent], compiled: Any, scene: Any, monkeypatch: Any) -> bool:
    """Whether the start came to its end before that many writes."""
    left, real = writes, obstore.put_async

    async def put(*arguments: Any, **named: Any) -> Any:
        nonlocal left
        if left == 0:
            raise Cut
        left -= 1
        return await real(*arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(obstore, "put_async", put)
        try:
            await start_runs(events, compiled, scene.context)
        except Cut:
            return False
    return True


async def test_given_up_starts_are_dead_letters(scene: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With their reason; the same event does not try again by itself, `retry` does."""
    compiled = await scene.compile_trigger()
    event = scene.arrive("a.txt")

    async def fail(*_: object) -> str:
        raise StoreError("cannot look at a.txt: AccessDenied")

    with monkeypatch.context() as patch:
        patch.setattr(module, "present", fail)
        with pytest.raises(StoreError):
            await start_runs([event], compiled, scene.context)
        [run] = await give_up([event], "cannot look at a.txt: AccessDenied", compiled, scene.context)
    records = TriggerRecords(scene.context.store, "score")
    [letter] = [letter async for letter in records.letters()]
    assert (letter.name, letter.reason, letter.events, letter.gone) == (
        run, "cannot look at a.txt: AccessDenied", (event,), False,
    )  # fmt: skip
    assert [start.state for start in await start_runs([event], compiled, scene.context)] == [KNOWN]
    assert await runs(scene) == []
    await records.retry(letter)
    assert await records.starts() == [run]
    assert [start.state for start in await finish_start(run, compiled, scene.context)] == [STARTED]
    assert [letter async for letter in records.letters()] == []
    assert await objects_of(scene, run) == ["a.txt"]


async def test_what_was_never_tried_can_be_given_up(scene: Any) -> None:
    """A start that fails before its first write leaves a dead letter all the same, and what has a run none."""
    compiled = await scene.compile_trigger()
    tried, new = scene.arrive("a.txt"), scene.arrive("b.txt")
    await start_runs([tried], compiled, scene.context)
    [name] = await give_up([tried, new], "no luck", compiled, scene.context)
    assert name.startswith("score-b-")


async def test_inputs_that_are_no_list(scene: Any, pipeline: str) -> None:
    """A uri_file is the object; a folder for a command holds copies of the objects and nothing else."""
    text = pipeline.partition("jobs:")[0].replace("uri_folder", "uri_file") + (
        'jobs:\n  one: {type: command, command: "cat ${{inputs.data}}", inputs: {data: "${{parent.inputs.files}}"}}\n'
    )
    compiled = await scene.compile_trigger(text)
    scene.arrive("other.txt")
    [start] = await start_runs([scene.arrive("a b.txt")], compiled, scene.context)
    given = (await load_record(scene.context.store, start.run)).pipeline.steps[0].inputs["data"]
    assert isinstance(given, DataInput)
    assert (given.uri, given.type) == (f"{scene.folder.as_uri()}/in/a%20b.txt", DataType.URI_FILE)
    compiled = await scene.compile_trigger(batched(text.replace("uri_file}\noutputs", "uri_folder}\noutputs")))
    events = [scene.arrive("d/1.txt", "one"), scene.arrive("2.txt", "two")]
    [start] = await start_runs(events, compiled, scene.context)
    given = (await load_record(scene.context.store, start.run)).pipeline.steps[0].inputs["data"]
    assert isinstance(given, DataInput)
    copies = scene.folder / "store" / given.uri.removeprefix(f"{scene.context.settings.store}/")
    found = {path.relative_to(copies).as_posix(): path.read_text() for path in copies.rglob("*") if path.is_file()}
    assert found == {"d/1.txt": "one", "2.txt": "two"}


async def test_outputs_of_each_run(scene: Any, pipeline: str) -> None:
    """Named after the run or the object; a key that leads out is refused."""
    text = pipeline.replace(
        "scores: {type: uri_file}", "scores: {type: uri_file, path: './out/${{trigger.key}}-${{ trigger.run }}.csv'}"
    )
    compiled = await scene.compile_trigger(text)
    [start] = await start_runs([scene.arrive("d/a b.txt")], compiled, scene.context)
    output = (await load_record(scene.context.store, start.run)).pipeline.steps[0].outputs["rows"]
    assert output.uri == f"{scene.folder.as_uri()}/out/d/a%20b.txt-{start.run}.csv"


@pytest.mark.parametrize(
    ("path", "refused"),
    [
        ("./in/scores.csv", False),
        ("./in/results/${{trigger.key}}.txt", False),
        ("./in/${{trigger.key}}.csv", False),
        ("./in/${{trigger.key}}-scores.txt", True),
    ],
)
async def test_own_output_below_what_is_watched(scene: Any, pipeline: str, path: str, refused: bool) -> None:
    """It starts no run; where it could not be told from what arrives, the trigger is refused at once."""
    text = pipeline.replace("scores: {type: uri_file}", f"scores: {{type: uri_file, path: '{path}'}}")
    if refused:
        with pytest.raises(SettingsError, match="its own output would start the next run"):
            await scene.compile_trigger(text)
        return
    compiled = await scene.compile_trigger(text)
    [start] = await start_runs([scene.arrive("a.txt")], compiled, scene.context)
    output = (await load_record(scene.context.store, start.run)).pipeline.steps[0].outputs["rows"]
    written = scene.arrive(str(output.uri).removeprefix(f"{scene.folder.as_uri()}/in/"))
    assert [start.state for start in await start_runs([written], compiled, scene.context)] == [IGNORED]


async def test_places_of_earlier_outputs_are_remembered(scene: Any, pipeline: str) -> None:
    """A run that began before the file was changed still writes where it said."""
    old = pipeline.replace("scores: {type: uri_file}", "scores: {type: uri_file, path: ./in/old/scores.txt}")
    await scene.compile_trigger(old)
    compiled = await scene.compile_trigger(old.replace("old/", "new/"))
    starts = await start_runs([scene.arrive("old/scores.txt"), scene.arrive("new/scores.txt")], compiled, scene.context)
    assert [start.state for start in starts] == [IGNORED, IGNORED]
    assert "output 'rows' of step 'score'" in starts[0].reason


async def test_the_store_may_be_below_what_is_watched(scene: Any, pipeline: str) -> None:
    """What a run keeps there starts none; to watch the store itself is refused."""
    compiled = await scene.compile_trigger(pipeline.replace("folder: ./in", "folder: ."))
    store = scene.folder.as_uri()
    inside = ObjectEvent(store, f"store/{keys.run_json('x')}.txt", etag="1")
    assert "the store of its runs" in str(compiled.ignores(inside))
    with pytest.raises(SettingsError, match="the store of its runs"):
        await scene.compile_trigger(pipeline.replace("folder: ./in", "folder: ./store/runs"))


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("in/a.txt", None),
        ("in/runs/a.txt", None),
        ("in/results/a.txt", "output 'rows' of step 'score'"),
        ("in/store/runs/x/score/results/000.txt", "the store of its runs"),
        ("in/store/triggers/score/starts/x.txt", "the store of its runs"),
        ("in/store/datastores/mine/a.txt", None),
        ("out/a.txt", "does not begin with in/"),
        ("in/a.csv", "does not end with .txt"),
    ],
)
async def test_own_output_in_a_bucket(
    scene: Any, pipeline: str, event: Callable[..., ObjectEvent], key: str, word: str | None
) -> None:
    """Store and outputs below what is watched: only what runs write there is left out."""
    text = pipeline.replace("folder: ./in", "bucket: uploads\n  prefix: in/").replace(
        "scores: {type: uri_file}", "scores: {type: uri_file, path: 's3://uploads/in/results/${{trigger.run}}.txt'}"
    )
    path = scene.folder / "pipeline.yml"
    path.write_text(text)
    loaded = load_pipeline(path, for_trigger=True)
    assert loaded.trigger is not None
    places = own_places(loaded, loaded.trigger, Settings("s3://uploads/in/store"))
    found = CompiledTrigger(loaded, loaded.trigger, {}, places).ignores(event(key))
    assert found is None if word is None else word in str(found)


def test_the_example_of_the_documentation_is_taken(tmp_path: Path) -> None:
    """The first pipeline file of docs/triggers.md, as it stands there."""
    page = (Path(__file__).parents[3] / "docs" / "triggers.md").read_text()
    text = page.partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / "src").mkdir()
    (tmp_path / "pipeline.yml").write_text(text)
    pipeline = load_pipeline(tmp_path / "pipeline.yml", for_trigger=True)
    assert pipeline.trigger is not None
    own_places(pipeline, pipeline.trigger, Settings("s3://store/runs"))
    assert [step.name for step in pipeline.steps] == ["score"]
