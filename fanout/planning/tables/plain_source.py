"""The mini-batches of plain files that are read as rows: what they hold is found out, and checked over all of them."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.errors import InputError
from fanout.files import uris
from fanout.files.byte_ranges import ByteSource, LocalBytes, open_bytes, read_head
from fanout.files.chosen import chosen_files, file_or_folder
from fanout.files.listing import FileEntry, find_file
from fanout.pipeline.model import DataType, ReadOptions
from fanout.planning.stop_request import check_stop, stoppable
from fanout.storage.disk_space import room_in
from fanout.tables.formats.delimited_records import column_names
from fanout.tables.formats.readers import Delimited, HeaderMode, JsonLines, Parquet
from fanout.tables.formats.row_groups import parquet_columns
from fanout.tables.plain import sniffing
from fanout.tables.plain.compression import codec_of, head_of, unpack
from fanout.tables.plain.evidence import Seen, columns_by, json_type_of, type_of
from fanout.tables.plain.found import Found
from fanout.tables.plain.scan import Facts, NotUtf8Error, Read, scan_json, scan_text
from fanout.tables.recipe import Column, TableRecipe
from fanout.tables.values.types import ColumnType, Kind

if TYPE_CHECKING:
    from fanout.storage.access import Access

HEAD_SIZE = 256 * 1024
STEP = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PlainTable:
    """Plain files that are one table: how they are read, and what is known of them."""

    recipe: TableRecipe
    files: tuple[FileEntry, ...]  # without those that are empty
    found: Found
    facts: Facts


def plain_table(uri: str, listed: Iterable[FileEntry], options: ReadOptions, access: "Access") -> PlainTable:
    """Files as a table; all of them are read once. `uri` is the place that they are at, for messages.

    InputError when there are none, when they are not of one kind, and for whatever keeps their rows from being read.
    """
    files = tuple(stoppable(entry for entry in listed if entry.size))
    if not files:
        raise InputError(f"{uris.display(uri)}: its files are empty")
    return _Planner(files, options, access).table()


def plain_columns(uri: str, files: Iterable[FileEntry], options: ReadOptions, access: "Access") -> tuple[str, ...]:
    """The columns that the beginning of the first file shows; none where only reading all of the data can tell.

    InputError when none holds anything, for a file that cannot be read so, and for `options` that its columns do not
    fit. `uri` is the place that they are at, for messages.
    """
    first = next((entry for entry in files if entry.size), None)
    if first is None:
        raise InputError(f"{uris.display(uri)}: its files are empty")
    return _Planner((first,), options, access).columns()


def plain_files(uri: str, type_: DataType, paths: tuple[str, ...], access: "Access") -> Iterator[FileEntry]:
    """The files at `uri`, or those that `paths` choose below it; InputError when there are none."""
    if paths:
        return chosen_files(uri, paths, access)
    if type_ is DataType.URI_FILE:
        return iter((find_file(uri, access),))
    return (entry for entry in file_or_folder(uri, access) if not _is_hidden(entry.uri, uri))


def _is_hidden(uri: str, folder: str) -> bool:
    """Whether a file is beside the data rather than part of it, by the custom of other readers: `.x`, `_x`, `_x/y`."""
    below = uris.relative_to(uri, folder) or ""
    return any(part.startswith((".", "_")) for part in below.split("/"))


@dataclass(slots=True)
class _Planner:
    """Finds out how files are read."""

    files: tuple[FileEntry, ...]
    options: ReadOptions
    access: "Access"
    packed: set[str] = field(default_factory=set)  # the names of compressions that were met

    def table(self) -> PlainTable:
        """The table of all files."""
        heads = {entry.uri: self._head(entry) for entry in self.files[:1]}
        form = self.options.format or self._format(heads)
        match form:
            case "parquet":
                recipe = TableRecipe(Parquet(exact=True), keeps_types=True)
                return PlainTable(recipe, self.files, Found("parquet", len(self.files)), Facts())
            case "jsonl":
                return self._json_lines(heads[self.files[0].uri])
            case _:
                return self._delimited(heads[self.files[0].uri])

    def _head(self, entry: FileEntry) -> bytes:
        """The beginning of a file, unpacked."""
        head = read_head(entry.uri, min(HEAD_SIZE, entry.size), self.access)
        codec = codec_of(head)
        if codec is None:
            return head
        self.packed.add(codec)
        return head_of(head, codec, HEAD_SIZE, entry.uri)

    def _format(self, heads: Mapping[str, bytes]) -> str:
        """The format of all files, by their names where these say it; InputError when they are of several."""
        first = self.files[0]
        found = sniffing.format_of(_name(first), heads[first.uri])
        for entry in self.files[1:]:
            other = sniffing.format_by_name(_name(entry))
            if other is not None and other != found:
                raise InputError(
                    f"{uris.display(entry.uri)}: is {other}, and {uris.display(first.uri)} is {found}; give each "
                    "format an input of its own, choose files by a pattern such as '*.csv', or set read.format"
                )
        return found

    def _delimited(self, head: bytes) -> PlainTable:
        with _naming(self.files[0].uri):
            encoding = self.options.encoding or sniffing.encoding_of(head)
        try:
            return self._delimited_in(head, encoding)
        except NotUtf8Error as error:
            if self.options.encoding:
                raise InputError(f"{uris.display(error.uri)}: is not UTF-8, as read.encoding says") from error
            if error.others is not None and error.others != error.uri:
                raise InputError(
                    f"{uris.display(error.uri)}: is not UTF-8, and {uris.display(error.others)} is; convert one of "
                    "them, or give them an input each with read.encoding"
                ) from error
            with _naming(error.uri):
                encoding = sniffing.single_byte_encoding(error.sample)
        return self._delimited_in(head, encoding)

    def columns(self) -> tuple[str, ...]:
        """Those of the file, from its beginning; see `plain_columns`."""
        [first] = self.files
        head = self._head(first)
        form = self.options.format or self._format({first.uri: head})
        if form == "parquet":
            return tuple(parquet_columns(first.uri, first.size, self.access))
        if form == "jsonl":
            return ()  # a row further on may have more
        with _naming(first.uri):
            encoding = self.options.encoding or sniffing.encoding_of(head)
        try:
            text = _text(head, encoding, first)
        except InputError:
            if self.options.encoding:
                raise
            text = head.decode("windows-1252", "replace")
        names = self._layout(text)[2]
        self._given(names)
        return names

    def _layout(self, text: str) -> tuple[str, bool, tuple[str, ...]]:
        """Delimiter, whether names come first, and the names of the columns, from the beginning of a file."""
        delimiter = self.options.delimiter or sniffing.delimiter_of(text, _name(self.files[0]))
        rows = sniffing.records_of(text, delimiter)
        header = sniffing.has_header(rows) if self.options.header is None else self.options.header
        return delimiter, header, column_names(rows[0] if rows and header else [], len(rows[0]) if rows else 0)

    def _delimited_in(self, head: bytes, encoding: str) -> PlainTable:
        delimiter, header, names = self._layout(_text(head, encoding, self.files[0]))
        given = self._given(names)
        reader = Delimited(
            delimiter=delimiter,
            encoding=encoding,
            header=HeaderMode.ALL_FILES_SAME_HEADERS if header else HeaderMode.NO_HEADER,
            misfits=self.options.misfits,
        )
        facts = scan_text(self._opened(), reader, names, given)
        seen = {name: facts.seen.get(name, Seen(0)) for name in names}
        types = columns_by(seen, given, type_of)
        columns = tuple(Column(name, types[name], given=name in given) for name in names)
        recipe = TableRecipe(
            replace(reader, support_multi_line=facts.multi_line, packed=bool(self.packed)),
            columns,
            header_uri=self.files[0].uri,
        )
        found = Found("csv", len(self.files), delimiter, encoding, header, columns, facts.rows, self._compression())
        return PlainTable(recipe, self.files, found, facts)

    def _json_lines(self, head: bytes) -> PlainTable:
        with _naming(self.files[0].uri):
            encoding = self.options.encoding or sniffing.encoding_of(head)
        reader = JsonLines(encoding=encoding, misfits=self.options.misfits)
        facts = scan_json(self._opened(), reader)
        given = self._given(tuple(facts.seen))
        types = columns_by(facts.seen, given, json_type_of)
        columns = tuple(Column(name, type_, given=name in given) for name, type_ in types.items())
        found = Found("jsonl", len(self.files), "", encoding, None, columns, facts.rows, self._compression())
        recipe = TableRecipe(replace(reader, packed=bool(self.packed)), columns)
        return PlainTable(recipe, self.files, found, facts)

    def _given(self, names: tuple[str, ...]) -> dict[str, ColumnType]:
        """The types that are given, by column; InputError for one of no column."""
        types = dict(self.options.types)
        others = types.pop("*", None)
        if unknown := [name for name in types if name not in names]:
            raise InputError(
                f"read.types: {unknown[0]}: no such column in {uris.display(self.files[0].uri)}; "
                f"it has {', '.join(names)}"
            )
        words = {name: types.get(name, others) for name in names}
        return {name: _column_type(word) for name, word in words.items() if word is not None}

    def _compression(self) -> str:
        return ", ".join(sorted(self.packed))

    def _opened(self) -> Iterator[tuple[str, Read]]:
        """Each file in turn, with what reads what is in it from its start."""
        for entry in stoppable(iter(self.files)):
            with open_bytes(entry.uri, entry.size, self.access) as source:
                codec = codec_of(source.read(0, min(4, entry.size)))
                if codec is None:
                    yield entry.uri, _reading(source)
                    continue
                self.packed.add(codec)
                with unpacked_file(source, codec, entry.uri) as whole:
                    yield entry.uri, _reading(whole)


@contextmanager
def unpacked_file(source: ByteSource, codec: str, uri: str) -> Iterator[LocalBytes]:
    """What is in a compressed file, as a file of this machine's temporary folder; it lasts as long as the context."""
    with tempfile.TemporaryFile(prefix="fanout-unpacked-") as target:
        with room_in(Path(tempfile.gettempdir())):
            size = unpack(_Stream(source), codec, uri, target)  # type: ignore[arg-type]
            target.flush()
        yield LocalBytes(uri, size, target.fileno())


