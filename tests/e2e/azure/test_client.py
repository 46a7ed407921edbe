"""`fanout.azure.MLClient` with objects of Azure's own SDK: jobs, outputs, assets, and what is refused."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.xdist_group("azure-ai-ml")

BEGIN = """\
import io
from pathlib import Path
from fanout.azure import MLClient, Input, Output, command, load_component, load_job
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import AmlCompute, Data, Environment, Model
from azure.ai.ml.parallel import RunFunction, parallel_run_function

def parallel(**more):
    settings = dict(
        name="score",
        inputs=dict(data=Input(type="uri_folder"), factor=Input(type="integer", default=2)),
        outputs=dict(rows=Output(type="uri_file")),
        input_data="${{inputs.data}}",
        mini_batch_size="2",
        error_threshold=0,
        retry_settings=dict(max_retries=0, timeout=60),
        task=RunFunction(
            code="./src",
            entry_script="score.py",
            program_arguments="--factor ${{inputs.factor}}",
            append_row_to="${{outputs.rows}}",
            environment=Environment(image="x", conda_file="./conda.yml"),
        ),
    )
    return parallel_run_function(**{**settings, **more})

def raises(kind, call, *words):
    try:
        call()
    except kind as error:
        missing = [word for word in words if word not in str(error)]
        assert not missing, (missing, str(error))
        return error
    raise AssertionError(f"{kind} was not raised")

client = MLClient(None, "subscription", "group", "workspace")
files = Input(type="uri_folder", path="files")  # a name that could be an asset's
"""
JOBS = """
score = parallel()

@pipeline(display_name="two files at a time", experiment_name="mine", tags={"a": "b"})
def job_of(data):
    scored = score(data=data)
    return {"out": scored.outputs.rows}

job = job_of(data=files)
job.settings.default_compute = "cluster"
submitted = client.jobs.create_or_update(job, tags={"c": "d"})
assert job.name is None and submitted.name and submitted.status == "Running", submitted.status
assert submitted.name in submitted._repr_html_() and submitted.studio_url.endswith(submitted.name)
assert submitted.experiment_name == "mine"
client.jobs.stream(submitted.name)

done = client.jobs.get(submitted.name)
assert (done.status, done.display_name, done.tags) == ("Completed", "two files at a time", {"a": "b", "c": "d"})
assert list(done.jobs) == ["score"] and list(done.outputs) == ["out"]
[child] = client.jobs.list(parent_job_name=submitted.name)
assert (child.name, child.status) == (f"{submitted.name}:score", "Completed")
assert client.jobs.get(child.name).status == "Completed"
assert [job.name for job in client.jobs.list(max_results=1)] == [submitted.name]

client.jobs.download(submitted.name, download_path="got", output_name="out")
[file] = Path("got/named-outputs/out").iterdir()
assert file.read_text().split() == ["a:2", "b:2", "c:2"], file.read_text()
assert not Path("got/artifacts").exists()
client.jobs.download(child.name, download_path="all", all=True)
assert Path("all/artifacts/logs/job_result.txt").exists()
assert list(Path("all/named-outputs").iterdir())
raises(Exception, lambda: client.jobs.download(submitted.name, output_name="ouut"), "did you mean 'out'")
raises(Exception, lambda: client.jobs.get("nothing"), "there is no run named nothing")

raises(Exception, lambda: client.jobs.archive(submitted.name), f"fanout rm {submitted.name} --yes")
assert MLClient().jobs.get(submitted.name).tags == done.tags, "any client reads what was submitted"

# Pipelines in a pipeline: inputs without annotations have the types of what they are given.
count = load_component("deep/count.yml")

@pipeline()
def inner(data, factor, note: str = "two words"):
    counted = count(source=data, note=note)
    scored = score(data=counted.outputs.copied, factor=factor)
    return {"rows": scored.outputs.rows}

