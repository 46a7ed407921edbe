"""The mini-batch's one line of JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import DamagedRecordError
from fanout.records.mini_batch import Cut, MiniBatch, Piece, decode, encode

counts = st.integers(0, 2**31 - 1)
texts = st.text(max_size=20)
pieces = st.builds(
    lambda uri, ends, cut: Piece(uri, min(ends), max(ends), cut),
    st.text(min_size=1),
    st.tuples(counts, counts),
    st.sampled_from(Cut),
)
mini_batches = st.builds(
    MiniBatch,
    index=st.integers(0, 2**31 - 1),
    files=st.lists(texts, max_size=3).map(tuple),
    pieces=st.lists(pieces, max_size=3).map(tuple),
    items=st.none() | st.integers(0, 2**31 - 1),
    partition=st.dictionaries(texts, texts, max_size=3),
    first_row=st.none() | counts,
)


@given(st.lists(st.text(), min_size=1).map(tuple), st.integers(0, 9))
def test_lists_of_files_are_composed_as_json_is(files: tuple[str, ...], items: int) -> None:
    """By hand, with the same text as everything else."""
    line = encode(MiniBatch(3, files=files, items=items))
    assert line == json.dumps({"index": 3, "files": files, "items": items}, separators=(",", ":"))


@given(mini_batches)
def test_round_trip(batch: MiniBatch) -> None:
    """Any mini-batch comes back as it was, from one line of ASCII; partition keys keep their order."""
    line = encode(batch)
    found = decode(line, "here")
    assert found == batch
    assert list(found.partition) == list(batch.partition)
    assert line.isascii()
    assert "\n" not in line


@pytest.mark.parametrize(
    "line",
    ["", "{", "[]", "1", "{}", '{"index":-1}', '{"index":0,"files":[1]}', '{"index":0,"pieces":[["u",0,1,"pages"]]}',
     '{"index":0,"pieces":[["u",0]]}', '{"index":0,"partition":[]}', "[" * 100_000,
     '{"index":"0"}', '{"index":1.0}', '{"index":true}', '{"index":NaN}', '{"index":0,"files":"abc"}',
     '{"index":0,"items":-1}', '{"index":0,"items":"3"}', '{"index":0,"items":1e999}', '{"index":0,"first_row":[]}',
     '{"index":0,"pieces":[["u",5,1,"bytes"]]}', '{"index":0,"pieces":[["",0,1,"bytes"]]}', '{"index":0,"pieces":7}',
     '{"index":0,"partition":{"a":1}}', '{"index":' + "9" * 5000 + "}", '{"index":0}{"index":0}'],
)  # fmt: skip
def test_what_is_no_mini_batch(line: str) -> None:
    """A damaged line is an error that says where it stands."""
    with pytest.raises(DamagedRecordError, match="manifests/00001"):
        decode(line, "manifests/00001.jsonl")
