"""The operator that orders many videos in one task."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_starvideos.api.models import REQUEST_FIELDS
from airflow_provider_starvideos.api.polling import DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT
from airflow_provider_starvideos.arguments import choice, failures_allowed, flag, positive_seconds, whole
from airflow_provider_starvideos.compat.shown_fields import HidesRenderedUrls
from airflow_provider_starvideos.deferral import backstop, deferrable_or_default, of_an_earlier_try
from airflow_provider_starvideos.exceptions import (
    StarVideosBatchError,
    StarVideosNotApprovedError,
    StarVideosQuestionError,
)
from airflow_provider_starvideos.failures import operator_failures
from airflow_provider_starvideos.locations import as_text
from airflow_provider_starvideos.operators.download import IF_EXISTS
from airflow_provider_starvideos.operators.found import NeedsFound
from airflow_provider_starvideos.operators.person import MOST_ORDERS, AsksPerson

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context, ObjectStoragePath

    from airflow_provider_starvideos.batch.batch import Batch
    from airflow_provider_starvideos.batch.delivery import Delivery
    from airflow_provider_starvideos.batch.plan import Plan
    from airflow_provider_starvideos.hooks.fixed import FixedHook
    from airflow_provider_starvideos.orders.person import Person
    from airflow_provider_starvideos.orders.record import Order, Row

LIBRARY_CHECKS = ("head",)
MAX_AT_ONCE = 64


class StarVideosBatchOperator(AsksPerson, HidesRenderedUrls, NeedsFound):
    """Orders a video for each of many requests, waits for all of them, and saves them. **Each order costs money.**

    All requests are checked before the first is ordered. Each is paid for once: a retry finds what earlier tries have
    ordered, row by row. Between ordering and saving no worker is held; the number of a task's runs on a worker doesn't
    grow with the number of rows, up to ``max_in_flight``.

    A request is a mapping of the request arguments of ``StarVideosCreateOperator``, or just a prompt; a row of a file
    has the same fields as columns. With ``destination``, ``name`` names the file (``<name>.mp4``, else the video's id).
    Request arguments beside ``requests`` are for the rows that don't give them.

    XComs besides the return value: ``counts`` (how many rows there are, in all and in each state, and what was billed,
    as far as the API said it), ``spending`` (over all tries), ``approved_by``, and with ``destination`` ``manifest``
    (the manifest's URI), else with ``library`` ``uris``. They are there also where the task then fails, unless it is
    refused before it begins to order (bad requests, a limit). Parameters about asking a person: ``AsksPerson``.

    :param requests: a list, a table (DataFrame), or a path or URI of a file of JSON, JSON Lines, CSV or Parquet
        (templated); it must render to the same all through a try
    :param destination: folder or storage URI that ends in ``/`` (``s3://bucket/videos/{{ ds }}/``), where the videos
        and the manifest (``manifest.jsonl``, and ``.parquet`` where pyarrow is there) are saved (templated). It may be
        a ``Path`` or an ``ObjectStoragePath``, and begin with ``~``
    :param library: folder or storage URI that ends in ``/``, of finished videos (templated). A request that was made
        before isn't ordered again: its row is ``reused``. What is new is ordered, and added. Without ``destination``,
        files stay there
    :param library_check: ``head``: an http(s) input is the same only if its host gives the same ``ETag`` and
        ``Last-Modified``. None: if its URL is the same. Inputs in stores are compared by their content
    :param variant: any text that makes requests different for the library (templated); for rows that don't give it
    :param reuse: False: all rows are ordered again, and replace their earlier videos in the library
    :param refresh: which rows are ordered again (templated): a pattern of their names such as ``shoe-*``, or of their
        prompts if they have no names; several with commas between them, or a list; ``*`` or True for all
    :param max_orders: orders of this task over all of its tries, 1 to 1000000; None: no limit. A task that would order
        more is refused before its first order, without retries. Each mapped task counts its own
    :param max_submit_concurrency: orders that are sent at once, 1 to 64; a crash makes at most as many unconfirmed
    :param max_in_flight: videos that are being made at once, 1 to 100000; the other rows are ordered as places get free
    :param max_failures: rows that may end without a video: a number from 0, or a share as a float, 0.0 to 1.0
    :param retry_failed: the task's next try orders rows again whose video failed
    :param on_unconfirmed: what to do with rows of unknown outcome. ``fail``: list them, and let a person decide with a
        Variable. ``resubmit``: order them again in the next try, and perhaps pay twice. ``ask``: once all other rows
        have ended, ask a person on Airflow's page of required actions (Airflow 3.1 and later)
    :param if_exists: ``overwrite``; ``skip``: leave a file that is there; ``error``: the row fails
    :param max_save_concurrency: videos that are saved at once, 1 to 64
    :param save_interval: seconds, more than 0, after which completed videos are saved while others are still made
    :param verify: False saves what comes without a check of its form, with a warning: for a container that is neither
        MP4 nor QuickTime. The number of bytes is still checked
    :param storage_conn_id: Airflow connection of the storage, of the requests' file too (templated)
    :param starvideos_conn_id: Airflow connection of type ``starvideos`` (templated)
    :param deferrable: wait in the triggerer, not on a worker. None: as ``[operators] default_deferrable`` of Airflow's
        configuration says, and True where that isn't set
    :param poll_interval: seconds between two polls of a video, more than 0; the vendor recommends 30 to 60 (page
        "Query Task")
    :param timeout: seconds that a video may take, more than 0
    :param prompt: and the other request arguments: for rows that don't give them
    :return: the manifest's URI with ``destination``; else the videos' ids in the order of the rows, None for a row
        without a video
    :raises AirflowFailException: an error that a retry can't fix: bad requests (all of them are listed), a refused
        key, no credit, too many rows refused or unconfirmed
    :raises StarVideosBatchError: too many rows without a video; the task's ``retries`` apply, and go on with them
    :raises ValueError: at Dag parse: an option of the operator's own is out of range
    """

    template_fields: Sequence[str] = (
        "requests",
        *REQUEST_FIELDS,
        "destination",
        "library",
        "variant",
        "refresh",
        "storage_conn_id",
        "starvideos_conn_id",
    )
    text_fields = template_fields
    template_fields_renderers: ClassVar[dict[str, str]] = {"requests": "json"}
    ui_color = "#f3e8ff"
    asks_about_rows = True

    def __init__(
        self,
        *,
        requests: Sequence[Mapping[str, Any] | str] | str,
        destination: str | PathLike[str] | ObjectStoragePath | None = None,
        max_orders: int | None = None,
        library: str | PathLike[str] | ObjectStoragePath | None = None,
        library_check: Literal["head"] | None = None,
        variant: str | None = None,
        reuse: bool = True,
        refresh: str | Sequence[str] | bool | None = None,
        max_submit_concurrency: int = 16,
        max_in_flight: int = 1000,
        max_failures: int | float = 0,
        retry_failed: bool = False,
        on_unconfirmed: Literal["fail", "resubmit", "ask"] = "fail",
        if_exists: Literal["overwrite", "skip", "error"] = "overwrite",
        max_save_concurrency: int = 4,
        save_interval: timedelta | float = 600,
        verify: bool = True,
        storage_conn_id: str | None = None,
        starvideos_conn_id: str = "starvideos_default",
        deferrable: bool | None = None,
        poll_interval: timedelta | float = DEFAULT_POLL_INTERVAL,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        prompt: str | None = None,
        duration: int | str | None = None,
        ratio: str | None = None,
        reference_images: Sequence[str] | str | None = None,
        first_image: str | None = None,
        last_image: str | None = None,
        reference_videos: Sequence[str] | str | None = None,
        model: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.requests = requests
        self.destination = as_text(destination, is_folder=True)
        self.max_orders = None if max_orders is None else whole("max_orders", max_orders, MOST_ORDERS)
        self.library = as_text(library, is_folder=True)
        self.library_check = None if library_check is None else choice("library_check", library_check, LIBRARY_CHECKS)
        self.variant = variant
        self.reuse = flag("reuse", reuse)
        self.refresh = refresh
        self.max_submit_concurrency = whole("max_submit_concurrency", max_submit_concurrency, MAX_AT_ONCE)
        self.max_in_flight = whole("max_in_flight", max_in_flight, 100_000)
        self.max_failures = failures_allowed(max_failures)
        self.retry_failed = flag("retry_failed", retry_failed)
        self.on_unconfirmed = self._checked_on_unconfirmed(on_unconfirmed)
        self.if_exists = choice("if_exists", if_exists, IF_EXISTS)
        self.max_save_concurrency = whole("max_save_concurrency", max_save_concurrency, MAX_AT_ONCE)
        self.save_interval = positive_seconds("save_interval", save_interval)
        self.verify = verify
        self.storage_conn_id = storage_conn_id
        self.starvideos_conn_id = starvideos_conn_id
        self.deferrable = deferrable_or_default(deferrable)
        self.poll_interval = positive_seconds("poll_interval", poll_interval)
        self.timeout = positive_seconds("timeout", timeout)
        self.prompt = prompt
        self.duration = duration
        self.ratio = ratio
        self.reference_images = reference_images
        self.first_image = first_image
        self.last_image = last_image
        self.reference_videos = reference_videos
        self.model = model
        self._stopping = False
        self._results: Sequence[tuple[Row, Order]] = ()
        self._fixed: FixedHook

    def execute(self, context: Context) -> Any:
        """Order, wait, save.

        :return: the manifest's URI, or the ids
        """
        with operator_failures(context=context), self._rejection():
            return self._begin(context)

    def execute_complete(self, context: Context, event: Any = None) -> Any:
        """Take the trigger's event, and go on.

        :param event: as ``triggers.batch`` writes it
        :return: the manifest's URI, or the ids
        """
        from airflow_provider_starvideos.triggers.batch import error_of, read

        with operator_failures(context=context), self._rejection():
            outcomes, ends, carry = read(event)
            if carry.pop("try_number", None) != context["ti"].try_number:
                return self._begin(context)  # Airflow gives a cleared task the event of its try before
            batch = self._batch(context)
            batch.resume(outcomes, ends, carry)
            if error := error_of(event):
                self._delivery(context, batch).give_up(error)
            return self._go_on(context, batch, self._person(context, carry=batch.carry))

    def execute_answered(self, context: Context, event: Any = None, asked: Mapping[str, Any] | None = None) -> Any:
        """Take a person's answer, and go on.

        :param event: as Airflow gives it
        :param asked: what this try has asked, as ``AsksPerson`` has put it down
        :return: the manifest's URI, or the ids
        """
        with operator_failures(context=context), self._rejection():
            asked = asked or {}
            if of_an_earlier_try(context, asked.get("try_number")):
                return self._begin(context)
            batch = self._batch(context)
            batch.resume_answered(asked.get("carry") or {})
            return self._go_on(context, batch, self._person(context, event, asked, batch.carry))

    def on_kill(self) -> None:
        """Order nothing more, and say that ordered videos go on."""
        self._stopping = True
        self.log.warning("StarVideos videos that were ordered can't be stopped: they go on, and are billed.")

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the lineage for OpenLineage, also of a failed batch: from the rows' inputs to videos and files."""
        from airflow_provider_starvideos import lineage

        inputs = (url for row, _ in self._results for url in row.request.inputs)
        videos = (order.video_id for _, order in self._results if order.has_video and order.video_id)
        files = {order.uri: order.size_bytes for _, order in self._results if order.uri}
        return lineage.of_batch(inputs, videos, files)

    def _begin(self, context: Context) -> Any:
        batch = self._batch(context)
        batch.begin()
        return self._go_on(context, batch, self._person(context, carry=batch.carry))

    def _go_on(self, context: Context, batch: Batch, person: Person) -> Any:
        from airflow_provider_starvideos.batch.poller import wait_here

        while True:
            batch.order()
            batch.save()
            plan = batch.plan()
            if plan is None:
                if self._asks(context, batch, person):
                    continue
                return self._delivery(context, batch).finish()
            what = "Waiting for %d StarVideos videos; %d of %d rows have ended."
            self.log.info(what, len(plan.videos), plan.done, plan.rows)
            if self.deferrable:
                self._defer(context, plan, batch)
            if self._stopping:
                raise StarVideosBatchError("The task's process is being ended. What was ordered stays on record.")
            outcomes, error = wait_here(plan, self.starvideos_conn_id, self._fixed.read_conn, self.log)
            self._fixed.renew()  # the key may have been exchanged meanwhile
            batch.take(outcomes)
            if error:
                self._delivery(context, batch).give_up(error)

    def _asks(self, context: Context, batch: Batch, person: Person) -> bool:
        """Ask a person, where only a person can decide; return whether there is more to do after the answer."""
        try:
            goes_on = batch.ask(person)
        except (StarVideosNotApprovedError, StarVideosQuestionError) as error:
            self._delivery(context, batch).give_up(error)
        self._push_approvers(context, batch.journal)
        return goes_on

    def _defer(self, context: Context, plan: Plan, batch: Batch) -> None:
        from airflow_provider_starvideos.triggers.batch import StarVideosBatchTrigger

        carry = batch.carry() | {"try_number": context["ti"].try_number}
        trigger = StarVideosBatchTrigger(plan.to_json(), self.starvideos_conn_id, carry)
        timeout = backstop(max((*plan.videos.values(), plan.resume_at or 0.0)) - time.time())
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timeout)

    def _delivery(self, context: Context, batch: Batch) -> Delivery:
        from airflow_provider_starvideos.batch.delivery import Delivery

        self._results = batch.results()
        return Delivery(self, context, batch)

    def _batch(self, context: Context) -> Batch:
        """Read and check the rows, and load the journal."""
        from airflow_provider_starvideos.batch.assembly import assemble
        from airflow_provider_starvideos.hooks.fixed import FixedHook

        self.require_found()
        self._fixed = FixedHook(self.starvideos_conn_id)
        return assemble(self, context, self._fixed, lambda: self._stopping)
