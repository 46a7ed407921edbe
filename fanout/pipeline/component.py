"""A step's `component:`: a local file, with or without `file:`, a registered one, or a mapping on the spot.

The step's keys win over the component's, each as a whole (`resources`, `retry_settings` and `task` are not mixed key by
key), as Azure's SDK does (reference, section 2). Paths in a component file start from that file's folder.
"""

import os.path
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.assets import Lookup, asset_name, component_of, with_assets
from fanout.pipeline.data.locations import beside
from fanout.pipeline.yaml.checks import choice, expected, found, mapping
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, shorten
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.overrides import is_option
from fanout.pipeline.yaml.parser import read_document
from fanout.pipeline.yaml.tree import ListNode, MapEntry, MapNode, Node, Origin, ScalarNode, is_null

STEP_LIMIT = 5_000
"""Steps in pipeline components: a few small files can unfold to any number."""
DEPTH_LIMIT = 20

_PROMPT_FLOW = "a prompt flow is not supported as a component; write a parallel or command component"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_OWN_KEYS = ("$schema", "name", "version", "type", "display_name", "description", "tags", "inputs", "outputs")
_OR_KEYS = frozenset(
    {"input_data", "mini_batch_size", "partition_keys", "max_concurrency_per_instance", "mini_batch_error_threshold"}
)
"""Where Azure's SDK takes a step's 0, or nothing in quotes, for a key that is not written."""


@dataclass(slots=True)
class Components:
    """The components of a pipeline, each file read once however many steps use it; `assets` finds registered ones."""

    report: Report
    assets: Lookup | None = None
    _read: dict[Path | str, MapNode] = field(default_factory=dict)
    _steps: int = 0

    def load(self, node: Node) -> MapNode:
        """The component that a step names; Wrong when it is of a kind that fanout cannot run or is not there."""
        if isinstance(node, MapNode):
            return _checked(node, self.report)
        if not isinstance(node, ScalarNode) or not node.text.strip():
            raise expected("the path of a component file", node)
        if (registered := self._registered(node.text.strip())) is not None:
            return registered
        path = _local(node.text.strip())
        full = Path(os.path.normpath(node.origin.folder / path))
        if full not in self._read:
            component = self._taken(_read(path, full, node, self.report))
            if _is_prompt_flow(component):
                raise CheckFailed(_PROMPT_FLOW)
            self._read[full] = _checked(component, self.report)
        return self._read[full]

    def _registered(self, reference: str) -> MapNode | None:
        """The registered component of this name; None when this is no name, or there is no registry."""
        name = asset_name(reference) if self.assets else None
        if name is None or self.assets is None:
            return None
        meaning = self.assets(name, (AssetKind.COMPONENT,))
        if meaning.label not in self._read:
            self._read[meaning.label] = _checked(self._taken(component_of(meaning, self.report)), self.report)
        return self._read[meaning.label]

    def _taken(self, document: Node) -> MapNode:
        """The document of a component, the assets that it names looked up."""
        component = mapping(with_assets(mapping(document), self.assets, self.report))
        self.report.components.append(component)
        return component

    def enter(self, component: MapNode, files: tuple[str, ...], origin: Origin, steps: int) -> tuple[str, ...]:
        """The pipeline components around the `steps` steps in this one; Wrong when there is no end to them."""
        file = component.origin.place.file
        if component.origin.key:  # written out in this file, of which there may be several
            file = f"{file} ({component.origin.key})"
        self._steps += steps
        if file in files:
            way = " -> ".join((*files[files.index(file) :], file))
            raise CheckFailed(f"the pipeline component is part of itself: {shorten(way, 200)}", origin)
        if len(files) == DEPTH_LIMIT:
            raise CheckFailed(
                f"pipeline components in pipeline components, more than {DEPTH_LIMIT} levels deep", origin
            )
        if self._steps > STEP_LIMIT:
            message = f"the pipeline components unfold to more than {STEP_LIMIT:,} steps"
            raise self.report.fatal(origin.place, origin.key, message)
        return (*files, file)


def merge(node: MapNode, component: MapNode, report: Report) -> MapNode:
    """The step's keys over those of its component."""
    inherited = {key: entry for key, entry in component.entries.items() if key not in _OWN_KEYS}
    own: dict[str, MapEntry] = {}
    for key, entry in node.entries.items():
        there = component.get(key)
        if key in ("component", "jobs") or (key in inherited and is_null(entry.value)):
            continue
        if there is not None and key in _OR_KEYS and _is_nothing(entry.value):
            if found(entry.value) == found(there):
                continue
            why = f"{found(entry.value)} beside a component counts as not written, as on Azure: the component's"
            report.notice(entry.value.origin, f"{why} {found(there)} is used")
            continue
        own[key] = entry
    return replace(node, entries={**inherited, **own})


def component_type(component: MapNode) -> str:
    """`parallel`, `command` or `pipeline`; command is what a component without a type is."""
    kind = component.get("type")
    return kind.text if isinstance(kind, ScalarNode) else "command"


def _is_nothing(node: Node) -> bool:
    if isinstance(node, ListNode):
        return not node.items
    return isinstance(node, ScalarNode) and (node.text.strip() in ("", "0") or node.value in (0, False))


def _local(reference: str) -> str:
    """The path in `reference`; Wrong when that is not a file here."""
    if reference.startswith("azureml:"):
        raise CheckFailed(
            f"'{shorten(reference)}' is in an Azure workspace or registry; give the path of a local component file"
        )
    path = reference.removeprefix("file:").removeprefix("//")
    if Path(path).name in ("flow.dag.yaml", "flow.dag.yml"):
        raise CheckFailed(_PROMPT_FLOW)
    return path


def _read(path: str, full: Path, node: Node, report: Report) -> Node:
    try:
        if not full.is_file():
            raise CheckFailed(f"there is no component file '{full}'{beside(full)}")
    except OSError as exc:
        raise CheckFailed(f"'{shorten(path)}' is no path of a component file: {exc.strerror}") from exc
    name = str(full) if is_option(node.origin) else os.path.normpath(Path(node.origin.place.file).parent / path)
    return read_document(full, name, report)


def _is_prompt_flow(component: MapNode) -> bool:
    """Whether this is a flow, or the description of a run of one, neither of which says so by a type."""
    return component.get("type") is None and any(component.get(key) for key in ("flow", "nodes"))


def _checked(component: MapNode, report: Report) -> MapNode:
    fields = Fields(component, report)
    fields.take("name", _name, "")
    if (kind := fields.get("type")) is not None:
        choice("command", "parallel", "pipeline")(kind)
    return component


def _name(node: Node) -> str:
    if isinstance(node, ScalarNode) and _NAME.fullmatch(node.text):
        return node.text
    raise expected("a name of letters, digits, '_', '-' and '.'", node)
