"""What every contender does with rows of the benchmark's table: a linear score, and the class it stands for."""

import pandas as pd

WEIGHTS = {f"f{k}": (-1) ** k * (k + 1) / 10 for k in range(10)}


def score(frame: pd.DataFrame) -> pd.DataFrame:
    """The id of each row, and 1 where its features weigh more than nothing, else 0."""
    total = sum(weight * frame[name] for name, weight in WEIGHTS.items())
    return pd.DataFrame({"id": frame["id"], "label": (total > 0).astype("int8")})
