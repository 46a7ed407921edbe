"""YAML text to marked nodes: what is read, what is refused, and that hostile texts are refused soon."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import SpecError
from fanout.pipeline.yaml.diagnostics import Report
from fanout.pipeline.yaml.parser import DEPTH_LIMIT, SIZE_LIMIT, DocumentSource, parse_document
from fanout.pipeline.yaml.tree import ListNode, MapNode, Node, ScalarNode

SOURCE = DocumentSource("p.yml", Path("/work"))


def parse(text: str | bytes) -> Node:
    report = Report()
    node = parse_document(text if isinstance(text, bytes) else text.encode(), SOURCE, report)
    report.finish()
    return node


def plain(node: Node) -> object:
    """The values alone."""
    match node:
        case ScalarNode(value=value):
            return value
        case ListNode(items=items):
            return [plain(item) for item in items]
        case MapNode():
            return {key: plain(value) for key, value in node.values()}


def problem(text: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        parse(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("'7'", "7"),
        ('"true"', "true"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("007", "007"),
        ("1:30", "1:30"),
        ("1_000", "1_000"),
        ("2024-01-31", "2024-01-31"),
        (".inf", ".inf"),
        (".nan", ".nan"),
        ("!!str 7", "7"),
        ("!!int 7", 7),
    ],
)
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    """Plain scalars get the type that YAML 1.2 gives them; what 1.1 makes of yes, 007 and 1:30 does not happen."""
    found = plain(parse(f"a: {text}"))
    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


def test_a_node_knows_its_line_column_and_key_path() -> None:
    """Places count from 1 and key paths are those that --set takes."""
    root = parse("a:\n  b:\n    - x\n    - c: y\n")
    assert isinstance(root, MapNode)
    b = root.entries["a"].value
    assert isinstance(b, MapNode)
    item = b.entries["b"].value
    assert isinstance(item, ListNode)
    last = item.items[1]
    assert isinstance(last, MapNode)
    origin = last.entries["c"].value.origin
    assert (str(origin.place), origin.key) == ("p.yml:4:10", "a.b.1.c")


def test_a_byte_order_mark_is_tolerated() -> None:
    """Files written on Windows load."""
    assert plain(parse(b"\xef\xbb\xbfa: 1")) == {"a": 1}


def test_aliases_and_merge_keys_are_unfolded() -> None:
    """What an alias stands for is repeated; keys beside `<<` win over merged ones."""
    text = "x: &x {a: 1, b: 2}\ny: {<<: *x, b: 3}\nz: {<<: [*x, {c: 4}]}\n"
    assert plain(parse(text)) == {"x": {"a": 1, "b": 2}, "y": {"b": 3, "a": 1}, "z": {"a": 1, "b": 2, "c": 4}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "p.yml:1:1: the file is empty"),
        ("a: 1\na: 2", "p.yml:2:1: a: written twice; a key stands once in a mapping"),
        ("a:\n  b: 1\n  b: 2", "p.yml:3:3: a.b: written twice; a key stands once in a mapping"),
        ("a: 1\n---\nb: 2", "p.yml:2:1: a second document starts here; one file holds one document"),
        ("a: *x", "p.yml:1:4: alias *x has no anchor &x before it"),
        ("a: &a [*a]", "p.yml:1:8: alias *a stands inside its own anchor"),
        ("? [1]\n: 2", "p.yml:1:3: a key must be text"),
        ("~: 2", "p.yml:1:1: a key must be text"),
        ("a: !foo b", "p.yml:1:4: a: tag !foo is not allowed; a pipeline file holds plain values only"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "p.yml:1:4: a: tag !!python/object/apply:os.system is not allowed; a pipeline file holds plain values only",
        ),
        (
            "a: " + "9" * 100,
            "p.yml:1:4: a: whole number out of range: it needs more than 64 bits; quote it if it is text",
        ),
        ("a: 1e999", "p.yml:1:4: a: number out of range; quote it if it is text"),
        ('a: "\\0"', "p.yml:1:4: a: holds a control character (an escape such as \\0 in quotes)"),
        ("<<: 1", "p.yml:1:5: '<<' merges mappings only"),
        ("k" * 201 + ": 1", "p.yml:1:1: a key of more than 200 characters"),
        ("a: [1\nb: 2]: c", "p.yml:2:2: not YAML: while parsing a flow sequence: did not find expected ',' or ']'"),
        (
            "a: echo b: c",
            (
                "p.yml:1:10: not YAML: mapping values are not allowed in this context; "
                "text with ': ' in it stands in quotes, or below '>-'; or the indentation is off"
            ),
        ),
        (
            "a:\n  b: 1\n c: 2",
            (
                "p.yml:3:2: not YAML: while parsing a block mapping: did not find expected key; "
                "look at the indentation of this line and of those before it"
            ),
        ),
        (
            "a: %x",
            (
                "p.yml:1:4: not YAML: while scanning for the next token: found character that cannot start any token; "
                "text that begins so stands in quotes"
            ),
        ),
        (b"a: 1\nb: caf\xe9", "p.yml:2:7: byte 0xe9 is not UTF-8; save the file as UTF-8"),
        ("a: 1".encode("utf-16"), "p.yml:1:1: byte 0xff is not UTF-8; save the file as UTF-8"),
        (b"a: 1\nb: \x00c", "p.yml:2:4: not YAML: control character U+0000"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_place(text: str | bytes, message: str) -> None:
    """One sentence each, with line and column."""
    assert problem(text).splitlines()[0] == message


def _laughs() -> str:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(20)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * (SIZE_LIMIT // 2), f"nested more than {DEPTH_LIMIT} levels deep"),
        ("".join(" " * i + "a:\n" for i in range(1000)), f"nested more than {DEPTH_LIMIT} levels deep"),
        (_laughs(), "too large once aliases are unfolded"),
        ("a" * (SIZE_LIMIT + 1), "larger than 1024 KiB"),
        ("a: " + "9" * 900_000, "whole number out of range"),
        ("a: 1\n" * 100_000, "written twice"),
    ],
    ids=["flow depth", "block depth", "billion laughs", "size", "digits", "duplicates"],
)
def test_a_hostile_text_is_refused_before_it_costs_anything(text: str, message: str) -> None:
    """Depth, unfolded aliases, size, digits and the number of problems are bounded."""
    assert message in problem(text)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_tree_or_a_list_of_problems(content: bytes) -> None:
    """Nothing but SpecError comes out of the door."""
    try:
        parse(content)
    except SpecError as error:
        assert error.problems


@given(st.lists(st.sampled_from(list("{}[]:,-&*!?|>'\"#%@` \n\tab1~<")), max_size=60).map("".join))
def test_any_punctuation_is_a_tree_or_a_list_of_problems(text: str) -> None:
    """Nor does anything else come of YAML's own characters."""
    try:
        parse(text)
    except SpecError as error:
        assert error.problems
