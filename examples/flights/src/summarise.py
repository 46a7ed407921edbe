"""Entry script: flights, cancellations and summed delays by carrier and month, of whatever rows it is given.

A mini-batch cut by size ends anywhere, so these are sums that report.py adds up, not means.
"""

from typing import Any

import pandas as pd
from azureml_user.parallel_run import EntryScript

LATE = 15  # minutes from which a flight counts as late, as the US Department of Transportation counts


def run(mini_batch: pd.DataFrame, context: Any) -> pd.DataFrame:
    """One row for each carrier and month among these flights."""
    arrival = mini_batch["arr_delay"]
    sums = (
        mini_batch.assign(
            flights=1,
            canceled=mini_batch["dep_delay"].isna().astype(int),
            arrived=arrival.notna().astype(int),
            late=(arrival >= LATE).astype(int),
            delay=arrival.fillna(0).astype(int),
        )
        .groupby(["carrier", "month"], as_index=False)[["flights", "canceled", "arrived", "late", "delay"]]
        .sum()
    )
    EntryScript().logger.info("mini-batch %s: %d flights", context.minibatch_index, len(mini_batch))
    return sums
