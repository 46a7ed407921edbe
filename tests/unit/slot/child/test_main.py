"""A slot from inside, started for real: the contract of entry scripts (reference, section 6) and all they may do."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fanout.errors import DamagedRecordError
from fanout.node.workspace import TABLE_SERVER
from fanout.records.mini_batch import Cut, MiniBatch, Piece
from fanout.records.parts import ItemRange
from fanout.results.codec import Cause
from fanout.slot import protocol
from fanout.slot.child import entry_script
from fanout.slot.child.main import _paths_in
from fanout.slot.protocol import ControlOrder, Done, Loaded, Revoked, StartFailed, Task, WakeUp
from fanout.storage.access import Access
from fanout.storage.datastores import Datastores
from fanout.storage.open import ensure_bucket, locate
from fanout.tables.formats.readers import Delimited
from fanout.tables.recipe import Column, TableRecipe
from fanout.tables.values.types import ColumnType, Kind

Launch = Callable[..., Any]
WriteScript = Callable[..., Path]
ECHO = "def run(mini_batch):\n    return mini_batch\n"
HELPER = """
def work():
    try:
        1 / 0
    except ZeroDivisionError as exc:
        raise ValueError("two\\nlines") from exc
"""


async def test_init_once_run_after_run_shutdown(launch: Launch, write_script: WriteScript) -> None:
    """init() before the first mini-batch, run() in the order given, shutdown() at the end, then exit code 0."""
    write_script(
        """
        said = []
        def init(): said.append("init")
        def run(mini_batch):
            said.append("run")
            return list(said)
        def shutdown(): print(*said, "shutdown")
        """
    )
    slot = await launch()
    for index in range(3):
        slot.assign(index)
    third: Done = await slot.until(Done, 3)
    assert third.rows == b"init\nrun\nrun\nrun\n"
    assert third.rows_written == 4
    assert (third.items, third.succeeded) == (2, 2), "more results than items are allowed, and no more succeed"
    assert (await slot.stop()).failure is None
    assert slot.returncode == 0
    assert slot.stdout.read_text() == "init run run run shutdown\n"


async def test_what_a_script_finds(launch: Launch, write_script: WriteScript, code: Path) -> None:
    """The current folder is the code folder, which is on the import path; arguments are in argv; __file__ is real."""
    write_script(
        """
        import os, sys, helper
        from package import part
        def run(mini_batch):
            return [os.getcwd(), sys.path[0], *sys.argv, __file__, helper.NAME, part.NAME, os.environ["ANSWER"]]
        """,
        {"helper.py": "NAME = 'helper'", "package/__init__.py": "", "package/part.py": "NAME = 'part'"},
    )
    slot = await launch(arguments=["--rate", "a b", "--flag="], environ={"ANSWER": "42"})
    rows = (await slot.run()).rows.decode().splitlines()
    script = str(code / "score.py")
    assert rows == [str(code)] * 2 + ["score.py", "--rate", "a b", "--flag=", script, "helper", "part", "42"]


async def test_scripts_in_folders_and_modules(launch: Launch, write_script: WriteScript, code: Path) -> None:
    """`sub/score.py` runs with only the code folder on the import path; a dotted name is imported as a module."""
    write_script(
        "", {"sub/deep.py": "import helper\n" + ECHO, "helper.py": "", "pkg/__init__.py": "", "pkg/mod.py": ECHO}
    )
    assert (await (await launch(entry_script="sub/deep.py")).run()).failure is None
    assert (await (await launch(entry_script="pkg.mod")).run()).failure is None


async def test_the_context(launch: Launch, write_script: WriteScript) -> None:
    """run() with two parameters of any name gets the context: index, partition in order, first row, retry."""
    write_script(
        """
        def run(a, b):
            keys = b.partition_key_value
            assert type(keys) is dict
            return [b.minibatch_index, *keys.values(), b.global_row_index_lower_bound, b.retry_count, b]
        """
    )
    slot = await launch()
    done = await slot.run(7, attempt=2, partition={"z": "1000", "a": "x"}, first_row=120)
    assert done.rows.decode().splitlines()[:5] == ["7", "1000", "x", "120", "2"]
    assert "minibatch_index=7" in done.rows.decode().splitlines()[5]


@pytest.mark.parametrize(
    "definition",
    [
        "def run(*anything): return [len(anything)]",
        "def run(batch, context=None): return [2 if context else 1]",
        "run = lambda batch, context: [2]",
        "class R:\n    def __call__(self, batch, context): return [2]\nrun = R()",
        "from functools import partial\nrun = partial(lambda extra, batch, context: [2], 'extra')",
    ],
)
async def test_run_may_be_anything_callable(launch: Launch, write_script: WriteScript, definition: str) -> None:
    """Whatever takes two arguments gets two."""
    write_script(definition)
    assert (await (await launch()).run()).rows == b"2\n"


async def test_files_arrive_as_paths(launch: Launch, write_script: WriteScript) -> None:
    """File mini-batches are lists of local paths, whatever their names."""
    write_script("def run(b):\n    assert type(b) is list\n    return [ascii(path) for path in b]\n")
    done = await (await launch()).run(files=["/data/plain", "/data/with space%20", "/data/é", "/data/\udcff"])
    assert done.rows.decode().splitlines() == [
        "'/data/plain'",
        "'/data/with space%20'",
        "'/data/\\xe9'",
        "'/data/\\udcff'",
    ]


@pytest.mark.parametrize("path", ["/etc/hostname", "/data/../etc/hostname", "/data/a/../../etc/x", "/database", "/"])
async def test_files_outside_of_the_input_are_not_read(launch: Launch, write_script: WriteScript, path: str) -> None:
    """A mini-batch fails whose line names a file that is not in the input; run() is not called."""
    write_script("def run(b):\n    return b\n")
    slot = await launch(input_path="/data")
    assert (await slot.run(files=["/data/a", "/data/b/..c"])).rows == b"/data/a\n/data/b/..c\n"
    done = await slot.run(files=["/data/a", path])
    assert done.failure is not None
    assert done.failure.cause is Cause.DAMAGED
    assert "is not in the input /data" in done.failure.message
    assert done.rows == b""


@pytest.mark.parametrize(
    "files",
    [
        ("file:///etc/hostname",),
        ("file:///data/a", "file:///etc/hostname"),
        ("file:///etc/hostname\nfile:///data/a",),
        ("file:///etc/hostname\nfile:///data/a\nfile:///data/b", "file:///data/c"),
        ("file:///data/a", "file:///data/../etc/hostname"),
        ("file:///data/..%2f..%2fetc/hostname",),
        ("file:///data/%2e%2e/etc/hostname",),
    ],
)
def test_looking_at_all_files_together_misses_none(files: tuple[str, ...]) -> None:
    """One name that leads out is refused, wherever it stands, and whatever characters it has."""
    with pytest.raises(DamagedRecordError, match="is not in the input /data"):
        _paths_in("/data")(MiniBatch(0, files))


async def test_the_azure_helper(launch: Launch, write_script: WriteScript, tmp_path: Path, code: Path) -> None:
    """EntryScript tells where the script runs, and its logger writes to its own file."""
    write_script(
        """
        import logging
        from azureml_user.parallel_run import EntryScript
        def run(mini_batch):
            here = EntryScript()
            assert here is EntryScript()
            here.logger.info("said %s", "this")
            here.logger.debug("not said")
            logging.info("root said")
            return [here.agent_name, here.node_id, here.working_dir, here.input_dir, here.output_dir, here.log_dir]
        """
    )
    slot = await launch(node="3", process="process007")
    rows = (await slot.run()).rows.decode().splitlines()
    log_dir = tmp_path / "logs" / "user" / "entry_script_log" / "3"
    assert rows == ["process007", "3", str(code), str(tmp_path / "input"), str(tmp_path / "output"), str(log_dir)]
    said = (log_dir / "process007.log.txt").read_text().splitlines()
    assert len(said) == 1
    assert said[0].endswith("|said this")
    await slot.stop()
    assert "root said" in slot.stdout.read_text()


async def test_an_exception_is_a_failed_attempt_and_the_process_lives(
    launch: Launch, write_script: WriteScript
) -> None:
    """The reason is the exception in one line, the traceback shows the script's frames and none of ours."""
    write_script(
        """
        import helper
        def run(mini_batch, context):
            if context.retry_count == 0:
                helper.work()
            return mini_batch
        """,
        {"helper.py": HELPER},
    )
    slot = await launch()
    failed = await slot.run()
    assert failed.failure is not None
    assert (failed.failure.cause, failed.failure.message) == (Cause.EXCEPTION, "ValueError: two lines")
    assert (failed.items, failed.succeeded, failed.rows) == (2, 0, b"")
    trace = failed.failure.traceback
    assert "helper.work()" in trace
    assert "ZeroDivisionError" in trace
    assert "fanout/node" not in trace
    assert (await slot.run(attempt=1)).failure is None


