"""From the path of a pipeline file to a checked `Pipeline`: the one door of this package."""

from collections.abc import Sequence
from pathlib import Path

from fanout.pipeline.assets import Lookup, with_assets
from fanout.pipeline.model import Pipeline
from fanout.pipeline.pipeline_file import read_pipeline
from fanout.pipeline.yaml.checks import mapping
from fanout.pipeline.yaml.credentials import check_credentials
from fanout.pipeline.yaml.diagnostics import CheckFailed, Report
from fanout.pipeline.yaml.overrides import apply_overrides
from fanout.pipeline.yaml.parser import read_document


def load_pipeline(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    for_trigger: bool | None = False,
    assets: Lookup | None = None,
) -> Pipeline:
    """The pipeline in the file at `path`, with `--set` values applied; SpecError with every problem found.

    `for_trigger`: for its trigger, which it must have then; None: for its trigger when it has one.
    Components are read from the files they name. Nothing is written, and nothing but local files is looked at; `assets`
    is asked what the names of registered assets stand for, where there are any.
    """
    report = Report()
    file = path.absolute()
    root = apply_overrides(read_document(path, str(path), report), overrides, file.parent, report)
    try:
        document = mapping(with_assets(root, assets, report))
    except CheckFailed as wrong:
        raise report.fatal(root.origin.place, "", str(wrong)) from wrong
    if for_trigger and document.get("trigger") is None:
        raise report.fatal(document.origin.place, "trigger", "missing; it says which objects start runs by arriving")
    for_trigger = for_trigger or (for_trigger is None and document.get("trigger") is not None)
    pipeline = read_pipeline(document, file, report, for_trigger=for_trigger, assets=assets)
    for read in (document, *report.components):
        check_credentials(read, report)
    report.finish()
    return pipeline
