"""Templates and references, and that no value can change what a command is."""

import os
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fanout.errors import UserError
from fanout.pipeline.expressions import (
    Reference,
    Use,
    literal_text,
    own_reference,
    parse_reference,
    render_arguments,
    render_text,
    split_problem,
    template_uses,
)
from fanout.pipeline.shell.command_line import CommandLine, render_command

NASTY = "a 'b' \"c\" $(touch pwned) `id` \\ ; # & * \n x"


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("${{parent.inputs.x}}", Reference("inputs", "x")),
        ("${{ parent.inputs.x }}", Reference("inputs", "x")),
        ("${{parent.inputs.group.item}}", Reference("inputs", "group.item")),
        ("${{parent.jobs.a.outputs.b}}", Reference("outputs", "b", "a")),
        ("${{parent.jobs.a.inputs.b}}", Reference("inputs", "b", "a")),
        ("${{jobs.a.outputs.b}}", Reference("outputs", "b", "a", old=True)),
        ("${{parents.outputs.x}}", Reference("outputs", "x", old=True)),
        ("${{inputs.x}}", Reference("inputs", "x", old=True)),
        ("x-${{parent.inputs.x}}", None),
        ("${{search_space.x}}", None),
        ("${{parent.inputs.a b}}", None),
        ("plain", None),
    ],
)
def test_a_reference_is_the_whole_text(text: str, reference: Reference | None) -> None:
    """Both spellings of the braces, old forms marked as such, everything else no reference."""
    assert parse_reference(text) == reference


def test_own_reference_takes_the_side_asked_for_only() -> None:
    """`input_data` names an input of the step itself."""
    assert own_reference("${{ inputs.x }}", "inputs") == "x"
    assert own_reference("${{outputs.x}}", "inputs") is None
    assert own_reference("${{parent.inputs.x}}", "inputs") is None


def test_uses_of_a_template_know_their_group() -> None:
    """Each expression once, with whether it may be left out, and a sentence for each one that is wrong."""
    uses = list(template_uses("--a ${{inputs.a}} $[[--b ${{ inputs.b }}]] ${{outputs.c}}"))
    assert uses == [Use("inputs", "a", False), Use("inputs", "b", True), Use("outputs", "c", False)]


@pytest.mark.parametrize(
    "text", ["${HOME}", "awk '{print $1}'", "{{name}}", r"\${inputs.x}", "${inputs}", "{inputs.x}"]
)
def test_what_is_meant_for_others_is_no_expression(text: str) -> None:
    """Variables of the shell, programs of awk, templates of other tools."""
    assert list(template_uses(text)) == []


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("${{parent.inputs.x}}", "expected ${{inputs.name}} or ${{outputs.name}}, found '${{parent.inputs.x}}'"),
        ("${{search_space.x}}", "expected ${{inputs.name}} or ${{outputs.name}}, found '${{search_space.x}}'"),
        ("${{inputs.a b}}", "'${{inputs.a b' is no expression; one is written ${{inputs.name}}"),
        ("--x ${inputs.x}", "'${inputs.x}' is no expression; one is written ${{inputs.x}}"),
        ("--x {{ outputs.x }}", "'{{ outputs.x }}' is no expression; one is written ${{outputs.x}}"),
        ("$[[--x", "'$[[' without ']]'; an optional group is written $[[--option ${{inputs.x}}]]"),
    ],
)
def test_a_wrong_expression_is_said_in_a_sentence(template: str, sentence: str) -> None:
    """What was found and what would be right."""
    [found] = template_uses(template)
    assert isinstance(found, str)
    assert found.startswith(sentence)


def test_arguments_are_split_before_they_are_filled_in() -> None:
    """A value with spaces or quotes stays one argument, next to other text and in quotes of the template too."""
    template = "--a ${{ inputs.x }} --b=${{inputs.x}} '${{outputs.o}}/y z' plain \"two words\""
    arguments = render_arguments(template, {"x": NASTY}, {"o": "/o o"})
    assert arguments == ["--a", NASTY, f"--b={NASTY}", "/o o/y z", "plain", "two words"]


def test_a_value_that_looks_like_an_expression_is_left_alone() -> None:
    """Substitution happens once."""
    assert render_arguments("${{inputs.x}}", {"x": "${{inputs.y}}", "y": "no"}, {}) == ["${{inputs.y}}"]


