"""The same without a pipeline file: `python from_python.py`."""

import sys
from pathlib import Path

import fanout

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "src"))

from fit import fit  # noqa: E402 - from the folder above


@fanout.parallel(partition_keys=["shop", "product"], error_threshold=-1, mini_batch_error_threshold=0)
def models(rows):
    return [fit(rows)]


if __name__ == "__main__":
    for model in models.map(HERE / "sales.csv"):
        print(f"{model['shop']} {model['product']}: {model['per_unit_of_price']} for each unit of price")
