"""Wrong pipeline files, each with exactly what is said about them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import SpecError
from fanout.pipeline.load import load_pipeline

Refuse = Callable[..., list[str]]

HEAD = "type: pipeline\ninputs: {n: 7, t: abc, d: {path: ./data}}\noutputs: {o: }\njobs:\n"


def parallel(step: str = "", task: str = "", inputs: str = "", outputs: str = "out: ") -> str:
    """A file whose line 5 is the step's name, and whose lines 10 and 11 hold `step` and the task."""
    return f"""{HEAD}  score:
    type: parallel
    inputs: {{files: {{path: ./data}}, {inputs}}}
    outputs: {{{outputs}}}
    input_data: ${{{{inputs.files}}}}
    {step}
    task: {{type: run_function, code: ./src, entry_script: score.py, {task}}}
"""


def command(rest: str) -> str:
    """A file whose line 5 is a command step."""
    return f"{HEAD}  a: {{{rest}}}\n"


SETTINGS = [
    ("error_threshold: abc", "error_threshold: expected a whole number of at least -1, found 'abc'"),
    ("error_threshold: -5", "error_threshold: expected a whole number of at least -1, found '-5'"),
    ("error_threshold: 1.5", "error_threshold: expected a whole number of at least -1, found '1.5'"),
    ("error_threshold: true", "error_threshold: expected a whole number of at least -1, found 'true'"),
    (
        "error_threshold: ${{parent.inputs.t}}",
        "error_threshold: expected a whole number of at least -1, found 'abc' (the value of ${{parent.inputs.t}})",
    ),
    ("error_threshold: ${{parent.inputs.d}}", "error_threshold: ${{parent.inputs.d}} is data; a setting takes a value"),
    (
        "error_threshold: ${{parent.inputs.m}}",
        "error_threshold: the pipeline has no input 'm'; there is 'n', 't' or 'd'",
    ),
    ("error_treshold: 1", "error_treshold: unknown key; did you mean 'error_threshold'?"),
    ("vectorize: true", "vectorize: unknown key"),
    ("program_arguments: --x 1", "program_arguments: unknown key here; it belongs under task"),
    ("timeout: 5", "timeout: unknown key here; it belongs under retry_settings"),
    ("instance_count: 2", "instance_count: unknown key here; it belongs under resources"),
    ("max_concurrency_per_instance: all", "max_concurrency_per_instance: expected a whole number, found 'all'"),
    (
        "mini_batch_size: 10tb",
        "mini_batch_size: expected a whole number, with kb, mb or gb behind it for bytes ('10', '10kb'), found '10tb'",
    ),
    (
        "mini_batch_size: -1",
        "mini_batch_size: expected a whole number, with kb, mb or gb behind it for bytes ('10', '10kb'), found '-1'",
    ),
    (
        "mini_batch_size: 2kbkb",
        "mini_batch_size: expected a whole number, with kb, mb or gb behind it for bytes ('10', '10kb'), found '2kbkb'",
    ),
    ("partition_keys: a,b", "partition_keys: expected a list of texts, found 'a,b'"),
    ("logging_level: debug", "logging_level: expected 'WARNING', 'INFO' or 'DEBUG', found 'debug'"),
    ("mini_batch_rows: 0", "mini_batch_rows: expected a whole number of at least 1, found '0'"),
    ("compute: [a]", "compute: expected text, found a list"),
    ("isolate_failures: 2", "isolate_failures: expected true or false, found '2'"),
    ("speculate: [true]", "speculate: expected true or false, found a list"),
    (
        "mini_batch_error_threshold: 2147483648",
        ("mini_batch_error_threshold: expected a whole number of at most 2147483647, found '2147483648'"),
    ),
    ("mini_batch_timeout: 10", "mini_batch_timeout: unknown key here; it is called retry_settings.timeout"),
    ("mini_batch_max_retries: 1", "mini_batch_max_retries: unknown key here; it is called retry_settings.max_retries"),
    (
        "allowed_failed_percent: 10",
        (
            "allowed_failed_percent: unknown key here; it is a program argument: "
            "program_arguments: --allowed_failed_percent 10"
        ),
    ),
    ("isolate_failure: true", "isolate_failure: unknown key; did you mean 'isolate_failures'?"),
]


