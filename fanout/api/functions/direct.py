"""A run without a pipeline file: a script or a function and its data, as `fanout run --over` is given them."""

import contextlib
import importlib
import re
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout.api.functions.code import name_of, write_code
from fanout.api.functions.job import Options, Source, document, is_json, load_job
from fanout.api.functions.parallel import call_of
from fanout.api.functions.prepared import MOST_AT_ONCE, absolute
from fanout.api.functions.probe import PARTS, slots_here
from fanout.api.functions.sources import are_many, is_in_a_store, is_table_file
from fanout.api.where import Where
from fanout.errors import InputError, Place, Problem, SpecError

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline

_FUNCTION = re.compile(r"(?P<module>.+\.py|[A-Za-z_][\w.]*):(?P<name>[A-Za-z_][\w.]*)")


@dataclass(frozen=True, slots=True)
class Direct:
    """What to run over what: `rows` of a mini-batch, or its `size` in files or bytes; `output` takes the rows."""

    target: str
    over: str
    rows: int | None = None
    size: str | None = None
    output: str | None = None


@contextlib.contextmanager
def direct_pipeline(direct: Direct, sets: Sequence[str], where: Where | None) -> Iterator["Pipeline"]:
    """The checked pipeline, while the folder with the code of a function is there; InputError and SpecError if not.

    With `where` tables of this machine are looked at, too.
    """
    folder = Path(tempfile.mkdtemp(prefix="fanout-direct-"))
    try:
        yield _load(direct, sets, where, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load(direct: Direct, sets: Sequence[str], where: Where | None, folder: Path) -> "Pipeline":
    from fanout.api.pipelines import look_at_tables

    source, paths, options = data_of(direct)
    output, found = absolute(direct.output), _FUNCTION.fullmatch(direct.target)
    if found:
        call, own = call_of(load_function(direct.target, found["module"], found["name"]))
        write_code(folder / "code", replace(call, items=source.kind, json=is_json(output)))
        said = document(name_of(call.function), source, _merged(own, options), output)
    else:
        said = document(*_named(direct.target, source, options), output)
    [step] = said["jobs"].values()
    step["inputs"]["data"]["path"] = paths
    if not found:
        step["task"] |= _script(direct.target)
    try:
        pipeline = load_job(folder, said, sets)
        if where is not None:
            look_at_tables(pipeline, folder / "pipeline.yml", where)
    except SpecError as error:
        raise SpecError([_placed(problem, direct.target, folder) for problem in error.problems]) from error
    return pipeline


def data_of(direct: Direct) -> tuple[Source, str | list[str], Options]:
    """What the data is, its paths, and how it is cut; InputError when nothing is there or it cannot be cut so."""
    over, rows, size = direct.over, direct.rows, direct.size
    if rows is not None and size is not None:
        raise InputError("--rows and --size exclude each other; keep one of them")
    path = Path(over).expanduser()
    remote = is_in_a_store(over)
    if not remote and not path.exists() and not are_many(over):
        from fanout.pipeline.data.locations import beside

        raise InputError(f"--over {over}: there is no such file or folder{beside(path.absolute())}")
    place = over if remote else str(path.absolute())
    is_file = is_table_file(over) and not path.is_dir()
    if rows is not None or (size is not None and not size.isdecimal()) or (size is None and is_file):
        kind = "uri_file" if is_file or path.is_file() else "uri_folder"
        return Source("table", kind, place), place, Options(mini_batch_rows=rows, mini_batch_size=size)
    if is_file:
        raise InputError(f"--size {size} counts files, and {over} is read as rows: write --rows {size}, or --size 10mb")
    is_one = path.is_file() or (remote and path.suffix != "" and not over.endswith("/") and not are_many(over))
    paths = [place] if is_one else place
    wanted = size if size is not None or remote or not path.is_dir() else _even_size(path)
    return Source("files", "uri_folder", place), paths, Options(mini_batch_size=wanted)


def _even_size(folder: Path) -> int:
    """So many files that all slots of this machine are busy to the end."""
    files = sum(1 for one in folder.rglob("*") if one.is_file())
    return max(1, min(MOST_AT_ONCE, ceil(files / (PARTS * slots_here()))))


def _merged(own: Options, asked: Options) -> Options:
    """The options of the function, cut as the command line says where it says so."""
    if asked.mini_batch_rows is None and asked.mini_batch_size is None:
        return own
    if own.mini_batch_rows is not None or own.mini_batch_size is not None or own.partition_keys:
        own = replace(own, mini_batch_rows=None, mini_batch_size=None, partition_keys=())
    return replace(own, mini_batch_rows=asked.mini_batch_rows, mini_batch_size=asked.mini_batch_size)


def _named(target: str, source: Source, options: Options) -> tuple[str, Source, Options]:
    plain = re.sub(r"\W+", "_", Path(target).stem, flags=re.ASCII).strip("_").lower()
    return plain if plain and not plain[0].isdigit() else f"script_{plain}".rstrip("_"), source, options


def _script(target: str) -> dict[str, Any]:
    path = Path(target).expanduser().absolute()
    if not path.is_file():
        from fanout.pipeline.data.locations import beside

        raise InputError(f"{target}: there is no such script{beside(path)}")
    return {"code": str(path.parent), "entry_script": path.name}


def load_function(target: str, module: str, name: str) -> Any:
    """The function, imported here as Python itself would from the current folder; InputError when that fails."""
    found: Any = _file_module(target, Path(module)) if module.endswith(".py") else _module(target, module, Path.cwd())
    for part in name.split("."):
        if not hasattr(found, part):
            from fanout.pipeline.yaml.diagnostics import suggest

            there = [known for known, value in vars(found).items() if callable(value)]
            raise InputError(f"{target}: {module} has no function '{name}'{suggest(name, there)}")
        found = getattr(found, part)
    if not callable(found):
        raise InputError(f"{target}: {name} is no function, it is of type {type(found).__name__}")
    return found


def _file_module(target: str, path: Path) -> Any:
    full = path.expanduser().absolute()
    if not full.is_file():
        from fanout.pipeline.data.locations import beside

        raise InputError(f"{target}: there is no such script{beside(full)}")
    found = _module(target, full.stem, full.parent) if full.stem.isidentifier() else None
    if found is None or Path(getattr(found, "__file__", None) or "").resolve() != full.resolve():
        raise InputError(
            f"{target}: Python cannot import a file of this name, or has a module of it: rename {full.name}"
        )
    return found


def _module(target: str, name: str, folder: Path) -> Any:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    except Exception as error:  # the user's own code
        if isinstance(error, ModuleNotFoundError) and error.name == name.partition(".")[0]:
            raise InputError(f"{target}: there is no module '{name}' in {folder}, nor an installed one") from error
        raise InputError(f"{target} cannot be imported: {type(error).__name__}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """What an import failed with, and where in the user's code."""
    if isinstance(error, SyntaxError):
        return f"{error.msg} ({error.filename}:{error.lineno})"
    frames = traceback.extract_tb(error.__traceback__)
    own = [one for one in frames if one.filename not in (__file__, importlib.__file__) and one.filename[:1] != "<"]
    return f"{error} ({own[-1].filename}:{own[-1].lineno})" if own else str(error)


def _placed(problem: Problem, target: str, folder: Path) -> Problem:
    """A problem of the generated pipeline, in the words of what the caller asked for."""
    if not problem.place.file.startswith(str(folder)):
        return problem
    return Problem(Place(target, 1, 1), problem.key, problem.message)
