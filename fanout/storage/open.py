"""URIs to object stores: where a run lives, and where input data is."""

import asyncio
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, unquote_to_bytes, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import MemoryStore, ObjectStore, S3Store, from_url

from fanout.errors import MissingExtraError, SettingsError, StoreError
from fanout.security.redaction import redact
from fanout.storage import keys
from fanout.storage.access import DEFAULT_REGION, Access
from fanout.storage.credentials import s3_client, sign
from fanout.storage.folder import FolderStore
from fanout.storage.objects import reason, translated
from fanout.storage.retry import asked
from fanout.storage.retry_budget import client_config, retry_config

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Config

PRIVATE = 0o700
"""The mode of a folder that holds runs: their logs, code and data are for the user that runs them."""
S3_SCHEMES = ("s3", "s3a")
OTHER_SCHEMES = ("gs", "az", "azure", "adl", "abfs", "abfss", "wasb", "wasbs", "http", "https")
# Hadoop's older way to name a container of Azure's: the same place as abfss: has another host.
_AZURE_HOST = re.compile(r"[a-z0-9]+\.(?:blob|dfs)\.core\.windows\.net", re.IGNORECASE)
_AZURE_CREDENTIALS = {
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_SAS_KEY",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_STORAGE_CLIENT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
}
_NOWHERE = "http://127.0.0.1:1"
_PROXIES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_WASB = re.compile(r"wasbs?://([^@/]+)@([^./]+)\.blob\.", re.IGNORECASE)


def open_store(uri: str, access: Access) -> ObjectStore:
    """The store rooted at `uri`: a path, `file:`, `memory:`, `s3://bucket/prefix`, `gs:`, `az:`, `abfss:`, `https:`.

    A local folder is made when it is missing. SettingsError when the URI or the credentials are no good.
    """
    scheme = _scheme(uri)
    if scheme in ("", "file"):
        return _local(uri, durable=access.durable)
    if scheme == "memory":
        return MemoryStore()
    if scheme in S3_SCHEMES:
        bucket, prefix = _bucket(uri)
        return _s3(bucket, access, prefix)
    return _other(uri, access)


def locate(uri: str, access: Access) -> tuple[ObjectStore, str]:
    """The store that holds the data at `uri`, one a bucket, and the key in it; local paths count from `/`."""
    scheme = _scheme(uri)
    if scheme in ("", "file"):
        return _root(access.durable), local_path(uri).as_posix().lstrip("/")
    if scheme in S3_SCHEMES:
        bucket, key = _bucket(uri)
        return _s3(bucket, access), key
    parts = urlsplit(uri)
    path = unquote(parts.path).strip("/")
    if scheme == "https" and _AZURE_HOST.fullmatch(parts.hostname or ""):
        container, _, key = path.partition("/")
        return _other(f"https://{parts.netloc}/{container}", access), key
    return _other(f"{parts.scheme}://{parts.netloc}", access), path


async def ensure_bucket(uri: str, access: Access) -> None:
    """The bucket of `uri` can be used: made when it is missing on a server of one's own, else StoreError says so.

    In a folder, everything that fanout keeps is closed to other users, also where the folder itself is not.
    """
    scheme = _scheme(uri)
    if scheme in ("", "file"):
        with translated("use", uri):
            for name in keys.TOP_LEVEL:
                (local_path(uri) / name).mkdir(mode=PRIVATE, exist_ok=True)
    if scheme not in S3_SCHEMES:
        return
    bucket, _ = _bucket(uri)
    try:
        with translated("use", f"s3://{bucket}"):
            store = _s3(bucket, access)
            with asked(store):
                await anext(aiter(obstore.list(store, chunk_size=1)), None)
    except StoreError as exc:
        if "NoSuchBucket" not in str(exc):
            raise
        if access.endpoint_url_s3 is None:
            raise StoreError(f"s3://{bucket} does not exist; make the bucket first, or name another store") from exc
        await _create_bucket(bucket, access)


def local_path(uri: str) -> Path:
    """The absolute path of a plain path or a `file:` URI."""
    path = os.fsdecode(unquote_to_bytes(os.fsencode(_after_host(uri)))) if uri.startswith("file:") else uri
    if "\0" in path:
        raise SettingsError(f"{uri!r}: a path cannot hold a NUL")
    return Path(os.path.abspath(Path(path).expanduser()))  # noqa: PTH100 - links stay as they were written


