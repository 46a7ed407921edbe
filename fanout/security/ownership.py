"""Which files other users of this machine may change: what they may change decides nothing unless it was named.

Only this user and root are trusted. Looked at are a file, every folder on the way to it, and every link on that way,
since the owner of any of them can put another file in its place.
"""

import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

MOST_LINKS = 40
_ACL = "system.posix_acl_access"


def weakness(path: Path) -> str | None:
    """Why another user may replace or change what is at `path`, in a sentence; None when none may."""
    for place in _way_to(path.absolute()):
        try:
            status = place.lstat()
        except OSError as exc:
            return f"'{place}' cannot be looked at ({exc.strerror})"
        if found := _weakness(place, status):
            return found
    return None


def own_weakness(place: Path) -> str | None:
    """As `weakness`, of what is at `place` alone: others may change the folder it is in, but then it is theirs."""
    if place.is_symlink():
        return weakness(place)
    return _weakness(place, place.stat())


def _weakness(place: Path, status: os.stat_result) -> str | None:
    if status.st_uid not in _trusted():
        return f"'{place}' belongs to {_user(status.st_uid)}"
    if stat.S_ISLNK(status.st_mode) or _is_sticky_folder(status.st_mode):
        return None  # a link has no mode; in a sticky folder each entry is its owner's, who is looked at, too
    if status.st_mode & stat.S_IWOTH:
        return f"every user may write to '{place}'"
    if status.st_mode & stat.S_IWGRP and not _is_private(place, status):
        return f"the group {_group(status.st_gid)} may write to '{place}'"
    return None


def _trusted() -> frozenset[int]:
    """This user and root; under sudo, the user that became root."""
    user = os.geteuid()
    other = os.environ.get("SUDO_UID", "") if user == 0 else ""
    return frozenset({0, user, *([int(other)] if other.isascii() and other.isdigit() else [])})


def _is_sticky_folder(mode: int) -> bool:
    return stat.S_ISDIR(mode) and bool(mode & stat.S_ISVTX)


def _is_private(place: Path, status: os.stat_result) -> bool:
    """Whether the group holds the owner alone, as on systems where each user has a group and umask is 002."""
    try:
        owner, group = pwd.getpwuid(status.st_uid), grp.getgrgid(status.st_gid)
    except KeyError:
        return False
    if owner.pw_gid != status.st_gid or set(group.gr_mem) - {owner.pw_name} or _ACL in _attributes(place):
        return False
    return all(other.pw_uid == owner.pw_uid for other in pwd.getpwall() if other.pw_gid == status.st_gid)


def _attributes(place: Path) -> list[str]:
    try:
        return os.listxattr(place, follow_symlinks=False)
    except OSError:
        return []  # a file system without attributes has no lists of access either


def _way_to(path: Path) -> Iterator[Path]:
    """Each folder and link that is passed on the way to `path`, and what is at its end."""
    at, links, ahead = Path("/"), 0, list(path.parts[1:])
    yield at
    while ahead:
        part = ahead.pop(0)
        if part == "..":
            at = at.parent
            continue
        place = at / part
        yield place
        if not place.is_symlink():
            at = place
            continue
        links += 1
        if links > MOST_LINKS:
            return
        target = place.readlink()
        at, ahead = (Path("/") if target.is_absolute() else at), [*_steps(target), *ahead]


def _steps(target: Path) -> list[str]:
    return list(target.parts[1:] if target.is_absolute() else target.parts)


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"the user {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
