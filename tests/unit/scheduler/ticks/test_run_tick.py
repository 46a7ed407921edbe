"""A run told tick by tick: in a folder, with embedded queues in the place of SQS, and a real worker."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from obstore.store import LocalStore, ObjectStore

from fanout.clock import SharedClock, SystemClock
from fanout.code_snapshots.archive import snapshot
from fanout.config.settings import Settings
from fanout.engines.local import LocalEngine
from fanout.errors import ForgedMessageError
from fanout.node.lambda_worker import LambdaWorker
from fanout.node.serve import NodeServices
from fanout.pipeline.model import (
    CommandStep,
    DataInput,
    DataType,
    EntryTask,
    Output,
    ParallelStep,
    Pipeline,
    RetrySettings,
    StepOutput,
    Thresholds,
)
from fanout.planning.publish import Outbox
from fanout.queues.base import Delivery, Queue, QueuePair
from fanout.queues.sqlite import SqliteQueueService
from fanout.records import messages
from fanout.records.cancelation import ask, mine
from fanout.records.run import check_signature, create_record, load_record, signer_of
from fanout.records.seal import Seal, step_seal
from fanout.records.verdict import Counts, VerdictStatus
from fanout.scheduler import parallel_stages
from fanout.scheduler.context import RunContext
from fanout.scheduler.resident import new_record
from fanout.scheduler.ticks import parallel_tick, run_tick
from fanout.scheduler.ticks.delegated import carry_out_command, conclude_step
from fanout.scheduler.ticks.deployment_queues import (
    DeploymentQueues,
    TickMessage,
    decode_reduction,
    decode_tick,
    encode_tick,
)
from fanout.scheduler.ticks.parallel_tick import SupervisorCache, trouble
from fanout.scheduler.ticks.run_tick import TickContext, handle_tick
from fanout.scheduler.ticks.tick_record import Ticking, read_ticking, write_ticking
from fanout.security.signature import Signer, new_key
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import list_names, put, read
from fanout.supervision.step_machine import Pace, next_pause

RUN = "r"
AT = StepRound(RUN, "score")
PATIENCE = 60.0
ECHO = "from pathlib import Path\ndef run(batch): return [Path(p).name for p in batch]\n"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come sooner than they would."""
    monkeypatch.setattr(parallel_tick, "PACE", Pace(0.05, 0.05))


