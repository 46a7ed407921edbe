"""Pipeline components: steps in steps, their inputs and outputs followed through, and what is wrong with them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fanout.pipeline.model import (
    CommandStep,
    DataInput,
    DataType,
    LiteralInput,
    Output,
    ParallelStep,
    Pipeline,
    StepOutput,
)
from fanout.pipeline.trigger import RUN_TOKEN

Load = Callable[..., Pipeline]
Refuse = Callable[..., list[str]]

COMPONENT = """
$schema: https://azuremlschemas.azureedge.net/latest/pipelineComponent.schema.json
type: pipeline
name: scoring
version: 1
display_name: Scoring
inputs:
  raw: {type: uri_folder}
  size: {type: integer, default: 3, min: 1}
  label: {type: string, optional: true}
outputs:
  rows: {type: uri_file}
  kept: {type: uri_folder}
jobs:
  clean:
    command: python clean.py ${{inputs.raw}} $[[--label ${{inputs.label}}]] ${{outputs.kept}}
    code: ../src
    inputs:
      raw: ${{parent.inputs.raw}}
      label: {type: string, optional: true, path: "${{parent.inputs.label}}"}
    outputs:
      kept: ${{parent.outputs.kept}}
  score:
    type: parallel
    inputs:
      files: ${{parent.jobs.clean.outputs.kept}}
    outputs:
      rows: ${{parent.outputs.rows}}
    input_data: ${{inputs.files}}
    mini_batch_size: ${{parent.inputs.size}}
    task: {type: run_function, code: ../src, entry_script: score.py, append_row_to: "${{outputs.rows}}"}
"""
PIPELINE = """
type: pipeline
inputs:
  data: {path: ./data}
outputs:
  result: {type: uri_file, path: ./result.csv}
jobs:
  a:
    type: pipeline
    component: ./comp/c.yml
    inputs: {raw: "${{parent.inputs.data}}", size: 7}
    outputs: {rows: "${{parent.outputs.result}}"}
  b:
    command: wc ${{inputs.rows}} ${{inputs.kept}}
    inputs:
      rows: ${{parent.jobs.a.outputs.rows}}
      kept: {path: "${{parent.jobs.a.outputs.kept}}", mode: download}
"""


def test_its_steps_run_as_steps_of_the_pipeline(load: Load, folder: Path) -> None:
    """Under its own name; inputs, settings and outputs are bound through in both directions."""
    clean, score, b = load(PIPELINE, comp__c_yml=COMPONENT).steps
    assert isinstance(clean, CommandStep)
    assert clean.name == "a.clean"
    assert clean.code == str(folder / "src")
    assert clean.inputs == {
        "raw": DataInput((folder / "data").as_uri(), DataType.URI_FOLDER, pipeline_input="data"),
        "label": LiteralInput(None),
    }
    assert isinstance(score, ParallelStep)
    assert score.name == "a.score"
    assert score.inputs == {"files": StepOutput("a.clean", "kept", DataType.URI_FOLDER)}
    assert score.mini_batch_size is not None
    assert score.mini_batch_size.number == 7
    uri = (folder / "result.csv").as_uri()
    assert score.outputs == {"rows": Output(DataType.URI_FILE, uri=uri, pipeline_output="result")}
    assert b.after == {"a.clean", "a.score"}
    assert isinstance(b.inputs["kept"], StepOutput)
    assert (b.inputs["kept"].step, b.inputs["kept"].mode) == ("a.clean", "download")


def test_one_component_used_twice(load: Load) -> None:
    """Each use has steps, values and outputs of its own; a default holds where nothing is given."""
    text = PIPELINE.split("  b:")[0] + (
        "  again:\n    component: file:comp/c.yml\n    inputs: {raw: '${{parent.jobs.a.outputs.kept}}'}\n"
    )
    steps = {step.name: step for step in load(text, comp__c_yml=COMPONENT).steps}
    assert list(steps) == ["a.clean", "a.score", "again.clean", "again.score"]
    assert steps["again.clean"].inputs["raw"] == StepOutput("a.clean", "kept", DataType.URI_FOLDER)
    again = steps["again.score"]
    assert isinstance(again, ParallelStep)
    assert again.mini_batch_size is not None
    assert again.mini_batch_size.number == 3
    assert again.outputs["rows"] == Output(DataType.URI_FILE)


def test_a_component_in_a_component(load: Load) -> None:
    """Names, inputs and outputs lead through every level; paths start from the file that they stand in."""
    outer = """
type: pipeline
inputs: {raw: {type: uri_folder}}
outputs: {rows: {type: uri_file, path: "azureml://datastores/${{default_datastore}}/paths/${{name}}/o.txt"}}
jobs:
  inner:
    component: ./c.yml
    inputs: {raw: "${{parent.inputs.raw}}"}
    outputs: {rows: "${{parent.outputs.rows}}"}
