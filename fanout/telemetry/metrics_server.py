"""`/metrics` over HTTP: a thread that answers scrapes beside the work."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from fanout.errors import SettingsError
from fanout.telemetry.prometheus import CONTENT_TYPE

DEFAULT_PORT = 9464
LOOPBACK = "127.0.0.1"
ANSWERED_WITHIN = 10.0


def address_of(given: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `:PORT` or `HOST`; this machine alone, and port 9464, where nothing is said."""
    host, colon, port = given.rpartition(":") if ":" in given else (given, "", "")
    if colon and not (port.isascii() and port.isdecimal() and int(port) < 65536):
        raise SettingsError(f"--metrics {given}: expected HOST:PORT, such as {LOOPBACK}:{DEFAULT_PORT}")
    return host.strip("[]") or LOOPBACK, int(port) if colon else DEFAULT_PORT


@contextmanager
def metrics_served(address: tuple[str, int], text: Callable[[], str]) -> Iterator[str]:
    """Scrapes are answered with `text()` while the context lasts; yields the URL. Port 0 takes a free one.

    SettingsError when the address cannot be listened at.
    """
    try:
        server = ThreadingHTTPServer(address, _handler(text))
    except OSError as exc:
        raise SettingsError(f"--metrics {address[0]}:{address[1]}: cannot listen there: {exc.strerror}") from exc
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True)
    thread.start()
    try:
        yield f"http://{address[0]}:{server.server_address[1]}/metrics"
    finally:
        server.shutdown()
        server.server_close()


def _handler(text: Callable[[], str]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Answers `GET /metrics`, and nothing else."""

        timeout = ANSWERED_WITHIN

        def do_GET(self) -> None:
            found = self.path.partition("?")[0] == "/metrics"
            body = (text() if found else "see /metrics\n").encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", CONTENT_TYPE if found else "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            with contextlib.suppress(OSError):  # the scraper has gone
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Scrapes are no news."""

    return Handler
