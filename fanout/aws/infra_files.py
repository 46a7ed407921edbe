"""The files of infra/: beside the package in a checkout, inside it in an installation."""

from importlib.resources import files
from pathlib import Path


def infra_file(name: str) -> str:
    """The text of `infra/<name>`."""
    installed = files("fanout.aws") / "infra" / name
    if installed.is_file():
        return installed.read_text("utf-8")
    return (Path(__file__).parents[2] / "infra" / name).read_text("utf-8")
