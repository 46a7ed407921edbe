"""Datastores: where names of an Azure workspace lead, and how child processes are told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import SettingsError
from fanout.storage.access import Access
from fanout.storage.datastores import VARIABLE, Datastores

NAMES = st.text("abcXYZ019-_", min_size=1)


def test_named_ones_come_first_and_others_are_folders_of_the_store() -> None:
    """A name that fanout.toml does not know is a folder of the store."""
    known = Datastores.of({"blobs": "s3://bucket/blobs/"}, "file:///runs/")
    assert known.uri("blobs", "a/b.csv") == "s3://bucket/blobs/a/b.csv"
    assert known.uri("blobs", "") == "s3://bucket/blobs"
    assert known.uri("other", "x") == "file:///runs/datastores/other/x"
    assert Datastores().uri("blobs", "x") is None


@given(st.dictionaries(NAMES, st.text(min_size=1)), st.none() | st.text(min_size=1))
def test_child_processes_know_the_same_datastores(named: dict[str, str], others: str | None) -> None:
    """What an access tells its children's environment is what they read from it."""
    datastores = Datastores(tuple(sorted(named.items())), others)
    environ = Access(datastores=datastores).child_environ()
    assert Access.from_environ(environ).datastores == datastores
    assert (VARIABLE in environ) == bool(datastores)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"named": {"a": 1}, "others": null}', '{"named": {}, "others": 2}'])
def test_a_variable_that_fanout_did_not_set_is_refused(text: str) -> None:
    """Not with a stack trace about JSON, but with the variable's name."""
    with pytest.raises(SettingsError, match=VARIABLE):
        Datastores.from_environ({VARIABLE: text})
