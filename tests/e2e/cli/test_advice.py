"""Each command that a message recommends, run as it stands there, in the situation in which it is recommended.

tests/unit/test_advice.py sees to it that no command is missing here.
"""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest

T = TypeVar("T")
COMMAND = re.compile(r"(?:cd \S+ && )?fanout (?:[a-z]+(?:-[a-z]+)?)(?: [^`\n;,]+)?")
FAILS = """\
from pathlib import Path

def run(mini_batch, context):
    if context.minibatch_index == 3:
        raise ValueError("a bad one")
    return [Path(p).read_text() for p in mini_batch]
"""
MENDED = FAILS.replace('raise ValueError("a bad one")', "pass")
HANGS = FAILS.replace('raise ValueError("a bad one")', "Path('MARK').touch(); import time; time.sleep(1e6)")


def recommends(*names: str) -> Callable[[T], T]:
    """The test runs these commands of `fanout.advice.Commands`."""
    assert names
    return lambda test: test


def advised(text: str) -> list[str]:
    """The commands in what was printed, each once, in order."""
    return list(dict.fromkeys(match[0].strip() for match in COMMAND.finditer(text)))


def do(project: Any, command: str, code: int = 0) -> str:
    """Runs a command as a shell does that it was copied into; what it printed."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    ended = subprocess.run(
        ["/bin/sh", "-c", command],
        cwd=project.folder,
        env={**os.environ, "MARKS": str(project.marks), **project.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == code, (command, ended.stdout, ended.stderr)
    return ended.stdout + ended.stderr


@pytest.fixture(params=["", "elsewhere"])
def failed(request: pytest.FixtureRequest, make: Any, tmp_path: Path) -> tuple[Any, str]:
    """A run that has failed, in the default store or one that only an option names; what it has printed."""
    project = make(tmp_path, 6)
    project.write("src/score.py", FAILS)
    text = (project.folder / "pipeline.yml").read_text()
    project.write(
        "pipeline.yml",
        text.replace("max_retries: 2", "max_retries: 0").replace(
            'mini_batch_size: "1"', 'mini_batch_size: "1"\n    mini_batch_error_threshold: 0'
        ),
    )
    store = ["--store", str(tmp_path / "else where")] if request.param else []
    ended = project.fanout("run", "pipeline.yml", "--name", "r", *store)
    assert ended.code == 1, ended.said
    return project, ended.said


def _one(commands: list[str], verb: str, *words: str) -> str:
    [found] = [
        command
        for command in commands
        if f"{command} ".startswith(f"fanout {verb} ") and all(w in command for w in words)
    ]
    return found


@recommends("failures", "redrive", "status", "run_one")
def test_after_a_failure_of_the_script(failed: tuple[Any, str]) -> None:
    """Looking closer fails in front of one; the old code fails again; mended code completes the run."""
    project, said = failed
    commands = advised(said)
    assert len(commands) == 5, commands
    assert "a bad one" in do(project, _one(commands, "run-one r 3"), 1)
    assert "a bad one" in do(project, _one(commands, "failures"))
    old, new = (command for command in commands if command.startswith("fanout redrive"))
    old, new = (new, old) if "--new-code" in old else (old, new)
    assert "a bad one" in do(project, old, 1)
    project.write("src/score.py", MENDED)
    assert "a bad one" in do(project, old, 1), "the run's own copy, as is said"
    assert "Completed" in do(project, new)
    assert "Completed" in do(project, _one(commands, "status"))


@recommends("redrive", "run_one")
def test_what_failures_names(failed: tuple[Any, str]) -> None:
    """One mini-batch: looked at, and done again, with the old code and with the new."""
    project, said = failed
    commands = advised(do(project, _one(advised(said), "failures")))
    assert len(commands) == 3, commands
    do(project, _one(commands, "run-one"), 1)
    new = _one(commands, "redrive", "--mini-batch 3", "--new-code")
    [old] = [command for command in commands if command.startswith("fanout redrive") and command != new]
    assert "1 of 6 mini-batches are run again: 3" in do(project, old, 1)
    project.write("src/score.py", MENDED)
    assert "1 of 6 mini-batches are run again: 3" in do(project, new)


@pytest.fixture
def stopped(make: Any, tmp_path: Path, tools: Any) -> tuple[Any, str]:
    """A run that hung and was stopped with Ctrl-C; what it has printed. Its code is mended since."""
    project = make(tmp_path, 6)
    mark = tmp_path / "hangs"
    project.write("src/score.py", HANGS.replace("MARK", str(mark)))
    process = project.start("run", "pipeline.yml", "--name", "r")
    tools.wait_until(mark.exists)
    os.kill(process.pid, signal.SIGINT)
    said, errors = process.communicate(timeout=60)
    assert process.returncode == 130, said + errors
    project.write("src/score.py", MENDED)
    return project, said


@recommends("attach", "resume")
def test_a_run_in_the_background(project: Any, tmp_path: Path, tools: Any) -> None:
    """It is followed to its end, with its exit code, from where it was started or elsewhere."""
    store = ("--store", str(tmp_path / "else where"))
    started = project.fanout("run", "pipeline.yml", "--name", "r", "--detach", *store)
    assert started.code == 0, started.said
    [attach] = advised(started.stdout)
    followed = do(project, attach)
    assert "run r is followed" in followed
    assert "Completed r" in followed
    assert "Completed r" in do(project, attach), "a run that has ended is shown as it ended"


@recommends("resume")
def test_after_ctrl_c(stopped: tuple[Any, str]) -> None:
    """The run goes on; with its own code it hangs again, and with the new one it completes."""
    project, said = stopped
    assert advised(said)[-2:] == ["fanout resume r", "fanout resume r --new-code"]
    assert advised(project.fanout("status", "r").stdout) == ["fanout resume r", "fanout resume r --new-code"]
    assert "Completed" in do(project, "fanout resume r --new-code")


@recommends("redrive")
def test_after_a_cancelation(stopped: tuple[Any, str]) -> None:
    """What is said when it is canceled, when it is resumed all the same, and when new code is brought too late."""
    project, _ = stopped
    said = project.fanout("cancel", "r").stdout
    assert advised(said) == ["fanout redrive r"]
    resumed = project.fanout("resume", "r")
    assert resumed.code == 130
    assert "r is over (Canceled)" in resumed.stdout
    assert "goes on" not in resumed.stdout
    assert advised(resumed.stdout) == ["fanout redrive r", "fanout redrive r --new-code"]
    late = project.fanout("resume", "r", "--new-code")
    assert (late.code, advised(late.stderr)) == (2, ["fanout redrive r --new-code"])
    assert "Completed" in do(project, "fanout redrive r --new-code")


@recommends("redrive")
def test_choosing_from_a_run_that_was_stopped(stopped: tuple[Any, str]) -> None:
    """Not all that failed is known: everything is offered, and done."""
    project, _ = stopped
    refused = project.fanout("redrive", "r", "--mini-batch", "3", "--new-code")
    assert (refused.code, advised(refused.stderr)) == (2, ["fanout redrive r"])
    said = do(project, advised(refused.stderr)[0] + " --new-code")
    assert "was stopped before its end" in said
    assert "Completed" in said


@recommends("status", "resume")
def test_a_name_that_is_taken(project: Any, tmp_path: Path) -> None:
    """Both commands reach the run, in the store that the option named."""
    store = ("--store", str(tmp_path / "else where"))
    assert project.fanout("run", "pipeline.yml", "--name", "r", *store).code == 0
    again = project.fanout("run", "pipeline.yml", "--name", "r", *store)
    assert again.code == 2
    status, resume = advised(again.stderr)
    assert "Completed" in do(project, status)
    assert "is over (Completed)" in do(project, resume)


@recommends("list", "run")
def test_a_run_that_there_is_not(project: Any) -> None:
    """In an empty store the way to make one, else the way to see those there are."""
    (project.folder / ".fanout").mkdir()
    said = project.fanout("status").stderr
    assert advised(said) == ["fanout run PIPELINE"]
    do(project, advised(said)[0].replace("PIPELINE", "pipeline.yml") + " --name " + "a" * 20)
    for number in range(6):
        do(project, f"fanout run pipeline.yml --name b{number}{'b' * 20}")
    said = project.fanout("status", "zzz").stderr
    assert advised(said) == ["fanout list"]
    assert "a" * 20 in do(project, "fanout list")


@recommends("run", "test")
def test_a_new_project(project: Any) -> None:
    """Its pipeline and its test, from where it was made."""
    made = project.fanout("init", "a new shop")
    assert made.code == 0, made.said
    commands = dict(line.split(": ", 1) for line in made.stdout.splitlines() if ": " in line)
    assert "Completed" in do(project, commands["run it"])
    assert "1 passed" in do(project, commands["test it"] + " -n 0")


@recommends("run", "redrive")
def test_after_an_error_of_the_pipeline_file(project: Any) -> None:
    """A redrive goes by the file as it was: it helps when the data is put right, else a new run does."""
    (project.folder / "in").rename(project.folder / "input")
    (project.folder / "in").mkdir()
    failed = project.fanout("run", "pipeline.yml", "--name", "r")
    assert failed.code == 1, failed.said
    commands = advised(failed.stdout)
    redrive, run = _one(commands, "redrive"), _one(commands, "run")
    do(project, redrive, 1)
    text = (project.folder / "pipeline.yml").read_text()
    project.write("pipeline.yml", text.replace("path: ./in", "path: ./input"))
    do(project, redrive, 1)
    assert "Completed" in do(project, run)
    project.write("in/late.txt", "content")
    assert "Completed" in do(project, redrive)


@recommends("logs", "redrive", "run")
def test_after_a_failed_command(project: Any) -> None:
    """Its log; the pipeline file is what has its text, the code folder its programs."""
    project.write("src/tool.sh", "echo said; exit 3\n")
    project.write("command.yml", "type: pipeline\njobs:\n  a: {type: command, code: ./src, command: sh tool.sh}\n")
    failed = project.fanout("run", "command.yml", "--name", "r")
    assert failed.code == 1, failed.said
    commands = advised(failed.stdout)
    assert "said" in do(project, _one(commands, "logs"))
    project.write("src/tool.sh", "echo mended\n")
    do(project, _one(commands, "run"))
    assert "Completed" in do(project, _one(commands, "redrive", "--new-code"))


@recommends("logs")
def test_after_a_failure_to_start(project: Any) -> None:
    """What the process printed that could not start the script."""
    project.write("src/score.py", "def init():\n    print('so far')\n    raise OSError('no')\ndef run(b): return b\n")
    failed = project.fanout("run", "pipeline.yml", "--name", "r")
    assert failed.code == 1, failed.said
    assert "so far" in do(project, _one(advised(failed.stdout), "logs", "--process"))


@recommends("watch")
def test_a_notification_for_a_folder(project: Any, tools: Any) -> None:
    """It needs none; the watch that is named instead starts runs."""
    text = (project.folder / "pipeline.yml").read_text()
    project.write("pipeline.yml", text + "trigger: {folder: ./drop, input: files}\n")
    (project.folder / "drop").mkdir()
    said = project.fanout("trigger", "set", "pipeline.yml")
    assert (said.code, advised(said.stderr)) == (2, ["fanout watch PIPELINE"])
    watching = project.start("watch", "pipeline.yml")
    project.write("drop/a.txt", "content")
    tools.wait_until(lambda: "Completed" in project.fanout("list").stdout)
    os.kill(watching.pid, signal.SIGINT)
    watching.communicate(timeout=60)


@recommends("trigger")
@pytest.mark.moto
def test_a_notification_that_is_not_set(make: Any, tmp_path: Path, moto_endpoint: str, aws_environ: Any) -> None:
    """The command that is named sets it."""
    project = make(tmp_path, 1, **aws_environ(moto_endpoint))
    text = (project.folder / "pipeline.yml").read_text()
    project.write("pipeline.yml", text + "trigger: {bucket: advice-drop, input: files}\n")
    store = ("--store", "s3://advice-drop/runs")
    assert project.fanout("trigger", "set", "pipeline.yml", *store).code == 0
    assert project.fanout("trigger", "remove", "pipeline.yml", *store).code == 0
    said = project.fanout("trigger", "show", "pipeline.yml", *store).stdout
    [command] = advised(said)
    do(project, command)
    assert "not set" not in project.fanout("trigger", "show", "pipeline.yml", *store).stdout


@recommends("deploy", "destroy")
def test_commands_about_deployments_are_accepted(project: Any) -> None:
    """What they do to AWS is for tests/contract/test_deploy.py; that they are spelt right is seen here."""
    from fanout.advice import Commands

    commands = Commands(("--store", "s3://a-bucket/prefix"))
    said = do(project, f"{commands.deploy('pipeline.yml')} --render", 2)
    assert "No such option" not in said
    assert "No such command" not in said
    assert "Usage" in do(project, f"{commands.destroy('name')} --help")


@recommends("add_asset")
def test_an_asset_that_is_not_registered(project: Any) -> None:
    """The command, with the path in the place of PATH, makes the name mean something."""
    project.write(
        "named.yml", (project.folder / "pipeline.yml").read_text().replace("path: ./in}", "path: azureml:files:1}")
    )
    refused = project.fanout("validate", "named.yml")
    assert refused.code == 2
    [command] = advised(refused.said)
    do(project, command.replace("PATH", "in"))
    assert project.fanout("validate", "named.yml").code == 0


@recommends("conda_python")
def test_a_conda_file_that_asks_for_a_python_that_is_too_old(make: Any, tmp_path: Path) -> None:
    """The command makes it ask for the nearest that is there, in which the run completes."""
    project = make(tmp_path, 2)
    conda = "conda_file: 'an environment.yml'"
    text = (project.folder / "pipeline.yml").read_text()
    project.write(
        "pipeline.yml", text.replace("environment: azureml:any@latest", f"environment: {{image: any, {conda}}}")
    )
    project.write("an environment.yml", "name: old\ndependencies:\n- python=3.7.6\n- pip\n")
    there = type(project)(project.folder, {**project.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")})
    refused = there.fanout("run", "pipeline.yml", "--env")
    assert refused.code == 2, refused.said
    [command] = re.findall("`(sed [^`]*)` writes it there", refused.said)
    do(there, command)
    assert "Completed" in do(there, "fanout run pipeline.yml --env")


@recommends("cancel", "remove", "collect")
def test_runs_that_are_to_be_removed(project: Any) -> None:
    """One that is not over is ended first; what can be collected is removed by the command that is named."""
    started = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(1, started)
    os.killpg(started.pid, signal.SIGKILL)
    started.communicate()
    refused = project.fanout("rm", "r", "--yes")
    [cancel] = advised(refused.stderr)
    assert (refused.code, cancel) == (2, "fanout cancel r")
    do(project, cancel)
    [collect] = advised(project.fanout("gc", "--older-than", "0s", "--keep", "0").stdout)
    (project.folder / ".fanout/removals").mkdir(exist_ok=True)
    (project.folder / ".fanout/removals/s").touch()
    cut = project.fanout("run", "pipeline.yml", "--name", "s")
    [remove] = advised(cut.stderr)
    assert (cut.code, remove) == (2, "fanout rm s --yes")
    do(project, remove)
    do(project, collect)
    assert project.runs() == []
    assert project.fanout("run", "pipeline.yml", "--name", "s").code == 0
