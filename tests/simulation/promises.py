"""What must be true of a world that is over (docs/design.md, "Promises"): asked of its store and its history.

The outcomes are worked out anew and simply, from the result objects that the seal names, so that a fault of the
product's own reader shows.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from fanout.errors import DamagedRecordError
from fanout.records.seal import Seal, load_seal
from fanout.records.verdict import Counts, VerdictStatus, judge
from fanout.results import codec
from fanout.results.codec import Entry, Status
from fanout.storage import keys
from tests.simulation.ports.slots import ROW_HEADER, row_text
from tests.simulation.scenario import Scenario
from tests.simulation.simulate import AT, RUN, Simulation

RANKS = {Status.SUCCEEDED: 0, Status.SHORT: 1, Status.FAILED: 2, Status.DEAD_LETTERED: 2}
FINAL = tuple(RANKS)


@dataclass(frozen=True, slots=True)
class Found:
    """One entry of a sealed result object, and its rows."""

    node: int
    entry: Entry
    rows: bytes


@dataclass(frozen=True, slots=True)
class Ending:
    """What is in the store when all is over."""

    seal: Seal
    found: tuple[Found, ...]

    @property
    def winners(self) -> dict[int, Found]:
        """The result of each mini-batch that counts: a success before a short return before a failure, else the first
        in store order."""
        chosen: dict[int, Found] = {}
        for one in self.found:
            known = chosen.get(one.entry.index)
            if one.entry.status in FINAL and (known is None or _rank(one) < _rank(known)):
                chosen[one.entry.index] = one
        return chosen

    def counts(self, scenario: Scenario, total: int | None) -> Counts:
        """The sums that the winners amount to."""
        winners = self.winners.values()
        by_status = Counter(one.entry.status for one in winners)
        items = sum(one.entry.items for one in winners)
        whole = not scenario.thresholds.checks_items
        full = [one.entry for one in winners if _succeeded(one)]
        good = sum(entry.items if whole else entry.succeeded for entry in full)
        good += sum(one.entry.succeeded for one in winners if one.entry.status is Status.SHORT)
        return Counts(
            total=total,
            succeeded=by_status[Status.SUCCEEDED],
            failed=by_status[Status.FAILED] + by_status[Status.SHORT],
            dead_lettered=by_status[Status.DEAD_LETTERED],
            retried=sum(one.entry.status is Status.RETRIED for one in self.found),
            items=items,
            items_succeeded=good,
            items_failed=items - good,
            rows=sum(one.entry.rows for one in winners),
            short=by_status[Status.SHORT],
            unanswered=sum(entry.items - entry.succeeded for entry in full) if whole else 0,
        )


def _succeeded(found: Found) -> bool:
    return found.entry.status is Status.SUCCEEDED


def _has_rows(found: Found) -> bool:
    """What it returned is in the output."""
    return found.entry.status in (Status.SUCCEEDED, Status.SHORT)


def _rank(found: Found) -> int:
    return RANKS[found.entry.status]


def ending(simulation: Simulation) -> Ending | None:
    """How the step ended; None when it did not."""
    bucket = simulation.bucket
    body = bucket.look(keys.verdict(AT))
    if body is None:
        return None
    seal, most = load_seal(body, keys.verdict(AT)), simulation.scenario.max_retries
    found: list[Found] = []
    for node, count in sorted(seal.objects.items()):
        for seq in range(count):
            whole = bucket.look(keys.result(AT, node, seq)) or b""
            index = codec.decode_index(whole, "result")
            for entry in index.entries:
                start = index.rows_at + entry.start
                if (counted := _without_fenced(seal, node, entry, most)) is not None:
                    found.append(Found(node, counted, whole[start : start + entry.length]))
    return Ending(seal, tuple(found))


def _without_fenced(seal: Seal, node: int, entry: Entry, max_retries: int) -> Entry | None:
    """The entry as it counts: what failed on a fenced node is nothing, and a last try that was none is no end."""
    if entry.failure is None or entry.status is Status.DEAD_LETTERED:
        return entry
    if node in seal.fenced:
        return None
    void = sum(other in seal.fenced for other in entry.failed_on)
    is_open = void and entry.status is Status.FAILED and entry.attempt - void < max_retries
    return replace(entry, status=Status.RETRIED) if is_open else entry


def broken(simulation: Simulation) -> Iterator[str]:
    """A sentence for each promise that the world breaks."""
    yield from simulation.world.defects[:1]
    yield from islice(_unhandled(simulation), 3)
    try:
        end = ending(simulation)
    except DamagedRecordError as exc:
        yield f"the verdict cannot be read: {exc}"
        return
    if end is None:
        if not _canceled(simulation):  # a step that had not begun has no verdict of its own
            yield "the step has no verdict"
        return
    yield from _i1(simulation, end)
    if simulation.scenario.isolate:
        yield from _isolated(simulation, end)
    else:
        yield from _i2(simulation, end)
        yield from _files(simulation, end)
        yield from _i3(simulation, end)
    yield from _undisturbed(simulation, end)
    if end.seal.fenced and simulation.scenario.user.blind is None:
        yield f"nodes {end.seal.fenced} are fenced, and every node does what the others do"
    yield from _i5(simulation)
    yield from _i6(simulation)
    if simulation.queues.pairs:
        yield f"queues are left behind: {', '.join(simulation.queues.pairs)}"


def _canceled(simulation: Simulation) -> bool:
    return simulation.bucket.look(keys.cancel(RUN, 1)) is not None


def _unhandled(simulation: Simulation) -> Iterator[str]:
    loop = simulation.world.loop
    for exc in loop.failures():
        yield f"a task ended with {exc!r}, and nobody has looked"
    for context in loop.complaints:
        yield f"the loop complains: {context.get('message')} {context.get('exception')!r}"


def _i1(simulation: Simulation, end: Ending) -> Iterator[str]:
    """Every planned mini-batch has exactly one end, and the counts add up."""
    counts, planned = end.seal.counts, simulation.scenario.mini_batches
    if counts.total is not None and counts.settled != counts.total:
        yield f"I1: the counts do not add up: {counts}"
    if end.seal.verdict.completed and counts.total != planned:
        yield f"I1: completed with {counts.total} of {planned} mini-batches"
    if any(not 0 <= index < planned for index in end.winners):
        yield "I1: there are results of mini-batches that were never planned"


def _i2(simulation: Simulation, end: Ending) -> Iterator[str]:
    """The output holds the rows of each mini-batch that succeeded, or ended in a short return, exactly once, in order,
    and of others none."""
    scenario = simulation.scenario
    if scenario.output is None:
        return
    body = simulation.bucket.look(f"out/{scenario.output}")
    if not end.seal.verdict.completed:
        if body is not None:
            yield "I2: there is an output, though the step did not complete"
        return
    expected = b"".join(one.rows for _, one in sorted(end.winners.items()) if _has_rows(one))
    if scenario.output.endswith(".csv") and expected:
        expected = ROW_HEADER.encode() + expected
    if body != expected:
        yield f"I2: the output is {body!r}, but what was sealed is {expected!r}"
    returned = simulation.world.returned
    executions = defaultdict(set)
    for (index, _), rows in returned.items():
        executions[index].add(rows)
    for index, one in end.winners.items():
        if _has_rows(one) and one.rows not in executions[index]:
            yield f"I2: no execution of mini-batch {index} has returned {one.rows!r}"


def _isolated(simulation: Simulation, end: Ending) -> Iterator[str]:
    """Where failing items are looked for, all others have their rows, once and in order, and the counts say so."""
    scenario, counts = simulation.scenario, end.seal.counts
    if not end.seal.verdict.completed or scenario.max_receives < 100 or scenario.gives_up:
        return
    good = [file for file in range(scenario.files) if not scenario.user.is_poisoned(f"{file:03d}")]
    if (counts.items, counts.items_succeeded) != (scenario.files, len(good)):
        yield f"I1: of {scenario.files} items {len(good)} are good, but {counts}"
    if scenario.output is not None:
        kind = scenario.output.rpartition(".")[2]
        expected = b"".join(row_text(kind, file, 0) for file in good)
        header = ROW_HEADER.encode() if kind == "csv" and expected else b""
        body = simulation.bucket.look(f"out/{scenario.output}")
        if body != header + expected:
            yield f"I2: the output is {body!r}, but the good items make it {header + expected!r}"


def _files(simulation: Simulation, end: Ending) -> Iterator[str]:
    """Output files are those of successful attempts, one for each succeeded mini-batch, and nothing else."""
    scenario, bucket = simulation.scenario, simulation.bucket
    there = {name: bucket.look(name) for name in bucket.keys("out/files")}
    if not scenario.user.writes_files or not end.seal.verdict.completed:
        if there:
            yield f"I2: there are output files: {', '.join(there)}"
        return
    expected = {f"out/files/part-{index:03d}.txt" for index, one in end.winners.items() if _has_rows(one)}
    if set(there) != expected:
        yield f"I2: output files {sorted(set(there) ^ expected)} are missing or too many"
    for name, body in there.items():
        index, execution = map(int, (body or b"-1 -1").split())
        if (index, execution) not in simulation.world.returned:
            yield f"I2: {name} was written by an attempt that did not succeed"


def _undisturbed(simulation: Simulation, end: Ending) -> Iterator[str]:
    """Where user code cannot fail and nodes may vanish as often as they like, nothing is missing."""
    scenario = simulation.scenario
    user = scenario.user
    fallible = user.bad or user.flaky or user.broken_starts or user.poisoned or _canceled(simulation)
    fallible = fallible or scenario.gives_up
    if fallible or scenario.max_receives < 100:
        return
    if end.seal.counts.succeeded != scenario.mini_batches:
        yield f"I2: nothing could fail, but {end.seal.verdict.reason}: {end.seal.counts}"


def _i3(simulation: Simulation, end: Ending) -> Iterator[str]:
    """The verdict is what the outcomes and thresholds make it."""
    scenario, verdict = simulation.scenario, end.seal.verdict
    counts = end.counts(scenario, end.seal.counts.total)
    if replace(end.seal.counts, canceled=0) != replace(counts, canceled=0):
        yield f"I3: sealed {end.seal.counts}, but the results amount to {counts}"
    judged = judge(counts, scenario.thresholds, append_row=scenario.output is not None)
    if _canceled(simulation) and verdict.status is VerdictStatus.CANCELED:
        return
    if scenario.user.broken_starts and "cannot be started" in verdict.reason:
        return
    if verdict.status is VerdictStatus.FAILED and _bettered(end):
        return  # another copy of a mini-batch succeeded when its failure had ended the step already
    if judged != verdict:
        yield f"I3: the verdict is {verdict}, but the outcomes make it {judged}: {counts}"


def _bettered(end: Ending) -> bool:
    """Whether a mini-batch has failed in one copy and succeeded in another."""
    ended = [one for one in end.found if one.entry.status in FINAL]
    return any(_rank(one) > _rank(end.winners[one.entry.index]) for one in ended)


def _i5(simulation: Simulation) -> Iterator[str]:
    """No delivery was deleted before its result was durable, or its message sent anew."""
    durable: dict[tuple[int, int], set[Status]] = defaultdict(set)
    sent: Counter[tuple[str, int, int]] = Counter()
    received: dict[tuple[str, str], int] = {}
    for event in simulation.world.history:
        match event.what, event.about:
            case "durable", (int(index), int(attempt), status):
                durable[index, attempt].add(Status(str(status)))
            case "sent", (str(queue), int(index), int(attempt), _):
                sent[queue, index, attempt] += 1
            case "delivered", (str(queue), int(index), int(attempt), str(receipt)):
                received[queue, receipt] = sent[queue, index, attempt]
            case "deleted", (str(queue), int(index), int(attempt), _) if queue.startswith("dead"):
                if not durable[index, attempt] & {Status.DEAD_LETTERED, Status.FAILED}:
                    yield f"I5: {event} came before the end of the mini-batch was durable"
            case "deleted", (str(queue), int(index), int(attempt), str(receipt)):
                again = sent[queue, index, attempt] > received.get((queue, receipt), 0)
                known = durable[index, attempt]
                if not known and not again:
                    yield f"I5: {event} came before its result was durable"
                retried = known == {Status.RETRIED} and not again
                if retried and not any(sent[queue, index, later] for later in range(attempt + 1, attempt + 9)):
                    yield f"I5: {event} came before the mini-batch was sent again"


def _i6(simulation: Simulation) -> Iterator[str]:
    """User code is tried max_retries + 1 times, and again only for deliveries that came again."""
    scenario, world = simulation.scenario, simulation.world
    executed = Counter(world.executions)
    delivered = Counter(event.about[1:3] for event in world.history if event.what == "delivered")
    for (index, attempt), times in executed.items():
        if attempt > scenario.max_retries:
            yield f"I6: mini-batch {index} came to attempt {attempt}, with max_retries {scenario.max_retries}"
        if times > delivered[index, attempt]:
            yield f"I6: mini-batch {index} was executed {times} times as attempt {attempt}, delivered less often"
