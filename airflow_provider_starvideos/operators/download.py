"""The operator that saves a video."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal

from airflow.providers.common.compat.sdk import Asset, BaseOperator

from airflow_provider_starvideos.api.polling import DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT
from airflow_provider_starvideos.arguments import choice, positive_seconds, whole
from airflow_provider_starvideos.deferral import (
    announce,
    defer,
    deferrable_or_default,
    of_an_earlier_try,
    usable_video_id,
)
from airflow_provider_starvideos.failures import follower_failures
from airflow_provider_starvideos.locations import as_text

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_starvideos.storage.saving import SavedVideo

IF_EXISTS = ("overwrite", "skip", "error")
MAX_BYTES = 10 * 1024**3
MOST_BYTES = 1024**4
ASSET_REFERENCES = ("AssetNameRef", "AssetUriRef")  # what Asset.ref() returns; Airflow doesn't export them


class StarVideosDownloadOperator(BaseOperator):
    """Saves a completed video to a disk or an object store: whole and checked, or not at all.

    It asks the API first, so the temporary URL is always fresh. The key never goes to the host of that URL, and a host
    inside your network is refused unless it is the API's own or the connection says ``allow_private_downloads``.

    Besides the return value it pushes the XComs ``video_id``, ``size_bytes``, ``sha256`` and ``content_type``; events
    of the task's ``outlets`` carry them too, with duration, model and source.

    :param video_id: the API's id, for example ``wait.output`` (templated). A mapped task whose id is None is skipped
    :param destination: a path or a storage URI (``s3://bucket/videos/{{ ds }}/``); one that ends in ``/`` is a folder,
        for ``<video_id>.mp4`` (templated). It may be a ``Path`` or an ``ObjectStoragePath``, which is a folder unless
        its name has a suffix, and begin with ``~``
    :param if_exists: ``overwrite``; ``skip``: leave the file that is there, and succeed; ``error``: fail
    :param storage_conn_id: Airflow connection of the storage (templated)
    :param starvideos_conn_id: Airflow connection of type ``starvideos`` (templated)
    :param wait_for_completion: wait for the video first; otherwise one that isn't completed is an error
    :param deferrable: wait in the triggerer, not on a worker. None: as ``[operators] default_deferrable`` of Airflow's
        configuration says, and True where that isn't set
    :param poll_interval: seconds between two polls, more than 0; the vendor recommends 30 to 60 (page "Query Task")
    :param timeout: seconds that a wait may last, more than 0
    :param max_bytes: largest video that is fetched, in bytes
    :param verify: False saves what comes without a check of its form, with a warning: for a container that is neither
        MP4 nor QuickTime. The number of bytes is still checked
    :return: the URI that was written
    :raises AirflowFailException: an error that a retry can't fix
    :raises StarVideosError: any other; the task's ``retries`` apply
    :raises ValueError: at Dag parse: an option of the operator's own is out of range
    """

    template_fields: Sequence[str] = ("video_id", "destination", "storage_conn_id", "starvideos_conn_id")
    ui_color = "#e8f3ff"

    def __init__(
        self,
        *,
        video_id: str,
        destination: str | PathLike[str] | ObjectStoragePath,
        if_exists: Literal["overwrite", "skip", "error"] = "overwrite",
        storage_conn_id: str | None = None,
        starvideos_conn_id: str = "starvideos_default",
        wait_for_completion: bool = False,
        deferrable: bool | None = None,
        poll_interval: timedelta | float = DEFAULT_POLL_INTERVAL,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        max_bytes: int = MAX_BYTES,
        verify: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.video_id = video_id
        self.destination = as_text(destination)
        self.if_exists = choice("if_exists", if_exists, IF_EXISTS)
        self.storage_conn_id = storage_conn_id
        self.starvideos_conn_id = starvideos_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable_or_default(deferrable)
        self.poll_interval = positive_seconds("poll_interval", poll_interval)
        self.timeout = positive_seconds("timeout", timeout)
        self.max_bytes = whole("max_bytes", max_bytes, MOST_BYTES)
        self.verify = verify
        self._saved: SavedVideo | None = None

    def execute(self, context: Context) -> str:
        """Save the video, after a wait if asked to."""
        from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

        with follower_failures(self.starvideos_conn_id, context):
            self.video_id = usable_video_id(self.video_id, context)
            if not self.wait_for_completion:
                return self._save(context)
            self._check_folder()
            hook = StarVideosHook(self.starvideos_conn_id)
            task = hook.get_video(self.video_id)
            if self.deferrable and not (task.is_completed or task.is_failed):
                return defer(self, context, self.video_id, poll_interval=self.poll_interval, timeout=self.timeout)
            if not self.deferrable:
                announce(self, self.video_id, self.timeout)
                hook.wait_for_video(self.video_id, poll_interval=self.poll_interval, timeout=self.timeout)
            return self._save(context)

    def execute_complete(self, context: Context, event: Any = None, try_number: int | None = None) -> str:
        """Take the trigger's event, and save the video.

        :param try_number: of the try that began the wait
        """
        from airflow_provider_starvideos.triggers import events

        if of_an_earlier_try(context, try_number):
            return self.execute(context)
        with follower_failures(self.starvideos_conn_id, context):
            self.video_id = events.read(event).id
            return self._save(context)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the lineage for OpenLineage: from the video at the API to the file."""
        from airflow_provider_starvideos import lineage

        return lineage.of_download(self._saved)

    def _check_folder(self) -> None:
        """Find a folder that can't be written before the wait, not after it."""
        from airflow_provider_starvideos.locations import located
        from airflow_provider_starvideos.storage.destinations import Destination

        if "://" not in located(self.destination):
            Destination(self.destination, self.video_id).check()

    def _save(self, context: Context) -> str:
        from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
        from airflow_provider_starvideos.storage import receipts
        from airflow_provider_starvideos.storage.destinations import Destination
        from airflow_provider_starvideos.storage.fetch import Limits
        from airflow_provider_starvideos.storage.saving import save

        destination = Destination(self.destination, self.video_id, self.storage_conn_id)
        clears = (getattr(context["ti"], "max_tries", 0) or 0) - (self.retries or 0)  # each clear adds retries + 1
        saved = receipts.recall(context, destination, self.video_id, clears)
        if saved:
            self.log.info("An earlier try has saved the video to %s: it isn't downloaded again.", saved.uri)
        else:
            saved = save(
                StarVideosHook(self.starvideos_conn_id),
                self.video_id,
                destination,
                if_exists=self.if_exists,
                limits=Limits(max_bytes=self.max_bytes, verify=self.verify),
                log=self.log,
            )
            receipts.keep(context, saved, clears, self.log)
        self._saved = saved
        self._tell(context, saved)
        return saved.uri

    def _tell(self, context: Context, saved: SavedVideo) -> None:
        facts: dict[str, Any] = {
            "video_id": saved.task.id,
            "size_bytes": saved.size_bytes,
            "sha256": saved.sha256,
            "content_type": saved.content_type,
        }
        for key, value in facts.items():
            context["ti"].xcom_push(key=key, value=value)
        source = {"dag_id": context["ti"].dag_id, "task_id": context["ti"].task_id, "run_id": context["ti"].run_id}
        more = {"uri": saved.uri, "duration": saved.task.actual_duration, "model": saved.task.model, "source": source}
        for outlet in filter(_is_asset, self.outlets):
            try:
                context["outlet_events"][outlet].extra.update(facts | more)
            except Exception as error:  # noqa: BLE001  the file is saved; an event with fewer facts is no failure
                self.log.warning("The event of %s doesn't describe the saved file: %s", outlet, error)


def _is_asset(outlet: Any) -> bool:
    """Return whether an outlet has an event of its own. Others are for lineage, or name assets that others add."""
    return isinstance(outlet, Asset) or type(outlet).__name__ in ASSET_REFERENCES
