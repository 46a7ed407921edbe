"""Other users of the same machine: what they put in the way of a run decides nothing, and they see nothing of it."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

OTHER = 4711
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other users")


@pytest.fixture
def public(project: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project in a folder like /tmp: everybody may add files to it, and each is its owner's."""
    above = tmp_path_factory.mktemp("public")
    above.chmod(0o1777)
    shutil.copytree(project.folder, above / "work")
    return type(project)(above / "work", project.environ)


@as_root
def test_a_planted_settings_file_is_refused(public: Any) -> None:
    """A fanout.toml of another user above the pipeline would take data, code and credentials to a store of its own."""
    planted = public.folder.parent / "fanout.toml"
    planted.write_text('store = "./stolen"\nendpoint_url = "http://127.0.0.1:1"\n')
    os.chown(planted, OTHER, OTHER)
    for verb in (("run", "pipeline.yml"), ("list",), ("plan", "pipeline.yml"), ("resume", "r"), ("node", "r")):
        ended = public.fanout(*verb)
        assert ended.code == 2, ended.said
        assert f"{planted}: not used, because '{planted}' belongs to the user {OTHER}" in ended.stderr
    assert not (public.folder.parent / "stolen").exists()
    public.environ.update({"FANOUT_SETTINGS": "/dev/null"})
    assert public.fanout("run", "pipeline.yml").code == 0


@as_root
def test_a_planted_store_is_refused_unless_it_is_named(public: Any) -> None:
    """`.fanout` holds code that resume and nodes run; one of another user is not taken for one's own."""
    store = public.folder / ".fanout"
    store.mkdir(mode=0o777)
    os.chown(store, OTHER, OTHER)
    for verb in (("run", "pipeline.yml"), ("list",), ("resume", "r")):
        ended = public.fanout(*verb)
        assert ended.code == 2, ended.said
        assert f"'{store}' belongs to the user {OTHER}" in ended.stderr
        assert f"--store {store}" in ended.stderr
    assert list(store.iterdir()) == []
    assert public.fanout("run", "pipeline.yml", "--store", str(store)).code == 0


def test_where_a_run_goes_by_the_settings_file_is_said_first(project: Any) -> None:
    """Store and endpoint that neither an option nor a variable has named are on the first line, with their file."""
    file = project.write("fanout.toml", 'store = "./runs"\n')
    line = f"settings of {file}: store {project.folder / 'runs'}"
    assert project.fanout("run", "pipeline.yml").stderr.splitlines()[:1] == [line]
    assert project.fanout("run", "pipeline.yml", "--store", "other").stderr == ""


def test_an_endpoint_of_the_settings_file_is_said_first(project: Any) -> None:
    """Before anything is sent to it."""
    file = project.write("fanout.toml", 'endpoint_url = "http://127.0.0.1:1"\n')
    project.environ.update({"FANOUT_PATIENCE": "0.1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"})
    ended = project.fanout("run", "pipeline.yml", "--store", "s3://bucket/runs")
    assert ended.stderr.splitlines()[:1] == [f"settings of {file}: endpoint http://127.0.0.1:1"]


def _open_to_others(folder: Path) -> list[str]:
    """What other users could read or list below `folder`, closed folders left out with all that is in them."""
    if folder.lstat().st_mode & 0o077 == 0:
        return []
    found = [str(folder)]
    if folder.is_dir():
        found += [path for entry in sorted(folder.iterdir()) for path in _open_to_others(entry)]
    return found


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_stores_are_for_their_user_alone(project: Any, mask: int) -> None:
    """Code, logs, queues and results are closed to others whatever the umask; outputs have the user's own mode."""
    before = os.umask(mask)
    try:
        assert project.fanout("run", "pipeline.yml").code == 0
        assert project.fanout("run", "pipeline.yml", "--store", "new/store").code == 0
        (project.folder / "there").mkdir(mode=0o755)
        assert project.fanout("run", "pipeline.yml", "--store", "there").code == 0
    finally:
        os.umask(before)
    assert _open_to_others(project.folder / ".fanout") == []
    assert _open_to_others(project.folder / "new" / "store") == []
    opened = _open_to_others(project.folder / "there")
    assert opened in ([str(project.folder / "there")], [])
    assert (project.folder / "scores.txt").stat().st_mode & 0o777 == 0o666 & ~mask
