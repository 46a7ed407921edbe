"""What an input or output is said to be: its type, mode, default and bounds (reference, sections 1 and 4)."""

from dataclasses import dataclass, replace
from enum import StrEnum

from fanout.pipeline.data.read_options import read_options
from fanout.pipeline.model import DataType, InputMode, OutputMode, ReadOptions, Scalar
from fanout.pipeline.yaml.checks import any_text, expected, flag, mapping, number, text, whole, word_of
from fanout.pipeline.yaml.diagnostics import Check, CheckFailed, Report, join, shorten
from fanout.pipeline.yaml.fields import Fields
from fanout.pipeline.yaml.tree import ListNode, Node, Origin, ScalarNode

_LARGE = 1e300
_WHOLE = whole(-(2**63), 2**63 - 1)
_DESCRIPTIVE = ("description", "name", "version", "$schema", "tags", "properties")
_FILE_MODES = (InputMode.RO_MOUNT, InputMode.DOWNLOAD, InputMode.DIRECT)
_TABLE_MODES = (*_FILE_MODES, InputMode.EVAL_MOUNT, InputMode.EVAL_DOWNLOAD)


def _integer(node: Node) -> int:
    """A check: a whole number, which Azure lets people write as 10.0."""
    if isinstance(node, ScalarNode) and isinstance(node.value, float) and node.value.is_integer():
        node = replace(node, value=int(node.value))
    return _WHOLE(node)


class LiteralType(StrEnum):
    """Types of inputs that are values rather than data."""

    STRING = "string"
    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"


_LITERALS: dict[DataType | LiteralType | None, Check[Scalar]] = {
    LiteralType.INTEGER: _integer,
    LiteralType.NUMBER: number(-_LARGE, _LARGE),
    LiteralType.BOOLEAN: flag,
    LiteralType.STRING: any_text,
}
_KIND_WORDS: dict[DataType | LiteralType | None, str] = {
    LiteralType.INTEGER: "a whole number",
    LiteralType.NUMBER: "a number",
    LiteralType.BOOLEAN: "true or false",
    LiteralType.STRING: "text",
}


@dataclass(frozen=True, slots=True)
class Declaration:
    """What an input takes; `type` None: whatever it is given."""

    type: DataType | LiteralType | None = None
    mode: InputMode | None = None
    optional: bool = False
    default: Node | None = None
    low: float = -_LARGE
    high: float = _LARGE
    words: tuple[str, ...] = ()
    path: Node | None = None  # where the data is, for an input that says so on the spot
    read: ReadOptions | None = None  # how its files are read as rows

    @property
    def may_be_empty(self) -> bool:
        """Whether a template must be ready for this input to have no value."""
        return self.optional and self.default is None


@dataclass(frozen=True, slots=True)
class OutputDeclaration:
    """What an output is said to be, as far as it is said."""

    type: DataType | None = None
    mode: OutputMode | None = None
    path: Node | None = None
    parent: str | None = None  # the output that it is bound to, of the pipeline or the pipeline component around
    top: str | None = None  # where that leads in the end: an output of the pipeline file
    origin: Origin | None = None  # where it is declared


def read_declaration(fields: Fields, *, with_path: bool) -> Declaration:
    """The declaration that a mapping is; `with_path` for inputs of pipelines and steps, which can name their data."""
    path = fields.get("path") if with_path else None
    default = fields.get("default")
    kind = fields.take("type", _input_type, None)
    if kind is None and path is None and default is None and fields.get("type") is None:
        kind = DataType.URI_FOLDER
    low, high = (fields.take(key, number(-_LARGE, _LARGE), bound) for key, bound in (("min", -_LARGE), ("max", _LARGE)))
    declaration = Declaration(
        type=kind,
        mode=fields.take("mode", lambda node: _input_mode(node, kind), None),
        optional=fields.take("optional", flag, False),
        default=default,
        low=low,
        high=high,
        words=fields.take("enum", _words, ()),
        path=path,
        read=fields.take("read", lambda node: _read_options(node, kind, fields.report), None),
    )
    fields.ignore(*_DESCRIPTIVE)
    fields.no_effect("path_on_compute", "datastore", "is_control", "early_available")
    fields.close()
    return declaration


