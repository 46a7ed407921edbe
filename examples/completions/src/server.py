"""A stand-in for a completion API with a rate limit.

POST /complete answers, or refuses with 429 and Retry-After; GET /counts says how often it did either.

It listens on this machine only. Its completion is the prompt's words in reverse order, so that results can be checked.
"""

import argparse
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Bucket:
    """Tokens that come back `rate` times a second, `rate` of them at most: a request takes one."""

    def __init__(self, rate: float) -> None:
        self._rate, self._tokens, self._at = rate, rate, time.monotonic()
        self._lock = threading.Lock()
        self.counts = {"answered": 0, "refused": 0}

    def take(self) -> bool:
        with self._lock:
            before, self._at = self._at, time.monotonic()
            self._tokens = min(self._rate, self._tokens + (self._at - before) * self._rate)
            allowed = self._tokens >= 1
            self._tokens -= allowed
            self.counts["answered" if allowed else "refused"] += 1
            return allowed


class Completions(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, rate: float) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.bucket = Bucket(rate)


class Handler(BaseHTTPRequestHandler):
    server: Completions
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"]
        if self.server.bucket.take():
            words = prompt.split()
            self._answer(200, {"completion": " ".join(reversed(words)), "tokens": len(words)})
        else:
            self._answer(429, {"error": "too many requests"}, {"Retry-After": "1"})

    def do_GET(self) -> None:
        self._answer(200, self.server.bucket.counts)

    def _answer(self, status: int, said: object, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Requests are counted, and not printed."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8765, help="0: any that is free")
    parser.add_argument("--rate", type=float, default=40, help="requests a second")
    args = parser.parse_args()
    with Completions(args.port, args.rate) as server:
        print(f"http://127.0.0.1:{server.server_port}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
