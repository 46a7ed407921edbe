"""Credentials written into pipeline and component files: refused, as each run stores its file for good.

Recognised by their shape, anywhere, and by the name of the input they are given to.
"""

from collections.abc import Iterator

from fanout.pipeline.yaml.diagnostics import Report
from fanout.pipeline.yaml.tree import ListNode, MapNode, Node, ScalarNode
from fanout.security.redaction import has_credential, is_secret

_PROSE = frozenset({"description", "display_name", "$schema"})
_SENTENCE = (
    "holds a credential, which would be stored with the run; leave it out here and set it in the environment of "
    "fanout, which steps inherit"
)
_VALUES = ("default", "value")


def check_credentials(document: Node, report: Report) -> None:
    """Notes each value of the document that is, or holds, a credential, unless something is wrong with it anyway."""
    known = {problem.place for problem in report.problems}
    for node in _credentials("", document):
        if node.origin.place not in known:
            report.problem(node.origin, _SENTENCE)


def _credentials(name: str, node: Node) -> Iterator[ScalarNode]:
    """`name` is the key that the node stands under."""
    match node:
        case ScalarNode(value=str(text)):
            if has_credential(text, prose=name in _PROSE) or is_secret(name, text):
                yield node
        case ListNode(items=items):
            for item in items:
                yield from _credentials("", item)
        case MapNode():
            for key, value in node.values():
                if key == "conda_file":
                    continue  # read elsewhere, as requirements
                if name == "environment_variables":  # their names are looked at where they are read
                    yield from _credentials("", value)
                else:
                    yield from _credentials(name if key in _VALUES else key, value)
