"""Which places an MLTable may name. The writer of a remote table must not choose what is read on this machine."""

import re

from fanout.errors import InputError
from fanout.files import uris
from fanout.storage.datastores import Datastores

_OWN = re.compile(r"runs/|triggers/[^/]+/arrivals/")
"""Folders of the store in which fanout and the steps of runs write tables themselves. Copies of what others have
uploaded, which triggers make, are none of them."""


def check_place(uri: str, base: str, datastores: Datastores) -> None:
    """InputError when a table in the folder `base` may not name `uri`.

    A table on this machine may name anything. A remote one may name what is in its own bucket, container or host, and
    what is below a datastore. Tables that fanout has written in its store may name anything, too.
    """
    if uris.is_local(base) or _is_own(base, datastores):
        return
    if ".." in uris.path_of(uri).split("/"):
        raise InputError(f"{uris.display(uri)}: a path in a remote table has no '..'")
    if not uris.is_local(uri) and uris.authority(uri) == uris.authority(base):
        return
    if any(is_below(uri, root) for root in _roots(datastores)):
        return
    raise InputError(
        f"{uris.display(uri)}: a table in {uris.display(uris.authority(base))} may name what is there, and what is "
        f"below a datastore; to allow this place, name it in fanout.toml under [datastores]: NAME = '{_suggested(uri)}'"
    )


def may_be_read(uri: str, base: str, datastores: Datastores, *, table: bool) -> bool:
    """Whether a mini-batch of the input `base` may name `uri`: what is below it, or of a table what is as remote as it.

    Which buckets a table names was checked when it was planned.
    """
    if not table:
        return is_below(uri, base) and ".." not in uris.path_of(uri).split("/")
    if uris.is_local(base) or (not uris.is_local(uri) and _is_like(uris.scheme(uri), uris.scheme(base))):
        return True
    return any(is_below(uri, root) for root in _roots(datastores))


def _is_like(kind: str, base: str) -> bool:
    """Whether data of this scheme may be named where the input has that one: http only where the input is on http."""
    return kind not in ("http", "https") or base in ("http", "https")


def is_below(uri: str, folder: str) -> bool:
    """Whether `uri` is the folder itself, or in it."""
    return uri.rstrip("/") == folder.rstrip("/") or uris.relative_to(uri, folder) is not None


def _is_own(base: str, datastores: Datastores) -> bool:
    if datastores.others is None:
        return False
    below = uris.relative_to(base, datastores.others.rpartition("/")[0])
    return below is not None and _OWN.match(below) is not None


def _roots(datastores: Datastores) -> list[str]:
    named = [root for _, root in datastores.named]
    return named if datastores.others is None else [*named, datastores.others]


def _suggested(uri: str) -> str:
    """What would allow it: the bucket or host, or on this machine the folder."""
    return uris.display(uri).rpartition("/")[0] or "/" if uris.is_local(uri) else uris.authority(uri)
