"""Result URLs: signed, temporary, and revocable. Decides which of them work."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
import time
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlencode

PATH = "/files/{video_id}.mp4"


class Links:
    """Signs result URLs and checks them. No two URLs are equal, as with presigned storage URLs."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._numbers = itertools.count(1)
        self._revoked: set[str] = set()

    def make(self, origin: str, video_id: str, ttl: float) -> str:
        """Return a URL that works for some time.

        :param origin: ``http://host:port``.
        :param video_id: whose file.
        :param ttl: how long it works, seconds.
        """
        expires = f"{time.time() + ttl:.3f}"
        nonce = str(next(self._numbers))
        query = {"expires": expires, "nonce": nonce, "signature": self._sign(video_id, expires, nonce)}
        return f"{origin}{PATH.format(video_id=video_id)}?{urlencode(query)}"

    def check(self, video_id: str, query: Mapping[str, str]) -> Literal["good", "forged", "expired"]:
        """Return whether a URL with this query may fetch a video."""
        expires, nonce = query.get("expires", ""), query.get("nonce", "")
        given = query.get("signature", "")
        wanted = self._sign(video_id, expires, nonce)
        if not hmac.compare_digest(wanted.encode(), given.encode(errors="replace")):
            return "forged"
        return "expired" if given in self._revoked or time.time() >= float(expires) else "good"

    def revoke(self, query: Mapping[str, str]) -> None:
        """Make a URL expire now."""
        self._revoked.add(query.get("signature", ""))

    def clear(self) -> None:
        """Forget what was revoked, and every URL with it."""
        self._secret = secrets.token_bytes(32)
        self._revoked.clear()

    def _sign(self, video_id: str, expires: str, nonce: str) -> str:
        signed = f"{video_id}\n{expires}\n{nonce}".encode(errors="replace")
        return hmac.new(self._secret, signed, hashlib.sha256).hexdigest()
