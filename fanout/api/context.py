"""Where things are put together: options, environment and fanout.toml become what a run reaches the outside with."""

import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from fanout.advice import advise_with
from fanout.api.where import Where
from fanout.config.queue_uris import queue_uri
from fanout.config.settings import Settings, StoreOrigin, load_settings
from fanout.errors import RunError, SettingsError, UserError
from fanout.pipeline.data.locations import local_path, uri_of
from fanout.pipeline.yaml.diagnostics import CheckFailed

if TYPE_CHECKING:
    from obstore.store import ObjectStore

    from fanout.advice import Commands
    from fanout.engines.node_process import WarmNode
    from fanout.queues.base import QueueService
    from fanout.scheduler.context import RunContext
    from fanout.storage.access import Access


def settings_of(start: Path, where: Where) -> Settings:
    """What holds for a pipeline file or folder: option, else environment, else fanout.toml, else the default.

    Relative folders in options and in FANOUT_STORE and FANOUT_QUEUE start from the current one. Commands that messages
    recommend have what it takes to come to the same.
    """
    settings = _settings_of(start, where)
    advise_with(lambda: commands_of(settings, where))
    return settings


def _settings_of(start: Path, where: Where) -> Settings:
    settings = load_settings(start, where.profile, os.environ)
    if store := _first("--store", where.store, "FANOUT_STORE"):
        # The queue of fanout.toml belongs to the store beside it.
        settings = replace(settings, store=_store_uri(*store), queue=None, store_from=StoreOrigin.GIVEN)
    if queue := _first("--queue", where.queue, "FANOUT_QUEUE"):
        settings = replace(settings, queue=_queue_uri(*queue))
    _check_default_store(settings)
    return settings


def access_of(settings: Settings) -> "Access":
    """How data and queues are reached."""
    from fanout.config import settings as spec_settings

    return spec_settings.access_of(settings, os.environ)


def endpoint_of(settings: Settings) -> str | None:
    """The endpoint of services that have no key of their own in fanout.toml; None: AWS itself."""
    from fanout.storage.access import Access

    if settings.endpoint_url is None:
        return None
    return Access.from_environ(os.environ, endpoint_url=settings.endpoint_url).endpoint_url_s3


def access_to_look(settings: Settings) -> "Access":
    """The same for commands that only look: they give up soon, unless FANOUT_PATIENCE says how long to wait."""
    from fanout.storage.retry_budget import LOOKUP_BUDGET

    access = access_of(settings)
    return access if os.environ.get("FANOUT_PATIENCE") else replace(access, patience=LOOKUP_BUDGET)


@asynccontextmanager
async def run_context_of(
    settings: Settings,
    warm: "WarmNode | None" = None,
    *,
    to_look: bool = False,
    print_line: "Callable[[str], None] | None" = None,
) -> AsyncIterator["RunContext"]:
    """Everything a run needs, open while the context lasts; the store is made when it is missing.

    `warm` is the node for the first parallel step. `to_look`: for a command that gives up soon. `print_line` gets a
    line that says what fanout.toml decided, if it did; by default the line goes to stderr.
    """
    from fanout.clock import SystemClock
    from fanout.engines.choose import EngineServices, StepEngines
    from fanout.engines.local import LocalEngine
    from fanout.queues.factory import check_server, open_queue_service
    from fanout.scheduler.context import RunContext
    from fanout.storage.open import ensure_bucket, open_store

    if line := origin_line(settings):
        (print_line or _on_stderr)(line)
    access, clock = access_to_look(settings) if to_look else access_of(settings), SystemClock()
    store = open_store(settings.store, access)
    await ensure_bucket(settings.store, access)
    queues = open_queue_service(settings.queue, settings.store, access, clock)
    if not to_look:
        await check_server(queues)
    local = LocalEngine(settings.store, settings.queue, access.child_environ(), warm)
    engine = StepEngines(local, EngineServices(settings, access, store, clock))
    try:
        yield RunContext(settings, access, store, queues, engine, clock)
    finally:
        await engine.close()
        await queues.close()


def _on_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def origin_line(settings: Settings) -> str:
    """What fanout.toml decided of where data and credentials go; "" when options and variables decided it all."""
    from fanout.security.redaction import redact

    decided = (
        [f"store {local_path(settings.store) or settings.store}"] if settings.store_from is StoreOrigin.FILE else []
    )
    if _is_above(settings):
        return f"store {local_path(settings.store)}, found above this folder"
    for service, url in _endpoints_of_file(settings).items():
        decided.append(f"{service}endpoint {url}")
    return redact(f"settings of {settings.file}: {', '.join(decided)}") if decided else ""


def _is_above(settings: Settings) -> bool:
    """Whether nothing names the store, and it was found above the current folder."""
    folder = local_path(settings.store)
    return settings.store_from is StoreOrigin.DEFAULT and folder is not None and folder.parent != Path.cwd()


