"""docs/reference/commands.md lists the commands, options and exit codes that the command line has, and no others."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from fanout.cli.app import app
from fanout.errors import ExitCode
from fanout.node import exit_codes

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "commands.md").read_text()
ROW = re.compile(r"^\| `fanout ([^`]+)` \| ([^|]+) \|(?: (.+))? \| ([^|]+) \|$", re.MULTILINE)
OPTION = re.compile(r"^\| `(-[^`]+)` \| (.+) \|$", re.MULTILINE)
CODE = re.compile(r"^\| (\d+) \|", re.MULTILINE)


def _flags(option: Any) -> str:
    """`--follow, -f` or `--reuse/--rerun`."""
    return ", ".join(option.opts) + "".join(f"/{other}" for other in option.secondary_opts)


def _shown(option: Any) -> str:
    value = r"aws\|kubernetes" if option.opts == ["--to"] else option.metavar
    return f"`{_flags(option)} {value}`" if value else f"`{_flags(option)}`"


def _commands(found: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its words: `trigger set`."""
    for name, command in found.commands.items():
        if getattr(command, "commands", None):
            yield from _commands(command, f"{before}{name} ")
        else:
            yield before + name, command


COMMANDS = dict(_commands(typer.main.get_command(app)))


def _of(command: Any, kind: str) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == kind]


def test_every_command_has_its_row() -> None:
    """With its arguments and all its options, in the order of `--help`."""
    found = {name: options for name, _, options, _ in ROW.findall(PAGE)}
    expected = {
        " ".join([name, *(argument.metavar for argument in _of(command, "argument"))]): " ".join(
            map(_shown, _of(command, "option"))
        )
        for name, command in COMMANDS.items()
    }
    assert found == expected


def test_every_option_has_its_meaning() -> None:
    """Once, by its first flags."""
    named = [flags for flags, _ in OPTION.findall(PAGE)]
    options = {", ".join(option.opts) for command in COMMANDS.values() for option in _of(command, "option")}
    assert sorted(named) == sorted({*options, "--version", "-h, --help"})


def test_exit_codes_are_those_there_are() -> None:
    """The table has all of the command line; rows name no others but those of a node."""
    assert {int(code) for code in CODE.findall(PAGE)} == set(ExitCode)
    for name, _, _, codes in ROW.findall(PAGE):
        numbers = {int(code) for code in re.findall(r"\b\d+\b", codes)}
        assert {0, 2, 3} <= numbers, name
        ours = {exit_codes.GAVE_UP, exit_codes.FULL} if name.startswith("node ") else set()
        assert numbers - set(ExitCode) == ours, name


def test_commands_that_may_end_with_1_say_so() -> None:
    """Those that judge strictly."""
    for name, _, options, codes in ROW.findall(PAGE):
        if "`--strict" in options:
            assert re.search(r"\b1\b", codes), name
