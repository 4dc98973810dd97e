"""What all waits of one triggerer share: a pool of kept-alive connections for each event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from airflow_provider_starvideos.api.calls import query
from airflow_provider_starvideos.api.models import VideoTask
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.exceptions import StarVideosConnectionError, StarVideosError
from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
from airflow_provider_starvideos.transports.aio import AioTransport


@dataclass
class _Shared:
    transport: AioTransport = field(default_factory=AioTransport)
    users: int = 0


_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Shared] = WeakKeyDictionary()


@asynccontextmanager
async def shared_transport() -> AsyncIterator[AioTransport]:
    """Give the running loop's transport, for as long as a wait lasts; the last wait to leave closes it."""
    loop = asyncio.get_running_loop()
    shared = _by_loop.setdefault(loop, _Shared())
    shared.users += 1
    try:
        yield shared.transport
    finally:
        shared.users -= 1
        if shared.users == 0:
            _by_loop.pop(loop, None)
            await shared.transport.__aexit__(None, None, None)


async def look(transport: AioTransport, video_id: str, conn_id: str) -> VideoTask:
    """Ask once for a video.

    :param transport: from ``shared_transport``
    :param video_id: the API's id
    :param conn_id: Airflow connection of type ``starvideos``
    :raises StarVideosError: it can't be told, for that reason
    """
    endpoint = await _endpoint(conn_id)
    return await transport.run(query(endpoint, video_id, max_retries=0))


async def _endpoint(conn_id: str) -> Endpoint:
    try:
        return await StarVideosHook(conn_id).aget_conn()
    except StarVideosError:
        raise
    except Exception as error:
        # Whatever keeps a triggerer from reading a connection (the api-server restarts, say) will pass.
        what = f"Can't read the connection {conn_id!r}: {type(error).__name__}: {error}"
        raise StarVideosConnectionError(what, sent=False) from error
