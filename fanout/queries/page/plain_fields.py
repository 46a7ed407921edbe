"""Values of the read model as JSON holds them, without credentials. Pure."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from fanout.security.redaction import redact


def plain_fields(value: object) -> Any:
    """Dataclasses and mappings as objects, sequences as lists, texts without credentials; other values as they are."""
    match value:
        case Enum():
            return value.value
        case str():
            return redact(value)
        case Mapping():
            return {str(key): plain_fields(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain_fields(one) for one in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {one.name: plain_fields(getattr(value, one.name)) for one in fields(value) if one.repr}
        case _:
            return value
