"""Commands filled in with hostile values, against the real bash: the program gets the value, or it is refused."""

import contextlib
import os
import subprocess
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fanout.errors import UserError
from fanout.pipeline.shell.command_line import CommandLine, UnsafeValueError, render_command

# Run as code, each of these would make the file `pwned` in the current folder.
CANARIES = [
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned;",
    "& touch pwned &",
    "| touch pwned",
    "\ntouch pwned\n",
    "x\nEOF\ntouch pwned\ncat <<EOF\n",
    "'; touch pwned; '",
    '"; touch pwned; "',
    "') ; touch pwned #",
    "a[$(touch pwned)]",
    "x[$(touch pwned)]=1",
    "-va[$(touch pwned)]",
    "1 + a[$(touch pwned)]",
    "${x:-$(touch pwned)}",
    "${x@P}`touch pwned`",
    "<(touch pwned)",
    "$((a[$(touch pwned)]))",
    "'); __import__('os').system('touch pwned') #",
    '"); __import__("os").system("touch pwned") #',
    "-c__import__('os').system('touch pwned')",
    "x/e; s/^/touch pwned/e; #",
    '"}; BEGIN { system("touch pwned") } #',
    'BEGIN { system("touch pwned") }',
    "1e touch pwned",
    "-e1e touch pwned",
    ") touch pwned;; esac; (",
    "touch pwned",
    "BASH_ENV=$(touch pwned)",
    "-Stouch pwned",
    "/data/$(cd;touch pwned).csv",
]
ODD = [
    "a b",
    "  a   b ",
    "it's",
    '"q"',
    "*",
    "?[a-z]",
    "~",
    "~root",
    "{a,b}",
    "{1..3}",
    "!x !! !$",
    "\\",
    "\\\\",
    "a\\",
    "\\n",
    "#",
    "# x",
    "-n",
    "--",
    "-rf /x y",
    "ü ñ 日本 \U0001f600",
    "\u00a0x\u2003y",
    "\x01\x02\x7f\x1b[31m",
    "\t tab",
    "line\nline",
    "\n",
    "\r\n",
    "$HOME",
    "${HOME}",
    "%s %d",
    "a=b",
    "PATH=x",
    "",
    "\udcff\udcc3'",
    "&&",
    ">x",
    "2>&1",
    "EOF",
    "if",
    "/a/date=2024-01-01/x",
    "5",
    "HOME",
    "a,b",
    "..",
]
VALUES = CANARIES + ODD

