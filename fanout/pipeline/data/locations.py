"""Where data is: the path forms of the reference (section 4) as absolute URIs, and what must be true of local ones."""

import os
import re
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from fanout.pipeline.model import DataType
from fanout.pipeline.yaml.checks import expected
from fanout.pipeline.yaml.diagnostics import CheckFailed, join, shorten
from fanout.pipeline.yaml.tree import Node, ScalarNode
from fanout.storage.datastores import Datastores

FILE = "fanout.toml"

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]+):")
_REMOTE = ("s3", "https", "http", "gs", "az", "abfs", "abfss", "adl", "wasb", "wasbs")
_MOST_NAMES = 1000
_PREFIX = "azureml:"
_PREFIXED = re.compile(
    r"azureml:(?!//|/subscriptions/)(\.{0,2}/|\.{1,2}$|[^:@]*/[^:@]*$|(?:azureml|file|" + "|".join(_REMOTE) + r"):)"
)
"""How Azure's SDK writes a path or a URI when it prints or dumps a job: `azureml:./data`, `azureml:s3://bucket`."""
_SIGNATURES = {"sig", "x-amz-signature", "x-amz-security-token", "signature", "x-goog-signature", "access_token"}
"""Parameters of a query that let anybody in who has the URI."""
_DATASTORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/Microsoft\.MachineLearningServices/)?"
    r"workspaces/[^/]+/)?datastores/(?P<store>[A-Za-z0-9_-]+)(?:/paths(?P<path>/.*)?)?"
)


def data_uri(node: Node) -> str:
    """A check: where data is, as an absolute URI; a local path starts from the folder of the file it stands in."""
    if not isinstance(node, ScalarNode) or not node.text.strip():
        raise expected("a path", node)
    return uri_of(node.text.strip(), node.origin.folder)


