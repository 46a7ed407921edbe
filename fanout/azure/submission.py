"""From a job of Azure's SDK to a run: its document is read as a pipeline file is, and a background process runs it."""

import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fanout.api import context, pipelines
from fanout.api.calls import call
from fanout.api.pipeline_calls import submit_pipeline
from fanout.api.run import Run
from fanout.api.where import Where
from fanout.azure.documents import Document, job_document
from fanout.errors import InputError, SpecError
from fanout.storage import keys

if TYPE_CHECKING:
    from fanout.config.settings import Settings
    from fanout.pipeline.model import Pipeline

JOB = "azure-job.yml"
"""What the run was submitted as, beside the run."""


@contextmanager
def pipeline_of(document: Document, where: Where) -> "Iterator[Pipeline]":
    """The checked pipeline of a job; InputError with every problem, each with its key path in the job."""
    import yaml

    folder = Path(tempfile.mkdtemp(prefix="fanout-azure-"))
    try:
        file = folder / "job.yml"
        file.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
        try:
            pipeline = pipelines.load(file, None, where=where)
            pipelines.look_at_tables(pipeline, file, where)
        except SpecError as error:
            raise InputError(_refusal(document, error, folder)) from error
        yield pipeline
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refusal(document: Document, error: SpecError, folder: Path) -> str:
    """Every problem, with the job and the key in it: lines of a generated file would say nothing."""
    job = f"job '{document.get('display_name') or document.get('name') or 'pipeline'}'"
    lines = []
    for problem in error.problems:
        inside = problem.place.file.startswith(str(folder))
        where = f"{job}: {problem.key or 'the job'}" if inside else f"{job}: {problem.place}: {problem.key}"
        lines.append(f"{where}: {problem.message}")
    return "\n".join(lines)


def submit(job: Any, changes: Mapping[str, Any], settings: "Settings", where: Where) -> Run:
    """A run of the job, which a background process carries out; `changes` are keys of the job that win over its own.

    InputError for what fanout cannot run, with place and cure; RunError when there is a run of the job's name.
    """
    import yaml

    document = job_document(job)
    document |= {key: value for key, value in changes.items() if value is not None}
    with pipeline_of(document, where) as pipeline:
        for notice in pipeline.notices:
            sys.stderr.write(f"note: {notice}\n")
        run = submit_pipeline(pipeline, settings, where, document.get("name"))
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
    call(lambda: _keep(settings, keys.given(run.name, JOB), text.encode()))
    return run


async def _keep(settings: "Settings", key: str, body: bytes) -> None:
    from fanout.storage.objects import put

    await put(context.open_to_read(settings), key, body)


def submitted_as(run: str, settings: "Settings") -> str | None:
    """The job that a run was submitted as, in YAML; None for a run that was started otherwise."""
    from fanout.storage.objects import read

    body = call(lambda: read(context.open_to_read(settings), keys.given(run, JOB)))
    return None if body is None else body.decode()


def document_in(text: str) -> Document:
    """What a run was submitted as, as a mapping."""
    import yaml

    found: Document = yaml.safe_load(text)
    return found
