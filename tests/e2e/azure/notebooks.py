"""Four notebooks in the manner of Azure's examples with parallel steps: their cells, and the files beside them."""

import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

IMPORTS = """\
from azure.identity import DefaultAzureCredential, InteractiveBrowserCredential
from azure.ai.ml import MLClient, Input, Output, load_component
from azure.ai.ml.dsl import pipeline
from azure.ai.ml.entities import Environment, ResourceConfiguration
from azure.ai.ml.constants import AssetTypes, InputOutputModes
from azure.ai.ml.parallel import parallel_run_function, RunFunction
"""
CONNECT = """\
try:
    credential = DefaultAzureCredential()
    credential.get_token("https://management.azure.com/.default")
except Exception as ex:
    credential = InteractiveBrowserCredential()
ml_client = MLClient.from_config(credential=credential)
print(ml_client.compute.get("cpu-cluster"))
"""
SUBMIT = """\
print(my_job)
pipeline_job = ml_client.jobs.create_or_update(my_job, experiment_name="parallel examples")
pipeline_job
"""
STREAM = "ml_client.jobs.stream(pipeline_job.name)"
CONDA = "channels: [conda-forge]\ndependencies: [python>=3.9, pip, {pip: [pandas]}]\n"
COMPONENT = """\
$schema: https://azuremlschemas.azureedge.net/latest/commandComponent.schema.json
type: command
name: prepare
display_name: Prepare
version: 1
inputs:
  source: {type: %s}
outputs:
%s
code: ./
environment: {image: mcr.microsoft.com/azureml/x, conda_file: ./conda.yaml}
command: >-
  python prepare.py ${{inputs.source}} %s
"""


@dataclass(frozen=True)
class Notebook:
    """Cells between the connection and the submission, files by name, and what Azure's counts are."""

    name: str
    cells: tuple[str, ...]
    files: dict[str, str]
    counts: dict[str, int]  # step -> mini-batches

    def write(self, folder: Path, imports: str = IMPORTS) -> Path:
        """The notebook, with its files beside it; its kernel is one that only its author has."""
        import nbformat

        self._write_files(folder)
        cells: list[Any] = [nbformat.v4.new_markdown_cell("# An example")]
        sources = (imports, CONNECT, *self.cells, *SUBMIT.split("\n", 1), STREAM)
        cells += [nbformat.v4.new_code_cell(source) for source in sources]
        kernel = {"name": "python310-sdkv2", "display_name": "Python 3.10 - SDK V2"}
        file = folder / f"{self.name}.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), file)
        return file

    def write_script(self, folder: Path) -> Path:
        """The same as a script that does not wait for its job, and shows its arguments."""
        self._write_files(folder)
        file = folder / f"{self.name}.py"
        file.write_text("\n".join((IMPORTS, CONNECT, *self.cells, SUBMIT, "import sys; print(sys.argv[1:])")))
        return file

    def _write_files(self, folder: Path) -> None:
        for name, text in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(textwrap.dedent(text))


