"""Output files that are lost, and those that are older than the run, are said where people look."""

from typing import Any

SCRIPT = """
import sys
from pathlib import Path

FOLDER = Path(sys.argv[sys.argv.index("--models") + 1])

def run(mini_batch, context):
    (FOLDER / f"shop-{context.minibatch_index % 2}.pkl").write_text(str(context.minibatch_index))
    return mini_batch
"""


def test_lost_and_older_files_are_said(project: Any) -> None:
    """Six mini-batches write two names, into a folder with a file of an earlier run."""
    text = (project.folder / "pipeline.yml").read_text()
    text = text.replace("outputs:\n  scores", "outputs:\n  models: {type: uri_folder, path: ./models}\n  scores")
    text = text.replace("      rows: ${{parent", "      models: ${{parent.outputs.models}}\n      rows: ${{parent", 1)
    text = text.replace(
        "      append_row_to", "      program_arguments: --models ${{outputs.models}}\n      append_row_to"
    )
    project.write("pipeline.yml", text)
    project.write("src/score.py", SCRIPT)
    project.write("models/old.pkl", "of last week")
    for path in (project.folder / "in").iterdir():
        if int(path.stem) >= 6:
            path.unlink()
    ended = project.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 0, ended.said
    lost = (
        "4 files were overwritten by later mini-batches, as several wrote under the same name: "
        "models/shop-0.pkl by mini-batches 0, 2, 4; models/shop-1.pkl by mini-batches 1, 3, 5"
    )
    [result] = project.folder.glob(".fanout/runs/r/score/logs/job_result.txt")
    for said in (ended.stdout, result.read_text()):
        assert lost in said
        assert "output models holds 1 file that this step has not written" in said
    assert (project.folder / "models" / "old.pkl").read_text() == "of last week"
    assert (project.folder / "models" / "shop-1.pkl").read_text() == "5"