@pytest.mark.parametrize(("line", "message"), SETTINGS)
def test_a_wrong_setting_of_a_parallel_step(refuse: Refuse, line: str, message: str) -> None:
    """Place, key path, what would be right, what was found."""
    [problem] = refuse(parallel(line))
    place, _, said = problem.partition(": jobs.score.")
    assert said == message
    assert place.startswith("pipeline.yml:10:")


NESTED = [
    (
        "retry_settings: {max_retries: -1}",
        "retry_settings.max_retries: expected a whole number of at least 0, found '-1'",
    ),
    (
        "retry_settings: {timeout: 0}",
        "retry_settings.timeout: expected a number above 0 and at most 259200, found '0'",
    ),
    (
        "retry_settings: {timeout: 999999}",
        "retry_settings.timeout: expected a number above 0 and at most 259200, found '999999'",
    ),
    ("retry_settings: {retries: 1}", "retry_settings.retries: unknown key; did you mean 'max_retries'?"),
    ("resources: {instance_count: 0}", "resources.instance_count: expected a whole number of at least 1, found '0'"),
    ("environment_variables: {A: [1]}", "environment_variables.A: expected text, found a list"),
    ("partition_keys: [a, a]", "partition_keys: 'a' is in the list twice"),
    (
        "mini_batch_size: '5'\n    mini_batch_rows: 5",
        "mini_batch_rows: mini_batch_rows and mini_batch_size exclude each other; keep one of them",
    ),
    ("depends_on: [scroe]", "depends_on: there is no step 'scroe'"),
    ("depends_on: [score]", "depends_on: a step cannot wait for itself"),
]


@pytest.mark.parametrize(("line", "message"), NESTED)
def test_a_wrong_value_further_down(refuse: Refuse, line: str, message: str) -> None:
    """The key path leads to it."""
    [problem] = refuse(parallel(line))
    assert problem.partition(": jobs.score.")[2] == message


TASKS = [
    ("append_row_to: '${{outputs.oot}}'", "append_row_to: the step has no output 'oot'; did you mean 'out'?"),
    ("append_row_to: out", "append_row_to: expected ${{outputs.name}}, found 'out'; did you mean ${{outputs.out}}?"),
    (
        "program_arguments: '--x ${{inputs.nope}}'",
        "program_arguments: the step has no input 'nope'; there is 'files', 'opt' or 'k'",
    ),
    (
        "program_arguments: '--x ${{parent.inputs.n}}'",
        "program_arguments: expected ${{inputs.name}} or ${{outputs.name}}, found '${{parent.inputs.n}}'",
    ),
    (
        "program_arguments: '--x ${{inputs.opt}}'",
        "program_arguments: optional input 'opt' must stand in a group: $[[--option ${{inputs.opt}}]]",
    ),
    ('program_arguments: "--x \'a"', "program_arguments: cannot be split into arguments: no closing quotation"),
    ("program_arguments: --error_threshold", "program_arguments --error_threshold: needs a value"),
    ("program_arguments: --error_threshold --x", "program_arguments --error_threshold: needs a value"),
    (
        "program_arguments: --allowed_failed_percent 101",
        "program_arguments --allowed_failed_percent: expected a number from 0 to 100, found '101'",
    ),
    (
        "program_arguments: --task_overhead_timeout 0",
        "program_arguments --task_overhead_timeout: expected a number above 0 and at most 259200, found '0'",
    ),
    (
        "program_arguments: --copy_logs_to_parent maybe",
        "program_arguments --copy_logs_to_parent: expected true or false, found 'maybe'",
    ),
    (
        "program_arguments: --profiling_module yappi",
        "program_arguments --profiling_module: expected 'cProfile' or 'profile', found 'yappi'",
    ),
    (
        "program_arguments: --append_row_file_name a/b",
        """program_arguments --append_row_file_name: expected the name of a file, without a folder and without any of \
~"#%&*:<>?/\\{|}, found 'a/b'""",
    ),
    (
        "program_arguments: --rank_mini_batch_count many",
        "program_arguments --rank_mini_batch_count: expected a whole number, found 'many'",
    ),
    (
        "program_arguments: --amlbi_file_format csv",
        "program_arguments --amlbi_file_format: expected 'jsonl', found 'csv'",
    ),
    ("entry_point: x", "entry_point: unknown key; did you mean 'entry_script'?"),
]


