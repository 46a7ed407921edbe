"""fanout.toml as typed keys: what is wrong in it is named by its key path."""

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from fanout.config.settings_file import _KEYS, _TOP, Keys, SettingsFile, read_file
from fanout.errors import SettingsError


def _read(folder: Path, text: str) -> SettingsFile:
    file = folder / "fanout.toml"
    file.write_text(text)
    return read_file(file)


def test_every_key(tmp_path: Path) -> None:
    """With its type; whole numbers are seconds, too, and dates are texts."""
    text = """
        store = "s3://b"
        queue = "sqs:"
        region = 2026-12-01
        visibility = 3
        max_receives = 7
        strict = true
        durable = false
        datastores = {a = "s3://c"}
        [computes]
        cpu = "local"
        [profiles.one]
        visibility = 2.5
        datastores = {d = "s3://e"}
    """
    profile = Keys(visibility=2.5, datastores={"d": "s3://e"})
    expected = SettingsFile(
        store="s3://b",
        queue="sqs:",
        region="2026-12-01",
        visibility=3.0,
        max_receives=7,
        strict=True,
        durable=False,
        datastores={"a": "s3://c"},
        computes={"cpu": "local"},
        profiles={"one": profile},
    )
    assert _read(tmp_path, text) == expected
    assert _read(tmp_path, "") == SettingsFile()


def test_each_key_has_a_check() -> None:
    """A key that is added is read, at the top and in a profile."""
    assert set(_KEYS) == {each.name for each in fields(Keys)}
    assert set(_TOP) == {each.name for each in fields(SettingsFile)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("store = 5", "store: input should be a valid string, found 5"),
        ('store = ["a"]', "store: input should be a valid string, found ['a']"),
        ("visibility = true", "visibility: input should be a valid number, found True"),
        ("max_receives = 2.5", "max_receives: input should be a valid integer, found 2.5"),
        ("max_receives = false", "max_receives: input should be a valid integer, found False"),
        ("strict = 1", "strict: input should be a valid boolean, found 1"),
        ("datastores = [1]", "datastores: input should be an object, found [1]"),
        ("datastores = {a = 5}", "datastores.a: input should be a valid string, found 5"),
        ('computes = {a.b = "x"}', "computes.a: input should be a valid string, found {'b': 'x'}"),
        ("profiles.x = 5", "profiles.x: input should be an object, found 5"),
        ("profiles.x.store = 5", "profiles.x.store: input should be a valid string, found 5"),
        ("profiles.x.profiles = {}", "profiles.x.profiles: unknown key"),
        ('profiles.x.regoin = ""', "profiles.x.regoin: unknown key; did you mean 'region'?"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, problem: str) -> None:
    """File, key path, and what is there or was meant."""
    with pytest.raises(SettingsError) as refused:
        _read(tmp_path, text)
    assert str(refused.value) == f"{tmp_path / 'fanout.toml'}: {problem}"


def test_every_problem_is_named(tmp_path: Path) -> None:
    """In the order of the file, fifty at the most."""
    with pytest.raises(SettingsError) as refused:
        _read(tmp_path, "\n".join(["store = 1", "strict = 2", *(f"key{number} = 3" for number in range(100))]))
    lines = str(refused.value).splitlines()
    assert len(lines) == 50
    assert [line.split(": ")[1] for line in lines[:3]] == ["store", "strict", "key0"]


def test_numbers_that_no_float_holds(tmp_path: Path) -> None:
    """They are out of range, not a crash."""
    assert _read(tmp_path, f"visibility = {10**400}").visibility == float("inf")


def test_nothing_heavy_is_loaded(tmp_path: Path) -> None:
    """A project with a fanout.toml begins as fast as one without."""
    (tmp_path / "fanout.toml").write_text("visibility = 3")
    program = (
        "import sys; from pathlib import Path; from fanout.config.settings import load_settings; "
        "load_settings(Path(), None, {}); print(sorted({'pydantic', 'obstore', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