async def test_a_code_folder_that_only_begins_like_ours_is_shown(start_order: Callable[..., Any]) -> None:
    """A traceback leaves out fanout's own folder, not its neighbours."""
    namespace: dict[str, Any] = {}
    neighbour = f"{entry_script.OURS.rstrip('/')}_scripts/score.py"
    exec(compile("def run():\n    raise ValueError('x')\n", neighbour, "exec"), namespace)  # noqa: S102 - to get a file name
    with pytest.raises(ValueError, match="x") as caught:
        namespace["run"]()
    assert neighbour in entry_script.user_traceback(caught.value)
    assert entry_script.OURS + "x" not in entry_script.user_traceback(caught.value)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("raise SystemExit(3)", "sys.exit(3)"),
        ("import sys; sys.exit('bad')", "sys.exit('bad')"),
        ("raise KeyboardInterrupt", "KeyboardInterrupt"),
        ("raise ExceptionGroup('several', [ValueError('a'), TypeError('b')])", "several"),
        ("class E(Exception):\n        def __str__(self): raise RuntimeError('no')\n    raise E", "E: "),
        ("raise ValueError('x' * 100_000)", "characters left out"),
        ("def f(n): return f(n + 1)\n    f(0)", "RecursionError"),
        ("raise ValueError('caf\\udcff')", "caf"),
    ],
    ids=["SystemExit", "sys.exit", "interrupt", "group", "no text", "long", "recursion", "surrogate"],
)
async def test_whatever_run_raises(launch: Launch, write_script: WriteScript, body: str, word: str) -> None:
    """Every way to raise is a failed attempt with a bounded reason; the process goes on."""
    write_script(f"def run(batch, context):\n    if context.retry_count:\n        return batch\n    {body}\n")
    slot = await launch()
    failure = (await slot.run()).failure
    assert failure is not None
    assert failure.cause is Cause.EXCEPTION
    assert word in failure.message
    assert len(failure.message) < 700
    assert len(failure.traceback) < 20_000
    assert (await slot.run(attempt=1)).failure is None


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("None", "NoneType"),
        ("3", "int"),
        ("'text'", "str"),
        ("{'a': 1}", "dict"),
        ("{1, 2}", "set"),
        ("(x for x in [1])", "generator"),
        ("b'x'", "bytes"),
        ("object()", "object"),
        ("type('L', (), {'__len__': lambda self: -1})()", "ValueError"),
        ("[type('S', (), {'__str__': lambda self: 1 / 0})()]", "ZeroDivisionError"),
        ("['\\udcff']", "UnicodeEncodeError"),
    ],
)
async def test_bad_returns(launch: Launch, write_script: WriteScript, value: str, word: str) -> None:
    """What cannot be counted or written is a failed attempt that says what came and what would be right."""
    write_script(f"def run(batch, context):\n    return batch if context.retry_count else {value}\n")
    slot = await launch()
    done = await slot.run()
    assert done.failure is not None
    assert done.failure.cause is Cause.BAD_RETURN
    assert word in done.failure.message
    assert (done.succeeded, done.rows) == (0, b"")
    assert (await slot.run(attempt=1)).failure is None