@pytest.mark.parametrize(("line", "message"), TASKS)
def test_a_wrong_task(refuse: Refuse, line: str, message: str) -> None:
    """Templates and the arguments that are settings are checked like everything else."""
    [problem] = refuse(parallel(inputs="opt: {type: string, optional: true}, k: 1", task=line))
    assert problem.partition(": jobs.score.task.")[2] == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("score.py", "scroe.py", "entry_script: there is no 'scroe.py' in 'src'; did you mean 'score.py'?"),
        ("score.py", "a" * 300 + ".py", f"entry_script: there is no '{'a' * 59}…' in 'src'; there is 'score.py'"),
        ("score.py", "../score.py", "entry_script: '../score.py' must be a path inside the code folder"),
        ("score.py", "score.sh x", "entry_script: expected a Python file or a dotted module name, found 'score.sh x'"),
        ("code: ./src, ", "", "entry_script: 'score.py' needs task.code, the folder that holds it"),
        ("./src", "./one.csv", "code: code folder 'one.csv' is a file; give the folder that holds it"),
        ("./src", "./nope", "code: code folder 'nope' does not exist"),
        ("./src", "git+https://x/y", "code: 'git+https://x/y' is not on this machine; give the path of a local folder"),
        ("run_function", "runfn", "type: expected 'run_function' or 'function', found 'runfn'"),
        (
            "run_function",
            "model",
            "type: task type 'model' is not supported; write an entry script and type: run_function",
        ),
    ],
)
def test_an_entry_script_that_is_not_there(refuse: Refuse, old: str, new: str, message: str) -> None:
    """Found before anything starts."""
    [problem] = refuse(parallel().replace(old, new))
    assert problem.partition(": jobs.score.task.")[2] == message


@pytest.mark.parametrize(
    ("inputs", "name", "message"),
    [
        ("k: 3", "k", "input 'k' is a value, not data; input_data takes a uri_folder, a uri_file or an mltable"),
        ("e: {optional: true}", "e", "input 'e' has no value; input_data takes a uri_folder, a uri_file or an mltable"),
        ("", "fils", "the step has no input 'fils'; did you mean 'files'?"),
    ],
)
def test_a_major_input_that_cannot_be_cut(refuse: Refuse, inputs: str, name: str, message: str) -> None:
    """input_data names a folder or a table."""
    text = parallel(inputs=inputs).replace("input_data: ${{inputs.files}}", f"input_data: ${{{{inputs.{name}}}}}")
    [problem] = refuse(text)
    assert problem.startswith(f"pipeline.yml:9:17: jobs.score.input_data: {message}")


