"""Files that appear whole or not at all."""

from pathlib import Path

import pytest

from fanout.store.appearing import appearing


def test_it_takes_the_place_of_what_was_there(tmp_path: Path) -> None:
    """Until it is whole the old one stays; nothing else is left. Missing folders are made, long names do."""
    target = tmp_path / "folder" / ("n" * 250)
    for content in ("old", "new"):
        with appearing(target) as partial:
            partial.write_text(content)
            assert partial.parent == target.parent
            assert not target.exists() or target.read_text() == "old"
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    """And what was there stays."""
    target = tmp_path / "file"
    target.write_text("old")
    with pytest.raises(ValueError, match="cut off"), appearing(target) as partial:
        partial.write_text("half")
        raise ValueError("cut off")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
