"""Cost before it is spent."""

import pytest

from fanout.planning.cost import PlanSize, Requests, estimate


def test_a_million_small_mini_batches() -> None:
    """Ten to a request everywhere: about 0.4 requests a mini-batch and the reading of results, 66 cents."""
    found = estimate(PlanSize(1_000_000))
    assert found.requests == Requests(100_000, 100_000, 100_000, 101_000, 100_000)
    assert found.dollars == pytest.approx(0.665)


def test_large_messages_are_billed_by_size() -> None:
    """Ten messages of 8 KiB are two units of 64 KiB; receipts stay small."""
    found = estimate(PlanSize(1000, line_bytes=8000)).requests
    assert (found.send, found.receive, found.delete) == (200, 200, 100)


def test_remote_input_is_fetched_by_get() -> None:
    """Each file or piece that nodes fetch is a request."""
    assert estimate(PlanSize(10, input_objects=500)).requests.get == 501


def test_nothing_costs_nothing() -> None:
    """An empty plan has no requests."""
    found = estimate(PlanSize(0))
    assert (found.requests.total, found.dollars, found.messages) == (0, 0, 0)
