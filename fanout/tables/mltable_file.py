"""The MLTable file: parsed strictly, every problem with its place (reference, section 12), and the files it names."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar, cast

from fanout.errors import InputError, SpecError
from fanout.files import globs, listing, uris
from fanout.files.byte_ranges import read_head
from fanout.files.chosen import file_or_folder
from fanout.files.listing import FileEntry
from fanout.pipeline.data.locations import in_datastore
from fanout.pipeline.yaml.checks import choice, expected, mapping, text
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.parser import SIZE_LIMIT, DocumentSource, parse_document
from fanout.pipeline.yaml.tree import ListNode, MapNode, Node
from fanout.storage.datastores import NO_DATASTORES, Datastores
from fanout.tables.allowed_places import check_place
from fanout.tables.formats.readers import DeltaLake, Reader
from fanout.tables.transformation_schema import Parsed, parse_transformation
from fanout.tables.transformations import Transformation

if TYPE_CHECKING:
    from fanout.storage.access import Access

FILE_NAME = "MLTable"
PathKind = Literal["file", "folder", "pattern"]
_KINDS: tuple[PathKind, ...] = ("file", "folder", "pattern")
_CONTROL = "".join(map(chr, range(1, 32)))  # what some tables are delimited by


@dataclass(frozen=True, slots=True)
class PathEntry:
    """One entry of `paths`: a file, all files below a folder, or those below it that fit a pattern."""

    kind: PathKind
    uri: str  # absolute; of a pattern, the folder before its first wildcard
    pattern: str = ""
    written: str = field(default="", compare=False)  # the path as it was given

    @property
    def full(self) -> str:
        """The path with everything in it: a URI, of a pattern with its wildcards."""
        return f"{self.uri.rstrip('/')}/{self.pattern}" if self.kind == "pattern" else self.uri


@dataclass(frozen=True, slots=True)
class MLTableFile:
    """An MLTable file as values."""

    uri: str  # of the file itself
    paths: tuple[PathEntry, ...]
    reader: Reader | None  # None: a list of files
    transformations: tuple[Transformation, ...] = ()

    @property
    def is_tabular(self) -> bool:
        """Whether it says how to read its files as a table."""
        return self.reader is not None


def load_mltable(folder: str, access: "Access") -> MLTableFile:
    """The MLTable file of a folder, by its URI or path; InputError, naming every place in it that is wrong."""
    base = uris.absolute(folder, str(Path.cwd()))
    uri = uris.join(base, FILE_NAME)
    try:
        content = read_head(uri, SIZE_LIMIT + 1, access)
    except InputError as exc:
        raise InputError(f"{exc}; an mltable input is a folder with a file named {FILE_NAME} in it") from exc
    return parse_mltable(content, uri, access.datastores)


def parse_mltable(content: bytes, uri: str, datastores: Datastores = NO_DATASTORES) -> MLTableFile:
    """The MLTable file with this content and URI; InputError with every problem in it."""
    report = Report()
    folder = uris.to_path(uri).rpartition("/")[0] if uris.is_local(uri) else "/"
    try:
        root = parse_document(content, DocumentSource(uris.display(uri), Path(folder)), report, control=_CONTROL)
        table = _table(root, uri, datastores, report)
        report.finish()
    except SpecError as exc:
        raise InputError(str(exc)) from exc
    return table


def _table(root: Node, uri: str, datastores: Datastores, report: Report) -> MLTableFile:
    fields = Fields(report.attempt(root, mapping, MapNode(root.origin)), report)
    fields.ignore("$schema", "metadata", "traits")
    fields.take("type", choice("mltable"), "mltable")
    base = uri.rpartition("/")[0]
    entries = _list_of(lambda node: _path_entry(node, base, datastores), report)
    paths = fields.require("paths", entries, (), "a list of paths")
    parsed = fields.take("transformations", _list_of(lambda node: parse_transformation(node, report), report), ())
    fields.close()
    readers, steps = _reader_first(parsed, report)
    return MLTableFile(uri, paths, readers[0] if readers else None, steps)


T = TypeVar("T")


def _list_of(item: Callable[[Node], T], report: Report) -> Callable[[Node], tuple[T, ...]]:
    """A check: a list whose items pass `item`; those that do not are noted and left out."""

    def check(node: Node) -> tuple[T, ...]:
        if not isinstance(node, ListNode):
            raise expected("a list", node)
        values = (report.attempt(child, item, None) for child in node.items)
        return tuple(value for value in values if value is not None)

    return cast("Callable[[Node], tuple[T, ...]]", check)


def _reader_first(parsed: tuple[Parsed, ...], report: Report) -> tuple[list[Reader], tuple[Transformation, ...]]:
    """The one reader, which is the first transformation, and the others."""
    readers = [p for p in parsed if p.reader is not None]
    for second in readers[1:]:
        report.problem(second.origin, f"a second {second.name}; a table is read once, by its first transformation")
    if readers and parsed[0].reader is None:
        report.problem(readers[0].origin, f"{readers[0].name} must be the first transformation")
    return [p.reader for p in readers if p.reader], tuple(p.step for p in parsed if p.step is not None)


def _path_entry(node: Node, base: str, datastores: Datastores) -> PathEntry:
    entries = dict(mapping(node).values())
    for name in entries:
        if name not in _KINDS:
            raise CheckFailed(f"unknown key '{name}'{suggest(name, _KINDS)}", node.origin)
    if len(entries) != 1:
        raise expected("exactly one of 'file', 'folder' and 'pattern'", node)
    [(kind, value)] = entries.items()
    try:
        return path_entry(cast("PathKind", kind), text(value), base, datastores)
    except InputError as exc:
        raise CheckFailed(str(exc), value.origin) from exc


def path_entry(kind: PathKind, written: str, base: str, datastores: Datastores) -> PathEntry:
    """One entry of `paths` as it is written in the folder with the URI `base`; InputError when it is no path."""
    try:
        given = in_datastore(written, datastores)
    except CheckFailed as wrong:
        raise InputError(str(wrong)) from wrong
    if kind != "pattern":
        return PathEntry(kind, _placed(given, base, datastores), written=written)
    plain, below = globs.split_pattern(given if globs.has_magic(given) else given.rstrip("/"))
    globs.compile_glob(below)
    folder = _placed(plain or ("/" if given.startswith("/") else "."), base, datastores)
    return PathEntry(kind, folder, below, written)


def _placed(written: str, base: str, datastores: Datastores) -> str:
    """The absolute URI of a path, which is one that a table in the folder `base` may name."""
    uri = _absolute(written, base)
    check_place(uri, base, datastores)
    return uri


def _absolute(written: str, base: str) -> str:
    """A path of an MLTable; what is local may be anywhere, what is remote stays in its folder or says where it is."""
    if uris.is_local(base):
        return uris.absolute(written, uris.to_path(base))
    if uris.scheme(written):
        return uris.absolute(written, "/")
    return base if written.strip("./") == "" and ".." not in written else uris.join(base, written)


def pinned(table: MLTableFile, access: "Access") -> MLTableFile:
    """The table with its version and columns settled, if it is a Delta Lake table; any other as it is.

    InputError when the log cannot be read, or the table is one that its parquet files alone do not describe.
    """
    if not isinstance(table.reader, DeltaLake):
        return table
    from fanout.tables.formats.delta import pinned_reader

    return replace(table, reader=pinned_reader(table.reader, _delta_folder(table), access))


def _delta_folder(table: MLTableFile) -> str:
    if len(table.paths) != 1 or table.paths[0].kind != "folder":
        raise InputError(
            f"{uris.display(table.uri)}: read_delta_lake reads one table; expected one path, the folder of the table"
        )
    return table.paths[0].uri


def list_files(table: MLTableFile, access: "Access") -> Iterator[FileEntry]:
    """The files a table names: in the order of its paths; below a folder, and for a pattern, sorted.

    Without a reader, a `file` that is a directory stands for itself. The MLTable file is none of them.
    Of a Delta Lake table they are those that its log names. InputError when there is nothing where a path points.
    """
    if isinstance(table.reader, DeltaLake):
        from fanout.tables.formats.delta import list_delta_files

        yield from list_delta_files(table.reader, _delta_folder(table), access)
        return
    for path in table.paths:
        for entry in files_of(path, table, access):
            if entry.uri != table.uri:
                yield entry


def list_uris(table: MLTableFile, access: "Access", *, mounted: bool) -> Iterator[str]:
    """The URIs of the files of a table that is taken as a list of files: those of `list_files`.

    Where it is `mounted`, or downloaded, a `file` that is a folder stands for all files below it, since these are what
    a script finds there and opens.
    """
    if isinstance(table.reader, DeltaLake):
        return (entry.uri for entry in list_files(table, access))

    def uris_of(path: PathEntry) -> Iterator[str]:
        if path.kind == "folder":
            return listing.list_uris(path.uri, access)
        if path.kind == "file" and mounted:
            return _file_or_folder(path.uri, access)
        return (entry.uri for entry in files_of(path, table, access))

    return filter(table.uri.__ne__, chain.from_iterable(map(uris_of, table.paths)))


def _file_or_folder(uri: str, access: "Access") -> Iterator[str]:
    if listing.is_folder(uri):
        return listing.list_uris(uri, access)
    return (entry.uri for entry in file_or_folder(uri, access))


def files_of(path: PathEntry, table: MLTableFile, access: "Access") -> Iterator[FileEntry]:
    """The files of one entry of `paths`, the MLTable file among them where it is."""
    match path.kind:
        case "folder":
            yield from listing.list_folder(path.uri, access)
        case "pattern" if not globs.has_magic(path.pattern) and listing.is_folder(path.full):
            yield from listing.list_folder(path.full, access)
        case "pattern":
            yield from listing.list_pattern(path.uri, path.pattern, access)
        case "file" if table.reader is None and listing.is_folder(path.uri):
            yield FileEntry(path.uri, 0)
        case "file":
            yield listing.find_file(path.uri, access)
