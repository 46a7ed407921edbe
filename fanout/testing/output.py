"""What a step has put out, as tests look at it: an output of the Python API, in the environment of a run under test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fanout.api.output import Output as OutputOfRun

if TYPE_CHECKING:
    import pandas as pd

    from fanout.storage.access import Access


@dataclass(frozen=True, slots=True)
class Output(OutputOfRun):
    """A file or a folder at `uri`, on this machine or on the servers that `environ` leads to."""

    uri: str
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def rows(self) -> list[str]:
        """The lines of a text file, without their ends."""
        return self.text().splitlines()

    def dataframe(self, **options: Any) -> "pd.DataFrame":
        """The table in a file, as `to_pandas` reads it."""
        return self.to_pandas(**options)

    def _access(self) -> "Access":
        from fanout.storage.access import Access

        return Access.from_environ(self.environ)
