"""What of a code folder goes into a snapshot, which all who read the store can read."""

import os
import re
from pathlib import Path

import pytest

from fanout.code_snapshots.selection import CodeFiles, Places, Why, code_files, largest

KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n"


def _folder(folder: Path, *names: str, **texts: str) -> Path:
    for name in (*names, *texts):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts.get(name, "x"))
    return folder


def _names(found: CodeFiles) -> list[str]:
    return [file.name for file in found.files]


def _left_out(found: CodeFiles) -> dict[str, Why]:
    return {one.name: one.why for one in found.left_out}


@pytest.mark.parametrize(
    "name",
    [
        ".env", ".env.local", "prod.env", "conf/.env.prod", ".envrc", ".ssh/config", ".aws/credentials", ".netrc",
        ".pypirc", "infra/terraform.tfstate", "terraform.tfstate.backup", "secrets.tfvars", ".terraform/x", "id_rsa",
        ".config/gcloud/application_default_credentials.json", ".databrickscfg", "aws/credentials", "secrets.toml",
        "keys/id_ed25519",
        ".git-credentials", ".docker/config.json", ".kube/config", ".npmrc", "store.p12", "ID_RSA", ".azure/token.json",
    ],
)  # fmt: skip
def test_names_of_credentials_are_left_out(tmp_path: Path, name: str) -> None:
    """In any folder, in capitals too; a whole folder is named once."""
    found = code_files(_folder(tmp_path, "score.py", "conf/plain.txt", "keys/readme", "infra/main.tf", name))
    assert name not in _names(found)
    assert set(_names(found)) == {"score.py", "conf/plain.txt", "keys/readme", "infra/main.tf"}
    assert list(_left_out(found).values()) == [Why.SECRET]


@pytest.mark.parametrize("name", [".env.example", "env.py", "environment.yml", "id_rsa.pub", "netrc.py", "my.envelope"])
def test_names_that_only_look_alike_go_in(tmp_path: Path, name: str) -> None:
    assert _names(code_files(_folder(tmp_path, name))) == [name]


@pytest.mark.parametrize(
    ("name", "text", "is_key"),
    [
        ("server.pem", KEY, True),
        ("server.pem", CERTIFICATE, False),
        ("chain.pem", CERTIFICATE + KEY.replace("OPENSSH ", ""), True),
        ("deploy.key", KEY, True),
        ("api.key", "columns = [id, name]", False),
        ("deploy_key", KEY, True),
        ("service-account.json", '{"private_key": "-----BEGIN PRIVATE KEY-----\\nMII"}', True),
        ("check.py", f'KEYS = """\n{KEY}"""', False),
        ("disguised.py", KEY, True),
    ],
)
def test_private_keys_are_told_by_their_content(tmp_path: Path, name: str, text: str, is_key: bool) -> None:
    """Whatever they are called; a certificate is none, and code may speak of keys."""
    found = code_files(_folder(tmp_path, **{name: text}))
    assert _left_out(found) == ({name: Why.SECRET} if is_key else {})


def test_caches_environments_and_stores_are_left_out(tmp_path: Path) -> None:
    """Virtual environments and stores are told by what is in them."""
    names = (
        "__pycache__/a.pyc",
        ".git/HEAD",
        "node_modules/m/i.js",
        "env3/pyvenv.cfg",
        "env3/lib/x.py",
        ".fanout/queues/q",
    )
    found = code_files(_folder(tmp_path, "score.py", *names, "runs-of-may/runs/r/run.json", "runs-of-may/code/a.zip"))
    assert _names(found) == ["score.py"]
    assert set(_left_out(found).values()) == {Why.CACHE}


def test_the_store_inside_the_code_folder_is_left_out(tmp_path: Path) -> None:
    """A run does not pack the runs before it."""
    found = code_files(_folder(tmp_path, "score.py", "results/x"), Places(store=tmp_path / "results"))
    assert (_names(found), _left_out(found)) == (["score.py"], {"results": Why.CACHE})


def test_inputs_and_outputs_are_no_code(tmp_path: Path) -> None:
    """What the pipeline reads and writes, outputs of earlier runs among it."""
    folder = _folder(
        tmp_path, "score.py", "names/a", "big.csv", "out/r1/score/rows.csv", "out/r2/score/rows.csv", "out/x.py"
    )
    places = Places(
        inputs=(folder / "names", folder / "big.csv"),
        outputs=(re.compile(f"{re.escape(str(folder))}/out/[^/]+/score/rows\\.csv"),),
    )
    found = code_files(folder, places)
    assert _names(found) == ["out/x.py", "score.py"]
    assert _left_out(found)["names"] is _left_out(found)["big.csv"] is Why.INPUT
    assert _left_out(found)["out/r2/score/rows.csv"] is Why.OUTPUT


