"""An environment a library, so that their pins never meet ours: made by uv from the pinned requirements beside this."""

import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
FOLDER = HERE / ".venvs"


def python_of(library: str) -> str:
    """The interpreter that has `library` as requirements-<library>.txt pins it; made when missing or out of date."""
    requirements, environment = HERE / f"requirements-{library}.txt", FOLDER / library
    python, stamp = environment / "bin" / "python", environment / "requirements.txt"
    wanted = requirements.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        print(f"making {environment.relative_to(ROOT)}", file=sys.stderr)
        _uv("venv", "--clear", "--python", sys.executable, str(environment))
        _uv("pip", "install", "--python", str(python), "--requirements", str(requirements))
        stamp.write_text(wanted)
    return str(python)


def version_of(library: str) -> str:
    """The pinned version of `library`, for the report."""
    pins = (line.partition("==") for line in (HERE / f"requirements-{library}.txt").read_text().splitlines())
    return next((version for name, _, version in pins if name == library), "")


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise SystemExit("benchmarks: uv is not installed; run: make setup")
    subprocess.run([program, "--quiet", *map(str, arguments)], check=True)
