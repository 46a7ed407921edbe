from pathlib import Path

from fanout.aws.deploy import Difference, Wanted
from fanout.aws.stack import ChangeSet
from fanout.cli.render.deployment import difference_lines
from fanout.cli.render.output import Paint
from fanout.code_snapshots.archive import snapshot
from fanout.pipeline.model import CommandStep, Pipeline


def test_each_file_of_code_is_listed(tmp_path: Path) -> None:
    """Once for each folder, with what is left out: who reads the store reads the code."""
    (tmp_path / "score.py").write_text("x" * 2000)
    (tmp_path / ".env").write_text("KEY=1")
    steps = tuple(CommandStep(name=name, command="true", code=str(tmp_path)) for name in ("one", "two"))
    taken = snapshot(tmp_path)
    found = Difference(
        record="is new",
        stack=ChangeSet(None, ()),
        parameters={},
        parameters_before={},
        trigger=None,
        trigger_before=None,
        receives_events=True,
        code={"one": taken, "two": taken},
    )
    wanted = Wanted("d", Pipeline(file="/p.yml", name=None, steps=steps))
    lines = list(difference_lines(wanted, found, "s3://b/p", Paint(False)))
    assert lines == [
        "the pipeline in s3://b/p is new",
        f"code of one, two: 1 file, 2.0 KiB, of {tmp_path}",
        "  score.py",
        f"{tmp_path}: left out of the code: .env (may hold credentials)",
    ]
