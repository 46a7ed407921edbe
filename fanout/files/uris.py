"""Where data is: the forms a URI may take, joining them safely, and showing them without secrets.

Text of a URI is percent-encoded, as everywhere, except behind `s3://`: there the key stands as it is, `%`, `?` and
blanks included, because that is how every tool for S3 reads such a URI.
"""

from __future__ import annotations

import os
import re
from pathlib import PurePosixPath
from urllib.parse import quote, quote_from_bytes, unquote, unquote_to_bytes

from fanout.errors import InputError

_LITERAL = frozenset({"s3", "s3a"})
_WEB = frozenset({"https", "http"})
_QUERY = re.compile(r"[?#]")
_PLAIN = re.compile(rb"[A-Za-z0-9_.~-]*")
_ALL_PLAIN = re.compile(_PLAIN.pattern.decode())
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+)://|(file|azureml|memory):")


def scheme(text: str) -> str:
    """The scheme in lower case: `file`, `s3`, `https`…; "" for a plain path."""
    found = _SCHEME.match(text)
    return (found[1] or found[2]).lower() if found else ""


def is_local(uri: str) -> bool:
    """Whether the data is in this machine's file system."""
    return scheme(uri) in ("", "file")


def from_path(path: str | bytes | os.PathLike[str]) -> str:
    """The `file:` URI of an absolute local path; any name a file can have comes back from `to_path`."""
    raw = os.fsencode(path)
    if not raw.startswith(b"/"):
        raise InputError(f"{os.fsdecode(raw)}: expected an absolute path")
    return "file://" + quote_from_bytes(raw)


def to_path(uri: str) -> str:
    """The local path of a `file:` URI (or of a plain path); InputError when the data is elsewhere."""
    if uri.startswith("file:///") and "%" not in uri and "\0" not in uri:
        return uri[7:]  # as nearly always: nothing to decode
    if (found := scheme(uri)) not in ("", "file"):
        raise InputError(f"{display(uri)}: expected a local path or a file: URI, found {found}:")
    return _file_path(uri) if found else uri


def _file_path(uri: str) -> str:
    rest = uri[len("file:") :]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host not in ("", "localhost"):
            raise InputError(f"{uri}: a file: URI names this machine only; write file:///… instead of file://{host}/…")
        rest = slash + path
    path = os.fsdecode(unquote_to_bytes(os.fsencode(rest)))
    if "\0" in path:
        raise InputError(f"{uri}: a path cannot hold a NUL character")
    return path


def absolute(text: str, folder: str) -> str:
    """`text`, in any form, as an absolute URI without a slash at its end; plain paths are relative to `folder`.

    `folder` is a local path. Here `..` is allowed: this is for what the user wrote about the own machine. For what
    data says about data there is `join`.
    """
    if not is_local(text):
        if not text.partition("://")[2].strip("/"):
            raise InputError(f"{text}: names no bucket or host; expected {scheme(text)}://name/path")
        return text if scheme(text) in _WEB else text.rstrip("/")
    plain = to_path(text)
    if "\0" in plain:
        raise InputError(f"{text!r}: a path cannot hold a NUL character")
    path = os.path.normpath(os.path.join(folder, os.path.expanduser(plain)))  # noqa: PTH111, PTH118 - texts
    return from_path(path)


def confined(relative: str) -> str:
    """A relative path without empty and `.` parts; InputError when it could lead out of its folder.

    Refused: absolute paths, `..`, backslashes, NUL, and nothing at all.
    """
    if "\0" in relative or "\\" in relative:
        raise InputError(
            f"{relative!r}: a relative path has neither backslashes nor NUL; write it with forward slashes"
        )
    path = PurePosixPath(relative)
    if path.is_absolute() or ".." in path.parts:
        raise InputError(
            f"{relative!r}: must stay inside its folder; write a relative path without '..', or a full URI"
        )
    if not path.parts:
        raise InputError(f"{relative!r}: expected the name of a file or folder")
    return str(path)


def join(base: str, relative: str) -> str:
    """The URI of `relative` below the folder `base`; InputError when it would lead out of it."""
    inner = confined(relative)
    kind = scheme(base)
    if kind == "":
        return from_path(f"{base.rstrip('/')}/{inner}")
    if kind in _LITERAL:
        return f"{base.rstrip('/')}/{inner}"
    head, mark, query = base.partition("?")
    return f"{head.rstrip('/')}/{quote_from_bytes(os.fsencode(inner))}{mark}{query}"


def relative_to(uri: str, base: str) -> str | None:
    """The decoded path of `uri` below the folder `base`; None when it is not below it."""
    whole, folder = path_of(uri), path_of(base).rstrip("/") + "/"
    return whole[len(folder) :] if authority(uri) == authority(base) and whole.startswith(folder) else None


def authority(uri: str) -> str:
    """Scheme and bucket, container or host, as written: `s3://bucket`; `file://` for anything local."""
    if is_local(uri):
        return "file://"
    kind, _, rest = uri.partition("://")
    return f"{kind}://{rest.partition('/')[0].partition('?')[0]}"


def path_of(uri: str) -> str:
    """The decoded path behind the bucket or host, starting with a slash: what partition formats are matched against."""
    if is_local(uri):
        return to_path(uri).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    rest = uri.partition("://")[2].partition("/")[2]
    return "/" + (rest if scheme(uri) in _LITERAL else unquote(_QUERY.split(rest, maxsplit=1)[0]))


def display(uri: str) -> str:
    """The URI as people and logs may see it: local ones as a path, others without user, password and query."""
    if is_local(uri):
        return path_of(uri)
    kind, _, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    if kind.lower() not in _LITERAL:
        host, path = (_QUERY.split(part, maxsplit=1)[0] for part in (host, path))
    return f"{kind}://{_without_password(kind.lower(), host)}{slash}{path}"


def _without_password(kind: str, host: str) -> str:
    user, at, name = host.rpartition("@")
    # abfss://container@account: here the part before the @ is no secret, unless it has a password of its own.
    return f"{user}@{name}" if at and kind.startswith("abfs") and ":" not in user else name


def encode_name(name: bytes) -> str:
    """One name of a local directory as it stands in a `file:` URI."""
    return name.decode("ascii") if _PLAIN.fullmatch(name) else quote(name, safe="")


def encode_names(names: list[str]) -> list[str]:
    """`encode_name` of each, of names as Python shows them; mostly none needs it, and one look at all shows that."""
    return names if _ALL_PLAIN.fullmatch("".join(names)) else [encode_name(os.fsencode(name)) for name in names]