"""
    text = PIPELINE.replace("./comp/c.yml", "./comp/outer.yml").replace(", size: 7", "").split("  b:")[0]
    text = text.replace("type: uri_file, path: ./result.csv", "type: uri_file")
    steps = load(text, comp__c_yml=COMPONENT, comp__outer_yml=outer).steps
    assert [step.name for step in steps] == ["a.inner.clean", "a.inner.score"]
    rows = steps[1].outputs["rows"]
    assert rows.pipeline_output == "result"
    assert rows.uri == f"azureml://datastores/workspaceblobstore/paths/{RUN_TOKEN}/a.inner.score/o.txt"


def test_the_pipeline_can_be_a_component(load: Load, folder: Path) -> None:
    """`component` in the place of `jobs`: its inputs get their values, its outputs their paths from the file."""
    text = """
type: pipeline
component: ./comp/c.yml
inputs: {raw: {path: ./data}, size: 5}
outputs: {rows: {path: ./rows.csv}}
"""
    clean, score = load(text, comp__c_yml=COMPONENT).steps
    assert (clean.name, score.name) == ("clean", "score")
    assert isinstance(score, ParallelStep)
    assert score.mini_batch_size is not None
    assert score.mini_batch_size.number == 5
    assert score.outputs["rows"].uri == (folder / "rows.csv").as_uri()
    assert score.outputs["rows"].type is DataType.URI_FILE
    assert clean.outputs["kept"].pipeline_output == "kept"


def test_order_without_data_around_and_inside_a_component(load: Load) -> None:
    """Waiting for a component is waiting for each step in it; a component that waits makes each of its steps wait."""
    component = "type: pipeline\njobs:\n  x: {command: x}\n  y: {command: y, depends_on: x}\n"
    text = """
type: pipeline
jobs:
  first: {command: f}
  a: {component: ./comp/c.yml, depends_on: first}
  last: {command: l, depends_on: [a]}
"""
    after = {step.name: step.after for step in load(text, comp__c_yml=component).steps}
    assert after == {
        "first": set(),
        "a.x": {"first"},
        "a.y": {"first", "a.x"},
        "last": {"a.x", "a.y"},
    }


def test_defaults_of_the_place_hold_inside(load: Load) -> None:
    """Compute and datastore: what is nearest counts."""
    component = (
        "type: pipeline\nsettings: {default_datastore: azureml:blobs}\njobs:\n  x: {command: x}\n"
        "  y: {command: y, compute: azureml:own, outputs: {o: {path: 'azureml://datastores/${{default_datastore}}/paths/p'}}}\n"
    )
    text = "type: pipeline\nsettings: {default_compute: azureml:big}\njobs: {a: {component: ./comp/c.yml}}"
    x, y = load(text, comp__c_yml=component).steps
    assert (x.compute, y.compute) == ("azureml:big", "azureml:own")
    assert y.outputs["o"].uri == "azureml://datastores/blobs/paths/p"


def test_settings_that_count_for_the_pipeline_alone(load: Load) -> None:
    """Accepted on a component, and said to have no effect."""
    text = "type: pipeline\njobs: {a: {component: ./comp/c.yml, identity: {type: user_identity}}}"
    component = "type: pipeline\nsettings: {force_rerun: true}\njobs: {x: {command: x}}"
    assert set(load(text, comp__c_yml=component).notices) == {
        "no effect here: jobs.a.identity",
        "settings.force_rerun: has no effect here; that of the pipeline file counts",
    }


USING = "type: pipeline\ninputs: {d: {path: ./data}}\njobs:\n  a: {component: ./comp/c.yml, %s}\n"
SMALL = """type: pipeline
inputs: {raw: {type: uri_folder}, n: {type: integer}}
outputs: {o: {type: uri_folder}, never: {type: uri_folder}}
jobs:
  x:
    command: x ${{inputs.n}}
    inputs: {raw: "${{parent.inputs.raw}}", n: "${{parent.inputs.n}}"}
    outputs: {o: "${{parent.outputs.o}}"}
