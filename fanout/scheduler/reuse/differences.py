"""Says why a step is not reused: what differs between what an earlier run was made from and this one. Pure."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fanout.scheduler.reuse.made_from import MadeFrom, MadeInput

MOST_NAMES = 3
"""Names in a sentence; of more it says how many there are."""
_HIDDEN = ("environment_variables",)
"""Settings whose values are not shown: they may be credentials."""
_PARTS = frozenset({"task", "thresholds"})
"""Parts of a step that pipeline files have no key for: their fields stand alone."""


def differences(
    before: MadeFrom, now: MadeFrom, changed_files: Sequence[str], changed_items: Mapping[str, str]
) -> list[str]:
    """Returns what differs, in parts of a sentence; nothing when both are the same.

    `changed_files` are the files of the code that changed; `changed_items` says for each input what has changed in its
    data, where that is known.
    """
    found: list[str] = []
    if before.code != now.code:
        found.append(f"code changed: {few(changed_files)}" if changed_files else "code changed")
    found += _settings(json.loads(before.settings), json.loads(now.settings))
    found += _inputs(before.inputs, now.inputs, changed_items)
    found += _places(before, now)
    found += _software(before, now)
    return found


def few(names: Sequence[str]) -> str:
    """Returns the first of these names, and how many more there are."""
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more


def _settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    found = list(_changes(before, now, ()))
    if found:
        yield f"settings changed: {few(found)}"


def _changes(before: object, now: object, path: tuple[str, ...]) -> Iterator[str]:
    """Yields each setting that differs, by its key, with both values when they are short."""
    if before == now:
        return
    if isinstance(before, dict) and isinstance(now, dict) and not _is_size(before):
        for name in sorted({*before, *now}):
            below = path if name in _PARTS else (*path, name)
            yield from _changes(before.get(name), now.get(name), below)
        return
    key = ".".join(path)
    if path[0] in _HIDDEN or not (_is_short(before) and _is_short(now)):
        yield key
    else:
        yield f"{key} {_shown(before)} -> {_shown(now)}"


def _is_size(value: Mapping[str, Any]) -> bool:
    return value.keys() == {"number", "unit"}


def _is_short(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float) or (isinstance(value, dict) and _is_size(value))


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return f"{value['number']}{value['unit']}" if isinstance(value, dict) else json.dumps(value)


def _inputs(
    before: Mapping[str, MadeInput], now: Mapping[str, MadeInput], changed_items: Mapping[str, str]
) -> Iterator[str]:
    for name in sorted({*before, *now}):
        old, new = before.get(name), now.get(name)
        if old is None or new is None:
            yield f"input {name} is {'new' if old is None else 'gone'}"
        elif old.literal != new.literal:
            yield f"input {name} has another value"
        elif new.made_by is not None and (old.uri, old.identity) != (new.uri, new.identity):
            yield f"step {new.made_by}, which makes input {name}, was run again"
        elif (old.uri, old.chosen) != (new.uri, new.chosen):
            yield f"input {name} is another place"
        elif (old.type, old.mode, old.read) != (new.type, new.mode, new.read):
            yield f"input {name} is read in another way"
        elif old.uri is not None and (new.identity is None or old.identity != new.identity):
            yield _data(name, old, new, changed_items.get(name))


def _data(name: str, old: MadeInput, new: MadeInput, changed: str | None) -> str:
    if changed is not None:
        return f"input {name} changed: {changed}"
    if new.identity is None:
        return f"of input {name} the server tells no version"
    if old.identity is None:
        return f"the data of input {name} was not noted, as it was too many files (a run with reuse notes them)"
    return f"input {name} changed"


def _places(before: MadeFrom, now: MadeFrom) -> Iterator[str]:
    for name in sorted({*before.outputs, *now.outputs}):
        if before.outputs.get(name) != now.outputs.get(name):
            yield f"output {name} goes elsewhere"


def _software(before: MadeFrom, now: MadeFrom) -> Iterator[str]:
    if (before.fanout, before.format) != (now.fanout, now.format):
        yield f"fanout {before.fanout} -> {now.fanout}" if before.fanout != now.fanout else "fanout changed"
    old, new = (dict(each.partition("==")[::2] for each in made.software) for made in (before, now))
    changed = [
        _package(name, old.get(name), new.get(name)) for name in sorted({*old, *new}) if old.get(name) != new.get(name)
    ]
    if changed:
        yield f"packages changed: {few(changed)}"


def _package(name: str, old: str | None, new: str | None) -> str:
    if old is None:
        return f"{name} is new"
    return f"{name} is gone" if new is None else f"{name} {old} -> {new}"
