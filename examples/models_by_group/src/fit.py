"""Fits a model of demand to the rows of one shop and product.

As an entry script: one file and one row for each group.
"""

import argparse
import json
from pathlib import Path

import numpy as np


def fit(rows) -> dict:
    """Least squares: how many are sold, given the price and whether there is an offer. `rows` is a DataFrame."""
    known = np.column_stack([np.ones(len(rows)), rows["price"], rows["offer"]])
    weights, *_ = np.linalg.lstsq(known, rows["sold"], rcond=None)
    errors = np.abs(known @ weights - rows["sold"])
    return {
        "shop": rows["shop"].iloc[0],
        "product": rows["product"].iloc[0],
        "weeks": len(rows),
        **dict(zip(("base", "per_unit_of_price", "by_offer"), map(float, weights.round(2)), strict=True)),
        "error": float(errors.mean().round(2)),
    }


def init() -> None:
    """Called once in each slot."""
    global FOLDER
    parser = argparse.ArgumentParser()
    parser.add_argument("--models", type=Path, required=True)
    FOLDER = parser.parse_known_args()[0].models


def run(mini_batch, context):
    """All rows of one group. What a try that fails has written goes with it."""
    import pandas as pd

    model = fit(mini_batch)
    file = FOLDER / context.partition_key_value["shop"] / f"{context.partition_key_value['product']}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(model, indent=1) + "\n")
    return pd.DataFrame([model])
