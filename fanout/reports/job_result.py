"""The texts of a step's end: job_result.txt, job_error.txt, user/error.txt, readme.txt (reference, section 11). Pure.

Whatever is written here has been redacted: messages and tracebacks are user code's own and may quote anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fanout.pipeline.model import Thresholds
from fanout.records import value_changes
from fanout.records.seal import Seal
from fanout.records.verdict import verdict_words
from fanout.reports.failure_groups import FailureGroup, Occurrence, StepSource
from fanout.security.redaction import redact

MOST_GROUPS = 20
MOST_NAMED = 10
TOP_FAILURES = 3

UNANSWERED = "they count as succeeded, since error_threshold is -1; with 0 or more they count as failed"

README = """\
The logs of one parallel step. All times are UTC.

job_result.txt                        how the step ended, why, the thresholds and counts: start here
job_error.txt                         what failed, one line a kind of failure
job_progress_overview.<time>.txt      how far the step was, about every ten seconds; a file a day
user/error.txt                        tracebacks of the entry script, those that are alike put together
user/error/<node>/<process>.txt       tracebacks of one process, one after the other
user/stdout/<node>/<process>.stdout.txt
user/stderr/<node>/<process>.stderr.txt
                                      what the entry script printed
user/entry_script_log/<node>/<process>.log.txt
                                      what it logged through EntryScript().logger
sys/job_report/processed_mini-batches.csv
                                      one row an attempt. Elapsed Seconds: reading the mini-batch and run();
                                      Process Seconds: the same; Run Method Seconds: run() alone
sys/job_report/process_summary.csv    the same rows summed by process
sys/job_report/node_summary.csv       and by node
sys/metrics/<time>/progress.csv       the numbers behind the overview
sys/error/<node>/<process>.txt        failed attempts as lines of JSON; _main.txt: errors of the node
sys/warning/<node>/_main.txt          warnings of the node
sys/node/<node>/<process>.txt         what a process did: a line an attempt, the first thousand
sys/node/<node>/_main.txt             what the node did
sys/node/<node>/<process>.profile     with --profiling_module: where the time of run() went, for pstats
sys/perf/<node>/                      what the node used of its machine, every --resource_monitor_interval seconds:
                                      node_resource_usage.csv, node_disk_usage.csv, processes_resource_usage.csv,
                                      and all processes in os/<hour>/processes_<minute>