def _endpoints_of_file(settings: Settings) -> dict[str, str]:
    """The endpoints that no variable names, by service."""
    if settings.file is None or os.environ.get("AWS_ENDPOINT_URL"):
        return {}
    found = {"": settings.endpoint_url, "S3 ": settings.endpoint_url_s3, "SQS ": settings.endpoint_url_sqs}
    return {
        service: url
        for service, url in found.items()
        if url and not (service and os.environ.get(f"AWS_ENDPOINT_URL_{service.strip()}"))
    }


def _check_default_store(settings: Settings) -> None:
    """SettingsError when nothing names the store, and `.fanout` is there and another user may change what it holds.

    What a store holds is carried out: the code of runs is in it.
    """
    from fanout.security.ownership import own_weakness, weakness

    folder = local_path(settings.store)
    if settings.store_from is not StoreOrigin.DEFAULT or folder is None or not os.path.lexists(folder):
        return
    # Found above the current folder, all that leads to it decides, as for fanout.toml.
    if why := own_weakness(folder) if folder.parent == Path.cwd() else weakness(folder):
        raise SettingsError(
            f"{folder}: not used, because {why}, and a store holds code that is run; if you trust it, name it with "
            f"--store {shlex.quote(str(folder))}, else name another store"
        )


def is_there(settings: Settings) -> bool:
    """Whether the store can hold runs: a folder that does not exist holds none."""
    folder = local_path(settings.store)
    return folder is None or folder.is_dir()


def open_to_read(settings: Settings) -> "ObjectStore":
    """The store of the settings, for verbs that only look and give up soon; RunError when there is none."""
    from fanout.storage.open import open_store

    if not is_there(settings):
        folder = local_path(settings.store)
        raise RunError(
            f"there are no runs here: {folder} does not exist; --store or --profile name another store, in Python "
            "store= or profile="
        )
    return open_store(settings.store, access_to_look(settings))


@asynccontextmanager
async def queues_to_look(settings: Settings) -> AsyncIterator["QueueService | None"]:
    """Where the queues of runs are, for verbs that only look; None where the store has none of its own."""
    from fanout.clock import SystemClock
    from fanout.queues.factory import open_queue_service

    try:
        queues = open_queue_service(settings.queue, settings.store, access_to_look(settings), SystemClock())
    except UserError:
        yield None
        return
    try:
        yield queues
    finally:
        await queues.close()


def commands_of(settings: Settings, where: Where) -> "Commands":
    """The commands that find this run again from the current folder."""
    from fanout.advice import Commands

    profile = ["--profile", where.profile] if where.profile else []
    folder = Path.cwd()
    found = _found(folder, where)
    if settings.file is not None and not _reaches_the_same(found or Settings(store=""), settings):
        # No option names a server: the fanout.toml that does is beside another pipeline file.
        folder = Path(settings.file).parent
        found = _found(folder, where)
    if found is None:
        found, profile = Settings(store=""), []
    store: list[str] = []
    if found.store != settings.store:
        path = local_path(settings.store)
        store = ["--store", str(path) if path else settings.store]
        found = replace(found, queue=None)
    queue = ["--queue", settings.queue] if settings.queue is not None and found.queue != settings.queue else []
    return Commands((*profile, *store), tuple(queue), "" if folder == Path.cwd() else str(folder))


def _found(folder: Path, where: Where) -> Settings | None:
    """The settings of a folder without any option but the profile; None when they cannot be found."""
    try:
        return _settings_of(folder, Where(profile=where.profile))
    except SettingsError:
        return None


def _reaches_the_same(found: Settings, settings: Settings) -> bool:
    """Whether the servers that `settings` need are those of `found`."""
    if local_path(settings.store) is not None and not (settings.queue or "").startswith("sqs"):
        return True
    return all(found.endpoint(service) == settings.endpoint(service) for service in ("s3", "sqs")) and (
        found.region == settings.region
    )


def _first(option: str, value: str | None, variable: str) -> tuple[str, str] | None:
    """The name and value of what was said: the option, else the variable."""
    if value:
        return option, value
    return (variable, there) if (there := os.environ.get(variable)) else None


def _store_uri(name: str, text: str) -> str:
    try:
        uri = uri_of(text, Path.cwd())
    except CheckFailed as wrong:
        raise SettingsError(f"{name}: {wrong}") from wrong
    if not uri.startswith(("file:", "s3:")):
        raise SettingsError(f"{name}: expected a folder or s3://bucket/prefix, found '{text}'")
    return uri


def _queue_uri(name: str, text: str) -> str:
    try:
        return queue_uri(text, Path.cwd())
    except SettingsError as exc:
        raise SettingsError(f"{name}: {exc}") from exc
