"""The pipeline files that Azure's SDK is asked about, and the question."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import yaml

from fanout.errors import SpecError
from fanout.pipeline.load import load_pipeline
from tests.differential.portable import portable, portable_component
from tests.differential.refused import ROWS, Row

ROOT = Path(__file__).parent.parent.parent
PIPELINES = Path(__file__).with_name("pipelines")
TIMEOUT = 300.0


def is_installed() -> bool:
    """Whether Azure's SDK is there; the extra `azure` brings it."""
    return find_spec("azure") is not None and find_spec("azure.ai.ml") is not None


def files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Copies of all pipeline files under examples/ and tests/, and of those that tests have written in themselves."""
    for number, file in enumerate(sorted([*ROOT.glob("examples/*/*.yml"), *ROOT.glob("tests/**/*.yml")])):
        if _document(file.read_text()) is not None:
            copy = folder / f"file{number}"
            shutil.copytree(file.parent, copy, ignore=shutil.ignore_patterns("__pycache__", ".fanout"))
            yield str(file.relative_to(ROOT)), copy / file.name
    for module in sorted(ROOT.glob("tests/**/test_*.py")):
        for line, text in _texts(module):
            place = folder / f"{module.stem}-{line}"
            _furnish(place)
            (place / "pipeline.yml").write_text(text)
            yield f"{module.relative_to(ROOT)}:{line}", place / "pipeline.yml"


def _texts(module: Path) -> Iterator[tuple[int, str]]:
    content = module.read_text()
    if "type: pipeline" not in content:
        return
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _document(node.value) is not None:
            yield node.lineno, node.value


def _document(text: str) -> dict[str, object] | None:
    """The pipeline document that a text is, if it is one."""
    if "type: pipeline" not in text:
        return None
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    is_one = isinstance(document, dict) and document.get("type") == "pipeline"
    return document if is_one and (document.get("component") or isinstance(document.get("jobs"), dict)) else None


def _furnish(folder: Path) -> None:
    """What most pipelines of tests name beside them."""
    shutil.copytree(PIPELINES, folder)
    for name in ("in", "comp"):
        (folder / name).mkdir()
    (folder / "in" / "one.txt").write_text("one\n")
    (folder / "one.csv").write_text("1\n")
    (folder / "conda.yml").write_text("dependencies: [python=3.11]\n")


def rows(folder: Path) -> Iterator[tuple[Row, Path]]:
    place = folder / "rows"
    shutil.copytree(PIPELINES, place)
    for number, row in enumerate(ROWS):
        file = place / f"row{number}.yml"
        file.write_text(row.text)
        yield row, file


def is_accepted(file: Path) -> bool:
    try:
        load_pipeline(file)
    except SpecError:
        return False
    return True


def for_azure(file: Path) -> Path:
    """The file without what is ours, and the component files near it likewise."""
    document = _document(file.read_text())
    assert document is not None
    file.write_text(yaml.safe_dump(portable(document), sort_keys=False))
    for component in file.parent.glob("comp*/*.yml"):
        content = yaml.safe_load(component.read_text())
        component.write_text(yaml.safe_dump(portable_component(content), sort_keys=False))
    return file


def ask(files: list[Path], script: str = "ask.py") -> dict[str, str | None]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("AZURE")}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script))],
        input=json.dumps([str(file) for file in files]),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        env={**environ, "AZURE_CORE_COLLECT_TELEMETRY": "false"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, str | None] = json.loads(done.stdout.splitlines()[-1])
    return answer