@pytest.mark.parametrize(
    ("value", "rows", "succeeded"),
    [
        ("[]", b"", 0),
        ("['a']", b"a\n", 1),
        ("('a', None, {'k': [1]})", b"a\nNone\n{'k': [1]}\n", 2),
        ("numpy.array([[1, 2], [3, 4]])", b"[1 2]\n[3 4]\n", 2),
        ("pandas.Series([1.5, 2.5])", b"1.5\n2.5\n", 2),
        ("pandas.DataFrame({'a': [1, 2], 'b': ['x y', 'z']})", b'1 "x y"\n2 z\n', 2),
        ("[lambda: 0][:0]", b"", 0),
        ("[threading.Lock()]", None, 1),
    ],
)
async def test_good_returns(
    launch: Launch, write_script: WriteScript, value: str, rows: bytes | None, succeeded: int
) -> None:
    """Lists, tuples, arrays, Series and DataFrames of anything that has a text; nothing is pickled."""
    library = value.partition(".")[0].strip("[(")
    imports = f"import {library}\n" if library in ("numpy", "pandas", "threading") else ""
    write_script(f"{imports}def run(batch): return {value}\n")
    done = await (await launch()).run()
    assert done.failure is None
    assert done.succeeded == succeeded
    if rows is not None:
        assert done.rows == rows


