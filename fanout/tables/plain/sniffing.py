"""What the beginning of a file shows: its format, encoding, delimiter, and whether its first row holds names. Pure.

Nothing here is certain: what was found is shown to people, and checked against the whole of the data afterwards.
"""

import codecs
import re
from collections.abc import Sequence
from typing import Literal

from fanout.errors import InputError
from fanout.tables.formats.delimited_records import split_records

Format = Literal["csv", "jsonl", "parquet"]
DELIMITERS = (",", "\t", ";", "|")
SAMPLE_ROWS = 200
_BY_NAME: dict[str, Format] = {
    "csv": "csv",
    "tsv": "csv",
    "tab": "csv",
    "psv": "csv",
    "txt": "csv",
    "jsonl": "jsonl",
    "ndjson": "jsonl",
    "jsonlines": "jsonl",
    "parquet": "parquet",
    "pq": "parquet",
}
_PACKED = re.compile(r"\.(gz|gzip|zst|zstd)$", re.IGNORECASE)
_NUMBER = re.compile(r"[ \t]*[+-]?(?:[0-9]+[.,]?[0-9]*|[.,][0-9]+)(?:[eE][+-]?[0-9]+)?[ \t]*%?")
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")
_BY_MARK = ((codecs.BOM_UTF8, "utf8"), (codecs.BOM_UTF32_LE, "utf32"), (codecs.BOM_UTF32_BE, "utf32"))
_BY_SHORT_MARK = ((codecs.BOM_UTF16_LE, "utf16"), (codecs.BOM_UTF16_BE, "utf16"))
_FIRST = 4096
_UNUSED = frozenset(b"\x81\x8d\x8f\x90\x9d")
"""Bytes that windows-1252 gives no meaning."""


def format_of(name: str, head: bytes) -> Format:
    """The format of a file, by its name or by what it begins with."""
    known = format_by_name(name)
    if known is not None and (known == "parquet") == head.startswith(b"PAR1"):
        return known
    if head.startswith(b"PAR1"):
        return "parquet"
    return "jsonl" if head.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"{") else "csv"


def format_by_name(name: str) -> Format | None:
    """The format that the name of a file says, if it says any."""
    plain = _PACKED.sub("", name)
    return _BY_NAME.get(plain.rpartition(".")[2].lower()) if "." in plain else None


def encoding_of(head: bytes) -> str:
    """The encoding of text that begins so; where it is no UTF-8, windows-1252. InputError where it is neither."""
    for mark, encoding in (*_BY_MARK, *_BY_SHORT_MARK):
        if head.startswith(mark):
            return encoding
    if b"\0" in head[:_FIRST]:
        raise InputError(
            'holds zero bytes, so it is no text to read rows from; for a list of files write a count such as "10" as '
            "mini_batch_size; of UTF-16 without a mark set read.encoding to utf-16"
        )
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return single_byte_encoding(head)
    return "utf8"


def single_byte_encoding(text: bytes) -> str:
    """The encoding of text that is no UTF-8; InputError when it is not windows-1252 either."""
    if not _UNUSED.isdisjoint(text):
        raise InputError(
            "is neither UTF-8 nor windows-1252; set read.encoding to what it is in, or convert it, as in "
            "`iconv -f WINDOWS-1250 -t UTF-8`"
        )
    return "windows1252"


def delimiter_of(text: str, name: str) -> str:
    """What stands between the fields: what cuts all of the first lines into equally many, at least two.

    Of several such it is the one that makes most fields; of none the one that the first line has most of.
    """
    if _PACKED.sub("", name).lower().endswith((".tsv", ".tab")):
        return "\t"
    widths = {each: _widths(text, each) for each in DELIMITERS}
    steady = [each for each in DELIMITERS if len(set(widths[each])) == 1 and widths[each][0] > 1]
    if steady:
        return max(steady, key=lambda each: widths[each][0])
    first = {each: widths[each][0] if widths[each] else 1 for each in DELIMITERS}
    return max(DELIMITERS, key=lambda each: first[each])


def _widths(text: str, delimiter: str) -> list[int]:
    return [len(record) for record in records_of(text, delimiter)]


def records_of(text: str, delimiter: str) -> list[list[str | None]]:
    """The first records of a text, blank lines left out."""
    multi_line = '"' in text
    found: list[list[str | None]] = []
    for record in split_records(text, delimiter, multi_line=multi_line):
        if record not in ([None], ["\n"], [""]):
            found.append([each.removeprefix("\n") if each and multi_line else each for each in record])
        if len(found) >= SAMPLE_ROWS:
            break
    return found


def has_header(records: Sequence[Sequence[str | None]]) -> bool:
    """Whether the first row holds names rather than data.

    It does unless a field of it is a number. Where some are, it still does when these are years, and below them are
    other numbers, or when a column begins with a word and goes on with nothing but numbers.
    """
    if not records:
        return False
    first, rest = records[0], records[1:]
    numbers = [bool(field and _NUMBER.fullmatch(field)) for field in first]
    if not any(numbers):
        return True
    if all(numbers):
        return False
    if _are_years([field for field, is_number in zip(first, numbers, strict=True) if is_number]) and rest:
        below = [row[k] for row in rest for k, is_number in enumerate(numbers) if is_number and k < len(row)]
        return not _are_years(below[: sum(numbers)])
    return any(
        field and not is_number and _all_numbers([row[k] for row in rest if k < len(row)])
        for k, (field, is_number) in enumerate(zip(first, numbers, strict=True))
    )


def _are_years(fields: Sequence[str | None]) -> bool:
    """Whether all of these are years of our time, each another one."""
    return len(set(fields)) == len(fields) and all(_YEAR.fullmatch(field or "") for field in fields)


def _all_numbers(fields: Sequence[str | None]) -> bool:
    present = [field for field in fields if field]
    return bool(present) and all(_NUMBER.fullmatch(field) for field in present)
