"""fanout.toml: what it may hold, how profiles and the environment change it, and what names become."""

from pathlib import Path

import pytest

from fanout.config.settings import Settings, access_of, load_settings, resolve_datastore
from fanout.errors import SettingsError


@pytest.fixture
def pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline file two folders below where fanout.toml goes, and another current folder."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "a" / "b" / "pipeline.yml"


def write(pipeline: Path, text: str) -> Path:
    path = pipeline.parents[2] / "fanout.toml"
    path.write_text(text)
    return path


def test_without_a_file_everything_has_a_default(pipeline: Path) -> None:
    """Runs are kept in .fanout in the current folder."""
    settings = load_settings(pipeline, None, {})
    assert settings == Settings(store=(Path.cwd() / ".fanout").as_uri())
    assert (settings.visibility, settings.max_receives, settings.queue) == (30.0, 5, None)


def test_the_nearest_file_above_counts_and_its_paths_start_there(pipeline: Path) -> None:
    """So that it does not matter from which folder fanout is started."""
    path = write(pipeline, 'store = "./runs"\nqueue = "sqlite:./q"\n[datastores]\nblobs = "./b"\n')
    settings = load_settings(pipeline, None, {})
    assert settings.store == (path.parent / "runs").as_uri()
    assert settings.queue == f"sqlite:{path.parent}/q"
    assert settings.datastores == {"blobs": (path.parent / "b").as_uri()}
    assert settings.file == str(path)


PROFILES = """
region = "eu-central-1"
visibility = 10
[datastores]
a = "s3://a"
b = "s3://b"
[profiles.localstack]
store = "s3://runs"
endpoint_url = "http://localhost:4566"
[profiles.localstack.datastores]
b = "s3://other"
[profiles.localstack.computes]
cpu-cluster = "local"
"""


def test_a_profile_goes_over_the_top_level(pipeline: Path) -> None:
    """Its keys win, its tables add."""
    write(pipeline, PROFILES)
    settings = load_settings(pipeline, "localstack", {})
    assert (settings.store, settings.region, settings.visibility) == ("s3://runs", "eu-central-1", 10.0)
    assert settings.datastores == {"a": "s3://a", "b": "s3://other"}
    assert settings.computes == {"cpu-cluster": "local"}
    assert settings.endpoint("s3") == settings.endpoint("sqs") == "http://localhost:4566"


def test_the_option_wins_over_the_variable_that_names_a_profile(pipeline: Path) -> None:
    """FANOUT_PROFILE is for those who do not want to write the option."""
    write(pipeline, PROFILES + '[profiles.other]\nregion = "x"\n')
    assert load_settings(pipeline, None, {"FANOUT_PROFILE": "localstack"}).profile == "localstack"
    assert load_settings(pipeline, "other", {"FANOUT_PROFILE": "localstack"}).profile == "other"


