"""Which commands hand a value on as it is, and which ones would read it as code: `bash -c`, `eval`, `sed`, `[ -v ]`.

Everything here is about values that may hold anything (`HOLE`); what the shell expands (`EXPANSION`) counts as such a
value too, since it may come from one. A command of words that the template alone decides is the writer's own affair.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from posixpath import basename

from fanout.pipeline.shell.grammar import EXPANSION, HOLE, Command, Script, Unrecognised, Word, recognise

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_PROGRAM = re.compile(r"[A-Za-z0-9_.:/][A-Za-z0-9_./+:@%-]*|\[")
_BESIDE = re.compile(r"[A-Za-z0-9_./:=@%+,\-\0\1]*")
"""What may stand in one word with a value: enough for `--option=`, a folder before it, a file name behind it."""

# The shell itself computes with these, or expands what they hold.
_OWN_VARIABLE = re.compile(
    r"BASH.*|COMP.*|DIRSTACK|ENV|EPOCH.*|EUID|FUNC.*|GROUPS|HIST.*|IFS|LINENO|OPT.*|PIPESTATUS|PPID|PROMPT_.*|PS[0-9]"
    r"|P?RANDOM|SRANDOM|READLINE_.*|SECONDS|SHELLOPTS|SHLVL|UID|COLUMNS|LINES|COPROC|TIMEFORMAT|MAPFILE|LD_.*"
)
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "mksh"})
_PYTHON = re.compile(r"pypy[0-9.]*|i?python[0-9.]*")
_SCRIPTED = frozenset({"ruby", "node", "nodejs", "php", "Rscript", "julia", "lua"})
_FILTERS: Mapping[str, str] = {
    "sed": r"-[nErsi]+",
    "gsed": r"-[nErsi]+",
    "awk": r"-F.+",
    "gawk": r"-F.+",
    "mawk": r"-F.+",
    "nawk": r"-F.+",
}
_REPARSE = re.compile(
    r"zsh|csh|tcsh|fish|pwsh|busybox|su|sudo|perl|deno|bun|xargs|parallel|ssh|scp|rsh|make|gmake|ninja|cmake|m4|bc|"
    r"dc|ed|ex|vi|vim|nvim|emacs|gdb|lldb|sqlite3|psql|mysql|mongo|mongosh|redis-cli|docker|podman|kubectl|chroot|"
    r"nsenter|script|expect|tclsh|wish|watch|at|batch|crontab|sbatch|srun|salloc|qsub|tmux|screen|hyperfine|strace|"
    r"ltrace|flock|runuser|doas|osascript|R|octave|matlab|gnuplot|groovy|scala|ghci|irb|ocaml|guile|racket|sbcl|"
    r"clojure|swift|go|raku|entr"
)
"""Programs that take some of their arguments, or what they read, for commands."""
_COPIES = frozenset({"tee", "cp", "mv", "ln", "install", "sponge", "dd", "rsync", "curl", "wget"})
_SEARCHES = frozenset({"find", "fd"})
_NEVER = re.compile(
    r"eval|trap|let|declare|typeset|local|readonly|alias|unalias|coproc|mapfile|readarray|getopts|bind|complete|"
    r"compgen|compopt|fc|history|enable|caller|builtin|unset"
)
_FIXED_ONLY = re.compile(
    r"source|\.|shift|wait|umask|ulimit|hash|type|jobs|times|pushd|popd|dirs|kill|shopt|set|bg|fg|disown|suspend|"
    r"logout|return|break|continue|help"
)
_FREE = frozenset({"echo", "cd", ":", "true", "false", "pwd", "exit"})
_WRAPPERS = frozenset({"command", "exec"})
_UNARY = re.compile(r"-[abcdefghknprsuwxzGLNOS]")
_SHELL_FLAGS, _PYTHON_FLAGS = re.compile(r"-[euxlv]+"), re.compile(r"-[uBEsSIOvbqdi]+")
_CODE_FLAG = re.compile(r"-[euxlvB]*c")
_PATTERN = re.compile(r"[*?\[\]{}~]")
_SET = re.compile(r"[-+][euxfvC]*o?|pipefail|errexit|nounset|xtrace")
_CODE_MODULES = frozenset({"timeit", "pdb", "trace", "cProfile", "profile", "code", "runpy"})


def refusal(script: Script, values: Mapping[int, str]) -> str | None:
    """Why values that may hold anything cannot be put into this template; None when each stays a value.

    `values` are those behind the holes, to refuse one that would pass for an option.
    """
    try:
        _Check(script, values).run()
    except Unrecognised as exc:
        return str(exc)
    return None


class _Check:
    def __init__(self, script: Script, values: Mapping[int, str]) -> None:
        self._script = script
        self._values = values
        self._written = {basename(word.text) for command in script.commands for word in _files(command)}

    def run(self) -> None:
        for command in self._script.commands:
            if command.words:
                self._command(command.words)

    def _command(self, words: Sequence[Word]) -> None:
        if words[0].text == "for" and not words[0].quoted:
            self._loop(words)
            return
        rest = self._without_assignments(words)
        if not rest:
            return
        name = rest[0]
        if not name.fixed or not _PROGRAM.fullmatch(name.text):
            raise Unrecognised("a command whose name is not plainly written")
        if basename(name.text) in self._written:
            raise Unrecognised(f"'{name.text}', which is written before it is run")
        self._named(name.text, rest[1:])

    def _loop(self, words: Sequence[Word]) -> None:
        if len(words) < 3 or words[2].text != "in" or not words[1].fixed:
            raise Unrecognised("a 'for' without 'in'")
        self._variable(words[1].text)

    def _without_assignments(self, words: Sequence[Word]) -> Sequence[Word]:
        for index, word in enumerate(words):
            found = _ASSIGNMENT.match(word.text)
            if found is None:
                return words[index:]
            if not word.fixed:
                self._variable(found[1])
        return ()

    def _variable(self, name: str) -> None:
        if not _VARIABLE.fullmatch(name) or _OWN_VARIABLE.fullmatch(name):
            raise Unrecognised(f"the shell's own variable {name}")

    def _named(self, name: str, arguments: Sequence[Word]) -> None:
        fixed = all(word.fixed for word in arguments)
        if _NEVER.fullmatch(name):
            raise Unrecognised(f"'{name}'")
        if name in _WRAPPERS:
            self._wrapped(name, arguments)
        elif name in _BUILTINS:
            _BUILTINS[name](self, arguments)
        elif _FIXED_ONLY.fullmatch(name):
            self._require(fixed and all(self._as_it_was(word.text) for word in arguments), name)
        elif name not in _FREE:
            self._program([Word(name), *arguments])

    def _wrapped(self, name: str, arguments: Sequence[Word]) -> None:
        if arguments:
            self._require(not arguments[0].text.startswith("-"), name)
            self._command(arguments)

    def _as_it_was(self, file: str) -> bool:
        """Whether a script is surely none that the command writes itself."""
        return basename(file) not in self._written and not _PATTERN.search(file)

    def _require(self, holds: bool, name: str) -> None:
        if not holds:
            raise Unrecognised(f"'{name}' with what may be read as code")

    def _program(self, words: Sequence[Word]) -> None:
        """A program gets its words as they are; what matters is whether it takes any of them for code."""
        for index, word in enumerate(words):
            name = basename(word.text) if word.fixed else ""
            if name in _SHELLS or _PYTHON.fullmatch(name) or name in _SCRIPTED or name in _FILTERS:
                self._before(words[:index])
                searched = basename(words[0].text) in _SEARCHES and not all(w.fixed for w in words[1:])
                self._require(not searched, name)
                self._interpreter(name, words[index + 1 :])
                return
            if _REPARSE.fullmatch(name):
                self._require(not self._script.piped and all(word.fixed for word in words), name)
        self._before(words)

    def _before(self, words: Sequence[Word]) -> None:
        # To env a whole word may be any variable, and so what a shell reads before its script.
        if words and basename(words[0].text) == "env":
            self._require(not any(word.text.startswith((HOLE, EXPANSION)) for word in words), "env")
        self._plain(words)

    def _plain(self, words: Sequence[Word]) -> None:
        for word in words:
            if word.fixed:
                continue
            if not _BESIDE.fullmatch(word.text):
                raise Unrecognised("text and a value in one word, which may be code")
            assigned = _ASSIGNMENT.match(word.text)
            if assigned:
                self._variable(assigned[1])
            self._no_option(word)

    def _no_option(self, word: Word) -> None:
        if word.text.startswith(HOLE) and self._values.get(word.holes[0], "").startswith("-"):
            raise Unrecognised("a value that would pass for an option")

    def _interpreter(self, name: str, words: Sequence[Word]) -> None:
        flags = _PYTHON_FLAGS if _PYTHON.fullmatch(name) else _SHELL_FLAGS
        if name in _FILTERS:
            flags = re.compile(_FILTERS[name])
        elif name in _SCRIPTED:
            flags = re.compile(r"(?!)")
        rest = list(words)
        while rest and rest[0].fixed and flags.fullmatch(rest[0].text):
            rest.pop(0)
        self._require(bool(rest) or not (self._script.piped or self._written), name)
        if rest:
            self._require(rest[0].fixed, name)
            self._with_script(name, rest[0].text, rest[1:])

    def _with_script(self, name: str, script: str, rest: Sequence[Word]) -> None:
        if name in _FILTERS:
            self._filter(name, script, rest)
        elif not script.startswith("-"):
            self._require(self._as_it_was(script), name)
        elif name not in _SCRIPTED and _CODE_FLAG.fullmatch(script) and rest:
            self._require(rest[0].fixed, name)
            if name in _SHELLS:
                self._shell_code(name, rest[0].text)
        elif _PYTHON.fullmatch(name) and script == "-m" and rest:
            self._require(rest[0].fixed and rest[0].text not in _CODE_MODULES, name)
        else:
            self._require(all(word.fixed for word in rest) and not self._script.piped, name)

    def _shell_code(self, name: str, code: str) -> None:
        if "{}" in code:
            self._require(holds=False, name=name)
        inner = recognise(code, ())
        _Check(inner, {}).run()

    def _filter(self, name: str, program: str, rest: Sequence[Word]) -> None:
        """sed and awk: a fixed program, then files."""
        fixed = all(word.fixed for word in rest)
        self._require(fixed or not program.startswith("-"), name)
        self._require(fixed or not any(word.text.startswith(("-", EXPANSION)) for word in rest), name)
        self._plain(rest)

    def _printf(self, words: Sequence[Word]) -> None:
        # `printf -v 'a[$(...)]'` runs what stands in the brackets.
        rest = words[1:] if words and words[0].text == "--" and words[0].fixed else words
        starts_plainly = not rest or rest[0].text[:1] not in ("-", HOLE, EXPANSION)
        self._require(rest is not words or starts_plainly or all(word.fixed for word in words), "printf")

    def _test(self, words: Sequence[Word]) -> None:
        # `[ -v 'a[$(...)]' ]` runs what stands in the brackets, so the operators must be the template's own.
        if all(word.fixed for word in words):
            return
        rest = [word for word in words if word.text != "]" or not word.fixed]
        if rest and rest[0].fixed and rest[0].text == "!":
            rest = rest[1:]
        unary = len(rest) == 2 and rest[0].fixed and _UNARY.fullmatch(rest[0].text)
        binary = len(rest) == 3 and rest[1].fixed and rest[1].text in ("=", "==", "!=")
        self._require(bool(unary or binary) and not any(word.splits for word in rest), "[")

    def _export(self, words: Sequence[Word]) -> None:
        for word in words:
            found = _ASSIGNMENT.match(word.text)
            name = found[1] if found else word.text
            self._require(word.fixed or found is not None, "export")
            self._require(not word.text.startswith("-") or word.text == "-p", "export")
            if not word.fixed:
                self._variable(name)

    def _read(self, words: Sequence[Word]) -> None:
        for word in words:
            self._require(word.fixed, "read")
            if word.text != "-r":
                self._variable(word.text)

    def _set(self, words: Sequence[Word]) -> None:
        self._require(all(word.fixed and _SET.fullmatch(word.text) for word in words), "set")


def _files(command: Command) -> Sequence[Word]:
    """The files that a command may write: by redirection, or as one that copies."""
    copies = bool(command.words) and command.words[0].text in _COPIES
    return [*command.files, *(command.words[1:] if copies else ())]


_BUILTINS: Mapping[str, Callable[[_Check, Sequence[Word]], None]] = {
    "printf": _Check._printf,
    "test": _Check._test,
    "[": _Check._test,
    "export": _Check._export,
    "read": _Check._read,
    "set": _Check._set,
}
