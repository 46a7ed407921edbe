"""What can be known of an entry script without running it: its syntax, that of modules beside it, and its run().

The text is parsed and compiled, never executed. Where a script makes its names in ways that only running shows (star
imports, exec, globals()), nothing is said.
"""

import ast
import warnings
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from fanout.errors import Place
from fanout.pipeline.yaml.diagnostics import suggest

LARGEST = 4 * 1024 * 1024
"""Bytes of a script that is looked at; a larger one is generated, and would take long."""
MOST_MODULES = 200
_DYNAMIC = frozenset({"exec", "eval", "globals", "vars", "setattr", "__getattr__"})
_ENTRY = frozenset({"init", "run", "shutdown"})


@dataclass(frozen=True, slots=True)
class ScriptProblem:
    """What is wrong with a script, and where."""

    place: Place
    message: str
    is_syntax: bool = False


def script_problems(folder: Path, entry_script: str) -> Iterator[ScriptProblem]:
    """What keeps the script in this code folder from running: each problem with its place and what mends it."""
    path = folder / entry_script
    tree = yield from _parsed(path)
    if tree is None:
        return
    yield from _run_problems(tree, path)
    seen, waiting = {path}, list(_beside(tree, folder, path.parent))
    while waiting and len(seen) < MOST_MODULES:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            if (inner := (yield from _parsed(module))) is not None:
                waiting += _beside(inner, folder, module.parent)


def _parsed(path: Path) -> Generator[ScriptProblem, None, ast.Module | None]:
    """The tree of the file, as the value of this generator; None when it cannot be parsed."""
    try:
        text = path.read_bytes()
    except OSError:
        return None
    if len(text) > LARGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, str(path))
            compile(tree, str(path), "exec", dont_inherit=True)  # finds what the grammar allows, such as a lone return
    except SyntaxError as exc:
        place = Place(str(path), exc.lineno or 1, exc.offset or 1)
        yield ScriptProblem(place, f"{type(exc).__name__}: {exc.msg}; no mini-batch can run until that is mended", True)
        return None
    except ValueError as exc:  # a NUL
        yield ScriptProblem(Place(str(path), 1, 1), f"is no Python: {exc}")
        return None
    except (RecursionError, MemoryError):
        return None
    return tree


def _run_problems(tree: ast.Module, path: Path) -> Iterator[ScriptProblem]:
    bound = _Bindings()
    bound.visit(tree)
    found = bound.names.get("run", [])
    if not found and not bound.dynamic:
        hint = suggest("run", [name for name in bound.functions if name not in _ENTRY])
        hint = hint if "did you mean" in hint else ""
        yield ScriptProblem(
            Place(str(path), 1, 1), f"has no function run(mini_batch), which is called for each mini-batch{hint}"
        )
    if len(found) == 1 and isinstance(found[0], ast.FunctionDef | ast.AsyncFunctionDef) and not bound.dynamic:
        yield from _function_problems(found[0], path)


def _function_problems(run: ast.FunctionDef | ast.AsyncFunctionDef, path: Path) -> Iterator[ScriptProblem]:
    place = Place(str(path), run.lineno, run.col_offset + 1)
    if run.decorator_list:
        return  # what it is called with is the decorator's business
    arguments = run.args
    places = len(arguments.posonlyargs) + len(arguments.args)
    needed = places - len(arguments.defaults)
    keywords = [
        a.arg for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if default is None
    ]
    if (places == 0 and arguments.vararg is None) or needed > 2:
        yield ScriptProblem(
            place,
            f"run() takes {needed or 'no'} arguments; it is given the mini-batch, and the context if it takes two: "
            "run(mini_batch) or run(mini_batch, context)",
        )
    elif keywords:
        yield ScriptProblem(place, f"run() needs {keywords[0]}=, which it is not given; give it a default")
    if isinstance(run, ast.AsyncFunctionDef):
        yield ScriptProblem(place, "run() is a coroutine, which is not awaited; make it def run(mini_batch)")
    elif _yields(run):
        yield ScriptProblem(place, "run() is a generator; return a list, a DataFrame or another sized sequence")


def _yields(run: ast.FunctionDef) -> bool:
    """Whether the function itself, not one inside it, yields."""
    waiting: list[ast.AST] = list(run.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            waiting += ast.iter_child_nodes(node)
    return False


class _Bindings(ast.NodeVisitor):
    """What a module binds at its top level, in whatever block, and whether it binds names in ways not seen here."""

    def __init__(self) -> None:
        self.names: dict[str, list[ast.AST]] = {}
        self.functions: list[str] = []
        self.dynamic = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self._function(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._bind(node.name, node)

    def visit_Lambda(self, node: ast.Lambda) -> None:
        """Binds nothing here."""

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind((alias.asname or alias.name).partition(".")[0], node)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            self.dynamic = self.dynamic or alias.name == "*"
            self._bind(alias.asname or alias.name, node)

    def visit_Name(self, node: ast.Name) -> None:
        self.dynamic = self.dynamic or node.id in _DYNAMIC
        if not isinstance(node.ctx, ast.Load):
            self._bind(node.id, node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.name:
            self._bind(node.name, node)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.dynamic = self.dynamic or node.attr in ("__dict__", "modules")
        self.generic_visit(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._bind(node.name, node)
        self.functions.append(node.name)
        self.dynamic = self.dynamic or node.name == "__getattr__"
        for inner in ast.walk(node):  # `global run` in a function binds it here
            if isinstance(inner, ast.Global):
                for name in inner.names:
                    self._bind(name, inner)

    def _bind(self, name: str, node: ast.AST) -> None:
        self.names.setdefault(name, []).append(node)


def _beside(tree: ast.Module, code: Path, own: Path) -> Iterator[Path]:
    """The modules of the code folder that a module imports as soon as it is loaded, not within try or a function."""
    for node in tree.body:
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            first, *rest = name.split(".")
            for root in dict.fromkeys((own, code)):
                for path in (Path(root, first, *rest).with_suffix(".py"), Path(root, first, *rest, "__init__.py")):
                    if path.is_file():
                        yield path
