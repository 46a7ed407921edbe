"""A table of fanout.toml as a dataclass, whose annotations say what each key may be."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from fanout.errors import SettingsError
from fanout.pipeline.yaml.diagnostics import shorten, suggest

T = TypeVar("T")
_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_TYPES: dict[Any, tuple[type, ...]] = {float: (int, float)}


def typed(cls: type[T], content: Mapping[str, Any], where: str) -> T:
    """`content` as `cls`, a dataclass; SettingsError names each key that is unknown, missing or of another type.

    Annotations may be str, int, float, bool, Any, dataclasses of these, `tuple[X, ...]`, `Mapping[str, X]` and unions.
    """
    if problems := list(_problems(cls, content, where)):
        raise SettingsError("\n".join(problems))
    hints = get_type_hints(cls)
    return cls(**{name: _value(value, hints[name]) for name, value in content.items()})


def _problems(cls: Any, content: Mapping[str, Any], where: str) -> Iterator[str]:
    known, hints = {f.name: f for f in fields(cls)}, get_type_hints(cls)
    for name, value in content.items():
        if name not in known:
            yield f"{where}.{name}: unknown key{suggest(name, known)}"
        elif not _fits(value, hints[name]):
            yield from _wrong(hints[name], value, f"{where}.{name}")
    for name, one in known.items():
        if name not in content and one.default is MISSING and one.default_factory is MISSING:
            yield f"{where}.{name}: is needed"


def _wrong(kind: Any, value: Any, where: str) -> Iterator[str]:
    inner = next((one for one in _choices(kind) if is_dataclass(one)), None)
    if inner is not None and isinstance(value, dict):
        yield from _problems(inner, value, where)
    else:
        yield f"{where}: expected {_named(kind)}, found {shorten(repr(value))}"


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if len(choices := _choices(kind)) > 1:
        return any(_fits(value, one) for one in choices)
    [kind] = choices
    if get_origin(kind) is tuple:
        return isinstance(value, list | tuple) and all(_fits(one, get_args(kind)[0]) for one in value)
    if isinstance(origin := get_origin(kind), type) and issubclass(origin, Mapping):
        return isinstance(value, dict) and all(_fits(one, get_args(kind)[1]) for one in value.values())
    if is_dataclass(kind):
        return isinstance(value, dict) and not list(_problems(kind, value, ""))
    return type(value) in _TYPES.get(kind, (kind,))


def _value(value: Any, kind: Any) -> Any:
    """As the field holds it."""
    found = next((one for one in _choices(kind) if _fits(value, one)), kind)
    if is_dataclass(found):
        return typed(found, value, "")  # type: ignore[arg-type]
    if get_origin(found) is tuple:
        return tuple(value)
    return float(value) if found is float else value


def _choices(kind: Any) -> tuple[Any, ...]:
    """The types of a union, without None, which TOML does not have."""
    if get_origin(kind) not in (Union, types.UnionType):
        return (kind,)
    return tuple(one for one in get_args(kind) if one is not type(None))


def _named(kind: Any) -> str:
    return " or ".join(dict.fromkeys(_word(one) for one in _choices(kind)))


def _word(kind: Any) -> str:
    if get_origin(kind) is tuple:
        return "a list of texts" if get_args(kind)[0] is str else "a list"
    return _NAMES.get(kind, "a table")
