"""`fanout assets`, and a pipeline that names what was registered."""

import json
from pathlib import Path
from typing import Any


def test_a_run_takes_what_was_registered(make: Any, tmp_path: Path) -> None:
    """By version and by @latest; a newer version is another folder."""
    project = make(tmp_path, 2)
    project.write("new/a.txt", "new")
    text = (project.folder / "pipeline.yml").read_text()
    project.write("pipeline.yml", text.replace("path: ./in}", "path: azureml:files@latest}"))
    assert project.fanout("assets", "list").stdout == ""
    assert (
        project.fanout("assets", "add", "in", "--name", "files", "--description", "Two.").stdout == "azureml:files:1\n"
    )
    assert project.fanout("run", "pipeline.yml").code == 0
    assert (project.folder / "scores.txt").read_text() == "000.txt: content 0\n001.txt: content 1\n"
    assert project.fanout("assets", "add", "new", "--name", "files").stdout == "azureml:files:2\n"
    assert project.fanout("run", "pipeline.yml").code == 0
    assert (project.folder / "scores.txt").read_text() == "a.txt: new\n"
    assert project.fanout("run", "pipeline.yml", "--set", "inputs.files.path=azureml:files:1").code == 0
    assert (project.folder / "scores.txt").read_text().startswith("000.txt")

    [listed] = json.loads(project.fanout("assets", "list", "--json").stdout)["assets"]
    assert (listed["kind"], listed["version"], listed["uri"]) == ("data", "2", (tmp_path / "new").as_uri())
    line = project.fanout("assets", "list").stdout.split()
    assert line == ["data", "azureml:files:2", "uri_folder", str(tmp_path / "new")]
    shown = project.fanout("assets", "show", "files").stdout
    assert "azureml:files:1" in shown
    assert "azureml:files:2" in shown
    assert "  Two." in shown
    assert "azureml:files:2" not in project.fanout("assets", "show", "files:1").stdout
    refused = project.fanout("assets", "add", "new", "--name", "files", "--version", "1")
    assert refused.code == 2
    assert "register version 3" in refused.said
    assert project.fanout("assets", "show", "nothing").code == 2
