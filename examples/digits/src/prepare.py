"""Writes each digit that scikit-learn carries as a PNG, and what it really is into a table."""

import argparse
import csv
from pathlib import Path

from images import write_image
from sklearn.datasets import load_digits


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    args = parser.parse_args()
    digits = load_digits()
    names = [f"{number:04d}.png" for number in range(len(digits.target))]
    for name, pixels in zip(names, digits.images, strict=True):
        write_image(pixels, args.images / name)
    with args.labels.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "digit"])
        writer.writerows(zip(names, digits.target.tolist(), strict=True))
    print(f"{len(names)} images")


if __name__ == "__main__":
    main()