async def test_the_settings_file(launch: Launch, write_script: WriteScript) -> None:
    """parallel_run_step.settings.json beside the script overrides the options of to_csv (reference, section 7)."""
    options = {"append_row": {"pandas.DataFrame.to_csv": {"sep": ",", "index": True}}}
    write_script(
        "import pandas\ndef run(batch): return pandas.DataFrame({'a': [7, 8]})\n",
        {"parallel_run_step.settings.json": json.dumps(options)},
    )
    assert (await (await launch()).run()).rows == b"0,7\n1,8\n"
    csv = await (await launch(row_format="csv")).run()
    assert (csv.header, csv.rows) == (",a\n", b"0,7\n1,8\n")


async def test_a_column_name_that_no_file_can_hold(launch: Launch, write_script: WriteScript) -> None:
    """A header that cannot be encoded fails its own attempt, not the joining of all rows."""
    write_script("def run(batch): return [{'caf\\udcff': 1}]\n")
    done = await (await launch(row_format="csv")).run()
    assert done.failure is not None
    assert done.failure.cause is Cause.BAD_RETURN


async def test_output_files_are_put_aside_by_attempt(launch: Launch, write_script: WriteScript, tmp_path: Path) -> None:
    """Files of a successful attempt are set aside under its own name; the next attempt finds an empty folder."""
    write_script(
        """
        import pathlib, sys
        out = pathlib.Path(sys.argv[1])
        def run(mini_batch, context):
            assert list(out.iterdir()) == []
            (out / "sub").mkdir()
            (out / "sub" / f"{context.minibatch_index}.txt").write_text("x")
            if context.retry_count == 0: raise ValueError("half done")
            return mini_batch
        def shutdown(): (out / "summary").write_text("s")
        """
    )
    out, attempts = tmp_path / "staging" / "plots", tmp_path / "attempts"
    slot = await launch(outputs={"plots": str(out)}, arguments=[str(out)])
    assert (await slot.run(0)).files == ()
    assert list(out.iterdir()) == [], "a failed attempt leaves nothing behind"
    assert (await slot.run(0, attempt=1)).files == ("plots/sub/0.txt",)
    assert (await slot.run(1, attempt=1)).files == ("plots/sub/1.txt",)
    assert (await slot.run(1, attempt=1)).files == ("plots/sub/1.txt",), "a second delivery of the same"
    stopped = await slot.stop()
    assert stopped.files == ("plots/summary",)
    folders = {p.name for p in attempts.iterdir()}
    assert folders == {"0-1-process000", "1-1-process000", "shutdown-process000"}
    assert (attempts / "1-1-process000" / "plots" / "sub" / "1.txt").read_text() == "x"


async def test_an_output_folder_that_the_script_removed(
    launch: Launch, write_script: WriteScript, tmp_path: Path
) -> None:
    """Whatever a script does to its own output folder, the next attempt has one."""
    write_script(
        """
        import pathlib, shutil, sys
        out = pathlib.Path(sys.argv[1])
        def run(mini_batch, context):
            assert out.is_dir() or context.minibatch_index == 0
            shutil.rmtree(out)
            if context.minibatch_index == 1: raise ValueError
            return mini_batch
        """
    )
    out = tmp_path / "staging" / "plots"
    slot = await launch(outputs={"plots": str(out)}, arguments=[str(out)])
    assert (await slot.run(0)).failure is None
    await slot.run(1)
    assert (await slot.run(2)).failure is None or out.is_dir()