# Those of the first group must take any value; the others may refuse it.
TAKEN = [
    "ARGS ${{inputs.x}}",
    "ARGS '${{ inputs.x }}'",
    'ARGS "${{inputs.x}}"',
    "ARGS ${{inputs.x}};",
    "ARGS ${{inputs.x}}>file",
    "ARGS a ${{inputs.x}} b > file 2>&1",
    "cd . && ARGS ${{inputs.x}} || exit 3",
    "ARGS ${{inputs.x}} & wait",
    "(ARGS ${{inputs.x}})",
    "{ ARGS ${{inputs.x}}; }",
    'if [ -d . ]; then ARGS "${{inputs.x}}"; fi',
    'if [ ! -e "${{inputs.x}}/no" ]; then ARGS "${{inputs.x}}"; fi',
    'if [ "${{inputs.x}}" != "" ]; then :; fi; ARGS ${{inputs.x}}',
    "for i in 1; do ARGS ${{inputs.x}}; done",
    'for i in ${{inputs.x}}; do ARGS "$i"; done',
    'value=${{inputs.x}}; ARGS "$value"',
    'value=${{inputs.x}}; ARGS "${value:-none}" "${nothing:+x}" "${value##nothing*/}"',
    'for f in ${{inputs.x}}; do ARGS "${f%.never}"; done',
    'if [ "${{inputs.x}}" = "never" ]; then exit 1; fi; ARGS ${{inputs.x}}',
    "cat one-line | while IFS= read -r line; do ARGS ${{inputs.x}}; done",
    "ARGS ${{inputs.x}} 2>&1 | tee log.txt",
    "sed 's/a/b/' one-line > copy; ARGS ${{inputs.x}}",
    "grep -q a one-line && timeout 20 ARGS ${{inputs.x}}",
    'export value="${{inputs.x}}"; ARGS "${value}"',
    "while read -r line; do ARGS ${{inputs.x}}; done < one-line",
    "set -euo pipefail\nexport A=b\nARGS ${{inputs.x}}\n",
    "ARGS \\\n  ${{inputs.x}} \\\n  > file",
    "# it's ${{inputs.x}}\nARGS ${{inputs.x}} # and ${{inputs.x}} \\\n",
    "unused='a\"b'; ARGS ${{inputs.x}}",
    'echo "the value is ${{inputs.x}}" > file; ARGS ${{inputs.x}}',
    "printf '%s\\n' ${{inputs.x}} > file; ARGS ${{inputs.x}}",
    'ARGS "$(printf "%s." ${{inputs.x}})"',
    'ARGS "$(printf "%s." "${{inputs.x}}")"',
    "ARGS ${{inputs.x}} | cat; ARGS ${{inputs.x}}",
    "cat one-line | ARGS ${{inputs.x}}",
    "bash -c 'ARGS \"$1\"' _ ${{inputs.x}}",
    'python -c \'import os, sys; os.execvp("ARGS", ["ARGS", sys.argv[1]])\' ${{inputs.x}}',
    "python args.py --before ${{inputs.x}}",
    "bash args.sh ${{inputs.x}}",
    "env A=b ARGS --option=${{inputs.x}}",
    "time ARGS ./${{inputs.x}}",
    "! ARGS ${{inputs.x}} && true",
    "ARGS é ${{inputs.x}} 'ü'",
]
REFUSED_OR_TAKEN = [
    "cat << EOF\n${{inputs.x}}\nEOF",
    "cat <<EOF > f\nfile: ${{inputs.x}}\nEOF\nARGS ${{inputs.x}}",
    "cat <<'EOF'\n${{inputs.x}}\nEOF\n",
    "cat <<-EOF\n\t${{inputs.x}}\n\tEOF\n",
    "cat <<< ${{inputs.x}}",
    'cat <<< "${{inputs.x}}"',
    "echo $(( ${{inputs.x}} ))",
    "echo $((${{inputs.x}}+1))",
    "(( ${{inputs.x}} > 1 )) && echo",
    "echo $[ ${{inputs.x}} ]",
    "[[ ${{inputs.x}} -gt 1 ]] && echo",
    '[[ "${{inputs.x}}" -gt 1 ]] || echo',
    '[[ -v "${{inputs.x}}" ]] || echo',
    "let n=${{inputs.x}}",
    'let "n=${{inputs.x}}"',
    "declare -i n; n=${{inputs.x}}",
    "declare -i n=${{inputs.x}}",
    'SECONDS="${{inputs.x}}"',
    "printf -v ${{inputs.x}} %s y",
    "printf ${{inputs.x}} y",
    "read ${{inputs.x}} < one-line",
    "unset ${{inputs.x}}",
    "test -v ${{inputs.x}}",
    "[ -v ${{inputs.x}} ]",
    "[ ${{inputs.x}} ]",
    "[ 1 -eq ${{inputs.x}} ]",
    'a=(${{inputs.x}}); ARGS "${a[@]}"',
    "v[${{inputs.x}}]=1",
    'x=1; echo "${A:-"${{inputs.x}}"}"',
    "echo ${A:-${{inputs.x}}}",
    "a=b; echo ${a/ #/} ${{inputs.x}}",
    "echo ${#${{inputs.x}}}",
    "echo ${HOME:-${{inputs.x}}}",
    "echo ${HOME%${{inputs.x}}}",
    "X=${{inputs.x}}; echo ${X:0:1} ${X@P} ${X/a/b} ${!X}",
    "X=${{inputs.x}}; echo ${X[0]} ${a[X]} ${a[$X]}",
    "X=${{inputs.x}}; echo ${X:-$(touch other)} ${X^^}",
    "echo ${${{inputs.x}}}",
    'echo "costs $${{inputs.x}}"',
    "echo $${{inputs.x}}",
    "echo $HOME${{inputs.x}}",
    "echo `cat ${{inputs.x}}`",
    "echo `echo '${{inputs.x}}'`",
    'echo "`echo ${{inputs.x}}`"',
    "echo $'a ${{inputs.x}}'",
    'echo $"a ${{inputs.x}}"',
    'echo "$(case a in a) echo ${{inputs.x}};; esac)"',
    "case ${{inputs.x}} in a) echo;; *) ARGS ${{inputs.x}};; esac",
    "f() { ARGS ${{inputs.x}}; }; f",
    "function f { ARGS ${{inputs.x}}; }\nf",
    'f() { ARGS "$1"; }; f ${{inputs.x}}',
    "cat <(echo ${{inputs.x}})",
    "echo a \\\n# ${{inputs.x}}\n",
    "echo a\\\n#${{inputs.x}}\n",
    "echo a \\\n#b ${{inputs.x}}",
    'bash -c "echo ${{inputs.x}}"',
    "bash -c 'echo ${{inputs.x}}'",
    "bash -c ${{inputs.x}}",
    "bash -ec ${{inputs.x}}",
    "bash ${{inputs.x}}",
    "sh -c \"cat '${{inputs.x}}'\"",
    'timeout 5 bash -c "echo ${{inputs.x}}"',
    "env -i sh -c 'echo ${{inputs.x}}'",
    "env ${{inputs.x}} bash args.sh",
    "env ${{inputs.x}}",
    'X=${{inputs.x}}; bash -c "echo $X"',
    "export X=${{inputs.x}}; bash -c 'echo $((X))'",
    'X=${{inputs.x}}; eval "echo $X"',
    "eval echo ${{inputs.x}}",
    "eval ${{inputs.x}}",
    "\\eval ${{inputs.x}}",
    "command eval ${{inputs.x}}",
    "builtin eval ${{inputs.x}}",
    "BASH_ENV=${{inputs.x}} bash args.sh",
    "PS4=${{inputs.x}}; set -x; true",
    "trap ${{inputs.x}} EXIT",
    'trap "echo ${{inputs.x}}" EXIT',
    "alias a=${{inputs.x}}",
    "source ${{inputs.x}}",
    "echo ${{inputs.x}} | bash",
    "echo 'echo ${{inputs.x}}' | sh",
    "(echo ${{inputs.x}}) | sh",
    "echo ${{inputs.x}} > run.sh; bash run.sh",
    "echo ${{inputs.x}} > run.sh; . ./run.sh",
    "echo ${{inputs.x}} > run.sh; . *run.sh",
    "echo ${{inputs.x}} > run.sh; bash r?n.sh",
    "timeout 5 b{ash,x} -c ${{inputs.x}}",
    "echo ${{inputs.x}} > run.sh; bash < run.sh",
    "echo ${{inputs.x}} | tee run.sh; bash ./run.sh",
    "echo ${{inputs.x}} | xargs -I{} sh -c 'echo {}'",
    'echo ${{inputs.x}} | while read l; do bash -c "echo $l"; done',
    "python -c \"print('${{inputs.x}}')\"",
    "python -c 'print(\"${{inputs.x}}\")'",
    "python -c ${{inputs.x}}",
    "python -W ignore -c ${{inputs.x}}",
    "python ${{inputs.x}}",
    "echo a | sed 's/a/${{inputs.x}}/'",
    "echo a | sed s/a/${{inputs.x}}/",
    "echo a | sed ${{inputs.x}}",
    "sed p ${{inputs.x}} < one-line",
    "sed -n 1p one-line ${{inputs.x}}",
    'awk "BEGIN { print \\"${{inputs.x}}\\" }"',
    "awk '{ print \"${{inputs.x}}\" }' one-line",
    "awk ${{inputs.x}} one-line",
    "awk -F , ${{inputs.x}} one-line",
    "awk -F, '{print $1}' ${{inputs.x}}",
    "perl -e 'print \"${{inputs.x}}\"'",
    'find . -name x -exec sh -c "echo ${{inputs.x}}" \\;',
    "find . -name ${{inputs.x}}",
    "A=b ${{inputs.x}} c",
    "${{inputs.x}}",
    "${{inputs.x}} a",
    "echo a > ${{inputs.x}}/file",
    "ARGS {a${{inputs.x}},b}",
    "shopt -s extglob; ARGS +(${{inputs.x}})",
    "coproc ARGS ${{inputs.x}}",
    "select a in ${{inputs.x}}; do break; done < one-line",
    "for ((i=0; i<${{inputs.x}}; i++)); do break; done",
    "for SECONDS in ${{inputs.x}}; do :; done",
    "ARGS ${{inputs.x}}\"${{inputs.x}}\"'${{inputs.x}}'",
    "echo ${{inputs.x}} >&2 2>file <one-line",
    "mapfile -C ${{inputs.x}} -c 1 a < one-line",
    "( ( ARGS ${{inputs.x}} ) )",
    "$( echo ARGS ) ${{inputs.x}}",
    "exec ARGS ${{inputs.x}}",
    "'unclosed ${{inputs.x}}",
    "echo \\",
]
ARGS = '#!/bin/sh\nfor a in "$@"; do printf "%s\\0" "$a"; done >> "$SEEN"\n'


