"""Inputs as a program sees them (reference, section 4)."""

from pathlib import Path

import pytest

from fanout.files import uris
from fanout.node.step_inputs import fetch_inputs
from fanout.pipeline.model import DataType, InputMode
from fanout.records.step import BoundInput
from fanout.storage.access import Access

ACCESS = Access.from_environ({})


async def test_literals_are_text_and_may_be_missing(tmp_path: Path) -> None:
    """A literal is its text; an optional input without a value is None, so that its group is dropped."""
    inputs = {"rate": BoundInput(literal="0.5"), "none": BoundInput()}
    assert await fetch_inputs(inputs, tmp_path / "in", ACCESS) == {"rate": "0.5", "none": None}


@pytest.mark.parametrize("mode", [None, *InputMode])
async def test_local_data_is_used_in_place(tmp_path: Path, mode: InputMode | None) -> None:
    """Whatever the mode says, nothing on this machine is copied."""
    place = tmp_path / "da ta"
    place.mkdir()
    found = await fetch_inputs({"d": BoundInput(uri=uris.from_path(place), mode=mode)}, tmp_path / "in", ACCESS)
    assert found == {"d": str(place)}
    assert not (tmp_path / "in").exists()


async def test_direct_remote_data_stays_where_it_is(tmp_path: Path) -> None:
    """In direct mode the program gets the URI."""
    bound = BoundInput(uri="s3://bucket/key", type=DataType.URI_FILE, mode=InputMode.DIRECT)
    assert await fetch_inputs({"d": bound}, tmp_path / "in", ACCESS) == {"d": "s3://bucket/key"}
