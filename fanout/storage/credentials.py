"""How requests to S3 are signed: keys of the environment first, else whatever the AWS libraries find."""

import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from fanout.errors import MissingExtraError, SettingsError
from fanout.security.redaction import redact
from fanout.storage.access import DEFAULT_REGION, Access
from fanout.storage.pending import waiting

if TYPE_CHECKING:
    from obstore.store import S3Config, S3CredentialProvider

# With all variables of one line obstore finds and renews credentials by itself, without the time to load botocore.
_ROLE_VARIABLES = (
    ("AWS_WEB_IDENTITY_TOKEN_FILE",),
    ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",),
    ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)
ASKED_EVERY = 60.0
"""Seconds for which obstore takes botocore's credentials for good. botocore renews them a quarter of an hour before
they expire; the half hour that obstore would keep them is longer than some live."""


def sign(config: "S3Config", access: Access) -> "S3CredentialProvider | None":
    """Puts into `config` how to sign, or returns a provider that renews credentials.

    SettingsError when there are no credentials at all.
    """
    if access.anonymous:
        config["skip_signature"] = True
    elif keys := access.credentials:
        config["access_key_id"] = keys.access_key_id
        config["secret_access_key"] = keys.secret_access_key
        if keys.session_token:
            config["session_token"] = keys.session_token
    elif not any(all(os.environ.get(name) for name in names) for names in _ROLE_VARIABLES):
        return _chain(config, access)
    return None


def client_arguments(access: Access) -> dict[str, Any]:
    """What boto3 and aiobotocore need to sign as `access` says; their own chain where it says nothing."""
    arguments: dict[str, Any] = {"region_name": access.region}
    if access.region is None and (access.endpoint_url_s3 or access.endpoint_url_sqs):
        arguments["region_name"] = DEFAULT_REGION  # servers of one's own take any
    if keys := access.credentials:
        arguments["aws_access_key_id"] = keys.access_key_id
        arguments["aws_secret_access_key"] = keys.secret_access_key
        arguments["aws_session_token"] = keys.session_token
    return arguments


def s3_client(access: Access) -> Any:
    """A boto3 client, for the few calls obstore does not have."""
    import boto3

    return boto3.client("s3", endpoint_url=access.endpoint_url_s3, **client_arguments(access))


def _chain(config: "S3Config", access: Access) -> "S3CredentialProvider":
    """Profiles, SSO, instance roles: botocore's chain."""
    try:
        from botocore.exceptions import BotoCoreError
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise MissingExtraError("S3 without AWS_ACCESS_KEY_ID in the environment", "aws") from None
    try:
        with waiting("AWS's credential chain (profiles, SSO, the metadata of an instance)", access.patience):
            provider = Boto3CredentialProvider(ttl=timedelta(seconds=ASKED_EVERY))
    except ValueError:
        raise SettingsError(
            "no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (any text will do for an "
            "emulator), choose AWS_PROFILE, or set AWS_SKIP_SIGNATURE=true for public data"
        ) from None
    except BotoCoreError as exc:  # a profile that is not there, a file that cannot be parsed
        raise SettingsError(f"AWS credentials: {redact(str(exc))}") from exc
    if access.region is None and (region := provider.config.get("region")):
        config["region"] = region
    return provider