def _read_options(node: Node, kind: DataType | LiteralType | None, report: Report) -> ReadOptions:
    if kind not in (None, DataType.URI_FILE, DataType.URI_FOLDER):
        raise CheckFailed(f"says how the files of a uri_file or uri_folder are read, and this input is of type {kind}")
    return read_options(node, report)


def read_output_declaration(node: Node | None, report: Report) -> OutputDeclaration:
    """The declaration of an output; nothing written is a uri_folder with nothing said about it."""
    if node is None or (entries := report.attempt(node, mapping, None)) is None:
        return OutputDeclaration()
    fields = Fields(entries, report)
    declaration = OutputDeclaration(
        type=fields.take("type", _output_type, None),
        mode=fields.take("mode", lambda value: OutputMode(word_of(*OutputMode)(value)), None),
        path=fields.get("path"),
    )
    fields.ignore(*_DESCRIPTIVE)
    fields.no_effect("path_on_compute", "is_control", "early_available")
    fields.close()
    return declaration


def literal(node: Node, declaration: Declaration) -> Scalar:
    """The value of a literal input, of the declared type and within its bounds; CheckFailed when it is not."""
    if not isinstance(node, ScalarNode) or node.value is None:
        raise expected(_described(declaration), node)
    return check_literal(_typed(node, declaration), node, declaration)


def check_literal(value: Scalar, node: Node, declaration: Declaration) -> Scalar:
    """`value` when the declaration allows it, else CheckFailed, at `node`."""
    if isinstance(value, int | float) and not declaration.low <= value <= declaration.high:
        raise expected(_described(declaration), node)
    if declaration.words and not any(_is_word(value, word) for word in declaration.words):
        raise expected(join(declaration.words), node)
    return value


def _is_word(value: Scalar, word: str) -> bool:
    """Whether `value` is this one of an enum's words: numbers by their value, so that 224 is 224.0."""
    if isinstance(value, bool):
        return str(value).lower() == word.lower()
    if isinstance(value, str):
        return value == word
    try:
        return float(word) == value
    except ValueError:
        return False


def _typed(node: ScalarNode, declaration: Declaration) -> Scalar:
    check = _LITERALS.get(declaration.type)
    try:
        return check(node) if check else _as_it_is(node)
    except CheckFailed as wrong:
        raise expected(_described(declaration), node) from wrong


def _as_it_is(node: ScalarNode) -> Scalar:
    return "" if node.value is None else node.value


def _described(declaration: Declaration) -> str:
    what = _KIND_WORDS.get(declaration.type, "a value")
    if declaration.low > -_LARGE:
        what += f" of at least {declaration.low:.15g}"
    if declaration.high < _LARGE:
        what += f"{' and' if declaration.low > -_LARGE else ' of'} at most {declaration.high:.15g}"
    return what


def _words(node: Node) -> tuple[str, ...]:
    if isinstance(node, ListNode):
        return tuple(text(item) for item in node.items)
    raise expected("a list of values", node)


def _input_type(node: Node) -> DataType | LiteralType:
    if isinstance(node, ScalarNode) and node.text == "path":
        return DataType.URI_FOLDER  # what folders were called before
    word = word_of(*DataType, *LiteralType)(node)
    return LiteralType(word) if word in tuple(LiteralType) else DataType(word)


def _output_type(node: Node) -> DataType:
    if isinstance(node, ScalarNode) and node.text == "path":
        return DataType.URI_FOLDER  # as of inputs
    if isinstance(node, ScalarNode) and node.text in tuple(LiteralType):
        raise CheckFailed(
            f"an output of type {shorten(node.text)} is not supported; a step hands over files: {join(tuple(DataType))}"
        )
    return DataType(word_of(*DataType)(node))


def input_modes(kind: DataType) -> tuple[InputMode, ...]:
    """The modes in which data of this type can be had (reference, section 4)."""
    return _TABLE_MODES if kind is DataType.MLTABLE else _FILE_MODES


def _input_mode(node: Node, kind: DataType | LiteralType | None) -> InputMode:
    if isinstance(kind, LiteralType):
        raise CheckFailed(f"an input of type {kind} is a value and has no mode")
    modes = _TABLE_MODES if kind is None else input_modes(kind)
    if isinstance(node, ScalarNode) and node.text.lower() in modes:
        return InputMode(node.text.lower())
    raise expected(join(modes) + (f" for {kind}" if kind else ""), node)
