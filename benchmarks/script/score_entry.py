"""The entry script of fanout's side of the tabular scenario."""

import pandas as pd
from score import score


def run(mini_batch: pd.DataFrame) -> pd.DataFrame:
    """The scores of one mini-batch."""
    return score(mini_batch)
