"""Takes credentials out of text that people or files are going to see. Pure; the standard library only.

Two ways: what has the shape of a credential, wherever it stands; and the values of a process's own environment whose
names say that they are credentials, whatever their shape.
"""

from __future__ import annotations

import json
import re
import urllib.parse
from binascii import b2a_base64
from typing import TYPE_CHECKING

from fanout.backports import cache

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HIDDEN = "[hidden]"
SHORTEST_SECRET = 6
"""Characters: hiding shorter values (`test`, `none`) would take words out of every text and guard nothing."""

SHORTEST_FORM = 8
"""Characters of base64 or hexadecimal digits: shorter ones stand in texts by chance."""

# A variable, or a place for a value in advice, where a value would stand.
_NO_VALUE = r"(?!\$[{(]|\$[A-Za-z_]\w*(?![\w/+])|<[a-z][a-z _-]*>|\[hidden\]|%\(|\{\w*\}|(?:true|false|none|null)\b)"


# Each pattern keeps its first group and hides the rest.
@cache
def _shapes() -> tuple[re.Pattern[str], ...]:
    """What a credential looks like wherever it stands. Compiled when first needed: most processes fail at nothing."""
    return (
        re.compile(r"()\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
        re.compile(
            r"()\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
            r"|[sr]k_(?:live|test)_\w{10,}|AIza[\w-]{30,}|hf_[A-Za-z0-9]{20,}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*)"
        ),
        re.compile(r"(://)[^/\s:@\"']*:" + _NO_VALUE + r"[^/\s\"']+(?=@)"),
        re.compile(
            r"((?<![A-Za-z0-9_])(?:X-Amz-|X-Goog-)?(?:Signature|Credential|Security-Token|AWSAccessKeyId|sig|access_token)=)"
            + _NO_VALUE
            + r"[^&\s,'\"<>]+",
            re.IGNORECASE,
        ),
        re.compile(r"(<(?:AWSAccessKeyId|SignatureProvided|StringToSign|CanonicalRequest)>)[^<]*"),
        re.compile(r"(-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----).*?(?=-----END|\Z)", re.DOTALL),
        re.compile(
            r"((?:Account_?Key|Shared_?Access_?(?:Key|Signature))=)" + _NO_VALUE + r"[^\s\"';,&]+", re.IGNORECASE
        ),
        re.compile(r"(\bBearer\s+)" + _NO_VALUE + r"(?=[A-Za-z._~+/-]*[0-9])[A-Za-z0-9._~+/-]{12,}=*", re.IGNORECASE),
    )


@cache
def _named() -> tuple[re.Pattern[str], ...]:
    """What stands behind a word that announces a credential."""
    return (
        re.compile(
            r"((?:secret_?access_?key|aws_?secret_?key|session_?token|account_?key|password|passwd|authorization)[\"']?\s*"
            r"(?:[:=]|==(?=\s*[\"']))(?!=)\s*[\"']?(?:(?:Bearer|Basic|Digest|Token)\s+)?)(?!(?:Bearer|Basic|Digest|Token)\s)"
            + _NO_VALUE
            + r"[^\s\"',&]+",
            re.IGNORECASE,
        ),
    )


_STRONG = re.compile(
    r"SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|CONN(?:ECTION)?_?STR(?:ING)?|WEBHOOK_?URL"
    r"|(?:^|_)(?:TOKEN|PWD|PASS|PAT|JWT|DSN|API_?KEY|ACCESS_?KEY(?:_ID)?|(?:PRIVATE|ACCOUNT|AUTH|SIGNING|ENCRYPTION"
    r"|MASTER|SHARED|STORAGE|DEPLOY|SSH)_?KEY|SAS)$",
    re.IGNORECASE,
)
_WEAK = re.compile(r"(?:^|_)(?:KEY|APIKEY|AUTH|COOKIE|BEARER|SIGNATURE|SESSION|LICENSE|CERT)$", re.IGNORECASE)
"""Names that credentials share with other values: only a value that is no word counts."""
_NOT_SECRET = re.compile(
    r"^(?:OLD)?PWD$|(?:_FILE|_PATH|_DIR|(?<!WEBHOOK)_URL|_URI|_ENDPOINT|_EXPIRATION|_TIMEOUT|_LENGTH|_NAME)$",
    re.IGNORECASE,
)
_PATH = re.compile(
    r"/(?:bin|data|dbfs|dev|etc|home|lib|media|mnt|opt|private|proc|root|run|secrets|srv|sys|tmp|Users|usr|var|work\w*)/\S*"
    r"|/[\w./-]*\.[a-z]{2,5}"
)
"""What a value that begins with a slash is when it is a place: one AWS secret key in 64 begins with one, too."""
_PASSWORD_IN_URL = re.compile(r"://[^/\s:@]*:([^/\s]+)@")


def redact(text: str, secrets: Sequence[str] = ()) -> str:
    """`text` with whatever looks like a credential, and each of `secrets`, replaced by `[hidden]`."""
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    for pattern in (*_shapes(), *_named()):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def has_credential(text: str, *, prose: bool = False) -> bool:
    """Whether a credential by its shape is in `text`; in `prose` any word may follow one such as `password:`."""
    return any(pattern.search(text) for pattern in (_shapes() if prose else (*_shapes(), *_named())))


def is_secret(name: str, value: str) -> bool:
    """Whether a variable of this name and value is a credential, as far as one can tell."""
    if len(value) < SHORTEST_SECRET or value.isdigit() or value.startswith("${{") or _NOT_SECRET.search(name):
        return False
    if _STRONG.search(name):
        return _PATH.fullmatch(value) is None
    return _WEAK.search(name) is not None and _is_random(value)


def _is_random(value: str) -> bool:
    """Whether a value looks made by a machine: long, without blanks, of letters and digits or of both cases."""
    if len(value) < 16 or any(char.isspace() for char in value) or _PATH.fullmatch(value):
        return False
    kinds = (any(map(str.isdigit, value)), any(map(str.isupper, value)), any(map(str.islower, value)))
    return sum(kinds) >= 2


def secrets_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The credentials in an environment in every form that texts have them in, the longest first.

    So none is left in part where it holds another.
    """
    forms = {form for secret in _secrets_of(environ) for form in forms_of(secret)}
    return tuple(sorted(forms, key=lambda secret: (-len(secret), secret)))


def forms_of(secret: str) -> Iterator[str]:
    """The secret as it is, and as URLs, JSON, Python, base64 and hexadecimal digits write it.

    In base64 it looks different at each of three offsets, as in `user:password`; what does not depend on its
    neighbours is what all texts with it share.
    """
    yield secret
    body = secret.encode("utf-8", "surrogateescape")
    quoted = urllib.parse.quote(body, safe="")
    yield from {
        quoted,
        quoted.replace("%20", "+"),
        quoted.lower() if "%" in quoted else quoted,
        urllib.parse.quote(body),
    }
    yield from {json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}
    yield from {json.dumps(secret)[1:-1].replace("/", "\\/"), _escaped(secret)}
    encoded = {body.hex(), body.hex().upper()}
    for before in range(3):
        written = b2a_base64(bytes(before) + body, newline=False).decode()
        whole = written[(0, 2, 3)[before] : (before + len(body)) * 4 // 3]
        encoded |= {whole, whole.replace("+", "-").replace("/", "_")}
    yield from (form for form in encoded if len(form) >= SHORTEST_FORM)


def _escaped(text: str) -> str:
    """As HTML and XML write it."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _secrets_of(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        if is_secret(name, value):
            yield value
        for found in _PASSWORD_IN_URL.finditer(value):
            if len(found[1]) >= SHORTEST_SECRET:
                yield found[1]
