"""The section `trigger` of a pipeline file: what it means, and what is said of wrong ones."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import SpecError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import DataInput, EventBatch, Pipeline, Trigger
from fanout.pipeline.trigger import ARRIVALS

FILE = """\
type: pipeline
inputs:
  files: {{type: {kind}}}
  n: 7
trigger: {{{trigger}}}
outputs:
  out: {{type: uri_file{output}}}
jobs:
  a:
    type: command
    command: cat ${{{{inputs.data}}}} > ${{{{outputs.out}}}}
    inputs: {{data: "${{{{parent.inputs.{used}}}}}"}}
    outputs: {{out: "${{{{parent.outputs.out}}}}"}}
"""


@pytest.fixture
def for_trigger(folder: Path) -> Callable[..., Pipeline]:
    """The armed pipeline of a file with this section."""

    def load(trigger: str, kind: str = "uri_file", output: str = "", used: str = "files") -> Pipeline:
        path = folder / "pipeline.yml"
        path.write_text(FILE.format(trigger=trigger, kind=kind, output=output, used=used))
        return load_pipeline(path, for_trigger=True)

    return load


def test_a_bucket(for_trigger: Callable[..., Pipeline]) -> None:
    """Every key of it, and the input that waits."""
    pipeline = for_trigger(
        "name: shop, bucket: uploads, prefix: in/, suffix: .csv, input: files, queue: mine, "
        "batch: {objects: 5, seconds: 1.5}",
        "uri_folder",
    )
    assert pipeline.trigger == Trigger(
        "shop", "s3://uploads", "files", "in/", ".csv", EventBatch(5, 1.5), "mine", template=None
    )
    given = pipeline.steps[0].inputs["data"]
    assert isinstance(given, DataInput)
    assert given.uri == ARRIVALS


def test_what_is_left_out(for_trigger: Callable[..., Pipeline], folder: Path) -> None:
    """A folder, one run an object, and the name of the pipeline's folder."""
    trigger = for_trigger("folder: ./data, input: files").trigger
    assert trigger is not None
    assert (trigger.root, trigger.prefix, trigger.suffix, trigger.batch) == ((folder / "data").as_uri(), "", "", None)
    assert trigger.name == "".join(c if c.isalnum() else "-" for c in folder.name).strip("-")[:60]
    assert for_trigger("folder: ./data, input: files, batch: {}", "uri_folder").trigger.batch == EventBatch(100, 60)  # type: ignore[union-attr]


def test_a_table(for_trigger: Callable[..., Pipeline], folder: Path) -> None:
    """The MLTable that the input names says how objects are read."""
    trigger = for_trigger("folder: ./data, input: files", "mltable, path: ./table").trigger
    assert trigger is not None
    assert trigger.template == (folder / "table").as_uri()


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("input: files", "5:10: trigger.bucket: missing; expected 'bucket', or 'folder'"),
        ("bucket: b1b, folder: ., input: files", "5:10: trigger.bucket: expected 'bucket' or 'folder', not both"),
        ("bucket: s3://b/x, input: files", "5:19: trigger.bucket: expected the name of a bucket, without s3://"),
        ("folder: s3://b/x, input: files", "5:19: trigger.folder: expected a folder of this machine"),
        ("bucket: b1b", "5:10: trigger.input: missing; expected the name of the input that gets the objects"),
        ("bucket: b1b, input: filez", "5:31: trigger.input: the pipeline has no input 'filez'; did you mean 'files'?"),
        ("bucket: b1b, input: n", "5:31: trigger.input: the input 'n' does not take objects"),
        ("bucket: b1b, input: files, prefix: /in", "5:46: trigger.prefix: keys do not begin with a slash"),
        ("bucket: b1b, input: files, suffx: .csv", "5:38: trigger.suffx: unknown key; did you mean 'suffix'?"),
        ("bucket: b1b, input: files, batch: {objects: 0}", "5:55: trigger.batch.objects: expected a whole number"),
        ("bucket: b1b, input: files, batch: {seconds: 1d}", "5:55: trigger.batch.seconds: expected a number from 0"),
        ("bucket: b1b, input: files, batch: {}", "5:31: trigger.input: input 'data' of step 'a' is a uri_file"),
        ("bucket: b1b, input: files, name: a/b", "5:44: trigger.name: expected a name of up to 60"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_it(for_trigger: Callable[..., Pipeline], folder: Path, section: str, said: str) -> None:
    """With line, column and what would be right."""
    with pytest.raises(SpecError) as caught:
        for_trigger(section)
    assert f"{folder}/pipeline.yml:{said}" in str(caught.value)


def test_an_input_that_nobody_takes(for_trigger: Callable[..., Pipeline]) -> None:
    """Its objects would go nowhere."""
    with pytest.raises(SpecError, match="no step takes the input 'files'"):
        for_trigger("bucket: b1b, input: files", used="n")


def test_the_key_of_one_object_names_no_batch(for_trigger: Callable[..., Pipeline]) -> None:
    """Which of them should it be?"""
    with pytest.raises(SpecError, match="batch brings several; use"):
        for_trigger("bucket: b1b, input: files, batch: {}", "uri_folder", ", path: './${{trigger.key}}'")


def test_by_hand_it_is_a_pipeline_like_others(for_trigger: Callable[..., Pipeline], folder: Path) -> None:
    """Its input needs a value then, and a trigger is demanded only where one is needed."""
    for_trigger("folder: ./data, input: files")
    path = folder / "pipeline.yml"
    with pytest.raises(SpecError, match="required input 'files' has no value"):
        load_pipeline(path)
    assert load_pipeline(path, [f"inputs.files.path={folder}/one.csv"]).trigger is not None
    assert load_pipeline(path, for_trigger=None).steps[0].inputs["data"].uri == ARRIVALS  # type: ignore[union-attr]
    path.write_text(path.read_text().replace("trigger: {folder: ./data, input: files}\n", ""))
    with pytest.raises(SpecError, match="1:1: trigger: missing; it says which objects start runs by arriving"):
        load_pipeline(path, for_trigger=True)
