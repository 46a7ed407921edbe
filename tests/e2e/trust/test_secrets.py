"""No secret in any file, nor on the terminal (promise I8); nothing written where nobody asked for it (promise I9)."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from fanout.storage import keys

# Made up, and of the shapes that credentials have.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
    "AWS_SESSION_TOKEN": "FwoGZXIvYXdzEXAMPLEtokentokentoken==",
    "HF_TOKEN": "hf_abcdefghijklmnopqrstuvwxyz",
    "DB_PASSWORD": "geheim-und-lang",
    "SERVICE_API_KEY": "api+key/with=signs&more",
    "AZURE_STORAGE_CONNECTION_STRING": "DefaultEndpointsProtocol=https;AccountKey=bG9uZ2tleWxvbmdrZXk=;",
}
LEAKY = """\
import logging, os, sys
from azureml_user.parallel_run import EntryScript

def init():
    for name, value in os.environ.items():
        print("init", name, value)
    print(os.environ, file=sys.stderr)

def run(mini_batch, context):
    secrets = [os.environ[name] for name in sorted(os.environ) if name in os.environ["NAMES"].split(",")]
    print("run", secrets)
    logging.error("log %s", secrets)
    EntryScript().logger.error("entry script log %s", secrets)
    os.write(2, " ".join(secrets).encode() + b" and no line end")
    if context.minibatch_index % 3 == 0:
        raise ValueError("cannot log in with " + " ".join(secrets))
    if context.minibatch_index % 3 == 1:
        os._exit(1)
    return [f"{len(secrets)} secrets"]

def shutdown():
    raise RuntimeError("bye " + os.environ["DB_PASSWORD"])
"""


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield str(path.relative_to(folder)), path.read_bytes()


def _with_secrets(files: Iterator[tuple[str, bytes]], secrets: Mapping[str, str]) -> list[str]:
    return [f"{name}: {which}" for name, body in files for which, value in secrets.items() if value.encode() in body]


@pytest.fixture
def leaky(project: Any) -> Any:
    """A project whose script tells everything it knows, everywhere it can."""
    project.environ.update({**ENVIRONMENT, "NAMES": ",".join(ENVIRONMENT)})
    project.write("src/score.py", LEAKY)
    return project


def test_a_script_that_tells_all_it_knows(leaky: Any) -> None:
    """Nothing that looks like a credential is in the store, in a log, in a report, or on the terminal."""
    ended = leaky.fanout("run", "pipeline.yml", "--name", "r")
    assert ended.code == 0, ended.said
    said = [ended.said.encode()]
    verbs = (("status", "r"), ("logs", "r"), ("list",), ("status", "r", "--json"))
    said += [leaky.fanout(*verb).said.encode() for verb in verbs]
    logs = "".join(name for name, _ in _files(leaky.folder / ".fanout"))
    assert "stdout.txt" in logs
    assert "entry_script_log" in logs
    assert _with_secrets(_files(leaky.folder / ".fanout"), ENVIRONMENT) == []
    assert _with_secrets(iter([("terminal", text) for text in said]), ENVIRONMENT) == []


PRINTING = """\
import os, subprocess, sys, time
from pathlib import Path

def run(mini_batch, context):
    print("it is", os.environ["DB_PASSWORD"])
    os.write(2, b"and " + os.environ["HF_TOKEN"].encode())
    subprocess.run(["sh", "-c", "echo $DB_PASSWORD"])
    sys.stdout.flush()
    Path(os.environ["MARKS"], f"{context.minibatch_index}-0-{os.getpid()}-0").touch()
    time.sleep(600)