def test_aws_variables_win_over_the_file(pipeline: Path) -> None:
    """As in any AWS tool; the one for a service wins over the one for all."""
    write(pipeline, 'endpoint_url_s3 = "http://file"\nregion = "file"\n')
    environ = {"AWS_ENDPOINT_URL": "http://all", "AWS_ENDPOINT_URL_SQS": "http://sqs", "AWS_REGION": "env"}
    settings = load_settings(pipeline, None, environ)
    assert (settings.endpoint("s3"), settings.endpoint("sqs"), settings.region) == ("http://all", "http://sqs", "env")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('stroe = "x"', "stroe: unknown key; did you mean 'store'?"),
        ('[profiles.a]\nquue = "x"', "profiles.a.quue: unknown key; did you mean 'queue'?"),
        ('visibility = "x"', "visibility: input should be a valid number, found 'x'"),
        ("visibility = 0", "visibility: expected 1 to 43200 seconds, found 0"),
        ("visibility = inf", "visibility: expected 1 to 43200 seconds, found inf"),
        ("max_receives = 0", "max_receives: expected 1 to 1000, found 0"),
        ('queue = "kafka:x"', "queue: expected sqlite:FOLDER, sqs:, sqs://REGION or bucket:, found 'kafka:x'"),
        ('store = "gs://a"', "store: expected a folder or s3://bucket/prefix, found 'gs://a'"),
        ('[datastores]\na = "s3:x"', "datastores.a: 's3:x' names no bucket or host; expected s3://name/path"),
        ('[computes]\ncpu = "locl"', "computes.cpu: there is no engine 'locl'; did you mean 'local'?"),
        ('endpoint_url = "localhost"', "endpoint_url: expected http://host:port or 'localstack', found 'localhost'"),
        ('endpoint_url = "http://u:secret@h"', "endpoint_url: holds credentials; they belong into the environment"),
        ('endpoint_url = "ftp://u:secret@h"', "endpoint_url: expected http://host:port or 'localstack'"),
        ("profiles = 3", "profiles: input should be an object, found 3"),
        ("a = ", "not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_wrong_file_is_told_by_its_key(pipeline: Path, text: str, message: str) -> None:
    """File, key path, what was found, what would be right; never a secret."""
    path = write(pipeline, text)
    with pytest.raises(SettingsError) as caught:
        load_settings(pipeline, None, {})
    assert str(caught.value) == f"{path}: {message}"


def test_an_unknown_profile_is_told_with_the_nearest_one(pipeline: Path) -> None:
    """Also when there is no file at all."""
    with pytest.raises(SettingsError, match=r"profile 'x': there is no fanout\.toml"):
        load_settings(pipeline, "x", {})
    write(pipeline, PROFILES)
    with pytest.raises(SettingsError, match=r"no profile 'localstck'; did you mean 'localstack'\?"):
        load_settings(pipeline, "localstck", {})


@pytest.mark.parametrize(
    ("uri", "resolved"),
    [
        ("azureml://datastores/a/paths/x/y.csv", "s3://a/x/y.csv"),
        ("azureml://datastores/a/paths/", "s3://a"),
        ("azureml://subscriptions/s/resourcegroups/r/workspaces/w/datastores/a/paths/x/", "s3://a/x"),
        ("azureml://datastores/unknown/paths/x", "s3://runs/pre/datastores/unknown/x"),
        ("s3://bucket/x", "s3://bucket/x"),
        ("file:///x", "file:///x"),
    ],
)
def test_datastores_become_uris(uri: str, resolved: str) -> None:
    """Short and long form; one that is not configured is a folder of the store; the rest is left alone."""
    settings = Settings(store="s3://runs/pre", datastores={"a": "s3://a"})
    assert resolve_datastore(uri, settings) == resolved


def test_data_is_reached_as_the_settings_say() -> None:
    """Endpoints, region and datastores of the settings; keys from the environment."""
    settings = Settings("s3://runs", endpoint_url="http://h:1", region="r", datastores={"a": "s3://a"})
    access = access_of(settings, {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"})
    assert (access.endpoint_url_s3, access.endpoint_url_sqs, access.region) == ("http://h:1", "http://h:1", "r")
    assert access.datastores.uri("a", "x") == "s3://a/x"
    assert access.datastores.uri("b", "x") == "s3://runs/datastores/b/x"
    assert access.credentials is not None


@pytest.mark.parametrize("uri", ["azureml://datastores/a/paths/../x", "azureml:asset:1", "azureml://registries/r"])
def test_a_datastore_uri_that_leads_elsewhere_is_refused(uri: str) -> None:
    """No way out of a datastore, and no assets."""
    with pytest.raises(SettingsError):
        resolve_datastore(uri, Settings(store="file:///s"))


def test_a_file_that_others_may_change_is_refused(pipeline: Path) -> None:
    """It decides where data and credentials go, so what is found by searching must be this user's or root's."""
    file = pipeline.parent.parent / "fanout.toml"
    file.write_text('store = "s3://of-others"')
    file.chmod(0o666)
    with pytest.raises(SettingsError) as caught:
        load_settings(pipeline, None, {})
    assert f"{file}: not used, because every user may write to '{file}'" in str(caught.value)
    assert f"set FANOUT_SETTINGS={file} if you trust it, or FANOUT_SETTINGS=/dev/null" in str(caught.value)


def test_a_file_above_a_folder_of_others_is_refused(pipeline: Path) -> None:
    """Whoever may change a folder on the way decides which file is found above it."""
    (pipeline.parent.parent / "fanout.toml").write_text('store = "s3://runs"')
    pipeline.parent.chmod(0o777)
    with pytest.raises(SettingsError, match=f"every user may write to '{pipeline.parent}'"):
        load_settings(pipeline, None, {})


def test_a_file_that_is_named_counts_as_it_is(pipeline: Path) -> None:
    """FANOUT_SETTINGS wins over what is found, whoever may change it; /dev/null is a file without keys."""
    (pipeline.parent / "fanout.toml").write_text('store = "s3://found"')
    named = pipeline.parent.parent / "named.toml"
    named.write_text('store = "s3://named"')
    named.chmod(0o666)
    assert load_settings(pipeline, None, {"FANOUT_SETTINGS": str(named)}).store == "s3://named"
    assert load_settings(pipeline, None, {"FANOUT_SETTINGS": "/dev/null"}).store.endswith("/.fanout")
    with pytest.raises(SettingsError, match=r"nowhere\.toml: cannot be read: No such file"):
        load_settings(pipeline, None, {"FANOUT_SETTINGS": "nowhere.toml"})
