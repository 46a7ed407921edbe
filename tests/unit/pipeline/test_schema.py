"""`pipeline.schema.json`, which editors use: generated from the page of keys, and held against the readers."""

import copy
import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

import fanout
from fanout.errors import SpecError
from fanout.pipeline.load import load_pipeline
from tests.unit.pipeline.test_pipeline_keys_doc import PIPELINE

ROOT = Path(__file__).parents[3]
TEXT = (Path(fanout.__file__).parent / "pipeline" / "pipeline.schema.json").read_text("utf-8")
SCHEMA = jsonschema.Draft7Validator(json.loads(TEXT))
FILES = sorted(
    [
        *(ROOT / "examples").rglob("pipeline.yml"),
        *(ROOT / "tests" / "differential" / "pipelines").glob("*.yml"),
        *(ROOT / "tests" / "data" / "stores").rglob("pipeline.yml"),
    ]
)
FREE = {"tags", "environment_variables", "types", "conda_file", "inputs", "outputs", "jobs", "settings", "batch"}
"""Maps of free names, and two that the readers answer with a notice or in words of their own."""
WRONG = {
    "a parallel step": ("jobs.score.mini_batch_size", True),
    "an item count": ("jobs.score.error_threshold", "many"),
    "a truth value": ("jobs.score.speculate", "maybe"),
    "a list": ("jobs.score.partition_keys", "word"),
    "the type of the file": ("type", "parallel"),
    "the type of data": ("jobs.show.outputs.copy.type", "uri_floder"),
    "the task": ("jobs.score.task.type", "run_functoin"),
    "retries": ("jobs.score.retry_settings.max_retries", 1.5),
    "a time": ("jobs.show.limits.timeout", "soon"),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A pipeline file with everything that it names beside it."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "score.py").write_text("def run(mini_batch):\n    return mini_batch\n")
    (tmp_path / "in").mkdir()
    return tmp_path / "pipeline.yml"


def _maps(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The key path of every map of a document."""
    if isinstance(node, dict):
        yield path
        for key, value in node.items():
            yield from _maps(value, (*path, key))


def _changed(path: str, value: Any) -> dict[str, Any]:
    document = copy.deepcopy(yaml.safe_load(PIPELINE))
    *folders, key = path.split(".")
    there = document
    for name in folders:
        there = there[name]
    there[key] = value
    return document


def test_it_is_that_of_the_page() -> None:
    """A page that has changed is not enough."""
    assert runpy.run_path(str(ROOT / ".ci" / "pipeline_schema.py"))["text"]() == TEXT, "`make schema` writes it anew"


def test_it_is_a_schema() -> None:
    """Of the draft that editors know."""
    jsonschema.Draft7Validator.check_schema(SCHEMA.schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_that_run_are_valid(path: Path) -> None:
    """The examples, Azure's spellings, our own keys, and files that are kept from earlier."""
    assert not [error.message for error in SCHEMA.iter_errors(yaml.safe_load(path.read_text()))]


def test_a_file_with_every_section_is_valid(file: Path) -> None:
    """For the schema as for the readers."""
    file.write_text(PIPELINE)
    load_pipeline(file)
    SCHEMA.validate(yaml.safe_load(PIPELINE))


@pytest.mark.parametrize("at", [path for path in _maps(yaml.safe_load(PIPELINE)) if (path or ("",))[-1] not in FREE])
def test_a_misspelt_key_is_refused(at: tuple[str, ...], file: Path) -> None:
    """In each map, by the schema as by the readers."""
    document = _changed(".".join((*at, "misspelt_key")), 1)
    assert not SCHEMA.is_valid(document)
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(SpecError, match="misspelt_key"):
        load_pipeline(file)


@pytest.mark.parametrize(("path", "value"), WRONG.values(), ids=WRONG)
def test_a_wrong_value_is_refused(path: str, value: Any, file: Path) -> None:
    """By the schema as by the readers."""
    document = _changed(path, value)
    assert not SCHEMA.is_valid(document)
    file.write_text(yaml.safe_dump(document))
    with pytest.raises(SpecError):
        load_pipeline(file)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("jobs.score.mini_batch_size", 10),
        ("jobs.score.error_threshold", "5"),
        ("jobs.score.error_threshold", "${{parent.inputs.files}}"),
        ("jobs.score.task.environment", "azureml:any@latest"),
        ("jobs.show.inputs.rows", "./rows.csv"),
        ("jobs.show.inputs.rows.path", ["a.csv", "b.csv"]),
        ("jobs.show.outputs.copy", None),
        ("jobs.show.environment_variables", {"A": 1, "B": None}),
        ("jobs.more", {"component": "./more.yml", "max_concurrency_per_instance": 2, "inputs": {"x": 1}}),
        ("$schema", "https://azuremlschemas.azureedge.net/latest/pipelineJob.schema.json"),
    ],
)
def test_what_the_readers_take_is_valid(path: str, value: Any) -> None:
    """Other ways of writing a value."""
    assert not [error.message for error in SCHEMA.iter_errors(_changed(path, value))]


def test_keys_say_what_they_mean() -> None:
    """Editors show the description of a key, and which keys Azure does not have."""
    rows = SCHEMA.schema["definitions"]["a_parallel_step"]["properties"]
    assert all(row.get("description") for row in rows.values())
    assert rows["speculate"]["description"].endswith("Default: false. Not on Azure.")
