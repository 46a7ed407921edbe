"""Signatures: a message shows that its sender can read the store, where the key is. Queues themselves are not trusted.

A body is a JSON object. A signed one begins with the member `mac`, a keyed BLAKE2b of everything behind it. The key of
a step is in its step.json, that of a run in run.json. What was begun before there were keys is not signed.
"""

import hashlib
import hmac
import secrets
from typing import Final

from fanout.errors import ForgedMessageError

_KEY_BYTES = 32
_DIGEST_BYTES = 16
_BEGIN: Final = '{"mac":"'
_END = '",'
LENGTH: Final = len(_BEGIN) + 2 * _DIGEST_BYTES + len(_END)
"""Characters of a body before what is signed."""


def new_key() -> str:
    """A random key, as records hold it."""
    return secrets.token_hex(_KEY_BYTES)


class Signer:
    """Signs and checks bodies with one key; without a key it lets everything pass."""

    __slots__ = ("_keyed",)

    def __init__(self, key: str | None) -> None:
        # Copied for each message: that costs a third of what hmac.digest does, and there is one for every mini-batch.
        self._keyed = None if key is None else hashlib.blake2b(key=bytes.fromhex(key), digest_size=_DIGEST_BYTES)

    @property
    def signs(self) -> bool:
        """Whether there is a key."""
        return self._keyed is not None

    def sign(self, content: str) -> str:
        """The body that carries `content`, a JSON object of at least one member."""
        if self._keyed is None:
            return content
        rest = content[1:]
        mac = self._keyed.copy()
        mac.update(rest.encode("utf-8", "surrogatepass"))
        return f"{_BEGIN}{mac.hexdigest()}{_END}{rest}"

    def check(self, body: str) -> None:
        """ForgedMessageError unless `body` was signed with this key, and is as it was signed."""
        if self._keyed is None:
            return
        given, mac = body[:LENGTH], self._keyed.copy()
        mac.update(body[LENGTH:].encode("utf-8", "surrogatepass"))
        if not given.isascii() or not hmac.compare_digest(given, f"{_BEGIN}{mac.hexdigest()}{_END}"):
            raise ForgedMessageError(f"message {body[:80]!r}: was not sent by this run, or was altered")


UNSIGNED: Final = Signer(None)
"""For what was begun before there were keys."""
