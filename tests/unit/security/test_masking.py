"""Credentials in logs are masked where they stand."""

import logging
from pathlib import Path

import pytest

from fanout.security import masking
from fanout.security.masking import GrowingFiles, mask_file, mask_folder


@pytest.mark.parametrize("window", [8, 13, 4096])
def test_every_place_is_masked_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int) -> None:
    """At the edges of what is read at once, side by side, and at both ends of the file; its size stays."""
    monkeypatch.setattr(masking, "WINDOW", window)
    path = tmp_path / "log"
    path.write_bytes(b"geheimab geheim\xffgeheimgeheim token77 gehei geheim")
    assert mask_file(path, ("token77", "geheim")) >= 6
    assert path.read_bytes() == b"******ab ******\xff************ ******* gehei ******"


def test_folders_are_gone_through_and_links_are_not_followed(tmp_path: Path) -> None:
    """What a link in a log folder points at is not ours to change."""
    (tmp_path / "logs/a/b").mkdir(parents=True)
    for name in ("logs/a/b/x", "logs/y", "outside"):
        (tmp_path / name).write_text("geheim")
    (tmp_path / "logs/link").symlink_to(tmp_path / "outside")
    (tmp_path / "logs/empty").touch()
    assert mask_folder(tmp_path / "logs", ("geheim",)) == 2
    assert (tmp_path / "outside").read_text() == "geheim"
    assert (tmp_path / "logs/a/b/x").read_text() == "******"


def test_a_writer_at_the_end_is_not_disturbed(tmp_path: Path) -> None:
    """A process that still logs goes on behind what was masked."""
    with (tmp_path / "log").open("a") as writer:
        writer.write("geheim\n")
        writer.flush()
        assert mask_folder(tmp_path, ("geheim",)) == 1
        writer.write("more\n")
    assert (tmp_path / "log").read_text() == "******\nmore\n"


def test_without_secrets_no_file_is_opened(tmp_path: Path) -> None:
    """Most runs have none, and many logs."""
    assert mask_folder(tmp_path / "nowhere", ()) == 0
    assert mask_file(tmp_path / "nowhere", ()) == 0


def test_a_file_that_cannot_be_read_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are masked all the same."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("geheim")
    real = masking._mask

    def refuse(path: Path, secrets: list[bytes]) -> int:
        if path.name == "a":
            raise PermissionError(13, "Permission denied")
        return real(path, secrets)

    monkeypatch.setattr(masking, "_mask", refuse)
    with caplog.at_level(logging.WARNING):
        assert mask_folder(tmp_path, ("geheim",)) == 1
    assert "cannot be masked" in caplog.text


def test_growing_files_are_looked_at_where_they_have_grown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A credential that was half written at one look is whole at the next; nothing is read twice without a reason."""
    files = GrowingFiles((tmp_path / "logs", tmp_path / "nowhere"), ("geheim", "token77"))
    (tmp_path / "logs").mkdir()
    path = tmp_path / "logs" / "out"
    path.write_bytes(b"a geheim b gehe")
    assert files.mask() == 1
    with path.open("ab") as writer:
        writer.write(b"im c toke")
    assert files.mask() == 1
    with path.open("ab") as writer:
        writer.write(b"n77\n")
    assert files.mask() == 1
    assert path.read_bytes() == b"a ****** b ****** c *******\n"
    monkeypatch.setattr(masking, "_mask", None)
    assert files.mask() == 0


def test_without_secrets_growing_files_are_not_looked_for(tmp_path: Path) -> None:
    assert GrowingFiles((tmp_path,), ()).mask() == 0
