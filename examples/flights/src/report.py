"""Adds up what the mini-batches summed: one line per carrier and month, with shares and means."""

import argparse
from pathlib import Path

import pandas as pd

SUMS = ["flights", "canceled", "arrived", "late", "delay"]
COLUMNS = ["carrier", "month", *SUMS]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--sums", type=Path, required=True)
    parser.add_argument("--carriers", type=Path, required=True)
    parser.add_argument("--delays", type=Path, required=True)
    args = parser.parse_args()
    sums = read_sums(args.sums).groupby(["carrier", "month"], as_index=False).sum()
    names = pd.read_csv(args.carriers)
    delays = with_means(sums).merge(names, on="carrier", how="left", validate="many_to_one")
    delays.to_csv(args.delays, index=False)
    year = with_means(sums[SUMS].sum().to_frame().T).iloc[0]
    print(f"{year.flights:.0f} flights, {year.late_percent} % late, mean arrival delay {year.mean_delay} minutes")


def read_sums(path: Path) -> pd.DataFrame:
    """The rows that the mini-batches returned. fanout names the columns of a .csv, Azure does not."""
    rows = pd.read_csv(path, names=COLUMNS, dtype=str, keep_default_na=False)
    rows = rows[rows["carrier"] != "carrier"]
    return rows.astype(dict.fromkeys(["month", *SUMS], int))


def with_means(sums: pd.DataFrame) -> pd.DataFrame:
    """The sums, with the share of late flights and the mean delay (minutes) of those that arrived."""
    return sums.assign(
        late_percent=(100 * sums["late"] / sums["arrived"]).round(1),
        mean_delay=(sums["delay"] / sums["arrived"]).round(2),
    ).drop(columns="delay")


if __name__ == "__main__":
    main()
