"""What else hears of a run besides the view: OpenTelemetry, a webhook, the summary of a job; as settings ask for it."""

import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from fanout.config.settings import Settings
from fanout.scheduler.context import RunContext
from fanout.scheduler.observer import RunObserver
from fanout.telemetry.notifier import JobSummary, Notifier
from fanout.telemetry.otel import OtelObserver, is_wanted

CALLS = (
    "run_started",
    "notice",
    "step_started",
    "step_continues",
    "step_progress",
    "step_printed",
    "step_ended",
    "step_skipped",
    "run_ended",
)


class Several:
    """Passes each call on to all observers; an error of one but the first is reported, and that one hears no more."""

    def __init__(self, first: RunObserver, others: list[Any], report: Callable[[str], None]) -> None:
        self._first, self._others, self._report = first, others, report

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name not in CALLS:
            raise AttributeError(name)

        def call(*arguments: Any, **named: Any) -> None:
            getattr(self._first, name)(*arguments, **named)
            for other in list(self._others):
                try:
                    getattr(other, name)(*arguments, **named)
                except Exception as exc:  # noqa: BLE001 - what watches a run never fails it
                    self._others.remove(other)
                    self._report(f"{type(other).__name__}: {exc}")

        return call


@asynccontextmanager
async def heard(
    view: RunObserver, settings: Settings, context: RunContext, environ: Mapping[str, str]
) -> AsyncIterator[RunObserver]:
    """The view, and everything else that is to hear of the run; what is left to send is sent when the context ends."""
    otel = OtelObserver(context.store, context.clock, environ) if is_wanted(environ) else None
    notifier = _notifier(settings, view.notice)
    others = [one for one in (otel, notifier, JobSummary.of(environ, view.notice)) if one is not None]
    if not others:
        yield view
        return
    try:
        yield Several(view, others, view.notice)
    finally:
        with contextlib.ExitStack() as stack:
            if notifier is not None:
                stack.callback(notifier.close)
            if otel is not None and otel in others:
                await _exported(otel, view.notice)


async def _exported(otel: OtelObserver, report: Callable[[str], None]) -> None:
    try:
        await otel.export()
    except Exception as exc:  # noqa: BLE001 - what watches a run never fails it
        report(f"OpenTelemetry: {exc}")


def _notifier(settings: Settings, report: Callable[[str], None]) -> Notifier | None:
    if settings.notify is None:
        return None
    from fanout.telemetry.webhook import send

    url = settings.notify
    return Notifier(lambda notice: send(url, notice), report, settings.notify_on == "failed")
