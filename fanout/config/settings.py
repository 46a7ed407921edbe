"""fanout.toml: where runs live and what Azure's names mean on this machine. Optional, and so is every key in it.

    store = "./.fanout"                  # or s3://bucket/prefix
    queue = "sqs:"                       # or bucket:, sqlite:./folder; follows from the store when left out
    visibility = 30                      # seconds
    strict = true                        # exit code 1 when anything failed, also within the thresholds
    report = true                        # false: a run that ends writes no report.html
    notify = "https://chat.example/hook" # hears of the end of each run, and of the first failure; or FANOUT_NOTIFY
    notify_on = "failed"                 # only when something has failed; by default whenever a run ends
    durable = true                       # false: a folder is not synced, and a power cut may cost finished work
    [datastores]
    workspaceblobstore = "s3://bucket/blobs"
    [computes]
    cpu-cluster = "slurm:big"            # azureml:cpu-cluster is the engine slurm, set as in [engines.big]
    [engines.big]                        # see engine_settings.py
    nodes = 20
    partition = "long"
    [profiles.localstack]                # fanout --profile localstack, or FANOUT_PROFILE
    store = "s3://runs"
    endpoint_url = "http://localhost:4566"

A profile's keys win over those at the top; its tables add to the tables there. Of the environment, the variables that
every AWS tool knows (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_SQS, AWS_REGION, AWS_DEFAULT_REGION) win
over the file, as they do there.

The file decides where data, code and credentials go. So one that is found by searching counts only when no other user
may change it; one that FANOUT_SETTINGS names counts as it is.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from fanout.config.engine_settings import check_engine
from fanout.config.queue_uris import queue_uri
from fanout.config.settings_file import Keys, SettingsFile, read_file
from fanout.errors import SettingsError
from fanout.pipeline.data.locations import FILE, in_datastore, uri_of
from fanout.pipeline.yaml.diagnostics import CheckFailed, join, shorten, suggest
from fanout.security.ownership import weakness
from fanout.storage.access import LOCALSTACK, Access
from fanout.storage.datastores import Datastores

NAMED_FILE = "FANOUT_SETTINGS"
"""The variable that names a settings file, in place of the nearest fanout.toml; /dev/null names an empty one."""
NOTIFY = "FANOUT_NOTIFY"
"""The variable that names a webhook, in place of `notify` in the file: its URL is often a secret."""
NOTIFY_ON = ("ended", "failed")
_STORES = ("file:", "s3:")


class StoreOrigin(Enum):
    """What named the store of a run."""

    DEFAULT = "nothing did: .fanout in the current folder"
    FILE = "fanout.toml"
    GIVEN = "an option or a variable"


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for this run besides its pipeline file; every place in it is absolute."""

    store: str  # URI: file:///… or s3://bucket/prefix
    queue: str | None = None  # sqlite:/folder, sqs: or bucket:; None: follows from the store
    endpoint_url: str | None = None
    endpoint_url_s3: str | None = None
    endpoint_url_sqs: str | None = None
    region: str | None = None
    visibility: float = 30.0  # seconds
    max_receives: int = 5
    durable: bool = True  # writes into folders of this machine are synced
    datastores: Mapping[str, str] = field(default_factory=dict)  # name -> URI
    computes: Mapping[str, str] = field(default_factory=dict)  # name -> engine, or engine:name
    engines: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # name -> settings of an engine
    on: str | None = None  # the engine of all parallel steps, whatever their computes
    report: bool = True  # a run that ends writes report.html beside it
    strict: bool = False  # something failed within the thresholds: exit code 1 all the same
    notify: str | None = field(default=None, repr=False)  # a webhook that hears of the end and the first failure
    notify_on: str = "ended"  # or failed: only when something has failed
    file: str | None = None  # the fanout.toml that was read
    profile: str | None = None
    store_from: StoreOrigin = StoreOrigin.DEFAULT

    def endpoint(self, service: str) -> str | None:
        """The endpoint of `s3` or `sqs`; None: AWS itself."""
        own = self.endpoint_url_s3 if service == "s3" else self.endpoint_url_sqs
        return own or self.endpoint_url

    @property
    def roots(self) -> Datastores:
        """Where every datastore is."""
        return Datastores.of(self.datastores, self.store)