def test_an_input_that_holds_the_script_is_code(tmp_path: Path) -> None:
    """`inputs: {here: .}` must not leave the step without its code."""
    folder = _folder(tmp_path, "src/score.py", "src/more.py")
    places = Places(inputs=(folder, folder / "src"), scripts=(folder / "src" / "score.py",))
    assert _names(code_files(folder, places)) == ["src/more.py", "src/score.py"]


def test_an_ignore_file_counts_as_git_reads_it(tmp_path: Path) -> None:
    """Patterns, folders, and exceptions; what it names is not said again."""
    texts = {".gitignore": "*.bin\n/data/\n!keep.bin\n# note\n\nlogs/**/*.txt\n"}
    names = ("score.py", "a.bin", "keep.bin", "data/x", "sub/data/x", "logs/a/b.txt", "logs/a/b.py")
    found = code_files(_folder(tmp_path, *names, **texts))
    assert _names(found) == [".gitignore", "keep.bin", "logs/a/b.py", "score.py", "sub/data/x"]
    assert set(_left_out(found).values()) == {Why.IGNORED}


def test_amlignore_counts_in_place_of_gitignore(tmp_path: Path) -> None:
    """As for Azure's client: one of the two."""
    found = code_files(_folder(tmp_path, "a", "b", **{".amlignore": "a\n.*\n", ".gitignore": "b\n"}))
    assert _names(found) == ["b"]


def test_an_exception_in_the_ignore_file_takes_in_what_is_left_out_by_default(tmp_path: Path) -> None:
    """Somebody who names a file with `!` means it: a file that looks like credentials, a key, data."""
    texts = {".amlignore": "!.env\n!key.pem\n!names/\n", "key.pem": KEY}
    found = code_files(_folder(tmp_path, ".env", "names/a", **texts), Places(inputs=(tmp_path / "names",)))
    assert _names(found) == [".amlignore", ".env", "key.pem", "names/a"]


def test_links_are_followed_inside_the_folder_only(tmp_path: Path) -> None:
    """A link may neither bring in what lies elsewhere, nor what would be left out under its own name."""
    folder = _folder(tmp_path / "code", "score.py", "pkg/m.py", ".env", ".ssh/config")
    _folder(tmp_path / "elsewhere", "helper.py")
    targets = {
        "alias.py": folder / "pkg" / "m.py",
        "relative.py": Path("pkg") / "m.py",
        "out.py": tmp_path / "elsewhere" / "helper.py",
        "environ.txt": Path("/proc/self/environ"),
        "up": Path(".."),
        "self": Path(),
        "nothing": tmp_path / "nothing",
        "settings.txt": Path(".env"),
        "config": Path(".ssh") / "config",
    }
    for name, target in targets.items():
        (folder / name).symlink_to(target)
    found = code_files(folder)
    assert _names(found) == ["alias.py", "pkg/m.py", "relative.py", "score.py"]
    left_out = _left_out(found)
    assert {name for name, why in left_out.items() if why is Why.LINK} == {
        "out.py",
        "environ.txt",
        "up",
        "self",
        "nothing",
    }
    assert left_out["settings.txt"] is left_out["config"] is Why.SECRET


def test_a_link_to_the_code_folder_is_the_code_folder(tmp_path: Path) -> None:
    """Links in it are held against where it really is."""
    folder = _folder(tmp_path / "code", "score.py")
    (folder / "alias.py").symlink_to(folder / "score.py")
    (tmp_path / "link").symlink_to(folder)
    assert _names(code_files(tmp_path / "link")) == ["alias.py", "score.py"]


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    """Reading a pipe would wait for ever."""
    os.mkfifo(_folder(tmp_path, "score.py") / "pipe")
    assert _names(code_files(tmp_path)) == ["score.py"]


def test_the_largest_entries(tmp_path: Path) -> None:
    """Files and folders at the top, by all that is in them."""
    found = code_files(_folder(tmp_path, **{"a": "x" * 5, "d/1": "x" * 4, "d/e/2": "x" * 4, "z": ""}))
    assert largest(found.files, 2) == [("d/", 8), ("a", 5)]
