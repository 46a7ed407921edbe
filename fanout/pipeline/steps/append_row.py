"""`append_row_to`: the output that gets the rows, or a path in its place, which Azure's SDK takes, too."""

from collections.abc import Mapping

from fanout.pipeline.data.locations import data_uri, local_path
from fanout.pipeline.model import DataType, Output, OutputMode
from fanout.pipeline.steps.templates import own_name
from fanout.pipeline.yaml.checks import text
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import Node, ScalarNode


def append_row_to(task: Fields, outputs: Mapping[str, Output]) -> str | None:
    """The output that gets the rows: one of the step's, or a new one where the file says a path in its place."""
    node = task.get("append_row_to")
    if not isinstance(node, ScalarNode) or not _is_path(node.text.strip()):
        return own_name(node, "outputs", outputs, task.report)
    return "append_row_to" if "append_row_to" not in outputs else "append_row_to_path"


def _is_path(text: str) -> bool:
    return "${{" not in text and ("/" in text or "." in text)


def rows_at(task: Fields) -> Output:
    """The output at the path that is the value of `append_row_to`."""

    def check(node: Node) -> Output:
        uri = data_uri(node)
        local = local_path(uri)
        is_folder = text(node).strip().endswith("/") or (local is not None and local.is_dir())
        return Output(DataType.URI_FOLDER if is_folder else DataType.URI_FILE, OutputMode.RW_MOUNT, uri)

    return task.take("append_row_to", check, Output())
