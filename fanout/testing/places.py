"""Where a run under test reads and writes: paths start from the test file, and outputs go to its own folder.

A pipeline file names its outputs for production; a test must not write there.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fanout.pipeline.model import Pipeline


def redirected(pipeline: "Pipeline", folder: Path) -> dict[str, Path]:
    """For each output that has a place outside the store: the key that names the place, and one in `folder` instead.

    The name of the file stays, as the format of rows follows its extension.
    """
    places: dict[str, Path] = {}
    for step in pipeline.steps:
        for name, output in step.outputs.items():
            if output.pipeline_output is not None:
                key, shown = f"outputs.{output.pipeline_output}.path", output.pipeline_output
            elif output.uri is not None:
                key, shown = f"jobs.{step.name}.outputs.{name}.path", f"{step.name}.{name}"
            else:
                continue
            last = (output.uri or name).rstrip("/").rpartition("/")[2]
            places[key] = folder / shown / last
    return places