@pytest.fixture(scope="module")
def bash(tmp_path_factory: pytest.TempPathFactory) -> Callable[[CommandLine], list[str]]:
    """Runs a command with the real bash in a folder of its own: the arguments that `ARGS` was given; no canary."""
    root = tmp_path_factory.mktemp("bash")
    programs, seen = root / "bin", root / "seen"
    programs.mkdir()
    (programs / "ARGS").write_text(ARGS)
    (programs / "ARGS").chmod(0o755)
    path = f"{programs}:{os.environ['PATH']}"

    def run(command: CommandLine) -> list[str]:
        seen.write_bytes(b"")
        place = root / "place"
        place.mkdir(exist_ok=True)
        (place / "one-line").write_text("a\n")
        (place / "args.sh").write_text('ARGS "$@"\n')
        (place / "args.py").write_text("import os, sys\nos.execvp('ARGS', ['ARGS', *sys.argv[1:]])\n")
        environ = {"PATH": path, "SEEN": str(seen), "HOME": str(place), "LC_ALL": "C.UTF-8", **command.variables}
        subprocess.run(
            ["/bin/bash", "-c", command.text],
            cwd=place,
            env=environ,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=60,
        )
        made = [found for found in root.rglob("pwned*") if found.exists()]
        assert not made, f"{command.text!r} ran what it was given: {command.variables}"
        return [os.fsdecode(part) for part in seen.read_bytes().split(b"\0")[:-1]]

    return run


