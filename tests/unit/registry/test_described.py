"""What a path or a YAML file is as an asset."""

from pathlib import Path

import pytest

from fanout.errors import InputError
from fanout.pipeline.asset_kinds import AssetKind
from fanout.registry.described import Wanted, asset_of


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with one of each, which is the current one."""
    for name in ("folder", "table"):
        (tmp_path / name).mkdir()
    (tmp_path / "table" / "MLTable").write_text("paths: []\n")
    (tmp_path / "rows.csv").write_text("a\n1\n")
    (tmp_path / "score.yml").write_text("type: parallel\nname: score\nversion: 3\ntags: {team: a}\n")
    (tmp_path / "env.yml").write_text("name: env\nimage: x\nconda_file: c.yml\n")
    (tmp_path / "data.yml").write_text("name: sales\nversion: 2\ntype: uri_folder\npath: ./folder\ndescription: All.\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("place", "kind", "type_"),
    [
        ("folder", "data", "uri_folder"),
        ("table", "data", "mltable"),
        ("rows.csv", "data", "uri_file"),
        ("score.yml", "component", "parallel"),
        ("env.yml", "environment", ""),
        ("s3://bucket/x/", "data", "uri_folder"),
        ("s3://bucket/x.csv", "data", "uri_file"),
    ],
)
def test_what_a_path_is(here: Path, place: str, kind: str, type_: str) -> None:
    """By what is there, or by how a file of Azure's CLI looks."""
    asset = asset_of(place, Wanted(name="x"))
    assert (asset.kind, asset.type) == (kind, type_)


def test_a_file_says_name_version_and_place(here: Path) -> None:
    """Options win over it."""
    asset = asset_of("data.yml", Wanted())
    assert (asset.name, asset.version, asset.uri) == ("sales", "2", (here / "folder").as_uri())
    assert asset.description == "All."
    assert asset_of("data.yml", Wanted(name="other", version="5")).name == "other"
    component = asset_of("score.yml", Wanted())
    assert (component.name, component.version, component.tags) == ("score", "3", {"team": "a"})
    assert component.folder == str(here)


@pytest.mark.parametrize(
    ("place", "wanted", "why"),
    [
        ("folder", Wanted(), "has no name; give it one with --name"),
        ("nowhere", Wanted(name="x"), "does not exist"),
        ("folder", Wanted(name="x", type="uri_foldr"), "type uri_foldr is none of data"),
        ("folder", Wanted(name="x", kind=AssetKind.COMPONENT), "cannot be read"),
    ],
)
def test_what_can_be_no_asset(here: Path, place: str, wanted: Wanted, why: str) -> None:
    """The sentence says what would be right."""
    with pytest.raises(InputError, match=why):
        asset_of(place, wanted)