"""


def test_logs_are_masked_while_they_are_written(project: Any, tools: Any) -> None:
    """What is killed at once, with kill -9, leaves logs that need nobody who knows the variables."""
    project.environ.update(ENVIRONMENT)
    project.write("src/score.py", PRINTING)
    process = project.start("run", "pipeline.yml")
    project.wait_for_attempts(2, process)

    def bodies() -> list[bytes]:
        return [body for name, body in _files(project.folder / ".fanout") if "/user/std" in name]

    tools.wait_until(lambda: sum(body.count(b"*" * len(ENVIRONMENT["DB_PASSWORD"])) for body in bodies()) >= 4)
    tools.wait_until(lambda: sum(body.count(b"*" * len(ENVIRONMENT["HF_TOKEN"])) for body in bodies()) >= 2)
    for one in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.communicate()
    assert _with_secrets(_files(project.folder / ".fanout"), ENVIRONMENT) == []


def test_a_command_that_tells_all_it_knows(project: Any) -> None:
    """What a command prints is kept without them, too, and so are its last words on the terminal."""
    project.environ.update(ENVIRONMENT)
    project.write(
        "pipeline.yml",
        """\
        type: pipeline
        jobs:
          tell: {type: command, command: "env; env >&2; echo no such table; exit 3"}
        """,
    )
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 1, ended.said
    assert "no such table" in ended.said
    assert any(b"no such table" in body for name, body in _files(project.folder / ".fanout") if "std_log" in name)
    assert _with_secrets(_files(project.folder / ".fanout"), ENVIRONMENT) == []
    assert _with_secrets(iter([("terminal", ended.said.encode())]), ENVIRONMENT) == []


def test_credentials_among_the_variables_of_a_step_are_refused_unseen(project: Any) -> None:
    """They would be in run.json for good; the message says what to do instead."""
    text = (project.folder / "pipeline.yml").read_text()
    named = 'environment_variables: {DB_PASSWORD: "geheim-und-lang", MAX_TOKENS: "100000", TOKEN: "abc"}'
    (project.folder / "pipeline.yml").write_text(text.replace("environment_variables: {}", named))
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 2, ended.said
    assert "DB_PASSWORD looks like a credential" in ended.said
    assert "geheim-und-lang" not in ended.said
    assert "TOKEN looks" not in ended.said
    assert not (project.folder / ".fanout").exists()


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        ('store = "s3://user:geheim-und-lang@bucket/runs"\n', {}),
        ('endpoint_url = "http://user:geheim-und-lang@127.0.0.1:1"\nstore = "s3://bucket/runs"\n', {}),
        ('endpoint_url = "ftp://user:geheim-und-lang@127.0.0.1:1"\nstore = "s3://bucket/runs"\n', {}),
        ("", {"AWS_ENDPOINT_URL": "http://user:geheim-und-lang@127.0.0.1:1"}),
        ("", {"AWS_ENDPOINT_URL_S3": "127.0.0.1:geheim-und-lang@x"}),
        ('[datastores]\nd = "https://user:geheim-und-lang@host/x"\n', {}),
    ],
)
def test_credentials_in_a_url_are_refused_unseen(project: Any, settings: str, environ: dict[str, str]) -> None:
    """The message says where they stand, and does not repeat them."""
    project.write("fanout.toml", settings)
    project.environ.update(environ)
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 2, ended.said
    assert "geheim-und-lang" not in ended.said
    assert _with_secrets(_files(project.folder / ".fanout"), {"url": "geheim-und-lang"}) == []


@pytest.mark.parametrize(
    "path",
    ["https://account.blob.core.windows.net/c/x?sv=1&sig=geheimgeheim", "s3://user:geheimgeheim@bucket/x"],
)
def test_credentials_in_the_pipeline_file_are_refused_unseen(project: Any, path: str) -> None:
    """A signed URI would be in run.json for good."""
    text = (project.folder / "pipeline.yml").read_text()
    (project.folder / "pipeline.yml").write_text(text.replace("path: ./in", f'path: "{path}"'))
    ended = project.fanout("run", "pipeline.yml")
    assert ended.code == 2, ended.said
    assert "geheimgeheim" not in ended.said
    assert not (project.folder / ".fanout").exists()


def _snapshot(*folders: Path) -> set[str]:
    return {str(path) for folder in folders for path in folder.rglob("*")}


@pytest.mark.parametrize("store", ["", 'store = "./elsewhere/runs"\n'])
def test_nothing_is_written_outside(project: Any, tmp_path_factory: pytest.TempPathFactory, store: str) -> None:
    """Home, current folder and temporary folder are as they were, but for the store and the outputs (promise I9)."""
    home, temporary, elsewhere = (tmp_path_factory.mktemp(name) for name in ("home", "tmp", "cwd"))
    project.write("fanout.toml", store)
    project.environ.update({"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home / ".cache")})
    before = _snapshot(project.folder, home, temporary, elsewhere)
    ended = project.fanout("run", str(project.folder / "pipeline.yml"))
    assert ended.code == 0, ended.said
    new = _snapshot(project.folder, home, temporary, elsewhere) - before
    allowed = ("elsewhere" if store else ".fanout", "scores.txt", "marks")
    context = {path for path in new if not path.startswith(tuple(str(project.folder / name) for name in allowed))}
    assert context == set()
    left = {path.name for path in (project.folder / ("elsewhere/runs" if store else ".fanout")).iterdir()}
    assert left <= set(keys.TOP_LEVEL)
    assert list((project.folder / ("elsewhere/runs" if store else ".fanout") / "scratch").iterdir()) == []
