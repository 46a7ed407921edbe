"""What is stored and sent: messages, manifests, records of steps and runs, results, frames, code, answers of SQS."""

import asyncio
import hashlib
import io
import json
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from obstore.store import MemoryStore

from fanout.clock import SystemClock
from fanout.code_snapshots import archive as code
from fanout.errors import FanoutError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import EntryTask, ParallelStep
from fanout.planning import manifests
from fanout.planning.manifests import Tally, next_shard, parse_summary, read_mini_batch, read_shard, write_summary
from fanout.queues.base import Delivery
from fanout.queues.sqs import SqsQueue
from fanout.queues.sqs_client import SqsRequests
from fanout.queues.step_queues import open_queues
from fanout.records import messages, mini_batch, step
from fanout.records.cancelation import read_cancelation
from fanout.records.messages import Message, Pointer
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.records.row_format import RowFormat
from fanout.records.run import RunRecord, StepPlace, create_record, load_record, open_round
from fanout.records.seal import Seal, read_seal, seal
from fanout.records.step import BoundInput, BoundOutput, Continued, StepRecord
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.results import codec
from fanout.results.codec import PREFIX, Cause, Entry, Event, Failure, Status
from fanout.results.ledger import Ledger
from fanout.slot import protocol
from fanout.slot.frames import FrameBuffer
from fanout.slot.protocol import Done, ProtocolViolation, StartOrder
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.keys import StepRound
from fanout.storage.objects import read
from fanout.supervision.dead_letters import DeadLetters
from tests.fuzz.reader import Reader, text_of
from tests.fuzz.readers.spec import PIPELINE, project

AT = StepRound("r", "s")
TOTAL = 3
BATCHES = (
    MiniBatch(0, files=("file:///a%20b", "s3://b/k"), items=2),
    MiniBatch(1, pieces=(Piece("file:///t.csv", 0, 100, Cut.BYTES),), first_row=7),
    MiniBatch(2, pieces=(Piece("s3://b/t.parquet", 2, 3, Cut.ROW_GROUPS),), partition={"day": "1", "é": "x"}, items=5),
)
SHARD = next_shard(iter(BATCHES), 0)
FAILURE = Failure(Cause.EXCEPTION, "ValueError: x", "Traceback …")
ENTRY = Entry(0, 1, Status.SUCCEEDED, 2, 2, "process000", 1.7e9, 0.1, 0.2, 2, header="a,b\n", files=("plots/a.png",))
DONE = Done(2, 2, 0.1, 0.2, 2, b"a\nb\n", "a,b\n", ("plots/x",), FAILURE)


def _done(work: Awaitable[Any]) -> Any:
    """The outcome of a coroutine that waits for nothing outside."""
    with asyncio.Runner() as runner:
        return runner.run(_as_coroutine(work))


async def _as_coroutine(work: Awaitable[Any]) -> Any:
    return await work


def _tally() -> Tally:
    tally = Tally()
    tally.add(SHARD)
    return tally


def _stored(key: str, look: Callable[[MemoryStore], Awaitable[object]]) -> Callable[[bytes], object]:
    """A reader that finds its input at `key` of a store that is otherwise empty."""

    def reader(body: bytes) -> object:
        store = MemoryStore()
        store.put(key, body)
        return _done(look(store))

    return reader


def _written(key: str, write: Callable[[MemoryStore], Awaitable[object]]) -> bytes:
    """The object at `key` as fanout writes it."""

    async def get() -> bytes:
        store = MemoryStore()
        await write(store)
        body = await read(store, key)
        assert body is not None
        return body

    return bytes(_done(get()))


def _mini_batch(body: bytes) -> object:
    batch = mini_batch.decode(body, "here")
    assert mini_batch.decode(mini_batch.encode(batch), "here") == batch
    return batch


def _message(body: bytes) -> object:
    message = messages.decode(text_of(body))
    if message.line is None or message.line.isascii():
        assert messages.decode(messages.encode(message)) == message
    return message


def _dead_letter(body: bytes) -> object:
    """What becomes of it is a result object that every later reader takes."""
    queue, store = _OneMessage(text_of(body)), MemoryStore()
    _done(DeadLetters(queue, store, AT, SystemClock()).drain(0, TOTAL))
    found = _done(read(store, keys.result(AT, 0, 0)))
    if found is not None:
        ledger = Ledger(TOTAL)
        ledger.absorb(0, 0, codec.decode_index(found, "result"))
        assert ledger.counts.settled <= 1
    return found


class _OneMessage:
    """A dead-letter queue with one message in it."""

    depth_lag = 0.0

    def __init__(self, body: str) -> None:
        self._left = [Delivery(body, "receipt", 1)]

    async def send(self, bodies: Sequence[str], delay: float = 0) -> None:
        raise NotImplementedError

    async def receive(self, *_: float) -> list[Delivery]:
        left, self._left = self._left, []
        return left

    async def extend(self, held: Sequence[Delivery], seconds: float) -> list[Delivery]:
        raise NotImplementedError

    async def delete(self, done: Sequence[Delivery]) -> None:
        assert len(done) == 1

    async def depth(self) -> Any:
        raise NotImplementedError


