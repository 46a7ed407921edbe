"""Draws the pictures of this example: as a command, the step `prepare`."""

import argparse
from pathlib import Path

from PIL import Image, ImageDraw

PICTURES = 40
SIZE = (640, 480)


def draw_all(folder: Path) -> None:
    """Pictures with a gradient and some discs, the same each time."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(PICTURES):
        picture = Image.linear_gradient("L").resize(SIZE).rotate(9 * number).convert("RGB")
        pen = ImageDraw.Draw(picture)
        for disc in range(5):
            x, y = (number * 97 + disc * 131) % SIZE[0], (number * 53 + disc * 89) % SIZE[1]
            pen.ellipse((x - 60, y - 60, x + 60, y + 60), fill=(50 * disc, 255 - 6 * number, 6 * number))
        picture.save(folder / f"picture-{number:03d}.png")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=Path, required=True)
    draw_all(parser.parse_args().pictures)
