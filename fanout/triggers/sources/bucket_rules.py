"""The notification that a trigger needs on its bucket, among those of others, and the policy of its queue. Pure.

A bucket has one configuration, which is read, changed and written as a whole; so what is not ours (recognised by its
id) goes through unchanged, whatever it is.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fanout.errors import QueueError

EVENTS = "s3:ObjectCreated:*"
_KIND = "QueueConfigurations"
Configuration = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Notification:
    """Which events a queue receives."""

    id: str
    queue: str  # ARN
    prefix: str = ""
    suffix: str = ""


def notification_id(trigger: str) -> str:
    """The id of a trigger's notification."""
    return f"fanout-{trigger}"


def find(configuration: Configuration, id_: str) -> Notification | None:
    """The notification with this id; None when there is none."""
    for entry in configuration.get(_KIND, ()):
        if entry.get("Id") == id_:
            rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
            named = {str(rule.get("Name")).lower(): str(rule.get("Value", "")) for rule in rules}
            return Notification(id_, str(entry.get("QueueArn")), named.get("prefix", ""), named.get("suffix", ""))
    return None


def with_ours(configuration: Configuration, ours: Notification) -> Configuration:
    """The configuration with `ours` in it, in the place of what had its id."""
    wanted = {"prefix": ours.prefix, "suffix": ours.suffix}
    rules = [{"Name": name, "Value": value} for name, value in wanted.items() if value]
    entry: dict[str, Any] = {"Id": ours.id, "QueueArn": ours.queue, "Events": [EVENTS]}
    if rules:
        entry["Filter"] = {"Key": {"FilterRules": rules}}
    others = without(configuration, ours.id)
    return {**others, _KIND: [*others.get(_KIND, ()), entry]}


def without(configuration: Configuration, id_: str) -> Configuration:
    """The configuration without the notification of this id."""
    kept = [entry for entry in configuration.get(_KIND, ()) if entry.get("Id") != id_]
    rest = {key: value for key, value in configuration.items() if key != _KIND}
    return {**rest, _KIND: kept} if kept else rest


def policy_with(policy: str | None, sid: str, queue: str, bucket: str) -> str:
    """The queue's policy, in which the bucket may send to it; QueueError when there is one that is no policy."""
    partition, account = queue.split(":")[1], queue.split(":")[4]
    statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": queue,
        "Condition": {
            "ArnLike": {"aws:SourceArn": f"arn:{partition}:s3:::{bucket}"},
            "StringEquals": {"aws:SourceAccount": account},
        },
    }
    others = _statements(policy, sid)
    return _policy(policy, [*others, statement])


def policy_without(policy: str | None, sid: str) -> str:
    """The queue's policy without what this trigger needed; "" when nothing is left of it."""
    others = _statements(policy, sid)
    return _policy(policy, others) if others else ""


def is_same_policy(one: str | None, other: str | None) -> bool:
    """Whether two policies say the same, however they are written."""
    return (json.loads(one) if one else None) == (json.loads(other) if other else None)


def _statements(policy: str | None, sid: str) -> list[Any]:
    """What others allow and forbid."""
    if not policy:
        return []
    try:
        there = json.loads(policy)["Statement"]
        return [one for one in (there if isinstance(there, list) else [there]) if one.get("Sid") != sid]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        raise QueueError(f"the policy of the queue cannot be read, so it is left alone: {policy[:200]!r}") from exc


def _policy(policy: str | None, statements: list[Any]) -> str:
    base = json.loads(policy) if policy else {"Version": "2012-10-17"}
    return json.dumps({**base, "Statement": statements})
