"""fanout.toml as typed keys, each problem with its key path; what the keys mean is said in settings.py."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fanout.errors import SettingsError
from fanout.pipeline.yaml.diagnostics import shorten, suggest

if TYPE_CHECKING:
    from pydantic import TypeAdapter

SIZE_LIMIT = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of fanout.toml, at the top or in a profile, before they mean anything."""

    __pydantic_config__: ClassVar[Any] = {"extra": "forbid"}

    store: str | None = None
    queue: str | None = None
    endpoint_url: str | None = None
    endpoint_url_s3: str | None = None
    endpoint_url_sqs: str | None = None
    region: str | None = None
    visibility: float | None = None
    max_receives: int | None = None
    strict: bool | None = None
    durable: bool | None = None
    datastores: Mapping[str, str] = field(default_factory=dict)
    computes: Mapping[str, str] = field(default_factory=dict)


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


@cache
def _adapter() -> "TypeAdapter[SettingsFile]":
    from pydantic import TypeAdapter

    return TypeAdapter(SettingsFile)


def _checked(content: Mapping[str, Any], path: Path) -> SettingsFile:
    """The typed keys; every key that is unknown or of the wrong type is named."""
    from pydantic import ValidationError

    try:
        return _adapter().validate_json(json.dumps(content, default=str), strict=True)
    except ValidationError as exc:
        errors = exc.errors(include_url=False, include_context=False)
        lines = [_sentence(tuple(map(str, e["loc"])), e["type"], e["msg"], e["input"]) for e in errors[:50]]
        raise SettingsError("\n".join(f"{path}: {line}" for line in lines)) from exc


def _sentence(where: tuple[str, ...], kind: str, message: str, value: object) -> str:
    key = ".".join(where)
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        known = [f.name for f in fields(SettingsFile if len(where) == 1 else Keys)]
        return f"{key}: unknown key{suggest(where[-1], known)}"
    return f"{key}: {message[:1].lower()}{message[1:]}, found {shorten(repr(value))}"
