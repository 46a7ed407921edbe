"""A command step (reference, section 1)."""

from fanout.pipeline.model import CommandStep, Environment
from fanout.pipeline.steps.common import Reading, base_values, code_folder, read_base, read_environment
from fanout.pipeline.steps.templates import check_command
from fanout.pipeline.yaml.checks import flag, number, text

_SECONDS_MAX = 30 * 24 * 3600
_ELSEWHERE = {
    "timeout": "it belongs under limits",
    "task": "a command step has none; for a parallel step write type: parallel",
    "input_data": "a command step has none; for a parallel step write type: parallel",
    "args": "write the whole command line under command",
}


def read_command(reading: Reading) -> CommandStep:
    """The command step that a draft is, every problem noted."""
    fields = reading.fields()
    base = read_base(reading, fields)
    limits = fields.fields("limits")
    command = fields.require("command", text, "", "the command line to run")
    if command and (node := fields.get("command")) is not None:
        check_command(command, node.origin, reading.draft, reading.inputs, fields.report)
    step = CommandStep(
        **base_values(base),
        command=command,
        code=fields.take("code", code_folder, None),
        environment=read_environment(fields) or Environment(),
        timeout=limits.bound("timeout", number(0, _SECONDS_MAX, above=True), None),
        is_deterministic=fields.take("is_deterministic", flag, True),
    )
    fields.no_effect("distribution", why="has no effect here: the command runs once, on one node")
    if step.instance_count > 1 and fields.get("distribution") is None:
        why = "has no effect here: the command runs once, on one node"
        fields.fields("resources").no_effect("instance_count", why=why)
    fields.no_effect("shm_size", "docker_args", "instance_count", "queue_settings", "parent_job_name")
    limits.close()
    fields.close(_ELSEWHERE)
    return step