INPUTS = [
    ("{path: ./nope}", "path: 'nope' does not exist"),
    ("{path: ./one.csv}", "path: 'one.csv' is a file; for a file write type: uri_file"),
    ("{path: ./src, type: uri_file}", "path: 'src' is a folder; for a folder write type: uri_folder"),
    (
        "{path: ./data, type: mltable}",
        "path: 'data' holds no file named MLTable, which is what makes a folder an mltable",
    ),
    (
        "{path: ./data, mode: rw_mount}",
        "mode: expected 'ro_mount', 'download', 'direct', 'eval_mount' or 'eval_download', found 'rw_mount'",
    ),
    (
        "{path: ./data, type: uri_folder, mode: eval_mount}",
        "mode: expected 'ro_mount', 'download' or 'direct' for uri_folder, found 'eval_mount'",
    ),
    ("{path: ./data, typ: mltable}", "typ: unknown key; did you mean 'type'?"),
    ("[1, 2]", "expected a value, found a list"),
    ("{path: 'ftp://x/y'}", "path: 'ftp://x/y' has an unknown scheme"),
    ("{path: 's3:///x'}", "path: 's3:///x' names no bucket or host; expected s3://name/path"),
    ("{path: 's3://b/../x'}", "path: 's3://b/../x': '..' is not allowed in a URI"),
    ("{path: 'https://u:secret@h/x'}", "path: the https URI holds a password; credentials belong into the environment"),
    (
        "{path: 'https://h/x?sv=1&sig=abc'}",
        "path: the https URI is signed ('sig' in its query); give the plain one, and credentials in the environment",
    ),
    (
        "{path: 'azureml:data:1'}",
        "path: 'azureml:data:1' is an asset of an Azure workspace, which cannot be looked up here",
    ),
    ("{type: integer, default: x}", "expected a whole number, found 'x'"),
    ("{type: integer, default: 11, max: 10}", "expected a whole number of at most 10, found '11'"),
    ("{type: string, default: c, enum: [a, b]}", "expected 'a' or 'b', found 'c'"),
    ("{type: integer}", "required input 'x' of step 'a' has no value"),
    ("'${{parent.inputs.m}}'", "the pipeline has no input 'm'; there is 'n', 't' or 'd'"),
    ("'${{parent.jobs.b.outputs.y}}'", "there is no step 'b'; there is 'a'"),
    ("'${{parent.jobs.a.outputs.y}}'", "step 'a' has no output 'y'; there is 'z'"),
    ("'${{parent.jobs.a.inputs.x}}'", "${{parent.jobs.a.inputs.x}} leads back to itself"),
    (
        "'a-${{parent.inputs.n}}'",
        "expected ${{parent.inputs.name}} or ${{parent.jobs.step.outputs.name}}, as the whole value, found",
    ),
    (
        "{type: uri_folder, path: '${{parent.inputs.n}}'}",
        "${{parent.inputs.n}} is a value; expected data of type uri_folder",
    ),
    (
        "{type: mltable, path: '${{parent.inputs.d}}'}",
        "'data' holds no file named MLTable, which is what makes a folder an mltable",
    ),
]


@pytest.mark.parametrize(("value", "message"), INPUTS)
def test_a_wrong_input(refuse: Refuse, value: str, message: str) -> None:
    """Missing data, wrong modes and types, bindings that lead nowhere."""
    [problem] = refuse(command(f"command: echo, outputs: {{z: }}, inputs: {{x: {value}}}"))
    assert message in problem
    assert ": jobs.a.inputs.x" in problem


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("x-y: 1", "jobs.a.inputs.x-y: 'x-y' is no name; it takes letters, digits and underscores"),
        ("x: 1, X: 2", "jobs.a.inputs.X: 'X' and 'x' differ only in case"),
        ("PATH: 1", "jobs.a.inputs.PATH: 'PATH' is a reserved name; choose another one"),
    ],
)
def test_a_wrong_input_name(refuse: Refuse, names: str, message: str) -> None:
    """Names are what programs and shells can take."""
    [problem] = refuse(command(f"command: echo, inputs: {{{names}}}"))
    assert problem.endswith(message)


OUTPUTS = [
    ("{type: string}", "type: an output of type string is not supported; a step hands over files"),
    ("{mode: ro_mount}", "mode: expected 'mount', 'upload', 'rw_mount' or 'direct', found 'ro_mount'"),
    (
        "{path: '${{nam}}/x'}",
        "expected a path, in which ${{default_datastore}}, ${{name}} and ${{output_name}} may stand",
    ),
    ("{path: ./one.csv}", "'one.csv' is a file, and a uri_folder output is a folder; write type: uri_file"),
    ("{path: ./data, type: uri_file}", "'data' is a folder, and a uri_file output is a file"),
    ("'${{parent.outputs.p}}'", "the pipeline has no output 'p'; there is 'o'"),
    ("'${{parent.inputs.n}}'", "expected ${{parent.outputs.name}}, found '${{parent.inputs.n}}'"),
    ("./x", "expected a mapping, found './x'"),
]


@pytest.mark.parametrize(("value", "message"), OUTPUTS)
def test_a_wrong_output(refuse: Refuse, value: str, message: str) -> None:
    """Types, modes, macros and bindings that do not exist, and places that are taken."""
    [problem] = refuse(command(f"command: echo, outputs: {{x: {value}}}"))
    assert message in problem
    assert ": jobs.a.outputs.x" in problem


