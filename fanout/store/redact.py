"""Takes credentials out of text that people or files are going to see. Pure."""

import re

HIDDEN = "[hidden]"

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


def redact(text: str) -> str:
    """`text` with whatever looks like a credential replaced by `[hidden]`."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text