sys/master_role.<time>.txt            what the supervising process did; one for each that there was
"""


@dataclass(frozen=True, slots=True)
class JobEnd:
    """How a step ended, and all that its logs say about it."""

    source: StepSource
    seal: Seal
    thresholds: Thresholds
    attempts: int
    groups: tuple[FailureGroup, ...]
    nodes: tuple[str, ...] = ()  # which of them stand out
    notes: tuple[str, ...] = ()  # warnings about the output
    killed: int = 0  # attempts that were under way when the step was ended

    @property
    def completed_with_failures(self) -> bool:
        """Whether the step is Completed although something failed for good."""
        return self.seal.verdict.completed and self.seal.counts.has_failures


def job_result(end: JobEnd) -> str:
    """job_result.txt."""
    lines = [*_verdict(end), "", *_counts(end), "", *_thresholds(end.thresholds), ""]
    lines += [*_changed(end), *_top_failures(end), *_where_to_start(end)]
    return redact("\n".join(lines) + "\n")


def job_error(end: JobEnd) -> str:
    """job_error.txt: one line a kind of failure."""
    if not end.groups:
        return "Nothing failed.\n"
    return redact("\n".join(f"{headline(group)}: {one_line(group)}" for group in end.groups) + "\n")


def user_errors(end: JobEnd) -> str:
    """user/error.txt: the traceback of each kind of failure, and how often it happened."""
    if not end.groups:
        return "Nothing failed.\n"
    parts = ["\n".join(_reported(group, end.source)) for group in end.groups[:MOST_GROUPS]]
    if (more := len(end.groups) - MOST_GROUPS) > 0:
        parts.append(f"{more} more kinds of failures are in user/error/<node>/<process>.txt")
    return redact("\n\n".join(parts) + "\n")


def one_failure(occurrence: Occurrence, source: StepSource, at: str) -> str:
    """One failure as user/error/<node>/<process>.txt has it."""
    text = f"{at} {place(occurrence)}\n{_body(occurrence, source)}\n\n"
    return redact(text)


def headline(group: FailureGroup) -> str:
    """How many failures there are of a kind, and what became of their mini-batches."""
    if group.concerns_nodes:
        return _times(group.count, "time")
    batches = [_times(group.given_up, "mini-batch", "mini-batches")] if group.given_up else []
    items = [_times(group.items_given_up, "item")] if group.items_given_up else []
    gone = f"{' and '.join(batches + items)} given up" if batches or items else "all retried"
    return f"{_times(group.count, 'failed attempt')}, {gone}"


def one_line(group: FailureGroup) -> str:
    """What failed, in one line."""
    return f"{group.first.failure.cause}: {' '.join(group.first.failure.message.split())}"


def place(occurrence: Occurrence) -> str:
    """Where a failure happened: mini-batch, part of it, attempt, node and process."""
    parts = []
    if occurrence.index is not None:
        part = "" if occurrence.part is None else f", {occurrence.part}"
        parts.append(f"mini-batch {occurrence.index}{part}, attempt {(occurrence.attempt or 0) + 1}")
    if occurrence.process:
        parts.append(f"node {occurrence.node}, {occurrence.process}")
    return ", ".join(parts)


def named(indexes: Sequence[int]) -> str:
    """Mini-batches by number, the first few."""
    shown = ", ".join(map(str, indexes[:MOST_NAMED]))
    more = len(indexes) - MOST_NAMED
    return f"{shown} and {more} more" if more > 0 else shown


def _verdict(end: JobEnd) -> Iterator[str]:
    verdict = end.seal.verdict
    yield f"{end.source.step}: {verdict_words(verdict, end.seal.counts)}"
    yield f"Why: {verdict.reason}"
    if end.completed_with_failures:
        yield "WARNING: the step is Completed although not everything succeeded; its output is not complete."
    yield from (f"NOTE: {note}" for note in end.notes)
    yield f"Took {end.seal.seconds:.1f} seconds in all."
    yield from (f"Nodes: {line}" for line in end.nodes)


def _counts(end: JobEnd) -> Iterator[str]:
    counts = end.seal.counts
    yield f"Mini-batches: {counts.total if counts.total is not None else counts.settled}"
    yield f"  succeeded: {counts.succeeded}"
    yield f"  failed: {counts.failed}"
    if counts.short:
        yield f"    of which too short (fewer elements than items; they are in the output): {counts.short}"
    yield f"  given up because nodes vanished: {counts.dead_lettered}"
    yield f"  canceled: {counts.canceled}"
    yield f"Attempts: {end.attempts}, of which {counts.retried} failed and were tried again"
    if end.killed:
        yield f"  under way when the step was ended, and killed: {end.killed}"
    yield f"Items: {counts.items}, succeeded {counts.items_succeeded - counts.unanswered}, failed {counts.items_failed}"
    if counts.unanswered:
        yield f"  without an element in what run() returned: {counts.unanswered}; {UNANSWERED}"
    yield f"Rows returned: {counts.rows}"


def _thresholds(t: Thresholds) -> Iterator[str]:
    yield "Thresholds:"
    yield f"  error_threshold: {_limit(t.error_threshold)}"
    yield f"  mini_batch_error_threshold: {_limit(t.mini_batch_error_threshold)}"
    percent = "100 % (any number may fail)" if t.allowed_failed_percent >= 100 else f"{t.allowed_failed_percent:g} %"
    yield f"  allowed_failed_percent: {percent}"


def _changed(end: JobEnd) -> Iterator[str]:
    """Values that the types of the table's columns have changed, and the settings that keep them."""
    if not end.seal.changes:
        return
    yield "Values that the types of the table's columns changed (to keep them: infer_column_types, in the MLTable):"
    for what, setting in value_changes.lines(end.seal.changes):
        yield f"  {what}"
        yield f"    {setting}"
    yield ""


def _top_failures(end: JobEnd) -> Iterator[str]:
    if not end.groups:
        return
    yield "What failed most:"
    for group in end.groups[:TOP_FAILURES]:
        yield f"  {headline(group)}: {one_line(group)}"
        yield f"    first: {place(group.first)}"
    yield ""


def _where_to_start(end: JobEnd) -> Iterator[str]:
    if not end.groups:
        yield "Where to look: user/stdout for what the script printed, sys/job_report for times."
        return
    first = end.groups[0].first
    yield "Where to start: user/error.txt has the tracebacks,"
    if first.process:
        yield f"  user/error/{first.node}/{first.process}.txt those of the process that failed first,"
        yield f"  user/stderr/{first.node}/{first.process}.stderr.txt what it printed."


def _reported(group: FailureGroup, source: StepSource) -> Iterator[str]:
    yield f"{headline(group)}; first: {place(group.first)}"
    if len(group.mini_batches) > 1:
        yield f"mini-batches {named(group.mini_batches)}"
    yield _body(group.first, source)


def _body(occurrence: Occurrence, source: StepSource) -> str:
    failure = occurrence.failure
    return source.restore(failure.traceback or f"{failure.cause}: {failure.message}").rstrip()


def _limit(threshold: int) -> str:
    return f"{threshold} (any number may fail)" if threshold < 0 else str(threshold)


def _times(count: int, one: str, many: str = "") -> str:
    return f"{count} {one if count == 1 else many or one + 's'}"
