"""What a seed draws: the step, what user code does, how the world behaves, and what happens to the processes."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from fanout.pipeline.model import (
    DataInput,
    DataType,
    EntryTask,
    Limits,
    MiniBatchSize,
    Output,
    ParallelStep,
    Pipeline,
    RetrySettings,
    Thresholds,
)
from tests.simulation.world import QUIET, Rates

ROOT = "s3://bucket"
STEP = "score"


class Act(StrEnum):
    """What user code does with one attempt."""

    SUCCEEDS = "succeeds"
    RAISES = "raises"
    DIES = "dies"  # takes its process with it
    HANGS = "hangs"  # longer than the time limit
    RETURNS_LESS = "returns less"  # fewer elements than items


@dataclass(frozen=True, slots=True)
class UserCode:
    """How user code behaves, for each mini-batch and attempt the same in every run."""

    seed: int
    bad: float = 0.0  # share of mini-batches that never succeed
    flaky: float = 0.0  # share of attempts that fail
    acts: tuple[Act, ...] = (Act.RAISES,)
    seconds: float = 0.05  # of a run(), on average
    writes_files: bool = False
    differs: bool = False  # each execution returns rows of its own
    broken_starts: int = 0  # the first processes of the run fail in init()
    blind: str | None = None  # a node that lacks the input: everything fails on it
    poisoned: float | None = None  # share of files that fail whatever holds them, and nothing else does

    def is_poisoned(self, file: str) -> bool:
        """Whether nothing that holds this file succeeds."""
        return random.Random(f"{self.seed}/{file[-3:]}").random() < (self.poisoned or 0.0)

    def act(self, index: int, attempt: int, files: Sequence[str]) -> Act:
        if self.poisoned is not None:
            chosen = self.acts[index % len(self.acts)]
            return chosen if any(map(self.is_poisoned, files)) else Act.SUCCEEDS
        chance = random.Random(f"{self.seed}/{index}")
        kind = chance.choice(self.acts)
        if chance.random() < self.bad:
            return kind
        chance = random.Random(f"{self.seed}/{index}/{attempt}")
        return chance.choice(self.acts) if chance.random() < self.flaky else Act.SUCCEEDS

    def rows(self, index: int) -> int:
        """How many elements a run() returns."""
        return random.Random(f"{self.seed}/{index}/rows").randrange(4)


class Blow(StrEnum):
    """What happens to somebody, at some time."""

    KILL_NODE = "kill node"
    KILL_SUPERVISOR = "kill supervisor"
    STOP_NODE = "stop node"
    STOP_SUPERVISOR = "stop supervisor"
    SECOND_SUPERVISOR = "second supervisor"
    EVICT_NODE = "evict node"
    PURGE = "purge"
    CLOCK = "clock"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow, and the draw that decides whom it meets and how hard."""

    at: float
    blow: Blow
    draw: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """One world, before it begins."""

    seed: int
    files: int = 8
    batch: int = 1
    nodes: int = 2
    slots: int = 2
    visibility: float = 2.0
    max_receives: int = 5
    max_retries: int = 2
    run_limit: float = 2.0
    thresholds: Thresholds = field(default_factory=Thresholds)
    output: str | None = "rows.txt"  # None: summary_only
    user: UserCode = field(default_factory=lambda: UserCode(0))
    shard_size: int = 1000
    inline_limit: int = 8192
    depth_lag: float = 0.0
    in_store: bool = False  # the queue is `bucket:`
    isolate: bool = False
    speculate: bool = False
    orphans_drain: bool = True  # nodes leave when their supervisor is gone, as on one machine
    rates: Rates = QUIET
    troubled_until: float = 0.0
    strikes: tuple[Strike, ...] = ()
    hostile: bool = False  # a sender without the key writes to the queues
    gives_up: bool = False  # and replays messages as dead letters

    @property
    def mini_batches(self) -> int:
        return -(-self.files // self.batch)

    def pipeline(self, input_uri: str) -> Pipeline:
        """The run of this world."""
        outputs = {"files": Output(DataType.URI_FOLDER, uri=f"{ROOT}/out/files")}
        if self.output is not None:
            outputs["rows"] = Output(DataType.URI_FILE, uri=f"{ROOT}/out/{self.output}")
        step = ParallelStep(
            name=STEP,
            task=EntryTask("score.py", append_row_to=None if self.output is None else "rows"),
            input_data="input",
            inputs={"input": DataInput(input_uri, DataType.URI_FOLDER)},
            outputs=outputs,
            instance_count=self.nodes,
            mini_batch_size=MiniBatchSize(self.batch),
            max_concurrency_per_instance=self.slots,
            thresholds=self.thresholds,
            retry_settings=RetrySettings(self.max_retries, self.run_limit),
            limits=Limits(),
            resource_monitor_interval=0,  # how busy the real machine is has no part in a world
            isolate_failures=self.isolate,
            speculate=self.speculate,
        )
        return Pipeline("/simulation/pipeline.yml", None, (step,))


def draw(seed: int) -> Scenario:
    """The world of a seed."""
    chance = random.Random(seed)
    horizon = chance.choice((0.0, 5.0, 10.0, 20.0, 40.0))
    isolate = chance.random() < 0.15
    return Scenario(
        seed=seed,
        files=chance.choice((1, 2, 5, 12, 30, 60)),
        batch=chance.choice((2, 3, 8) if isolate else (1, 1, 1, 3)),
        nodes=chance.choice((1, 1, 2, 3)),
        slots=chance.randint(1, 3),
        visibility=chance.choice((1.0, 2.0, 5.0)),
        max_receives=chance.choice((1, 2, 5, 100, 100)),
        max_retries=chance.randrange(4),
        run_limit=chance.choice((1.0, 2.0)),
        thresholds=_thresholds(chance),
        output=chance.choice(("rows.txt", "rows.txt", "rows.csv", "rows.jsonl", None)),
        user=_user_code(chance, seed, isolate=isolate),
        shard_size=chance.choice((3, 7, 1000)),
        inline_limit=chance.choice((8192, 8192, 10)),
        depth_lag=chance.choice((0.0, 0.0, 5.0)),
        isolate=isolate,
        speculate=chance.random() < 0.2,
        orphans_drain=chance.random() < 0.5,
        rates=_rates(chance),
        troubled_until=horizon,
        strikes=_strikes(chance, horizon),
        hostile=(hostile := chance.random() < 0.1),
        gives_up=hostile and chance.random() < 0.3,
    )


def with_queue_in_store(scenario: Scenario) -> Scenario:
    """The same world, with the queue `bucket:`: what is lost or comes twice there is what its store makes of it.

    A sender to it can write to the store, and needs no forged messages.
    """
    rates = replace(scenario.rates, lost=0.0, doubled=0.0)
    return replace(scenario, in_store=True, depth_lag=0.0, rates=rates, hostile=False, gives_up=False)


def with_blind_node(scenario: Scenario) -> Scenario:
    """The same world, with a node on which everything fails although user code is right, and time to notice it."""
    user = replace(scenario.user, bad=0.0, flaky=0.0, poisoned=None, broken_starts=0, blind="node1", seconds=0.02)
    strikes = tuple(strike for strike in scenario.strikes if strike.blow is not Blow.CANCEL)
    world = replace(scenario, user=user, strikes=strikes, nodes=max(2, scenario.nodes), files=60, batch=1)
    return replace(world, isolate=False, thresholds=Thresholds(), max_receives=100)


def with_hostile_sender(scenario: Scenario) -> Scenario:
    """The same world, with a sender without the key at work."""
    return replace(scenario, hostile=True, gives_up=scenario.seed % 3 == 0)


def _thresholds(chance: random.Random) -> Thresholds:
    if chance.random() < 0.6:
        return Thresholds()
    return Thresholds(
        error_threshold=chance.choice((-1, 0, 2, 10)),
        mini_batch_error_threshold=chance.choice((-1, 0, 1, 5)),
        allowed_failed_percent=chance.choice((100.0, 0.0, 20.0, 50.0)),
    )


def _user_code(chance: random.Random, seed: int, *, isolate: bool) -> UserCode:
    fails = chance.random() < 0.6
    acts = tuple(act for act in Act if act is not Act.SUCCEEDS and chance.random() < 0.4) or (Act.RAISES,)
    if isolate:
        failing = tuple(act for act in acts if act is not Act.RETURNS_LESS) or (Act.RAISES,)
        share = chance.choice((0.0, 0.05, 0.3))
        return UserCode(seed, acts=failing, seconds=chance.choice((0.001, 0.02, 0.3)), poisoned=share)
    return UserCode(
        seed=seed,
        bad=chance.choice((0.0, 0.05, 0.3)) if fails else 0.0,
        flaky=chance.choice((0.0, 0.1, 0.5)) if fails else 0.0,
        acts=acts,
        seconds=chance.choice((0.001, 0.02, 0.3)),
        writes_files=chance.random() < 0.3,
        differs=chance.random() < 0.3,
        broken_starts=chance.choice((0, 0, 0, 0, 2)),
    )


def _rates(chance: random.Random) -> Rates:
    def now_and_then(*choices: float) -> float:
        return chance.choice(choices) if chance.random() < 0.35 else 0.0

    return Rates(
        latency=chance.choice((0.001, 0.01, 0.05)),
        slow=now_and_then(0.01, 0.1),
        slow_for=chance.choice((1.0, 5.0)),
        refused=now_and_then(0.003, 0.02, 0.1),
        unanswered=now_and_then(0.003, 0.02, 0.1),
        conflict=now_and_then(0.02, 0.2),
        cut=now_and_then(0.01, 0.05),
        lost=now_and_then(0.02, 0.2),
        doubled=now_and_then(0.05, 0.3),
        shuffled=chance.random() < 0.5,
    )


def _strikes(chance: random.Random, horizon: float) -> tuple[Strike, ...]:
    kinds = [blow for blow in Blow if chance.random() < (0.08 if blow is Blow.CANCEL else 0.4)]
    if not kinds or not horizon:
        return ()
    times = sorted(chance.random() * min(horizon, 10.0) for _ in range(chance.randint(1, 10)))
    return tuple(Strike(at, chance.choice(kinds), chance.random()) for at in times)
