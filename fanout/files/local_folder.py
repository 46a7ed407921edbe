"""What is in a local folder. The standard library only: slots look too."""

from __future__ import annotations

import os
from pathlib import Path


def files_below(folder: Path) -> list[str]:
    """Regular files below `folder` as relative names, sorted; links are left out, they could lead anywhere."""
    found = [Path(root, name) for root, _, names in os.walk(folder) for name in names]
    return sorted(str(p.relative_to(folder)) for p in found if p.is_file() and not p.is_symlink())
