"""Who may ask the live page for something: the right host name, the token, and for actions the page itself. Pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Of every answer. Nothing of a run can run in the page: no script but its own files, no style, no other host."""
ACTION_HEADER = "x-fanout-action"
"""A form of another page cannot send it."""


@dataclass(frozen=True, slots=True)
class Gate:
    """`hosts` are the names, with the port, by which the page may be reached."""

    token: str
    hosts: frozenset[str]
    cookie: str

    def refusal(self, host: str, cookies: Mapping[str, str], authorization: str, token: str) -> str:
        """Why a request is not answered; "" when it is."""
        if host.lower() not in self.hosts:
            # Another site whose name leads here would be let in by the browser's own rules.
            return f"{host[:80]!r} is no name of this page"
        given = (token, cookies.get(self.cookie, ""), authorization.removeprefix("Bearer "))
        if not any(hmac.compare_digest(one.encode(), self.token.encode()) for one in given):
            return "open the address that fanout ui has printed: it has the token"
        return ""

    def refuses_action(self, origin: str, header: str) -> str:
        """Why a request may not change a run, besides; "" when it may."""
        if header != "1" or urlsplit(origin).netloc.lower() not in self.hosts:
            return "actions come from the page itself"
        return ""


def hosts_of(host: str, port: int) -> frozenset[str]:
    """The names of a page that listens on `host`; on loopback all names of it."""
    names = {host, "127.0.0.1", "localhost", "[::1]"} if is_loopback(host) else {host}
    return frozenset(
        f"{'[' + name + ']' if name.count(':') > 1 and '[' not in name else name}:{port}" for name in names
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it."""
    return host in ("127.0.0.1", "localhost", "::1", "[::1]")
