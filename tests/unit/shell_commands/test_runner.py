"""A command step: one shell command, its folders, its end (reference, section 1)."""

import asyncio
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from obstore.store import LocalStore, MemoryStore, ObjectStore

from fanout.code_snapshots.archive import snapshot
from fanout.errors import StoreError, UserError
from fanout.files import uris
from fanout.pipeline.model import CommandStep, DataType
from fanout.records.step import BoundInput, BoundOutput
from fanout.shell_commands.runner import LOG_FILE, CommandEnd, CommandOrder, run_command
from fanout.storage import keys
from fanout.storage.access import Access
from fanout.storage.datastores import Datastores
from fanout.storage.keys import StepRound
from fanout.storage.objects import put, read
from fanout.storage.open import ensure_bucket, open_store

AT = StepRound("r", "s")

AT = StepRound("r", "s")

ACCESS = Access(endpoint_url_s3="http://127.0.0.1:9", datastores=Datastores((("blobs", "file:///blobs"),)))
Run = Callable[..., Any]


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    """The run's store: a folder, or memory."""
    return LocalStore(tmp_path / "store", mkdir=True) if request.param == "local" else MemoryStore()


@pytest.fixture
def run(store: ObjectStore, tmp_path: Path) -> Run:
    """Runs a command of step `r/s` with these inputs, outputs and files of code."""

    async def carry_out(
        command: str,
        inputs: Mapping[str, BoundInput] | None = None,
        outputs: Mapping[str, BoundOutput] | None = None,
        code: Mapping[str, str] | None = None,
        **settings: Any,
    ) -> CommandEnd:
        digest = None
        if code is not None:
            folder = tmp_path / "code"
            for name, text in code.items():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_text(text)
            packed = snapshot(folder)
            await put(store, keys.code(packed.digest), packed.archive)
            digest = packed.digest
        step = CommandStep(name="s", command=command, **settings)
        return await run_command(CommandOrder(AT, step, inputs or {}, outputs or {}, digest), store, ACCESS)

    return carry_out


def _folder(path: Path) -> BoundOutput:
    return BoundOutput(uris.from_path(path))


async def test_a_command_that_ends_well(run: Run, store: ObjectStore) -> None:
    """No reason, what it printed on both streams in order, and a log in the store."""
    end = await run("echo one; echo two >&2; echo three")
    assert end == CommandEnd(None, "one\ntwo\nthree\n")
    assert await read(store, keys.logs(AT) + LOG_FILE) == b"one\ntwo\nthree\n"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exit 3", "the command ended with exit code 3"),
        ("no_such_program_here", "the command ended with exit code 127"),
        ("kill -9 $$", "killed by signal 9"),
        ("false; true", None),
        ("false && true", "the command ended with exit code 1"),
    ],
)
async def test_exit_codes(run: Run, command: str, reason: str | None) -> None:
    """The exit code of the shell decides, and is the reason."""
    assert (await run(command)).reason == reason


async def test_several_commands_in_one_text(run: Run) -> None:
    """Commands on several lines, or with semicolons, are one shell's (reference, section 0)."""
    end = await run('cd /; X=5\npython -c "print(40 + 2)"; echo "$X $(pwd)";')
    assert end == CommandEnd(None, "42\n5 /\n")


async def test_code_is_the_current_folder(run: Run) -> None:
    """The command starts in its snapshot; without code it starts in an empty folder of its own."""
    files = {"main.py": "import sys; print(sys.argv[1:], open('data.txt').read())", "data.txt": "d"}
    assert (await run("python main.py a 'b c'", code=files)).said == "['a', 'b c'] d\n"


async def test_python_is_the_one_that_runs_fanout(run: Run) -> None:
    """Whether or not its environment is activated."""
    end = await run("python -c 'import fanout, sys; print(sys.prefix)'")
    import sys

    assert end.said.strip() == sys.prefix


async def test_environment_variables(run: Run) -> None:
    """The step's own win over everything; the run's name is there (reference, section 6)."""
    end = await run(
        "echo $AZUREML_RUN_ID $A; printenv PATH", environment_variables={"A": "x y", "PATH": os.environ["PATH"]}
    )
    assert end.said == f"r x y\n{os.environ['PATH']}\n"