def load_settings(start: Path, profile: str | None, environ: Mapping[str, str]) -> Settings:
    """The settings for the pipeline file or folder `start`; SettingsError says what is wrong, and where.

    fanout.toml is searched from there upward, unless FANOUT_SETTINGS names it; relative paths in it start from its
    folder. Without a store the runs are kept in `.fanout` in the current folder. `profile` wins over FANOUT_PROFILE.
    """
    wanted = profile or environ.get("FANOUT_PROFILE") or None
    named = environ.get(NAMED_FILE)
    path = Path(named).absolute() if named else _found_file(start)
    if path is None:
        if wanted:
            raise SettingsError(f"profile '{wanted}': there is no {FILE} in '{_folder(start)}' or above it")
        return _with_environment(Settings(_default_store()), environ)
    content = read_file(path)
    keys = _chosen(content, wanted, path)
    return _with_environment(_resolved(keys, path, wanted), environ)


def find_file(start: Path) -> Path | None:
    """The fanout.toml nearest to `start`, in its folder or above it."""
    folder = _folder(start)
    return next((f / FILE for f in (folder, *folder.parents) if (f / FILE).is_file()), None)


def _found_file(start: Path) -> Path | None:
    """As `find_file`; SettingsError when another user may change the file or what leads to it."""
    path = find_file(start)
    if path is None:
        return None
    if why := weakness(path) or weakness(_folder(start)):
        raise SettingsError(
            f"{path}: not used, because {why}, and this file decides where your data, code and credentials go; set "
            f"{NAMED_FILE}={shlex.quote(str(path))} if you trust it, or {NAMED_FILE}=/dev/null to go on without it"
        )
    return path


STORE = ".fanout"


def resolve_datastore(uri: str, settings: Settings) -> str:
    """`azureml://datastores/<name>/paths/<path>` as the URI it stands for here; any other URI unchanged.

    A datastore that fanout.toml does not name is a folder of the store: `<store>/datastores/<name>`.
    """
    try:
        return in_datastore(uri, settings.roots)
    except CheckFailed as wrong:
        raise SettingsError(str(wrong)) from wrong


def access_of(settings: Settings, environ: Mapping[str, str]) -> Access:
    """How data and queues are reached by these settings and the AWS variables of `environ`."""
    return Access.from_environ(
        environ,
        endpoint_url_s3=settings.endpoint("s3"),
        endpoint_url_sqs=settings.endpoint("sqs"),
        region=settings.region,
        datastores=settings.roots,
        durable=settings.durable,
    )


def _folder(start: Path) -> Path:
    here = start.absolute()
    return here if here.is_dir() else here.parent


def _default_store() -> str:
    """The nearest `.fanout`, in the current folder or above it, as git finds its own; else one to be made here."""
    here = Path.cwd()
    there = next((folder for folder in (here, *here.parents) if (folder / STORE).is_dir()), here)
    return (there / STORE).as_uri()


def _chosen(content: SettingsFile, profile: str | None, path: Path) -> Keys:
    """The keys at the top, with those of the profile over them."""
    if profile is None:
        return content
    if profile not in content.profiles:
        raise SettingsError(f"{path}: there is no profile '{profile}'{suggest(profile, content.profiles)}")
    own = content.profiles[profile]
    changes = {f.name: value for f in fields(Keys) if (value := getattr(own, f.name)) is not None}
    changes["datastores"] = {**content.datastores, **own.datastores}
    changes["computes"] = {**content.computes, **own.computes}
    changes["engines"] = {**content.engines, **own.engines}
    return replace(content, **changes)


