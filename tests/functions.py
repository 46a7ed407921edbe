"""AWS Lambda on this machine, as far as it matters to a function: processes that run AWS's own runtime interface client
against a runtime API, and event sources that take what SQS really delivers to them.

An instance handles one event at a time. When an invocation takes longer than its function's timeout, or the instance is
killed, everything in its sandbox ends, nothing is deleted from the queue, and the next event finds a new instance.
"""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import psutil

ROOT = Path(__file__).parent.parent
WAIT = 1
"""Seconds that an event source's receive waits for a message."""
STARTING = 180.0


class DiedError(Exception):
    """The instance ended before it had answered, or was ended because its time was over."""


class FailedError(Exception):
    """The handler raised; the text is what the runtime interface client reported."""


@dataclass(eq=False)
class Instance:
    """One process of a function, from its start to its end."""

    handler: str
    environ: Mapping[str, str]
    log: Path
    _events: "queue.Queue[tuple[str, float, bytes] | None]" = field(default_factory=queue.Queue)
    _answers: "queue.Queue[tuple[str, bytes]]" = field(default_factory=queue.Queue)
    process: "subprocess.Popen[bytes] | None" = None
    _asks: threading.Event = field(default_factory=threading.Event)
    _api: ThreadingHTTPServer | None = None

    def start(self) -> None:
        """The process runs, and asks for its first event."""
        self._api = ThreadingHTTPServer(("127.0.0.1", 0), _runtime_api(self._events, self._answers, self._asks))
        self._api.daemon_threads = True
        threading.Thread(target=self._api.serve_forever, args=(0.05,), daemon=True).start()
        address = f"127.0.0.1:{self._api.server_address[1]}"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "awslambdaric", self.handler],
                cwd=ROOT,
                env={**self.environ, "AWS_LAMBDA_RUNTIME_API": address, "AWS_LAMBDA_FUNCTION_NAME": self.handler},
                stdout=out,
                stderr=out,
            )

    def invoke(self, event: Any, seconds: float) -> Any:
        """What the handler returns; DiedError when it does not in time, FailedError when it raises."""
        assert self.process is not None
        self._asks.wait(STARTING)  # the time of an invocation begins when its sandbox is there
        request = str(uuid.uuid4())
        self._events.put((request, time.time() + seconds, json.dumps(event).encode()))
        end = time.monotonic() + seconds
        while True:
            try:
                kind, body = self._answers.get(timeout=0.05)
            except queue.Empty:
                if self.process.poll() is None and time.monotonic() < end:
                    continue
                raise DiedError(f"{self.handler}: {self.log.read_text(errors='replace')[-2000:]}") from None
            if kind != "response":
                raise FailedError(body.decode())
            return json.loads(body)

    def end(self) -> None:
        """Nothing of the sandbox is left."""
        if self.process is not None:
            _kill_tree(self.process)
        self._events.put(None)
        if self._api is not None:
            self._api.shutdown()
            self._api.server_close()


