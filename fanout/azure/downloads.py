"""What `jobs.download` writes: `named-outputs/<name>/…` and `artifacts/…`, as Azure's client lays them out."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fanout.api import context
from fanout.api.calls import call
from fanout.api.output import Output
from fanout.api.run import Run
from fanout.config.settings import Settings
from fanout.errors import InputError
from fanout.files.transfer import download_file, download_folder
from fanout.pipeline.model import DataType
from fanout.pipeline.yaml.diagnostics import suggest
from fanout.records.run import RunRecord, load_record
from fanout.storage import keys


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a job is wanted: of one step or ("") of all, one output, or with `everything` all and the logs."""

    step: str = ""
    output: str | None = None
    everything: bool = False


def download(run: Run, wanted: Wanted, into: Path, settings: Settings) -> None:
    """Copies what is wanted below the folder `into`; InputError when the job has no such output."""
    outputs = run.steps[wanted.step].outputs if wanted.step else run.outputs
    if wanted.output is not None:
        outputs = {wanted.output: _one(outputs, wanted.output, run.name)}
    elif not wanted.everything:
        outputs = {}
    access, files = context.access_of(settings), _files(run)

    async def copy() -> None:
        for name, output in outputs.items():
            target = into / "named-outputs" / name
            if output.uri in files:
                await download_file(output.uri, target / output.uri.rpartition("/")[2], access)
            else:
                await download_folder(output.uri, target, access)
        if wanted.output is None:
            record = await load_record(context.open_to_read(settings), run.name)
            for step in [wanted.step] if wanted.step else [step.name for step in record.pipeline.steps]:
                target = into / "artifacts" / ("" if wanted.step else step) / "logs"
                await download_folder(_logs(record, step, settings), target, access)

    for name in outputs:
        (into / "named-outputs" / name).mkdir(parents=True, exist_ok=True)
    call(copy)


def _one(outputs: Mapping[str, Output], name: str, run: str) -> Output:
    if name in outputs:
        return outputs[name]
    inside = [key for key in outputs if key.endswith(f".{name}")]
    if len(inside) == 1:  # an output of a step by its own name
        return outputs[inside[0]]
    raise InputError(f"job {run} has no output '{name}'{suggest(name, outputs)}")


def _files(run: Run) -> set[str]:
    """The URIs of those outputs that are files."""
    return {
        step.outputs[name].uri
        for step in run.steps.values()
        for name, output in step.settings.outputs.items()
        if output.type is DataType.URI_FILE and name in step.outputs
    }


def _logs(record: RunRecord, step: str, settings: Settings) -> str:
    return f"{settings.store.rstrip('/')}/{keys.logs(record.at(step))}"
