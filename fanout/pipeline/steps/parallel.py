"""A parallel step (reference, sections 2, 8 and 13)."""

import platform
import re
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Literal, cast

from fanout.pipeline.data.bindings import STAND_IN
from fanout.pipeline.data.locations import check_table
from fanout.pipeline.model import (
    DataInput,
    DataType,
    EntryTask,
    Environment,
    InputMode,
    Limits,
    LiteralInput,
    MiniBatchSize,
    ParallelStep,
    RetrySettings,
    StepOutput,
    Thresholds,
)
from fanout.pipeline.steps.append_row import append_row_to, rows_at
from fanout.pipeline.steps.arguments import Options, read_options
from fanout.pipeline.steps.common import Reading, base_values, code_folder, read_base, read_environment
from fanout.pipeline.steps.entry_script import script_problems
from fanout.pipeline.steps.templates import check_arguments, own_name
from fanout.pipeline.yaml.checks import INT_MAX, any_text, choice, expected, flag, number, text, texts, whole
from fanout.pipeline.yaml.diagnostics import CheckFailed, shorten, suggest
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.overrides import is_option
from fanout.pipeline.yaml.tree import Node, ScalarNode

FEW_BYTES = 10_000
TIMEOUT_MAX = 259_200
_SIZE = re.compile(r"([0-9]{1,18})(\s*)([kKmMgG][bB])?")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_NO_FILE_NAME = re.compile(r"[~\"#%&*:<>?/\\{|}]")
_SECONDS = number(0, TIMEOUT_MAX, above=True)
_LEVELS = ("WARNING", "INFO", "DEBUG")
_OF_TASK = ("entry_script", "program_arguments", "model")
_OF_RETRIES = ("max_retries", "timeout")
_OF_STEP = (
    "input_data",
    "mini_batch_size",
    "mini_batch_rows",
    "partition_keys",
    "retry_settings",
    "max_concurrency_per_instance",
    "error_threshold",
    "mini_batch_error_threshold",
    "logging_level",
    "environment_variables",
    "resources",
    "inputs",
    "outputs",
)
# What the settings of the step are called elsewhere: in ParallelRunConfig, and among program arguments.
_OTHER_NAMES = {
    "mini_batch_timeout": "it is called retry_settings.timeout",
    "run_invocation_timeout": "it is called retry_settings.timeout",
    "mini_batch_max_retries": "it is called retry_settings.max_retries",
    "run_max_try": "retry_settings.max_retries is its value less one",
    "node_count": "it is called resources.instance_count",
    "process_count_per_node": "it is called max_concurrency_per_instance",
    "allowed_failed_percent": "it is a program argument: program_arguments: --allowed_failed_percent 10",
    "allowed_failed_count": "it is called mini_batch_error_threshold",
}
_BESIDE_STEP = {
    **dict.fromkeys(_OF_TASK, "it belongs under task"),
    **dict.fromkeys(_OF_RETRIES, "it belongs under retry_settings"),
    **_OTHER_NAMES,
    "instance_count": "it belongs under resources",
    "args": "write program_arguments, under task",
}
_BESIDE_TASK = {
    **dict.fromkeys(_OF_STEP, "it belongs to the step, beside task"),
    **_OTHER_NAMES,
    "args": "write program_arguments",
    "arguments": "write program_arguments",
}


def read_parallel(reading: Reading) -> ParallelStep:
    """The parallel step that a draft is, every problem noted."""
    fields = reading.fields()
    base = read_base(reading, fields)
    task, options = _read_task(reading, fields)
    if task.append_row_to is not None and task.append_row_to not in base.outputs:
        base = replace(base, outputs={**base.outputs, task.append_row_to: rows_at(fields.fields("task"))})
    step = ParallelStep(
        **base_values(base),
        **_cutting(reading, fields, options),
        **_reporting(fields, options),
        task=task,
        max_concurrency_per_instance=max(fields.bound("max_concurrency_per_instance", whole(-INT_MAX), 0), 0) or None,
        thresholds=_thresholds(fields, options),
        retry_settings=_retry_settings(fields.fields("retry_settings")),
        isolate_failures=fields.bound("isolate_failures", flag, False),
        speculate=fields.bound("speculate", flag, False),
        limits=_limits(options),
        is_deterministic=fields.take("is_deterministic", flag, True),
    )
    _without_effect(fields)
    fields.close(_BESIDE_STEP)
    return step


