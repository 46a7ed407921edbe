"""One run under test: `fanout run` itself, in a process and an environment of its own, and what became of it.

A process, where a call of fanout.api would do otherwise: variables of the environment belong to a process as a whole,
and tests hide accounts in them; and a run that takes too long is stopped from outside, whatever it does.

Read in this order: where things are (places), what the run may know (environment), the process, its end (result).
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from fanout.api.inputs import given, replaced, said
from fanout.testing.environment import isolated
from fanout.testing.errors import RunNotCompletedError, RunTimeoutError
from fanout.testing.places import redirected
from fanout.testing.result import RunResult, failures_of, read_events, steps_of
from fanout.testing.servers import MOST_MESSAGES, Servers

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline

TIMEOUT = 300.0
STOP_LIMIT = 10.0
LAST_WORDS = 3000
Where = Literal["moto", "none"]
Check = bool | Literal["strict"]
"""What fails a test: a verdict that is not Completed, with "strict" also failures within the thresholds; or nothing."""


@dataclass(frozen=True, slots=True)
class FanoutRun:
    """Runs pipelines: relative paths start from `base`, and each run has a folder of its own from `new_folder`."""

    base: Path
    new_folder: Callable[[], Path] = field(repr=False)
    start_servers: Callable[[], Servers] = field(repr=False)
    on_result: Callable[[RunResult], None] = field(default=lambda _: None, repr=False)

    def __call__(
        self,
        pipeline: str | Path,
        *,
        inputs: Mapping[str, object] | None = None,
        overrides: Mapping[str, Any] | None = None,
        servers: Where = "moto",
        store: str | None = None,
        environ: Mapping[str, str] | None = None,
        keep_outputs: bool = False,
        check: Check = True,
        timeout: float = TIMEOUT,
    ) -> RunResult:
        """The end of a run of the pipeline file.

        `inputs` gives inputs of the pipeline values; `overrides` replaces values of the file as `--set` does, by dotted
        path. `servers="moto"` keeps the run on S3 and SQS, "none" in a folder; `store` names a place of one's
        own, reached by the variables in `environ`, which are added to the isolated environment. Outputs go to the
        folder of the run unless `keep_outputs`.

        RunNotCompletedError when the verdict is not Completed, unless `check=False`; with `check="strict"` also when
        anything failed within the thresholds. RunTimeoutError after `timeout` seconds; fanout.errors.UserError when the
        pipeline is wrong, InfrastructureError for trouble with servers.
        """
        __tracebackhide__ = True
        from fanout.errors import FanoutError

        if servers not in get_args(Where):
            raise ValueError(f"servers={servers!r}: expected {' or '.join(map(repr, get_args(Where)))}")
        folder = self.new_folder()
        try:
            order = _Order.of((self.base / pipeline).absolute(), self.base, inputs or {}, overrides or {})
            if not keep_outputs:
                order = order.redirected(folder / "outputs")
            place = self._place(order, folder, servers if store is None else "none", store, environ or {})
            result = place.run(order, timeout)
        except (FanoutError, RunTimeoutError) as error:
            raise error.with_traceback(None) from None  # the test's own line is what matters, not ours
        self.on_result(result)
        if check and (not result.completed or (check == "strict" and result.completed_with_failures)):
            raise RunNotCompletedError(result)
        return result

    def _place(
        self, order: "_Order", folder: Path, servers: Where, store: str | None, environ: Mapping[str, str]
    ) -> "_Place":
        if servers == "none":
            uri = store or (folder / "store").as_uri()
            return _Place(folder, uri, None, isolated(os.environ, environ))
        reached = isolated(os.environ, {"AWS_ENDPOINT_URL": self.start_servers().endpoint_url, **environ})
        # A deep queue would take moto's SQS minutes: then messages go through a file, as on S3 without SQS.
        queue = f"sqlite:{folder / 'queues'}" if order.most_mini_batches(reached) > MOST_MESSAGES else None
        return _Place(folder, f"s3://fanout-testing/{folder.parent.name}/{folder.name}", queue, reached)


@dataclass(frozen=True, slots=True)
class _Order:
    """What is to be run: the file, and the options that change it."""

    file: Path
    pipeline: "Pipeline"
    inputs: tuple[str, ...]
    sets: tuple[str, ...]

    @classmethod
    def of(cls, file: Path, base: Path, inputs: Mapping[str, object], overrides: Mapping[str, Any]) -> "_Order":
        """The order for a file; SpecError with every problem found."""
        from fanout.api.pipelines import load

        values, sets = given(file, inputs, base), replaced(overrides)
        return cls(file, load(file, sets, values), values, sets)

    def redirected(self, folder: Path) -> "_Order":
        """The same with its outputs in `folder`, but for those that an override has placed."""
        from fanout.api.pipelines import load

        named = {one.partition("=")[0] for one in self.sets}
        places = {key: place for key, place in redirected(self.pipeline, folder).items() if key not in named}
        sets = (*self.sets, *(f"{key}={said(place)}" for key, place in places.items()))
        return _Order(self.file, load(self.file, sets, self.inputs), self.inputs, sets)

    def most_mini_batches(self, environ: Mapping[str, str]) -> int:
        """Those of the largest step, if known before the run; else 0."""
        from fanout.api.calls import call
        from fanout.config.settings import access_of, load_settings
        from fanout.errors import UserError
        from fanout.queries.plan import PlannedStep, look_ahead

        async def look() -> int:
            settings = load_settings(self.file, None, environ)
            steps = look_ahead(self.pipeline, settings, access_of(settings, environ), 0)
            return max((step.count for step in steps if isinstance(step, PlannedStep)), default=0)

        try:
            return call(look)
        except UserError:
            return 0  # the run itself says what is wrong with its input


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a run lives and what it reaches."""

    folder: Path
    store: str
    queue: str | None
    environ: Mapping[str, str]

    def run(self, order: _Order, timeout: float) -> RunResult:
        """Carries the order out; what it came to."""
        from fanout.errors import InfrastructureError, UserError

        queue = ["--queue", self.queue] if self.queue else []
        options = [*_each("--input", order.inputs), *_each("--set", order.sets), "--store", self.store, *queue]
        command = [sys.executable, "-P", "-m", "fanout", "run", str(order.file), *options, "--json"]
        code, out, err = _carried_out(command, self.folder, self.environ, timeout)
        events = read_events(out.splitlines())
        match code:
            case 0 | 1 | 130 if events and events[-1]["event"] == "run_ended":
                return self._result(order, events)
            case 2:
                raise UserError(err.strip())
            case _:
                raise InfrastructureError(
                    f"fanout run ended with exit code {code}:\n{err.strip() or out[-LAST_WORDS:]}"
                )

    def _result(self, order: _Order, events: list[dict[str, Any]]) -> RunResult:
        steps = steps_of(events, self.environ)
        bound = {
            output.pipeline_output: steps[step.name].outputs[name]
            for step in order.pipeline.steps
            for name, output in step.outputs.items()
            if output.pipeline_output and name in steps[step.name].outputs
        }
        ended = events[-1]
        return RunResult(
            run=ended["run"],
            verdict=ended["status"],
            reason=ended["reason"],
            steps=steps,
            failures=failures_of(events),
            outputs=bound,
            notices=tuple(event["text"] for event in events if event["event"] == "notice"),
            seconds=ended["seconds"],
            store=self.store,
            queue="sqlite" if self.queue or self.store.startswith("file:") else "sqs",
            completed_with_failures=ended["with_failures"],
        )


def _each(option: str, values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _carried_out(command: list[str], folder: Path, environ: Mapping[str, str], timeout: float) -> tuple[int, str, str]:
    """Exit code, stdout and stderr; RunTimeoutError when it takes longer. No process is left behind."""
    process = subprocess.Popen(  # noqa: S603 - this interpreter and our own options
        command,
        cwd=folder,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        out, err = _stopped(process)
        raise RunTimeoutError(
            f"the run did not end in {timeout:g} s; what it has said last:\n{(out + err)[-LAST_WORDS:]}"
        ) from None
    except BaseException:  # the person at the terminal, most likely
        _stopped(process)
        raise
    return process.returncode, out, err


def _stopped(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """Ends the run in order, its nodes with it, and at once when that takes too long; what it has said."""
    process.send_signal(signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        return process.communicate(timeout=STOP_LIMIT)
    process.kill()  # its nodes see the end of their pipe
    return process.communicate()
