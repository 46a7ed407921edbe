"""Whether the data of a mini-batch is on this machine."""

from pathlib import Path

from fanout.errors import InputError
from fanout.files import uris
from fanout.records.mini_batch import MiniBatch

MOST_LOOKED_AT = 1_000
"""Files of one mini-batch, at the most, that are looked for: a look is a system call."""


def missing_file(batch: MiniBatch) -> str | None:
    """The first local file of the mini-batch that is not there, or cannot be reached; None when all are.

    Of files elsewhere nothing is said.
    """
    named = batch.files or tuple(dict.fromkeys(piece.uri for piece in batch.pieces))
    for uri in named[:MOST_LOOKED_AT]:
        if uris.is_local(uri) and not _is_there(uri):
            return uris.display(uri)
    return None


def _is_there(uri: str) -> bool:
    try:
        Path(uris.to_path(uri)).stat()
    except (OSError, InputError):
        return False
    return True
