"""What functions report: metrics as lines of their logs, notices to SNS and EventBridge of a real server."""

import json
from typing import Any

import boto3
import pytest

from fanout.aws.run_signals import announce, notice_of, run_line, worker_line
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus

FAILED = Seal(Verdict(VerdictStatus.FAILED, "7 of 9 failed"), Counts(9, 2, 7), seconds=12.5)
GOOD = Seal(Verdict(VerdictStatus.COMPLETED, "all"), Counts(9, 9))


def test_a_line_is_what_cloudwatch_reads() -> None:
    """As the specification of the embedded metric format says: every metric that is named has a value beside it."""
    for line in (run_line("d", 1.5, "r", FAILED), worker_line("d", 1.5, 10, 2, 3.5, 1)):
        fields = json.loads(line)
        [about] = fields["_aws"]["CloudWatchMetrics"]
        assert (fields["_aws"]["Timestamp"], about["Namespace"]) == (1500, "fanout")
        assert about["Dimensions"] == [["Deployment"]]
        assert fields["Deployment"] == "d"
        for metric in about["Metrics"]:
            assert isinstance(fields[metric["Name"]], float)
            assert metric["Unit"] in ("Count", "Seconds")


def test_failed_runs_are_counted_by_what_the_alarm_watches() -> None:
    """0 for others, so that it comes to an end."""
    assert json.loads(run_line("d", 1.0, "r", FAILED))["RunsFailed"] == 1.0
    assert json.loads(run_line("d", 1.0, "r", GOOD))["RunsFailed"] == 0.0


def test_nothing_is_reported_unasked(capsys: pytest.CaptureFixture[str]) -> None:
    """Without variables."""
    announce("d", "r", FAILED, 1.0, {})
    assert capsys.readouterr().out == ""


def test_the_end_of_a_run_comes_to_sns_and_eventbridge(
    moto_endpoint: str, aws_environ: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A queue behind each gets the notice."""
    for name, value in aws_environ(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    region = {"region_name": "us-east-1"}
    sns, sqs, events = boto3.client("sns", **region), boto3.client("sqs", **region), boto3.client("events", **region)
    url = sqs.create_queue(QueueName="run-signals")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = sns.create_topic(Name="run-signals")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
    events.put_rule(Name="run-signals", EventPattern=json.dumps({"source": ["fanout"]}))
    events.put_targets(Rule="run-signals", Targets=[{"Id": "1", "Arn": arn}])
    announce("d", "r", FAILED, 1.0, {"FANOUT_NOTIFY_TOPIC": topic, "FANOUT_EVENT_BUS": "default"})
    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    bodies = [json.loads(message["Body"]) for message in found]
    notices = [json.loads(body["Message"]) if "Message" in body else body["detail"] for body in bodies]
    assert notices == [notice_of("d", "r", FAILED)] * 2


def test_a_topic_that_is_not_there_changes_nothing(
    moto_endpoint: str, aws_environ: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is a line in the log."""
    for name, value in aws_environ(moto_endpoint).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_endpoint)
    announce("d", "r", GOOD, 1.0, {"FANOUT_NOTIFY_TOPIC": "arn:aws:sns:us-east-1:123456789012:missing"})
    assert "the end of run r could not be announced" in caplog.text
