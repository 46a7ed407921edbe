"""Compares the predictions with the labels, on all images and on those that the model had not seen."""

import argparse
import csv
import json
from pathlib import Path

HEADER = ["file", "digit", "margin"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--metrics", type=Path, required=True)
    args = parser.parse_args()
    predicted = read_predictions(args.predictions)
    with args.labels.open(newline="") as file:
        labels = {row["file"]: row["digit"] for row in csv.DictReader(file)}
    if [name for name, _ in predicted] != sorted(labels):
        raise SystemExit(f"{args.predictions}: expected each of the {len(labels)} images once, in order")
    seen = set(json.loads((args.model / "seen.json").read_text()))
    right = {name: digit == labels[name] for name, digit in predicted}
    unseen = [name for name in right if name not in seen]
    metrics = {
        "images": len(right),
        "accuracy": round(sum(right.values()) / len(right), 4),
        "unseen_images": len(unseen),
        "unseen_accuracy": round(sum(right[name] for name in unseen) / len(unseen), 4) if unseen else None,
    }
    args.metrics.write_text(json.dumps(metrics, indent=2) + "\n")
    print(json.dumps(metrics))


def read_predictions(path: Path) -> list[tuple[str, str]]:
    """File and digit of each row, in the order of the file."""
    with path.open(newline="") as file:
        # fanout writes the columns' names into a .csv; Azure writes none.
        return [(row[0], row[1]) for row in csv.reader(file) if row != HEADER]


if __name__ == "__main__":
    main()