def _without_effect(fields: Fields) -> None:
    fields.no_effect("append_row_to", why="has no effect here: it belongs under task")
    fields.no_effect("output_data", "shm_size", "docker_args", "queue_settings", "parent_job_name")


def _cutting(reading: Reading, fields: Fields, options: Options) -> dict[str, Any]:
    """How the input becomes mini-batches."""
    records = _wants_json_records(options)
    ranks = max(0, options.take("rank_mini_batch_count", whole(-INT_MAX), 0))
    name = _no_input_data(fields) if ranks else _input_data(reading, fields)
    size = fields.bound("mini_batch_size", lambda node: _mini_batch_size(node, fields), None)
    rows = fields.bound("mini_batch_rows", whole(1), None)
    keys = fields.take("partition_keys", texts, None) or ()
    major = reading.inputs.get(name)
    if _is_cut_one_way(fields) and size is not None and isinstance(major, DataInput | StepOutput):
        _check_rows(fields, name, size, major, records=records)
        _notice_bytes(fields, size, major)
    if records and rows is None:
        rows = size.number if size is not None else options.take("amlbi_mini_batch_rows", whole(1), 1)
    return {
        "input_data": name,
        "mini_batch_size": size,
        "mini_batch_rows": rows,
        "partition_keys": keys,
        "rank_mini_batch_count": ranks,
        "json_records": records and not ranks,
    }


def _notice_bytes(fields: Fields, size: MiniBatchSize, major: DataInput | StepOutput) -> None:
    """A bare number is bytes of a table, as on Azure, and few of them: hardly what was meant."""
    node, table = fields.get("mini_batch_size"), major.type is DataType.MLTABLE
    if node and table and major.mode in (None, InputMode.DIRECT) and not size.unit and size.number < FEW_BYTES:
        why = f"of a table that is read this is {size.number:,} bytes a mini-batch, not rows; for rows write "
        fields.report.notice(node.origin, f"{why}mini_batch_rows: {size.number}")


def _wants_json_records(options: Options) -> bool:
    """Whether the step is run as prompt flow's are: over the objects of a JSON lines file."""
    enabled = options.take("amlbi_pf_enabled", flag, False)
    return enabled or options.take("amlbi_file_format", choice("jsonl"), "") == "jsonl"


def _no_input_data(fields: Fields) -> str:
    if (node := fields.get("input_data")) is not None:
        fields.report.notice(node.origin, "has no effect beside --rank_mini_batch_count: mini-batches have no data")
    return ""


def _is_cut_one_way(fields: Fields) -> bool:
    rows, size, keys = (fields.get(key) for key in ("mini_batch_rows", "mini_batch_size", "partition_keys"))
    if rows and (size or keys):
        other = "mini_batch_size" if size else "partition_keys"
        fields.report.problem(rows.origin, f"mini_batch_rows and {other} exclude each other; keep one of them")
        return False
    if size and keys:
        fields.report.notice(size.origin, "has no effect beside partition_keys, which decide how the input is cut")
    return True


def _check_rows(
    fields: Fields, name: str, size: MiniBatchSize, major: DataInput | StepOutput, *, records: bool
) -> None:
    """Note a count of files for an input that is read as rows."""
    rows = not records and major.type is not DataType.MLTABLE and (major.type is DataType.URI_FILE or major.read)
    if rows and not size.unit and not fields.get("partition_keys") and (node := fields.get("mini_batch_size")):
        why = f"input '{name}' is read as rows, and a number alone is a count of files; write mini_batch_rows: "
        fields.report.problem(node.origin, f'{why}{size.number}, or a size such as "10mb"')


