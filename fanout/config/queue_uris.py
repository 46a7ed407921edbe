"""URIs of queues as options, variables and fanout.toml may write them: one place says which kinds there are."""

import os
from pathlib import Path

from fanout.errors import SettingsError
from fanout.pipeline.yaml.diagnostics import shorten

IN_FOLDERS = ("sqlite",)
"""Kinds that keep their messages below a folder, which follows the colon."""
EXPECTED = "sqlite:FOLDER, sqs:, sqs://REGION or bucket:"


def queue_uri(text: str, base: Path) -> str:
    """The URI with its folder absolute; a relative one starts from `base`. SettingsError when the kind is unknown."""
    kind, _, rest = text.partition(":")
    if kind in IN_FOLDERS and rest:
        folder = base / Path(rest.removeprefix("//")).expanduser()
        return f"{kind}:{os.path.abspath(folder)}"  # noqa: PTH100 - links stay as they were written
    if text == "bucket:" or (kind == "sqs" and ":" in text):
        return text
    raise SettingsError(f"expected {EXPECTED}, found '{shorten(text)}'")
