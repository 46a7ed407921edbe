"""The keys that parallel and command steps share: environment, code, compute, resources, order."""

import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fanout.pipeline.data.bindings import setting
from fanout.pipeline.data.locations import beside, without_prefix
from fanout.pipeline.environment import CondaFile, read_conda
from fanout.pipeline.model import Environment, Input, StepBase
from fanout.pipeline.scope import Draft, Scope
from fanout.pipeline.yaml.checks import text, text_map, whole
from fanout.pipeline.yaml.diagnostics import Check, CheckFailed, shorten
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import Node, ScalarNode
from fanout.security.redaction import is_secret

_REMOTE_CODE = ("git+", "azureml:", "http:", "https:", "ssh:", "git@")


@dataclass(frozen=True, slots=True)
class Reading:
    """A step being read: its draft, its inputs, where it stands, and the steps that it waits for whatever it reads."""

    draft: Draft
    inputs: Mapping[str, Input]
    scope: Scope
    after: tuple[str, ...]

    def fields(self) -> Fields:
        """The step's keys, settings resolved."""
        return Fields(self.draft.node, self.scope.report, self.resolve)

    def resolve(self, node: Node) -> Node:
        """A setting with its binding followed."""
        return setting(node, self.inputs, self.scope)


def read_base(reading: Reading, fields: Fields) -> StepBase:
    """What parallel and command steps share."""
    draft = reading.draft
    fields.ignore("$schema", "type", "component", "inputs", "outputs", "description", "comment", "tags", "properties")
    fields.ignore("name", "version", "experiment_name", "depends_on")
    fields.no_effect("identity", "services")
    return StepBase(
        name=draft.name,
        inputs=reading.inputs,
        outputs=draft.outputs,
        environment_variables=fields.bound("environment_variables", _variables(reading), {}),
        compute=fields.bound("compute", text, reading.scope.compute),
        instance_count=_instance_count(fields.fields("resources")),
        display_name=fields.take("display_name", text, None),
        depends_on=reading.after,
    )


def _variables(reading: Reading) -> Check[Mapping[str, str]]:
    """A check: variables by name, none of which is a credential: those would be stored with the run for good."""
    read = text_map(reading.resolve)

    def check(node: Node) -> Mapping[str, str]:
        variables = read(node)
        for name, value in variables.items():
            if is_secret(name, value):
                raise CheckFailed(
                    f"{name} looks like a credential, which would be stored with the run; leave it out here and set it "
                    "in the environment of fanout, which steps inherit"
                )
        return variables

    return check


def base_values(base: StepBase) -> dict[str, Any]:
    """The base's fields by name, to build a whole step from."""
    return {name: getattr(base, name) for name in StepBase.__dataclass_fields__}


def read_environment(fields: Fields) -> Environment | None:
    """`environment`: a reference or a mapping; None when none is asked for."""
    node = fields.get("environment")
    if node is None:
        return None
    if isinstance(node, ScalarNode):
        return Environment(name=fields.take("environment", text, None))
    inline = fields.fields("environment")
    inline.ignore("$schema", "version", "description", "tags", "properties", "os_type", "inference_config")
    inline.ignore("creation_context", "datastore", "id", "resources")
    inline.no_effect("build", why="has no effect here: no image is built; the step runs in fanout's own Python")
    conda = inline.take("conda_file", lambda node: read_conda(node, fields.report), CondaFile())
    environment = Environment(
        name=inline.take("name", text, None),
        image=inline.take("image", text, None),
        conda_file=conda.path,
        python=conda.python,
        pip=conda.pip,
        conda=conda.conda,
    )
    inline.close()
    return environment


def code_folder(node: Node) -> str:
    """A check: an existing local folder of code, as an absolute path."""
    written = without_prefix(text(node).strip())
    if written.startswith(_REMOTE_CODE):
        raise CheckFailed(f"'{shorten(written)}' is not on this machine; give the path of a local folder")
    folder = _beside(node, written)
    try:
        if folder.is_dir():
            return str(folder)
        file = folder.is_file()
        problem = "is a file; give the folder that holds it" if file else f"does not exist{beside(folder)}"
    except OSError as exc:
        problem = f"cannot be looked at: {exc.strerror}"
    if written != text(node).strip() and not problem.startswith("cannot"):
        problem += "; Azure's SDK writes the code of a component as in the component's file: make it start from here"
    raise CheckFailed(f"code folder '{shorten(str(folder), 200)}' {problem}")


def _beside(node: Node, written: str) -> Path:
    return Path(os.path.normpath(node.origin.folder / written.removeprefix("file:").removeprefix("//")))


def _instance_count(resources: Fields) -> int:
    resources.no_effect("instance_type", "shm_size", "docker_args", "locations", "max_instance_count", "properties")
    count = resources.bound("instance_count", _count, 1)
    resources.close()
    if count < 0:
        why = "-1, all nodes of the compute, is taken as one node here; give the number of nodes"
        resources.report.notice(resources.origin, why)
        return 1
    return count


def _count(node: Node) -> int:
    all_of_them = isinstance(node, ScalarNode) and node.text.strip() == "-1"
    return -1 if all_of_them else whole(1)(node)
