"""A receiver of whatever is posted, and reports of runs."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.unit.cli.render.conftest import failed, output, progress, run_report, step_report, steps
from tests.unit.scheduler.conftest import failure, notes, pipeline, score, world

__all__ = [
    "failed",
    "failure",
    "notes",
    "output",
    "pipeline",
    "progress",
    "run_report",
    "score",
    "step_report",
    "steps",
    "world",
]


@dataclass
class Receiver:
    """A server that keeps what it is sent; `answers` are the next status codes, then 200."""

    url: str = ""
    got: list[tuple[str, bytes]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A real server on this machine."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
            code = made.answers.pop(0) if made.answers else 200
            self.send_response(code)
            if code in (301, 302, 307):
                self.send_header("Location", f"{made.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """It is quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
