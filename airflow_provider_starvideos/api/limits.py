"""How long one order's video may be: the connection's ``max_seconds_per_order``, which no Dag can exceed."""

from __future__ import annotations

from airflow_provider_starvideos.api.models import VideoRequest
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import StarVideosLimitError

LONGEST_CLIP = 10  # seconds (page "Create Task"); a video that follows a clip gets as long as that


def length_problem(seconds: int | None, connection: str, endpoint: Endpoint) -> str:
    """Return which limit a video would exceed; empty: none.

    :param seconds: as ordered; None: as long as its clip, whose length isn't known before the order
    """
    most = endpoint.max_seconds_per_order
    if most is None or (LONGEST_CLIP if seconds is None else seconds) <= most:
        return ""
    length = f"as long as its clip, up to {LONGEST_CLIP} s" if seconds is None else f"{seconds} s long"
    return f"a video {length}; the connection {connection!r} allows {most} s (max_seconds_per_order)"


def check_length(request: VideoRequest, connection: str, endpoint: Endpoint) -> None:
    """Refuse an order of a video that is too long.

    :raises StarVideosLimitError: it is, or may be; nothing was sent
    """
    if problem := length_problem(request.seconds, connection, endpoint):
        raise StarVideosLimitError([problem])