@dataclass
class Cloud:
    """A store, standing queues, and functions that are called with what the queues deliver."""

    folder: Path
    context: RunContext
    queues: DeploymentQueues
    worker: LambdaWorker
    kept: SupervisorCache = field(default_factory=SupervisorCache)
    go_on: Callable[[], bool] = lambda: True
    turns: int = 0

    async def begin(self, *steps: ParallelStep | CommandStep, code: str = ECHO, run: str = RUN, **how: Any) -> None:
        """The run exists, and its first turn is on its way."""
        place = self.folder / "code"
        place.mkdir(exist_ok=True)
        (place / "score.py").write_text(dedent(code))
        packed = snapshot(place)
        await put(self.context.store, keys.code(packed.digest), packed.archive)
        pipeline = Pipeline("pipeline.yml", None, steps, **how)
        record = new_record(run, pipeline, {step.name: packed.digest for step in steps}, self.context)
        await create_record(self.context.store, record)
        await self.look(run)

    async def look(self, run: str = RUN) -> None:
        """The run will be looked at."""
        signer = await signer_of(self.context.store, run)
        assert signer is not None
        await self.queues.send_tick(TickMessage(run), signer)

    def inputs(self, count: int) -> str:
        """The URI of a folder with so many files."""
        data = self.folder / "data"
        data.mkdir()
        for number in range(count):
            (data / f"{number:02d}").write_text("")
        return data.as_uri()

    async def pump(self, *, works: bool = True) -> Seal | None:
        """One round of all functions; the run's verdict when a turn brought it."""
        sealed = None
        for delivery in await self.queues.ticks.receive(1, 0.02):
            self.turns += 1
            tools = TickContext(self.context, self.queues, self.kept, self.go_on)
            turn = decode_tick(delivery.body)
            await check_signature(self.context.store, turn.run, delivery.body)
            sealed = await handle_tick(turn, tools) or sealed
            await self.queues.ticks.delete([delivery])
        if works and (batch := await self.queues.work.main.receive(10, 0)):
            failed = await self.worker.work(batch, self.worker.services.clock.monotonic() + PATIENCE)
            await self.queues.work.main.delete([delivery for delivery in batch if delivery not in failed])
        for delivery in await self.queues.reductions.receive(1, 0):
            reduction = decode_reduction(delivery.body)
            await check_signature(self.context.store, reduction.run, delivery.body)
            await conclude_step(reduction, self.context, self.queues, self.go_on)
            await self.queues.reductions.delete([delivery])
        return sealed

    async def verdict(self) -> Seal:
        """The run's, once everything has been called as often as it takes."""
        async with asyncio.timeout(PATIENCE):
            while (sealed := await self.pump()) is None:
                pass
        return sealed

    async def output(self, step: str, name: str) -> bytes | None:
        return await read(self.context.store, keys.outputs(StepRound(RUN, step), name))


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    """Functions over a folder."""
    clock = SystemClock()
    service = SqliteQueueService(tmp_path / "queues", clock)
    pairs = [await service.create(name, visibility=300.0, max_receives=3) for name in ("work", "ticks", "reductions")]
    queues = DeploymentQueues(pairs[0], pairs[1].main, pairs[2].main)
    store, settings = LocalStore(tmp_path / "store", mkdir=True), Settings((tmp_path / "store").as_uri())
    context = RunContext(settings, Access(), store, service, LocalEngine(settings.store, None, {}), SharedClock())

    async def command(at: StepRound, end: float) -> None:
        await carry_out_command(at, replace(context, clock=clock), queues, end - clock.monotonic())

    async def check_order(at: StepRound, body: str) -> None:
        await check_signature(store, at.run, body)

    worker = LambdaWorker(
        NodeServices(store, service, Access(), clock, settings.store), queues.work, 20.0, command, check_order
    )
    yield Cloud(tmp_path, context, queues, worker)
    await worker.close()
    await service.close()


def _parallel(uri: str | None = None, **settings: Any) -> ParallelStep:
    given = DataInput(uri, DataType.URI_FOLDER) if uri is not None else StepOutput("make", "files", DataType.URI_FOLDER)
    defaults: dict[str, Any] = {"max_concurrency_per_instance": 2, "retry_settings": RetrySettings(max_retries=0)}
    return ParallelStep(
        name="score",
        inputs={"files": given},
        outputs={"rows": Output(DataType.URI_FILE)},
        input_data="files",
        task=EntryTask("score.py", append_row_to="rows"),
        **(defaults | settings),
    )


MAKE = CommandStep(
    name="make",
    command="for n in 1 2 3 4 5; do touch ${{outputs.files}}/$n; done; echo made > ${{outputs.word}}",
    outputs={"files": Output(), "word": Output(DataType.URI_FILE)},
)
COUNT = CommandStep(
    name="count",
    command="wc -l < ${{inputs.rows}} > ${{outputs.lines}}",
    inputs={"rows": StepOutput("score", "rows", DataType.URI_FILE)},
    outputs={"lines": Output(DataType.URI_FILE)},
)


async def test_steps_follow_each_other(cloud: Cloud) -> None:
    """Commands and mini-batches, each step when those before it are concluded; nothing is left in any queue."""
    await cloud.begin(COUNT, _parallel(), MAKE)
    sealed = await cloud.verdict()
    assert (sealed.verdict.status, sealed.verdict.reason) == (VerdictStatus.COMPLETED, "all 3 steps completed")
    assert await cloud.output("score", "rows") == b"1\n2\n3\n4\n5\n"
    assert await cloud.output("count", "lines") == b"5\n"
    assert await cloud.output("make", "word") == b"made\n"
    for queue in (cloud.queues.work.main, cloud.queues.work.dead, cloud.queues.reductions):
        assert (await queue.depth()).total == 0
    depth = await cloud.queues.ticks.depth()
    assert depth.visible == 0  # what was sent for later is overtaken
    await cloud.look()
    assert await cloud.verdict() == sealed


