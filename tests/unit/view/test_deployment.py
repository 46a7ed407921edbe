from pathlib import Path

from fanout.deploy.stack import ChangeSet
from fanout.deploy.story import Difference, Wanted
from fanout.spec.steps import CommandStep, Pipeline
from fanout.step.code import snapshot
from fanout.view.deployment import difference_lines
from fanout.view.output import Paint


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
        is_told=True,
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