async def test_inputs_and_outputs_are_filled_in(run: Run, tmp_path: Path) -> None:
    """Values arrive as written, whatever they hold; outputs are folders that exist, or a file in one."""
    nasty = 'it\'s $(touch pwned); `x` "q"'
    data = tmp_path / "in put"
    data.mkdir()
    (data / "f").write_text("content")
    end = await run(
        "printf '%s\\n' ${{inputs.text}}; cat ${{inputs.data}}/f > ${{outputs.folder}}/copy\n"
        "echo m > ${{outputs.file}}; ls",
        inputs={"text": BoundInput(literal=nasty), "data": BoundInput(uri=uris.from_path(data))},
        outputs={
            "folder": _folder(tmp_path / "out" / "folder"),
            "file": BoundOutput(uris.from_path(tmp_path / "out" / "model.bin"), DataType.URI_FILE),
        },
        code={"only.txt": ""},
    )
    assert end == CommandEnd(None, f"{nasty}\nlogs\nonly.txt\noutputs\n")
    assert (tmp_path / "out" / "folder" / "copy").read_text() == "content"
    assert (tmp_path / "out" / "model.bin").read_text() == "m\n"


async def test_what_a_file_is_called_is_never_run(run: Run, tmp_path: Path) -> None:
    """As an argument the name arrives; in a here-document the step fails with the reason, and nothing has run."""
    file = tmp_path / "$(cd; touch pwned).csv"
    file.write_text("content\n")
    inputs = {"table": BoundInput(uri=uris.from_path(file), type=DataType.URI_FILE)}
    outputs = {"o": _folder(tmp_path / "out")}
    assert (await run("cat ${{inputs.table}}", inputs=inputs)).said == "content\n"
    end = await run("cat << EOF > ${{outputs.o}}/meta.yml\nfile: ${{inputs.table}}\nEOF", inputs, outputs)
    assert end.reason is not None
    assert end.reason.startswith("command: ${{inputs.table}} cannot be filled in safely: its value is a path with '$'")
    assert not (tmp_path / "out").exists()
    end = await run("cat << EOF\nfile: $AZURE_ML_INPUT_table\nEOF", inputs=inputs)
    assert end.said == f"file: {file}\n"


async def test_a_missing_value_is_said(run: Run) -> None:
    """An optional input without a value outside of a group is the user's mistake, with its name."""
    with pytest.raises(UserError, match=r"inputs\.rate"):
        await run("echo ${{inputs.rate}}", inputs={"rate": BoundInput()})
    assert (await run("echo a $[[--rate ${{inputs.rate}}]]", inputs={"rate": BoundInput()})).said == "a\n"


async def test_nothing_is_published_of_a_failed_command(run: Run, tmp_path: Path) -> None:
    """Half of an output never appears; what was there before stays."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "old").write_text("old")
    end = await run("echo half > ${{outputs.o}}/new; exit 1", outputs={"o": _folder(out)})
    assert end.reason is not None
    assert [path.name for path in out.iterdir()] == ["old"]


async def test_outputs_are_merged_into_what_is_there(run: Run, tmp_path: Path) -> None:
    """Files of the same name are replaced, everything else in the output is left alone."""
    out = tmp_path / "out"
    (out / "sub").mkdir(parents=True)
    (out / "sub" / "old").write_text("old")
    (out / "same").write_text("old")
    await run("cd ${{outputs.o}}; mkdir sub; echo n > sub/new; echo n > same", outputs={"o": _folder(out)})
    assert {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()} == {
        "sub/old": "old",
        "sub/new": "n\n",
        "same": "n\n",
    }


@pytest.mark.parametrize(
    ("there", "made", "reason"),
    [
        ("mkdir x", "echo n > x", "x is a folder, and the command made a file of this name"),
        ("echo o > x", "mkdir x; echo n > x/y", "x is a file, and the command made a folder of this name"),
        ("mkdir sub sub/x", "mkdir sub; ln -s / sub/x", "sub/x is a folder, and the command made a file of this name"),
    ],
)
async def test_files_and_folders_do_not_take_each_others_place(
    run: Run, tmp_path: Path, there: str, made: str, reason: str
) -> None:
    """The command fails with the place in its reason, and nothing of any output is published."""
    out = tmp_path / "out"
    out.mkdir()
    await run(f"cd '{out}'; {there}")
    before = sorted(out.rglob("*"))
    outputs = {"a": _folder(tmp_path / "first"), "o": _folder(out)}
    end = await run(f"touch ${{{{outputs.a}}}}/f; cd ${{{{outputs.o}}}}; touch b; {made}", outputs=outputs)
    assert end.reason is not None
    assert end.reason.startswith(f"output o: {out}/")
    assert end.reason.endswith(reason)
    assert sorted(out.rglob("*")) == before
    assert not (tmp_path / "first").exists()


async def test_a_file_output_is_a_file(run: Run, tmp_path: Path) -> None:
    """A folder in its place fails the command."""
    output = BoundOutput(uris.from_path(tmp_path / "model.bin"), DataType.URI_FILE)
    end = await run("mkdir ${{outputs.o}}", outputs={"o": output})
    assert end.reason == "output o is a uri_file, and the command made a folder of it"
    assert not (tmp_path / "model.bin").exists()


async def test_links_are_published_as_links(run: Run, tmp_path: Path) -> None:
    """What a link points at is not the command's: it is left where it is, also when the command runs again."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "precious").write_text("p")
    out = tmp_path / "out"
    for _ in range(2):
        end = await run(f"ln -s '{tmp_path}/data' ${{{{outputs.o}}}}/link", outputs={"o": _folder(out)})
        assert end.reason is None
        assert (out / "link").readlink() == tmp_path / "data"
        assert (tmp_path / "data" / "precious").read_text() == "p"