def _whole(template: str, value: str) -> list[str]:
    """What the argument may look like, by the text that the template puts around the value."""
    return [value, f"--option={value}", f"./{value}", f"{value}.", f"{value}{value}{value}", f"a{value}"]


@pytest.mark.parametrize("template", TAKEN)
def test_the_program_gets_the_value_as_written(template: str, bash: Callable[[CommandLine], list[str]]) -> None:
    """Whatever the value holds, in the commands that people write. Each template has a third of the values."""
    for value in VALUES[TAKEN.index(template) % 3 :: 3]:
        try:
            command = render_command(template, {"x": value}, {})
        except UnsafeValueError as exc:
            assert value.startswith("-"), (template, value)
            assert "would pass for an option" in str(exc)
            continue
        given = bash(command)
        assert set(given) & set(_whole(template, value)), (template, value, given)


@pytest.mark.parametrize("template", REFUSED_OR_TAKEN)
def test_a_value_stays_a_value_or_is_refused(template: str, bash: Callable[[CommandLine], list[str]]) -> None:
    """Here-documents, arithmetic, arrays, functions, nested interpreters: nothing in a value is ever run."""
    for value in VALUES:
        try:
            command = render_command(template, {"x": value}, {})
        except UserError:
            continue
        given = bash(command)
        if "ARGS" in template and "${{inputs.x}}" in template.partition("ARGS")[2]:
            assert not given or set(given) & set(_whole(template, value)), (template, value, given)


FRAGMENTS = [
    "ARGS", "echo", "printf", "bash", "-c", "sh", "python", "eval", "test", "[", "]", "[[", "]]", "let", "declare",
    "-i", "-v", "case", "esac", "in", "for", "do", "done", "if", "then", "fi", "a", "a=", "export", "x", "1", "EOF",
    "'", '"', "\\", "`", "$", "$(", ")", "(", "((", "))", "${", "}", "{", "<<", "<", ">", "|", "&", "&&", ";", ";;",
    "\n", " ", " ", " ", "#", "!", "~", "*", ",", ":-", "-", "$'", '$"', "$((", "$[", "a[", "\\\n", "<(", "<<<",
    "${{inputs.x}}", "${{inputs.x}}", "${{inputs.x}}", "${{inputs.x}}",
]  # fmt: skip


