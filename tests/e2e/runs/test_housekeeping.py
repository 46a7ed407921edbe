"""`fanout gc` beside runs: what begins meanwhile has its code, and ends as without."""

import json
from pathlib import Path
from typing import Any


def test_runs_that_begin_while_everything_old_goes(make: Any, tmp_path: Path) -> None:
    """Runs begin one after the other with code of which all other users go, until the last has completed."""
    project = make(tmp_path, 2)
    assert project.fanout("run", "pipeline.yml", "--name", "first").code == 0
    sweeping = project.start("run", "pipeline.yml", "--name", "second")
    while sweeping.poll() is None:
        swept = project.fanout("gc", "--older-than", "0s", "--keep", "0", "--yes")
        assert swept.code == 0, swept.said

    said = sweeping.communicate()
    assert sweeping.returncode == 0, said
    assert len(project.output().splitlines()) == 2
    assert project.fanout("gc", "--older-than", "0s", "--keep", "0", "--yes").code == 0
    assert project.runs() == []


def test_failed_runs_of_one_tag_run_again(make: Any, tmp_path: Path) -> None:
    """All of them, and no other; the exit code is that of the worst."""
    project = make(tmp_path, 2)
    text = (project.folder / "pipeline.yml").read_text()
    script = (project.folder / "src/score.py").read_text()
    project.write("pipeline.yml", f"tags: {{team: blue}}\n{text}")
    project.write("src/score.py", "def run(mini_batch): raise ValueError('no')\n")
    for name in ("a", "b"):
        assert (
            project.fanout(
                "run", "pipeline.yml", "--name", name, "--set", "jobs.score.mini_batch_error_threshold=0"
            ).code
            == 1
        )
    project.write("src/score.py", script)
    assert [run["run"] for run in _listed(project, "--verdict", "failed", "--tag", "team=blue")] == ["b", "a"]
    assert project.fanout("redrive", "--all-failed", "--tag", "team=red", "--new-code").code == 0
    assert len(_listed(project, "--verdict", "failed")) == 2
    again = project.fanout("redrive", "--all-failed", "--tag", "team", "--since", "1d", "--new-code")
    assert again.code == 0, again.said
    assert _listed(project, "--verdict", "failed") == []
    assert project.fanout("redrive").code == 2
    assert project.fanout("redrive", "a", "--all-failed").code == 2


def _listed(project: Any, *options: str) -> Any:

    return json.loads(project.fanout("list", "--json", *options).stdout)["runs"]