def _resolved(keys: Keys, path: Path, profile: str | None) -> Settings:
    def uri(key: str, text: str) -> str:
        try:
            return uri_of(text, path.parent)
        except CheckFailed as wrong:
            raise SettingsError(f"{path}: {key}: {wrong}") from wrong

    settings = Settings(
        store=uri("store", keys.store) if keys.store else _default_store(),
        queue=_queue(keys.queue, path),
        endpoint_url=keys.endpoint_url,
        endpoint_url_s3=keys.endpoint_url_s3,
        endpoint_url_sqs=keys.endpoint_url_sqs,
        region=keys.region,
        visibility=30.0 if keys.visibility is None else keys.visibility,
        max_receives=5 if keys.max_receives is None else keys.max_receives,
        durable=keys.durable is not False,
        report=keys.report is not False,
        datastores={name: uri(f"datastores.{name}", text) for name, text in keys.datastores.items()},
        computes=keys.computes,
        engines=keys.engines,
        strict=bool(keys.strict),
        notify=keys.notify,
        notify_on=keys.notify_on or NOTIFY_ON[0],
        file=str(path),
        profile=profile,
        store_from=StoreOrigin.FILE if keys.store else StoreOrigin.DEFAULT,
    )
    _check(settings, str(path))
    return settings


def _queue(queue: str | None, path: Path) -> str | None:
    try:
        return None if queue is None else queue_uri(queue, path.parent)
    except SettingsError as exc:
        raise SettingsError(f"{path}: queue: {exc}") from exc


def _check(settings: Settings, file: str) -> None:
    """SettingsError for a value out of range."""
    if not settings.store.startswith(_STORES):
        raise SettingsError(
            f"{file}: store: expected a folder or s3://bucket/prefix, found '{shorten(settings.store)}'"
        )
    # SQS's own bounds: a visibility of at most twelve hours, 1 to 1000 receives.
    if not 1 <= settings.visibility <= 43200:
        raise SettingsError(f"{file}: visibility: expected 1 to 43200 seconds, found {settings.visibility:g}")
    if not 1 <= settings.max_receives <= 1000:
        raise SettingsError(f"{file}: max_receives: expected 1 to 1000, found {settings.max_receives}")
    for name, engine in settings.computes.items():
        check_engine(engine, settings.engines, f"{file}: computes.{name}")
    if settings.notify_on not in NOTIFY_ON:
        raise SettingsError(f"{file}: notify_on: expected {join(NOTIFY_ON)}, found '{shorten(settings.notify_on)}'")
    _check_webhook(settings.notify, f"{file}: notify")
    for key in ("endpoint_url", "endpoint_url_s3", "endpoint_url_sqs"):
        _check_endpoint(getattr(settings, key), f"{file}: {key}")


def _http(url: str) -> SplitResult | None:
    """The parts of an http(s) URL with a host; None for anything else."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return None
    return parts if good else None


def _check_webhook(url: str | None, where: str) -> None:
    """SettingsError for what is no URL of a webhook; the URL is not shown, as its path is often a secret."""
    if url is not None and (_http(url) is None or any(sign.isspace() for sign in url)):
        raise SettingsError(f"{where}: expected the http(s) URL of a webhook")


def _check_endpoint(url: str | None, where: str) -> None:
    if url is None or url == LOCALSTACK:
        return
    parts = _http(url)
    if parts is None:
        shown = "" if "@" in url else f", found '{shorten(url)}'"
        raise SettingsError(f"{where}: expected http://host:port or '{LOCALSTACK}'{shown}")
    if parts.username or parts.password:
        raise SettingsError(f"{where}: holds credentials; they belong into the environment")


def _with_environment(settings: Settings, environ: Mapping[str, str]) -> Settings:
    """The settings with what the standard AWS variables say."""
    every = environ.get("AWS_ENDPOINT_URL") or None
    for key in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL_SQS"):
        _check_endpoint(environ.get(key) or None, key)
    _check_webhook(environ.get(NOTIFY) or None, NOTIFY)
    # As AWS's tools do: a variable for all services wins over the file's entry for one.
    return replace(
        settings,
        endpoint_url=every or settings.endpoint_url,
        endpoint_url_s3=environ.get("AWS_ENDPOINT_URL_S3") or every or settings.endpoint_url_s3,
        endpoint_url_sqs=environ.get("AWS_ENDPOINT_URL_SQS") or every or settings.endpoint_url_sqs,
        notify=environ.get(NOTIFY) or settings.notify,
        region=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or settings.region,
    )
