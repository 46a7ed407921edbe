"""Our own records as JSON: frozen dataclasses written by the names of their fields, and read back by their types.

Reading is strict: no field too many, and none of another type. It is done here because pydantic takes 80 ms to load and
to look at the types, in each process, of the third of a second in which a run begins. Pure; the standard library only.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from math import isfinite
from types import NoneType, UnionType
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from fanout.store import checked

Read = Callable[[Any, str], Any]
"""From a JSON value, and the place where it stands, to a typed one."""
JSON_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}


class _MismatchError(ValueError):
    """A value is not what it should be."""

    def __init__(self, at: str, what: str) -> None:
        super().__init__(f"{at or 'the record'}: {what}")
        self.depth = at.count(".") + bool(at)


def dump(value: object) -> bytes:
    """The value as compact JSON; equal values give equal bytes."""
    return json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def load(kind: Any, text: str | bytes) -> Any:
    """The value of type `kind` that was dumped; ValueError, which names the place, when the text is anything else."""
    return _reader(kind)(checked.parse(text), "")


def _plain(value: object) -> dict[str, object]:
    if is_dataclass(value):
        return {field.name: _number(getattr(value, field.name), field.type) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in a record")


def _number(value: object, kind: object) -> object:
    """1 equals 1.0, and may stand where a float belongs: it is written as one."""
    return float(value) if type(value) is int and kind in (float, float | None) else value


@cache
def _reader(kind: Any) -> Read:
    """What reads values of this type."""
    origin, arguments = get_origin(kind), get_args(kind)
    if is_dataclass(kind):
        return _record(kind)
    if origin in (Union, UnionType):
        return _either([_reader(argument) for argument in arguments])
    if origin is Literal:
        return _one_of({argument: argument for argument in arguments})
    if origin is tuple:
        return _list(_reader(arguments[0])) if arguments[-1] is ... else _row([_reader(a) for a in arguments])
    if origin in (Mapping, dict):
        return _mapping(_reader(arguments[1]))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _one_of({member.value: member for member in kind})
    return _scalar(kind)


def _record(kind: Any) -> Read:
    hints, known = get_type_hints(kind), fields(kind)
    readers = {field.name: _reader(hints[field.name]) for field in known}
    needed = {field.name for field in known if field.default is MISSING and field.default_factory is MISSING}

    def read(value: Any, at: str) -> Any:
        _expect(dict, value, at, "an object")
        if "kind" in readers.keys() & value.keys():
            readers["kind"](value["kind"], at)  # first, and less deep: another alternative may be meant
        for name in [*(value.keys() - readers.keys()), *(needed - value.keys())]:
            raise _MismatchError(_join(at, name), "no such field" if name in value else "missing")
        return kind(**{name: readers[name](inner, _join(at, name)) for name, inner in value.items()})

    return read


def _either(readers: Sequence[Read]) -> Read:
    def read(value: Any, at: str) -> Any:
        wrong: list[_MismatchError] = []
        for reader in readers:
            try:
                return reader(value, at)
            except _MismatchError as exc:
                wrong.append(exc)
        raise max(wrong, key=lambda exc: exc.depth)  # the one that was meant gets furthest

    return read


def _one_of(known: Mapping[Any, Any]) -> Read:
    def read(value: Any, at: str) -> Any:
        if type(value) not in map(type, known) or value not in known:
            _refuse(value, at, " or ".join(map(repr, known)))
        return known[value]

    return read


def _list(reader: Read) -> Read:
    def read(value: Any, at: str) -> Any:
        _expect(list, value, at, "a list")
        return tuple([reader(inner, _join(at, str(index))) for index, inner in enumerate(value)])

    return read


def _row(readers: Sequence[Read]) -> Read:
    def read(value: Any, at: str) -> Any:
        _expect(list, value, at, "a list")
        if len(value) != len(readers):
            _refuse(value, at, f"{len(readers)} values")
        return tuple([readers[index](inner, _join(at, str(index))) for index, inner in enumerate(value)])

    return read


def _mapping(reader: Read) -> Read:
    def read(value: Any, at: str) -> Any:
        _expect(dict, value, at, "an object")
        return {name: reader(inner, _join(at, name)) for name, inner in value.items()}

    return read


def _scalar(kind: Any) -> Read:
    if kind not in JSON_NAMES:
        raise TypeError(f"{kind} has no place in a record")

    def read(value: Any, at: str) -> Any:
        if kind is float and type(value) is int and abs(value) < 2**53:
            return float(value)
        if type(value) is not kind or (kind is float and not isfinite(value)):
            _refuse(value, at, JSON_NAMES[kind])
        return value

    return read


def _expect(kind: type, value: object, at: str, name: str) -> None:
    if type(value) is not kind:
        _refuse(value, at, name)


def _refuse(value: object, at: str, expected: str) -> NoReturn:
    raise _MismatchError(at, f"found {value!r:.80}, expected {expected}")


def _join(at: str, name: str) -> str:
    return f"{at}.{name}" if at else name
