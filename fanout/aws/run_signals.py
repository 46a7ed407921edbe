"""What functions report of their work: metrics in CloudWatch's embedded format, and notices to SNS and EventBridge.

A metric is a line of a function's log, so it needs no request, no permission and no time of a mini-batch.
"""

import json
import logging
from collections.abc import Mapping
from typing import Any

from fanout.records.seal import Seal
from fanout.records.verdict import VerdictStatus, verdict_words
from fanout.security.redaction import redact

METRICS = "FANOUT_METRICS"
"""`cloudwatch`: functions write metrics into their logs."""
TOPIC, BUS = "FANOUT_NOTIFY_TOPIC", "FANOUT_EVENT_BUS"
NAMESPACE = "fanout"
LONGEST_SUBJECT = 100
_REGION = "us-east-1"

log = logging.getLogger(__name__)


def embedded(at: float, metrics: Mapping[str, tuple[float, str]], dimensions: Mapping[str, str], **more: str) -> str:
    """One line in CloudWatch's embedded metric format: values with their units, `more` is text beside them."""
    found = [{"Name": name, "Unit": unit} for name, (_, unit) in metrics.items()]
    about = {"Namespace": NAMESPACE, "Dimensions": [list(dimensions)], "Metrics": found}
    values = {name: value for name, (value, _) in metrics.items()}
    aws = {"Timestamp": int(at * 1000), "CloudWatchMetrics": [about]}
    return json.dumps({"_aws": aws, **dimensions, **values, **more})


def worker_line(deployment: str, at: float, done: int, failed: int, seconds: float, returned: int) -> str:
    """What one invocation of a worker has done."""
    metrics = {
        "Attempts": (float(done), "Count"),
        "AttemptsFailed": (float(failed), "Count"),
        "WorkerSeconds": (seconds, "Seconds"),
        "DeliveriesReturned": (float(returned), "Count"),
    }
    return embedded(at, metrics, {"Deployment": deployment})


def run_line(deployment: str, at: float, run: str, seal: Seal) -> str:
    """A run that has ended; RunsFailed is 0 for one that has not failed, so that an alarm comes to an end."""
    status = seal.verdict.status
    metrics = {
        "RunsEnded": (1.0, "Count"),
        "RunsFailed": (float(status is VerdictStatus.FAILED), "Count"),
        "RunsWithFailures": (float(status is VerdictStatus.COMPLETED and seal.counts.has_failures), "Count"),
        "RunSeconds": (seal.seconds, "Seconds"),
    }
    return embedded(at, metrics, {"Deployment": deployment}, run=run, status=str(status))


def notice_of(deployment: str, run: str, seal: Seal) -> dict[str, Any]:
    """The end of a run, for SNS and EventBridge; the names of the fields stay."""
    words, reason = verdict_words(seal.verdict, seal.counts), redact(seal.verdict.reason)[:1000]
    return {
        "event": "run_ended",
        "deployment": deployment,
        "run": run,
        "status": str(seal.verdict.status),
        "with_failures": seal.counts.has_failures,
        "reason": reason,
        "seconds": round(seal.seconds, 3),
        "text": f"run {run} of {deployment}: {words}: {reason}",
    }


def announce(deployment: str, run: str, seal: Seal, at: float, environ: Mapping[str, str]) -> None:
    """Reports a run that has ended, as the variables ask for; a notice that cannot be sent is a line in the log.

    A tick that is delivered twice announces twice.
    """
    if environ.get(METRICS) == "cloudwatch":
        print(run_line(deployment, at, run, seal), flush=True)  # noqa: T201 - the log of the function
    if not (environ.get(TOPIC) or environ.get(BUS)):
        return
    try:
        _publish(notice_of(deployment, run, seal), environ)
    except Exception as exc:  # noqa: BLE001 - the run is over, whatever becomes of its notice
        log.warning("the end of run %s could not be announced: %s", run, redact(str(exc)))


def _publish(notice: Mapping[str, Any], environ: Mapping[str, str]) -> None:
    import boto3

    region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or _REGION
    if topic := environ.get(TOPIC):
        subject = f"fanout: {notice['run']} {notice['status']}"[:LONGEST_SUBJECT]
        attributes = {
            name: {"DataType": "String", "StringValue": str(notice[name])} for name in ("status", "deployment")
        }
        boto3.client("sns", region_name=region).publish(
            TopicArn=topic, Subject=subject, Message=json.dumps(notice), MessageAttributes=attributes
        )
    if bus := environ.get(BUS):
        entry = {"Source": "fanout", "DetailType": "run ended", "Detail": json.dumps(notice)}
        answer = boto3.client("events", region_name=region).put_events(Entries=[{**entry, "EventBusName": bus}])
        if answer.get("FailedEntryCount"):
            raise RuntimeError(answer["Entries"][0].get("ErrorMessage", "EventBridge refused the event"))
