"""`--set`: values that replace those of the file, and their problems, which name the option."""

from collections.abc import Callable

import pytest

from fanout.pipeline.model import ParallelStep, Pipeline

Load = Callable[..., Pipeline]
Refuse = Callable[..., list[str]]

TEXT = """\
type: pipeline
jobs:
  score:
    type: parallel
    inputs: {files: {path: ./table, type: mltable}}
    input_data: ${{inputs.files}}
    partition_keys: [a, b]
    task: {type: run_function, code: ./src, entry_script: score.py}
"""


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("jobs.score.resources.instance_count=3", lambda s: s.instance_count, 3),
        ("jobs.score.partition_keys.1=c", lambda s: s.partition_keys, ("a", "c")),
        ("jobs.score.partition_keys.2=c", lambda s: s.partition_keys, ("a", "b", "c")),
        ("jobs.score.partition_keys=[x, y]", lambda s: s.partition_keys, ("x", "y")),
        ("jobs.score.retry_settings={max_retries: 0, timeout: 1}", lambda s: s.retry_settings.max_retries, 0),
        ("jobs.score.logging_level=DEBUG", lambda s: s.logging_level, "DEBUG"),
        ("jobs.score.environment_variables.A='1'", lambda s: s.environment_variables, {"A": "1"}),
        ("jobs.score.display_name=a=b", lambda s: s.display_name, "a=b"),
        ("jobs.score.partition_keys=", lambda s: s.partition_keys, ()),
    ],
)
def test_a_value_is_set(load: Load, override: str, read: Callable[[ParallelStep], object], value: object) -> None:
    """By key or index, created where missing, with the type that YAML gives it."""
    [step] = load(TEXT, [override]).steps
    assert isinstance(step, ParallelStep)
    assert read(step) == value


def test_later_options_win_and_see_earlier_ones(load: Load) -> None:
    """They are applied in the order written."""
    overrides = ["jobs.score.error_threshold=1", "jobs.score.error_threshold=2", "jobs.score.resources={}"]
    [step] = load(TEXT, [*overrides, "jobs.score.resources.instance_count=2"]).steps
    assert isinstance(step, ParallelStep)
    assert (step.thresholds.error_threshold, step.instance_count) == (2, 2)


def test_a_relative_path_starts_from_the_pipeline_s_folder(load: Load, folder: object) -> None:
    """As if it stood in the file."""
    [step] = load(TEXT, ["jobs.score.task.code=./src"]).steps
    assert isinstance(step, ParallelStep)
    assert step.task.code == f"{folder}/src"


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        (
            "jobs.score.error_threshold=x",
            (
                "--set jobs.score.error_threshold=x:1:28: jobs.score.error_threshold: "
                "expected a whole number of at least -1, found 'x'"
            ),
        ),
        (
            "jobs.score.eror_threshold=1",
            (
                "--set jobs.score.eror_threshold=1:1:12: jobs.score.eror_threshold: "
                "unknown key; did you mean 'error_threshold'?"
            ),
        ),
        ("jobs", "--set jobs:1:1: expected a dotted path, '=' and a value: jobs.score.compute=local"),
        ("=1", "--set =1:1:1: expected a dotted path, '=' and a value: jobs.score.compute=local"),
        ("a..b=1", "--set a..b=1:1:1: expected a dotted path, '=' and a value: jobs.score.compute=local"),
        (
            "jobs.scor.mini_batch_rows=1",
            (
                "--set jobs.scor.mini_batch_rows=1:1:6: jobs.scor.mini_batch_rows: "
                "there is no step 'scor'; did you mean 'score'?"
            ),
        ),
        ("type.x=1", "--set type.x=1:1:6: type.x: type is 'pipeline', no mapping"),
        (
            "jobs.score.partition_keys.7=c",
            (
                "--set jobs.score.partition_keys.7=c:1:27: jobs.score.partition_keys.7: "
                "expected an index from 0 to 2 into a list, found '7'"
            ),
        ),
        (
            "jobs.score.retry_settings={timeout: 0}",
            (
                "--set jobs.score.retry_settings={timeout: 0}:1:37: jobs.score.retry_settings.timeout: "
                "expected a number above 0 and at most 259200, found '0'"
            ),
        ),
    ],
)
def test_a_problem_names_the_option(refuse: Refuse, override: str, problem: str) -> None:
    """The column counts from where the path starts."""
    assert refuse(TEXT, [override]) == [problem]


def test_a_number_needs_no_quotes_on_the_command_line(load: Load) -> None:
    """What Azure wants in its files is no matter there."""
    pipeline = load(TEXT, ["jobs.score.partition_keys=", "jobs.score.mini_batch_size=20000"])
    assert pipeline.notices == ()


def test_a_value_that_is_no_yaml_is_told_with_the_option(refuse: Refuse) -> None:
    """The same door as for the file."""
    [problem] = refuse(TEXT, ["jobs.score.compute=[a"])
    assert problem.startswith("--set jobs.score.compute=[a:1:22: not YAML: while parsing a flow sequence")
