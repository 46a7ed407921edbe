"""Ours among the notifications of others, and our statement among theirs."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fanout.errors import QueueError
from fanout.triggers.sources.bucket_rules import (
    Notification,
    find,
    is_same_policy,
    policy_with,
    policy_without,
    with_ours,
    without,
)

ARN = "arn:aws:sqs:eu-central-1:123456789012:fanout-shop"
OURS = Notification("fanout-shop", ARN, "in/", ".csv")
THEIRS: dict[str, Any] = {
    "QueueConfigurations": [{"Id": "theirs", "QueueArn": "arn:aws:sqs:::x", "Events": ["s3:ObjectRemoved:*"]}],
    "TopicConfigurations": [{"Id": "topic", "TopicArn": "arn:aws:sns:::t", "Events": ["s3:ObjectCreated:*"]}],
    "EventBridgeConfiguration": {},
}


@pytest.mark.parametrize("before", [{}, THEIRS], ids=["alone", "with others"])
def test_it_comes_and_goes(before: dict[str, Any]) -> None:
    """Set twice it is there once; removed, all is as it was before."""
    once = with_ours(before, OURS)
    assert find(once, "fanout-shop") == OURS
    assert with_ours(once, OURS) == once
    assert without(once, "fanout-shop") == before
    assert find(without(once, "fanout-shop"), "fanout-shop") is None


def test_a_change_replaces_it() -> None:
    """One notification an id, and no filter where nothing is filtered."""
    changed = Notification("fanout-shop", ARN)
    [entry] = with_ours(with_ours({}, OURS), changed)["QueueConfigurations"]
    assert "Filter" not in entry
    assert find(with_ours({}, changed), "fanout-shop") == changed


def test_filters_are_read_as_servers_write_them() -> None:
    """AWS answers with a capital letter."""
    entry = with_ours({}, OURS)["QueueConfigurations"][0]
    for rule in entry["Filter"]["Key"]["FilterRules"]:
        rule["Name"] = rule["Name"].capitalize()
    assert find({"QueueConfigurations": [entry]}, "fanout-shop") == OURS


def test_the_policy_lets_the_bucket_in_and_nobody_else() -> None:
    """Of this account, for this queue."""
    [statement] = json.loads(policy_with(None, "fanout-shop", ARN, "uploads"))["Statement"]
    assert statement["Action"] == "sqs:SendMessage"
    assert statement["Resource"] == ARN
    assert statement["Condition"] == {
        "ArnLike": {"aws:SourceArn": "arn:aws:s3:::uploads"},
        "StringEquals": {"aws:SourceAccount": "123456789012"},
    }


def test_a_policy_of_others_stays() -> None:
    """Also one with a single statement that is no list."""
    theirs = json.dumps({"Version": "2008-10-17", "Id": "x", "Statement": {"Sid": "a", "Effect": "Deny"}})
    both = policy_with(theirs, "fanout-shop", ARN, "uploads")
    assert [one["Sid"] for one in json.loads(both)["Statement"]] == ["a", "fanout-shop"]
    assert is_same_policy(policy_with(both, "fanout-shop", ARN, "uploads"), both)
    left = json.loads(policy_without(both, "fanout-shop"))
    assert left == {"Version": "2008-10-17", "Id": "x", "Statement": [{"Sid": "a", "Effect": "Deny"}]}
    assert policy_without(policy_with(None, "fanout-shop", ARN, "uploads"), "fanout-shop") == ""


@given(st.text(max_size=20) | st.sampled_from(['{"Statement": 3}', '{"Statement": [3]}', "[]", "{}", "null"]))
def test_what_is_no_policy_is_left_alone(text: str) -> None:
    """An error instead of a policy in which something is lost."""
    if text:
        with pytest.raises(QueueError, match="left alone"):
            policy_with(text, "fanout-shop", ARN, "uploads")