@pytest.mark.parametrize(
    ("script", "order", "word"),
    [
        ("def init(): raise ValueError('no model')\n" + ECHO, {}, "ValueError: no model"),
        ("def init(): raise SystemExit(5)\n" + ECHO, {}, "sys.exit(5)"),
        ("import nope_not_there\n" + ECHO, {}, "nope_not_there"),
        ("def run(:\n", {}, "SyntaxError"),
        ("x = 1\n", {}, "score.py has no function run(mini_batch)"),
        ("run = 5\n", {}, "no function run"),
        (ECHO, {"entry_script": "missing.py"}, "there is no missing.py in the code folder"),
        (ECHO, {"entry_script": "missing.module"}, "No module named 'missing'"),
        (ECHO, {"recipe": "{}"}, "recipe"),
    ],
)
async def test_scripts_that_cannot_start(
    launch: Launch, write_script: WriteScript, script: str, order: dict[str, Any], word: str
) -> None:
    """The reason is the script's own, the process leaves by itself with exit code 1."""
    write_script(script)
    slot = await launch(expect=StartFailed, **order)
    [broken] = [answer for answer in slot.answers if not isinstance(answer, WakeUp)]
    assert broken.failure.cause is Cause.INIT
    assert word in broken.failure.message
    assert await slot.ended() == 1


async def test_damaged_settings_are_said_at_once(launch: Launch, write_script: WriteScript) -> None:
    """A settings file that is no JSON stops the script before any work is lost to it."""
    write_script(ECHO, {"parallel_run_step.settings.json": "{"})
    slot = await launch(expect=StartFailed)
    assert "parallel_run_step.settings.json" in slot.answers[0].failure.message


async def test_shutdown_may_fail(launch: Launch, write_script: WriteScript) -> None:
    """What shutdown() raises is told, and nothing else is lost by it."""
    write_script(ECHO + "def shutdown(): raise ValueError('late')\n")
    slot = await launch()
    await slot.run()
    stopped = await slot.stop()
    assert stopped.failure is not None
    assert (stopped.failure.cause, stopped.failure.message) == (Cause.SHUTDOWN, "ValueError: late")
    assert slot.returncode == 0


async def test_a_profile_is_written(launch: Launch, write_script: WriteScript, tmp_path: Path) -> None:
    """--profiling_module cProfile leaves <process>.profile under logs/sys/node/<node> (reference, section 8.1)."""
    import pstats

    write_script("def work(): return [1]\ndef run(batch): return work()\n")
    slot = await launch(profiling_module="cProfile", node="2")
    assert (await slot.run()).failure is None
    await slot.stop()
    stats: Any = pstats.Stats(str(tmp_path / "logs" / "sys" / "node" / "2" / "process000.profile"))
    assert any(function == "work" for _, _, function in stats.stats)


@pytest.mark.parametrize("name", ["json", "queue", "csv", "socket", "logging", "struct", "pandas", "fanout"])
async def test_files_named_like_libraries(launch: Launch, write_script: WriteScript, name: str) -> None:
    """Neither a helper nor the entry script itself takes the place of a library that the slot needs."""
    write_script(ECHO, {f"{name}.py": "import concurrent.futures\n" + ECHO})
    for script in ("score.py", f"{name}.py"):
        slot = await launch(entry_script=script)
        assert (await slot.run()).failure is None
        assert (await slot.stop()).failure is None


async def test_what_was_withdrawn_is_not_started(launch: Launch, write_script: WriteScript, tmp_path: Path) -> None:
    """Mini-batches behind a slow one are taken back while it runs; what is given later is done."""
    write_script(
        f"""
        import pathlib, time
        gate = pathlib.Path({str(tmp_path)!r}, "gate")
        def run(batch, context):
            print("ran", context.minibatch_index, flush=True)
            begun = time.monotonic()
            while context.minibatch_index == 0 and (time.monotonic() - begun < 0.25 or not gate.exists()): pass
            return batch
        """
    )
    slot = await launch()
    for index in range(3):
        slot.assign(index)
    slot.process.write(ControlOrder.REVOKE.frame())
    slot.assign(3)
    slot.process.write(ControlOrder.REVOKE.frame())
    (tmp_path / "gate").touch()
    await slot.until(Revoked, 2)
    assert (await slot.run(4)).failure is None
    await slot.stop()
    assert slot.stdout.read_text() == "ran 0\nran 4\n"