def _manifest(body: bytes) -> object:
    """Only what was planned is taken, to the byte."""
    shard = _stored(keys.manifest(AT, 0), lambda store: read_shard(store, AT, 0, _tally().summary(None)))(body)
    assert body == SHARD.body
    return shard


async def _planned(store: MemoryStore) -> object:
    await write_summary(store, AT, _tally().summary(None))
    return await read_mini_batch(store, AT, 1)


def _pointed(body: bytes) -> object:
    pointer = Pointer.to("manifest", len(SHARD.lines[0]) + 1, SHARD.lines[1])
    line = _stored("manifest", lambda store: manifests.read_line(store, pointer))(body)
    assert line == SHARD.lines[1].encode()
    return line


def _plan(body: bytes) -> object:
    summary = parse_summary(body, "plan.json")
    assert len(summary.shard_digests) == summary.shards
    return summary


STEP = StepRecord(
    run="r",
    step=ParallelStep(name="s", task=EntryTask("score.py", program_arguments="--a b"), input_data="files"),
    inputs={"files": BoundInput(uri="file:///data"), "rate": BoundInput(literal="3")},
    outputs={"out": BoundOutput("file:///out")},
    row_format=RowFormat.TEXT,
    visibility=30.0,
    code="a" * 64,
    continues=Continued(1, (0, 2)),
    round=2,
)


def _step(body: bytes) -> object:
    found = step.load(body, "step.json")
    assert step.load(step.dump(found), "again") == found
    return found


def _run_record() -> RunRecord:
    file = project() / "seed.yml"
    file.write_bytes(PIPELINE)
    return RunRecord("r", load_pipeline(file), 1.7e9, {"score": "a" * 64}, {"blobs": "s3://b"})


def _round() -> bytes:
    later = replace(_run_record(), round=2, places={"score": StepPlace(2, 1, Continued(1, (0, 5)))})
    return _written(keys.redrive_json("r", 2), lambda store: open_round(store, later))


def _redrive(body: bytes) -> object:
    async def look(store: MemoryStore) -> object:
        await create_record(store, _run_record())
        return await load_record(store, "r")

    return _stored(keys.redrive_json("r", 2), look)(body)


SEAL = Seal(Verdict(VerdictStatus.FAILED, "because"), Counts(total=3, succeeded=2, failed=1), {0: 2, 1: 0}, 1.7e9, 3.5)


def _seal(body: bytes) -> object:
    async def look(store: MemoryStore) -> object:
        found = await read_seal(store, "verdict.json")
        assert found is not None
        await seal(store, "again", found)
        assert await read_seal(store, "again") == found
        return found

    return _stored("verdict.json", look)(body)


def _result_seed() -> bytes:
    failed = replace(ENTRY, index=1, status=Status.FAILED, header=None, files=(), failure=FAILURE)
    event = Event("process001", 1.7e9, FAILURE, gave_up=True, files=("plots/b",))
    return codec.encode([ENTRY, failed], [b"x,1\ny,2\n", b""], [event])


def _result(body: bytes) -> object:
    index = codec.decode_index(body, "result")
    assert body[: index.rows_at] == _result_seed()[: index.rows_at], "altered, and not noticed"
    return index


def _forged_result(body: bytes) -> object:
    """An index of any content with the right checksum: whoever could write that."""
    index = codec.decode_index(PREFIX.pack(codec.MAGIC, len(body), zlib.crc32(body)) + body, "result")
    again = codec.decode_index(codec.encode(index.entries, [b""] * len(index.entries), index.events), "again")
    assert [e.index for e in again.entries] == [e.index for e in index.entries]
    Ledger(TOTAL).absorb(0, 0, index)
    return index


def _queue_note(store: MemoryStore) -> Awaitable[object]:
    class Service:
        async def open(self, name: str) -> None:
            assert isinstance(name, str)
            assert name

    return open_queues(store, Service(), AT, "file:///store")  # type: ignore[arg-type]


def _frames(body: bytes) -> object:
    try:
        found = [protocol.answer(*frame) for frame in FrameBuffer().feed(body)]
    except (ValueError, RecursionError) as exc:  # what SlotProcess answers for
        return exc
    for answer in found:
        if isinstance(answer, Done):
            [(head, payload)] = FrameBuffer().feed(answer.frame())
            assert protocol.answer(head, payload) == answer
    return found


def _answer(body: bytes) -> object:
    header, answer = json.loads(body), protocol.answer(body, b"")
    assert isinstance(answer, ProtocolViolation | Done) or header["t"] != "done"
    return answer


def _sqs_only(body: bytes) -> object:
    """As botocore hands it on: an object, whatever is in it."""
    if not isinstance(json.loads(body), dict):
        raise FanoutError("botocore reads objects only")
    return _sqs(body)


