"""Hostile YAML in every file that is read as YAML: pipeline, component, MLTable; refused with its place, and soon."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import InputError, SpecError
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.yaml.parser import SIZE_LIMIT
from fanout.storage.access import Access
from fanout.tables.mltable_file import load_mltable

USES = "type: pipeline\njobs:\n  s: {type: parallel, component: ./component.yml}\n"
SOON = 20.0
"""Seconds of processor time: a bomb that goes off takes hours."""


def _laughs() -> bytes:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [f"{chr(98 + i)}: &{chr(98 + i)} [{','.join([f'*{chr(97 + i)}'] * 9)}]" for i in range(20)]
    return "\n".join(lines).encode()


def _merges() -> bytes:
    """Mappings that merge each other: 2 to the power of 40 keys when unfolded."""
    lines = ["m0: &m0 {k: 1}"] + [f"m{i}: &m{i} {{<<: [*m{i - 1}, *m{i - 1}], k{i}: 1}}" for i in range(1, 40)]
    return "\n".join(lines).encode()


HOSTILE = {
    "billion laughs": (_laughs(), "too large once aliases are unfolded"),
    "merge keys": (_merges(), "too large once aliases are unfolded"),
    "flow depth": (b"[" * (SIZE_LIMIT // 2), "levels deep"),
    "mapping depth": (b"{a: " * 1000, "levels deep"),
    "python tag": (b"a: !!python/object/apply:os.system [ls]", "tag !!python/object/apply:os.system is not allowed"),
    "python name": (b"!!python/name:os.system a", "is not allowed"),
    "huge number": (b"a: " + b"9" * 900_000, "whole number out of range"),
    "duplicate key": (b"a: 1\na: 2", "written twice"),
    "NUL": (b"a: \x00", "control character U+0000"),
    "escaped NUL": (b'a: "\\0"', "holds a control character"),
    "half character": (b'a: "\\ud800"', ""),
    "not UTF-8": (b"a: \xff", "is not UTF-8"),
    "UTF-32": ("a: 1".encode("utf-32"), "is not UTF-8"),
    "two documents": (b"a: 1\n---\nb: 2", "a second document"),
    "alias in itself": (b"a: &a [*a]", "inside its own anchor"),
    "anchors": (b"".join(b"k%d: &a%d x\n" % (i, i) for i in range(60_000)), ""),
}


def _pipeline(folder: Path) -> None:
    load_pipeline(folder / "file")


def _component(folder: Path) -> None:
    (folder / "component.yml").write_bytes((folder / "file").read_bytes())
    (folder / "pipeline.yml").write_text(USES)
    load_pipeline(folder / "pipeline.yml")


def _mltable(folder: Path) -> None:
    (folder / "file").rename(folder / "MLTable")
    load_mltable(str(folder), Access())


@pytest.mark.parametrize("read", [_pipeline, _component, _mltable])
@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_yaml(tmp_path: Path, read: Callable[[Path], None], kind: str) -> None:
    """A list of problems with file, line and column, whichever file it stands in."""
    content, reason = HOSTILE[kind]
    (tmp_path / "file").write_bytes(content)
    begun = time.process_time()
    with pytest.raises((SpecError, InputError)) as caught:
        read(tmp_path)
    assert time.process_time() - begun < SOON
    assert reason in str(caught.value)
    assert any(name in str(caught.value) for name in ("file:", "component.yml:", "MLTable:"))
    assert len(str(caught.value)) < 100_000


@pytest.mark.parametrize("read", [_pipeline, _component, _mltable])
def test_a_file_of_a_hundred_megabytes_is_not_read(tmp_path: Path, read: Callable[[Path], None]) -> None:
    """No more than a little above the limit is looked at."""
    with (tmp_path / "file").open("wb") as file:
        file.truncate(100 * 1024 * 1024) if read is not _component else file.write(b"#" * 2 * SIZE_LIMIT)
    with pytest.raises((SpecError, InputError), match=r"larger than 1024 KiB"):
        read(tmp_path)


@pytest.mark.parametrize("path", ["file://[x", "https://[x/y", "file://host/x", "s3://", "ftp://x/y", "file:///a%00b"])
def test_places_that_are_none(tmp_path: Path, path: str) -> None:
    """An input's path that is no place at all is a problem with its line, whatever is wrong with it."""
    (tmp_path / "p.yml").write_text(f'type: pipeline\ninputs:\n  a: {{type: uri_folder, path: "{path}"}}\njobs: {{}}\n')
    with pytest.raises(SpecError, match=r"p\.yml:3:\d+: inputs\.a"):
        load_pipeline(tmp_path / "p.yml")
