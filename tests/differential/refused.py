"""Pipeline files that fanout refuses: what it says, and what Azure's SDK says of the same file.

Of each row the two sentences are asserted as they stand, so that the table stays true; test_refused.py says what makes
ours the clearer one.
"""

from dataclasses import dataclass

HEAD = """type: pipeline
settings: {default_compute: azureml:cpu}
inputs: {n: 7, word: abc, files: {type: uri_folder, path: ./data}}
outputs: {rows: {type: uri_file}}
jobs:
"""


def parallel(line: str = "", task: str = "entry_script: score.py", input_data: str = "${{inputs.files}}") -> str:
    """A file whose line 11 is `line`, in a parallel step; its task is in line 12."""
    return f"""{HEAD}  score:
    type: parallel
    inputs: {{files: "${{{{parent.inputs.files}}}}"}}
    outputs: {{rows: {{type: uri_file}}}}
    input_data: {input_data}
    {line}
    task: {{type: run_function, code: ./src, environment: "azureml:any:1", {task}}}
"""


def command(line: str, command: str = "ls") -> str:
    """A file whose line 9 is `line`, in a command step."""
    return f"""{HEAD}  a:
    command: {command}
    environment: azureml:any:1
    {line}
"""


@dataclass(frozen=True)
class Row:
    """A wrong file; `ours` without the file's name, `azures` a part of what the SDK says, None when it says nothing."""

    name: str
    text: str
    ours: str
    azures: str | None