async def test_an_output_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    """A file where a folder on the way should be is trouble with the output's place in its words."""
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write .*/file/out"):
        await run("touch ${{outputs.o}}/f", outputs={"o": _folder(tmp_path / "file" / "out")})


async def test_outputs_on_another_file_system(run: Run, tmp_path: Path) -> None:
    """Where renaming does not reach, outputs are copied, and replace what was there all the same."""
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as elsewhere:
        out = Path(elsewhere) / "out"
        for word in ("old", "new"):
            await run(
                f"cd ${{{{outputs.o}}}}; echo {word} > f; mkdir sub; echo {word} > sub/g", outputs={"o": _folder(out)}
            )
        found = {str(p.relative_to(out)): p.read_text() for p in out.rglob("*") if p.is_file()}
        assert found == {"f": "new\n", "sub/g": "new\n"}


@pytest.mark.moto
async def test_remote_inputs_come_down_and_outputs_go_up(
    moto_endpoint: str, aws_environ: Callable[[str], dict[str, str]], tmp_path: Path
) -> None:
    """The command sees folders and files of this machine; its outputs are objects afterwards."""
    access, root = Access.from_environ(aws_environ(moto_endpoint)), "s3://command-step"
    await ensure_bucket(root, access)
    remote = open_store(root, access)
    await put(remote, "in/sub/a", b"a")
    step = CommandStep(name="s", command="cp -r ${{inputs.data}}/. ${{outputs.folder}}; echo m > ${{outputs.file}}")
    order = CommandOrder(
        AT,
        step,
        {"data": BoundInput(uri=f"{root}/in")},
        {"folder": BoundOutput(f"{root}/out"), "file": BoundOutput(f"{root}/model.bin", DataType.URI_FILE)},
        None,
    )
    assert (await run_command(order, LocalStore(tmp_path / "store", mkdir=True), access)).reason is None
    assert await read(remote, "out/sub/a") == b"a"
    assert await read(remote, "model.bin") == b"m\n"


async def test_a_time_limit_ends_the_whole_group(run: Run, tmp_path: Path) -> None:
    """limits.timeout ends the command and all it has started, with a reason that names the limit."""
    end = await run(f"sleep 1000 & echo $! > {tmp_path}/pid; wait", timeout=0.3)
    assert end.reason == "the command took longer than its limit of 0.3 seconds"
    await _gone(int((tmp_path / "pid").read_text()))


async def test_what_a_command_leaves_running_is_ended(run: Run, tmp_path: Path) -> None:
    """A background process does not outlive its step."""
    end = await run(f"sleep 1000 > /dev/null 2>&1 & echo $! > {tmp_path}/pid")
    assert end.reason is None
    await _gone(int((tmp_path / "pid").read_text()))


async def test_a_canceled_command_is_ended(run: Run, tmp_path: Path) -> None:
    """Whoever stops waiting for a command ends it, and no folder of it stays."""
    task = asyncio.create_task(run(f"echo $$ > {tmp_path}/pid.part; mv {tmp_path}/pid.part {tmp_path}/pid; sleep 1000"))
    async with asyncio.timeout(20):
        while not (tmp_path / "pid").exists():  # noqa: ASYNC110 - the command writes it without telling us
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await _gone(int((tmp_path / "pid").read_text()))


