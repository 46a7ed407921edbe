"""Inputs as a program sees them: text for its arguments, with the data brought here where the mode asks for it."""

from collections.abc import Mapping
from pathlib import Path

from fanout.files import uris
from fanout.files.transfer import download_file, download_folder
from fanout.pipeline.model import DataType, InputMode
from fanout.records.step import BoundInput
from fanout.storage.access import Access


async def fetch_inputs(inputs: Mapping[str, BoundInput], folder: Path, access: Access) -> dict[str, str | None]:
    """Each input as the text of `${{inputs.<name>}}` (reference, section 4).

    Local data is used in place, whatever the mode; remote data is copied below `folder` unless its mode is direct.
    None is an optional input without a value.
    """
    return {name: await _bring(bound, folder / name, access) for name, bound in inputs.items()}


async def _bring(bound: BoundInput, target: Path, access: Access) -> str | None:
    if bound.uri is None:
        return bound.literal
    if uris.is_local(bound.uri):
        return uris.to_path(bound.uri)
    if bound.mode is InputMode.DIRECT:
        return bound.uri
    if bound.type is DataType.URI_FILE:
        file = target / bound.uri.rstrip("/").rpartition("/")[2]
        await download_file(bound.uri, file, access)
        return str(file)
    await download_folder(bound.uri, target, access)
    return str(target)
