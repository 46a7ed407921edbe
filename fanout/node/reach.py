"""Whether a place where an engine would start nodes reaches what they need. Runs there, before a run exists.

`python -m fanout.node.reach QUESTION` prints a line for each thing that is missing, and ends with exit code 0.
"""

import asyncio
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from fanout.errors import FanoutError
from fanout.storage.access import Access
from fanout.storage.hard_exit import hard_exit
from fanout.version import __version__

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PATIENCE = 10.0
"""Seconds in which a server has to answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """What nodes need.

    `token` is the name of a file in the folder of a local store, `machine` the machine that a queue in a folder is on;
    each "" where that does not matter. `folders`: inputs and code in folders.
    """

    version: str
    store: str
    token: str = ""
    machine: str = ""
    folders: tuple[str, ...] = ()

    def text(self) -> str:
        """As the argument of the command."""
        return json.dumps(asdict(self))


def this_machine() -> str:
    """What tells this machine, as long as it is up, from all others; "" when that cannot be found out."""
    try:
        return BOOT_ID.read_text().strip()
    except OSError:
        return ""


def other_machine(machine: str) -> str | None:
    """Why nodes here cannot use a queue in a folder of `machine`; None when they can."""
    if machine in ("", this_machine()):
        return None
    return (
        "the queue is a file of another machine, and SQLite works on one machine only; name a queue that nodes reach "
        "with --queue, such as sqs:"
    )


def problems(question: Question, access: Access) -> Iterator[str]:
    """What is missing here, a sentence each."""
    if question.version != __version__:
        yield f"fanout {__version__} is installed here, and the run has {question.version}"
    folder = _folder(question.store)
    if folder is None:
        yield from _of_server(question.store, access)
    elif question.token and not (folder / question.token).exists():
        yield f"the store {folder} is not this run's store here: nodes need a store that all machines reach"
    if (why := other_machine(question.machine)) is not None:
        yield why
    for wanted in question.folders:
        if not os.access(wanted, os.R_OK):
            yield f"{wanted} cannot be read here"


def _folder(store: str) -> Path | None:
    parts = urlsplit(store)
    if parts.scheme == "file":
        from fanout.files import uris

        return Path(uris.to_path(store))
    return Path(store) if not parts.scheme else None


def _of_server(store: str, access: Access) -> Iterator[str]:
    from fanout.storage.objects import list_names
    from fanout.storage.open import open_store

    try:
        asyncio.run(list_names(open_store(store, replace(access, patience=PATIENCE)), "probe/"))
    except (FanoutError, OSError) as exc:
        yield f"the store {store} cannot be reached here: {exc}"


def main(arguments: Sequence[str]) -> int:
    """Prints what is missing, with the name of this machine."""
    question = Question(**json.loads(arguments[0]))
    for problem in problems(question, Access.from_environ(os.environ)):
        sys.stdout.write(f"{socket.gethostname()}: {problem}\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    hard_exit(main(sys.argv[1:]))
