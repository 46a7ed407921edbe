"""The files of a new project: a pipeline, its script, data to try it on, a test and a workflow for CI. Pure.

What they make runs at once: the pipeline completes, and the test passes.
"""

import ast
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from fanout.errors import DISTRIBUTION, InputError

TABLES = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
"""Files that are read as rows, also compressed."""
_COMPRESSED = (".gz", ".zst")
SAMPLES = {"ada.txt": "Ada wrote the first program.\n", "grace.txt": "Grace found a moth.\n", "katherine.txt": "42\n"}


@dataclass(frozen=True, slots=True)
class Project:
    """What a new project is about: `script` exists already, or is None; `data` as well."""

    folder: Path
    script: Path | None = None
    data: Path | None = None


def project_files(project: Project, script_text: str | None = None) -> dict[str, str]:
    """The text of each file by its path in the folder; InputError for a script that is none of a pipeline."""
    if project.script is not None:
        check_script(project.script, script_text or "")
    files = {
        "pipeline.yml": _pipeline(project),
        "tests/test_pipeline.py": _test(project),
        ".github/workflows/ci.yml": CI,
    }
    if project.script is None:
        files["src/score.py"] = SCRIPT_OF_ROWS if _is_table(project.data) else SCRIPT
    if project.data is None:
        files |= {f"data/{name}": text for name, text in SAMPLES.items()}
    return files


def check_script(path: Path, text: str) -> None:
    """InputError unless the script can be read and defines run()."""
    try:
        tree = ast.parse(text, str(path))
    except SyntaxError as error:
        raise InputError(f"{path}:{error.lineno}:{error.offset}: {error.msg}") from error
    if "run" not in [name for node in tree.body for name in _names(node)]:
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        has = f"; it defines {', '.join(functions)}" if functions else ""
        raise InputError(f"{path}: there is no run(mini_batch) in it{has}; a pipeline calls run() with its items")


def _names(node: ast.stmt) -> Iterator[str]:
    """The names that a statement at the top of a module gives."""
    match node:
        case ast.FunctionDef(name=name):
            yield name
        case ast.ImportFrom(names=names):
            yield from (each.asname or each.name for each in names)
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def _is_table(data: Path | None) -> bool:
    if data is None or data.is_dir():
        return False
    name = data.name.lower()
    for ending in _COMPRESSED:
        name = name.removesuffix(ending)
    return name.endswith(TABLES)


def _from(folder: Path, path: Path) -> str:
    """The path from the folder, as YAML and Python write a text."""
    relative = os.path.relpath(path.absolute(), folder.absolute())
    return json.dumps(relative if relative.startswith("..") else f"./{relative}", ensure_ascii=False)


def _pipeline(project: Project) -> str:
    code, script = ("./src", "score.py")
    if project.script is not None:
        code, script = _from(project.folder, project.script.parent), json.dumps(project.script.name)
    data = '"./data"' if project.data is None else _from(project.folder, project.data)
    rows = _is_table(project.data)
    one_file = project.data is not None and not project.data.is_dir()
    size = "mini_batch_rows: 1000            # rows of" if rows else 'mini_batch_size: "2"             # files of'
    return PIPELINE.format(
        kind="uri_file" if one_file else "uri_folder",
        data=data,
        size=f"{size} a mini-batch",
        code=code,
        script=script,
        output="./results.csv" if rows else "./results.txt",
    )


def _test(project: Project) -> str:
    check = "assert result.completed, result.reason"
    if project.script is None and project.data is None:
        check += f"\n    assert len(result.rows()) == {len(SAMPLES)}"
    return TEST.format(check=check)


PIPELINE = """\
# Runs with: fanout run pipeline.yml
# Editors complete and explain its keys by the schema that `fanout schema` prints.
type: pipeline
inputs:
  items:
    type: {kind}
    path: {data}
outputs:
  results:
    type: uri_file
    path: {output}
jobs:
  score:
    type: parallel
    inputs:
      items: ${{{{parent.inputs.items}}}}
    outputs:
      results: ${{{{parent.outputs.results}}}}
    input_data: ${{{{inputs.items}}}}    # the input to cut
    {size}
    error_threshold: 0               # items that may fail; -1: any number
    retry_settings:
      max_retries: 2
      timeout: 60                    # seconds of one call of run()
    task:
      type: run_function
      code: {code}
      entry_script: {script}
      append_row_to: ${{{{outputs.results}}}}
"""
SCRIPT = '''\
"""The entry script: fanout calls init() once in each process, and run() with the files of a mini-batch."""

from pathlib import Path


def init():
    """Loads what every call needs, such as a model."""


def run(mini_batch):
    """One element for each file: a text, or a dict with the columns of a row."""
    return [f"{Path(file).name}: {len(Path(file).read_text().split())} words" for file in mini_batch]
'''
SCRIPT_OF_ROWS = '''\
"""The entry script: fanout calls init() once in each process, and run() with rows as a pandas DataFrame."""


def init():
    """Loads what every call needs, such as a model."""


def run(mini_batch):
    """The rows of the result: a DataFrame, or a list with one element for each row."""
    return mini_batch
'''
TEST = '''\
"""The pipeline runs over its data, with real processes. `fanout_run` comes with the pytest plugin of fanout."""


def test_the_pipeline_completes(fanout_run):
    result = fanout_run("../pipeline.yml", servers="none")
    {check}
'''
CI = f"""\
name: ci
on: [push, pull_request]
permissions:
  contents: read
jobs:
  test:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install '{DISTRIBUTION}[tables,testing]'
      - run: if [ -f requirements.txt ]; then pip install -r requirements.txt; fi
      - run: fanout validate pipeline.yml
      - run: pytest tests
"""


def existing(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Those of the files that are there already."""
    return [name for name in files if os.path.lexists(folder / name)]