async def test_a_step_that_fails_ends_the_run(cloud: Cloud) -> None:
    """What needs it is skipped, and says so; what is still in the queue is not worked on."""
    script = "def run(batch): raise ValueError('no')\n"
    await cloud.begin(
        _parallel(cloud.inputs(30), thresholds=Thresholds(mini_batch_error_threshold=0)), COUNT, code=script
    )
    sealed = await cloud.verdict()
    assert sealed.verdict.status is VerdictStatus.FAILED
    assert sealed.verdict.reason.startswith("step score: ")
    assert await step_seal(cloud.context.store, StepRound(RUN, "count")) is None
    while (await cloud.queues.work.main.depth()).total:
        await cloud.pump()


async def test_a_script_that_cannot_be_started(cloud: Cloud) -> None:
    """Workers that give up are noticed, and the verdict has the script's own error."""
    await cloud.begin(_parallel(cloud.inputs(2), max_concurrency_per_instance=1), code="import nothing_of_this_name\n")
    sealed = await cloud.verdict()
    assert sealed.verdict.status is VerdictStatus.FAILED
    assert "cannot be started: ModuleNotFoundError: No module named 'nothing_of_this_name'" in sealed.verdict.reason


async def test_input_that_is_not_there(cloud: Cloud) -> None:
    """The step fails with what planning says, and so does the run."""
    await cloud.begin(_parallel((cloud.folder / "nowhere").as_uri()))
    sealed = await cloud.verdict()
    assert sealed.verdict.status is VerdictStatus.FAILED
    assert "nowhere" in sealed.verdict.reason


async def test_a_canceled_run(cloud: Cloud) -> None:
    """It ends with what was committed, and the next step does not begin."""
    await cloud.begin(_parallel(cloud.inputs(5)), COUNT)
    await cloud.pump(works=False)
    await ask(cloud.context.store, RUN, 1, mine(SystemClock()))
    sealed = await cloud.verdict()
    assert sealed.verdict.status is VerdictStatus.CANCELED
    found = await step_seal(cloud.context.store, AT)
    assert found is not None
    assert found.counts.canceled + found.counts.succeeded == 5


async def test_lost_messages_are_sent_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue that somebody has emptied is noticed, and no mini-batch is missing in the end."""
    monkeypatch.setattr("fanout.supervision.step_machine.SELDOM", 0.2)
    await cloud.begin(_parallel(cloud.inputs(5)))
    await cloud.pump(works=False)
    await _purge(cloud.queues.work.main)
    sealed = await cloud.verdict()
    assert sealed.verdict.completed
    assert await cloud.output("score", "rows") == b"00\n01\n02\n03\n04\n"


async def _purge(queue: Queue) -> None:
    while deliveries := await queue.receive(100, 0):
        await queue.delete(deliveries)


async def test_a_lost_command_is_sent_again(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """As mini-batches are."""
    monkeypatch.setattr(run_tick, "HANDED_ON", 0.05)
    await cloud.begin(MAKE)
    await cloud.pump(works=False)
    await _purge(cloud.queues.work.main)
    assert (await cloud.verdict()).verdict.completed


async def test_what_kills_every_worker_is_a_dead_letter(cloud: Cloud) -> None:
    """The supervisor takes it out of the standing queue, into the results of its step."""
    await cloud.begin(_parallel(cloud.inputs(3), thresholds=Thresholds(mini_batch_error_threshold=1)))
    await cloud.pump(works=False)
    lost = [d for d in await cloud.queues.work.main.receive(10, 0) if messages.decode(d.body).index == 1]
    await cloud.queues.work.dead.send([delivery.body for delivery in lost])
    await cloud.queues.work.main.delete(lost)
    await _give_back(cloud.queues.work)
    sealed = await cloud.verdict()
    assert sealed.verdict.completed
    found = await step_seal(cloud.context.store, AT)
    assert found is not None
    assert (found.counts.succeeded, found.counts.dead_lettered) == (2, 1)
    assert await cloud.output("score", "rows") == b"00\n02\n"


async def _give_back(pair: QueuePair) -> None:
    """Deliveries in nobody's hands are visible again; the receipts are made up of what the queue knows."""
    for database in [pair.main._database]:  # type: ignore[attr-defined]
        with database.writing() as connection:
            connection.execute("UPDATE main SET due = 0")


