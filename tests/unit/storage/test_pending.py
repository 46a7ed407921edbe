"""What has no answer yet is known, for as long as it has none."""

import time

from obstore.store import MemoryStore

from fanout.storage.access import Access
from fanout.storage.open import open_store
from fanout.storage.pending import longest, waiting
from fanout.storage.retry import asked


def test_the_longest_wait_is_known() -> None:
    """Of those that are open; what takes long by its nature waits from then on."""
    assert longest() is None
    with waiting("a", 10, longer=20):
        with waiting("b", 10):
            found = longest()
            assert found is not None
            assert (found.where, found.limit) == ("b", 10)
            assert found.since <= time.monotonic()
        found = longest()
        assert found is not None
        assert found.where == "a"
        assert found.since > time.monotonic()
    assert longest() is None


def test_servers_are_named_as_people_know_them() -> None:
    """An endpoint by its URL, AWS by bucket and region; what has no network in between is not waited for."""
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    with asked(open_store("s3://b/p", Access.from_environ({**keys, "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}))):
        found = longest()
        assert found is not None
        assert found.where == "http://127.0.0.1:9"
    with asked(open_store("s3://b/p", Access.from_environ({**keys, "AWS_REGION": "eu-west-1"}))):
        found = longest()
        assert found is not None
        assert found.where == "AWS S3 (bucket b, eu-west-1)"
    with asked(MemoryStore()):
        assert longest() is None
