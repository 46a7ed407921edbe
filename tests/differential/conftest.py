"""One question to Azure's SDK for all tests here: it takes seconds to import, and its pins clash with ours.

Where it is not installed the tests are skipped, unless CI or FANOUT_REQUIRE_SERVERS is set: then they fail.
"""

import ast
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from fanout.errors import SpecError
from fanout.spec.load import load_pipeline
from tests.differential.portable import portable, portable_component
from tests.differential.refused import ROWS, Row

ROOT = Path(__file__).parent.parent.parent
PYTHON = ROOT / ".servers" / "azure-ai-ml" / "bin" / "python"
ASK = Path(__file__).with_name("ask.py")
PIPELINES = Path(__file__).with_name("pipelines")
TIMEOUT = 300.0


@dataclass(frozen=True)
class Answers:
    """What the SDK says, by file: None when it takes the file."""

    accepted: Mapping[str, str | None]  # files that fanout takes, by their path in the repository
    refused: Mapping[str, str | None]  # rows of the table, by name


@pytest.fixture(scope="session")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """The answers for every pipeline file of the repository that fanout takes, and for those of the table."""
    if not PYTHON.exists():
        why = "azure-ai-ml is not installed; run: make azure-ai-ml"
        if os.environ.get("CI") or os.environ.get("FANOUT_REQUIRE_SERVERS"):
            pytest.fail(why)
        pytest.skip(why)
    folder = tmp_path_factory.mktemp("pipelines")
    accepted = {label: _for_azure(file) for label, file in _files(folder) if _is_accepted(file)}
    refused = {row.name: file for row, file in _rows(folder)}
    said = _ask([*accepted.values(), *refused.values()])
    return Answers(
        accepted={label: said[str(file)] for label, file in accepted.items()},
        refused={name: said[str(file)] for name, file in refused.items()},
    )


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
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


def _rows(folder: Path) -> Iterator[tuple[Row, Path]]:
    place = folder / "rows"
    shutil.copytree(PIPELINES, place)
    for number, row in enumerate(ROWS):
        file = place / f"row{number}.yml"
        file.write_text(row.text)
        yield row, file


def _is_accepted(file: Path) -> bool:
    try:
        load_pipeline(file)
    except SpecError:
        return False
    return True


def _for_azure(file: Path) -> Path:
    """The file without what is ours, and the component files near it likewise."""
    document = _document(file.read_text())
    assert document is not None
    file.write_text(yaml.safe_dump(portable(document), sort_keys=False))
    for component in file.parent.glob("comp*/*.yml"):
        content = yaml.safe_load(component.read_text())
        component.write_text(yaml.safe_dump(portable_component(content), sort_keys=False))
    return file


def _ask(files: list[Path]) -> dict[str, str | None]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("AZURE")}
    done = subprocess.run(
        [str(PYTHON), str(ASK)],
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