"""
GIVEN = "inputs: {raw: '${{parent.inputs.d}}', n: 1}"


@pytest.mark.parametrize(
    ("step", "component", "rest", "message"),
    [
        (
            "inputs: {raw: '${{parent.inputs.d}}', n: many}",
            SMALL,
            "",
            "pipeline.yml:4:73: jobs.a.inputs.n: expected a whole number, found 'many'",
        ),
        (
            "inputs: {n: 1}",
            SMALL,
            "",
            "pipeline.yml:4:6: jobs.a.inputs.raw: required input 'raw' of step 'a' has no value",
        ),
        (
            GIVEN + ", outputs: {oo: }",
            SMALL,
            "",
            "pipeline.yml:4:87: jobs.a.outputs.oo: the component of step 'a' has no output 'oo'; did you mean 'o'?",
        ),
        (
            GIVEN,
            SMALL.replace("parent.inputs.n}", "parent.inputs.m}"),
            "",
            "comp/c.yml:7:48: jobs.x.inputs.n: the pipeline component has no input 'm'; there is 'raw' or 'n'",
        ),
        (
            GIVEN,
            SMALL.replace("parent.outputs.o}", "parent.outputs.p}"),
            "",
            "comp/c.yml:8:18: jobs.x.outputs.o: the pipeline component has no output 'p'; there is 'o' or 'never'",
        ),
        (
            GIVEN,
            SMALL,
            "  b: {command: b, inputs: {i: '${{parent.jobs.a.outputs.never}}'}}\n",
            "pipeline.yml:5:31: jobs.b.inputs.i: no step inside 'a' writes its output 'never'",
        ),
        (
            GIVEN,
            SMALL,
            "  b: {command: b, inputs: {i: '${{parent.jobs.x.outputs.o}}'}}\n",
            "pipeline.yml:5:31: jobs.b.inputs.i: there is no step 'x'; there is 'a' or 'b'",
        ),
        (
            GIVEN,
            SMALL + "  y:\n    command: y\n    outputs: {o: '${{parent.outputs.o}}'}\n",
            "",
            "comp/c.yml:9:3: jobs.y.outputs.o: goes to the same place as a.x.o: output o",
        ),
        (GIVEN + ", jobs: {}", SMALL, "", "jobs.a.jobs: jobs and component exclude each other; keep one of them"),
        (GIVEN + ", retries: 1", SMALL, "", "jobs.a.retries: unknown key"),
        (GIVEN + ", type: command", SMALL, "", "jobs.a.type: expected 'pipeline', the type of the component"),
        ("", "type: pipeline\njobs: {}\n", "", "comp/c.yml:1:1: jobs: missing; expected at least one step"),
        (
            "",
            (
                "type: pipeline\noutputs: {o: {type: uri_file}}\n"
                "jobs: {z: {component: ./c.yml, outputs: {o: '${{parent.outputs.o}}'}}}\n"
            ),
            "  b: {command: b, inputs: {i: '${{parent.jobs.a.outputs.o}}'}}\n",
            "comp/c.yml:3:8: jobs.z: the pipeline component is part of itself: comp/c.yml -> comp/c.yml",
        ),
    ],
)
def test_a_wrong_pipeline_component(refuse: Refuse, step: str, component: str, rest: str, message: str) -> None:
    """One problem each, in the file where it is, and nothing that follows from it."""
    problems = refuse(USING % step + rest, comp__c_yml=component)
    assert [message in problem for problem in problems] == [True], problems


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("component: ./comp/c.yml\njobs: {a: {command: x}}", "2:1: jobs: jobs and component exclude each other"),
        ("component: {type: pipeline, jobs: {}}", "missing; expected at least one step"),
        ("component: ./comp/p.yml", "expected a component of type 'pipeline', found one of type 'command'"),
        ("component: ./comp/c.yml\ninputs: {m: 1}", "inputs.m: the component has no input 'm'"),
        ("jobs: {a: {type: pipeline, jobs: {x: {command: x}}}}", "jobs.a.type: a pipeline step needs component"),
    ],
)
def test_a_wrong_use(refuse: Refuse, text: str, message: str) -> None:
    """What the top level and a step cannot be."""
    files = {"comp__c_yml": "type: pipeline\njobs: {a: {command: x}}\n", "comp__p_yml": "command: x\n"}
    [problem] = refuse(f"{text}\ntype: pipeline\n", **files)
    assert message in problem


def test_names_that_the_run_itself_needs(refuse: Refuse) -> None:
    """Steps are folders beside the run's own records."""
    [problem] = refuse(
        "type: pipeline\njobs: {run: {component: ./comp/c.yml}}",
        comp__c_yml="type: pipeline\njobs: {json: {command: x}}",
    )
    assert (
        problem == "comp/c.yml:2:8: jobs.json: 'run.json' is the name of something else in each run; choose another one"
    )


def test_components_that_unfold_without_end(refuse: Refuse) -> None:
    """A few small files could be any number of steps: it is counted while they are opened."""
    files = {
        f"comp__n{i}_yml": "type: pipeline\njobs:\n"
        + "".join(f"  s{j}: {{component: ./n{i + 1}.yml}}\n" for j in range(10))
        for i in range(9)
    }
    problems = refuse(
        "type: pipeline\njobs: {a: {component: ./comp/n0.yml}}",
        **files,
        comp__n9_yml="type: pipeline\njobs: {x: {command: x}}",
    )
    assert problems[-1].endswith("the pipeline components unfold to more than 5,000 steps")
