"""Takes credentials out of text that people or files are going to see. Pure; the standard library only.

Two ways: what has the shape of a credential, wherever it stands; and the values of a process's own environment whose
names say that they are credentials, whatever their shape.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

HIDDEN = "[hidden]"
SHORTEST_SECRET = 6
"""Characters: hiding shorter values (`test`, `none`) would take words out of every text and guard nothing."""

# Each pattern keeps its first group and hides the rest.
_PATTERNS = (
    re.compile(r"()\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    re.compile(r"(://)[^/\s:@]+:[^/\s@]+(?=@)"),
    re.compile(
        r"((?:Signature|Credential|Security-Token|AWSAccessKeyId|sig|access_token)=)[^&\s,'\"<>]+", re.IGNORECASE
    ),
    re.compile(r"(<(?:AWSAccessKeyId|SignatureProvided|StringToSign|CanonicalRequest)>)[^<]*"),
    re.compile(
        r"((?:secret_?access_?key|session_?token|account_?key|password|authorization)[\"']?\s*[:=]\s*[\"']?)[^\s\"',&]+",
        re.IGNORECASE,
    ),
)
_NAMES = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|CONNECTION_?STRING"
    r"|(?:^|_)(?:TOKEN|PWD|API_?KEY|ACCESS_?KEY(?:_ID)?|PRIVATE_?KEY|ACCOUNT_?KEY|AUTH_?KEY|SAS)$",
    re.IGNORECASE,
)
_NOT_SECRET = re.compile(r"(?:_FILE|_PATH|_DIR|_URL|_URI|_ENDPOINT|_EXPIRATION|_TIMEOUT|_LENGTH|_NAME)$", re.IGNORECASE)
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s@]+)@")


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """`text` with whatever looks like a credential, and each of `secrets`, replaced by `[hidden]`."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def is_secret(name: str, value: str) -> bool:
    """Whether a variable of this name and value is a credential, as far as one can tell."""
    named = _NAMES.search(name) is not None and _NOT_SECRET.search(name) is None
    return named and len(value) >= SHORTEST_SECRET and not value.isdigit() and not value.startswith(("/", "${{"))


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The credentials in an environment, the longest first, so that none is left in part where it holds another."""
    return tuple(sorted(set(_secrets_of(environ)), key=lambda secret: (-len(secret), secret)))


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        if is_secret(name, value):
            yield value
        for found in _PASSWORD_IN_URL.finditer(value):
            if len(found[1]) >= SHORTEST_SECRET:
                yield found[1]
