"""How object stores and queues are reached: endpoints, region, credentials, from the environment and settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from fanout.errors import SettingsError
from fanout.storage.datastores import NO_DATASTORES, VARIABLE, Datastores
from fanout.storage.retry_budget import RETRY_BUDGET

LOCALSTACK = "localstack"  # in the place of an endpoint: wherever LocalStack is on this machine
DEFAULT_REGION = "us-east-1"
_LOCALSTACK_URL = "http://127.0.0.1:4566"


@dataclass(frozen=True, slots=True, repr=False)
class Credentials:
    """Access keys that were given in the environment; never shown."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def __repr__(self) -> str:
        return "Credentials([hidden])"


@dataclass(frozen=True, slots=True)
class Access:
    """What it takes to reach S3, SQS and datastores. None: as the AWS libraries find it."""

    endpoint_url_s3: str | None = None
    endpoint_url_sqs: str | None = None
    region: str | None = None
    anonymous: bool = False
    credentials: Credentials | None = field(default=None, repr=False)
    patience: float = RETRY_BUDGET  # seconds for which a request that fails for no fault of ours is tried again
    datastores: Datastores = NO_DATASTORES
    durable: bool = True  # what is written into folders of this machine outlives a power cut

    @classmethod
    def from_environ(
        cls,
        environ: Mapping[str, str],
        *,
        endpoint_url: str | None = None,
        endpoint_url_s3: str | None = None,
        endpoint_url_sqs: str | None = None,
        region: str | None = None,
        anonymous: bool | None = None,
        datastores: Datastores | None = None,
        durable: bool | None = None,
    ) -> "Access":
        """The AWS variables of `environ`, each overruled by the setting of the same name when that is given.

        FANOUT_DURABLE overrules the setting of that name. SettingsError when an endpoint is not an http(s) URL or holds
        credentials, when only half a key pair is set, when FANOUT_PATIENCE is not a number of seconds, or when
        FANOUT_DURABLE is neither true nor false.
        """
        s3 = endpoint_url_s3 or endpoint_url or _configured(environ, "AWS_ENDPOINT_URL_S3")
        sqs = endpoint_url_sqs or endpoint_url or _configured(environ, "AWS_ENDPOINT_URL_SQS")
        return cls(
            endpoint_url_s3=_checked(s3, "s3", environ),
            endpoint_url_sqs=_checked(sqs, "sqs", environ),
            region=region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or None,
            anonymous=_is_true(environ.get("AWS_SKIP_SIGNATURE", "")) if anonymous is None else anonymous,
            credentials=_credentials(environ) or (Credentials("test", "test") if LOCALSTACK in (s3, sqs) else None),
            patience=_patience(environ.get("FANOUT_PATIENCE")),
            datastores=datastores or Datastores.from_environ(environ),
            durable=_durable(environ.get("FANOUT_DURABLE"), durable),
        )

    def child_environ(self) -> dict[str, str]:
        """The variables a node's process needs, on top of what it inherits, to reach the same servers."""
        known = {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url_s3,
            "AWS_ENDPOINT_URL_SQS": self.endpoint_url_sqs,
            "AWS_REGION": self.region,
            "AWS_SKIP_SIGNATURE": "true" if self.anonymous else None,
            "FANOUT_PATIENCE": f"{self.patience:g}" if self.patience != RETRY_BUDGET else None,
            VARIABLE: self.datastores.to_text() if self.datastores else None,
            "FANOUT_DURABLE": None if self.durable else "false",
        }
        if self.credentials:
            known["AWS_ACCESS_KEY_ID"] = self.credentials.access_key_id
            known["AWS_SECRET_ACCESS_KEY"] = self.credentials.secret_access_key
            known["AWS_SESSION_TOKEN"] = self.credentials.session_token
        return {name: value for name, value in known.items() if value is not None}


def _configured(environ: Mapping[str, str], variable: str) -> str | None:
    if _is_true(environ.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "")):
        return None
    return environ.get(variable) or environ.get("AWS_ENDPOINT_URL") or None


def _checked(endpoint: str | None, service: str, environ: Mapping[str, str]) -> str | None:
    if endpoint is None:
        return None
    if endpoint == LOCALSTACK:
        return _localstack_url(service, environ)
    try:
        parts = urlsplit(endpoint)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # brackets without an address, a port that is no number
        good = False
    if not good:
        shown = "" if "@" in endpoint else f" {endpoint!r}"  # what stands before an @ may be a password
        raise SettingsError(f"{service} endpoint{shown}: expected http(s)://host[:port], or {LOCALSTACK!r}")
    if parts.username or parts.password:
        raise SettingsError(
            f"{service} endpoint at {parts.hostname}: credentials do not belong in a URL; "
            "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    return endpoint.rstrip("/")


def _localstack_url(service: str, environ: Mapping[str, str]) -> str:
    """As localstack-client says, when it is installed; else LocalStack's usual port on this machine."""
    try:
        from localstack_client.config import get_service_endpoint  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return _LOCALSTACK_URL
    host = environ.get("LOCALSTACK_HOST", "").partition(":")[0] or None
    return str(get_service_endpoint(service, localstack_host=host) or _LOCALSTACK_URL)


def _credentials(environ: Mapping[str, str]) -> Credentials | None:
    key, secret = environ.get("AWS_ACCESS_KEY_ID"), environ.get("AWS_SECRET_ACCESS_KEY")
    if not key and not secret:
        return None
    if not key or not secret:
        raise SettingsError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: expected both or none, got one")
    return Credentials(key, secret, environ.get("AWS_SESSION_TOKEN") or None)


def _patience(text: str | None) -> float:
    if not text:
        return RETRY_BUDGET
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 24 * 3600:
        raise SettingsError(f"FANOUT_PATIENCE: expected seconds, more than 0 and at most a day, got {text!r}")
    return seconds


def _durable(text: str | None, setting: bool | None) -> bool:
    if not text:
        return True if setting is None else setting
    if not _is_true(text) and text.strip().lower() not in ("0", "false", "no", "off"):
        raise SettingsError(f"FANOUT_DURABLE: expected true or false, got {text!r:.80}")
    return _is_true(text)


def _is_true(text: str) -> bool:
    return text.strip().lower() in ("1", "true", "yes", "on")