ROWS = "".join(
    f"{week},{store},{brand},{week * store}\n" for store in (1, 2, 3, 4) for brand in ("a", "b") for week in (1, 2, 3)
)
MANY_MODELS = Notebook(
    "many_models",
    (
        'partition_data = load_component(source="./src/partition/partition.yml")',
        """\
train = parallel_run_function(
    name="train_many_models",
    display_name="Train many models",
    description="parallel job with partition_keys",
    tags={"azureml_parallel_example": "own"},
    inputs=dict(
        data_source=Input(type=AssetTypes.MLTABLE, description="With a partition format.", mode=InputOutputModes.DIRECT),
        target_col=Input(type="string", description="The column."),
    ),
    outputs=dict(
        model_perf=Output(type=AssetTypes.URI_FILE, mode=InputOutputModes.RW_MOUNT),
        model_folder=Output(type=AssetTypes.URI_FOLDER, mode=InputOutputModes.RW_MOUNT),
    ),
    input_data="${{inputs.data_source}}",
    partition_keys=["Store", "Brand"],
    instance_count=2,
    max_concurrency_per_instance=1,
    error_threshold=-1,
    mini_batch_error_threshold=5,
    retry_settings=dict(max_retries=2, timeout=60),
    logging_level="DEBUG",
    environment_variables={"EXAMPLE": "own"},
    task=RunFunction(
        code="./src/train/",
        entry_script="train.py",
        environment=Environment(image="mcr.microsoft.com/azureml/x", conda_file="./src/train/conda.yml"),
        program_arguments="--target_col ${{inputs.target_col}} " "--model_folder ${{outputs.model_folder}} ",
        append_row_to="${{outputs.model_perf}}",
    ),
)
""",
        """\
sales = Input(path="./sales/sales.csv", type=AssetTypes.URI_FILE, mode=InputOutputModes.RO_MOUNT)

@pipeline(display_name="many models")
def partition_and_train(pipeline_input_data):
    partition_job = partition_data(source=pipeline_input_data)
    parallel_train = train(data_source=partition_job.outputs.table, target_col="Quantity")
    parallel_train.resources.instance_count = 3
    parallel_train.max_concurrency_per_instance = 2
    parallel_train.mini_batch_error_threshold = 10
    parallel_train.outputs.model_perf.path = (
        f"azureml://datastores/workspaceblobstore/paths/${{name}}/my_append_output.csv"
    )

my_job = partition_and_train(pipeline_input_data=sales)
my_job.tags.update
my_job.settings.default_compute = "cpu-cluster"
""",
    ),
    {
        "sales/sales.csv": "Week,Store,Brand,Quantity\n" + ROWS,
        "src/partition/conda.yaml": CONDA,
        "src/partition/partition.yml": COMPONENT % ("uri_file", "  table: {type: mltable}", "${{outputs.table}}"),
        "src/partition/prepare.py": """\
            import sys
            from pathlib import Path
            import pandas as pd

            source, target = sys.argv[1], Path(sys.argv[2])
            for (store, brand), rows in pd.read_csv(source).groupby(["Store", "Brand"]):
                folder = target / str(store) / brand
                folder.mkdir(parents=True)
                rows.drop(columns=["Store", "Brand"]).to_csv(folder / "rows.csv", index=False)
            (target / "MLTable").write_text('''
            type: mltable
            paths: [{pattern: ./**/*.csv}]
            transformations:
            - read_delimited: {delimiter: ",", encoding: ascii, header: all_files_same_headers, include_path_column: true}
            - extract_columns_from_partition_format: {partition_format: "{Store}/{Brand}/{file_name}.{extension}"}
            - drop_columns: [Path, file_name, extension]
            ''')
            """,
        "src/train/conda.yml": CONDA,
        "src/train/train.py": """\
            import argparse
            from pathlib import Path
            import pandas as pd

            def init():
                global args
                parser = argparse.ArgumentParser()
                parser.add_argument("--target_col")
                parser.add_argument("--model_folder")
                args, _ = parser.parse_known_args()

            def run(rows, context):
                keys = context.partition_key_value
                folder = Path(args.model_folder, *keys.values())
                folder.mkdir(parents=True, exist_ok=True)
                (folder / "model").write_text(str(rows[args.target_col].sum()))
                return pd.DataFrame({**{key: [value] for key, value in keys.items()}, "sum": [rows[args.target_col].sum()]})
            """,
    },
    {"train_many_models": 8},
)

TABLE = """\
type: mltable
paths: [{file: ./rows.csv}]
transformations:
- read_delimited: {delimiter: ",", encoding: ascii, header: all_files_same_headers}
"""
BATCH_PREDICTION = Notebook(
    "batch_prediction",
    (
        """\
score = parallel_run_function(
    name="batch_inferencing",
    display_name="Batch Inferencing",
    inputs=dict(
        input_data=Input(type=AssetTypes.MLTABLE, mode=InputOutputModes.DIRECT),
        score_model=Input(type=AssetTypes.URI_FOLDER, mode=InputOutputModes.DOWNLOAD),
    ),
    outputs=dict(job_output_file=Output(type=AssetTypes.URI_FILE, mode=InputOutputModes.RW_MOUNT)),
    input_data="${{inputs.input_data}}",
    mini_batch_size="1kb",
    instance_count=2,
    max_concurrency_per_instance=1,
    error_threshold=5,
    mini_batch_error_threshold=5,
    retry_settings=dict(max_retries=2, timeout=60),
    logging_level="DEBUG",
    task=RunFunction(
        code="./script",
        entry_script="score.py",
        environment=Environment(image="mcr.microsoft.com/azureml/x", conda_file="./environment/conda.yml"),
        program_arguments="--model ${{inputs.score_model}} "
        "--allowed_failed_percent 30 "
        "--task_overhead_timeout 1200 "
        "--progress_update_timeout 600 "
        "--resource_monitor_interval 20 ",
        append_row_to="${{outputs.job_output_file}}",
    ),
)
""",
        """\
rows = Input(path="./table", type=AssetTypes.MLTABLE, mode=InputOutputModes.DIRECT)
model = Input(path="./my-model", type=AssetTypes.URI_FOLDER, mode=InputOutputModes.DOWNLOAD)

@pipeline(display_name="batch inferencing")
def parallel_job_in_pipeline():
    scored = score(input_data=rows, score_model=model)
    scored.resources.instance_count = 2
    scored.max_concurrency_per_instance = 2
    scored.mini_batch_error_threshold = 10
    scored.outputs.job_output_file.path = f"azureml://datastores/workspaceblobstore/paths/${{name}}/rows.csv"

my_job = parallel_job_in_pipeline()
my_job.settings.default_compute = "cpu-cluster"
""",
    ),
    {
        # A header of 6 bytes and 500 lines of 6: 3,006 bytes, which are three blocks of 1 kb.
        "table/rows.csv": "aa,bb\n" + "".join(f"{n:03d},1\n" for n in range(500)),
        "table/MLTable": TABLE,
        "my-model/factor.txt": "10",
        "environment/conda.yml": CONDA,
        "script/score.py": """\
            import argparse
            from pathlib import Path

            def init():
                global factor
                parser = argparse.ArgumentParser(allow_abbrev=False)
                parser.add_argument("--model")
                factor = int(Path(parser.parse_known_args()[0].model, "factor.txt").read_text())

            def run(rows):
                return rows.assign(score=rows["aa"] * factor)
            """,
    },
    {"batch_inferencing": 3},
)

