from pathlib import Path

import pytest

from fanout.api.context import commands_of, open_to_read, origin_line, run_context_of, settings_of
from fanout.api.where import Where
from fanout.errors import RunError, SettingsError

TOML = """\
store = "from_file"
queue = "sqlite:queues_of_file"
[profiles.other]
store = "s3://bucket/runs"
"""


def test_option_then_environment_then_file_then_default(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is nearer to the command line wins; relative folders start where they were written."""
    assert settings_of(folder, Where()).store == (folder / ".fanout").as_uri()
    (folder / "fanout.toml").write_text(TOML)
    assert settings_of(folder, Where()).store == (folder / "from_file").as_uri()
    monkeypatch.setenv("FANOUT_STORE", "from_environment")
    assert settings_of(folder, Where()).store == (folder / "from_environment").as_uri()
    assert settings_of(folder, Where(store="s3://b/p")).store == "s3://b/p"


def test_another_store_has_another_queue(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue of fanout.toml belongs to the store of fanout.toml, unless one is named as well."""
    (folder / "fanout.toml").write_text(TOML)
    assert settings_of(folder, Where()).queue == f"sqlite:{folder}/queues_of_file"
    assert settings_of(folder, Where(store="elsewhere")).queue is None
    assert settings_of(folder, Where(queue="sqlite:mine")).queue == f"sqlite:{folder}/mine"
    monkeypatch.setenv("FANOUT_QUEUE", "sqs://eu-west-1")
    assert settings_of(folder, Where()).queue == "sqs://eu-west-1"


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        (Where(store="gs://bucket"), "--store: expected a folder or s3://bucket/prefix, found 'gs://bucket'"),
        (Where(store="ftp://x"), "--store: 'ftp://x' has an unknown scheme"),
        (Where(queue="amqp:x"), "--queue: expected sqlite:FOLDER, sqs:, sqs://REGION or bucket:, found 'amqp:x'"),
        (Where(profile="p"), "profile 'p': there is no fanout.toml"),
    ],
)
def test_what_cannot_be_is_said(folder: Path, where: Where, sentence: str) -> None:
    """The option is named, and what would be right."""
    with pytest.raises(SettingsError) as caught:
        settings_of(folder, where)
    assert str(caught.value).startswith(sentence)


def test_looking_makes_no_store(folder: Path) -> None:
    """A folder that is not there holds no runs, and stays away."""
    with pytest.raises(RunError, match="there are no runs here"):
        open_to_read(settings_of(folder, Where()))
    assert not (folder / ".fanout").exists()


async def test_a_run_gets_its_store_and_queues(folder: Path) -> None:
    """Opened together and given back."""
    async with run_context_of(settings_of(folder, Where())) as context:
        assert context.settings.store == (folder / ".fanout").as_uri()
        assert (folder / ".fanout").is_dir()


def test_commands_name_what_the_current_folder_does_not(folder: Path) -> None:
    """Options are repeated only where the same command would look elsewhere without them."""
    (folder / "fanout.toml").write_text(TOML)
    assert commands_of(settings_of(folder, Where()), Where()).status("r") == "fanout status r"
    where = Where(profile="other")
    assert commands_of(settings_of(folder, where), where).status("r") == "fanout status r --profile other"
    where = Where(store="x y")
    assert commands_of(settings_of(folder, where), where).status("r") == f"fanout status r --store '{folder}/x y'"


def test_commands_for_a_pipeline_in_another_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store that fanout.toml beside the pipeline names is named, and a queue where the verb needs it."""
    other = folder / "other"
    other.mkdir()
    (other / "fanout.toml").write_text('store = "mine"\n')
    settings = settings_of(other / "pipeline.yml", Where())
    commands = commands_of(settings, Where())
    assert commands.resume("r") == f"fanout resume r --store {other}/mine"
    (other / "fanout.toml").write_text('store = "mine"\nqueue = "sqlite:q"\n')
    commands = commands_of(settings_of(other / "pipeline.yml", Where()), Where())
    assert commands.resume("r") == f"fanout resume r --queue sqlite:{other}/q --store {other}/mine"
    assert commands.failures("r") == f"fanout failures r --store {other}/mine"
    where = Where(queue="sqlite:elsewhere")
    assert commands_of(settings_of(folder, where), where).redrive("r", "s", 3) == (
        f"fanout redrive r --step s --mini-batch 3 --queue sqlite:{folder}/elsewhere"
    )


def test_commands_for_a_server_that_another_folder_names(folder: Path) -> None:
    """No option names an endpoint, so the command goes to the folder whose fanout.toml does."""
    other = folder / "o t"
    other.mkdir()
    (other / "fanout.toml").write_text('store = "s3://b/runs"\nendpoint_url = "http://127.0.0.1:4566"\n')
    settings = settings_of(other / "pipeline.yml", Where())
    assert commands_of(settings, Where()).resume("r") == f"cd '{other}' && fanout resume r"
    where = Where(store="s3://c/runs")
    settings = settings_of(other / "pipeline.yml", where)
    assert commands_of(settings, where).resume("r") == f"cd '{other}' && fanout resume r --store s3://c/runs"


def test_what_the_file_decided_is_told_without_what_options_decided(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Store and endpoints of fanout.toml, but for those that an option or a variable names."""
    file = folder / "fanout.toml"
    file.write_text('store = "s3://runs"\nendpoint_url = "http://h:1"\nendpoint_url_sqs = "http://h:2"\n')
    said = f"settings of {file}: "
    assert origin_line(settings_of(folder, Where())) == (
        f"{said}store s3://runs, endpoint http://h:1, SQS endpoint http://h:2"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", "http://h:3")
    assert origin_line(settings_of(folder, Where(store="s3://b"))) == f"{said}endpoint http://h:1"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://h:4")
    assert origin_line(settings_of(folder, Where(store="s3://b"))) == ""
