"""Paths in documents of Azure's SDK: absolute from where they were given; names, URIs and expressions stay."""

from collections import OrderedDict
from pathlib import Path

import pytest

from fanout.azure.documents import absolute, declare_inputs, job_document, plain
from fanout.errors import InputError


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    "text", ["data", "./data", "azureml:./data", "azureml:data", "file:data", "src/../data", "data/"]
)
def test_a_local_path_starts_from_its_base(base: Path, text: str) -> None:
    """With or without what the SDK puts in front."""
    assert absolute(text, base) == str(base / "data")


@pytest.mark.parametrize(
    "text",
    [
        "azureml:data:1",
        "azureml:data@latest",
        "azureml:other",
        "azureml:data@production",
        "azureml://datastores/d/paths/x",
        "azureml://registries/azureml/environments/x/labels/latest",
        "s3://bucket/x",
        "${{parent.inputs.x}}",
        "git+https://github.com/x/y",
        "",
        None,
        3,
    ],
)
def test_what_is_no_local_path_stays(base: Path, text: object) -> None:
    """A name without a version is an asset where nothing of that name lies."""
    assert absolute(text, base) == text


def test_a_uri_behind_azureml_is_the_uri(base: Path) -> None:
    """As the SDK prints it."""
    assert absolute("azureml:s3://bucket/x", base) == "s3://bucket/x"
    assert absolute("azureml:/data", base) == "/data"


def test_classes_of_the_sdk_become_plain_values() -> None:
    """So that they can be written as YAML."""

    class Word(str):
        """As the SDK has them."""

    found = plain(OrderedDict(a=(1, Word("x")), b=OrderedDict(c=None, d=True)))
    assert found == {"a": [1, "x"], "b": {"c": None, "d": True}}
    assert type(found["a"][1]) is str


@pytest.mark.parametrize("job", [None, "job", 3, object()])
def test_what_is_no_job_is_refused(job: object) -> None:
    """With its type."""
    with pytest.raises(InputError, match=f"expected a job of Azure's SDK, got {type(job).__name__}"):
        job_document(job)


@pytest.mark.parametrize(
    ("given", "type_"),
    [
        ({"path": "${{parent.inputs.data}}"}, "mltable"),
        ("${{parent.inputs.number}}", "integer"),
        ({"path": "${{parent.inputs.flag}}"}, "boolean"),
        ("${{parent.jobs.prepare.outputs.own}}", "uri_file"),
        ({"path": "${{parent.jobs.prepare.outputs.of_component}}"}, "mltable"),
        ({"path": "${{parent.jobs.prepare.outputs.unsaid}}"}, "uri_folder"),
        ({"path": "/x", "type": "uri_file"}, "uri_file"),
        (2.5, "number"),
        (True, "boolean"),
        ("text", "string"),
    ],
)
def test_inputs_that_the_sdk_leaves_out_are_declared(given: object, type_: str) -> None:
    """With the type of what the step gives them; those that are declared stay."""
    prepare = {
        "outputs": {"own": {"type": "uri_file"}, "unsaid": None},
        "component": {"outputs": {"of_component": {"type": "mltable"}}},
    }
    around = {
        "inputs": {"data": {"type": "mltable", "path": "/x"}, "number": 3, "flag": True},
        "jobs": {"prepare": prepare},
    }
    component = {"type": "pipeline", "inputs": {"known": {"type": "string"}}}
    declare_inputs({"component": component, "inputs": {"open": given, "known": 3}}, ["open", "known"], around)
    assert component["inputs"] == {"known": {"type": "string"}, "open": {"type": type_}}
