"""Several files as one input: a list of paths, or a pattern, as a folder and what of it is meant. Ours."""

import posixpath
from dataclasses import replace
from urllib.parse import quote

from fanout.files import globs, uris
from fanout.pipeline.data.locations import data_uri, local_path, without_prefix
from fanout.pipeline.model import DataType
from fanout.pipeline.yaml.checks import expected
from fanout.pipeline.yaml.diagnostics import CheckFailed, shorten
from fanout.pipeline.yaml.tree import ListNode, Node, ScalarNode

LISTED = (DataType.URI_FILE, DataType.URI_FOLDER)
"""The types of input that may be a list of paths or a pattern."""
_ENCODED = ("file", "http", "https")


def data_place(node: Node, kind: DataType) -> tuple[str, tuple[str, ...]]:
    """Where data is: a URI; of a list or a pattern the URI of the folder around it, and the paths below that.

    CheckFailed for a list or a pattern of what is neither a file nor a folder, and for paths in several places.
    """
    if isinstance(node, ListNode):
        if kind not in LISTED:
            raise CheckFailed(f"an input of type {kind} is one path; a list of paths is a uri_file or a uri_folder")
        return _together([_split(item) for item in node.items], node)
    if not isinstance(node, ScalarNode) or kind not in LISTED or not _is_pattern(node):
        return data_uri(node), ()
    folder, below = _split(node)
    return folder, (below,)


def _is_pattern(node: ScalarNode) -> bool:
    """Whether a path has wildcards, and is not the name of something that is there."""
    text = without_prefix(node.text.strip())
    if uris.scheme(text) in ("http", "https"):
        return False  # the web lists nothing, and its ? begins a query
    if not uris.is_local(text):
        return "*" in text.partition("://")[2].partition("/")[2]
    path = local_path(data_uri(node)) if globs.has_magic(text) else None
    return path is not None and not path.exists()


def _split(node: Node) -> tuple[str, str]:
    """The folder of a file or pattern as a URI, and the name or pattern below it."""
    if not isinstance(node, ScalarNode) or not node.text.strip():
        raise expected("a path", node)
    text = without_prefix(node.text.strip())
    if uris.scheme(text) in ("http", "https") and ("?" in text or "#" in text):
        raise CheckFailed(f"'{shorten(text)}' has a query, and a path of a list has none", node.origin)
    if _is_pattern(node):
        plain, below = globs.split_pattern(text)
        return data_uri(replace(node, text=plain or ("/" if text.startswith("/") else "."))), below
    whole = data_uri(node)
    folder, _, name = uris.path_of(whole).rstrip("/").rpartition("/")
    if not name:
        raise CheckFailed(f"'{shorten(text)}' is no file and no folder below a place", node.origin)
    return _uri(uris.authority(whole), folder), globs.escape(name)


def _together(places: list[tuple[str, str]], node: Node) -> tuple[str, tuple[str, ...]]:
    """The folder around all of them, and their paths below it."""
    if not places:
        raise expected("at least one path", node)
    authorities = dict.fromkeys(uris.authority(folder) for folder, _ in places)
    if len(authorities) > 1:
        shown = ", ".join("this machine" if uris.is_local(each) else shorten(each) for each in authorities)
        raise CheckFailed(f"the paths of one input are in one place, and these are in several: {shown}")
    folders = [uris.path_of(folder).rstrip("/") or "/" for folder, _ in places]
    common = posixpath.commonpath(folders).rstrip("/")
    below = [globs.escape(folder[len(common) :].strip("/")) for folder in folders]
    paths = [f"{folder}/{name}".lstrip("/") for folder, (_, name) in zip(below, places, strict=True)]
    return _uri(next(iter(authorities)), common), tuple(dict.fromkeys(paths))


def _uri(authority: str, path: str) -> str:
    kind = uris.scheme(authority)
    if kind == "file":
        return uris.from_path(path or "/")
    return authority + (quote(path) if kind in _ENCODED else path)
