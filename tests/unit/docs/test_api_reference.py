"""docs/reference/python-api.md is what the code says."""

import importlib.util
import inspect
from pathlib import Path
from typing import Any

import pytest

import fanout

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reference" / "python-api.md"
NAMES = [name for name in fanout.__all__ if name != "__version__"]


@pytest.fixture(scope="module")
def generator() -> Any:
    """The script that `make reference` runs."""
    spec = importlib.util.spec_from_file_location("api_reference", ROOT / ".ci" / "api_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date(generator: Any) -> None:
    """A changed signature or docstring needs `make reference`."""
    assert generator.page() == PAGE.read_text("utf-8"), "run: make reference"


def test_a_new_name_needs_a_place(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in no group yet."""
    monkeypatch.setattr(fanout, "__all__", [*fanout.__all__, "brand_new"])
    with pytest.raises(KeyError, match="brand_new"):
        generator.page()


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_says_what_it_promises(name: str) -> None:
    """It has a docstring of its own, as have its public methods and properties."""
    found = getattr(fanout, name)
    assert found.__doc__
    members = vars(found).items() if inspect.isclass(found) else ()
    silent = [
        member
        for member, value in members
        if not member.startswith("_") and (inspect.isfunction(value) or isinstance(value, property))
        if not inspect.getdoc(value)
    ]
    assert silent == []
