"""What the *Test* button of a connection's form says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosError,
    StarVideosNotFoundError,
)
from airflow_provider_starvideos.hooks.connection import VENDOR_BASE_URL

if TYPE_CHECKING:
    from airflow_provider_starvideos.clients.sync import SyncClient

PROBE_VIDEO_ID = "video_starvideos_0000000000"  # in the documented form; no such video exists, so a poll of it is free


def probe(get_conn: Callable[[], Endpoint], new_client: Callable[[], SyncClient]) -> tuple[bool, str]:
    """Poll a video that doesn't exist, which costs nothing.

    :return: whether the connection can be used, and a message about it
    """
    try:
        endpoint = get_conn()
        with new_client() as client:
            client.run(calls.poll(endpoint, PROBE_VIDEO_ID))
    except StarVideosNotFoundError as error:
        if error.names_video:
            return True, (
                f"The StarVideos API at {endpoint.base_url} answered and did not refuse the key. "
                "No video was ordered, nothing is billed."
            )
        return False, (
            "There is a server, but no StarVideos API at this base URL. Set the connection's host to everything "
            f"before /v1/, as in {VENDOR_BASE_URL}. {error}"
        )
    except StarVideosError as error:
        is_foreign = isinstance(error, StarVideosAPIError) and not isinstance(error, StarVideosAuthenticationError)
        what = "There is a server, but it didn't answer as StarVideos does. " if is_foreign else ""
        return False, f"{what}{error}"
    return True, f"The API at {endpoint.base_url} accepted the key. No video was ordered."