def _json_only(read: Callable[[bytes], object]) -> Callable[[bytes], object]:
    def reader(body: bytes) -> object:
        try:
            json.loads(body)
        except (ValueError, RecursionError) as exc:
            raise FanoutError("not even JSON") from exc
        return read(body)

    return reader


def _archive(*members: tuple[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
    return buffer.getvalue()


def _code(body: bytes) -> object:
    """An archive of any content under the right digest; whatever is unpacked is in the folder."""
    with tempfile.TemporaryDirectory(prefix="fanout-fuzz-") as context:
        folder = Path(context) / "in" / "code"
        folder.mkdir(parents=True)
        code.unpack(body, hashlib.sha256(body).hexdigest(), folder)
        assert [path.name for path in Path(context).iterdir()] == ["in"]
        assert [path.name for path in folder.parent.iterdir()] == ["code"]
        assert not any(path.is_symlink() for path in folder.rglob("*"))
    return None


class _Answering:
    """An SQS client whose every answer is the same."""

    def __init__(self, answer: Any) -> None:
        self._answer = answer

    async def _call(self, **_: Any) -> Any:
        return self._answer

    send_message_batch = delete_message_batch = receive_message = get_queue_attributes = _call


def _sqs(body: bytes) -> object:
    async def talk() -> object:
        requests = SqsRequests(Access(), _NoTime())
        requests._client = _Answering(json.loads(body))
        queue = SqsQueue(requests, "https://sqs/q")
        found: list[object] = []
        held = [Delivery("", "r", 1)]
        for ask in (
            lambda: queue.send(["a", "b"]),
            lambda: queue.delete(held),
            lambda: queue.receive(10, 0),
            queue.depth,
        ):
            try:
                found.append(await ask())
            except FanoutError as exc:
                found.append(exc)
        return found

    return _done(talk())


class _NoTime(SystemClock):
    async def sleep(self, _: float) -> None:
        await asyncio.sleep(0)


SQS_ANSWERS = (
    b'{"Successful": [{"Id": "0"}], "Failed": [{"Id": "1", "SenderFault": true, "Code": "InvalidX", "Message": "m"}]}',
    b'{"Messages": [{"Body": "b", "ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": "2"}}]}',
    b'{"Attributes": {"ApproximateNumberOfMessages": "3", "ApproximateNumberOfMessagesNotVisible": "1"}}',
)
MESSAGES = (
    messages.encode(Message(AT, 1, 0, line=SHARD.lines[1])).encode(),
    messages.encode(Message(AT.in_round(3), 2, 1, pointer=Pointer.to("m/00000.jsonl", 5, SHARD.lines[2]))).encode(),
)
DEAD = (*MESSAGES, b'{"message": "x", "reason": "cannot be read"}', b'{"v": 1, "tries": 3, "reason": "x"}')
START = StartOrder("score.py", "/c", ["--a"], "text", None, "0", "p", "/l", {"o": "/o"}, "/a", "/o", "/i", "INFO", "")

READERS = (
    Reader("mini-batch", tuple(line.encode() for line in SHARD.lines), _mini_batch),
    Reader("message", MESSAGES, _message),
    Reader("dead letter", DEAD, _dead_letter),
    Reader("manifest", (SHARD.body,), _manifest),
    Reader("manifest line", (SHARD.body,), _pointed),
    Reader("manifest of one", (SHARD.body,), _stored(keys.manifest(AT, 0), _planned)),
    Reader("plan.json", (_written(keys.plan_json(AT), lambda s: write_summary(s, AT, _tally().summary("{}"))),), _plan),
    Reader("step.json", (step.dump(STEP),), _step),
    Reader(
        "run.json",
        (_written(keys.run_json("r"), lambda store: create_record(store, _run_record())),),
        _stored(keys.run_json("r"), lambda store: load_record(store, "r")),
    ),
    Reader("redrive.json", (_round(),), _redrive),
    Reader("seal", (_written("verdict.json", lambda store: seal(store, "verdict.json", SEAL)),), _seal),
    Reader("result", (_result_seed(),), _result),
    Reader("forged result", (_result_seed()[PREFIX.size :].partition(b"x,1")[0],), _forged_result),
    Reader("queue note", (b'{"name": "fanout-abc-r-s-0"}',), _stored(keys.queue(AT, 0), _queue_note)),
    Reader(
        "cancelation",
        (b'{"by": "me", "host": "here", "at": 1.7e9}',),
        _stored(keys.cancel("r"), lambda store: read_cancelation(store, "r", 1)),
    ),
    Reader("frames", (DONE.frame() + protocol.ready_frame(0.1), protocol.loaded_frame(3, 0.5), START.frame()), _frames),
    Reader(
        "answer", (DONE.frame()[12:].partition(b"a\nb\n")[0], b'{"t": "loaded", "n": 3, "s": 0.5}'), _json_only(_answer)
    ),
    Reader("code archive", (_archive(("score.py", b"x" * 100), ("pkg/m.py", b"y"), ("näme", b"")),), _code),
    Reader("SQS answer", SQS_ANSWERS, _json_only(_sqs_only)),
)
