"""fanout.toml: where runs live and what Azure's names mean on this machine. Optional, and so is every key in it.

    store = "./.fanout"                  # or s3://bucket/prefix
    queue = "sqs:"                       # or sqlite:./folder; follows from the store when left out
    visibility = 30                      # seconds
    [datastores]
    workspaceblobstore = "s3://bucket/blobs"
    [computes]
    cpu-cluster = "local"
    [profiles.localstack]                # fanout --profile localstack, or FANOUT_PROFILE
    store = "s3://runs"
    endpoint_url = "http://localhost:4566"

A profile's keys win over those at the top; its tables add to the tables there. Of the environment, the variables that
every AWS tool knows (AWS_ENDPOINT_URL, AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL_SQS, AWS_REGION, AWS_DEFAULT_REGION) win
over the file, as they do there.
"""

import os.path
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from urllib.parse import urlsplit

from fanout.errors import SettingsError
from fanout.spec.check import Wrong, join, shorten, suggest
from fanout.spec.locations import datastore_path, uri_of

if TYPE_CHECKING:
    from pydantic import TypeAdapter

FILE = "fanout.toml"
ENGINES = ("local",)
_SIZE_LIMIT = 1024 * 1024
_STORES = ("file:", "s3:")


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for this run besides its pipeline file; every place in it is absolute."""

    store: str  # URI: file:///… or s3://bucket/prefix
    queue: str | None = None  # sqlite:/folder or sqs:; None: follows from the store
    endpoint_url: str | None = None
    endpoint_url_s3: str | None = None
    endpoint_url_sqs: str | None = None
    region: str | None = None
    visibility: float = 30.0  # seconds
    max_receives: int = 5
    datastores: Mapping[str, str] = field(default_factory=dict)  # name -> URI
    computes: Mapping[str, str] = field(default_factory=dict)  # name -> engine
    file: str | None = None  # the fanout.toml that was read
    profile: str | None = None

    def endpoint(self, service: str) -> str | None:
        """The endpoint of `s3` or `sqs`; None: AWS itself."""
        own = self.endpoint_url_s3 if service == "s3" else self.endpoint_url_sqs
        return own or self.endpoint_url
