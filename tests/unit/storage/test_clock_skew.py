"""Refusals that are about the time."""

import pytest

from fanout.storage.clock_skew import clock_trouble

S3 = (
    "Server returned non-2xx status code: 403 Forbidden: <Error><Code>RequestTimeTooSkewed</Code><Message>The "
    "difference between the request time and the current time is too large.</Message><RequestTime>{ours}</RequestTime>"
    "<ServerTime>2026-11-23T12:00:00Z</ServerTime><MaxAllowedSkewMilliseconds>900000</MaxAllowedSkewMilliseconds></Error>"
)
EXPIRED = "Signature expired: 20261123T110000Z is now earlier than 20261123T114500Z (20261123T120000Z - 15 min.)"
EARLY = "Signature not yet current: 20261123T123000Z is still later than 20261123T121500Z (20261123T120000Z + 15 min.)"


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (S3.format(ours="20261123T110000Z"), "1 h 0 min behind the server's"),
        (S3.format(ours="20261123T134500Z"), "1 h 45 min ahead of the server's"),
        (S3.format(ours="Mon, 23 Nov 2026 11:40:00 GMT"), "20 min behind the server's"),
        (EXPIRED, "1 h 0 min behind the server's"),
        (EARLY, "30 min ahead of the server's"),
    ],
)
def test_how_far_the_clock_is_off(refusal: str, said: str) -> None:
    """Both servers tell their time and ours; people hear the difference, and what to do."""
    assert clock_trouble(refusal) == f"this machine's clock is {said}; set it"


@pytest.mark.parametrize("refusal", [S3.format(ours="yesterday"), "<Code>RequestTimeTooSkewed</Code>"])
def test_times_that_cannot_be_read(refusal: str) -> None:
    """The trouble is still called by its name."""
    assert clock_trouble(refusal) == "this machine's clock differs too much from the server's; set it"


@pytest.mark.parametrize("refusal", ["", "<Code>AccessDenied</Code>", "SignatureDoesNotMatch: check your key"])
def test_other_refusals_are_not_about_time(refusal: str) -> None:
    """Nothing is guessed."""
    assert clock_trouble(refusal) is None
