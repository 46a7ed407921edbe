"""The options that choose runs of a store, as a filter."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fanout.cli.options import seconds_in
from fanout.errors import SettingsError

if TYPE_CHECKING:
    from fanout.queries.run_filter import RunFilter


def chosen_runs(
    verdicts: Sequence[str] | None, since: str | None, tags: Sequence[str] | None, trigger: str | None
) -> "RunFilter":
    """The runs that the options mean; SettingsError for a value that none can have."""
    from fanout.clock import SystemClock
    from fanout.queries.run_filter import RunFilter, RunState

    known = [state.value for state in RunState]
    if wrong := [verdict for verdict in verdicts or () if verdict not in known]:
        raise SettingsError(f"--verdict {wrong[0]}: expected {', '.join(known)}")
    now = SystemClock().now()
    return RunFilter(
        frozenset(map(RunState, verdicts or ())),
        None if since is None else now - seconds_in("--since", since),
        dict(map(_tag, tags or ())),
        trigger,
    )


def _tag(given: str) -> tuple[str, str | None]:
    name, is_given, value = given.partition("=")
    if not name:
        raise SettingsError(f"--tag {given}: expected a name, or NAME=VALUE")
    return name, value if is_given else None
