"""The StarVideos hook: an Airflow connection, and the calls of the API over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson
from airflow.providers.common.compat.sdk import AirflowNotFoundException, BaseHook

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.api import calls
from airflow_provider_starvideos.api.flow import Sleep, adrive, drive
from airflow_provider_starvideos.api.polling import DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT, Poll, Watch, watch
from airflow_provider_starvideos.api.protocol import check_video_id
from airflow_provider_starvideos.api.validation import read_request
from airflow_provider_starvideos.arguments import positive_seconds
from airflow_provider_starvideos.exceptions import (
    StarVideosAPIError,
    StarVideosAuthenticationError,
    StarVideosConfigurationError,
    StarVideosError,
    StarVideosNotFoundError,
    StarVideosUnconfirmedError,
)
from airflow_provider_starvideos.hooks.connection import CONN_TYPE, DEFAULT_CONN_ID, VENDOR_BASE_URL, endpoint_of
from airflow_provider_starvideos.hooks.form import connection_form_widgets, ui_field_behaviour
from airflow_provider_starvideos.hooks.missing import awhy_missing, why_missing
from airflow_provider_starvideos.hooks.renewal import Renewal

if TYPE_CHECKING:
    from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
    from airflow_provider_starvideos.api.protocol import Endpoint
    from airflow_provider_starvideos.clients.aio import AioClient
    from airflow_provider_starvideos.clients.sync import SyncClient
    from airflow_provider_starvideos.storage.fetch import FetchedFile

PROBE_VIDEO_ID = "video_starvideos_0000000000"
"""An id of the documented form that nobody has; asking for it costs nothing."""


class StarVideosHook(BaseHook):
    """Orders videos at StarVideos O3 and asks how they are.

    The methods without a prefix block; their twins with an ``a`` in front are awaited and leave the event loop free.

    :param starvideos_conn_id: Airflow connection of type ``starvideos``: its password is the API key, its host the
        base URL (empty: the vendor's), its extras ``timeout`` (seconds a request, 1 to 600), ``connect_timeout``
        (seconds, 0.1 to 120), ``max_retries`` (0 to 20), ``presign_seconds`` (60 to 604800), ``allow_http``,
        ``allow_private_downloads``, and ``skip_input_checks``: don't look before an order whether its inputs are at
        public addresses, and those in a bucket readable
    """

    conn_name_attr = "starvideos_conn_id"
    default_conn_name = DEFAULT_CONN_ID
    conn_type = CONN_TYPE
    hook_name = "StarVideos"

    def __init__(self, starvideos_conn_id: str = DEFAULT_CONN_ID, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.starvideos_conn_id = starvideos_conn_id

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Return the form's fields, for Airflow 3.0 and 3.1; later ones read them from the provider info."""
        return connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return hidden and renamed fields of the form, for Airflow 3.0 and 3.1."""
        return ui_field_behaviour()

    # -- the connection

    def get_conn(self) -> Endpoint:
        """Return the endpoint that the connection describes.

        :raises StarVideosConfigurationError: the connection can't be used; lists every problem of it
        """
        try:
            connection = self.get_connection(self.starvideos_conn_id)
        except AirflowNotFoundException as error:
            raise why_missing(self.starvideos_conn_id) from error
        return endpoint_of(connection, connection.extra_dejson)

    async def aget_conn(self) -> Endpoint:
        """Return the endpoint that the connection describes, without blocking the loop.

        :raises StarVideosConfigurationError: the connection can't be used; lists every problem of it
        """
        try:
            connection = await get_async_connection(self.starvideos_conn_id, hook=self)
        except AirflowNotFoundException as error:
            raise await awhy_missing(self.starvideos_conn_id) from error
        return endpoint_of(connection, await get_async_extra_dejson(connection))

    # -- blocking calls, for workers

    def create_video(self, **request: Any) -> VideoTask:
        """Order a video. **This costs money** once the API accepts it.

        Sent again only where it provably wasn't accepted: never connected, 429, 503.

        :param request: ``prompt`` and the other request arguments of ``StarVideosCreateOperator``
        :return: the video, mostly ``queued``
        :raises StarVideosValidationError: the request breaks a rule; nothing was sent
        :raises StarVideosUnconfirmedError: it may or may not have been accepted
        :raises StarVideosError: it was not accepted, for that reason
        """
        checked, endpoint = read_request(request), self.get_conn()
        with self._counted(checked):
            return self.submit(self.with_signed_inputs(checked, endpoint), endpoint)

    def submit(self, request: VideoRequest, endpoint: Endpoint) -> VideoTask:
        """Order a video whose request is ready to be sent. **This costs money**; see ``create_video``.

        :param request: made by ``api.validation.build_request``, with presigned inputs
        :param endpoint: where to
        """
        with self._transport() as transport:
            return transport.run(calls.create(endpoint, request))

    @contextmanager
    def _counted(self, request: VideoRequest) -> Iterator[None]:
        try:
            yield
        except StarVideosUnconfirmedError:
            metrics.count("unconfirmed", self.starvideos_conn_id, mode=request.mode)
            raise
        metrics.count("ordered", self.starvideos_conn_id, mode=request.mode)

    @staticmethod
    def with_signed_inputs(request: VideoRequest, endpoint: Endpoint) -> VideoRequest:
        """Return an order whose inputs the API can read: those in a store get presigned URLs.

        :raises StarVideosValidationError: one can't be read by the API
        :raises StarVideosStorageError: a store can't be asked now
        """
        if not request.inputs:
            return request
        from airflow_provider_starvideos.storage.inputs import readable

        return readable(request, endpoint)

    def get_video(self, video_id: str) -> VideoTask:
        """Ask for a video; again on connection errors, 429, 5xx and the like.

        :param video_id: the API's id
        :return: the video as it is now
        :raises StarVideosValidationError: ``video_id`` can't be an id
        :raises StarVideosError: it can't be told, for that reason
        """
        with self._transport() as transport:
            return transport.run(calls.query(self.get_conn(), check_video_id(video_id)))

    def poll_video(self, video_id: str) -> VideoTask:
        """Ask for a video, once: for a caller that comes back anyway.

        :param video_id: the API's id
        :return: the video as it is now
        :raises StarVideosValidationError: ``video_id`` can't be an id
        :raises StarVideosError: it can't be told, for that reason
        """
        with self._transport() as client:
            return client.run(calls.poll(self.get_conn(), check_video_id(video_id)))

    def wait_for_video(
        self, video_id: str, *, poll_interval: float = DEFAULT_POLL_INTERVAL, timeout: float = DEFAULT_TIMEOUT
    ) -> VideoTask:
        """Block until a video is completed. A poll that fails doesn't fail the wait, and an exchanged key is picked up.

        :param video_id: the API's id
        :param poll_interval: seconds between two polls; the vendor recommends 30 to 60 (page "Query Task")
        :param timeout: seconds until the wait has failed
        :return: the completed video
        :raises ValueError: ``poll_interval`` or ``timeout`` isn't a positive time
        :raises StarVideosVideoFailedError: the video failed
        :raises StarVideosWaitTimeoutError: it wasn't ready in time; it goes on
        :raises StarVideosError: it can't be told, for that reason
        """
        flow = _watch(video_id, poll_interval, timeout)
        renewal = Renewal(self.starvideos_conn_id, self.log)
        renewal.read(self.get_conn)  # one that can't be used ends no wait, it begins none
        with self._transport() as client:

            def perform(step: Poll | Sleep) -> Any:
                if isinstance(step, Poll):
                    return renewal.poll(client, step.video_id, self.get_conn)
                return client.perform(step)

            return drive(flow, perform)

    def download_video(self, video_id: str, path: str | Path, *, verify: bool = True) -> FetchedFile:
        """Save a completed video to a local file, whole and checked, in place of one that is there; or not at all.

        :param video_id: the API's id
        :param path: the local file; ``~`` is the home directory
        :param verify: False saves what comes without a check of its form, for a container that isn't MP4 or QuickTime
        :return: its ``path``, ``size_bytes``, ``sha256`` and ``content_type``
        :raises StarVideosVideoFailedError: the video failed
        :raises StarVideosNotReadyError: the video isn't completed
        :raises StarVideosDownloadError: it can't be fetched whole, or not be written
        :raises StarVideosError: the API can't be asked for its URL, for that reason
        """
        from airflow_provider_starvideos.storage.saving import save_to_path

        return save_to_path(self, check_video_id(video_id), path, verify=verify)

    def _transport(self) -> SyncClient:
        from airflow_provider_starvideos.clients.sync import SyncClient

        return SyncClient(log=self.log)

    # -- their awaited twins

    async def acreate_video(self, **request: Any) -> VideoTask:
        """Order a video, as ``create_video`` does. **This costs money** once the API accepts it.

        :param request: ``prompt`` and the other request arguments of ``StarVideosCreateOperator``
        :return: the video, mostly ``queued``
        :raises StarVideosError: the errors of ``create_video``
        """
        checked, endpoint = read_request(request), await self.aget_conn()
        signed = await asyncio.to_thread(self.with_signed_inputs, checked, endpoint)
        async with self._async_transport() as transport:
            with self._counted(checked):
                return await transport.run(calls.create(endpoint, signed))

    async def aget_video(self, video_id: str) -> VideoTask:
        """Ask for a video, as ``get_video`` does.

        :param video_id: the API's id
        :return: the video as it is now
        :raises StarVideosError: the errors of ``get_video``
        """
        checked = check_video_id(video_id)
        async with self._async_transport() as transport:
            return await transport.run(calls.query(await self.aget_conn(), checked))

    async def await_for_video(
        self, video_id: str, *, poll_interval: float = DEFAULT_POLL_INTERVAL, timeout: float = DEFAULT_TIMEOUT
    ) -> VideoTask:
        """Wait until a video is completed, as ``wait_for_video`` does.

        :param video_id: the API's id
        :param poll_interval: seconds between two polls; the vendor recommends 30 to 60 (page "Query Task")
        :param timeout: seconds until the wait has failed
        :return: the completed video
        :raises StarVideosError: the errors of ``wait_for_video``
        """
        flow = _watch(video_id, poll_interval, timeout)
        renewal = Renewal(self.starvideos_conn_id, self.log)
        await renewal.aread(self.aget_conn)
        async with self._async_transport() as client:

            async def perform(step: Poll | Sleep) -> Any:
                if isinstance(step, Poll):
                    return await renewal.apoll(client, step.video_id, lambda: renewal.aread(self.aget_conn))
                return await client.perform(step)

            return await adrive(flow, perform)

    async def adownload_video(self, video_id: str, path: str | Path, *, verify: bool = True) -> FetchedFile:
        """Save a completed video to a local file, as ``download_video`` does, in a thread.

        :param video_id: the API's id
        :param path: the local file
        :param verify: False: save whatever comes
        :return: its ``path``, ``size_bytes``, ``sha256`` and ``content_type``
        :raises StarVideosError: the errors of ``download_video``
        """
        from airflow_provider_starvideos.hooks.fixed import FixedHook

        fixed = FixedHook(self.starvideos_conn_id, await self.aget_conn())
        return await asyncio.to_thread(fixed.download_video, video_id, path, verify=verify)

    def _async_transport(self) -> AioClient:
        from airflow_provider_starvideos.clients.aio import AioClient

        return AioClient(log=self.log)

    # -- the form's test button

    def test_connection(self) -> tuple[bool, str]:
        """Ask the API for a video that doesn't exist, which costs nothing, and tell what came back.

        :return: whether the connection looks usable, and what was found out
        """
        try:
            endpoint = self.get_conn()
            with self._transport() as transport:
                transport.run(calls.poll(endpoint, PROBE_VIDEO_ID))
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
        except StarVideosAuthenticationError as error:
            return False, str(error)
        except StarVideosConfigurationError as error:
            return False, str(error)
        except StarVideosAPIError as error:
            return False, f"There is a server, but it didn't answer as StarVideos does. {error}"
        except StarVideosError as error:
            return False, str(error)
        return True, f"The API at {endpoint.base_url} accepted the key. No video was ordered."


def _watch(video_id: str, poll_interval: float, timeout: float) -> Watch:
    interval, seconds = positive_seconds("poll_interval", poll_interval), positive_seconds("timeout", timeout)
    return watch(check_video_id(video_id), poll_interval=interval, end_time=time.time() + seconds)