async def test_a_command_that_kills_every_worker(cloud: Cloud) -> None:
    """Its dead letter seals the step as failed."""
    await cloud.begin(MAKE)
    await cloud.pump(works=False)
    [delivery] = await cloud.queues.work.main.receive(10, 0)
    await cloud.queues.work.dead.send([delivery.body])
    await cloud.queues.work.main.delete([delivery])
    await cloud.look()
    sealed = await cloud.verdict()
    assert "every worker that received the command vanished" in sealed.verdict.reason


async def test_letters_about_nothing_stay(cloud: Cloud) -> None:
    """They are work for a person, and keep no run from going on."""
    await cloud.queues.work.dead.send(["{", json.dumps({"message": "?", "reason": "strange"})])
    await cloud.begin(_parallel(cloud.inputs(2)))
    assert (await cloud.verdict()).verdict.completed
    assert (await cloud.queues.work.dead.depth()).total == 2


async def test_letters_that_were_not_signed_are_dropped(cloud: Cloud) -> None:
    """No mini-batch and no command fails because of a letter without a signature."""
    make = CommandStep(
        name="make", command="echo made > ${{outputs.word}}", outputs={"word": Output(DataType.URI_FILE)}
    )
    await cloud.begin(_parallel(cloud.inputs(2)), make)
    await cloud.pump(works=False)
    lines = [(index, f'{{"index":{index},"files":["file:///a"],"items":1}}') for index in (0, 99999)]
    forged = [
        messages.encode_order(messages.COMMAND, StepRound(RUN, "make")),
        *(messages.encode(messages.Message(AT, index, 0, line=line)) for index, line in lines),
    ]
    await cloud.queues.work.dead.send(forged)
    assert (await cloud.verdict()).verdict.completed
    seal = await step_seal(cloud.context.store, AT)
    assert seal is not None
    assert (seal.counts.total, seal.counts.succeeded) == (2, 2)
    assert (await cloud.queues.work.dead.depth()).total == 0


async def test_letters_that_stay_hide_no_others(cloud: Cloud) -> None:
    """A command that killed its workers is found behind any number of letters about nothing."""
    make = CommandStep(name="make", command="true")
    await cloud.begin(make)
    await cloud.queues.work.dead.send(["{"] * 250)
    signer = await signer_of(cloud.context.store, RUN)
    assert signer is not None
    order = messages.encode_order(messages.COMMAND, StepRound(RUN, "make"), signer)
    await cloud.queues.work.dead.send([order])
    await cloud.pump(works=False)
    sealed = await step_seal(cloud.context.store, StepRound(RUN, "make"))
    assert sealed is not None
    assert "vanished" in sealed.verdict.reason


async def test_orders_and_turns_that_were_not_signed_are_refused(cloud: Cloud) -> None:
    """Whoever may only send asks for nothing; a run that was begun before there were keys takes what it always took."""
    await cloud.begin(CommandStep(name="make", command="true"))
    await _purge(cloud.queues.ticks)
    store = cloud.context.store
    bodies = [encode_tick(TickMessage(RUN)), encode_tick(TickMessage(RUN, 3), Signer(new_key()))]
    bodies += [messages.encode_order(kind, StepRound(RUN, "make")) for kind in (messages.COMMAND, "reduce")]
    for body in bodies:
        with pytest.raises(ForgedMessageError):
            await check_signature(store, RUN, body)
    await cloud.queues.work.main.send(bodies[2:3])
    await cloud.pump()
    assert await step_seal(store, StepRound(RUN, "make")) is None
    assert (await cloud.queues.work.main.depth()).total == 0
    await create_record(store, replace(await load_record(store, RUN), name="older", message_key=None))
    await check_signature(store, "older", encode_tick(TickMessage("older")))


async def test_a_turn_that_was_overtaken_does_nothing(cloud: Cloud) -> None:
    """Of turns that are delivered twice one chain goes on."""
    await cloud.begin(_parallel(cloud.inputs(2)))
    await _purge(cloud.queues.ticks)
    await write_ticking(cloud.context.store, RUN, Ticking(7))
    tick = TickContext(cloud.context, cloud.queues, cloud.kept, cloud.go_on)
    assert await handle_tick(TickMessage(RUN, 6), tick) is None
    assert (await cloud.queues.ticks.depth()).total == 0
    for _ in range(2):
        await handle_tick(TickMessage(RUN, 7), tick)
    assert (await read_ticking(cloud.context.store, RUN)).number == 8
    assert (await cloud.queues.ticks.depth()).total == 1


