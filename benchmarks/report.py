"""What was measured, as tables for people and as JSON for machines."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.sample import Series


@dataclass(frozen=True, slots=True)
class Measured:
    """One number of every contender; the first one is what the others are compared with."""

    title: str
    unit: str
    digits: int
    series: Mapping[str, Series]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when, and how busy the machine was with other things."""

    cores: int = field(default_factory=lambda: os.cpu_count() or 0)
    python: str = field(default_factory=platform.python_version)
    at: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M %Z"))
    load: float = field(default_factory=lambda: os.getloadavg()[0])
    """Processes that wanted a core in the last minute, on average, before anything was measured."""

    def __str__(self) -> str:
        return f"{self.at}: {self.cores} cores, Python {self.python}, load before the run {self.load:.2f}"


def show(machine: Machine, measured: Sequence[Measured]) -> None:
    """Prints a table a measure."""
    console = Console(highlight=False)
    for measure in measured:
        console.print(f"\n{measure.title}, in {measure.unit}", soft_wrap=True)
        console.print(_table(measure))
        if measure.note:
            console.print(measure.note, soft_wrap=True)
    console.print(f"\n{machine}", soft_wrap=True)


def _table(measure: Measured) -> Table:
    table = Table()
    table.add_column("")
    for heading in ("median", "lowest – highest", f"of {next(iter(measure.series))}'s"):
        table.add_column(heading, justify="right")
    for cells in rows(measure):
        table.add_row(*cells)
    return table


def rows(measure: Measured) -> list[tuple[str, str, str, str]]:
    """The cells of a table: contender, median, spread, ratio to the first contender."""
    first = next(iter(measure.series.values())).median

    def number(value: float) -> str:
        return f"{value:,.{measure.digits}f}"

    return [
        (
            name,
            number(series.median),
            f"{number(series.low)} – {number(series.high)}",
            f"{series.median / first:.2f}" if first else "",
        )
        for name, series in measure.series.items()
    ]


def as_markdown(machine: Machine, measured: Sequence[Measured]) -> str:
    """The tables as a page."""
    parts = [
        f"# Results\n\nMeasured by `make bench` on {machine}. What is measured, and how: [README.md](README.md).\n"
    ]
    for measure in measured:
        first = next(iter(measure.series))
        parts.append(f"\n**{measure.title}, in {measure.unit}**\n\n| | median | lowest – highest | of {first}'s |\n")
        parts.append("|---|---:|---:|---:|\n")
        parts += [f"| {' | '.join(cells)} |\n" for cells in rows(measure)]
        if measure.note:
            parts.append(f"\n{measure.note}\n")
    return "".join(parts)


def as_json(machine: Machine, measured: Sequence[Measured]) -> str:
    """The same with every single value."""
    return json.dumps(
        {
            "machine": {"at": machine.at, "cores": machine.cores, "python": machine.python, "load": machine.load},
            "measures": [
                {
                    "title": measure.title,
                    "unit": measure.unit,
                    "note": measure.note,
                    "values": {name: series.values for name, series in measure.series.items()},
                    "medians": {name: series.median for name, series in measure.series.items()},
                }
                for measure in measured
            ],
        },
        indent=1,
    )
