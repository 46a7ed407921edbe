"""Which GPU each process of a node sees."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from fanout.node.gpus import Gpus, gpus_of, processors


@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({}, ()),
        ({"AZ_BATCHAI_GPU_COUNT_FOUND": "3"}, ("0", "1", "2")),
        ({"AZ_BATCHAI_GPU_COUNT_FOUND": "0"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "2, GPU-8f3a"}, ("2", "GPU-8f3a")),
        ({"CUDA_VISIBLE_DEVICES": "", "AZ_BATCHAI_GPU_COUNT_FOUND": "3"}, ()),
        ({"CUDA_VISIBLE_DEVICES": "-1"}, ()),
    ],
)
def test_what_the_environment_says(environ: Mapping[str, str], names: tuple[str, ...], tmp_path: Path) -> None:
    """CUDA's own variable before the count."""
    assert gpus_of(environ, driver=tmp_path / "none") == names


def test_what_the_driver_says(tmp_path: Path) -> None:
    """A folder for each GPU."""
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (tmp_path / name).mkdir()
    assert gpus_of({}, driver=tmp_path) == ("0", "1")


def test_one_for_each_process() -> None:
    """The first that is free; none when all are taken; one that is given back goes to the next that starts."""
    gpus = Gpus(("0", "1"))
    seen = [gpus.take(f"process00{number}")["CUDA_VISIBLE_DEVICES"] for number in range(3)]
    assert seen == ["0", "1", ""]
    gpus.release("process000")
    gpus.release("process002")
    assert gpus.take("process003") == {"CUDA_VISIBLE_DEVICES": "0", "AZ_BATCHAI_GPU_COUNT_FOUND": "2"}
    assert gpus.take("process004")["CUDA_VISIBLE_DEVICES"] == ""


def test_no_gpu_at_all() -> None:
    """Then nothing is said about them."""
    assert Gpus(()).take("process000") == {}


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000", None), ("50000 100000", 1), ("100000 100000", 1), ("99999900000 100000", None), ("", None)],
)
def test_the_limit_of_a_container_bounds_slots(text: str, cores: int | None, tmp_path: Path) -> None:
    """More processes than processors would only wait for each other; without a limit all cores count."""
    quota = tmp_path / "cpu.max"
    quota.write_text(text)
    assert processors(quota) == (len(os.sched_getaffinity(0)) if cores is None else cores)
    assert processors(tmp_path / "none") == len(os.sched_getaffinity(0))
