"""Entry script: one model per carrier of how late its flights arrive, from what is known when they depart."""

import argparse
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from azureml_user.parallel_run import EntryScript
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_absolute_error

FEATURES = ["dep_delay", "distance", "hour", "month"]
TEST_DAYS = 5  # every fifth day of a month is kept for testing

models = Path()


def init() -> None:
    """Notes where the models go."""
    global models
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--models", type=Path, required=True)
    args, _ = parser.parse_known_args()
    models = args.models


def run(mini_batch: pd.DataFrame, context: Any) -> pd.DataFrame:
    """Trains the model of one carrier; one row on how good it is, in minutes of mean absolute error."""
    carrier = context.partition_key_value["carrier"]
    arrived = mini_batch.dropna(subset=[*FEATURES, "arr_delay"])
    is_test = arrived["day"] % TEST_DAYS == 0
    train, test = arrived[~is_test], arrived[is_test]
    model = LinearRegression().fit(train[FEATURES], train["arr_delay"])
    save(model, models / carrier)
    baseline = pd.Series(train["arr_delay"].median(), index=test.index)
    row = {
        "carrier": carrier,
        "flights": len(mini_batch),
        "tested": len(test),
        "mae": round(mean_absolute_error(test["arr_delay"], model.predict(test[FEATURES])), 2),
        "baseline_mae": round(mean_absolute_error(test["arr_delay"], baseline), 2),
    }
    EntryScript().logger.info("%(carrier)s: %(mae)s minutes, baseline %(baseline_mae)s", row)
    return pd.DataFrame([row])


def save(model: LinearRegression, folder: Path) -> None:
    """The model in a folder of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    joblib.dump(model, folder / "model.joblib")