def _reporting(fields: Fields, options: Options) -> dict[str, Any]:
    """What is logged and measured."""
    return {
        "logging_level": fields.bound("logging_level", choice(*_LEVELS), "INFO"),
        "resource_monitor_interval": options.take("resource_monitor_interval", number(0, INT_MAX), 600.0),
        "profiling_module": options.take("profiling_module", _profiling_module, ""),
        "copy_logs_to_parent": options.take("copy_logs_to_parent", flag, False),
        "metrics_name_prefix": options.take("metrics_name_prefix", any_text, ""),
        "push_metrics_to_parent": options.take("push_metrics_to_parent", flag, False),
        "append_row_file_name": options.take("append_row_file_name", _file_name, None),
    }


def _thresholds(fields: Fields, options: Options) -> Thresholds:
    count = whole(-1)
    items = fields.bound("error_threshold", count, -1)
    batches = fields.bound("mini_batch_error_threshold", count, -1)
    return Thresholds(
        error_threshold=options.take("error_threshold", count, items),
        mini_batch_error_threshold=options.take("allowed_failed_count", count, batches),
        allowed_failed_percent=options.take("allowed_failed_percent", number(0, 100), 100.0),
    )


def _retry_settings(fields: Fields) -> RetrySettings:
    settings = RetrySettings(
        max_retries=fields.bound("max_retries", whole(0), 2),
        timeout=fields.bound("timeout", _SECONDS, 60.0),
    )
    fields.close()
    return settings


def _limits(options: Options) -> Limits:
    return Limits(
        task_overhead_timeout=options.take("task_overhead_timeout", _SECONDS, 600.0),
        first_task_creation_timeout=options.take("first_task_creation_timeout", _SECONDS, 600.0),
        progress_update_timeout=options.take("progress_update_timeout", _SECONDS, None),
    )


def _read_task(reading: Reading, fields: Fields) -> tuple[EntryTask, Options]:
    if fields.get("task") is None:
        fields.require("task", text, "", "a mapping with type, code and entry_script")
        return EntryTask(""), Options({}, fields.report)
    task = fields.fields("task")
    task.require("type", _task_type, "", "'run_function'")
    code = _code(task, fields)
    script = task.require("entry_script", text, "", "the path of a Python file in the code folder")
    _check_script(task, script, code, named=bool(task.get("code") or fields.get("code")))
    environment = _environment(task, fields)
    _check_text(task, script, code, environment)
    arguments, options = _arguments(reading, task)
    outputs = reading.draft.outputs
    value = EntryTask(
        entry_script=script,
        code=code,
        program_arguments=arguments,
        append_row_to=append_row_to(task, outputs),
        environment=environment,
    )
    task.no_effect("model")
    task.ignore("description")
    task.close(_BESIDE_TASK)
    return value, options


def _code(task: Fields, step: Fields) -> str | None:
    """The code folder; published components have been seen to name it beside the task."""
    if task.get("code") is None and (beside := step.get("code")) is not None:
        task.report.notice(beside.origin, "taken as task.code, where it belongs")
        return step.take("code", code_folder, None)
    step.no_effect("code", why="has no effect here: task.code counts")
    return task.take("code", code_folder, None)


def _environment(task: Fields, fields: Fields) -> Environment:
    """The task's; that of the step where the task has none."""
    own = read_environment(task)
    if own is None:
        return read_environment(fields) or Environment()
    fields.no_effect("environment", why="has no effect here: task.environment counts")
    return own


def _arguments(reading: Reading, task: Fields) -> tuple[str, Options]:
    node = task.get("program_arguments")
    if node is None:
        return "", Options({}, task.report)
    written = task.take("program_arguments", any_text, "")
    arguments = check_arguments(written, node.origin, reading.draft, reading.inputs, task.report)
    return written, read_options(arguments, node.origin, task.report)


