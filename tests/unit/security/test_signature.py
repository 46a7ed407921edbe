"""Signatures: what a key has signed passes, anything else does not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import ForgedMessageError
from fanout.security.signature import LENGTH, UNSIGNED, Signer, new_key

KEY = "5" * 64
SIGNER = Signer(KEY)
CONTENT = '{"v":1,"run":"r","step":"s","index":3,"attempt":0,"batch":{"index":3,"files":["file:///a"]}}'
BODY = SIGNER.sign(CONTENT)


def test_what_was_signed_passes() -> None:
    """A signed body is the JSON object that it was, with one member more."""
    SIGNER.check(BODY)
    fields = json.loads(BODY)
    assert len(fields.pop("mac")) == 32
    assert fields == json.loads(CONTENT)


@given(st.integers(0, len(BODY) - 1), st.characters())
def test_one_other_character_is_noticed(place: int, other: str) -> None:
    """Wherever it stands: in the signature, in what surrounds it, in what it is about."""
    altered = BODY[:place] + other + BODY[place + 1 :]
    if altered != BODY:
        with pytest.raises(ForgedMessageError):
            SIGNER.check(altered)


@given(st.text() | st.sampled_from([CONTENT, BODY[1:], BODY[:-1], BODY + " ", " " + BODY, BODY[:LENGTH], "", "{}"]))
def test_nothing_else_passes(body: str) -> None:
    """Whatever is sent that was not signed, lone surrogates included."""
    with pytest.raises(ForgedMessageError):
        SIGNER.check(body)


def test_another_key_signs_for_others() -> None:
    """What one step or run has signed is worth nothing to another one."""
    assert new_key() != new_key()
    with pytest.raises(ForgedMessageError):
        Signer(new_key()).check(BODY)


@given(st.text())
def test_without_a_key_everything_passes(body: str) -> None:
    """What was begun before there were keys is finished as it was begun."""
    assert UNSIGNED.sign(CONTENT) == CONTENT
    UNSIGNED.check(body)


def test_lone_surrogates_can_be_signed() -> None:
    """Text that is no Unicode is refused where it is sent, not here."""
    SIGNER.check(SIGNER.sign('{"a":"\ud800"}'))
