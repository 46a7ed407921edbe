"""Which files of a code folder go into its snapshot.

A snapshot is kept in the store and read by every node, so what is in it is no secret any more. Left out are files that
may hold credentials, caches, stores, data that the pipeline itself names, and what `.amlignore`, or else `.gitignore`,
in the code folder names. A line with `!` in that file takes in what would be left out by default.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

IGNORE_FILES = (".amlignore", ".gitignore")
"""The first that is there counts, as for Azure's client; files of these names in subfolders do not."""
LARGEST_KEY = 64 * 1024
"""Bytes of a file that is looked into for a private key."""

_SECRET_NAMES = (
    frozenset({".env", ".envrc", ".netrc", "_netrc", ".pgpass", ".my.cnf", ".htpasswd", ".vault-token", ".terraform"})
    | {".ssh", ".aws", ".azure", ".gnupg", ".kube", ".docker", ".dockercfg", ".boto", ".s3cfg", ".git-credentials"}
    | {".pypirc", ".npmrc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", ".databrickscfg", "gcloud", "kubeconfig"}
    | {"credentials", "credentials.json", "credentials.db", "application_default_credentials.json"}
    | {f"secrets.{kind}" for kind in ("json", "toml", "yaml", "yml", "ini")}
)
_SECRET_ENDS = (".env", ".tfstate", ".tfvars", ".p12", ".pfx", ".jks", ".keystore", ".ppk", ".kdbx")
_SECRET_PARTS = (".env.", ".tfstate.")
_EXAMPLES = (".example", ".sample", ".template", ".dist")
_CACHES = frozenset(
    {"__pycache__", ".git", ".hg", ".svn", ".fanout", ".venv", ".eggs", ".tox", ".nox", "node_modules"}
) | {".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis"}
_SOURCES = frozenset({".py", ".pyi", ".ipynb", ".sh", ".md", ".rst", ".r", ".js", ".ts"})
"""Files that may speak of keys; they count as keys only when they begin as one."""
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY")


class Why(Enum):
    """Why something is left out."""

    SECRET = "may hold credentials"  # noqa: S105 - a reason
    LINK = "links that lead out of the folder, or to folders"
    INPUT = "data that the pipeline reads"
    OUTPUT = "outputs of the pipeline"
    CACHE = "caches, virtual environments and stores"
    IGNORED = "named by the ignore file"


