"""A conda file: the Python and the packages that an environment asks for, each as text (reference, section 2)."""

import os.path
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fanout.pipeline.yaml.checks import expected, mapping, text
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report, shorten
from fanout.pipeline.yaml.parser import read_document
from fanout.pipeline.yaml.tree import ListNode, MapNode, Node, ScalarNode, is_null
from fanout.security.redaction import has_credential

_PACKAGE = re.compile(r"(?:[^\s:]+::)?(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)(?:\[[^\]]*\])?\s*(?P<version>.*)", re.DOTALL)
_REQUIREMENT_FILE = re.compile(r"(?:-r|--requirement)[\s=]*(?P<file>\S.*)")
_REQUIREMENT = re.compile(
    r"[A-Za-z0-9._-]+(?:\[[\w,. -]*\])?\s*(?:(?:===?|=|[<>!~]=|[<>])\s*\d[\w.*+!-]*\s*,?\s*)*(?:;.*)?", re.ASCII
)
"""Packages with their versions: `azure-mgmt-authorization==3.0.0` announces no credential."""
_COMMENT = re.compile(r"(^|\s)#.*$")
_LARGEST = 1024 * 1024
_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class CondaFile:
    """What a conda file says; `path` is the file, or the one it is written out in."""

    path: str | None = None
    python: str | None = None  # a version specifier; None: any
    pip: tuple[str, ...] = ()  # requirements and options of pip, files of requirements read in
    conda: tuple[str, ...] = ()  # all other packages


def read_conda(node: Node, report: Report) -> CondaFile:
    """The conda file that `node` names or is; Wrong when it is not there or says no packages as conda files do."""
    if isinstance(node, MapNode):
        return _read(node, node.origin.place.file)
    path = Path(os.path.normpath(node.origin.folder / text(node).removeprefix("file:").removeprefix("//")))
    if not path.is_file():
        raise CheckFailed(f"there is no conda file '{shorten(str(path), 200)}'")
    return _read(mapping(read_document(path, str(path), report)), str(path))


def _read(root: MapNode, path: str) -> CondaFile:
    dependencies = root.get("dependencies")
    if dependencies is None:
        return CondaFile(path)
    if not isinstance(dependencies, ListNode):
        raise expected("a list of packages", dependencies)
    python: str | None = None
    pip: list[str] = []
    conda: list[str] = []
    for node in dependencies.items:
        if isinstance(node, MapNode):
            pip += _pip_section(node)
        elif isinstance(node, ScalarNode) and (match := _PACKAGE.fullmatch(node.text.strip())):
            if match["name"].lower() == "python":
                python = python_specifier(match["version"])
            elif match["name"].lower() != "pip":
                conda.append(node.text.strip())
        else:
            raise expected("a package of conda, or a mapping with pip", node)
    return CondaFile(path, python, tuple(pip), tuple(conda))


def python_specifier(version: str) -> str | None:
    """A version as conda writes it (`=3.8`, `3.8.*`, `>=3.9,<3.12`) as Python's packaging does; None for any."""
    parts = [part.strip() for part in version.split(",") if part.strip(" *")]
    return ",".join(map(_one_specifier, parts)) or None


def _one_specifier(part: str) -> str:
    if part.startswith(("<", ">", "!=", "~=")):
        return part.replace(" ", "")
    exact = part.startswith("==")
    number = part.lstrip("= ").split("=")[0].strip().removesuffix("*").rstrip(".")  # behind a second = is the build
    return f"=={number}" if exact else f"=={number}.*"


def _pip_section(node: MapNode) -> Iterator[str]:
    for key, section in node.values():
        if key != "pip":
            raise expected("a mapping with pip alone", node)
        if is_null(section):
            return
        if not isinstance(section, ListNode):
            raise expected("a list of requirements", section)
        for item in section.items:
            yield from _checked(_lines(text(item), item.origin.folder, 0), item)


def _checked(lines: Iterator[str], node: Node) -> Iterator[str]:
    for line in lines:
        if has_credential(line) and not _REQUIREMENT.fullmatch(line):
            raise CheckFailed(
                "holds a credential, which would be stored with the run; leave it out here and set PIP_EXTRA_INDEX_URL "
                "or UV_INDEX in the environment of fanout",
                node.origin,
            )
        yield line


def _lines(written: str, folder: Path, depth: int) -> Iterator[str]:
    """The line itself, or what is in the file of requirements that it names."""
    line = _COMMENT.sub("", written).strip()
    named = _REQUIREMENT_FILE.fullmatch(line)
    if named is None:
        if line:
            yield line
        return
    path = Path(os.path.normpath(folder / named["file"].strip()))
    if depth >= _DEEPEST:
        raise CheckFailed(f"files of requirements name each other more than {_DEEPEST} deep")
    try:
        if path.stat().st_size > _LARGEST:
            raise CheckFailed(f"'{shorten(str(path), 200)}' is larger than {_LARGEST // 1024} KiB")
        body = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise CheckFailed(f"the file of requirements '{shorten(str(path), 200)}' cannot be read: {exc}") from exc
    for inner in body.replace("\\\n", " ").splitlines():
        yield from _lines(inner, path.parent, depth + 1)
