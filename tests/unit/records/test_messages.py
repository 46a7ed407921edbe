"""Messages: what travels through the queue."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import DamagedRecordError
from fanout.records.messages import Message, Pointer, decode, decode_signed, encode, encode_first
from fanout.records.mini_batch import MiniBatch
from fanout.records.mini_batch import encode as encode_batch
from fanout.records.parts import ItemRange
from fanout.security.signature import UNSIGNED, Signer, new_key
from fanout.storage.keys import StepRound

AT = StepRound("r", "s")
SIGNER = Signer(new_key())

names = st.text(min_size=1, max_size=20)
counts = st.integers(0, 2**31 - 1)
lines = st.builds(lambda uri, key: encode_batch(MiniBatch(7, files=(uri,), partition={key: uri})), names, names)


@given(names, names, st.integers(1, 999), counts, lines)
def test_the_line_arrives_untouched(run: str, step: str, round_: int, attempt: int, line: str) -> None:
    """What stands in the manifest is what the slot gets, character by character."""
    message = Message(StepRound(run, step, round_), 7, attempt, line=line)
    assert decode(encode(message)) == message
    signed = encode(message, SIGNER)
    SIGNER.check(signed)
    assert decode(signed) == decode_signed(signed, message.at) == decode_signed(signed, AT) == message


@given(names, counts, lines)
def test_a_signed_first_try_is_read_without_parsing(run: str, index: int, line: str) -> None:
    """Nearly all messages; what is read is what parsing would give."""
    message = Message(StepRound(run, "s"), index, 0, line=line.replace("7", str(index), 1))
    body = encode(message, SIGNER)
    assert decode_signed(body, message.at) == decode(body) == message


@pytest.mark.parametrize("number", ["-1", "1_0", "", " 1", "1.0", "²"])
def test_an_index_that_is_none_is_refused(number: str) -> None:
    """Also by a reader that forgot to check the signature."""
    body = encode(Message(AT, 7, 0, line='{"index":7}'), SIGNER).replace('"index":7', f'"index":{number}', 1)
    with pytest.raises(DamagedRecordError):
        decode_signed(body, AT)


@given(names, names, st.integers(1, 999), lines)
def test_first_tries_are_composed_alike(run: str, step: str, round_: int, line: str) -> None:
    """Those of a shard at once are what each is alone."""
    at = StepRound(run, step, round_)
    numbered = [(7, line), (8, '{"index":8}')]
    for signer in (UNSIGNED, SIGNER):
        alone = [encode(Message(at, index, 0, line=line), signer) for index, line in numbered]
        assert encode_first(at, numbered, signer) == alone


@given(names, counts, counts, st.text("{}ab", min_size=1))
def test_pointer(key: str, index: int, start: int, line: str) -> None:
    """A long mini-batch is named by its place in a manifest, and known by its checksum."""
    message = Message(AT, index, 0, pointer=Pointer.to(key, start, line))
    assert decode(encode(message)) == message
    assert message.pointer is not None
    assert message.pointer.check(line.encode()) == line.encode()
    for other in (line + "a", line[:-1], line[:-1] + "c"):
        with pytest.raises(DamagedRecordError, match="altered since it was planned"):
            message.pointer.check(other.encode())


def test_what_must_be_alone_says_so() -> None:
    """And stays so on its way; nothing but true and false is an answer."""
    message = Message(AT, 7, 1, line='{"index":7}', alone=True)
    assert decode(encode(message)) == message
    with pytest.raises(DamagedRecordError, match="alone is 'yes', expected true or false"):
        decode(encode(message).replace('"alone":true', '"alone":"yes"'))


def test_a_retry_says_where_it_failed() -> None:
    """On which nodes, and how often the last of them has left it to others since."""
    message = Message(AT, 7, 2, line='{"index":7}', failed_on=(3, 12), passed_on=1)
    assert decode(encode(message)) == message
    with pytest.raises(DamagedRecordError, match="failed_on is 3, expected a list"):
        decode(encode(message).replace("[3,12]", "3"))


def test_line_in_another_spelling() -> None:
    """A message that somebody wrote by hand, with blanks, means the same."""
    body = json.dumps(json.loads(encode(Message(AT, 7, 0, line='{"index":7,"files":["a"]}'))), indent=1)
    assert decode(body).line == '{"index":7,"files":["a"]}'


@given(lines, st.integers(0, 10_000), st.characters(min_codepoint=32, max_codepoint=126))
def test_an_altered_message_is_read_with_care(line: str, place: int, character: str) -> None:
    """A checksum that fits spares parsing the line; with one that does not, what stands there is what counts."""
    body = encode(Message(AT, 7, 0, line=line))
    at = place % len(body)
    altered = f"{body[:at]}{character}{body[at + 1 :]}"
    try:
        found = decode(altered)
    except DamagedRecordError:
        return
    fields = json.loads(altered)
    assert (found.at.run, found.at.step, found.index, found.attempt) == (
        fields["run"],
        fields["step"],
        fields["index"],
        fields["attempt"],
    )
    assert found.line is not None
    assert json.loads(found.line) == fields["batch"]


def test_a_message_without_content_is_a_bug() -> None:
    """Neither line nor pointer: nobody could work on it."""
    with pytest.raises(ValueError, match="neither"):
        encode(Message(AT, 0, 0))


GOOD = {"v": 1, "run": "r", "step": "s", "index": 3, "attempt": 0, "batch": {"index": 3}}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"v": 2}, "version 2, this fanout reads version 1"),
        ({"v": None}, "version None"),
        ({"run": ""}, "run is ''"),
        ({"step": 5}, "step is 5"),
        ({"index": -1}, "index is -1"),
        ({"index": True}, "index is True"),
        ({"attempt": "0"}, "attempt is '0'"),
        ({"index": 4}, "not the mini-batch that the message names"),
        ({"batch": []}, "not the mini-batch"),
        ({"index": 10**400}, "index is a number of very many digits"),
        ({"attempt": 2**31}, "attempt is 2147483648"),
        ({"attempt": float("nan")}, "NaN is not JSON"),
        ({"round": 0}, "round is 0"),
        ({"at": ["key", -1, 5, 0]}, "start is -1"),
        ({"at": ["key", 0, 0, 0]}, "length is 0"),
        ({"at": ["key", 0, True, 0]}, "length is True"),
        ({"at": ["key", 0, 2**40, 0]}, "length is 1099511627776"),
        ({"at": ["key", 0, 5, -1]}, "CRC is -1"),
        ({"at": ["", 0, 5, 0]}, "the key of a manifest is ''"),
        ({"at": ["key", 0]}, "missing 2 required"),
        ({"at": None}, "TypeError"),
    ],
)
def test_damaged_messages(change: dict[str, object], reason: str) -> None:
    """Each field is checked; the error says which one is wrong."""
    with pytest.raises(DamagedRecordError, match=reason):
        decode(json.dumps(GOOD | change))


@pytest.mark.parametrize("body", ["", "no json", "[]", "3", "null", '"text"', "{}", "[" * 100_000])
def test_what_is_no_message(body: str) -> None:
    """Anything may stand in a queue."""
    with pytest.raises(DamagedRecordError):
        decode(body)


@given(st.integers(0, 2**30), st.integers(1, 2**30 - 1), st.booleans())
def test_parts_and_copies_arrive(start: int, items: int, copy: bool) -> None:
    """Which items of the mini-batch are meant, and whether another message for them is under way."""
    message = Message(AT, 7, 1, line='{"index":7}', part=ItemRange(start, start + items), copy=copy)
    assert decode(encode(message)) == message


@pytest.mark.parametrize(("name", "value"), [("part", [3, 3]), ("part", "x"), ("part", [1]), ("copy", 1)])
def test_no_part_and_no_copy(name: str, value: object) -> None:
    """Anything else than two numbers in order, and true or false, is damage."""
    fields = json.loads(encode(Message(AT, 7, 0, line='{"index":7}')))
    with pytest.raises(DamagedRecordError, match=r"part|expected"):
        decode(json.dumps({name: value, **fields}))
