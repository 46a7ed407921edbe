"""Component files: where their paths start, what a step may override, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.pipeline.model import CommandStep, LiteralInput, MiniBatchSize, ParallelStep, Pipeline

Load = Callable[..., Pipeline]
Refuse = Callable[..., list[str]]

PARALLEL = """
type: parallel
name: score
version: 1
inputs:
  files: {type: uri_folder}
  size: {type: integer, default: 4}
outputs:
  out: {type: uri_folder}
input_data: ${{inputs.files}}
mini_batch_size: ${{inputs.size}}
retry_settings: {max_retries: 7, timeout: 10}
error_threshold: 3
isolate_failures: true
speculate: true
logging_level: DEBUG
task:
  type: run_function
  code: ../src
  entry_script: score.py
  append_row_to: ${{outputs.out}}
"""


def using(step: str = "", inputs: str = "files: {path: ./data, type: uri_folder}", path: str = "comp/c.yml") -> str:
    """A pipeline of one step that uses a component."""
    return f"type: pipeline\njobs:\n  a: {{component: {path}, inputs: {{{inputs}}}, {step}}}\n"


@pytest.mark.parametrize("path", ["comp/c.yml", "./comp/c.yml", "file:comp/c.yml", "file:./comp/../comp/c.yml"])
def test_a_parallel_component(load: Load, folder: Path, path: str) -> None:
    """With or without file:; its paths start from its own folder, its settings may bind to its inputs."""
    [step] = load(using(path=path), comp__c_yml=PARALLEL).steps
    assert isinstance(step, ParallelStep)
    assert step.task.code == str(folder / "src")
    assert (step.mini_batch_size, step.retry_settings.max_retries) == (MiniBatchSize(4), 7)
    assert (step.thresholds.error_threshold, step.logging_level) == (3, "DEBUG")
    assert step.outputs.keys() == {"out"}


def test_the_step_s_keys_win_each_as_a_whole(load: Load) -> None:
    """An explicit 0 of error_threshold included; what the step leaves null stays the component's."""
    text = using("type: parallel, error_threshold: 0, retry_settings: {timeout: 5}, speculate: false, logging_level: ")
    [step] = load(text, comp__c_yml=PARALLEL).steps
    assert isinstance(step, ParallelStep)
    assert step.thresholds.error_threshold == 0
    assert (step.retry_settings.max_retries, step.retry_settings.timeout) == (2, 5)
    assert step.logging_level == "DEBUG"
    assert (step.isolate_failures, step.speculate) == (True, False)


def test_what_counts_as_not_written_beside_a_component(load: Load) -> None:
    """Azure's SDK joins these keys by Python's `or`; the file says so, since a 0 looks like a threshold."""
    component = PARALLEL.replace("error_threshold: 3", "mini_batch_error_threshold: 5\nmax_concurrency_per_instance: 4")
    pipeline = load(
        using(
            "mini_batch_error_threshold: 0, max_concurrency_per_instance: 0, mini_batch_size: '0', partition_keys: []"
        ),
        comp__c_yml=component,
    )
    [step] = pipeline.steps
    assert isinstance(step, ParallelStep)
    assert step.thresholds.mini_batch_error_threshold == 5
    assert step.max_concurrency_per_instance == 4
    assert step.mini_batch_size == MiniBatchSize(4)
    assert (
        "jobs.a.mini_batch_error_threshold: '0' beside a component counts as not written, as on Azure: "
        "the component's '5' is used"
    ) in pipeline.notices


def test_without_the_component_s_word_a_zero_is_one(load: Load) -> None:
    """No mini-batch may fail."""
    [step] = load(using("mini_batch_error_threshold: 0"), comp__c_yml=PARALLEL).steps
    assert isinstance(step, ParallelStep)
    assert step.thresholds.mini_batch_error_threshold == 0


def test_a_component_on_the_spot(load: Load) -> None:
    """A mapping in place of a path; command is what it is without a type."""
    component = "{command: 'echo ${{inputs.x}}', inputs: {x: {type: number, default: 1.5}}}"
    text = f"type: pipeline\njobs: {{a: {{component: {component}}}}}"
    [step] = load(text).steps
    assert isinstance(step, CommandStep)
    assert step.inputs == {"x": LiteralInput(1.5)}


