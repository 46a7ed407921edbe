"""docs/reference/pipeline-keys.md lists the keys that the readers of pipeline files know, and their defaults."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import ParallelStep
from fanout.pipeline.steps.arguments import SETTINGS
from fanout.pipeline.yaml.fields import Fields

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "pipeline-keys.md"
PIPELINE = """\
type: pipeline
inputs:
  files: {type: uri_folder, path: ./in}
outputs:
  rows: {type: uri_file}
settings: {force_rerun: true}
trigger: {input: files, bucket: arrivals, batch: {objects: 2}}
jobs:
  score:
    type: parallel
    retry_settings: {}
    resources: {instance_count: 1}
    inputs: {files: "${{parent.inputs.files}}"}
    input_data: ${{inputs.files}}
    outputs: {rows: "${{parent.outputs.rows}}"}
    task:
      type: run_function
      code: ./src
      entry_script: score.py
      append_row_to: ${{outputs.rows}}
      environment: {name: any}
  show:
    type: command
    command: cat ${{inputs.rows}}
    limits: {timeout: 5}
    environment: {name: any}
    inputs: {rows: {path: "${{parent.jobs.score.outputs.rows}}", type: uri_file, read: {types: {a: int}}}}
    outputs: {copy: {type: uri_folder, path: ./copy}}
"""
SECTIONS = {  # the headings of the page, and the key paths of PIPELINE that each is about
    "The file": "",
    "Settings": "settings",
    "Inputs": "jobs.show.inputs.rows",
    "Read": "jobs.show.inputs.rows.read",
    "Outputs": "jobs.show.outputs.copy",
    "A parallel step": "jobs.score",
    "Task": "jobs.score.task",
    "Retry settings": "jobs.score.retry_settings",
    "Resources": "jobs.score.resources",
    "Environment": "jobs.score.task.environment",
    "A command step": "jobs.show",
    "Limits": "jobs.show.limits",
    "Trigger": "trigger",
}
READ_ELSEWHERE = {"type", "component", "inputs", "outputs", "jobs", "depends_on", "environment"}  # before `Fields` is
WITHOUT_EFFECT = {"append_row_to", "code", "instance_count"}  # in the wrong place, which a notice says


@dataclass(frozen=True)
class Row:
    """One key of the page."""

    type: str
    default: str


def _page() -> dict[str, dict[str, Row]]:
    """The tables of the page by heading and key."""
    tables: dict[str, dict[str, Row]] = defaultdict(dict)
    heading = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            heading = line[3:]
        elif match := re.fullmatch(r"\| `([^`]+)` \| (.+?) \| (.+?) \| .+ \|", line):
            tables[heading][match[1]] = Row(match[2], match[3])
    return tables


def _ignored() -> set[str]:
    return set(re.findall(r"`([^` ]+)`", PAGE.read_text().partition("## Keys without effect")[2]))


@dataclass
class _Keys:
    asked: dict[str, set[str]]
    unused: dict[str, set[str]]
    pipeline: Any


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Keys:
    """What the readers ask for, by the path of the mapping they read."""
    asked: dict[str, set[str]] = defaultdict(set)
    unused: dict[str, set[str]] = defaultdict(set)
    get, ignore, no_effect = Fields.get, Fields.ignore, Fields.no_effect

    def noting_get(self: Fields, key: str) -> Any:
        asked[self.origin.key].add(key)
        return get(self, key)

    def noting_ignore(self: Fields, *names: str) -> None:
        unused[self.origin.key].update(names)
        ignore(self, *names)

    def noting_no_effect(self: Fields, *names: str, why: str = "") -> None:
        unused[self.origin.key].update(names)
        no_effect(self, *names, why=why)

    monkeypatch.setattr(Fields, "get", noting_get)
    monkeypatch.setattr(Fields, "ignore", noting_ignore)
    monkeypatch.setattr(Fields, "no_effect", noting_no_effect)
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "pipeline.yml").write_text(PIPELINE)
    pipeline = load_pipeline(tmp_path / "pipeline.yml")
    return _Keys(asked, unused, pipeline)


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_is_on_the_page(heading: str, keys: _Keys) -> None:
    """A key that has an effect is in the table of its section; one without is in the list at the end."""
    where, listed = SECTIONS[heading], set(_page()[heading])
    unused = keys.unused[where]
    missing = keys.asked[where] - unused - listed
    assert not missing, f"{PAGE.name}: {heading} lacks {sorted(missing)}"
    unlisted = unused - listed - _ignored() - READ_ELSEWHERE - WITHOUT_EFFECT
    assert not unlisted, f"{PAGE.name}: the keys without effect lack {sorted(unlisted)}"


@pytest.mark.parametrize("heading", SECTIONS)
def test_every_key_of_the_page_is_read(heading: str, keys: _Keys) -> None:
    """No key is promised that the code does not know."""
    where = SECTIONS[heading]
    unknown = set(_page()[heading]) - keys.asked[where] - READ_ELSEWHERE
    assert not unknown, f"{PAGE.name}: {heading}: {sorted(unknown)}"


def test_every_program_argument_is_on_the_page() -> None:
    """The arguments that are settings, no more and no less."""
    assert set(_page()["Program arguments"]) == {f"--{name}" for name in SETTINGS}


@pytest.mark.parametrize(
    ("heading", "key", "value"),
    [
        ("Retry settings", "max_retries", lambda step: step.retry_settings.max_retries),
        ("Retry settings", "timeout", lambda step: step.retry_settings.timeout),
        ("Resources", "instance_count", lambda step: step.instance_count),
        ("A parallel step", "error_threshold", lambda step: step.thresholds.error_threshold),
        ("A parallel step", "mini_batch_error_threshold", lambda step: step.thresholds.mini_batch_error_threshold),
        ("A parallel step", "isolate_failures", lambda step: step.isolate_failures),
        ("A parallel step", "speculate", lambda step: step.speculate),
        ("A parallel step", "logging_level", lambda step: step.logging_level),
        ("A parallel step", "is_deterministic", lambda step: step.is_deterministic),
        ("Program arguments", "--allowed_failed_percent", lambda step: step.thresholds.allowed_failed_percent),
        ("Program arguments", "--task_overhead_timeout", lambda step: step.limits.task_overhead_timeout),
        ("Program arguments", "--first_task_creation_timeout", lambda step: step.limits.first_task_creation_timeout),
        ("Program arguments", "--resource_monitor_interval", lambda step: step.resource_monitor_interval),
        ("Program arguments", "--rank_mini_batch_count", lambda step: step.rank_mini_batch_count),
    ],
)
def test_defaults(heading: str, key: str, value: Any, keys: _Keys) -> None:
    """The defaults on the page are those of a step that says nothing."""
    step = next(step for step in keys.pipeline.steps if isinstance(step, ParallelStep))
    found = value(step)
    shown = str(found).lower() if isinstance(found, bool) else f"{found:g}" if isinstance(found, float) else str(found)
    assert _page()[heading][key].default in (shown, str(found))