async def test_a_part_of_a_list_of_files(launch: Launch, write_script: WriteScript, tmp_path: Path) -> None:
    """run() gets the files of the part alone, and what it writes is put aside under the part's own name."""
    write_script(
        """
        import sys
        def run(batch, context):
            with open(sys.argv[1] + "/note", "w") as f: f.write("x")
            return [*batch, context.global_row_index_lower_bound]
        """
    )
    folder = tmp_path / "plots"
    slot = await launch(outputs={"plots": str(folder)}, arguments=[str(folder)])
    names = ["/data/a", "/data/b", "/data/c"]
    first = await slot.run(5, files=names, part=ItemRange(0, 1))
    rest = await slot.run(5, files=names, part=ItemRange(1, 3), first_row=10)
    assert (first.items, first.rows) == (1, b"/data/a\nNone\n")
    assert (rest.items, rest.rows) == (2, b"/data/b\n/data/c\n11\n")
    assert sorted(p.name for p in (tmp_path / "attempts").iterdir()) == ["5.0.1-0-process000", "5.1.3-0-process000"]


@pytest.mark.parametrize("server", [None, TABLE_SERVER], ids=["in the slot", "beside it"])
async def test_tables_are_read_in_the_slot(
    launch: Launch, write_script: WriteScript, tmp_path: Path, server: tuple[str, ...] | None
) -> None:
    """A piece of a table arrives as a DataFrame; its loading is told before run() starts."""
    from fanout.records.mini_batch import Cut, Piece
    from fanout.tables.mltable_file import load_mltable
    from fanout.tables.resolution import resolve_recipe

    table = tmp_path / "table"
    table.mkdir()
    (table / "a.csv").write_text("x,y\n1,a\n2,b\n")
    (table / "MLTable").write_text("paths:\n- file: ./a.csv\ntransformations:\n- read_delimited\n")
    access = Access()
    uri = f"file://{table}/a.csv"
    recipe = resolve_recipe(
        load_mltable(f"file://{table}", access), [uri], lambda _uri, _size: (table / "a.csv").read_bytes()
    )
    write_script("def run(frame): return [f'{list(frame.columns)} {len(frame)} {frame.index[0]}', *frame.x]\n")
    slot = await launch(recipe=recipe.to_json(), table_server=server)
    done = await slot.run(files=[], pieces=(Piece(uri, 0, 12, Cut.BYTES),))
    assert done.failure is None
    assert (done.items, done.rows) == (2, b"['x', 'y'] 2 0\n1\n2\n")
    [loaded] = [answer for answer in slot.answers if isinstance(answer, Loaded)]
    assert loaded.items == 2
    half = await slot.run(files=[], pieces=(Piece(uri, 0, 12, Cut.BYTES),), part=ItemRange(1, 2))
    assert (half.items, half.rows) == (1, b"['x', 'y'] 1 0\n2\n"), "rows are numbered from 0 in any part"
    lost = await slot.run(1, files=[], pieces=(Piece(f"file://{table}/gone.csv", 0, 12, Cut.BYTES),))
    assert lost.failure is not None
    assert lost.failure.cause is Cause.LOAD
    assert "gone.csv" in lost.failure.message


async def test_mltable_is_there_although_it_is_not_installed(
    launch: Launch, write_script: WriteScript, tmp_path: Path
) -> None:
    """A script that imports mltable loads a table with it; where datastores lead, the process has been told."""
    (tmp_path / "blobs" / "t").mkdir(parents=True)
    (tmp_path / "blobs" / "t" / "MLTable").write_text("paths: [{file: a.csv}]\ntransformations: [read_delimited]\n")
    (tmp_path / "blobs" / "t" / "a.csv").write_text("a\n1\n2\n")
    write_script(
        """
        import mltable
        def run(mini_batch):
            table = mltable.load("azureml://datastores/blobs/paths/t")
            return [table.filter('col("a") > 1').to_pandas_dataframe().to_dict("list")]
        """
    )
    known = Access(datastores=Datastores((("blobs", (tmp_path / "blobs").as_uri()),)))
    slot = await launch(environ=known.child_environ())
    done = await slot.run()
    assert done.failure is None, done.failure
    assert done.rows == b"{'a': [2]}\n"


