"""Digits as images and as the numbers a model sees: the one place that knows how the two go together."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 8
BRIGHTEST = 16  # scikit-learn counts 0..16 ink dots in each of 8 x 8 fields
SCALE = 15  # 16 * 15 = 240 is the largest multiple that fits into eight bits


def write_image(pixels: np.ndarray, path: Path) -> None:
    """An 8 x 8 digit as a grey PNG."""
    Image.fromarray((pixels * SCALE).astype(np.uint8)).save(path)


def read_images(paths: Sequence[str | Path]) -> np.ndarray:
    """One row of 64 numbers for each image; ValueError names a file that is not a digit."""
    return np.stack([_read_image(Path(path)) for path in paths])


def _read_image(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        if image.size != (SIDE, SIDE):
            raise ValueError(f"{path.name}: expected {SIDE} x {SIDE} pixels, found {image.width} x {image.height}")
        return np.asarray(image.convert("L"), dtype=float).ravel() / SCALE