class _Stream:
    """A source as the file that pyarrow reads."""

    def __init__(self, source: ByteSource) -> None:
        self._read = _reading(source)
        self.closed = False

    def read(self, size: int = -1) -> bytes:
        return self._read(size if size >= 0 else STEP)

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self.closed = True


def _reading(source: ByteSource) -> Read:
    """Reads a source from its start, part by part; of a remote one some megabytes at once, whatever is asked for."""
    at, held = 0, b""

    def read(size: int) -> bytes:
        nonlocal at, held
        check_stop()
        while len(held) < size and at < source.size:
            stop = min(at + max(STEP, size - len(held)), source.size)
            held += source.read(at, stop)
            at = stop
        found, held = held[:size], held[size:]
        return found

    return read


def _name(entry: FileEntry) -> str:
    return uris.path_of(entry.uri).rpartition("/")[2]


@contextmanager
def _naming(uri: str) -> Iterator[None]:
    try:
        yield
    except InputError as exc:
        raise InputError(f"{uris.display(uri)}: {exc}") from exc


def _text(head: bytes, encoding: str, entry: FileEntry) -> str:
    from fanout.tables.formats.readers import decode

    is_all = len(head) < HEAD_SIZE
    try:
        text = decode(head, encoding, is_all=False).removeprefix("\ufeff")
    except UnicodeError as exc:
        name = "UTF-8" if encoding == "utf8" else encoding
        raise InputError(f"{uris.display(entry.uri)}: is not {name}; set read.encoding to what it is in") from exc
    return text if is_all or "\n" not in text else text[: text.rfind("\n") + 1]


def _column_type(word: str) -> ColumnType:
    from fanout.tables.values.types import wrong_format

    if "%" not in word:
        return ColumnType(Kind(word))
    if (wrong := wrong_format(word)) is not None:
        raise InputError(f"read.types: {word!r}: {wrong}")
    return ColumnType(Kind.DATETIME, formats=(word,))