INPUTS = "{command: x, inputs: {x: {type: integer, min: 1, max: 5}, m: {type: string, enum: [a, b], optional: true}}}"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("", "jobs.a.inputs.x: required input 'x' of step 'a' has no value"),
        ("x: 6", "jobs.a.inputs.x: expected a whole number of at least 1 and at most 5, found '6'"),
        ("x: a", "jobs.a.inputs.x: expected a whole number of at least 1 and at most 5, found 'a'"),
        ("x: 1, m: c", "jobs.a.inputs.m: expected 'a' or 'b', found 'c'"),
        ("x: 1, n: c", "jobs.a.inputs.n: the component of step 'a' has no input 'n'; there is 'x' or 'm'"),
        (
            "x: '${{parent.inputs.p}}'",
            (
                "jobs.a.inputs.x: expected a whole number of at least 1 and at most 5, "
                "found '9' (the value of ${{parent.inputs.p}})"
            ),
        ),
        (
            "x: '${{parent.inputs.d}}'",
            "jobs.a.inputs.x: ${{parent.inputs.d}} is data (uri_folder); expected a value of type integer",
        ),
    ],
)
def test_inputs_must_be_what_the_component_declares(refuse: Refuse, given: str, message: str) -> None:
    """Required, in range, one of the words, and known."""
    head = "type: pipeline\ninputs: {p: 9, d: {path: ./data}}\n"
    text = head + f"jobs: {{a: {{component: {INPUTS}, inputs: {{{given}}}}}}}"
    [problem] = refuse(text)
    assert problem.endswith(message)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("comp/none.yml", "there is no component file 'comp/none.yml'"),
        (
            "'azureml:score:1'",
            "'azureml:score:1' is in an Azure workspace or registry; give the path of a local component file",
        ),
        (
            "azureml://registries/azureml/components/x/labels/latest",
            (
                "'azureml://registries/azureml/components/x/labels/latest' is in an Azure workspace or registry; "
                "give the path of a local component file"
            ),
        ),
        (
            "./flow.dag.yaml",
            "a prompt flow is not supported as a component; write a parallel or command component",
        ),
        ("[1]", "expected the path of a component file, found a list"),
    ],
)
def test_a_component_that_cannot_be_had(refuse: Refuse, path: str, message: str) -> None:
    """One sentence, and no further problems from what cannot be known."""
    text = using(path=path, inputs="x: 1") + "  b: {command: x, inputs: {x: '${{parent.jobs.a.outputs.o}}'}}\n"
    [problem] = refuse(text)
    assert problem.startswith("pipeline.yml:3:18: jobs.a.component: ")
    assert problem.endswith(message)


@pytest.mark.parametrize("content", ["flow: ./web\ndata: ./x.jsonl\n", "inputs: {u: {type: string}}\nnodes: []\n"])
def test_a_prompt_flow_is_told_by_what_is_in_it(refuse: Refuse, content: str) -> None:
    """A flow, or the description of a run of one, under any name."""
    [problem] = refuse(using("type: parallel"), comp__c_yml=content)
    assert problem.endswith(
        "component: a prompt flow is not supported as a component; write a parallel or command component"
    )


def test_code_beside_the_task_of_a_component(load: Load, folder: Path) -> None:
    """Published components name it there, and it is what they run; under task it wins."""
    text = PARALLEL.replace("  code: ../src\n", "") + "code: ../src\n"
    pipeline = load(using(), comp__c_yml=text)
    [step] = pipeline.steps
    assert isinstance(step, ParallelStep)
    assert step.task.code == str(folder / "src")
    assert "code: taken as task.code, where it belongs" in pipeline.notices
    both = load(using(), comp__c_yml=PARALLEL + "code: ../nowhere\n")
    assert "code: has no effect here: task.code counts" in both.notices


def test_problems_in_a_component_file_are_placed_there(refuse: Refuse) -> None:
    """With its name, its lines, and the step's key path where keys were merged."""
    content = PARALLEL.replace("error_threshold: 3", "error_treshold: 3").replace("../src", "./src")
    assert refuse(using(), comp__c_yml=content) == [
        "comp/c.yml:13:1: jobs.a.error_treshold: unknown key; did you mean 'error_threshold'?",
        "comp/c.yml:19:9: task.code: code folder 'comp/src' does not exist",
    ]


def test_the_step_s_type_must_be_the_component_s(refuse: Refuse) -> None:
    """A wrong type beside a component is a mistake in one of the two."""
    [problem] = refuse(using("type: command"), comp__c_yml=PARALLEL)
    assert problem.endswith("jobs.a.type: expected 'parallel', the type of the component, found 'command'")
