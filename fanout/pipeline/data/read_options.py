"""The key `read` of an input: how its files are read as rows, where that is not left to be found out. Ours."""

from collections.abc import Mapping
from typing import Literal, cast

from fanout.pipeline.model import ReadOptions
from fanout.pipeline.yaml.checks import choice, expected, flag, mapping, word_of
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, shorten
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import MapNode, Node, ScalarNode

FORMATS = ("csv", "tsv", "jsonl", "parquet")
ENCODINGS = ("utf-8", "windows-1252", "latin-1", "utf-16", "utf-32")
TYPES = ("string", "int", "float", "boolean", "datetime")
_ENCODING = {"utf-8": "utf8", "windows-1252": "windows1252", "latin-1": "latin1", "utf-16": "utf16", "utf-32": "utf32"}
_DELIMITERS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";"}
_SPACED = ("utf16", "utf32")


def read_options(node: Node, report: Report) -> ReadOptions:
    """A check: a format alone, or a mapping; CheckFailed when it is neither."""
    if isinstance(node, ScalarNode):
        return _of_format(choice("auto", *FORMATS)(node))
    fields = Fields(mapping(node), report)
    named = _of_format(fields.take("format", choice("auto", *FORMATS), "auto"))
    options = ReadOptions(
        format=named.format,
        delimiter=fields.take("delimiter", _delimiter, named.delimiter),
        encoding=_ENCODING.get(fields.take("encoding", word_of(*ENCODINGS), ""), ""),
        header=fields.take("header", flag, None),
        types=fields.take("types", _types, {}),
        misfits=cast('Literal["error", "null"]', fields.take("misfits", choice("error", "null"), "error")),
    )
    fields.close()
    _check_fits(fields, options)
    return options


def _of_format(word: str) -> ReadOptions:
    if word == "tsv":
        return ReadOptions("csv", "\t")
    return ReadOptions(cast('Literal["", "csv", "jsonl", "parquet"]', "" if word == "auto" else word))


def _check_fits(fields: Fields, options: ReadOptions) -> None:
    """Note what only delimited text has, of another format."""
    if options.format not in ("jsonl", "parquet"):
        return
    for key in ("delimiter", "header", *(("types", "encoding", "misfits") if options.format == "parquet" else ())):
        if (node := fields.get(key)) is not None:
            fields.report.problem(node.origin, f"has no meaning for {options.format}")


def _delimiter(node: Node) -> str:
    written = node.text if isinstance(node, ScalarNode) else ""
    found = _DELIMITERS.get(written, written)
    if len(found) != 1 or not found.isascii() or found in '"\r\n\0':
        raise expected("one character, such as ';', or tab", node)
    return found


def _types(node: Node) -> Mapping[str, str]:
    """The types of columns by name; one word is that of all."""
    if not isinstance(node, MapNode):
        return {"*": _type(node)}
    return {name: _type(value) for name, value in node.values()}


def _type(node: Node) -> str:
    word = node.text if isinstance(node, ScalarNode) else ""
    if "%" in word or word in TYPES:
        return word
    if word in ("text", "str", "integer", "number", "bool", "date", "time"):
        near = {"text": "string", "str": "string", "integer": "int", "number": "float", "bool": "boolean"}
        raise CheckFailed(f"'{shorten(word)}' is no type here; write {near.get(word, 'datetime')}", node.origin)
    raise expected("string, int, float, boolean, datetime, or a format of times such as '%d/%m/%Y'", node)