@settings(
    max_examples=int(os.environ.get("FANOUT_SHELL_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(fragments=st.lists(st.sampled_from(FRAGMENTS), min_size=2, max_size=14), value=st.sampled_from(VALUES))
def test_no_template_runs_a_value(fragments: list[str], value: str, bash: Callable[[CommandLine], list[str]]) -> None:
    """Templates made of pieces of the shell's language in any order, most of them nonsense."""
    template = "".join(fragments)
    try:
        command = render_command(template, {"x": value}, {})
    except UserError:
        return
    if command.text != template:
        bash(command)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20))
def test_any_text_is_one_argument(value: str, bash: Callable[[CommandLine], list[str]]) -> None:
    """Outside of quotes, inside both kinds, and inside a substitution."""
    template = "ARGS + ${{inputs.x}} '${{inputs.x}}' \"${{inputs.x}}\" \"$(printf '%s.' ${{inputs.x}})\""
    try:
        command = render_command(template, {"x": value}, {})
    except UnsafeValueError:
        assert value.startswith("-")
        return
    assert bash(command) == ["+", value, value, value, f"{value}."]


@pytest.mark.parametrize(
    ("template", "values"),
    [
        ("echo $((${{inputs.x}}))", {"x": "AZURE_ML_INPUT_y", "y": "a[$(touch CANARY)]"}),
        ("m=([${{inputs.x}}]=1)", {"x": "AZURE_ML_INPUT_y", "y": "a[$(touch CANARY)]"}),
        ("echo $((${{inputs.x}}${{inputs.z}}))", {"x": "AZURE_ML_", "z": "INPUT_y", "y": "a[$(touch CANARY)]"}),
        ("(( ${{inputs.x}} > 1 ))", {"x": "FANOUT_VALUE_0"}),
    ],
)
def test_no_value_names_a_variable_that_holds_one(template: str, values: dict[str, str]) -> None:
    """Arithmetic takes a name for what the variable holds, evaluates that, and runs the command in its subscript."""
    with pytest.raises(UnsafeValueError, match="a variable that holds a value"):
        render_command(template, values, {})


def test_harmless_values_are_text() -> None:
    """They are seen in the command as they are; others are in variables, and nothing of them is in the text."""
    command = render_command("a --x ${{inputs.x}} --y ${{inputs.y}}", {"x": "7", "y": "$(id)"}, {})
    assert command == CommandLine("a --x '7' --y \"${FANOUT_VALUE_1}\"", {"FANOUT_VALUE_1": "$(id)"})
    assert render_command("echo $((${{inputs.x}} + 1))", {"x": "7"}, {}).text == "echo $((7 + 1))"


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("cat << EOF\n${{inputs.x}}\nEOF", "its value is a path with '$' in it, and the command has '<<', a here-docu"),
        ("echo $((${{inputs.x}}))", "and the command has '(' that opens no subshell"),
        ('bash -c "ls ${{inputs.x}}"', "'bash' with what may be read as code"),
        ("./a 'b ${{inputs.x}}'", "text and a value in one word, which may be code"),
    ],
)
def test_a_refusal_says_what_and_how_to_mend_it(template: str, sentence: str) -> None:
    """The expression, the kind of value, the construct, the cure."""
    with pytest.raises(UnsafeValueError) as refused:
        render_command(template, {"x": "/in/$(id).csv"}, {})
    assert str(refused.value).startswith("${{inputs.x}} cannot be filled in safely: ")
    assert sentence in str(refused.value)
    assert "python script.py --option ${{inputs.x}}" in str(refused.value)
    assert "environment variable AZURE_ML_INPUT_x" in str(refused.value)


def test_long_templates_take_linear_time() -> None:
    """A hostile template is as long as a pipeline file may be."""
    for piece in ("$(", "(", "'a' ", "${{inputs.x}}", "$$", "<<E\n", "\\\n", '"$a"', "{ "):
        text = piece * (200_000 // len(piece))
        began = time.process_time()
        with contextlib.suppress(UserError):
            render_command(text, {"x": "1"}, {})
        assert time.process_time() - began < 5
