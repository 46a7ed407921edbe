"""The same without a pipeline file: `python from_python.py [OUTPUT]`."""

import sys
from pathlib import Path

import fanout

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "src"))

from convert import convert  # noqa: E402 - from the folder above


def main(output: str) -> None:
    run = fanout.parallel(mini_batch_rows=100)(convert).run(str(HERE / "orders" / "*.csv"), output=output)
    run.raise_for_status()
    print(run.output().to_pandas().dtypes.to_string())


if __name__ == "__main__":
    main(*sys.argv[1:] or ["orders.parquet"])
