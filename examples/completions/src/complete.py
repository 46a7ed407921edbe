"""Completes prompts by an HTTP API that has a rate limit. As an entry script: one row for each row of the input."""

import argparse
import json
import random
import time
import urllib.error
import urllib.request

MOST_WAITS = 20
"""Refusals in a row after which a prompt fails; then fanout tries its mini-batch again, later."""


def complete(prompt: str, url: str) -> dict:
    """The answer of the API; while that has too many requests it is asked again when it says, and a little later."""
    request = urllib.request.Request(f"{url}/complete", json.dumps({"prompt": prompt}).encode())
    for _ in range(MOST_WAITS):
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code != 429:
                raise
            # A random part: else all slots that were refused together ask again together.
            time.sleep(float(error.headers.get("Retry-After", "1")) * random.uniform(1.0, 1.5))
    raise RuntimeError(f"{url} had too many requests {MOST_WAITS} times in a row")


def init() -> None:
    """Called once in each slot."""
    global URL
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", required=True)
    URL = parser.parse_known_args()[0].url


def run(mini_batch):
    """The prompts of a mini-batch, a DataFrame, one after the other; slots ask side by side."""
    return [row | complete(row["prompt"], URL) for row in mini_batch.to_dict("records")]
