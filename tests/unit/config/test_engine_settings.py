"""Engines in fanout.toml: which one, and the settings that all have in common."""

from pathlib import Path

import pytest

from fanout.config.engine_settings import EngineName, NodeRange, bounds_of, check_engine, node_settings
from fanout.config.settings import load_settings
from fanout.errors import SettingsError


def test_an_engine_with_the_settings_of_its_own_name_or_another() -> None:
    """`slurm` has `[engines.slurm]`, if that is there; `slurm:big` has `[engines.big]`, which must be."""
    assert check_engine("slurm", {}, "x") == EngineName("slurm", "slurm")
    assert check_engine("slurm:big", {"big": {}}, "x") == EngineName("slurm", "big")
    assert str(check_engine("slurm:big", {"big": {}}, "x")) == "slurm:big"
    with pytest.raises(SettingsError, match=r"^--on: there are no settings \[engines.bih\]; did you mean 'big'\?$"):
        check_engine("slurm:bih", {"big": {}}, "--on")
    with pytest.raises(SettingsError, match=r"^--on: there is no engine 'slurn'; did you mean 'slurm'\?$"):
        check_engine("slurn", {}, "--on")


def test_common_keys_and_those_of_the_engine() -> None:
    """Each goes to the one that knows it."""
    content = {"nodes": {"min": 0, "max": 50}, "memory": "1.5gb", "partition": "long"}
    common, own = node_settings(content, "engines.big")
    assert (common.nodes, common.memory_mb, common.grace) == (NodeRange(50), 1536, 30.0)
    assert own == {"partition": "long"}
    assert bounds_of(common.nodes, 3) == (0, 50)
    assert bounds_of(None, 3) == (3, 3)
    assert bounds_of(7, 3) == (7, 7)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"memory": "much"}, "engines.big.memory: expected a size such as 512mb or 4gb, found 'much'"),
        ({"nodes": 0}, "engines.big.nodes: expected a number from 1, or min and max with 0 <= min <= max"),
        ({"nodes": {"min": 9, "max": 3}}, "engines.big.nodes: expected a number from 1"),
        ({"nodes": {"most": 3}}, "engines.big.nodes.most: unknown key; there is 'max' or 'min'"),
        ({"alone": 0}, "engines.big.alone: expected a number above 0, found 0"),
        ({"grace": "soon"}, "engines.big.grace: expected a number, found 'soon'"),
    ],
)
def test_what_cannot_be_is_named(content: dict[str, object], sentence: str) -> None:
    """With its key path."""
    with pytest.raises(SettingsError) as wrong:
        node_settings(content, "engines.big")
    assert str(wrong.value).startswith(sentence)


def test_engines_of_a_file(tmp_path: Path) -> None:
    """Their settings come as they are written; those of a profile add to them."""
    file = tmp_path / "fanout.toml"
    file.write_text(
        '[computes]\ncpu = "slurm:big"\n[engines.big]\nnodes = {max = 3}\noptions = ["-x"]\n'
        '[profiles.p.engines.ssh]\nhosts = ["a"]\n'
    )
    settings = load_settings(tmp_path, "p", {})
    assert settings.engines == {"big": {"nodes": {"max": 3}, "options": ["-x"]}, "ssh": {"hosts": ["a"]}}
    file.write_text("[engines]\nbig = 3\n")
    with pytest.raises(SettingsError, match=r"engines\.big: input should be an object, found 3"):
        load_settings(tmp_path, None, {})
    file.write_text('[computes]\ncpu = "slurm:big"\n')
    with pytest.raises(SettingsError, match=r"computes\.cpu: there are no settings \[engines\.big\]"):
        load_settings(tmp_path, None, {})
