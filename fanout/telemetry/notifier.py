"""Sends notices while a run goes on, beside it: a notice that cannot be sent fails and delays nothing."""

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from fanout.pipeline.model import Step
from fanout.scheduler.observer import CONTINUES, RunReport, StepReport, Unwatched
from fanout.supervision.progress import Progress
from fanout.telemetry.notices import Notice, ended, first_failure, summary

GITHUB_SUMMARY = "GITHUB_STEP_SUMMARY"
WAITS_FOR = 20.0
"""Seconds that the end of a run waits for its notices."""


@dataclass(slots=True)
class Notifier(Unwatched):
    """An observer that sends a notice when the run first fails, and when it ends; with `only_bad` unless all went well.

    `send` returns why a notice could not be sent; `report` gets that.
    """

    send: Callable[[Notice], str | None]
    report: Callable[[str], None]
    only_bad: bool = False
    _run: str = ""
    _has_failed: bool = False
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "notices"))
    _sent: "list[Future[str | None]]" = field(default_factory=list)

    def run_started(self, run: str, steps: tuple[Step, ...], resumed: bool, how: str = CONTINUES) -> None:  # noqa: ARG002
        self._run = run

    def step_progress(self, progress: Progress) -> None:
        if progress.counts.lost and not self._has_failed:
            final = next((one for one in progress.failures if one.status.is_final), None)
            message = "" if final is None else str(final.failure)
            self._fails(first_failure(self._run, progress.step, progress.counts.lost, message))

    def step_ended(self, report: StepReport) -> None:
        self._has_failed = self._has_failed or not report.seal.verdict.completed  # the end of the run says it

    def run_ended(self, report: RunReport) -> None:
        notice = ended(report)
        if notice.is_bad or not self.only_bad:
            self._put(notice)

    def close(self) -> None:
        """Waits a while for what is being sent, and reports what was not."""
        done, late = wait(self._sent, WAITS_FOR)
        for one in done:
            if (why := one.result()) is not None:
                self.report(why)
        if late:
            self.report(f"a notice was not sent within {WAITS_FOR:g} s")
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _fails(self, notice: Notice) -> None:
        self._has_failed = True
        self._put(notice)

    def _put(self, notice: Notice) -> None:
        self._sent.append(self._pool.submit(self.send, notice))


@dataclass(frozen=True, slots=True)
class JobSummary(Unwatched):
    """An observer that adds the end of a run to the summary of the job on GitHub that it runs in."""

    path: Path
    report: Callable[[str], None]

    @classmethod
    def of(cls, environ: Mapping[str, str], report: Callable[[str], None]) -> "JobSummary | None":
        """None outside of such a job."""
        return cls(Path(path), report) if (path := environ.get(GITHUB_SUMMARY)) else None

    def run_ended(self, report: RunReport) -> None:
        try:
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(summary(report))
        except OSError as exc:
            self.report(f"the job summary {self.path} cannot be written: {exc.strerror}")
