"""The environment of a run under test: nothing in it leads to an account of the person who runs the tests. Pure."""

import os
from collections.abc import Mapping

FOREIGN = ("AWS_", "AZURE_", "GOOGLE_", "FANOUT_")
"""Prefixes of variables that lead to accounts and stores; none of them gets through."""
REGION = "us-east-1"
_LOOPBACK = "127.0.0.1,localhost"


def isolated(environ: Mapping[str, str], extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """`environ` without accounts and stores, with keys that open nothing, and `extra` on top."""
    kept = {name: value for name, value in environ.items() if not name.startswith(FOREIGN)}
    no_account = {
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    return {**kept, **no_account, **_without_proxy(environ), **(extra or {})}


def _without_proxy(environ: Mapping[str, str]) -> dict[str, str]:
    """A proxy of this machine is not asked for servers on it."""
    given = {name: environ[name] for name in ("NO_PROXY", "no_proxy") if environ.get(name)}
    return {name: f"{value},{_LOOPBACK}" for name, value in given.items()} or {"NO_PROXY": _LOOPBACK}