@pipeline(default_compute="cluster", continue_on_step_failure=False, force_rerun=True)
def outer(data, factor=5):
    first = inner(data=data, factor=factor)
    second = inner(data=Input(type="uri_folder", path="./files"), factor=6, note="x")
    return {"first": first.outputs.rows, "second": second.outputs.rows}

nested = outer(data=files)
nested.outputs.first.path = "./out/rows.txt"
ran = client.jobs.create_or_update(nested)
client.jobs.stream(ran.name)
assert Path("out/rows.txt").read_text().split() == ["a:5", "b:5", "c:5", "note:5"], Path("out/rows.txt").read_text()
client.jobs.download(ran.name, output_name="second", download_path="second")
[rows] = Path("second/named-outputs/second").iterdir()
assert rows.read_text().split() == ["a:6", "b:6", "c:6", "note:6"]
steps = [child.name.partition(":")[2] for child in client.jobs.list(parent_job_name=ran.name)]
assert sorted(steps) == ["first.counted", "first.score", "second.counted", "second.score"], steps
assert MLClient().jobs.get(ran.name).display_name == "outer"

# A command on its own, and a pipeline file.
alone = command(name="hello", command="echo hello > ${{outputs.o}}/x.txt", environment="azureml:any:1",
                outputs=dict(o=Output(type="uri_folder")), code="./src", compute="cluster")
ran = client.create_or_update(alone)
client.jobs.stream(ran.name)
client.jobs.download(ran.name, download_path="alone", output_name="o")
assert Path("alone/named-outputs/o/x.txt").read_text() == "hello\\n"
loaded = client.jobs.create_or_update(load_job("pipeline.yml"))
client.jobs.stream(loaded.name)
"""
FAILURE = """
from azure.ai.ml.exceptions import JobException

@pipeline()
def job_of(data):
    parallel()(data=data, factor=0)

failed = client.jobs.create_or_update(job_of(data=files))
stream = lambda: client.jobs.stream(failed.name)
raises(JobException, stream, "ended Failed", "ValueError: no factor", "fanout failures")
assert client.jobs.get(failed.name).status == "Failed"

# What cannot run is refused with its place, before anything starts.
@pipeline(display_name="wrong")
def wrong(data):
    step = parallel(mini_batch_size="2", input_data="${{inputs.dta}}")(data=data)
    step.outputs.rows.path = "ftp://host/x"

refused = raises(Exception, lambda: client.jobs.create_or_update(wrong(data=Input(type="uri_folder", path="./fils"))),
                 "job 'wrong': inputs.data", "did you mean 'files'", "jobs.score.input_data", "unknown scheme")
assert "/tmp/fanout-azure-" not in str(refused)
assert not client.jobs.validate(wrong(data=files)).passed
assert client.jobs.validate(job_of(data=files)).passed
raises(Exception, lambda: client.jobs.create_or_update(wrong), "expected a job, got the function wrong: call it")
raises(Exception, lambda: client.online_endpoints, "MLClient.online_endpoints is not available")
raises(AttributeError, lambda: client.nothing)
assert len(list(client.jobs.list())) == 1

cancelled = client.jobs.create_or_update(job_of(data=files))
client.jobs.begin_cancel(cancelled.name).result()
assert client.jobs.get(cancelled.name).status in ("Canceled", "Failed")
"""
ASSETS = """
from azure.core.exceptions import ResourceNotFoundError

made = client.data.create_or_update(Data(name="files", path="./files", type="uri_folder", description="Three."))
assert (made.version, made.id) == ("1", "azureml:files:1")
assert client.create_or_update(Data(name="files", path="./files", type="uri_folder")).version == "1"
client.data.create_or_update(Data(name="files", path="./src", type="uri_folder", version="9"))
assert client.data.get("files", label="latest").version == "9"
assert str(client.data.get("files", "1").path) == str(Path("files").absolute())
assert [asset.version for asset in client.data.list(name="files")] == ["9", "1"]
assert [asset.name for asset in client.data.list()] == ["files"]
raises(ResourceNotFoundError, lambda: client.data.get("files", "2"), "has no version 2; it has 1, 9")
other = Data(name="files", path="./src", type="uri_folder", version="1")
raises(Exception, lambda: client.data.create_or_update(other), "stands for something else already")
assert client.models.create_or_update(Model(name="net", path="./src", type="custom_model")).version == "1"
environment = client.environments.create_or_update(Environment(name="env", image="x", conda_file="./conda.yml"))
assert client.environments.get("env", environment.version).image == "x"

