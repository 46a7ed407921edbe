"""Who may ask the live page for something."""

import pytest

from fanout.page.gate import Gate, hosts_of

GATE = Gate("secret-token", hosts_of("127.0.0.1", 80), "fanout-80")


@pytest.mark.parametrize(
    ("host", "cookie", "bearer", "token"),
    [
        ("127.0.0.1:80", "secret-token", "", ""),
        ("LOCALHOST:80", "", "Bearer secret-token", ""),
        ("[::1]:80", "", "", "secret-token"),
    ],
)
def test_the_token_lets_in(host: str, cookie: str, bearer: str, token: str) -> None:
    """As a cookie, a header, or in the first address."""
    assert GATE.refusal(host, {"fanout-80": cookie}, bearer, token) == ""


@pytest.mark.parametrize(
    ("host", "cookie", "bearer"),
    [
        ("127.0.0.1:80", "", ""),
        ("127.0.0.1:80", "secret-tokeN", ""),
        ("127.0.0.1:80", "", "Bearer ü"),
        ("127.0.0.1:81", "secret-token", ""),
        ("evil.example:80", "secret-token", ""),
        ("", "secret-token", ""),
    ],
)
def test_others_are_refused(host: str, cookie: str, bearer: str) -> None:
    """Also by a name that another site has given this address."""
    assert GATE.refusal(host, {"fanout-80": cookie}, bearer, "")


@pytest.mark.parametrize(
    ("origin", "header", "refused"),
    [("http://127.0.0.1:80", "1", False), ("http://evil.example", "1", True), ("http://127.0.0.1:80", "", True)],
)
def test_actions_come_from_the_page_itself(origin: str, header: str, refused: bool) -> None:
    """A form of another site has neither its origin nor its header."""
    assert bool(GATE.refuses_action(origin, header)) is refused


def test_a_page_for_other_machines_has_the_name_it_was_given() -> None:
    """And no name of loopback."""
    assert hosts_of("work.example", 9000) == {"work.example:9000"}
    assert hosts_of("fd00::1", 9000) == {"[fd00::1]:9000"}
