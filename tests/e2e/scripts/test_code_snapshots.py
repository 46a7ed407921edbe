"""What of a code folder reaches the store when script, data, outputs and credentials lie side by side."""

import io
import zipfile
from typing import Any

import pytest


@pytest.fixture
def beside(project: Any) -> Any:
    """The commonest layout: `code: .`, with everything else beside the script."""
    text = (project.folder / "pipeline.yml").read_text().replace("code: ./src", "code: .")
    project.write("pipeline.yml", text)
    (project.folder / "src" / "score.py").rename(project.folder / "score.py")
    project.write(".env", "DB_PASSWORD=geheim-und-lang\n")
    project.write(".gitignore", "marks/\nnotes.txt\n")
    project.write("notes.txt", "private")
    (project.folder / "environ.txt").symlink_to("/proc/self/environ")
    return project


def _stored(project: Any) -> set[str]:
    """The names of all files in all snapshots."""
    archives = [zipfile.ZipFile(io.BytesIO(p.read_bytes())) for p in (project.folder / ".fanout" / "code").iterdir()]
    return {name for archive in archives for name in archive.namelist()}


def test_only_code_reaches_the_store(beside: Any) -> None:
    """Neither credentials, nor what a link leads to, nor what .gitignore names, nor inputs; the first two are said."""
    ended = beside.fanout("run", "pipeline.yml")
    assert ended.code == 0, ended.said
    assert _stored(beside) == {".gitignore", "pipeline.yml", "score.py"}
    said = f"{beside.folder}: left out of the code: "
    assert f"{said}.env (may hold credentials)" in ended.stdout
    assert f"{said}environ.txt (links that lead out of the folder, or to folders)" in ended.stdout
    assert f"{said}in (data that the pipeline reads)" in ended.stdout
    assert "notes.txt" not in ended.stdout


def test_outputs_beside_the_script_change_no_code(beside: Any) -> None:
    """What a run leaves in the code folder, its store and its outputs, keeps no later one from reusing its steps."""
    first = beside.fanout("run", "pipeline.yml", "--rerun")
    assert first.code == 0, first.said
    again = beside.fanout("run", "pipeline.yml", "--reuse")
    assert again.code == 0, again.said
    assert len(beside.attempts()) == 60, again.said
    assert len(list((beside.folder / ".fanout" / "code").iterdir())) == 1
