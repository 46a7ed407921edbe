"""CONTRIBUTING.md: folders, targets, modules and files that it names are there; no folder of tests is missing."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "CONTRIBUTING.md").read_text()


def test_every_folder_of_tests_has_its_row() -> None:
    """And no other."""
    rows = re.findall(r"^\| `tests/(\w+)` \|", PAGE, re.MULTILINE)
    folders = [path.name for path in (ROOT / "tests").iterdir() if path.is_dir() and not path.name.startswith("_")]
    assert sorted(rows) == sorted(folders)


def test_targets_and_modules_exist() -> None:
    """Of each `make` and each `python -m`."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert (
        set(re.findall(r"`make ([\w-]+)", PAGE)) | set(re.findall(r"^    make ([\w-]+)", PAGE, re.MULTILINE)) <= targets
    )
    for module in set(re.findall(r"python -m ([\w.]+)", PAGE)):
        assert (ROOT / module.replace(".", "/") / "__main__.py").is_file()


def test_files_that_are_named_exist() -> None:
    """Those of tests, and the command of CI."""
    for name in set(re.findall(r"`(?:\.venv/bin/pytest )?((?:tests|\.ci)/[\w./]+)`", PAGE)):
        assert (ROOT / name).exists(), name
