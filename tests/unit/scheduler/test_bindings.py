"""Inputs and outputs as URIs."""

import pytest

from fanout.config.settings import Settings
from fanout.pipeline.model import (
    DataInput,
    DataType,
    EntryTask,
    InputMode,
    LiteralInput,
    Output,
    ParallelStep,
    StepOutput,
)
from fanout.pipeline.trigger import RUN_TOKEN
from fanout.records.step import BoundInput, BoundOutput
from fanout.scheduler.bindings import append_row_uri, bind, bind_outputs
from fanout.storage.keys import StepRound

AT = StepRound("r", "score")
SETTINGS = Settings("s3://b/runs", datastores={"mine": "s3://lake/raw"})


def _step(outputs: dict[str, Output]) -> ParallelStep:
    return ParallelStep(
        name="score",
        task=EntryTask("score.py", append_row_to="rows"),
        input_data="data",
        inputs={
            "data": DataInput("azureml://datastores/mine/paths/a/b", DataType.URI_FOLDER, InputMode.RO_MOUNT),
            "model": StepOutput("train", "model", DataType.URI_FOLDER),
            "rate": LiteralInput(0.5),
            "loud": LiteralInput(True),
            "none": LiteralInput(None),
        },
        outputs=outputs,
    )


def test_inputs_lead_to_datastores_earlier_outputs_and_literals() -> None:
    """Each kind of input as the step will see it; booleans in Python's spelling."""
    earlier = {"train": {"model": BoundOutput("s3://b/runs/runs/r/train/outputs/model")}}
    bound = bind(_step({}), AT, SETTINGS, earlier).inputs
    assert bound["data"] == BoundInput(uri="s3://lake/raw/a/b", mode=InputMode.RO_MOUNT)
    assert bound["model"].uri == "s3://b/runs/runs/r/train/outputs/model"
    assert [bound[name].literal for name in ("rate", "loud", "none")] == ["0.5", "True", None]


def test_outputs_are_where_the_file_says_or_in_the_store() -> None:
    """A path of one's own wins; a datastore nobody configured is a folder of the store."""
    outputs = {
        "own": Output(uri="file:///tmp/x"),
        "lake": Output(uri="azureml://datastores/other/paths/y"),
        "rows": Output(),
    }
    bound = bind(_step(outputs), AT, SETTINGS, {"train": {"model": BoundOutput("s3://x/m")}}).outputs
    assert bound["own"].uri == "file:///tmp/x"
    assert bound["lake"].uri == "s3://b/runs/datastores/other/y"
    assert bound["rows"].uri == "s3://b/runs/runs/r/score/outputs/rows"


def test_a_place_with_the_name_of_the_job_is_another_one_in_each_run() -> None:
    """So no run writes over what another has made, as on Azure."""
    step = _step({"rows": Output(DataType.URI_FILE, uri=f"azureml://datastores/mine/paths/{RUN_TOKEN}/score/r.csv")})
    uris = [bind_outputs(step, StepRound(run, "score"), SETTINGS)["rows"].uri for run in ("one", "two")]
    assert uris == ["s3://lake/raw/one/score/r.csv", "s3://lake/raw/two/score/r.csv"]


@pytest.mark.parametrize(
    ("kind", "uri"),
    [(DataType.URI_FILE, "s3://x/out.csv"), (DataType.URI_FOLDER, "s3://x/out.csv/parallel_run_step.txt")],
)
def test_joined_rows_have_a_file_of_their_own_in_a_folder(kind: DataType, uri: str) -> None:
    """A file output is the file; in a folder it has the reference's name (section 7)."""
    outputs = {"rows": BoundOutput("s3://x/out.csv", type=kind)}
    assert append_row_uri(_step({}), outputs) == uri
