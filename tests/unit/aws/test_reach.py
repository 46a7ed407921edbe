"""What the functions of a pipeline may read and write outside its store: no more than it names."""

from pathlib import Path

import pytest

from fanout.api.pipelines import load
from fanout.aws.reach import Objects, Reach, below, partition_of, reach_of
from fanout.config.settings import Settings
from fanout.errors import SettingsError

PIPELINE = """\
type: pipeline
inputs:
  folder: {type: uri_folder, path: s3://data/in/}
  file: {type: uri_file, path: s3://data/model.bin}
  whole: {type: uri_folder, path: s3://everything}
  named: {type: uri_folder, path: azureml://datastores/blobs/paths/x}
  mine: {type: uri_folder, path: s3://store/fanout/datastores/x}
  alike: {type: uri_folder, path: s3://store/fanout-old/x}
  web: {type: uri_file, path: https://example.org/table.csv}
outputs:
  table: {type: uri_file, path: s3://out/table.csv}
  files: {type: uri_folder, path: s3://out/files}
jobs:
  one:
    type: command
    command: "true"
    inputs:
      folder: ${{parent.inputs.folder}}
      file: ${{parent.inputs.file}}
      whole: ${{parent.inputs.whole}}
      named: ${{parent.inputs.named}}
      mine: ${{parent.inputs.mine}}
      alike: ${{parent.inputs.alike}}
      web: ${{parent.inputs.web}}
    outputs:
      table: ${{parent.outputs.table}}
      files: ${{parent.outputs.files}}
      inside: {type: uri_folder}
"""
TRIGGERED = """\
type: pipeline
trigger: {bucket: arrivals, prefix: new/, suffix: .csv, input: folder}
inputs:
  folder: {type: uri_folder}
outputs:
  table: {type: uri_file, path: "s3://out/days/${{trigger.run}}/table.txt"}
jobs:
  one:
    type: command
    command: "true"
    inputs:
      folder: ${{parent.inputs.folder}}
    outputs:
      table: ${{parent.outputs.table}}
"""
SETTINGS = Settings(store="s3://store/fanout", datastores={"blobs": "s3://blobs/root"})


def reach(tmp_path: Path, text: str, *reads: str) -> Reach:
    file = tmp_path / "pipeline.yml"
    file.write_text(text)
    return reach_of(load(file, [], for_trigger=None), SETTINGS, reads)


def test_what_the_pipeline_names(tmp_path: Path) -> None:
    """A file is one object, a folder all below it; the store, other clouds and the web are not S3's to allow."""
    found = reach(tmp_path, PIPELINE)
    assert found.inputs == (
        Objects("blobs", "root/x/*"),
        Objects("data", "in/*"),
        Objects("data", "model.bin"),
        Objects("everything", "*"),
        Objects("store", "fanout-old/x/*"),
    )
    assert found.outputs == (Objects("out", "files/*"), Objects("out", "table.csv"))


def test_arrivals_are_read_where_they_are_watched(tmp_path: Path) -> None:
    """The input that waits for objects is the watched prefix; outputs may go below what does not differ by run."""
    found = reach(tmp_path, TRIGGERED)
    assert found.inputs == (Objects("arrivals", "new/*"),)
    assert found.outputs == (Objects("out", "days/*"),)


def test_more_may_be_read_when_asked(tmp_path: Path) -> None:
    """For runs with other inputs, and tables whose files lie elsewhere; anything but a place on S3 is refused."""
    assert Objects("more", "2026/*") in reach(tmp_path, PIPELINE, "s3://more/2026/").inputs
    with pytest.raises(SettingsError, match="--reads: expected s3://bucket/prefix, found '/data'"):
        below("/data", "--reads")


def test_arns() -> None:
    """As policies name them."""
    assert Objects("b", "k/*").objects_arn("aws") == "arn:aws:s3:::b/k/*"
    assert Objects("b", "k/*").bucket_arn("aws-cn") == "arn:aws-cn:s3:::b"


@pytest.mark.parametrize(
    ("region", "partition"),
    [(None, "aws"), ("eu-central-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_a_region_is_in_a_partition(region: str | None, partition: str) -> None:
    """China and the government clouds have ARNs of their own."""
    assert partition_of(region) == partition


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("s3://data/in,arn:aws:s3:::*/*", "',' stands for more than itself"),
        ("s3://data/*", r"'\*' stands for more than itself"),
        ("s3://data/in/x?", r"'\?' stands for more than itself"),
        ("s3://data/$x/", r"'\$' stands for more than itself"),
        ("s3://*/in", r"'\*' is no name of a bucket"),
        ("s3://data,other/in", "is no name of a bucket"),
    ],
)
def test_no_path_becomes_more_than_one_permission(tmp_path: Path, path: str, why: str) -> None:
    """A comma would be another resource of the policy, and a wildcard all of them."""
    if not path.endswith("*"):  # of an input that is a pattern
        with pytest.raises(SettingsError, match=why):
            reach(tmp_path, PIPELINE.replace("s3://data/in/", f'"{path}"'))
    with pytest.raises(SettingsError, match=why):
        reach(tmp_path, PIPELINE.replace("s3://out/files", f'"{path}"'))
    with pytest.raises(SettingsError, match=f"--reads: .*{why}"):
        reach(tmp_path, PIPELINE, path)


@pytest.mark.parametrize("inside", ["deployments/other", "code/x", "triggers/other/objects", ""])
def test_no_output_goes_where_deployments_are(tmp_path: Path, inside: str) -> None:
    """What is there decides what functions run."""
    with pytest.raises(SettingsError, match="this part of the store is fanout's own"):
        reach(tmp_path, PIPELINE.replace("s3://out/files", f"s3://store/fanout/{inside}"))


def test_outputs_in_the_store_are_allowed_by_name(tmp_path: Path) -> None:
    """Functions may not write everywhere in it."""
    found = reach(tmp_path, PIPELINE.replace("s3://out/files", "s3://store/fanout/datastores/y"))
    assert Objects("store", "fanout/datastores/y/*") in found.outputs


@pytest.mark.parametrize(
    ("path", "key"),
    [("s3://data/in/*.csv", "in/*"), ("s3://data/in,arn:aws:s3:::*/*", "*"), ("s3://data/*", "*")],
)
def test_a_pattern_may_read_the_folder_around_it(tmp_path: Path, path: str, key: str) -> None:
    """In the one bucket that it names, whatever else is in it."""
    found = reach(tmp_path, PIPELINE.replace("s3://data/in/", f'"{path}"'))
    assert [objects for objects in found.inputs if objects.bucket == "data"] == [
        Objects("data", key),
        Objects("data", "model.bin"),
    ]
