"""Program arguments that are settings of the step too (reference, sections 8.1 and 8.4).

The entry script sees them all; a few of them fanout obeys as well, and they win over the YAML attribute of the same
meaning, the last one of several. No abbreviations: what is not spelt out is the script's own business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TypeVar

from fanout.pipeline.yaml.diagnostics import Check, Report
from fanout.pipeline.yaml.tree import Node, Origin, ScalarNode

NEARLY = 0.93
"""How alike two names are that differ by a letter or two."""
T = TypeVar("T")
D = TypeVar("D")

SETTINGS = frozenset(
    {
        "error_threshold",
        "allowed_failed_percent",
        "allowed_failed_count",
        "task_overhead_timeout",
        "progress_update_timeout",
        "first_task_creation_timeout",
        "resource_monitor_interval",
        "profiling_module",
        "copy_logs_to_parent",
        "metrics_name_prefix",
        "push_metrics_to_parent",
        "append_row_file_name",
        "rank_mini_batch_count",
        "amlbi_pf_enabled",
        "amlbi_file_format",
        "amlbi_mini_batch_rows",
    }
)


@dataclass(frozen=True, slots=True)
class Options:
    """The settings found among a step's program arguments, as nodes that know where they stand."""

    nodes: Mapping[str, Node]
    report: Report

    def take(self, name: str, check: Check[T], default: D) -> T | D:
        """The checked value of `--name`, or `default` when it is not given or wrong."""
        node = self.nodes.get(name)
        return default if node is None else self.report.attempt(node, check, default)


def _meant(name: str) -> str | None:
    """The setting that a name of nearly the same letters may be meant to be."""
    return next(iter(get_close_matches(name, SETTINGS, n=1, cutoff=NEARLY)), None)


def read_options(arguments: Sequence[str], origin: Origin, report: Report) -> Options:
    """The settings among `arguments`, which stand at `origin`; one without a value is a problem."""
    nodes: dict[str, Node] = {}
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in SETTINGS:
            if argument.startswith("--") and (meant := _meant(name)):
                report.notice(origin, f"--{name} is left to the script; did you mean --{meant}?")
            continue
        here = replace(origin, key=f"{origin.key} --{name}")
        given = value if equals else next(rest, None)
        if given is None or (not equals and given.startswith("--")):
            report.problem(here, "needs a value")
        else:
            nodes[name] = ScalarNode(here, given, given)
    return Options(nodes, report)
