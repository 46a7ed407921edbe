"""A node's number: unique in its step, small, and announced in the store, where the supervisor looks for nodes."""

import json
import os
import secrets
import socket
from typing import TYPE_CHECKING

from fanout.storage import keys
from fanout.storage.keys import StepRound
from fanout.storage.objects import create, list_names

if TYPE_CHECKING:
    from obstore.store import ObjectStore


async def register(store: "ObjectStore", at: StepRound) -> int:
    """Takes the first free number for this node, and returns it."""
    prefix = keys.nodes(at)
    me = {"host": socket.gethostname(), "pid": os.getpid(), "token": secrets.token_hex(8)}
    number = len(await list_names(store, prefix))
    while not await create(store, keys.node(at, number), json.dumps(me).encode()):
        number += 1
    return number


async def registered(store: "ObjectStore", at: StepRound) -> list[int]:
    """The numbers of all nodes that ever worked on the step."""
    return sorted(int(name) for name in await list_names(store, keys.nodes(at)) if name.isdecimal())
