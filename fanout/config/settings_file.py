"""fanout.toml as typed keys, each problem with its key path; what the keys mean is said in settings.py."""

import datetime
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from fanout.errors import SettingsError
from fanout.pipeline.yaml.diagnostics import shorten, suggest

SIZE_LIMIT = 1024 * 1024
_MOST_PROBLEMS = 50


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of fanout.toml, at the top or in a profile, before they mean anything."""

    store: str | None = None
    queue: str | None = None
    endpoint_url: str | None = None
    endpoint_url_s3: str | None = None
    endpoint_url_sqs: str | None = None
    region: str | None = None
    visibility: float | None = None
    max_receives: int | None = None
    notify: str | None = None
    notify_on: str | None = None
    strict: bool | None = None
    durable: bool | None = None
    report: bool | None = None
    datastores: Mapping[str, str] = field(default_factory=dict)
    computes: Mapping[str, str] = field(default_factory=dict)
    engines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SettingsFile(Keys):
    """All of fanout.toml."""

    profiles: Mapping[str, Keys] = field(default_factory=dict)


def read_file(path: Path) -> SettingsFile:
    """The keys of the file at `path`; SettingsError for each one that is unknown or of the wrong type."""
    try:
        with path.open("rb") as file:
            text = file.read(SIZE_LIMIT + 1)
        if len(text) > SIZE_LIMIT:
            raise SettingsError(f"{path}: larger than {SIZE_LIMIT // 1024} KiB")
        return _checked(tomllib.loads(text.decode("utf-8-sig")), path)
    except OSError as exc:
        raise SettingsError(f"{path}: cannot be read: {exc.strerror}") from exc
    except (ValueError, RecursionError) as exc:
        raise SettingsError(f"{path}: not TOML: {exc}") from exc


def _checked(content: Mapping[str, Any], path: Path) -> SettingsFile:
    """The typed keys; every key that is unknown or of the wrong type is named."""
    problems = list(_problems(content, _TOP, ()))
    if problems:
        raise SettingsError("\n".join(f"{path}: {problem}" for problem in problems[:_MOST_PROBLEMS]))
    profiles = {name: Keys(**_values(keys)) for name, keys in content.get("profiles", {}).items()}
    return SettingsFile(**{**_values(content), "profiles": profiles})


def _values(content: Mapping[str, Any]) -> dict[str, Any]:
    """As the fields hold them: dates, which TOML has, are the texts that they were."""
    # By way of a text: a whole number that no float can hold is infinite, and out of range.
    return {name: float(str(value)) if name == "visibility" else _text(value) for name, value in content.items()}


def _text(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _text(one) for name, one in value.items()}
    return str(value) if isinstance(value, _DATES) else value


def _problems(content: Mapping[str, Any], known: Mapping[str, "_Kind"], where: tuple[str, ...]) -> Iterator[str]:
    for name, value in content.items():
        place = (*where, name)
        if name not in known:
            yield f"{'.'.join(place)}: unknown key{suggest(name, known)}"
        else:
            yield from _wrong(value, known[name], place)


def _wrong(value: Any, kind: "_Kind", place: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the value of one key."""
    if isinstance(kind, _Scalar):
        if type(value) not in kind.types:
            yield f"{'.'.join(place)}: input should be {kind.name}, found {shorten(repr(value))}"
    elif not isinstance(value, dict):
        yield f"{'.'.join(place)}: input should be an object, found {shorten(repr(value))}"
    elif kind is _PROFILES:
        for name, keys in value.items():
            if isinstance(keys, dict):
                yield from _problems(keys, _KEYS, (*place, name))
            else:
                yield from _wrong(keys, kind, (*place, name))
    elif kind is _Table.ENGINES:
        for name, one in value.items():
            if not isinstance(one, dict):
                yield from _wrong(one, kind, (*place, name))
    else:
        for name, one in value.items():
            yield from _wrong(one, _TEXT, (*place, name))


@dataclass(frozen=True, slots=True)
class _Scalar:
    """A value of one of these types, as messages name it."""

    name: str
    types: tuple[type, ...]


class _Table(Enum):
    """A table: of texts, of profiles, or of the settings of engines, by name. Each engine checks its own."""

    TEXTS = 1
    PROFILES = 2
    ENGINES = 3


_Kind = _Scalar | _Table
_DATES = (datetime.date, datetime.time)  # a datetime is a date
_TEXT = _Scalar("a valid string", (str, datetime.datetime, *_DATES))
_FLAG = _Scalar("a valid boolean", (bool,))
_PROFILES = _Table.PROFILES
_KEYS: Mapping[str, _Kind] = {
    **dict.fromkeys(
        ("store", "queue", "endpoint_url", "endpoint_url_s3", "endpoint_url_sqs", "region", "notify", "notify_on"),
        _TEXT,
    ),
    "visibility": _Scalar("a valid number", (int, float)),
    "max_receives": _Scalar("a valid integer", (int,)),
    **dict.fromkeys(("strict", "durable", "report"), _FLAG),
    **dict.fromkeys(("datastores", "computes"), _Table.TEXTS),
    "engines": _Table.ENGINES,
}
_TOP: Mapping[str, _Kind] = {**_KEYS, "profiles": _PROFILES}
