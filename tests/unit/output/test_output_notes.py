"""Files that several mini-batches wrote and files that are older are said: how many, which, whose, and what to do."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from fanout.files import uris
from fanout.output.output_notes import overwritten, stale
from fanout.pipeline.model import DataType
from fanout.records.step import BoundOutput
from fanout.results.split_tree import StagedFiles
from fanout.storage.access import Access

ACCESS = Access.from_environ({})


@pytest.fixture
def outputs(tmp_path: Path) -> Mapping[str, BoundOutput]:
    """A folder, and a single file."""
    return {
        "models": BoundOutput(uris.from_path(tmp_path / "models")),
        "best": BoundOutput(uris.from_path(tmp_path / "best.bin"), DataType.URI_FILE),
    }


def _staged(*files: tuple[str, str]) -> list[StagedFiles]:
    return [StagedFiles(folder, (name,)) for folder, name in files]


def test_files_of_the_same_name_are_counted_and_named(outputs: Mapping[str, BoundOutput]) -> None:
    """All but the last of each are lost; parts of one mini-batch and shutdown() count as writers, too."""
    staged = _staged(
        ("0-0-process000-000-00000000", "models/shop-1.pkl"),
        ("1-0-process001-000-00000000", "models/shop-1.pkl"),
        ("2-1-process000-000-00000001", "models/shop-1.pkl"),
        ("3.0.5-0-process000-000-00000001", "models/shop-2.pkl"),
        ("4-0-process000-000-00000001", "models/shop-2.pkl"),
        ("5-0-process000-000-00000001", "best/best.bin"),
        ("shutdown-process000-000-00000002", "best/best.bin"),
        ("6-0-process000-000-00000002", "models/alone.pkl"),
    )
    [said] = overwritten(staged, outputs)
    assert said.startswith(
        "4 files were overwritten by later mini-batches, as several wrote under the same name: "
        "models/shop-1.pkl by mini-batches 0-2; models/shop-2.pkl by mini-batches 3-4; best by mini-batches 5 and "
        "shutdown(); name files by context.minibatch_index"
    )


def test_names_of_their_own_are_nothing_to_say(outputs: Mapping[str, BoundOutput]) -> None:
    """As a script should do it."""
    assert list(overwritten(_staged(("0-0-p", "models/0.pkl"), ("1-0-p", "models/1.pkl")), outputs)) == []


async def test_files_that_were_there_are_said_and_stay(outputs: Mapping[str, BoundOutput], tmp_path: Path) -> None:
    """Those of this step are not among them, also when they are published; odd names are the same names."""
    folder = tmp_path / "models"
    folder.mkdir()
    for name in ("old.pkl", "mine.pkl", "caf\u00e9 %20.pkl"):
        (folder / name).write_bytes(b"")
    staged = _staged(("0-0-p", "models/mine.pkl"), ("1-0-p", "models/caf\u00e9 %20.pkl"))
    [said] = await stale(staged, outputs, ACCESS, None)
    assert said.startswith(f"output models holds 1 file that this step has not written ({folder}/old.pkl); they stay")
    assert (folder / "old.pkl").exists()
    assert await stale(staged, outputs, ACCESS, uris.from_path(folder / "old.pkl")) == []  # the joined rows


async def test_an_output_that_is_new_has_nothing_old(outputs: Mapping[str, BoundOutput]) -> None:
    """Neither a folder that is not there yet, nor one that this step writes no file into."""
    assert await stale(_staged(("0-0-p", "models/a"), ("1-0-p", "best/best.bin")), outputs, ACCESS, None) == []
    assert await stale([], outputs, ACCESS, None) == []
