"""What the names of Azure datastores stand for here: part of how data is reached, so it goes wherever `Access` goes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from fanout.errors import SettingsError

VARIABLE = "FANOUT_DATASTORES"


@dataclass(frozen=True, slots=True)
class Datastores:
    """Roots of datastores, by name, as URIs; with `others`, any other name is a folder below that URI."""

    named: tuple[tuple[str, str], ...] = ()
    others: str | None = None

    @classmethod
    def of(cls, named: Mapping[str, str], store: str) -> "Datastores":
        """Those that fanout.toml names; all others are folders of the store: `<store>/datastores/<name>`."""
        return cls(tuple(sorted(named.items())), f"{store.rstrip('/')}/datastores")

    def __bool__(self) -> bool:
        return bool(self.named or self.others)

    def uri(self, name: str, path: str) -> str | None:
        """Where `path` of the datastore `name` is; None when the datastore is not declared."""
        root = dict(self.named).get(name) or (f"{self.others}/{name}" if self.others else None)
        if root is None:
            return None
        return f"{root.rstrip('/')}/{path}" if path else root.rstrip("/")

    def to_text(self) -> str:
        """The datastores as the value of FANOUT_DATASTORES, for processes that fanout starts."""
        return json.dumps({"named": dict(self.named), "others": self.others}, separators=(",", ":"))

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Datastores":
        """Those of FANOUT_DATASTORES, none when it is not set; SettingsError when it holds anything else."""
        text = environ.get(VARIABLE)
        if not text:
            return cls()
        try:
            fields = json.loads(text)
            named, others = fields["named"], fields["others"]
            if not all(isinstance(uri, str) for uri in named.values()) or not isinstance(others, str | None):
                raise TypeError("expected texts")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise SettingsError(f"{VARIABLE}: set by fanout for its own processes, found something else") from exc
        return cls(tuple(sorted(named.items())), others)


NO_DATASTORES = Datastores()
