"""What keeps a script from starting whatever is tried: the same in each slot of the machine.

Imported by the slot's child process: the standard library only.
"""

from __future__ import annotations

import importlib.util
import shlex
import sys
from typing import TYPE_CHECKING

from fanout.backports import stdlib_module_names
from fanout.errors import EntryScriptError

if TYPE_CHECKING:
    from pathlib import Path

_PASSING = ("cannot allocate memory", "no space left", "too many open files", "input/output error")
"""What an ImportError says when a shared library could not be loaded just now."""
_PACKAGES = {
    "bs4": "beautifulsoup4",
    "cv2": "opencv-python-headless",
    "dateutil": "python-dateutil",
    "dotenv": "python-dotenv",
    "PIL": "Pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "PyYAML",
}
"""What brings modules of other names."""


def is_permanent(exc: BaseException) -> bool:
    """Whether starting the script again would end in the same way."""
    if isinstance(exc, ImportError):
        return not any(passing in str(exc).lower() for passing in _PASSING)
    return isinstance(exc, (SyntaxError, EntryScriptError))


def advice(exc: BaseException, code: Path, conda_file: str | None = None) -> str:
    """What to do about a module that is not installed; nothing is said of other errors.

    `conda_file` is what this Python was made from, where it is the step's own.
    """
    if not isinstance(exc, ModuleNotFoundError) or not exc.name:
        return ""
    module = exc.name.partition(".")[0]
    if module in stdlib_module_names or (code / module).exists() or (code / f"{module}.py").exists():
        return ""
    package = _PACKAGES.get(module, module)
    if conda_file is not None:
        return f"; add {package} to the pip section of {conda_file}: the step's environment is made from it"
    return f"; install it with: {_pip()} {package}, or use --env with a conda file that names it"


def _pip() -> str:
    python = shlex.quote(sys.executable)
    return f"{python} -m pip install" if importlib.util.find_spec("pip") else f"uv pip install --python {python}"