def uri_of(text: str, folder: Path) -> str:
    """`text` as an absolute URI: `file:///…` for a local path, a remote one as written; Wrong when it is neither."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return Path(_absolute(folder, text)).as_uri()
    if scheme[1].lower() == "file":
        return Path(_absolute(folder, _file_path(text))).as_uri()
    if scheme[1].lower() == "azureml":
        written = without_prefix(text)
        return _azureml(text) if written == text else uri_of(written, folder)
    if scheme[1].lower() not in _REMOTE:
        raise CheckFailed(
            f"'{shorten(text)}' has an unknown scheme; expected a local path, azureml:// or {join(_REMOTE)}"
        )
    return _remote(text)


def without_prefix(text: str) -> str:
    """`text` without `azureml:` where a path or another URI follows, as Azure's SDK writes them; else unchanged.

    What names an asset of a workspace (`azureml:name:version`, an ARM id) stays as it is.
    """
    return text[len(_PREFIX) :] if _PREFIXED.match(text) else text


def datastore_path(uri: str) -> tuple[str, str] | None:
    """Datastore and path in `azureml://…datastores/<name>/paths/<path>`; None for any other URI."""
    match = _DATASTORE.fullmatch(uri)
    return (match["store"], (match["path"] or "").strip("/")) if match else None


def in_datastore(uri: str, datastores: Datastores) -> str:
    """`azureml://…datastores/<name>/paths/<path>` as the URI it stands for; any other unchanged.

    Wrong when it is an `azureml:` URI of another form, leaves its datastore, or the datastore is not declared.
    """
    if not uri.startswith("azureml:"):
        return uri
    name, path = _in_datastore(uri)
    found = datastores.uri(name, path)
    if found is None:
        raise CheckFailed(
            f"'{shorten(uri)}': no {FILE} says where the datastore {name} is; name it there, in [datastores]"
        )
    return found


def local_path(uri: str) -> Path | None:
    """The path behind a `file:` URI; None when the data is elsewhere."""
    return Path(unquote(urlsplit(uri).path)) if uri.startswith("file:") else None


def check_present(uri: str, kind: DataType) -> None:
    """Wrong unless local data is there and is what its type says; remote data is looked at when the run starts."""
    path = local_path(uri)
    if path is None:
        return
    try:
        _check_path(path, kind)
    except OSError as exc:
        raise CheckFailed(f"'{shorten(str(path))}' cannot be looked at: {exc.strerror}") from exc


def check_free(uri: str, kind: DataType) -> None:
    """Wrong when something local of another kind already stands where an output is to go."""
    path = local_path(uri)
    try:
        if path is not None and kind is DataType.URI_FILE and path.is_dir():
            raise CheckFailed(f"'{path}' is a folder, and a uri_file output is a file")
        if path is not None and kind is DataType.URI_FOLDER and path.is_file():
            raise CheckFailed(f"'{path}' is a file, and a uri_folder output is a folder; write type: uri_file")
    except OSError as exc:
        raise CheckFailed(f"'{shorten(str(path))}' cannot be looked at: {exc.strerror}") from exc


def _check_path(path: Path, kind: DataType) -> None:
    if not path.exists():
        raise CheckFailed(f"'{path}' does not exist{_nearest(path)}")
    if kind is DataType.URI_FILE and not path.is_file():
        raise CheckFailed(f"'{path}' is a folder; for a folder write type: uri_folder")
    if kind is DataType.URI_FOLDER and not path.is_dir():
        raise CheckFailed(f"'{path}' is a file; for a file write type: uri_file")
    if kind is DataType.MLTABLE and not path.is_dir():
        raise CheckFailed(f"'{path}' is a file; an mltable is a folder that holds a file named MLTable")


def check_table(uri: str) -> None:
    """Wrong unless a local folder, which is there, holds an MLTable file; for what is read as a table."""
    path = local_path(uri)
    if path is not None and path.is_dir() and not (path / "MLTable").is_file():
        raise CheckFailed(f"'{path}' holds no file named MLTable, which is what makes a folder an mltable")


def beside(path: Path) -> str:
    """`; did you mean 'x'?` when something of nearly this name lies in the place of a path that does not exist."""
    try:
        with os.scandir(path.parent) as entries:
            names = [entry.name for entry in islice(entries, _MOST_NAMES)]
    except OSError:
        return ""
    close = get_close_matches(path.name, names, n=1, cutoff=0.75)
    return f"; did you mean '{shorten(close[0])}'?" if close else ""


def _nearest(path: Path) -> str:
    """The name most like it in its folder, or what of the way to it does not exist either."""
    there = next((parent for parent in path.parents if parent.exists()), path)
    if there == path.parent:
        return beside(path)
    return f" (nor does '{path.relative_to(there).parts[0]}' in '{there}')"


def _absolute(folder: Path, text: str) -> Path:
    # Not resolve(): a link keeps its name, so that what is shown is what was written.
    return Path(os.path.normpath(folder / text))


def _file_path(text: str) -> str:
    if not text[5:].startswith("//"):
        return text[5:]
    try:
        parts = urlsplit(text)
    except ValueError as exc:
        raise CheckFailed(f"'{shorten(text)}' is no URI: {exc}") from exc
    if parts.netloc not in ("", "localhost"):
        raise CheckFailed(f"'{shorten(text)}' names the host '{parts.netloc}'; a local file is written file:///path")
    return unquote(parts.path)


def _azureml(text: str) -> str:
    _in_datastore(text)
    return text


def _in_datastore(text: str) -> tuple[str, str]:
    """The datastore and the path in it."""
    found = datastore_path(text)
    if found is None:
        raise CheckFailed(
            f"'{shorten(text)}' is an asset of an Azure workspace, which cannot be looked up here; give a path: local, "
            "s3://…, or azureml://datastores/<name>/paths/<path> with the datastore in fanout.toml"
        )
    if ".." in found[1].split("/"):
        raise CheckFailed(f"'{shorten(text)}' leaves its datastore: '..' is not allowed in a URI")
    return found


def _remote(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError as exc:
        raise CheckFailed(f"'{shorten(text)}' is no URI: {exc}") from exc
    if not text[len(parts.scheme) + 1 :].startswith("//") or not parts.netloc:
        raise CheckFailed(f"'{shorten(text)}' names no bucket or host; expected {parts.scheme}://name/path")
    if ":" in parts.netloc.rpartition("@")[0]:
        raise CheckFailed(f"the {parts.scheme} URI holds a password; credentials belong into the environment")
    if signed := _SIGNATURES & {name.lower() for name, _ in parse_qsl(parts.query)}:
        raise CheckFailed(
            f"the {parts.scheme} URI is signed ('{min(signed)}' in its query); give the plain one, and credentials in "
            "the environment"
        )
    if ".." in unquote(parts.path).split("/"):
        raise CheckFailed(f"'{shorten(text)}': '..' is not allowed in a URI")
    return text
