"""URLs without their signatures: two presigned URLs of one object name the same input."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

SIGNING_PARAMETERS = re.compile(
    r"x-amz-.*|x-goog-.*|awsaccesskeyid|googleaccessid|signature|expires|policy|key-pair-id"  # S3, GCS, CloudFront
    r"|sig|se|st|sp|sv|sr|spr|sip|sks|ske|skt|skv|skoid|sktid",  # Azure's shared access signatures
    re.IGNORECASE,
)
SIGNATURES = frozenset({"x-amz-signature", "x-goog-signature", "signature", "sig"})


def unsigned(url: str) -> str:
    """Return a presigned URL without what signing added to it; any other URL as it is."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        return url
    if not any(name.lower() in SIGNATURES for name, _ in query):
        return url
    kept = [(name, value) for name, value in query if not SIGNING_PARAMETERS.fullmatch(name)]
    return urlunsplit(parts._replace(query=urlencode(kept)))
