"""What this Python lacks of an environment, in one line."""

import re
import subprocess
from collections.abc import Mapping

import pytest

from fanout.environments import installed
from fanout.environments.compare import Here, allows_slots, lacking, notices
from fanout.pipeline.model import CommandStep, Environment


def _step(name: str = "train", **fields: object) -> CommandStep:
    environment = Environment(conda_file="/p/conda.yml", **fields)  # type: ignore[arg-type]
    return CommandStep(name=name, command="x", environment=environment)


def _said(*steps: CommandStep, there: Mapping[str, str]) -> list[str]:
    return notices(steps, Here("3.11.7", there.get, "'/a b/python' -m pip install", {"pandas", "numpy"}.__contains__))


@pytest.mark.parametrize(
    ("requirement", "there", "met"),
    [
        ("six", {"six": "1.16.0"}, True),
        ("six", {}, False),
        ("six==1.16.0", {"six": "1.16.0"}, True),
        ("six==1.16.0", {"six": "1.17.0"}, False),
        ("six>=1,<2", {"six": "2.0rc1"}, False),
        ("six>=1", {"six": "2.0rc1"}, True),
        ("six[extra]~=1.16", {"six": "1.17"}, True),
        ("six; python_version < '3'", {}, True),
        ("azureml-core", {}, True),
        ("azureml_dataset_runtime[pandas,fuse]", {}, True),
        ("--extra-index-url https://x.test", {}, True),
        ("git+https://x.test/six", {}, True),
    ],
)
def test_requirements_that_are_met(requirement: str, there: Mapping[str, str], met: bool) -> None:
    """By version where one is asked for; what only Azure's runtime wants, and what is no requirement, is met."""
    assert (not list(lacking(Environment(pip=(requirement,)), there.get))) is met


def test_one_line_with_the_command_that_mends_it() -> None:
    """For each environment, whatever number of steps asks for it."""
    fields = {"pip": ("six==1.16.0", "mlflow >= 2", "numpy")}
    [line] = _said(_step("train", **fields), _step("score", **fields), there={"six": "1.17.0", "numpy": "2"})
    assert line == (
        "train, score: conda.yml asks for six==1.16.0 (1.17.0 is installed), mlflow >= 2 (not installed); install it "
        "with: '/a b/python' -m pip install six==1.16.0 'mlflow >= 2', or --env runs the step in an environment made "
        "from it"
    )


def test_another_python() -> None:
    """Named; and said to be too old where --env would be no help."""
    assert _said(_step(python="==3.12.*"), there={}) == [
        "train: conda.yml asks for Python 3.12 (this is 3.11.7); --env runs the step in an environment made from it"
    ]
    assert _said(_step(python="==3.7.*"), there={}) == [
        "train: conda.yml asks for Python 3.7 (this is 3.11.7, and slots need 3.8 or newer)"
    ]


def test_nothing_to_say() -> None:
    """Where all is there, where an environment is made anyway, and where none is described."""
    met = _step(python="==3.11.*", pip=("six",))
    assert _said(met, _step(build=True, pip=("mlflow",)), _step(), there={"six": "1"}) == []


def test_long_lists_are_cut() -> None:
    """The command has them all."""
    [line] = _said(_step(pip=tuple("abcdefg")), there={})
    assert "e (not installed), 2 more" in line
    assert "pip install a b c d e f g, or --env" in line


def test_the_command_works_when_it_is_pasted() -> None:
    """A shell hands each requirement over as it is written, with the options that say where packages are."""
    pip = ("six<2", "scipy[all]~=1.2 ; python_version>'3'", "--extra-index-url https://x.test/a?b&c", "--pre")
    [line] = _said(_step(pip=pip), there={})
    [command] = re.findall("install it with: (.*), or --env", line)
    words = subprocess.run(["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True)
    assert words.stdout.splitlines() == [
        *("/a b/python", "-m", "pip", "install", "--extra-index-url", "https://x.test/a?b&c", "--pre"),
        *("six<2", "scipy[all]~=1.2 ; python_version>'3'"),
    ]


def test_no_command_that_would_do_harm() -> None:
    """Packages that fanout needs in another version, and those for another Python, are no matter for this Python."""
    [line] = _said(_step(pip=("pandas<2", "six")), there={"pandas": "3.0"})
    assert line == (
        "train: conda.yml asks for pandas<2 (3.0 is installed), six (not installed); --env runs the step in an "
        "environment made from it; installed here, pandas<2 would replace what fanout itself needs"
    )
    [line] = _said(_step(python="==3.8.*", pip=("six",)), there={})
    assert line.endswith("six (not installed); --env runs the step in an environment made from it")


def test_what_fanout_needs() -> None:
    """Its own requirements and theirs, not what only its tests and examples need."""
    assert {"pandas", "numpy", "markdown-it-py", "typing-extensions", "botocore"} <= installed._needed()
    assert not {"pytest", "moto", "scikit-learn"} & installed._needed()


@pytest.mark.parametrize(
    ("specifier", "may"),
    [(None, True), ("==3.7.*", False), (">=3.6", True), ("==3.11.4", True), ("<3.8", False), ("==3.8.*", True)],
)
def test_pythons_that_slots_can_run_in(specifier: str | None, may: bool) -> None:
    """3.8 and newer."""
    assert allows_slots(specifier) is may
