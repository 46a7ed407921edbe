"""`MLClient.jobs`: jobs of Azure's SDK are runs of fanout, and the steps of a run are its child jobs.

A child job is called `run:step`.
"""

import copy
import io
import sys
from collections.abc import Iterator
from os import PathLike
from pathlib import Path
from typing import Any

from fanout.advice import advised
from fanout.api import pipeline_calls
from fanout.api.pipeline_calls import open_run
from fanout.api.run import Run
from fanout.api.where import Where
from fanout.azure import downloads, submission
from fanout.azure.polling import Finished
from fanout.azure.sdk import entities, library
from fanout.azure.streaming import stream
from fanout.azure.submissions_file import note_submission
from fanout.config.settings import Settings
from fanout.errors import InputError, RunError, UserError

CHILD = ":"
_NOT_HERE = "jobs.{} has no meaning here: a run is listed until it is removed: {}"


class JobOperations:
    """The jobs of one store."""

    def __init__(self, settings: Settings, where: Where) -> None:
        self._settings = settings
        self._where = where
        self._runs: dict[str, Run] = {}
        self._submitted: dict[str, Any] = {}

    def create_or_update(
        self,
        job: Any,
        *,
        description: str | None = None,
        compute: str | None = None,
        tags: dict[str, str] | None = None,
        experiment_name: str | None = None,
        skip_validation: bool = False,  # noqa: ARG002 - as Azure's
        **_more: Any,
    ) -> Any:
        """Starts a run of the job and returns the job, with its name and its status; the run goes on by itself.

        InputError names all that cannot run here, with its place in the job. `skip_validation` has no effect.
        """
        changes: dict[str, Any] = {"description": description, "compute": compute, "experiment_name": experiment_name}
        if tags is not None:
            changes["tags"] = {**(getattr(job, "tags", None) or {}), **tags}
        run = submission.submit(job, changes, self._settings, self._where)
        self._runs[run.name] = run
        note_submission(run.name, self._settings.store)
        submitted = copy.copy(job)
        for key, value in changes.items():
            if value is not None:
                setattr(submitted, key, value)
        submitted.experiment_name = submitted.experiment_name or Path.cwd().name
        self._submitted[run.name] = submitted
        return self._told(copy.copy(submitted), run.name, "Running")

    def get(self, name: str) -> Any:
        """The job of this name, or the child job `run:step`, with its status as it is now; RunError without one."""
        run_name, _, step = name.partition(CHILD)
        run = self._run(run_name)
        if step:
            return self._child(run, step)
        job = copy.copy(self._submitted[run_name]) if run_name in self._submitted else self._loaded(run)
        return self._told(job, run.name, run.status)

    def list(
        self, *, parent_job_name: str | None = None, max_results: int | None = None, **_more: Any
    ) -> Iterator[Any]:
        """The jobs of the store, newest first; with `parent_job_name` the steps of that one."""
        if parent_job_name is not None:
            run = self._run(parent_job_name)
            found: Iterator[Any] = (self._child(run, step) for step in run.steps)
        else:
            where = self._where
            there = pipeline_calls.runs(store=self._settings.store, queue=where.queue, profile=where.profile)
            found = (self.get(run.name) for run in there)
        for number, job in enumerate(found):
            if max_results is not None and number >= max_results:
                return
            yield job

    def stream(self, name: str) -> None:
        """Prints what the job does until it ends; JobException when it ends Failed or Canceled."""
        stream(self._run(name.partition(CHILD)[0]), self._studio(name.partition(CHILD)[0]), sys.stdout)

    def download(
        self,
        name: str,
        *,
        download_path: str | PathLike[str] = ".",
        output_name: str | None = None,
        all: bool = False,  # noqa: A002 - as Azure's
    ) -> None:
        """Copies outputs of a job that is over to `named-outputs/<name>` and its logs to `artifacts`, as Azure does.

        One output with `output_name`, everything with `all`, else the logs. InputError for a job that is not over and
        for an output that it does not have.
        """
        run_name, _, step = name.partition(CHILD)
        run = self._run(run_name)
        if run.verdict is None:
            raise InputError(f"job {name} is {run.status}: outputs and logs can be downloaded once it is over")
        wanted = downloads.Wanted(step, output_name, everything=all)
        downloads.download(run, wanted, Path(download_path), self._settings)

    def begin_cancel(self, name: str, **_more: Any) -> Finished[None]:
        """Ends the job for good, and waits until it has ended."""
        self._run(name).cancel()
        return Finished(None)

    def cancel(self, name: str) -> None:
        """As begin_cancel."""
        self.begin_cancel(name)

    def validate(self, job: Any, *, raise_on_failure: bool = False, **_more: Any) -> "Checked":
        """Whether the job would run; InputError with `raise_on_failure` when it would not."""
        from fanout.azure.documents import job_document

        try:
            with submission.pipeline_of(job_document(job), self._where):
                return Checked({})
        except UserError as error:
            if raise_on_failure:
                raise
            return Checked(dict(enumerate(str(error).splitlines())))

    def show_services(self, name: str, node_index: int = 0) -> dict[str, Any]:  # noqa: ARG002 - as Azure's
        """The services of a job: none."""
        self._run(name)
        return {}

    def archive(self, name: str) -> None:
        """Refused: runs have no view that they could be taken from."""
        raise InputError(_NOT_HERE.format("archive", advised().remove(name)))

    def restore(self, name: str) -> None:
        """Refused, as archive is."""
        raise InputError(_NOT_HERE.format("restore", advised().remove(name)))

    def _run(self, name: str) -> Run:
        if name not in self._runs:
            where = self._where
            self._runs[name] = open_run(name, store=self._settings.store, queue=where.queue, profile=where.profile)
        return self._runs[name]

    def _loaded(self, run: Run) -> Any:
        """The job as it was submitted, by whichever client; without its steps where Azure's loader refuses it."""
        text = submission.submitted_as(run.name, self._settings)
        if text is None:
            return entities().PipelineJob(jobs={}, display_name=run.name)
        try:
            return library("azure.ai.ml").load_job(io.StringIO(text))
        except Exception:  # noqa: BLE001 - it takes no component within a component, which its own functions make
            said = ("display_name", "description", "experiment_name", "tags")
            return entities().PipelineJob(jobs={}, **{key: submission.document_in(text).get(key) for key in said})

    def _told(self, job: Any, name: str, status: str) -> Any:
        """The job as Azure returns it: named, with a status and a page."""
        job.name, job._status = name, status
        job.services = {"Studio": entities().JobService(endpoint=self._studio(name), type="Studio")}
        return job

    def _child(self, run: Run, step: str) -> Any:
        steps = run.steps
        if step not in steps:
            raise RunError(f"job {run.name} has no step {step}; it has {', '.join(steps)}")
        found = steps[step]
        job = _base_job(found.kind)(name=f"{run.name}{CHILD}{step}", display_name=found.settings.display_name or step)
        return self._told(job, f"{run.name}{CHILD}{step}", _STATES.get(found.state, found.state))

    def _studio(self, name: str) -> str:
        """Where the run is: its folder in the store."""
        return f"{self._settings.store.rstrip('/')}/runs/{name.partition(CHILD)[0]}"


_STATES = {"waiting": "NotStarted", "not started": "NotStarted", "under way": "Running", "did not run": "Canceled"}
"""What a step is doing, in Azure's words; verdicts are the same words."""


class Checked:
    """What a validation found; has the attributes of Azure's ValidationResult."""

    def __init__(self, messages: dict[Any, str]) -> None:
        self.error_messages = messages
        self.passed = not messages

    def __repr__(self) -> str:
        return "\n".join(self.error_messages.values()) or "the job would run"


def _base_job(kind: str) -> Any:
    """The class that Azure's SDK has for child jobs, which says nothing but what they are called and how they are."""
    base = library("azure.ai.ml.entities._job.base_job")._BaseJob
    return lambda **fields: base(type=kind, **fields)
