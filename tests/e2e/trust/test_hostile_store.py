"""Records of a run that were damaged: refused with key and reason, nothing lost; mended or removed, the run goes on.

Those that only end too early, as a power cut leaves what was not synced, are made again without a hand.
"""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

FILES = 16
FIRST_RESULT = "score/results/000/00000000"
DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    FIRST_RESULT: (lambda body: body[:20] + bytes(byte ^ 1 for byte in body[20:]), "truncated or altered"),
    "score/step.json": (lambda body: body.replace(b'"visibility":1.0', b'"visibility":0.0'), "visibility is 0.0"),
    "score/plan.json": (lambda body: body.replace(b'"version": 1', b'"version": 9'), "version 9"),
    "run.json": (lambda body: body.replace(b'"name": "r"', b'"name": "q"'), "name is 'q', expected 'r'"),
    "score/queues/000": (lambda body: body.replace(b"name", b"game"), "not the note of a queue"),
}


def _interrupted(project: Any, tools: Any) -> Path:
    """A run that was killed in the middle, supervisor and nodes, after it had committed results; its folder."""
    project.write("fanout.toml", "visibility = 1\n")
    project.hold_after(FILES // 2)
    process = project.start("run", "pipeline.yml", "--name", "r")
    project.wait_for_attempts(1, process)
    run = Path(project.folder, ".fanout/runs/r")
    tools.wait_until((run / FIRST_RESULT).exists)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    project.let_go()
    return run


@pytest.fixture
def small(make: Any, tmp_path: Path) -> Any:
    """A project of a few mini-batches."""
    return make(tmp_path, FILES)


def test_each_damaged_record_is_named_and_mended(small: Any, expected: Any, tools: Any) -> None:
    """Exit code 3 with its key and the reason; put back as they were, `resume` ends with every row."""
    run = _interrupted(small, tools)
    for place, (spoil, reason) in DAMAGE.items():
        whole = (run / place).read_bytes()
        assert spoil(whole) != whole
        (run / place).write_bytes(spoil(whole))
        ended = small.fanout("resume", "r")
        assert ended.code == 3, ended.said
        assert f"runs/r/{place}" in ended.said
        assert reason in ended.said
        assert "Traceback" not in ended.said
        assert not (small.folder / "scores.txt").exists()
        (run / place).write_bytes(whole)
    mended = small.fanout("resume", "r")
    assert mended.code == 0, mended.said
    assert small.output() == expected(FILES)


def test_a_damaged_result_that_is_removed_is_done_again(small: Any, expected: Any, tools: Any) -> None:
    """Its mini-batches, and those of later results of the same node, are tried once more; no row is lost or doubled."""
    run = _interrupted(small, tools)
    (run / FIRST_RESULT).write_bytes(b"FNO1 of another version")
    ended = small.fanout("resume", "r")
    assert ended.code == 3, ended.said
    assert "results/000/00000000: not a result object" in ended.said
    (run / FIRST_RESULT).unlink()
    mended = small.fanout("resume", "r")
    assert mended.code == 0, mended.said
    assert small.output() == expected(FILES)


def test_a_damaged_manifest_is_told_when_its_messages_are_sent_again(small: Any, expected: Any, tools: Any) -> None:
    """Resuming without the queue reads the plan: what is not as it was planned is not sent."""
    run = _interrupted(small, tools)
    for queue in (small.folder / ".fanout/queues").iterdir():
        queue.rename(small.folder / queue.name)
    path = run / "score/manifests/00000.jsonl"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"015.txt", b"014.txt"))
    ended = small.fanout("resume", "r")
    assert ended.code == 3, ended.said
    assert "manifests/00000.jsonl: the manifest was altered since it was planned" in ended.said
    path.write_bytes(whole)
    mended = small.fanout("resume", "r")
    assert mended.code == 0, mended.said
    assert small.output() == expected(FILES)


def _tear(path: Path, draw: random.Random) -> None:
    """What a power cut leaves of a file that was not synced: nothing of its content, a part, or zeros."""
    size = path.stat().st_size
    os.truncate(path, draw.choice([0, 0, draw.randrange(size)]) if size else 0)
    if draw.random() < 0.2:
        path.write_bytes(bytes(size))


RECORDS = ("step.json", "plan.json", "published.json", "settled.json", "verdict.json", "concluded.json")


@pytest.mark.parametrize("seed", range(8))
def test_what_a_power_cut_tore_is_made_again(small: Any, expected: Any, tools: Any, seed: int) -> None:
    """Of a run that was interrupted, or is over: any of its files cut short, `resume` ends with every row."""
    draw = random.Random(seed)  # noqa: S311 - a drill
    run = _interrupted(small, tools)
    if seed % 2:
        assert small.fanout("resume", "r").code == 0
        (small.folder / "scores.txt").write_bytes(b"")
    files = [*run.glob("score/results/*/*"), *run.glob("score/manifests/*"), *run.glob("score/queues/*")]
    files += [path for name in (*RECORDS, "../verdict.json") if (path := run / "score" / name).exists()]
    for path in draw.sample(files, draw.randrange(1, len(files))):
        _tear(path, draw)
    mended = small.fanout("resume", "r")
    assert mended.code == 0, mended.said
    assert small.output() == expected(FILES)
    again = small.fanout("resume", "r")
    assert "made again" not in again.said
    assert small.output() == expected(FILES)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--set", "jobs.score.mini_batch_error_threshold=-1"), 0, "5 of 16 mini-batches failed"),
        (("--set", "jobs.score.mini_batch_error_threshold=4"), 1, "more than mini_batch_error_threshold 4 allows"),
        (("--set", "jobs.score.mini_batch_error_threshold=5"), 0, "Completed with failures"),
        (("--set", "jobs.score.error_threshold=4"), 1, "failed items: 5, more than error_threshold 4 allows"),
    ],
)
def test_thresholds_at_their_edges(small: Any, arguments: tuple[str, ...], code: int, words: str) -> None:
    """A threshold of n allows n, as the reference's table says; -1 allows all."""
    small.write(
        "src/score.py",
        """\
        def run(mini_batch, context):
            if context.minibatch_index < 5:
                raise ValueError("one of five")
            return [p.rpartition("/")[2] for p in mini_batch]
        """,
    )
    ended = small.fanout("run", "pipeline.yml", "--set", "jobs.score.retry_settings.max_retries=0", *arguments)
    assert ended.code == code, ended.said
    assert words in ended.said