component = client.components.create_or_update(parallel().component if hasattr(parallel(), "component") else parallel())
assert (component.name, component.version) == ("score", "1")
again = load_component(client=client, name="score", version="1")
from_file = client.components.create_or_update(load_component("./component.yml"))

@pipeline()
def registered():
    one = again(data=Input(type="uri_folder", path="azureml:files:1"), factor=3)
    two = from_file(source=Input(type="uri_folder", path=made.id))
    return {"rows": one.outputs.rows, "count": two.outputs.count}

ran = client.jobs.create_or_update(registered())
client.jobs.stream(ran.name)
client.jobs.download(ran.name, output_name="rows")
assert next(Path("named-outputs/rows").iterdir()).read_text().split() == ["a:3", "b:3", "c:3"]
client.jobs.download(ran.name, output_name="count")
assert Path("named-outputs/count/n.txt").read_text().strip() == "3"

assert client.compute.begin_create_or_update(AmlCompute(name="big", size="STANDARD_DS3_V2")).result().name == "big"
assert client.compute.get("big").size == "STANDARD_DS3_V2"
assert client.compute.get("any").provisioning_state == "Succeeded"
assert client.datastores.get_default().name == "workspaceblobstore"
assert client.workspace_name == client.workspaces.get().name == "workspace"
Path("config.json").write_text('{"subscription_id": "s", "resource_group": "g", "workspace_name": "w"}')
assert MLClient.from_config(credential=None).workspace_name == "w"
"""


@pytest.fixture
def here(tmp_path: Path, make: Any) -> Path:
    """A folder with three files, code, a component file and a pipeline file."""
    project = make(tmp_path)
    for name in ("a", "b", "c"):
        project.write(f"files/{name}", name)
    project.write(
        "src/score.py",
        """\
        import sys
        from pathlib import Path

        def run(files):
            factor = int(sys.argv[sys.argv.index("--factor") + 1])
            if not factor:
                raise ValueError("no factor")
            return [f"{Path(file).name}:{factor}" for file in files]
        """,
    )
    project.write("conda.yml", "dependencies: [pip]\n")
    project.write(
        "component.yml",
        """\
        type: command
        name: count
        inputs: {source: {type: uri_folder}}
        outputs: {count: {type: uri_folder}}
        code: ./src
        environment: azureml:env:1
        command: ls ${{inputs.source}} | wc -l > ${{outputs.count}}/n.txt
        """,
    )
    project.write("deep/src/copy.sh", 'cp "$1"/* "$3"; echo "$2" > "$3"/note\n')
    project.write(
        "deep/count.yml",
        """\
        type: command
        name: count
        inputs:
          source: {type: uri_folder}
          note: {type: string, optional: true}
        outputs: {copied: {type: uri_folder}}
        code: ./src
        environment: {image: x, conda_file: ../conda.yml}
        command: sh copy.sh ${{inputs.source}} $[[${{inputs.note}}]] ${{outputs.copied}}
        """,
    )
    project.write("pipeline.yml", "type: pipeline\njobs:\n  a: {component: ./component.yml, inputs: {source: files}}\n")
    return tmp_path


@pytest.mark.parametrize("body", [JOBS, FAILURE, ASSETS], ids=["jobs", "failure", "assets"])
def test_a_client_of_this_machine(body: str, here: Path) -> None:
    """The assertions are in the script, which is one that users could write."""
    (here / "script.py").write_text(BEGIN + body)
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=here, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