def _runtime_api(events: Any, answers: Any, asks: threading.Event) -> type[BaseHTTPRequestHandler]:
    """The runtime API (docs.aws.amazon.com/lambda, "Using the Lambda runtime API") of one instance."""

    class RuntimeApi(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asks.set()
            event = events.get()
            if event is None:
                self.close_connection = True
                return
            request, deadline, body = event
            self.send_response(200)
            self.send_header("Lambda-Runtime-Aws-Request-Id", request)
            self.send_header("Lambda-Runtime-Deadline-Ms", str(int(1000 * deadline)))
            self.send_header("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:f")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            answers.put((self.path.rpartition("/")[2], body))
            self.send_response(202)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing to see."""

    return RuntimeApi


def _kill_tree(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        whole = psutil.Process(process.pid)
        whole.suspend()  # nothing new is started meanwhile
        for child in whole.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
    process.kill()
    process.wait()


@dataclass(eq=False)
class Function:
    """A function: instances are made as they are needed, one for each event that is handled at the same time."""

    handler: str
    environ: Mapping[str, str]
    folder: Path
    timeout: float
    idle: list[Instance] = field(default_factory=list)
    busy: list[Instance] = field(default_factory=list)
    made: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def invoke(self, event: Any) -> Any:
        """What a warm or a new instance returns."""
        with self._lock:
            instance = self.idle.pop() if self.idle else self._new()
            self.busy.append(instance)
        lives = True
        try:
            return instance.invoke(event, self.timeout)
        except DiedError:
            lives = False
            instance.end()
            raise
        finally:
            with self._lock:
                self.busy.remove(instance)
                if lives:
                    self.idle.append(instance)

    def kill_busy(self) -> int:
        """Every instance that handles an event is dead; how many those were."""
        with self._lock:
            victims = [one.process for one in self.busy if one.process is not None]
        for process in victims:
            _kill_tree(process)
        return len(victims)

    def close(self) -> None:
        """No instance is left."""
        for instance in (*self.idle, *self.busy):
            instance.end()

    def _new(self) -> Instance:
        self.made += 1
        instance = Instance(self.handler, self.environ, self.folder / f"{self.handler}-{self.made}.log")
        instance.start()
        return instance


@dataclass(eq=False)
class EventSource:
    """An SQS event source with partial batch answers: what is not reported as failed is deleted."""

    sqs: Any
    url: str
    function: Function
    batch: int
    copies: int = 1  # so many invocations get each batch, at the same time
    failed: int = 0  # deliveries that were reported as failed
    trouble: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Hands on what comes, until it is stopped."""
        while not self._stop.is_set():
            answer = self.sqs.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=self.batch, WaitTimeSeconds=WAIT, AttributeNames=["All"]
            )
            if messages := answer.get("Messages"):
                self._handle(messages)

    def stop(self) -> None:
        self._stop.set()

    def _handle(self, messages: Sequence[Mapping[str, Any]]) -> None:
        event = {"Records": [_record(message, self.url) for message in messages]}
        failed: set[str] = set()
        answers: queue.Queue[set[str]] = queue.Queue()
        threads = [threading.Thread(target=lambda: answers.put(self._invoke(event))) for _ in range(self.copies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
            failed |= answers.get()
        self.failed += len(failed)
        for message in messages:
            if message["MessageId"] not in failed:
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=message["ReceiptHandle"])

    def _invoke(self, event: Mapping[str, Any]) -> set[str]:
        """The ids that are to come again; all of them when the function did not answer."""
        try:
            answer = self.function.invoke(event)
            return {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        except (DiedError, FailedError) as exc:
            self.trouble.append(str(exc))
            return {record["messageId"] for record in event["Records"]}


def _record(message: Mapping[str, Any], url: str) -> dict[str, Any]:
    """The message in the shape in which Lambda hands it on ("Using Lambda with Amazon SQS")."""
    shown = ("ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp")
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {name: message["Attributes"][name] for name in shown},
        "messageAttributes": {},
        "md5OfBody": message["MD5OfBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:us-east-1:000000000000:{url.rpartition('/')[2]}",
        "awsRegion": "us-east-1",
    }


@dataclass(eq=False)
class Deployed:
    """The four functions of a deployment and what starts them."""

    functions: Mapping[str, Function]
    sources: Mapping[str, EventSource]
    urls: Mapping[str, str]

    def plan(self, event: Any) -> list[str]:
        """The planner is invoked by hand; the names of the runs."""
        runs: list[str] = self.functions["planner"].invoke(event)["runs"]
        return runs


@contextmanager
def deployed(
    name: str,
    store: str,
    environ: Mapping[str, str],
    folder: Path,
    *,
    worker_timeout: float = 60.0,
    workers: int = 1,
    copies: int = 1,
    max_receives: int = 5,
) -> Iterator[Deployed]:
    """Queues, functions and event sources as handlers/README.md asks for them; all gone at the end."""
    sqs = boto3.client(
        "sqs",
        endpoint_url=environ["AWS_ENDPOINT_URL"],
        region_name=environ["AWS_REGION"],
        aws_access_key_id=environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environ["AWS_SECRET_ACCESS_KEY"],
    )
    made = {kind: _queue(sqs, f"{name}-{kind}", 30) for kind in ("dead", "undelivered")}
    for kind, behind in (("work", "dead"), ("tick", "undelivered"), ("reduce", "undelivered")):
        made[kind] = _queue(sqs, f"{name}-{kind}", int(worker_timeout), made[behind], max_receives)
    variables = {f"FANOUT_{kind.upper()}_QUEUE_URL": made[kind] for kind in ("work", "dead", "tick", "reduce")}
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FANOUT_", "PYTEST_"))}
    whole = {**inherited, **environ, **variables, "FANOUT_STORE": store, "FANOUT_DEPLOYMENT": name}
    functions = {
        kind: Function(f"handlers.{kind}.handler", whole, folder, worker_timeout if kind == "worker" else 60.0)
        for kind in ("planner", "worker", "supervisor", "reducer")
    }
    sources = {
        "work": EventSource(sqs, made["work"], functions["worker"], 10, copies),
        "tick": EventSource(sqs, made["tick"], functions["supervisor"], 1),
        "reduce": EventSource(sqs, made["reduce"], functions["reducer"], 1),
    }
    with ExitStack() as stack:
        for function in functions.values():
            stack.callback(function.close)
        threads = [
            threading.Thread(target=source.run)
            for kind, source in sources.items()
            for _ in range(workers if kind == "work" else 1)
        ]
        stack.callback(_join, threads)
        for source in sources.values():
            stack.callback(source.stop)
        for thread in threads:
            thread.start()
        yield Deployed(functions, sources, made)


def _queue(sqs: Any, name: str, visibility: int, dead: str | None = None, max_receives: int = 5) -> str:
    attributes = {"VisibilityTimeout": str(visibility)}
    if dead is not None:
        found = sqs.get_queue_attributes(QueueUrl=dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        attributes["RedrivePolicy"] = json.dumps({"deadLetterTargetArn": found, "maxReceiveCount": max_receives})
    url: str = sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    return url


def _join(threads: Sequence[threading.Thread]) -> None:
    for thread in threads:
        thread.join()


def until(condition: Callable[[], Any], seconds: float = 300.0) -> Any:
    """What `condition` says as soon as that is something; fails when it takes too long for any machine."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.05)
    return found