def _check_script(task: Fields, script: str, code: str | None, *, named: bool) -> None:
    """Note an entry script that is not in the code folder; one named as a module may be installed instead."""
    node = task.get("entry_script")
    if node is None or not script:
        return
    path = PurePosixPath(script)
    if path.is_absolute() or ".." in path.parts:
        task.report.problem(node.origin, f"'{shorten(script)}' must be a path inside the code folder")
    elif not script.endswith(".py") and not _MODULE.fullmatch(script):
        task.report.problem(node.origin, f"expected a Python file or a dotted module name, found '{shorten(script)}'")
    elif script.endswith(".py") and not named:
        task.report.problem(node.origin, f"'{shorten(script)}' needs task.code, the folder that holds it")
    elif script.endswith(".py") and code is not None and not _is_file(Path(code) / script):
        there = sorted(file.name for file in Path(code).glob("*.py"))
        task.report.problem(node.origin, f"there is no '{shorten(script)}' in '{code}'{suggest(script, there)}")


def _check_text(task: Fields, script: str, code: str | None, environment: Environment) -> None:
    """Note what keeps the script from running, as far as its text shows that."""
    if code is None or not script.endswith(".py") or ".." in PurePosixPath(script).parts:
        return
    for found in script_problems(Path(code), script):
        if found.is_syntax and environment.python is not None and not _is_this_python(environment.python):
            node = task.get("entry_script")
            assert node is not None  # noqa: S101 - there is a script
            task.report.notice(node.origin, f"this Python cannot parse it, that of its environment may: {found.place}")
        else:
            task.report.problem_at(found.place, "", found.message)


def _is_this_python(wanted: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return SpecifierSet(wanted).contains(platform.python_version(), prereleases=True)
    except InvalidSpecifier:
        return True


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long, or a folder that may not be looked into
        return False


def _input_data(reading: Reading, fields: Fields) -> str:
    """The name of the major input, which must be data that can be cut."""
    node = fields.get("input_data")
    if node is None:
        fields.require("input_data", text, "", "${{inputs.name}}, the input to cut into mini-batches")
        return ""
    name = own_name(node, "inputs", reading.draft.declared, fields.report)
    major = reading.inputs.get(name) if name else None
    if major is STAND_IN:
        return name or ""
    if isinstance(major, LiteralInput):
        what = "has no value" if major.value is None else "is a value, not data"
        fields.report.problem(
            node.origin, f"input '{name}' {what}; input_data takes a uri_folder, a uri_file or an mltable"
        )
    elif isinstance(major, DataInput) and major.type is DataType.MLTABLE:
        uri = major.uri
        fields.report.attempt(reading.draft.at(name or ""), lambda _node: check_table(uri), None)
    return name or ""


def _mini_batch_size(node: Node, fields: Fields) -> MiniBatchSize | None:
    match = _SIZE.fullmatch(node.text.strip()) if isinstance(node, ScalarNode) else None
    if match is None:
        raise expected("a whole number, with kb, mb or gb behind it for bytes ('10', '10kb')", node)
    figure, space, unit = match.groups()
    if isinstance(node, ScalarNode) and isinstance(node.value, int) and not node.via and not is_option(node.origin):
        fields.report.notice(node.origin, f"Azure wants text here; write '{figure}' in quotes")
    elif space and unit:
        fields.report.notice(node.origin, f"Azure takes no space here; write '{figure}{unit}'")
    size = MiniBatchSize(int(figure), cast("Literal['', 'kb', 'mb', 'gb']", (unit or "").lower()))
    # Azure's SDK stores a missing size as 0, so 0 means: the default.
    return size if size.number else None


def _task_type(node: Node) -> str:
    if isinstance(node, ScalarNode) and node.text == "model":
        raise CheckFailed("task type 'model' is not supported; write an entry script and type: run_function")
    return choice("run_function", "function")(node)


def _file_name(node: Node) -> str:
    name = text(node).strip()
    if _NO_FILE_NAME.search(name) or name in (".", ".."):
        raise expected('the name of a file, without a folder and without any of ~"#%&*:<>?/\\{|}', node)
    return name


def _profiling_module(node: Node) -> str:
    word = any_text(node)
    return word if word in ("", "cProfile", "profile") else choice("cProfile", "profile")(node)
