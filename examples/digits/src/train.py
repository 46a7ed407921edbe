"""Trains a support vector machine on the first part of the images, and notes which they were."""

import argparse
import csv
import json
from pathlib import Path

import joblib
from images import read_images
from sklearn.svm import SVC


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--fraction", type=float, default=0.5)
    parser.add_argument("--model", type=Path, required=True)
    args = parser.parse_args()
    with args.labels.open(newline="") as file:
        labels = {row["file"]: int(row["digit"]) for row in csv.DictReader(file)}
    seen = sorted(labels)[: round(args.fraction * len(labels))]
    # Nothing here is drawn by lot: the same images give the same model.
    model = SVC(gamma=0.001).fit(read_images([args.images / name for name in seen]), [labels[name] for name in seen])
    joblib.dump(model, args.model / "model.joblib")
    (args.model / "seen.json").write_text(json.dumps(seen))
    print(f"trained on {len(seen)} of {len(labels)} images")


if __name__ == "__main__":
    main()
