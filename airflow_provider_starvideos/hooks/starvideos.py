"""The StarVideos hook: the calls of the API over an Airflow connection."""

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
from airflow_provider_starvideos.api.limits import check_length
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
from airflow_provider_starvideos.api.polling import DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT, Poll, Watch, watch
from airflow_provider_starvideos.api.protocol import Endpoint, check_video_id
from airflow_provider_starvideos.api.validation import read_request
from airflow_provider_starvideos.arguments import positive_seconds
from airflow_provider_starvideos.exceptions import StarVideosUnconfirmedError
from airflow_provider_starvideos.hooks.connection import CONN_TYPE, DEFAULT_CONN_ID, endpoint_of
from airflow_provider_starvideos.hooks.form import FIELD_BEHAVIOUR, connection_form_widgets
from airflow_provider_starvideos.hooks.missing import awhy_missing, why_missing
from airflow_provider_starvideos.hooks.probe import probe
from airflow_provider_starvideos.hooks.renewal import Renewal

if TYPE_CHECKING:
    from airflow_provider_starvideos.clients.aio import AioClient
    from airflow_provider_starvideos.clients.sync import SyncClient
    from airflow_provider_starvideos.storage.fetch import FetchedFile


class StarVideosHook(BaseHook):
    """Orders videos at StarVideos O3, polls and saves them.

    Methods without the prefix ``a`` block. Those with it are awaited, and leave the event loop free.

    :param starvideos_conn_id: Airflow connection of type ``starvideos``. Its password is the API key, its host the base
        URL (empty: the vendor's). Its extras: ``timeout`` (seconds per request, 1 to 600), ``connect_timeout``
        (seconds, 0.1 to 120), ``max_retries`` (0 to 20), ``presign_seconds`` (60 to 604800), ``allow_http``,
        ``allow_private_downloads``, ``skip_input_checks`` (order without checking that the API can read the inputs),
        ``max_orders_per_task`` (0 to 1000000: orders of a task instance over all of its tries, at most; the hook's own
        methods don't count), ``max_seconds_per_order`` (1 to 3600: a longer video isn't ordered)
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
        """Return the form's fields, for Airflow 3.0 and 3.1. Later versions read them from the provider info."""
        return connection_form_widgets()

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Return hidden and renamed fields of the form, for Airflow 3.0 and 3.1."""
        return dict(FIELD_BEHAVIOUR)

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
        """Return the endpoint that the connection describes, as ``get_conn`` does, without blocking the loop."""
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
        :raises StarVideosLimitError: its video is longer than the connection allows; nothing was sent
        :raises StarVideosUnconfirmedError: it may or may not have been accepted
        :raises StarVideosError: it was not accepted, for that reason
        """
        checked, endpoint = read_request(request), self.get_conn()
        check_length(checked, self.starvideos_conn_id, endpoint)
        with self._counted(checked):
            return self.submit(self.with_signed_inputs(checked, endpoint), endpoint)

    def submit(self, request: VideoRequest, endpoint: Endpoint) -> VideoTask:
        """Order a video, checked and with presigned inputs, as ``create_video`` does. **This costs money.**"""
        with self._client() as client:
            return client.run(calls.create(endpoint, request))

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

        :raises StarVideosValidationError: the API can't read one
        :raises StarVideosStorageError: a store doesn't answer now
        """
        if not request.inputs:
            return request
        from airflow_provider_starvideos.storage.inputs import sign_inputs

        return sign_inputs(request, endpoint)

    def get_video(self, video_id: str) -> VideoTask:
        """Return a video's status. Repeats the request after connection errors, 429 and 5xx.

        :param video_id: the API's id
        :return: the video as it is now
        :raises StarVideosValidationError: ``video_id`` can't be an id
        :raises StarVideosError: the API gave no status, for that reason
        """
        with self._client() as client:
            return client.run(calls.query(self.get_conn(), check_video_id(video_id)))

    def poll_video(self, video_id: str) -> VideoTask:
        """Return a video's status as ``get_video`` does, but with one request: the caller polls again anyway."""
        with self._client() as client:
            return client.run(calls.poll(self.get_conn(), check_video_id(video_id)))

    def wait_for_video(
        self, video_id: str, *, poll_interval: float = DEFAULT_POLL_INTERVAL, timeout: float = DEFAULT_TIMEOUT
    ) -> VideoTask:
        """Block until a video is completed. A failed poll doesn't fail the wait, and a new key is used.

        :param video_id: the API's id
        :param poll_interval: seconds between two polls; the vendor recommends 30 to 60 (page "Query Task")
        :param timeout: seconds until the wait has failed
        :return: the completed video
        :raises ValueError: ``poll_interval`` or ``timeout`` isn't a positive time
        :raises StarVideosVideoFailedError: the video failed
        :raises StarVideosWaitTimeoutError: it wasn't ready in time; it goes on
        :raises StarVideosError: the API gave no status for too long, or refuses to
        """
        flow = _watch(video_id, poll_interval, timeout)
        renewal = Renewal(self.starvideos_conn_id, self.log)
        renewal.read(self.get_conn)  # a connection that can't be used is an error at once
        with self._client() as client:

            def perform(step: Poll | Sleep) -> Any:
                if isinstance(step, Poll):
                    return renewal.poll(client.run, step.video_id, self.get_conn)
                return client.perform(step)

            return drive(flow, perform)

    def download_video(self, video_id: str, path: str | Path, *, verify: bool = True) -> FetchedFile:
        """Save a completed video to a local file, whole and checked, or not at all. An earlier file is replaced.

        :param video_id: the API's id
        :param path: the local file; ``~`` is the home directory
        :param verify: False: don't check the form, for a container that isn't MP4 or QuickTime
        :return: its ``path``, ``size_bytes``, ``sha256`` and ``content_type``
        :raises StarVideosVideoFailedError: the video failed
        :raises StarVideosNotReadyError: the video isn't completed
        :raises StarVideosDownloadError: it can't be fetched whole, or can't be written
        :raises StarVideosError: the API gave no URL, for that reason
        """
        from airflow_provider_starvideos.storage.saving import save_to_path

        return save_to_path(self, check_video_id(video_id), path, verify=verify)

    def _client(self) -> SyncClient:
        from airflow_provider_starvideos.clients.sync import SyncClient

        return SyncClient(log=self.log)

    # -- awaited calls, for the triggerer

    async def acreate_video(self, **request: Any) -> VideoTask:
        """Order a video, as ``create_video`` does. **This costs money** once the API accepts it.

        :param request: ``prompt`` and the other request arguments of ``StarVideosCreateOperator``
        :return: the video, mostly ``queued``
        :raises StarVideosError: the errors of ``create_video``
        """
        checked, endpoint = read_request(request), await self.aget_conn()
        check_length(checked, self.starvideos_conn_id, endpoint)
        signed = await asyncio.to_thread(self.with_signed_inputs, checked, endpoint)
        async with self._async_client() as client:
            with self._counted(checked):
                return await client.run(calls.create(endpoint, signed))

    async def aget_video(self, video_id: str) -> VideoTask:
        """Return a video's status, as ``get_video`` does.

        :param video_id: the API's id
        :return: the video as it is now
        :raises StarVideosError: the errors of ``get_video``
        """
        checked = check_video_id(video_id)
        async with self._async_client() as client:
            return await client.run(calls.query(await self.aget_conn(), checked))

    async def await_for_video(
        self, video_id: str, *, poll_interval: float = DEFAULT_POLL_INTERVAL, timeout: float = DEFAULT_TIMEOUT
    ) -> VideoTask:
        """Wait until a video is completed, as ``wait_for_video`` does.

        :param video_id: the API's id
        :param poll_interval: seconds between two polls
        :param timeout: seconds until the wait has failed
        :return: the completed video
        :raises StarVideosError: the errors of ``wait_for_video``
        """
        flow = _watch(video_id, poll_interval, timeout)
        renewal = Renewal(self.starvideos_conn_id, self.log)
        await renewal.aread(self.aget_conn)
        async with self._async_client() as client:

            async def perform(step: Poll | Sleep) -> Any:
                if isinstance(step, Poll):
                    return await renewal.apoll(client.run, step.video_id, lambda: renewal.aread(self.aget_conn))
                return await client.perform(step)

            return await adrive(flow, perform)

    async def adownload_video(self, video_id: str, path: str | Path, *, verify: bool = True) -> FetchedFile:
        """Save a completed video to a local file, as ``download_video`` does, in a thread.

        :param video_id: the API's id
        :param path: the local file
        :param verify: False: don't check the form
        :return: its ``path``, ``size_bytes``, ``sha256`` and ``content_type``
        :raises StarVideosError: the errors of ``download_video``
        """
        from airflow_provider_starvideos.hooks.fixed import FixedHook

        fixed = FixedHook(self.starvideos_conn_id, await self.aget_conn())
        return await asyncio.to_thread(fixed.download_video, video_id, path, verify=verify)

    def _async_client(self) -> AioClient:
        from airflow_provider_starvideos.clients.aio import AioClient

        return AioClient(log=self.log)

    # -- the form's test button

    def test_connection(self) -> tuple[bool, str]:
        """Poll a video that doesn't exist, which costs nothing.

        :return: whether the connection can be used, and a message about it
        """
        return probe(self.get_conn, self._client)


def _watch(video_id: str, poll_interval: float, timeout: float) -> Watch:
    interval, seconds = positive_seconds("poll_interval", poll_interval), positive_seconds("timeout", timeout)
    return watch(check_video_id(video_id), poll_interval=interval, end_time=time.time() + seconds)