async def test_an_mltable_of_the_script_s_own_comes_first(launch: Launch, write_script: WriteScript) -> None:
    """Whatever the code folder or the environment holds under that name is what is imported."""
    write_script("import mltable\ndef run(mini_batch): return [mltable.NAME]", {"mltable.py": "NAME = 'mine'"})
    assert (await (await launch()).run()).rows == b"mine\n"


@pytest.mark.moto
@pytest.mark.parametrize("server", [None, TABLE_SERVER], ids=["in the slot", "beside it"])
async def test_a_table_in_a_bucket(
    server: tuple[str, ...] | None,
    launch: Launch,
    write_script: WriteScript,
    tmp_path: Path,
    moto_endpoint: str,
    aws_environ: Callable[[str], dict[str, str]],
) -> None:
    """The slot reads its own part of each file, over the access that the node was given."""
    (tmp_path / "input").mkdir()
    access = Access.from_environ(aws_environ(moto_endpoint))
    await ensure_bucket("s3://slot-tables", access)
    store, _ = locate("s3://slot-tables/x", access)
    store.put("t/a b.csv", b"n,w\n1,x\n2,y\n3,z\n")
    recipe = TableRecipe(Delimited(), tuple(Column(n, ColumnType(k)) for n, k in (("n", Kind.INT), ("w", Kind.STRING))))
    write_script("def run(mini_batch): return [f'{row.n + 1}{row.w}' for row in mini_batch.itertuples()]")
    slot = await launch(recipe=recipe.to_json(), environ=access.child_environ(), table_server=server)
    for start, stop, rows in ((0, 8, b"2x\n"), (8, 16, b"3y\n4z\n")):
        done = await slot.run(files=(), pieces=(Piece("s3://slot-tables/t/a b.csv", start, stop, Cut.BYTES),))
        assert done.failure is None, done.failure
        assert done.rows == rows
    gone = await slot.run(files=(), pieces=(Piece("s3://slot-tables/t/gone.csv", 0, 8, Cut.BYTES),))
    assert gone.failure is not None
    assert gone.failure.message == "s3://slot-tables/t/gone.csv: not found"


async def test_an_error_of_mltable_names_the_script_s_line(launch: Launch, write_script: WriteScript) -> None:
    """Its message is the reason, as for any error of ours; the traceback has the lines of the script and no others."""
    write_script(
        """
        import mltable, helper
        def run(mini_batch):
            return helper.read()
        """,
        {"helper.py": "import mltable\ndef read(): return mltable.load('nowhere').to_pandas_dataframe()\n"},
    )
    failure = (await (await launch()).run()).failure
    assert failure.message.startswith("/"), failure
    assert "nowhere/MLTable: not found; an mltable input is a folder" in failure.message
    assert failure.traceback.count("File ") == 2
    assert "return helper.read()" in failure.traceback
    assert "mltable.load('nowhere')" in failure.traceback
    assert f"InputError: {failure.message}\n" in failure.traceback


async def test_a_damaged_line_is_its_own_attempts_failure_alone(launch: Launch, write_script: WriteScript) -> None:
    """Also when it came in one frame with others, which are read before the first of them is begun."""
    write_script("def run(batch): return batch")
    slot = await launch()
    lines = [b'{"index":0,"files":["file:///a"]}', b'{"index":1,', b'{"index":2,"files":["file:///b%20c"]}']
    slot.process.write(protocol.task_frames([Task(line, 0) for line in lines]))
    await slot.until(Done, 3)
    done = [answer for answer in slot.answers if isinstance(answer, Done)]
    assert [(d.rows, d.failure and d.failure.cause) for d in done] == [
        (b"/a\n", None),
        (b"", Cause.DAMAGED),
        (b"/b c\n", None),
    ]