async def test_planning_goes_on_where_its_time_was_over(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shards that were sent are noted, and not sent again."""
    monkeypatch.setattr("fanout.planning.manifests.SHARD_SIZE", 2)
    monkeypatch.setattr("fanout.planning.publish.SHARD_SIZE", 2)
    monkeypatch.setattr(run_tick, "SOON", 0.05)
    left = iter([True, True, False, True, False])
    await cloud.begin(_parallel(cloud.inputs(9)))
    tick = TickContext(cloud.context, cloud.queues, cloud.kept, lambda: next(left, True))
    await handle_tick(TickMessage(RUN), tick)
    assert (await cloud.queues.work.main.depth()).total == 4
    assert await list_names(cloud.context.store, keys.sent(AT)) == ["00000", "00001"]
    await handle_tick(TickMessage(RUN), tick)
    assert (await cloud.queues.work.main.depth()).total == 6
    await handle_tick(TickMessage(RUN), tick)
    assert (await cloud.queues.work.main.depth()).total == 9
    assert (await cloud.verdict()).verdict.completed


async def test_a_command_that_two_workers_run(cloud: Cloud) -> None:
    """Each leaves its outputs in a place of its own; those of the one that the seal names are published."""
    step = replace(MAKE, command="echo $$ > ${{outputs.word}}; sleep 0.2")
    await cloud.begin(step)
    at = StepRound(RUN, "make")
    await asyncio.gather(*(carry_out_command(at, cloud.context, cloud.queues, PATIENCE) for _ in range(2)))
    sealed = await step_seal(cloud.context.store, at)
    assert sealed is not None
    [winner] = sealed.objects
    [loser] = {0, 1} - {winner}
    kept = await read(cloud.context.store, f"{keys.staged_command(at, loser)}word/word")
    assert kept is not None
    assert await cloud.output("make", "word") not in (None, kept)
    assert (await cloud.verdict()).verdict.completed


async def test_a_command_that_takes_longer_than_its_worker_has(cloud: Cloud) -> None:
    """It fails with that as the reason."""
    await cloud.begin(replace(MAKE, command="sleep 100"))
    await carry_out_command(StepRound(RUN, "make"), cloud.context, cloud.queues, 0.3)
    assert "took longer than its limit of 0.3 seconds" in (await cloud.verdict()).verdict.reason


@pytest.mark.parametrize(
    ("nodes", "gave_up", "attempts", "hopeless"),
    [(0, 0, 0, False), (1, 1, 0, True), (2, 1, 0, False), (9, 3, 0, True), (9, 3, 1, False), (3, 3, 5, True)],
)
def test_when_no_worker_is_of_use(nodes: int, gave_up: int, attempts: int, hopeless: bool) -> None:
    """All that took part have given up, or several have and none has tried anything."""
    assert (trouble(nodes, gave_up, attempts) is not None) == hopeless


@pytest.mark.parametrize(
    ("settled", "seconds", "news", "wait"), [(0, 5.0, False, 1.0), (50, 20.0, True, 10.0), (99, 20.0, True, 1.0)]
)
def test_the_last_look_comes_early(settled: int, seconds: float, news: bool, wait: float) -> None:
    """Half of what is left at the pace so far, within bounds."""
    counts = Counts(total=100, succeeded=settled)
    assert next_pause(Pace(1.0, 30.0, share=0.1), counts, seconds, 0.0, news=news) == wait


async def test_the_same_again_is_taken_over(cloud: Cloud) -> None:
    """With force_rerun: false; each look may be taken by a container that knows nothing of those before."""
    steps = (MAKE, _parallel(), COUNT)
    await cloud.begin(*steps, force_rerun=False)
    while await cloud.pump() is None:
        cloud.kept = SupervisorCache()
    assert await cloud.output("score", "rows") == b"1\n2\n3\n4\n5\n"
    await _purge(cloud.queues.ticks)
    await cloud.begin(*steps, run="second", force_rerun=False)
    sealed = await cloud.pump(works=False)
    assert sealed is not None, "one look is enough where nothing is to be done"
    assert sealed.verdict.completed
    assert (await cloud.queues.work.main.depth()).total == 0
    for step in ("make", "score", "count"):
        found = await step_seal(cloud.context.store, StepRound("second", step))
        assert found is not None
        assert "taken over from run r" in found.verdict.reason
    assert await read(cloud.context.store, keys.outputs(StepRound("second", "score"), "rows")) is None


async def test_a_step_with_other_settings_runs(cloud: Cloud) -> None:
    """What its predecessor made is still taken over, and is what it reads."""
    await cloud.begin(MAKE, _parallel(), force_rerun=False)
    assert (await cloud.verdict()).verdict.completed
    await _purge(cloud.queues.ticks)
    await cloud.begin(MAKE, _parallel(max_concurrency_per_instance=1), run="second", force_rerun=False)
    assert (await cloud.verdict()).verdict.completed
    taken = await step_seal(cloud.context.store, StepRound("second", "make"))
    assert taken is not None
    assert "taken over" in taken.verdict.reason
    made = await read(cloud.context.store, keys.outputs(StepRound("second", "score"), "rows"))
    assert made == await cloud.output("score", "rows")


async def test_nothing_is_taken_over_unasked(cloud: Cloud) -> None:
    """A file that says nothing of force_rerun runs anew; one that allows reuse takes over what it has made."""
    await cloud.begin(MAKE)
    assert (await cloud.verdict()).verdict.completed
    for run, wanted in (("second", None), ("third", False)):
        await _purge(cloud.queues.ticks)
        await cloud.begin(MAKE, run=run, force_rerun=wanted)
        assert (await cloud.verdict()).verdict.completed
        taken = await step_seal(cloud.context.store, StepRound(run, "make"))
        assert taken is not None
        assert ("taken over" in taken.verdict.reason) == (wanted is False)


async def test_a_straggler_is_tried_a_second_time(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, however many containers look; the first of both tries to commit counts."""
    monkeypatch.setattr("fanout.supervision.stragglers.LEAST_AGE", 0.2)
    monkeypatch.setattr("fanout.supervision.stragglers.FACTOR", 0.0)
    sent: list[list[int]] = []
    send_some = parallel_stages.send_some

    async def noted(store: ObjectStore, outbox: Outbox, indexes: Collection[int]) -> None:
        sent.append(list(indexes))
        await send_some(store, outbox, indexes)

    monkeypatch.setattr(parallel_stages, "send_some", noted)
    await cloud.begin(_parallel(cloud.inputs(6), speculate=True))
    await cloud.pump(works=False)
    [slow] = [d for d in await cloud.queues.work.main.receive(6, 0) if messages.decode(d.body).index == 5]
    await _give_back_others(cloud.queues.work, slow)
    sealed = None
    async with asyncio.timeout(PATIENCE):
        while sealed is None:
            cloud.kept = SupervisorCache()
            sealed = await cloud.pump()
    assert sealed.verdict.completed
    assert await cloud.output("score", "rows") == b"00\n01\n02\n03\n04\n05\n"
    assert sent == [[5]]
    assert await list_names(cloud.context.store, f"{AT.root}/speculated/") == ["000000005"]
    depth = await cloud.queues.work.main.depth()
    assert (depth.visible, depth.held) == (0, 1), "the first try is still held by its worker"


async def test_no_straggler_is_tried_a_second_time_unasked(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without speculate a mini-batch may take as long as it likes."""
    monkeypatch.setattr("fanout.supervision.stragglers.LEAST_AGE", 0.05)
    monkeypatch.setattr("fanout.supervision.stragglers.FACTOR", 0.0)
    await cloud.begin(_parallel(cloud.inputs(6)))
    await cloud.pump(works=False)
    [slow] = [d for d in await cloud.queues.work.main.receive(6, 0) if messages.decode(d.body).index == 5]
    await _give_back_others(cloud.queues.work, slow)
    for _ in range(20):
        assert await cloud.pump() is None
    depth = await cloud.queues.work.main.depth()
    assert (depth.visible, depth.held) == (0, 1)


async def _give_back_others(pair: QueuePair, kept: Delivery) -> None:
    """Deliveries in nobody's hands are visible again, all but this one."""
    await _give_back(pair)
    taken = await pair.main.receive(100, 0)
    await pair.main.extend([delivery for delivery in taken if delivery.body != kept.body], 0.0)
