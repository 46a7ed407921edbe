"""The same without a pipeline file: `python from_python.py [URL]`."""

import csv
import sys
from functools import partial
from pathlib import Path

import fanout

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "src"))

from complete import complete  # noqa: E402 - from the folder above


def main(url: str) -> None:
    with (HERE / "prompts.csv").open(newline="") as file:
        prompts = [row["prompt"] for row in csv.DictReader(file)]
    answers = fanout.map(partial(complete, url=url), prompts, mini_batch_size=10, max_concurrency_per_instance=4)
    for prompt, answer in zip(prompts, answers, strict=True):
        print(f"{prompt} -> {answer['completion']}")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["http://127.0.0.1:8765"])
