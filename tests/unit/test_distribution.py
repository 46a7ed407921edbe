"""What pip installs: the distribution's name, and what is in the wheel and in the source archive."""

import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from fanout.errors import DISTRIBUTION, MissingExtraError

ROOT = Path(__file__).parents[2]
TEXTS = {".cfg", ".md", ".py", ".sh", ".toml", ".txt", ".yaml", ".yml", ""}
NAMED = re.compile(
    # A command installs it, or an extra of it is named.
    r"""(?:\binstall|\btool\s+run|\buv\s+add|\buvx|\bpipx\s+run)\s(?:--?[\w-]+\s)*["']?fanout(?![\w./-])"""
    r"""|(?<![\w./-])fanout\\?\[(?:aws|watch|tables|delta|testing|examples)"""
)


def _texts() -> list[Path]:
    """Every text of the repository; what was made or installed in it is not."""
    kept = [
        "*.*",
        *(f"{folder}/**/*" for folder in ("fanout", "handlers", "infra", "docs", "examples", "tests", ".ci")),
    ]
    found = {path for pattern in kept for path in ROOT.glob(pattern)} | {ROOT / "Makefile"}
    return sorted(path for path in found if path.suffix in TEXTS and path.is_file() and path != Path(__file__))


def test_nothing_recommends_the_distribution_of_others() -> None:
    """`fanout` on PyPI is another project: no text says to install it, alone or with an extra."""
    texts = _texts()
    assert {ROOT / "README.md", ROOT / "fanout" / "errors.py", ROOT / "docs" / "testing.md"} <= set(texts)
    wrong = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in texts
        for number, line in enumerate(path.read_text("utf-8", "replace").splitlines(), 1)
        if NAMED.search(line)
    ]
    assert not wrong


def test_the_advice_names_what_is_installed_here() -> None:
    """The distribution that messages recommend is the one that brought this command."""
    found = metadata.distribution(DISTRIBUTION)
    assert [entry.value for entry in found.entry_points if entry.name == "fanout" and entry.group == "console_scripts"]
    assert f"pip install '{DISTRIBUTION}[tables]'" in str(MissingExtraError("a table", "tables"))


def test_extras_that_include_extras_ask_for_nothing_of_the_other_project() -> None:
    """`delta`, `testing` and `examples` bring what `tables` brings, and no requirement is called `fanout`."""
    required = metadata.requires(DISTRIBUTION) or []
    assert not [line for line in required if re.match(r"fanout(?!-jobs)", line)]
    for extra in ("tables", "delta", "testing", "examples"):
        assert any(line.startswith("pyarrow") and f"'{extra}'" in line for line in required), extra


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the source archive."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_the_wheel_brings_three_names(built: Path) -> None:
    """fanout and azureml_user, and no package that would stand in the way of users' own, such as `handlers`."""
    [wheel] = built.glob("fanout_jobs-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    [about] = {name.partition("/")[0] for name in names if ".dist-info/" in name}
    assert {name.partition("/")[0] for name in names} == {"fanout", "azureml_user", about}
    assert {"azureml_user/parallel_run.py", "fanout/aws/infra/template.yml", f"{about}/licenses/LICENSE"} <= set(names)


def test_the_source_archive_builds_it_all(built: Path) -> None:
    """The licence, the functions' entry points and what deploys them are in it."""
    [archive] = built.glob("fanout_jobs-*.tar.gz")
    with tarfile.open(archive) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml", "handlers/worker.py", "infra/template.yml"} <= names


def test_the_image_has_what_its_functions_start() -> None:
    """The wheel has no `handlers`, so the image copies them beside it."""
    text = (ROOT / "infra" / "Dockerfile").read_text()
    assert text.index("COPY handlers") > text.index("uv sync ${UV_FLAGS} --no-editable")


def test_the_image_is_made_from_the_lock_file() -> None:
    """By hash, uv itself too; nothing is fetched that is not in a file of the repository, and the base has one name."""
    text = (ROOT / "infra" / "Dockerfile").read_text()
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    assert "pip install --no-cache-dir --require-hashes" in text
    flags = re.search(r'UV_FLAGS="([^"]*)"', text)
    assert flags is not None
    assert "--frozen" in flags[1]
    assert text.count("uv sync ${UV_FLAGS}") == 2
    assert "--no-build-isolation" in text
    locked = (ROOT / "infra" / "uv.txt").read_text()
    assert re.search(r"^uv==[0-9.]+ ", locked, re.MULTILINE)
    assert locked.count("--hash=sha256:") > 5
    uv = Path(sys.executable).with_name("uv")
    exported = subprocess.check_output([uv, "export", "--offline", *flags[1].split()], cwd=ROOT, text=True)
    assert {"awslambdaric", "hatchling", "boto3", "pyarrow"} <= set(re.findall(r"^([\w-]+)==", exported, re.MULTILINE))
    assert exported.count("--hash=") > 50


def test_the_context_of_the_image_is_what_it_copies() -> None:
    """All else stays out: history, runs, data, credentials."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    text = (ROOT / "infra" / "Dockerfile").read_text()
    copied = {
        source.split("/")[0]
        for line in re.findall(r"^COPY (?!--from)(.*)$", text, re.MULTILINE)
        for source in line.split()[:-1]
        if "$" not in source
    }
    assert copied <= let_in
    assert {"**/.env*", "**/.fanout", "**/.git"} <= set(lines)
