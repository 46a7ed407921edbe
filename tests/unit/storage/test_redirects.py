"""Where a web server that holds input data may send the reader on to."""

import http.server
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import obstore
import pytest
from obstore.exceptions import BaseError

from fanout.storage import open as opening
from fanout.storage.access import Access
from fanout.storage.open import locate

ACCESS = Access(patience=1.0)
Serve = Callable[..., "Server"]


class Server(http.server.ThreadingHTTPServer):
    """Sends /there, wherever it is asked for, and sends on from /away to `target`; `asked` has the paths."""

    def __init__(self, host: str, tls: ssl.SSLContext | None) -> None:
        super().__init__((host, 0), Answers)
        self.asked: list[str] = []
        self.target = ""
        self.root = f"{'http' if tls is None else 'https'}://{host}:{self.server_port}"
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Answers(http.server.BaseHTTPRequestHandler):
    """One request."""

    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        away = self.path == "/away"
        self.send_response(302 if away else 200)
        if away:
            self.send_header("Location", self.server.target)
        self.send_header("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
        self.send_header("Content-Length", "0" if away else "6")
        self.end_headers()
        self.wfile.write(b"" if away else b"inside")

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Servers on hosts of this machine, without a proxy in between."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    servers: list[Server] = []

    def started(host: str, tls: ssl.SSLContext | None = None) -> Server:
        servers.append(Server(host, tls))
        return servers[-1]

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A certificate that clients take."""
    made = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost"
    subprocess.run(made.split(), cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    config = opening.client_config
    trusting = {"allow_invalid_certificates": True}
    monkeypatch.setattr(opening, "client_config", lambda patience: {**config(patience), **trusting})
    return context


def _read(uri: str) -> bytes:
    store, key = locate(uri, ACCESS)
    return bytes(obstore.get(store, key).bytes())


def test_http_stays_on_its_host(serve: Serve) -> None:
    """What a server on http sends to another host, such as one that only this machine reaches, is not asked for."""
    outside, inside = serve("127.0.0.2"), serve("127.0.0.1")
    outside.target = f"{inside.root}/there"
    with pytest.raises(BaseError):
        _read(f"{outside.root}/away")
    assert inside.asked == []
    outside.target = f"{outside.root}/there"
    assert _read(f"{outside.root}/away") == b"inside"
    assert _read(f"{inside.root}/there") == b"inside"


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.2/x", "gopher://127.0.0.2/x"])
def test_other_kinds_of_places_are_not_followed(serve: Serve, target: str) -> None:
    """A redirect leads from the web to the web, never to files."""
    server = serve("127.0.0.2")
    server.target = target
    with pytest.raises(BaseError):
        _read(f"{server.root}/away")


def test_https_leads_to_https_alone(serve: Serve, tls: ssl.SSLContext) -> None:
    """Services of the machine and its network that speak http, such as those with credentials, are not asked."""
    outside, plain, mirror = serve("127.0.0.2", tls), serve("127.0.0.1"), serve("127.0.0.1", tls)
    outside.target = f"{plain.root}/there"
    with pytest.raises(BaseError):
        _read(f"{outside.root}/away")
    assert plain.asked == []
    outside.target = f"{mirror.root}/there"
    assert _read(f"{outside.root}/away") == b"inside"
