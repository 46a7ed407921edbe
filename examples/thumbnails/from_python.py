"""The same without a pipeline file: `python from_python.py [FOLDER]`."""

import sys
from functools import partial
from pathlib import Path

import fanout

sys.path.insert(0, str(Path(__file__).parent / "src"))

from draw import draw_all
from thumbnail import thumbnail


def main(folder: str) -> None:
    pictures, thumbnails = Path(folder).absolute() / "pictures", Path(folder).absolute() / "thumbnails"
    draw_all(pictures)
    thumbnails.mkdir(exist_ok=True)
    for picture, row in fanout.imap(partial(thumbnail, folder=thumbnails), sorted(pictures.glob("*.png"))):
        print(f"{picture.name}: {row['size']} -> {row['thumbnail']}")


if __name__ == "__main__":
    main(*sys.argv[1:] or ["."])
