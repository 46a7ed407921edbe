import os
from pathlib import Path

import pytest

from fanout.security.ownership import own_weakness, weakness

OTHER = 4711
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of this user, in a folder of this user."""
    folder = tmp_path / "folder"
    folder.mkdir(mode=0o755)
    file = folder / "fanout.toml"
    file.touch(mode=0o644)
    return file


def test_what_only_this_user_may_change(file: Path) -> None:
    """Nothing speaks against a file of one's own in folders of one's own; a name above that is root's neither."""
    assert weakness(file) is None
    assert weakness(Path("/etc/passwd")) is None


@pytest.mark.parametrize("mode", [0o646, 0o666, 0o602])
def test_a_file_that_everybody_may_write(file: Path, mode: int) -> None:
    file.chmod(mode)
    assert weakness(file) == f"every user may write to '{file}'"
    assert own_weakness(file) == weakness(file)


def test_a_folder_on_the_way_that_everybody_may_write(file: Path) -> None:
    """Another file can be put in the place of this one."""
    file.parent.chmod(0o777)
    assert weakness(file) == f"every user may write to '{file.parent}'"
    assert own_weakness(file) is None


def test_a_sticky_folder_keeps_what_is_in_it(file: Path) -> None:
    """As /tmp: everybody may add entries, and only their owners may replace them."""
    file.parent.chmod(0o1777)
    assert weakness(file) is None


@as_root
def test_what_another_user_put_into_a_sticky_folder(file: Path) -> None:
    """A file planted in /tmp counts for nobody, and not for root."""
    file.parent.chmod(0o1777)
    os.chown(file, OTHER, OTHER)
    assert weakness(file) == f"'{file}' belongs to the user {OTHER}"


@as_root
def test_a_folder_of_another_user(file: Path) -> None:
    os.chown(file.parent, OTHER, OTHER)
    assert weakness(file) == f"'{file.parent}' belongs to the user {OTHER}"


@as_root
def test_links_of_other_users(file: Path, tmp_path: Path) -> None:
    """A link of another user, or one in a folder that another user may change, chooses the file."""
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o1777)
    link, first = public / "link", tmp_path / "first"
    link.symlink_to(file)
    first.symlink_to(link)
    assert weakness(first) is None
    os.chown(link, OTHER, OTHER, follow_symlinks=False)
    assert weakness(link) == weakness(first) == f"'{link}' belongs to the user {OTHER}"


def test_links_lead_to_what_is_looked_at(file: Path, tmp_path: Path) -> None:
    """The target of a link, by a relative path too, is held to the same."""
    (tmp_path / "link").symlink_to(Path("folder") / ".." / "folder")
    assert weakness(tmp_path / "link" / "fanout.toml") is None
    file.chmod(0o666)
    assert weakness(tmp_path / "link" / "fanout.toml") == f"every user may write to '{file}'"
    (tmp_path / "own").symlink_to(file)
    assert own_weakness(tmp_path / "own") == f"every user may write to '{file}'"


@as_root
@pytest.mark.parametrize(("group", "weak"), [(0, False), (100, True), (OTHER, True)])
def test_a_group_counts_as_others_unless_it_holds_the_owner_alone(file: Path, group: int, weak: bool) -> None:
    """With umask 002 files are written for a group that each user has for himself."""
    os.chown(file, 0, group)
    file.chmod(0o664)
    assert (weakness(file) is not None) is weak


@as_root
def test_root_by_sudo_trusts_the_user_that_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sudo fanout` in one's own project finds the file there."""
    os.chown(file, OTHER, OTHER)
    assert weakness(file) is not None
    monkeypatch.setenv("SUDO_UID", str(OTHER))
    assert weakness(file) is None


def test_links_in_a_circle_end(tmp_path: Path) -> None:
    """Reading such a file fails anyhow."""
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert weakness(tmp_path / "a") is None


def test_what_cannot_be_looked_at(tmp_path: Path) -> None:
    assert weakness(tmp_path / "nowhere") == f"'{tmp_path / 'nowhere'}' cannot be looked at (No such file or directory)"