async def test_a_file_that_the_command_ought_to_have_written(run: Run, tmp_path: Path) -> None:
    """A uri_file output that is not there fails the step by name; a folder may stay empty."""
    file = BoundOutput(uris.from_path(tmp_path / "m.bin"), DataType.URI_FILE)
    outputs = {"o": file, "f": BoundOutput(uris.from_path(tmp_path / "f"))}
    end = await run("true", outputs=outputs)
    assert end.reason == "the command ended with exit code 0, but has not written its output o, a uri_file"
    assert not (tmp_path / "f").exists()
    assert (await run("touch ${{outputs.o}}", outputs=outputs)).reason is None
    assert (tmp_path / "m.bin").exists()


async def _gone(pid: int) -> None:
    def runs() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except FileNotFoundError:
            return False

    async with asyncio.timeout(20):
        while runs():  # noqa: ASYNC110 - the kernel ends it without telling us
            await asyncio.sleep(0.01)


async def test_only_the_end_of_much_output_is_told(run: Run, store: ObjectStore) -> None:
    """What is shown is bounded; the log has it all."""
    end = await run("seq 1 20000; exit 1")
    assert len(end.said) <= 16 * 1024
    assert end.said.endswith("20000\n")
    log = await read(store, keys.logs(AT) + LOG_FILE)
    assert log is not None
    assert log.startswith(b"1\n2\n")


async def test_the_scratch_folder_is_gone(run: Run, tmp_path: Path) -> None:
    """Nothing of a command stays outside of the store and its outputs (promise I9)."""
    end = await run("pwd", code={"a": ""})
    assert not Path(end.said.strip()).exists()
    scratch = tmp_path / "store" / "scratch"
    assert not scratch.exists() or list(scratch.iterdir()) == []


async def test_mltable_is_there_although_it_is_not_installed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind whatever PYTHONPATH names; what the run knows of datastores and servers, the command is told."""
    files = {"lib/mine.py": "NAME = 'mine'", "t/MLTable": "paths: [{file: a.csv}]\n", "t/a.csv": "a\n1\n"}
    command = "python -c 'import mine, mltable; print(mine.NAME, len(mltable.load(\"t\").to_pandas_dataframe()))'"
    end = await run(command, code=files, environment_variables={"PYTHONPATH": "lib"})
    assert end == CommandEnd(None, "mine 1\n")
    monkeypatch.setenv("PYTHONPATH", "lib")
    assert (await run(command, code=files)).said == "mine 1\n"
    end = await run("printenv AWS_ENDPOINT_URL_S3 FANOUT_DATASTORES")
    expected = ACCESS.child_environ()
    assert end.said.split() == [v for n in ("AWS_ENDPOINT_URL_S3", "FANOUT_DATASTORES") if (v := expected.get(n))]


async def test_what_is_left_in_the_default_folders_is_kept(run: Run, store: ObjectStore) -> None:
    """./outputs and ./logs are there, and what the command writes into them is in the store; also when it fails."""
    code = {"outputs/old.txt": "with the code", "logs/old.txt": "with the code"}
    for end, exit_code in (("", None), ("; exit 3", "the command ended with exit code 3")):
        ended = await run(f"mkdir outputs/a; echo new > outputs/a/b.txt; echo said > ./logs/own.txt{end}", code=code)
        assert (ended.reason, ended.artifacts) == (exit_code, 1)
        assert await read(store, keys.artifacts(AT) + "outputs/a/b.txt") == b"new\n"
        assert await read(store, keys.logs(AT) + "own.txt") == b"said\n"
        assert await read(store, keys.artifacts(AT) + "outputs/old.txt") is None
        assert await read(store, keys.logs(AT) + "old.txt") is None


async def test_an_output_named_artifacts_is_the_default_folder(run: Run, tmp_path: Path) -> None:
    """What is in ./outputs is in it, beside what was written there by its path; without code, too."""
    outputs = {"artifacts": _folder(tmp_path / "made")}
    ended = await run("echo world > ./outputs/world.txt; echo own > ${{outputs.artifacts}}/own.txt", outputs=outputs)
    assert (ended.reason, ended.artifacts) == (None, 0)
    assert {file.name: file.read_text() for file in (tmp_path / "made").iterdir()} == {
        "world.txt": "world\n",
        "own.txt": "own\n",
    }


async def test_a_link_out_of_the_default_folder_is_not_followed(run: Run, store: ObjectStore) -> None:
    """What it points at is not the command's."""
    ended = await run("ln -s /etc/hostname outputs/name; rm -r logs; ln -s /etc logs")
    assert (ended.reason, ended.artifacts) == (None, 0)
    assert await read(store, keys.logs(AT) + "hostname") is None
