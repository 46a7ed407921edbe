"""`fanout schema`, as an editor has it: a file beside the pipeline, by which documents are checked."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*/pipeline.yml"))


def test_examples_are_valid_and_a_misspelt_key_is_not(empty_project: Any) -> None:
    """On the terminal and in a file it is the same schema; the hint for the editor names the file."""
    shown = empty_project.fanout("schema")
    written = empty_project.fanout("schema", "-o", "pipeline.schema.json")
    assert (shown.code, written.code) == (0, 0), shown.said + written.said
    assert "# yaml-language-server: $schema=pipeline.schema.json\n" in written.said
    schema = json.loads((empty_project.folder / "pipeline.schema.json").read_text())
    assert schema == json.loads(shown.said)
    validator = jsonschema.Draft7Validator(schema)
    assert EXAMPLES
    for example in EXAMPLES:
        document = yaml.safe_load(example.read_text())
        validator.validate(document)
        step = next(step for step in document["jobs"].values() if step.get("type") == "parallel")
        step["mini_batch_sise"] = step.pop("mini_batch_size", "1")
        with pytest.raises(jsonschema.ValidationError, match="mini_batch_sise"):
            validator.validate(document)


def test_a_place_that_cannot_be_written(empty_project: Any) -> None:
    """Exit code 2, with the place."""
    ended = empty_project.fanout("schema", "-o", "nowhere/schema.json")
    assert ended.code == 2
    assert "nowhere/schema.json: cannot be written" in ended.said