def test_a_group_without_a_value_is_dropped() -> None:
    """All of it, words around the expression included; with a value only the brackets go."""
    template = "--a $[[--b ${{inputs.b}} c]] $[[--d ${{inputs.d}}]]"
    assert render_arguments(template, {"b": None, "d": "1"}, {}) == ["--a", "--d", "1"]
    assert render_command(template, {"b": None, "d": "1"}, {}).text == "--a  --d '1'"


@pytest.mark.parametrize("render", [render_arguments, render_command])
def test_a_missing_value_outside_a_group_is_an_error(render: object) -> None:
    """With the way out."""
    assert callable(render)
    with pytest.raises(UserError, match="belongs into a group"):
        render("--a ${{inputs.a}}", {"a": None}, {})


def test_unbalanced_quotes_are_told() -> None:
    """Before the run, not in it."""
    assert split_problem("--a 'b") == "cannot be split into arguments: no closing quotation"
    assert split_problem("--a b") is None


def test_literals_are_shown_as_python_shows_them() -> None:
    """Booleans as True and False (reference, section 3)."""
    assert [literal_text(value) for value in (True, False, 3, 0.5, "x", None)] == [
        "True",
        "False",
        "3",
        "0.5",
        "x",
        None,
    ]


def test_macros_of_an_output_path() -> None:
    """Unknown expressions stay for whoever reports them."""
    assert render_text("${{ name }}/${{other}}", {"name": "score"}) == "score/${{other}}"


TEMPLATES = [
    "printf %s ${{inputs.x}}",
    "printf %s '${{ inputs.x }}'",
    'printf %s "${{inputs.x}}"',
    'printf %s "$(printf %s ${{inputs.x}}; printf .)"',
    'printf %s "$(printf %s "${{inputs.x}}"; printf .)"',
    "# it's ${{inputs.x}}\nprintf %s ${{inputs.x}}",
    "unused='a\"b'; printf %s ${{inputs.x}}",
    "(printf %s ${{inputs.x}})",
    'if true; then printf %s "${{inputs.x}}"; fi',
]


def run(command: CommandLine) -> str:
    environ = {**os.environ, **command.variables}
    return subprocess.run(["sh", "-c", command.text], env=environ, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_command_gets_the_value_as_written(template: str) -> None:
    """Unquoted, in both quotes, in substitutions, beside comments: a real shell prints what was put in."""
    assert run(render_command(template, {"x": NASTY}, {})).removesuffix(".") == NASTY


@settings(max_examples=40, deadline=None)
@given(
    value=st.text(st.characters(codec="utf-8", exclude_characters="\x00\r"), max_size=20),
    template=st.sampled_from(TEMPLATES),
)
def test_no_value_can_become_a_command(value: str, template: str) -> None:
    """Whatever the value holds, the shell sees one word."""
    assert run(render_command(template, {"x": value}, {})).removesuffix("." if "printf ." in template else "") == value


def test_a_backslash_before_an_expression_cannot_eat_its_quotes() -> None:
    """It stands for itself."""
    assert run(render_command("printf %s \\${{inputs.x}}", {"x": NASTY}, {})) == "\\" + NASTY


@pytest.mark.parametrize(
    ("template", "where"),
    [
        ("echo `cat ${{inputs.x}}`", "a backtick"),
        ("echo $'a ${{inputs.x}}'", r"'\$''"),
        ("cat <<EOF\n${{inputs.x}}\nEOF", "a here-document"),
        ("(" * 100 + "${{inputs.x}}", "opens no subshell"),
        ("$(" * 100 + "${{inputs.x}}", "nested more than 20 deep"),
    ],
)
def test_where_no_quoting_is_safe_the_command_is_refused(template: str, where: str) -> None:
    """Rather than filled in with hope: every value but harmless ones."""
    with pytest.raises(UserError, match=where):
        render_command(template, {"x": "a b"}, {})


def test_an_expression_beside_a_here_document_is_fine() -> None:
    """As long as its value is harmless."""
    filled = render_command("cat > ${{outputs.o}} <<EOF\nx\nEOF", {}, {"o": "/a/b"})
    assert filled.text == "cat > /a/b <<EOF\nx\nEOF"


def test_a_shift_is_no_here_document() -> None:
    """`1 << 2` in arithmetic has nothing below it."""
    assert render_command("echo $((1 << 2))\necho ${{inputs.x}}", {"x": "1"}, {}).text.endswith("echo 1")
