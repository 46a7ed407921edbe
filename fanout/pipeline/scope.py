"""What can be named where: the steps of a pipeline half read (drafts), and everything their expressions may mean.

The steps of a pipeline component have a scope of their own, in which `parent` is the component. They run as steps of
the whole pipeline: step `x` of component step `a` is step `a.x`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from fanout.pipeline.component import Components
from fanout.pipeline.data.declarations import Declaration, OutputDeclaration
from fanout.pipeline.model import Input, Output, StepOutput
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, suggest
from fanout.pipeline.yaml.tree import MapNode, Node, Origin, child_key


@dataclass(frozen=True, slots=True)
class Draft:
    """A step half read: what it declares and is given, before the expressions in it are followed."""

    name: str  # of the step in the whole pipeline
    node: MapNode  # the component's keys merged in
    origin: Origin  # where it is named, in the file that names it
    declared: Mapping[str, Declaration] = field(default_factory=dict)
    given: Mapping[str, Node] = field(default_factory=dict)
    said: Mapping[str, OutputDeclaration] = field(default_factory=dict)  # of its outputs
    outputs: Mapping[str, Output] = field(default_factory=dict)
    component: MapNode | None = None
    broken: bool = False  # its component could not be loaded: nothing can be said about its names
    inside: "Scope | None" = None  # of a pipeline component: its steps
    makers: Mapping[str, StepOutput] = field(default_factory=dict)  # which step inside makes which of its outputs

    def at(self, name: str) -> Node:
        """Where to show a problem with the input `name`: its value, or the step that leaves it out."""
        return self.given.get(name) or entry_at(self.node, "inputs", name)

    def maker(self, output: str) -> StepOutput | None:
        """The step that makes this output, itself or one inside; None when none does."""
        return self.makers.get(output) if self.inside else StepOutput(self.name, output, self.outputs[output].type)

    def leaves(self) -> "Iterator[Draft]":
        """The steps that run for it: itself, or all those inside."""
        if self.inside is None:
            yield self
        else:
            for draft in self.inside.drafts.values():
                yield from draft.leaves()


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything that an expression can name, in the pipeline file or in one pipeline component."""

    report: Report
    components: Components
    default_datastore: str
    compute: str | None = None
    inputs: Mapping[str, Input] = field(default_factory=dict)
    outputs: Mapping[str, OutputDeclaration] = field(default_factory=dict)
    drafts: Mapping[str, Draft] = field(default_factory=dict)
    path_macros: Mapping[str, str] = field(default_factory=dict)  # besides those of Azure
    prefix: str = ""  # of the names of steps
    after: tuple[str, ...] = ()  # the steps that all steps in here wait for
    files: tuple[str, ...] = ()  # the pipeline components around

    @property
    def which(self) -> str:
        """What tells a pipeline component from the pipeline, in messages."""
        return " component" if self.prefix else ""

    def draft(self, name: str, origin: Origin) -> Draft:
        """The step of this name; Wrong when there is none."""
        require_known(name, self.drafts, f"there is no step '{name}'", origin)
        return self.drafts[name]


def entry_at(node: MapNode, section: str, name: str) -> Node:
    """What stands at `<section>.<name>` of a mapping, or a mapping in its place that is the whole one's place."""
    there = node.get(section)
    entry = there.entries.get(name) if isinstance(there, MapNode) else None
    if entry is not None:
        return entry.value
    return MapNode(replace(node.origin, key=child_key(child_key(node.origin.key, section), name)))


def require_known(name: str, names: Collection[str], message: str, origin: Origin) -> None:
    """Wrong, with a suggestion, unless `name` is one of `names`."""
    if name not in names:
        raise CheckFailed(f"{message}{suggest(name, names)}", origin)
