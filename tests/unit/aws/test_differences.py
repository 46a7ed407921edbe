"""What differs between two versions of a deployment is told in words."""

from dataclasses import replace

from obstore.store import MemoryStore

from fanout.aws.deployment import Deployment, dump
from fanout.aws.differences import changes, how_record_differs
from fanout.pipeline.model import CommandStep, Pipeline
from fanout.storage import keys
from fanout.storage.objects import put

ONE, TWO = CommandStep(name="one", command="true"), CommandStep(name="two", command="true")
BEFORE = Deployment("d", Pipeline("/p.yml", None, (ONE, TWO)), {"one": "a" * 64})


def test_each_difference_has_its_words() -> None:
    """Steps that are new, gone or different, other code, other settings, another version of fanout."""
    pipeline = Pipeline("/p.yml", None, (replace(ONE, command="false"), replace(TWO, name="three")), description="x")
    now = replace(BEFORE, pipeline=pipeline, code={"one": "b" * 64}, max_receives=9, fanout="9.9")
    assert list(changes(BEFORE, now)) == [
        "step one",
        "code of one",
        "step three is new",
        "step two is gone",
        "max_receives",
        "what the file says of the whole pipeline",
        f"fanout {BEFORE.fanout} -> 9.9",
    ]
    assert list(changes(BEFORE, BEFORE)) == []


async def test_compared_with_what_is_in_the_store() -> None:
    """New, the same, or different; one that cannot be read is replaced."""
    store = MemoryStore()
    assert await how_record_differs(BEFORE, store) == "is new"
    await put(store, keys.deployment_json("d"), dump(BEFORE))
    assert await how_record_differs(BEFORE, store) == ""
    assert await how_record_differs(replace(BEFORE, code={"one": "b" * 64}), store) == "changes: code of one"
    await put(store, keys.deployment_json("d"), b"{}")
    assert await how_record_differs(BEFORE, store) == "replaces one that cannot be read"