FILES = Notebook(
    "files",
    (
        'prepare_data_component = load_component(source="./script/prepare.yml")',
        """\
identify = parallel_run_function(
    name="identify",
    inputs=dict(
        job_data_path=Input(type=AssetTypes.URI_FOLDER, mode=InputOutputModes.RO_MOUNT),
        score_model=Input(type=AssetTypes.URI_FOLDER, mode=InputOutputModes.DOWNLOAD),
    ),
    outputs=dict(job_output_file=Output(type=AssetTypes.URI_FILE, mode=InputOutputModes.RW_MOUNT)),
    input_data="${{inputs.job_data_path}}",
    mini_batch_size="5",
    instance_count=2,
    max_concurrency_per_instance=2,
    error_threshold=5,
    mini_batch_error_threshold=5,
    task=RunFunction(
        code="./script",
        entry_script="identify.py",
        environment=Environment(image="mcr.microsoft.com/azureml/x", conda_file="./script/conda.yaml"),
        program_arguments="--model ${{inputs.score_model}} ",
        append_row_to="${{outputs.job_output_file}}",
    ),
)
""",
        """\
model = Input(path="./models", type=AssetTypes.URI_FOLDER, mode=InputOutputModes.DOWNLOAD)
count = Input(path="./models", type=AssetTypes.URI_FOLDER)

@pipeline(display_name="files")
def parallel_job_in_pipeline():
    prepared = prepare_data_component(source=count)
    predict = identify(job_data_path=prepared.outputs.images, score_model=model)
    predict.outputs.job_output_file.path = f"azureml://datastores/workspaceblobstore/paths/${{name}}/returns.csv"

my_job = parallel_job_in_pipeline()
my_job.settings.default_compute = "cpu-cluster"
""",
    ),
    {
        "models/m.txt": "x",
        "script/conda.yaml": CONDA,
        "script/prepare.yml": COMPONENT % ("uri_folder", "  images: {type: uri_folder}", "${{outputs.images}}"),
        "script/prepare.py": """\
            import sys
            from pathlib import Path

            for number in range(18):
                Path(sys.argv[2], f"{number:02d}.png").write_text(str(number))
            """,
        "script/identify.py": "from pathlib import Path\n\ndef run(files):\n    return [Path(file).name for file in files]\n",
    },
    {"identify": 4},
)

