"""The entry script: says of each image which digit it shows, and by how much the model prefers it to the next best."""

import argparse
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from azureml_user.parallel_run import EntryScript
from images import read_images

model: Any = None


def init() -> None:
    """Loads the model: once per process, not once per mini-batch."""
    global model
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--model", type=Path, required=True)
    # Azure puts options of its own on the command line too, hence not parse_args().
    args, _ = parser.parse_known_args()
    model = joblib.load(args.model / "model.joblib")
    EntryScript().logger.info("model loaded from %s", args.model)


def run(mini_batch: list[str], context: Any) -> pd.DataFrame:
    """One row per file, in the order of the files."""
    scores = model.decision_function(read_images(mini_batch))
    ranked = np.sort(scores, axis=1)
    frame = pd.DataFrame(
        {
            # The name alone: where the file lies differs from node to node.
            "file": [Path(file).name for file in mini_batch],
            "digit": model.classes_[scores.argmax(axis=1)],
            "margin": (ranked[:, -1] - ranked[:, -2]).round(3),
        }
    )
    EntryScript().logger.info("mini-batch %s: %d images", context.minibatch_index, len(frame))
    return frame


def shutdown() -> None:
    """The last thing a process does; nothing is open here, so there is nothing to close."""
    EntryScript().logger.info("done")
