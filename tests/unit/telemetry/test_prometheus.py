"""What Prometheus reads of nodes and runs: read back by its own parser."""

import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fanout.errors import SettingsError
from fanout.queries.activity import Activity
from fanout.queries.status import RunStatus, State, StepStatus
from fanout.queues.base import Depth
from fanout.records.node_status import NodeStatus, Running, SeenNode
from fanout.records.seal import Seal
from fanout.records.verdict import Counts, Verdict, VerdictStatus
from fanout.telemetry.metrics_server import address_of, metrics_served
from fanout.telemetry.prometheus import Family, exposition, node_families, run_families

HOSTILE = 'a"b\\c\nd{e}="f"'


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each sample by its name and labels."""
    families = list(text_string_to_metric_families(text))
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def test_a_node() -> None:
    """Its slots, attempts and the age of the oldest; labels hold what they are given."""
    status = NodeStatus(3, "h", 1, 50.0, 90.0, 4, 1, 7, 20, 2, (Running("process000", 5, 0, 70.0),))
    found = parsed(exposition(node_families(status, "r", HOSTILE, 100.0)))
    labels = frozenset({("run", "r"), ("step", HOSTILE), ("node", "3")})
    assert {name.removeprefix("fanout_node_"): value for (name, of), value in found.items() if of == labels} == {
        "slots": 4.0,
        "slots_starting": 1.0,
        "slots_busy": 1.0,
        "waiting": 7.0,
        "attempts_total": 20.0,
        "attempts_failed_total": 2.0,
        "longest_seconds": 30.0,
        "start_time_seconds": 50.0,
        "up": 1.0,
    }


def test_runs() -> None:
    """Over and under way: verdict, outcomes, what is open, nodes alive and the queue."""
    seen = (SeenNode(NodeStatus(0, "h", 1, 1.0, 2.0, 1), 1.0), SeenNode(NodeStatus(1, "h", 1, 1.0, 2.0, 1), 1e6))
    activity = Activity(2, seen, (), Depth(5, 2, 1))
    runs = [
        RunStatus(
            "over",
            1.0,
            "p",
            Seal(Verdict(VerdictStatus.FAILED, "x"), Counts(2), seconds=9.0),
            (StepStatus("a", counts=Counts(2, succeeded=1, failed=1, retried=3)),),
        ),
        RunStatus("on", 1.0, "p", None, (StepStatus("a", State.UNDER_WAY, counts=Counts(9, 1), activity=activity),)),
    ]
    found = parsed(exposition(run_families(runs)))

    def value(name: str, **labels: str) -> float:
        return found[name, frozenset(labels.items())]

    assert value("fanout_run_info", run="over", status="Failed") == 1
    assert value("fanout_run_info", run="on", status="Running") == 1
    assert value("fanout_run_seconds", run="over") == 9.0
    assert value("fanout_step_mini_batches", run="over", step="a", outcome="failed") == 1
    assert value("fanout_step_mini_batches", run="on", step="a", outcome="open") == 8
    assert value("fanout_step_attempts_retried", run="over", step="a") == 3
    assert value("fanout_step_nodes_alive", run="on", step="a") == 1
    assert value("fanout_step_queue_depth", run="on", step="a", state="visible") == 5


def test_what_cannot_be_a_metric() -> None:
    """Is our mistake, and not Prometheus's to find; families without values are left out."""
    with pytest.raises(ValueError, match="cannot name a metric"):
        exposition([Family("a b", "gauge", "", [({}, 1.0)])])
    assert exposition([Family("a", "gauge", "", [])]) == ""


def test_it_is_served_until_the_context_ends() -> None:
    """At a free port of this machine; nothing else is there."""
    with metrics_served(("127.0.0.1", 0), lambda: "a 1\n") as url, _get(url) as answer:
        assert answer.read() == b"a 1\n"
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            _get(url.replace("metrics", "other"))
        with pytest.raises(SettingsError, match="cannot listen there"), metrics_served(_address(url), str):
            pass
    with pytest.raises(urllib.error.URLError):
        _get(url)


def _get(url: str) -> Any:
    return urllib.request.urlopen(url)  # noqa: S310 - a server of this test


def _address(url: str) -> Any:
    host, _, port = url.removeprefix("http://").removesuffix("/metrics").partition(":")
    return host, int(port)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        (":9000", ("127.0.0.1", 9000)),
        ("::0:0", ("::0", 0)),
        ("localhost", ("localhost", 9464)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_addresses(given: str, address: tuple[str, int]) -> None:
    """This machine alone, unless a host is named."""
    assert address_of(given) == address


@pytest.mark.parametrize("given", ["a:b", "a:99999", ":"])
def test_what_is_no_address(given: str) -> None:
    """Is a mistake of the command line."""
    with pytest.raises(SettingsError, match="expected HOST:PORT"):
        address_of(given)
