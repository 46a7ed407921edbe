"""Names of registered assets in pipeline files: what they stand for is asked of a lookup."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.errors import SpecError
from fanout.pipeline.asset_kinds import AssetKind
from fanout.pipeline.assets import AssetName, Definition, Meaning, asset_name
from fanout.pipeline.load import load_pipeline
from fanout.pipeline.model import DataInput, DataType, ParallelStep, Pipeline
from fanout.pipeline.yaml.diagnostics import CheckFailed

PIPELINE = """
type: pipeline
inputs:
  files: {type: uri_folder, path: "azureml:files@latest"}
jobs:
  score:
    type: parallel
    component: azureml:scorer:1
    inputs:
      data: ${{parent.inputs.files}}
      model: azureml:net:2
"""
COMPONENT = """
type: parallel
inputs:
  data: {type: uri_folder}
  model: {type: uri_folder}
outputs:
  rows: {type: uri_file}
input_data: ${{inputs.data}}
task:
  type: run_function
  code: src
  entry_script: score.py
  append_row_to: ${{outputs.rows}}
  environment: azureml:env:1
"""
Load = Callable[[str], Pipeline]


@pytest.fixture
def load(folder: Path) -> Load:
    """Loads a pipeline beside a registry of one data asset, one model, one component and one environment."""
    conda = "image: x\nconda_file: {dependencies: [{pip: [numpy]}]}\n"
    known = {
        "azureml:files@latest": Meaning("azureml:files:1", (folder / "data").as_uri()),
        "azureml:net:2": Meaning("azureml:net:2", (folder / "table").as_uri()),
        "azureml:scorer:1": Meaning("azureml:scorer:1", definition=Definition(COMPONENT, str(folder))),
        "azureml:env:1": Meaning("azureml:env:1", definition=Definition(conda, str(folder))),
    }

    def lookup(name: AssetName, kinds: tuple[AssetKind, ...]) -> Meaning:
        if str(name) not in known:
            raise CheckFailed(f"no {' or '.join(kinds)} {name}")
        return known[str(name)]

    def load_with_assets(text: str) -> Pipeline:
        path = folder / "deep" / "pipeline.yml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return load_pipeline(path, assets=lookup)

    return load_with_assets


def test_names_stand_for_places_and_definitions(load: Load, folder: Path) -> None:
    """Data, models, components with paths from their own folder, and environments."""
    [step] = load(PIPELINE).steps
    assert isinstance(step, ParallelStep)
    places = {name: given.uri for name, given in step.inputs.items() if isinstance(given, DataInput)}
    assert places == {"data": (folder / "data").as_uri(), "model": (folder / "table").as_uri()}
    assert step.task.code == str(folder / "src")
    assert step.environment.pip == ("numpy",)


def test_all_that_is_not_registered_is_named_at_its_place(load: Load) -> None:
    """Each once; a registered environment that is not there is no problem, since images are not used."""
    text = PIPELINE.replace("files@latest", "fils@latest").replace("net:2", "net:3")
    with pytest.raises(SpecError) as found:
        load(text)
    said = [f"{problem.place.line}: {problem.key}: {problem.message}" for problem in found.value.problems]
    assert said == [
        "4: inputs.files.path: no data or model azureml:fils@latest",
        "11: jobs.score.inputs.model: no data or model azureml:net:3",
    ]
    with pytest.raises(SpecError, match=r"jobs\.score\.component: no component azureml:scorer:2"):
        load(PIPELINE.replace("scorer:1", "scorer:2"))


def test_a_problem_in_a_registered_component_names_the_component(load: Load, folder: Path) -> None:
    """The place is in its text, under its name."""
    (folder / "src" / "score.py").unlink()
    with pytest.raises(SpecError, match=r"azureml:scorer:1:\d+:\d+: task\.entry_script"):
        load(PIPELINE)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("azureml:sales:3", AssetName("sales", "3")),
        ("azureml:sales@latest", AssetName("sales")),
        ("azureml:sales", AssetName("sales")),
        ("/subscriptions/s/resourceGroups/g/x/workspaces/w/data/sales/versions/3", AssetName("sales", "3")),
        ("azureml:/subscriptions/s/x/models/net/labels/latest", AssetName("net")),
        ("azureml:./sales", None),
        ("azureml:a/b", None),
        ("azureml://datastores/d/paths/x", None),
        ("azureml://registries/azureml/components/x/versions/1", None),
        ("sales:3", None),
    ],
)
def test_what_is_a_name(text: str, name: AssetName | None) -> None:
    """A name with a version or the label latest; paths and URIs are none."""
    assert asset_name(text) == name


def test_other_labels_are_refused() -> None:
    """With the two forms that there are."""
    with pytest.raises(CheckFailed, match="the only label is @latest"):
        asset_name("azureml:sales@production")


@pytest.mark.parametrize("macro", ["${name}", "${output_name}", "${default_datastore}"])
def test_a_macro_with_halved_braces_is_the_macro(load: Load, folder: Path, macro: str) -> None:
    """Azure's notebooks write output paths as f-strings, which leave one brace of two; a note says so."""
    text = """
type: pipeline
jobs:
  a:
    command: ls
    outputs: {out: {type: uri_folder, path: "azureml://datastores/x/paths/%s/y"}}
"""
    whole = load(text % macro.replace("{", "{{").replace("}", "}}"))
    halved = load(text % macro)
    assert halved.steps[0].outputs == whole.steps[0].outputs
    assert halved.steps[0].outputs["out"].type is DataType.URI_FOLDER
    assert [f"{macro} is read as ${{{macro[1:]}}}" in notice for notice in halved.notices] == [True]
