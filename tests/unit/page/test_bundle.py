"""Script and style of the page, as one text for a report."""

import re

import pytest

from fanout.page.bundle import ASSETS, asset, one_script

MODULES = sorted(path.relative_to(ASSETS).as_posix() for path in ASSETS.rglob("*.js"))


def test_every_module_is_in_the_script_once_behind_what_it_imports() -> None:
    """Nothing is left of the syntax of modules, which a script in a page cannot have."""
    script = one_script()
    order = re.findall(r'^modules\["([^"]+)"\] = ', script, re.MULTILINE)
    assert sorted(order) == MODULES
    for used in re.finditer(r'= modules\["([^"]+)"\];', script):
        assert f'modules["{used[1]}"] = ' in script[: used.start()]
    assert not re.search(r"^(?:import|export) ", script, re.MULTILINE)
    assert "</script" not in script


@pytest.mark.parametrize("name", MODULES)
def test_nothing_is_ever_parsed_as_html(name: str) -> None:
    """Texts of users are set as texts; no module knows another way, and none is longer than 400 lines."""
    text = asset(name) or ""
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser", text
    )
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text
    assert len(text.splitlines()) <= 400


def test_there_is_no_other_asset() -> None:
    """Names lead nowhere else."""
    assert asset("../bundle.py") is None
    assert asset("app.js") is not None