def _after_host(uri: str) -> str:
    # Not urlsplit: a file's name may hold "?" and "#".
    rest = uri.removeprefix("file:")
    return "/" + rest[2:].partition("/")[2] if rest.startswith("//") else rest


def _scheme(uri: str) -> str:
    scheme = uri.partition(":")[0].lower() if ":" in uri.partition("/")[0] else ""
    if scheme in ("", "file", "memory", *S3_SCHEMES, *OTHER_SCHEMES):
        return scheme
    raise SettingsError(
        f"{uri}: cannot open {scheme}: URIs; expected a path, file:, s3://, gs://, az://, abfss://, wasbs:// or https://"
    )


def _bucket(uri: str) -> tuple[str, str]:
    # Not urlsplit: a key may hold "?" and "#".
    bucket, _, key = uri.partition("://")[2].partition("/")
    if not bucket:
        raise SettingsError(f"{uri}: expected s3://bucket/prefix")
    return bucket, key.strip("/")


def _local(uri: str, *, durable: bool) -> ObjectStore:
    path = local_path(uri)
    try:
        is_new = not path.exists()
        store = FolderStore(path, mkdir=True, durable=durable)
        if is_new:
            path.chmod(PRIVATE)
        return store
    except (BaseError, OSError, ValueError) as exc:
        raise StoreError(f"cannot open {path}: {reason(exc)}") from exc


@lru_cache(maxsize=2)
def _root(durable: bool) -> ObjectStore:
    return FolderStore("/", durable=durable)


@lru_cache(maxsize=256)
def _s3(bucket: str, access: Access, prefix: str = "") -> ObjectStore:
    config: S3Config = {"region": access.region or DEFAULT_REGION, "virtual_hosted_style_request": False}
    if access.endpoint_url_s3 is None and "." not in bucket:
        config["virtual_hosted_style_request"] = True  # certificates of AWS do not cover names with dots
    client = client_config(access.patience)
    if endpoint := access.endpoint_url_s3:
        config["endpoint"] = endpoint
        client["allow_http"] = endpoint.startswith("http:")
    provider = sign(config, access)
    try:
        return S3Store(
            bucket,
            prefix=prefix or None,
            config=config,
            client_options=client,
            retry_config=retry_config(access.patience),
            credential_provider=provider,
        )
    except (BaseError, ValueError) as exc:
        raise SettingsError(f"cannot open s3://{bucket}: {reason(exc)}") from exc


def _other(uri: str, access: Access) -> ObjectStore:
    client, retries = client_config(access.patience), retry_config(access.patience)
    client["allow_http"] = uri.startswith("http:")
    if uri.startswith("http:"):
        client.update(_own_host_only(uri))
    try:
        public = uri.startswith("https:") and not _AZURE_CREDENTIALS & os.environ.keys()
        if public and _AZURE_HOST.fullmatch(urlsplit(uri).hostname or ""):
            # As in the official examples: data that anybody may read is asked for without a signature.
            return from_url(uri, config={"skip_signature": True}, client_options=client, retry_config=retries)
        return from_url(_WASB.sub(r"abfss://\1@\2.dfs.", uri), client_options=client, retry_config=retries)
    except (BaseError, ValueError) as exc:
        raise SettingsError(f"cannot open {redact(uri)}: {reason(exc)}") from exc


def _own_host_only(uri: str) -> "ClientConfig":
    """Options that keep redirects on the host of `uri`: the server must not choose what this machine's network answers.

    A client of obstore follows redirects and has no option against it; what leaves the host is sent to a proxy that
    does not exist. Over https it follows to https alone. A proxy of the user's own connects from its own network.
    """
    if any(map(os.environ.get, _PROXIES)):
        return {}
    host = urlsplit(uri).hostname or ""
    return {"proxy_url": _NOWHERE, "proxy_excludes": f"{host},{host.removeprefix('www.')}"}


async def _create_bucket(bucket: str, access: Access) -> None:
    """Makes the bucket; losing a race to another maker is no error."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError:
        raise MissingExtraError("Making an S3 bucket", "aws") from None
    try:
        await asyncio.to_thread(lambda: s3_client(access).create_bucket(Bucket=bucket))
    except ClientError as exc:
        if exc.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            raise StoreError(f"s3://{bucket} does not exist and cannot be made: {reason(exc)}") from exc
    except BotoCoreError as exc:
        raise StoreError(f"s3://{bucket} does not exist and cannot be made: {reason(exc)}") from exc