def test_two_outputs_in_one_place(refuse: Refuse) -> None:
    """Neither one path nor one output of the pipeline can take two."""
    text = HEAD + "  a: {command: x, outputs: {p: {path: ./w}, q: '${{parent.outputs.o}}'}}\n"
    text += "  b: {command: x, outputs: {p: {path: w/}, q: '${{parent.outputs.o}}'}}\n"
    first, second = refuse(text)
    assert "jobs.b.outputs.p: goes to the same place as jobs.a.outputs.p: file://" in first
    assert "jobs.b.outputs.q: goes to the same place as jobs.a.outputs.q: pipeline output o" in second


def test_a_cycle_is_named(refuse: Refuse) -> None:
    """All its steps, in the order in which they would wait."""
    text = HEAD
    for step, other in ("ab", "bc", "ca"):
        binding = f"${{{{parent.jobs.{other}.outputs.y}}}}"
        text += f"  {step}: {{command: echo, inputs: {{x: '{binding}'}}, outputs: {{y: }}}}\n"
    [problem] = refuse(text)
    assert problem == "pipeline.yml:5:3: jobs.a: steps wait for each other in a circle: a -> c -> b -> a"


def test_a_step_that_reads_itself(refuse: Refuse) -> None:
    """The shortest cycle."""
    text = command("command: echo, inputs: {x: '${{parent.jobs.a.outputs.y}}'}, outputs: {y: }")
    assert refuse(text) == ["pipeline.yml:5:3: jobs.a: reads its own output"]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("jobs: {a: {command: x}}", ["pipeline.yml:1:1: type: missing; expected 'pipeline'"]),
        (
            "type: parallel\njobs: {a: {command: x}}",
            [
                (
                    "pipeline.yml:1:7: type: expected 'pipeline', found 'parallel': "
                    "a component or job runs as a step under jobs"
                )
            ],
        ),
        ("type: pipeline", ["pipeline.yml:1:1: jobs: missing; expected at least one step"]),
        ("type: pipeline\njobs: [a]", ["pipeline.yml:2:7: jobs: expected a mapping, found a list"]),
        ("- a", ["pipeline.yml:1:1: expected a mapping, found a list"]),
        (
            "type: pipeline\ncomponent: ./x.yml",
            ["pipeline.yml:2:12: component: there is no component file 'x.yml'"],
        ),
        (
            "type: pipeline\nname: a/b\njob: 1\njobs: {a: {command: x}}",
            [
                "pipeline.yml:2:7: name: expected a name of letters, digits, '-' and '_', found 'a/b'",
                "pipeline.yml:3:1: job: unknown key; did you mean 'jobs'?",
            ],
        ),
        (
            "type: pipeline\ninputs: {k: {type: integer}, b: '${{parent.inputs.k}}'}\njobs: {a: {command: x}}",
            [
                "pipeline.yml:2:13: inputs.k: required input 'k' has no value",
                "pipeline.yml:2:33: inputs.b: expected a value: an input of the pipeline cannot be an expression",
            ],
        ),
    ],
)
def test_a_wrong_top_level(refuse: Refuse, text: str, problems: list[str]) -> None:
    """All problems, in the order of the file."""
    assert refuse(text) == problems


@pytest.mark.parametrize(
    "kind", ["sweep", "spark", "automl", "import", "data_transfer", "do_while", "if_else", "parallel_for"]
)
def test_other_kinds_of_steps_are_refused_in_a_sentence(refuse: Refuse, kind: str) -> None:
    """And nothing else is said about them."""
    [problem] = refuse(command(f"type: {kind}, whatever: 1"))
    assert problem.startswith("pipeline.yml:5:13: jobs.a.type: a")
    assert problem.endswith("is not supported; there are command and parallel steps, and pipeline components")