BOTH = Notebook(
    "both",
    (
        'prepare_data = load_component(source="./src/prepare.yml")',
        """\
file_batch_inference = parallel_run_function(
    name="file_batch_score",
    inputs=dict(job_data_path=Input(type=AssetTypes.MLTABLE, description="To be split.")),
    outputs=dict(job_output_path=Output(type=AssetTypes.MLTABLE)),
    input_data="${{inputs.job_data_path}}",
    instance_count=2,
    max_concurrency_per_instance=1,
    mini_batch_size="1",
    mini_batch_error_threshold=1,
    retry_settings=dict(max_retries=2, timeout=60),
    logging_level="DEBUG",
    task=RunFunction(
        code="./src",
        entry_script="files.py",
        program_arguments="--job_output_path ${{outputs.job_output_path}}",
        environment="azureml://registries/azureml/environments/sklearn-1.5/labels/latest",
    ),
)
tabular_batch_inference = parallel_run_function(
    name="batch_score_with_tabular_input",
    inputs=dict(
        job_data_path=Input(type=AssetTypes.MLTABLE),
        score_model=Input(type=AssetTypes.URI_FOLDER, description="The model."),
    ),
    outputs=dict(job_output_path=Output(type=AssetTypes.MLTABLE)),
    input_data="${{inputs.job_data_path}}",
    instance_count=2,
    max_concurrency_per_instance=2,
    mini_batch_size="100",
    mini_batch_error_threshold=5,
    retry_settings=dict(max_retries=2, timeout=60),
    task=RunFunction(
        code="./src",
        entry_script="rows.py",
        environment=Environment(image="mcr.microsoft.com/azureml/x:latest", conda_file="./src/conda.yaml"),
        program_arguments="--model ${{inputs.score_model}} "
        "--job_output_path ${{outputs.job_output_path}} "
        "--error_threshold 5 "
        "--allowed_failed_percent 30 "
        "--copy_logs_to_parent True "
        "--resource_monitor_interva 20 ",
        append_row_to="${{outputs.job_output_path}}",
    ),
)
""",
        """\
@pipeline()
def parallel_in_pipeline(pipeline_job_data_path, pipeline_score_model):
    prepared = prepare_data(source=pipeline_job_data_path)
    prepared.outputs.files.type = AssetTypes.MLTABLE
    prepared.outputs.table.type = AssetTypes.MLTABLE

    with_files = file_batch_inference(job_data_path=prepared.outputs.files)
    with_files.inputs.job_data_path.mode = InputOutputModes.EVAL_MOUNT
    with_files.outputs.job_output_path.type = AssetTypes.MLTABLE

    with_rows = tabular_batch_inference(job_data_path=prepared.outputs.table, score_model=pipeline_score_model)
    with_rows.inputs.job_data_path.mode = InputOutputModes.DIRECT
    return {
        "pipeline_job_out_file": with_files.outputs.job_output_path,
        "pipeline_job_out_tabular": with_rows.outputs.job_output_path,
    }

data = Input(path="./dataset/", type=AssetTypes.MLTABLE, mode=InputOutputModes.RO_MOUNT)
model = Input(path="./model/", type=AssetTypes.URI_FOLDER, mode=InputOutputModes.DOWNLOAD)
my_job = parallel_in_pipeline(pipeline_job_data_path=data, pipeline_score_model=model)
my_job.outputs.pipeline_job_out_tabular.type = AssetTypes.URI_FILE
my_job.settings.default_compute = "cpu-cluster"
""",
    ),
    {
        "model/m.txt": "x",
        "dataset/MLTable": "type: mltable\npaths: [{pattern: ./*.csv}]\n",
        "dataset/one.csv": "a,b\n" + "1,22222222\n" * 30,  # 334 bytes: 4 blocks of 100, all with rows
        "src/conda.yaml": CONDA,
        "src/prepare.yml": COMPONENT
        % (
            "uri_folder",
            "  files: {type: mltable}\n  table: {type: mltable}",
            "${{outputs.files}} ${{outputs.table}}",
        ),
        "src/prepare.py": """\
            import shutil, sys
            from pathlib import Path

            source, files, table = map(Path, sys.argv[1:])
            for name in ("a", "b", "c", "d"):
                (files / f"{name}.txt").write_text(name)
            (files / "MLTable").write_text("type: mltable\\npaths: [{pattern: ./*.txt}]\\n")
            shutil.copy(source / "one.csv", table)
            reader = "[{read_delimited: {delimiter: ',', header: all_files_same_headers}}]"
            (table / "MLTable").write_text(f"type: mltable\\npaths: [{{file: ./one.csv}}]\\ntransformations: {reader}\\n")
            """,
        "src/files.py": """\
            import argparse
            from pathlib import Path

            def run(files):
                parser = argparse.ArgumentParser(allow_abbrev=False)
                parser.add_argument("--job_output_path")
                target = Path(parser.parse_known_args()[0].job_output_path)
                for file in files:
                    (target / Path(file).name).write_text(Path(file).read_text().upper())
                return files
            """,
        "src/rows.py": "def run(rows):\n    return rows\n",
    },
    {"file_batch_score": 4, "batch_score_with_tabular_input": 4},
)
