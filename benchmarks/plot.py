"""Draws a results file as bars: `python -m benchmarks.plot results.json results.svg`, in matplotlib's environment."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "fanout"  # the same results give the same file

from matplotlib import pyplot as plt  # noqa: E402 - the backend is chosen first

COLUMNS = 2
OURS, OTHERS = "#c2410c", "#94a3b8"


def main() -> None:
    """Arguments in, one file out."""
    source, target = map(Path, sys.argv[1:3])
    measures = [measure for measure in json.loads(source.read_text())["measures"] if measure["medians"]]
    lines = -(-len(measures) // COLUMNS)
    heights = [max(_rows(measures, line), default=1) for line in range(lines)]
    figure, places = plt.subplots(
        lines, COLUMNS, figsize=(15, sum(0.32 * h + 0.9 for h in heights)), height_ratios=heights, squeeze=False
    )
    for place, measure in zip(places.flat, measures, strict=False):
        _draw(place, measure)
    for place in list(places.flat)[len(measures) :]:
        place.axis("off")
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


def _rows(measures: list[dict[str, Any]], line: int) -> list[int]:
    return [len(measure["medians"]) for measure in measures[line * COLUMNS : (line + 1) * COLUMNS]]


def _draw(place: Any, measure: dict[str, Any]) -> None:
    """Medians as bars with their spread; a logarithmic axis where they differ by more than thirty times."""
    names, medians = list(measure["medians"]), list(measure["medians"].values())
    lows = [median - min(values) for median, values in zip(medians, measure["values"].values(), strict=True)]
    highs = [max(values) - median for median, values in zip(medians, measure["values"].values(), strict=True)]
    colours = [OURS if name.startswith("fanout") or at == 0 else OTHERS for at, name in enumerate(names)]
    place.barh(names, medians, xerr=(lows, highs), color=colours, ecolor="#334155", error_kw={"linewidth": 1})
    place.invert_yaxis()
    if min(medians) > 0 and max(medians) / min(medians) > 30:
        place.set_xscale("log")
    place.set_title(measure["title"], fontsize=9, loc="left")
    place.set_xlabel(measure["unit"], fontsize=8)
    place.tick_params(labelsize=8)
    for side in ("top", "right"):
        place.spines[side].set_visible(False)


if __name__ == "__main__":
    main()