def test_a_command_needs_its_command_and_names_that_exist(refuse: Refuse) -> None:
    """Undefined names in the command line, and places where no value is safe."""
    assert refuse(command("inputs: {x: 1}")) == [
        "pipeline.yml:5:6: jobs.a.command: missing; expected the command line to run"
    ]
    assert refuse(command("command: 'echo ${{inputs.y}}', inputs: {x: 1}")) == [
        "pipeline.yml:5:16: jobs.a.command: the step has no input 'y'; there is 'x'"
    ]
    [problem] = refuse(command("command: 'echo `cat ${{inputs.x}}`', inputs: {x: a b}"))
    assert problem.startswith(
        "pipeline.yml:5:16: jobs.a.command: ${{inputs.x}} cannot be filled in safely: "
        "its value is text with ' ' in it, and the command has a backtick. Let it stand as a word of its own"
    )


def test_a_step_name_is_checked(refuse: Refuse) -> None:
    """Names become folders and queues."""
    [problem] = refuse(HEAD + "  Batch-Prediction: {command: x}\n")
    assert problem == (
        "pipeline.yml:5:3: jobs.Batch-Prediction: 'Batch-Prediction' is no step name; "
        "it takes lower-case letters, digits and underscores, no digit first; try 'batch_prediction'"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            parallel(task="mini_batch_size: '5'"),
            "11:69: jobs.score.task.mini_batch_size: unknown key here; it belongs to the step, beside task",
        ),
        (
            parallel(task="args: --x 1"),
            "11:69: jobs.score.task.args: unknown key here; write program_arguments",
        ),
        (
            command("command: x, timeout: 5"),
            "5:19: jobs.a.timeout: unknown key here; it belongs under limits",
        ),
        (
            "force_rerun: true\n" + command("command: x"),
            "1:1: force_rerun: unknown key here; it belongs under settings",
        ),
        (
            "type: command\ncommand: echo\ninputs: {x: {type: integer}}\nversion: 1\n",
            "1:7: type: expected 'pipeline', found 'command': a component or job runs as a step under jobs",
        ),
    ],
)
def test_a_key_in_the_wrong_place_is_told_where_it_belongs(refuse: Refuse, text: str, problem: str) -> None:
    """Also a whole file: one sentence, not one for each of its keys."""
    assert refuse(text) == [f"pipeline.yml:{problem}"]


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("{{parent.inputs.d}}", "{{parent.inputs.d}} lacks its dollar sign: ${{parent.inputs.d}}"),
        (
            "${{parent.input.d}}",
            (
                "expected ${{parent.inputs.name}} or ${{parent.jobs.step.outputs.name}}, as the whole value, "
                "found '${{parent.input.d}}'"
            ),
        ),
        (
            "{path: 'azureml://datastores/blobs/paths/${{name}}/x'}",
            (
                "${{name}} and the like stand in paths of outputs only; an input takes a path or "
                "${{parent.inputs.name}} or ${{parent.jobs.step.outputs.name}}, as the whole value"
            ),
        ),
    ],
)
def test_a_wrong_binding_is_one_problem(refuse: Refuse, binding: str, message: str) -> None:
    """What makes use of the input, be it the major one, is not told of again."""
    text = parallel().replace("inputs: {files: {path: ./data}, }", f"inputs:\n      files: {binding}")
    [problem] = refuse(text)
    assert problem.endswith(f": {message}")


def test_a_folder_is_no_pipeline_file(tmp_path: Path) -> None:
    """The file that is meant is most likely in it."""
    (tmp_path / "pipeline.yml").touch()
    with pytest.raises(SpecError, match=r"Is a directory; name the file: .*pipeline\.yml"):
        load_pipeline(tmp_path)


def test_all_problems_of_a_file_come_at_once_and_in_its_order(refuse: Refuse) -> None:
    """One round of corrections, not one a problem."""
    text = parallel("error_threshold: x", task="append_row_to: '${{outputs.p}}', foo: 1", inputs="m: {path: ./no}")
    problems = refuse(text)
    assert [problem.split(": ")[1] for problem in problems] == [
        "jobs.score.inputs.m.path",
        "jobs.score.error_threshold",
        "jobs.score.task.append_row_to",
        "jobs.score.task.foo",
    ]


def test_the_number_of_problems_is_bounded(refuse: Refuse) -> None:
    """A hundred are enough to know."""
    assert len(refuse("type: pipeline\n" + "".join(f"k{i}: 1\n" for i in range(5000)))) == 100
