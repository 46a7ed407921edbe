"""How durable records are written and read: JSON from frozen dataclasses, and back, by the types of their fields.

One codec for all of them: the version is checked first, every field is checked once, and DamagedRecordError says in
which object and at which key path something is not as written. The standard library only, because nodes begin with it.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache, partial
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

from fanout.errors import DamagedRecordError
from fanout.pipeline.model import Added
from fanout.records import fields as checked

T = TypeVar("T")
Check = Callable[[Any, str], Any]
"""A value and its key path to what it is in memory; ValueError when it cannot be."""

Whole = Annotated[int, checked.whole]
Positive = Annotated[int, partial(checked.whole, least=1)]
Large = Annotated[int, partial(checked.whole, below=2**63)]
Seconds = Annotated[float, checked.seconds]
Text = Annotated[str, checked.text]
Digest = Annotated[str, checked.digest]
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class As:
    """For Annotated: a type that JSON holds in a form of its own."""

    load: Check
    dump: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Complete:
    """For Annotated: no field may be missing below, so that no default stands in for what was lost."""


@dataclass(frozen=True)
class Record(Generic[T]):
    """Objects of one kind: a dataclass as JSON, with its version under `tag` (None: it has no version).

    `constants` are fields that each such object has with just this value. `refused` begins the message about damage.
    `check` raises ValueError for what the types leave open.
    """

    kind: type[T]
    version: int | None = 1
    tag: str = "version"
    constants: Mapping[str, object] = field(default_factory=dict)
    complete: bool = False
    indent: int | None = 1
    refused: str = ""
    check: Callable[[T], None] | None = None

    def prepare(self) -> None:
        """What reads and writes such objects is made now, for a process that waits for its first one."""
        _form(self.kind, self.complete)

    def dump(self, value: T) -> bytes:
        """The object; equal values give equal bytes."""
        marks = {} if self.version is None else {self.tag: self.version}
        content = {**marks, **self.constants, **_form(self.kind, self.complete).dump(value)}
        return json.dumps(content, indent=self.indent, separators=(",", ":" if self.indent is None else ": ")).encode()

    def load(self, body: str | bytes, key: str, **expected: object) -> T:
        """The value in the object at `key`, whose fields `expected` have these values.

        DamagedRecordError, naming `key` and the key path in it, when it is anything else.
        """
        try:
            return self._load(checked.parse(body), expected)
        except _MALFORMED as exc:
            raise DamagedRecordError(f"{key}: {self.refused}{exc}") from exc

    def _load(self, content: object, expected: Mapping[str, object]) -> T:
        if not isinstance(content, dict):
            raise TypeError(f"expected an object, got {content!r:.80}")
        if self.version is not None and not _same(content.get(self.tag), self.version):
            raise ValueError(f"{self.tag} {content.get(self.tag)!r:.80}, this fanout reads version {self.version}")
        for name, value in {**self.constants, **expected}.items():
            if not _same(content.get(name), value):
                raise ValueError(f"{name} is {content.get(name)!r:.80}, expected {value!r:.80}")
        marks = {self.tag, *self.constants} - {each.name for each in fields(self.kind)}  # type: ignore[arg-type]
        plain = {name: value for name, value in content.items() if name not in marks}
        found: T = _form(self.kind, self.complete).load(plain, "")
        if self.check is not None:
            self.check(found)
        return found


def as_json(kind: Any, value: object) -> Any:
    """The value, of type `kind`, as JSON holds it: objects, lists, texts, numbers."""
    return _form(kind, False).dump(value)


class _Form(NamedTuple):
    """How values of a type are read, and written."""

    load: Check
    dump: Callable[[Any], Any]


def _form(kind: Any, complete: bool) -> _Form:
    """The form of a type, made once."""
    return _made(kind, complete)


@cache
def _made(kind: Any, complete: bool) -> _Form:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], complete)
    if origin in (Union, UnionType):
        return _union(arguments, complete)
    if origin is Literal:
        return _Form(partial(_one_of, arguments), _as_it_is)
    if origin is tuple:
        return _list(arguments, complete)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(arguments[0], _form(arguments[1], complete))
    if is_dataclass(kind):
        return _object(kind, complete)
    if issubclass(kind, Enum):
        return _Form(partial(_member, kind), lambda member: member.value)
    return _Form(_SCALARS[kind], float if kind is float else _as_it_is)


def _annotated(kind: Any, marks: tuple[Any, ...], complete: bool) -> _Form:
    for mark in marks:
        if isinstance(mark, As):
            return _Form(mark.load, mark.dump)
        if callable(mark):
            return _Form(mark, _form(kind, complete).dump)
    return _form(kind, complete or Complete() in marks)


def _union(kinds: tuple[Any, ...], complete: bool) -> _Form:
    """Distinguished by None, by the `kind` of dataclasses, or by the types of JSON."""
    rest = [kind for kind in kinds if kind is not NoneType]
    by_kind = {_kind(each): _form(each, complete) for each in rest} if all(map(is_dataclass, rest[1:])) else {}
    if len(rest) == 1:
        inner = _form(rest[0], complete)
    elif by_kind:
        inner = _Form(partial(_tagged, by_kind), lambda value: by_kind[value.kind].dump(value))
    else:
        inner = _Form(partial(_scalar, frozenset(rest)), _as_it_is)
    if len(rest) == len(kinds):
        return inner
    return _Form(
        lambda value, path: None if value is None else inner.load(value, path),
        lambda value: None if value is None else inner.dump(value),
    )


def _kind(kind: Any) -> Any:
    return next((each.default for each in fields(kind) if each.name == "kind"), None) if is_dataclass(kind) else None


def _tagged(forms: Mapping[Any, _Form], value: object, path: str) -> Any:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in forms:
        raise ValueError(f"{_below(path, 'kind')} is {kind!r:.80}, expected one of {', '.join(map(str, forms))}")
    return forms[kind].load(value, path)


def _list(kinds: tuple[Any, ...], complete: bool) -> _Form:
    forms = tuple(_form(kind, complete) for kind in kinds if kind is not Ellipsis)
    alike = forms[0] if kinds[-1] is Ellipsis else None

    def load(value: object, path: str) -> tuple[Any, ...]:
        if not isinstance(value, list) or (alike is None and len(value) != len(forms)):
            count = "" if alike is not None else f" of {len(forms)}"
            raise TypeError(f"{path} is {value!r:.80}, expected a list{count}")
        each = forms if alike is None else (alike,) * len(value)
        return tuple([form.load(one, f"{path}.{i}") for i, (form, one) in enumerate(zip(each, value, strict=True))])

    def dump(value: tuple[Any, ...]) -> list[Any]:
        each = forms if alike is None else (alike,) * len(value)
        return [form.dump(one) for form, one in zip(each, value, strict=True)]

    return _Form(load, dump)


def _mapping(key: Any, form: _Form) -> _Form:
    def load(value: object, path: str) -> dict[Any, Any]:
        if not isinstance(value, dict) or not all(key is str or name.isdecimal() for name in value):
            raise TypeError(f"{path} is {value!r:.80}, expected an object" + (" by number" if key is int else ""))
        return {key(name): form.load(one, f"{path}.{name}") for name, one in value.items()}

    return _Form(load, lambda value: {str(name): form.dump(one) for name, one in value.items()})


def _object(kind: Any, complete: bool) -> _Form:
    hints = get_type_hints(kind, include_extras=True)
    members = {each.name: _form(hints[each.name], complete) for each in fields(kind)}
    needed = [each.name for each in fields(kind) if complete or _is_needed(each)]
    needed = [name for name in needed if Added() not in getattr(hints[name], "__metadata__", ())]

    def load(value: object, path: str) -> Any:
        if not isinstance(value, dict):
            raise TypeError(f"{path or 'the record'} is {value!r:.80}, expected an object")
        for name in value:
            if name not in members:
                raise ValueError(f"{_below(path, name)}: this version of fanout knows no such field")
        for name in needed:
            if name not in value:
                raise ValueError(f"{_below(path, name)} is missing")
        return kind(**{name: members[name].load(one, _below(path, name)) for name, one in value.items()})

    return _Form(load, lambda value: {name: form.dump(getattr(value, name)) for name, form in members.items()})


def _is_needed(each: "Field[Any]") -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _below(path: str, name: str) -> str:
    return f"{path}.{name:.80}" if path else f"{name:.80}"


def _same(value: object, other: object) -> bool:
    """Whether they are equal, and of one type: True is not 1."""
    return type(value) is type(other) and value == other


def _as_it_is(value: Any) -> Any:
    return value


def _one_of(allowed: tuple[Any, ...], value: object, path: str) -> object:
    for each in allowed:
        if _same(value, each):
            return each
    raise ValueError(f"{path} is {value!r:.80}, expected {_either(allowed)}")


def _member(kind: type[Enum], value: object, path: str) -> Enum:
    for member in kind:
        if _same(value, member.value):
            return member
    raise ValueError(f"{path} is {value!r:.80}, expected {_either(member.value for member in kind)}")


def _either(values: "Iterator[Any] | tuple[Any, ...]") -> str:
    return " or ".join(repr(value) for value in values)


def _scalar(kinds: frozenset[Any], value: object, path: str) -> object:
    if type(value) in kinds:
        return _SCALARS[type(value)](value, path)
    names = ", ".join(sorted(kind.__name__ for kind in kinds))
    raise TypeError(f"{path} is {value!r:.80}, expected one of {names}")


def _exactly(kind: type, value: Any, path: str) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{path} is {value!r:.80}, expected {kind.__name__}")
    return value


def _number(value: Any, path: str) -> float:
    if type(value) not in (int, float) or not math.isfinite(value):
        raise TypeError(f"{path} is {value!r:.80}, expected a number")
    return float(value)


_SCALARS: Mapping[Any, Check] = {
    str: partial(_exactly, str),
    int: partial(_exactly, int),
    bool: partial(_exactly, bool),
    float: _number,
}
