"""The page's script and style as texts: module by module for a server, all in one script for a report.

The script is plain ES modules without a build step. A report is opened from a file, where browsers load no modules, so
each module becomes a function, in the order of their imports. Pure but for reading the package's own files.
"""

import re
from functools import cache
from pathlib import Path, PurePosixPath

ASSETS = Path(__file__).parent / "assets"
TYPES = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
_IMPORT = re.compile(r'^import \{ ([^}]+) \} from "([^"]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?(?:function|const|class) (\w+))", re.MULTILINE)


@cache
def asset(name: str) -> str | None:
    """The text of a file below `assets`; None when there is none of this name."""
    return _names().get(name)


@cache
def one_script(entry: str = "app.js") -> str:
    """All modules that `entry` needs, and itself, as one script that runs at once."""
    bodies: dict[str, str] = {}
    _add(entry, bodies)
    return "(() => {\nconst modules = {};\n" + "\n".join(bodies.values()) + "\n})();\n"


@cache
def _names() -> dict[str, str]:
    files = (path for path in ASSETS.rglob("*") if path.suffix in TYPES)
    return {path.relative_to(ASSETS).as_posix(): path.read_text("utf-8") for path in files}


def _add(name: str, bodies: dict[str, str]) -> None:
    text = asset(name)
    if text is None:
        raise ValueError(f"there is no module {name}")
    for _, other in _IMPORT.findall(text):
        if _resolved(name, other) not in bodies:
            _add(_resolved(name, other), bodies)
    exported = ", ".join(found for _, found in _EXPORT.findall(text))
    plain = _EXPORT.sub(r"\1", text)
    body = _IMPORT.sub(lambda found: f'const {{ {found[1]} }} = modules["{_resolved(name, found[2])}"];', plain)
    bodies[name] = f'modules["{name}"] = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();'


def _resolved(name: str, other: str) -> str:
    """The module that `other` means in module `name`."""
    parts: list[str] = []
    for part in (PurePosixPath(name).parent / other).parts:
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)
