"""Makes thumbnails. As an entry script: one file and one row for each picture."""

import argparse
from pathlib import Path

from PIL import Image

LARGEST = (96, 96)


def thumbnail(picture: Path, folder: Path) -> dict:
    """The thumbnail is in the folder; its name, and the sizes of both."""
    with Image.open(picture) as image:
        before = image.size
        image.thumbnail(LARGEST)
        target = folder / f"{picture.stem}.jpg"
        image.convert("RGB").save(target)
    return {"file": picture.name, "size": f"{before[0]}x{before[1]}", "thumbnail": f"{image.width}x{image.height}"}


def init() -> None:
    """Called once in each slot."""
    global FOLDER
    parser = argparse.ArgumentParser()
    parser.add_argument("--thumbnails", type=Path, required=True)
    FOLDER = parser.parse_known_args()[0].thumbnails


def run(mini_batch):
    """The pictures of a mini-batch, a list of paths."""
    import pandas as pd

    return pd.DataFrame([thumbnail(Path(path), FOLDER) for path in mini_batch])