@dataclass(frozen=True, slots=True)
class CodeFile:
    """A file that goes in; `name` is relative to the code folder, with slashes."""

    name: str
    path: Path
    size: int
    mode: int


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file, or a folder with all that is in it, that does not go in."""

    name: str
    why: Why


@dataclass(frozen=True, slots=True)
class CodeFiles:
    """All of a code folder, each part sorted by name."""

    files: tuple[CodeFile, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """What of a pipeline may lie in a code folder without being code; all paths are absolute."""

    store: Path | None = None
    inputs: tuple[Path, ...] = ()
    outputs: tuple["re.Pattern[str]", ...] = ()
    scripts: tuple[Path, ...] = ()  # a folder with one of these is code, whatever it is besides

    def why_not(self, path: Path) -> Why | None:
        """Why `path` is no code, when it is none."""
        if path == self.store:
            return Why.CACHE
        if path in self.inputs and not any(script.is_relative_to(path) for script in self.scripts):
            return Why.INPUT
        return Why.OUTPUT if any(pattern.fullmatch(str(path)) for pattern in self.outputs) else None


Ignored = Callable[[str], bool | None]
"""Whether the ignore file leaves out a name (True), takes it in (False), or says nothing of it (None)."""


def code_files(folder: Path, places: Places = Places()) -> CodeFiles:
    """The files of `folder` that go into a snapshot, and what is left out."""
    return _Walk(folder, places, _ignored(folder)).walk()


@dataclass(slots=True)
class _Walk:
    folder: Path
    places: Places
    ignored: Ignored
    files: list[CodeFile] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def walk(self) -> CodeFiles:
        self._folder("", self.folder)
        files = tuple(sorted(self.files, key=lambda file: Path(file.name)))
        return CodeFiles(files, tuple(sorted(self.left_out, key=lambda one: one.name)))

    def _folder(self, prefix: str, path: Path) -> None:
        with os.scandir(path) as entries:
            for entry in entries:
                name = prefix + entry.name
                is_folder = entry.is_dir(follow_symlinks=False)
                if why := self._why_not(name, Path(entry.path), is_folder=is_folder):
                    self.left_out.append(LeftOut(name, why))
                elif is_folder:
                    self._folder(f"{name}/", Path(entry.path))
                elif entry.is_symlink():
                    self._link(name, Path(entry.path))
                elif entry.is_file():
                    self._file(name, Path(entry.path))

    def _why_not(self, name: str, path: Path, *, is_folder: bool) -> Why | None:
        said = self.ignored(f"{name}/" if is_folder else name)
        if said is not None:
            return Why.IGNORED if said else None
        if is_folder and (path.joinpath("pyvenv.cfg").is_file() or _is_store(path)):
            return Why.CACHE
        return _by_name(path.name) or self.places.why_not(path)

    def _link(self, name: str, path: Path) -> None:
        """The file that a link leads to goes in under the link's name, if it would go in under its own."""
        target, top = Path(os.path.realpath(path)), Path(os.path.realpath(self.folder))
        if not target.is_file() or not target.is_relative_to(top):
            self.left_out.append(LeftOut(name, Why.LINK))
            return
        inside = target.relative_to(top)
        for part in (*reversed(inside.parents[:-1]), inside):
            if why := self._why_not(part.as_posix(), self.folder / part, is_folder=part != inside):
                self.left_out.append(LeftOut(name, why))
                return
        self._file(name, path)

    def _file(self, name: str, path: Path) -> None:
        status = path.stat()
        if self.ignored(name) is None and status.st_size <= LARGEST_KEY and _is_key(path):
            self.left_out.append(LeftOut(name, Why.SECRET))
        else:
            self.files.append(CodeFile(name, path, status.st_size, status.st_mode))


def _by_name(name: str) -> Why | None:
    lower = name.lower()
    if lower in _CACHES:
        return Why.CACHE
    if lower.endswith(_EXAMPLES):
        return None
    secret = lower in _SECRET_NAMES or lower.endswith(_SECRET_ENDS) or any(part in lower for part in _SECRET_PARTS)
    return Why.SECRET if secret else None


def _is_store(folder: Path) -> bool:
    """Whether runs are kept in `folder`: a store that --store or fanout.toml named some time."""
    return any(folder.glob("runs/*/run.json"))


def _is_key(path: Path) -> bool:
    """Whether the file is, or holds, a private key."""
    try:
        with path.open("rb") as file:
            if path.suffix.lower() in _SOURCES:
                return _KEY.match(file.read(64).lstrip()) is not None
            return _KEY.search(file.read(LARGEST_KEY)) is not None
    except OSError:
        return False  # the snapshot says that it cannot be read


def _ignored(folder: Path) -> Ignored:
    file = next((folder / name for name in IGNORE_FILES if (folder / name).is_file()), None)
    if file is None:
        return lambda _: None
    from pathspec import GitIgnoreSpec  # most code folders need none of it

    rules = GitIgnoreSpec.from_lines(file.read_text("utf-8", "replace").splitlines())
    return lambda name: rules.check_file(name).include


def largest(files: Sequence[CodeFile], most: int) -> list[tuple[str, int]]:
    """The entries at the top of the code folder that hold the most bytes, with these; folders end in a slash."""
    sizes: dict[str, int] = {}
    for file in files:
        first, slash, _ = file.name.partition("/")
        sizes[first + slash] = sizes.get(first + slash, 0) + file.size
    return sorted(sizes.items(), key=lambda entry: (-entry[1], entry[0]))[:most]


def names_by_reason(left_out: Sequence[LeftOut], reasons: Sequence[Why]) -> Iterator[tuple[Why, list[str]]]:
    """For each of `reasons` that left something out, the names."""
    for why in reasons:
        if names := [one.name for one in left_out if one.why is why]:
            yield why, names
