"""Names of objects in a store."""

import re
from pathlib import Path

from fanout.storage import keys

DESIGN = Path(__file__).parents[3] / "docs" / "design.md"


def test_every_name_in_the_root_is_known() -> None:
    """What begins runs by itself leaves these out, so a folder of the store that is missing here would begin runs."""
    section = DESIGN.read_text().split("## 4. A run in the store")[1].split("\n## ")[0]
    roots = set(re.findall(r"^    ([a-z-]+)/", section, re.MULTILINE))
    prefixes = {value.rstrip("/") for name, value in vars(keys).items() if name[0].isupper() and isinstance(value, str)}
    assert roots | prefixes <= set(keys.TOP_LEVEL)
    assert len(roots) > 6