ROWS = [
    Row(
        "size with a blank unit",
        parallel("mini_batch_size: 10tb"),
        "11:22: jobs.score.mini_batch_size: expected a whole number, with kb, mb or gb behind it for bytes ('10', '10kb'), found '10tb'",
        "Parameter mini_batch_size must follow regex rule ^\\d+([kKmMgG][bB])*$",
    ),
    Row(
        "negative size",
        parallel('mini_batch_size: "-1"'),
        "11:22: jobs.score.mini_batch_size: expected a whole number, with kb, mb or gb behind it for bytes ('10', '10kb'), found '-1'",
        "Parameter mini_batch_size must follow regex rule ^\\d+([kKmMgG][bB])*$",
    ),
    Row(
        "keys that are no list",
        parallel("partition_keys: a,b"),
        "11:21: jobs.score.partition_keys: expected a list of texts, found 'a,b'",
        "jobs.score.partition_keys: Not a valid list.",
    ),
    Row(
        "threshold that is a word",
        parallel("error_threshold: abc"),
        "11:22: jobs.score.error_threshold: expected a whole number of at least -1, found 'abc'",
        "jobs.score.error_threshold: Value passed is not a data binding string:",
    ),
    Row(
        "threshold below -1",
        parallel("error_threshold: -5"),
        "11:22: jobs.score.error_threshold: expected a whole number of at least -1, found '-5'",
        None,
    ),
    Row(
        "level in lower case",
        parallel("logging_level: debug"),
        "11:20: jobs.score.logging_level: expected 'WARNING', 'INFO' or 'DEBUG', found 'debug'",
        "jobs.score.logging_level: Value passed is not a data binding string: d",
    ),
    Row(
        "negative retries",
        parallel("retry_settings: {max_retries: -1}"),
        "11:35: jobs.score.retry_settings.max_retries: expected a whole number of at least 0, found '-1'",
        None,
    ),
    Row(
        "no time at all",
        parallel("retry_settings: {timeout: 0}"),
        "11:31: jobs.score.retry_settings.timeout: expected a number above 0 and at most 259200, found '0'",
        None,
    ),
    Row(
        "no node at all",
        parallel("resources: {instance_count: 0}"),
        "11:33: jobs.score.resources.instance_count: expected a whole number of at least 1, found '0'",
        None,
    ),
    Row(
        "misspelt key",
        parallel("error_treshold: 3"),
        "11:5: jobs.score.error_treshold: unknown key; did you mean 'error_threshold'?",
        "jobs.score.component: Missing data for required field.",
    ),
    Row(
        "setting bound to data",
        parallel("error_threshold: ${{parent.inputs.files}}"),
        "11:22: jobs.score.error_threshold: ${{parent.inputs.files}} is data; a setting takes a value",
        None,
    ),
    Row(
        "setting bound to nothing",
        parallel("error_threshold: ${{parent.inputs.m}}"),
        "11:22: jobs.score.error_threshold: the pipeline has no input 'm'; there is 'n', 'word' or 'files'",
        None,
    ),
    Row(
        "task of another type",
        parallel().replace("run_function", "runfn"),
        "12:18: jobs.score.task.type: expected 'run_function' or 'function', found 'runfn'",
        "jobs.score.task.type: Value 'runfn' passed is not in set ['run_functio",
    ),
    Row(
        "task without a script",
        parallel(task="program_arguments: --x 1"),
        "12:11: jobs.score.task.entry_script: missing; expected the path of a Python file in the code folder",
        None,
    ),
    Row(
        "script that is not there",
        parallel(task="entry_script: scroe.py"),
        "12:89: jobs.score.task.entry_script: there is no 'scroe.py' in 'src'; did you mean 'score.py'?",
        None,
    ),
    Row(
        "code that is not there",
        parallel().replace("./src", "./srcs"),
        "12:38: jobs.score.task.code: code folder 'srcs' does not exist; did you mean 'src'?",
        "jobs.score.task.code: Value passed is not a data binding string: ./src",
    ),
    Row(
        "argument of no input",
        parallel(task="entry_script: score.py, program_arguments: '--x ${{inputs.nope}}'"),
        "12:118: jobs.score.task.program_arguments: the step has no input 'nope'; there is 'files'",
        None,
    ),
    Row(
        "rows into no output",
        parallel(task="entry_script: score.py, append_row_to: '${{outputs.oot}}'"),
        "12:114: jobs.score.task.append_row_to: the step has no output 'oot'; there is 'rows'",
        None,
    ),
    Row(
        "input_data without its braces",
        parallel(input_data="files"),
        "10:17: jobs.score.input_data: expected ${{inputs.name}}, found 'files'; did you mean ${{inputs.files}}?",
        None,
    ),
    Row(
        "input_data that is no input",
        parallel(input_data="${{inputs.file}}"),
        "10:17: jobs.score.input_data: the step has no input 'file'; did you mean 'files'?",
        None,
    ),
    Row(
        "no input_data",
        parallel().replace("    input_data: ${{inputs.files}}\n", ""),
        "7:5: jobs.score.input_data: missing; expected ${{inputs.name}}, the input to cut into mini-batches",
        None,
    ),
    Row(
        "percentage above 100",
        parallel(task="entry_script: score.py, program_arguments: --allowed_failed_percent 101"),
        "12:118: jobs.score.task.program_arguments --allowed_failed_percent: expected a number from 0 to 100, found '101'",
        None,
    ),
    Row(
        "data that is not there",
        parallel().replace("./data", "./dat"),
        "3:59: inputs.files.path: 'dat' does not exist; did you mean 'data'?",
        None,
    ),
    Row(
        "mode of an output on an input",
        command("inputs: {x: {type: uri_folder, path: ./data, mode: rw_mount}}"),
        "9:56: jobs.a.inputs.x.mode: expected 'ro_mount', 'download' or 'direct' for uri_folder, found 'rw_mount'",
        "jobs.a: {'inputs': {'x': {'value': [{'mode': [{'_schema': ['Value pass",
    ),
    Row(
        "mode of a table on a folder",
        command("inputs: {x: {type: uri_folder, path: ./data, mode: eval_mount}}"),
        "9:56: jobs.a.inputs.x.mode: expected 'ro_mount', 'download' or 'direct' for uri_folder, found 'eval_mount'",
        "jobs.a: {'inputs': {'x': {'value': [{'mode': [{'_schema': ['Value pass",
    ),
    Row(
        "input with a hyphen",
        command("inputs: {x-y: 1}"),
        "9:14: jobs.a.inputs.x-y: 'x-y' is no name; it takes letters, digits and underscores",
        None,
    ),
    Row(
        "inputs alike but for case",
        command("inputs: {x: 1, X: 2}"),
        "9:20: jobs.a.inputs.X: 'X' and 'x' differ only in case",
        None,
    ),
    Row(
        "command with an unknown input",
        command("inputs: {x: 1}", "echo ${{inputs.y}}"),
        "7:14: jobs.a.command: the step has no input 'y'; there is 'x'",
        None,
    ),
    Row(
        "optional input outside a group",
        HEAD
        + "  a: {component: {command: 'echo ${{inputs.x}}', environment: 'azureml:x:1', inputs: {x: {type: string, optional: true}}}}\n",
        "6:28: jobs.a.component.command: optional input 'x' must stand in a group: $[[--option ${{inputs.x}}]]",
        None,
    ),
    Row(
        "step that is not there",
        command("inputs: {x: '${{parent.jobs.b.outputs.y}}'}"),
        "9:17: jobs.a.inputs.x: there is no step 'b'; there is 'a'",
        "Failed to find referenced source for input binding ${{parent.jobs.b.ou",
    ),
    Row(
        "step name with capitals",
        command("inputs: {x: 1}").replace("  a:", "  Batch-Prediction:"),
        "6:3: jobs.Batch-Prediction: 'Batch-Prediction' is no step name; it takes lower-case letters, digits and underscores, no digit first; try 'batch_prediction'",
        "jobs.Batch-Prediction: Pipeline node name should be a valid python ide",
    ),
    Row(
        "steps in a circle",
        HEAD
        + "  a: {command: ls, environment: 'azureml:x:1', inputs: {x: '${{parent.jobs.b.outputs.y}}'}, outputs: {y: }}\n"
        + "  b: {command: ls, environment: 'azureml:x:1', inputs: {x: '${{parent.jobs.a.outputs.y}}'}, outputs: {y: }}\n",
        "6:3: jobs.a: steps wait for each other in a circle: a -> b -> a",
        None,
    ),
    Row(
        "step of an unknown type",
        command("type: notebook"),
        "9:11: jobs.a.type: expected 'command', 'parallel' or 'pipeline', found 'notebook'",
        "jobs.a.type: Value 'notebook' passed is not in set ['command', 'import",
    ),
    Row(
        "sweep",
        command("type: sweep"),
        "9:11: jobs.a.type: a sweep step is not supported; there are command and parallel steps, and pipeline components",
        "jobs.a.objective: Missing data for required field.",
    ),
    Row(
        "no command",
        command("inputs: {x: 1}").replace("    command: ls\n", ""),
        "7:5: jobs.a.command: missing; expected the command line to run",
        "jobs.a: {'component': ['Missing data for required field.']}; {'command",
    ),
    Row(
        "component that is not there",
        HEAD + "  a: {type: command, component: ./components/scoer.yml}\n",
        "6:33: jobs.a.component: there is no component file 'components/scoer.yml'; did you mean 'score.yml'?",
        "jobs.a.component: In order to specify an existing None, please provide",
    ),
    Row(
        "component without its input",
        HEAD + "  a: {type: command, component: ./components/partition.yml, inputs: {partition_keys: a}}\n",
        "6:6: jobs.a.inputs.data_source: required input 'data_source' of step 'a' has no value",
        "jobs.a.inputs.data_source: Required input 'data_source' for component",
    ),
    Row(
        "component's input out of range",
        HEAD
        + "  a: {component: ./components/partition.yml, inputs: {data_source: {type: mltable, path: ./table}, partition_keys: a, limit: 500}}\n",
        "6:126: jobs.a.inputs.limit: expected a whole number of at least 0 and at most 100, found '500'",
        None,
    ),
    Row(
        "jobs beside component",
        "type: pipeline\ncomponent: ./components/scoring.yml\ninputs: {raw: {path: ./data}}\njobs: {a: {command: ls, environment: 'azureml:x:1'}}\n",
        "4:1: jobs: jobs and component exclude each other; keep one of them",
        "*: 'jobs' and 'component' are mutually exclusive fields in pipeline jo",
    ),
    Row(
        "registered component",
        HEAD + "  a: {component: 'azureml:clean:1'}\n",
        "6:18: jobs.a.component: 'azureml:clean:1' is in an Azure workspace or registry; give the path of a local component file",
        None,
    ),
]
