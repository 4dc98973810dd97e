"""The operator that orders a video."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from airflow_provider_starvideos.api.models import MODEL, REQUEST_FIELDS
from airflow_provider_starvideos.api.polling import DEFAULT_POLL_INTERVAL, DEFAULT_TIMEOUT
from airflow_provider_starvideos.arguments import flag, positive_seconds
from airflow_provider_starvideos.compat.shown_fields import HidesRenderedUrls
from airflow_provider_starvideos.deferral import announce, defer, deferrable_or_default, of_an_earlier_try, push_result
from airflow_provider_starvideos.failures import operator_failures
from airflow_provider_starvideos.operators.found import NeedsFound
from airflow_provider_starvideos.operators.person import AsksPerson

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_starvideos.api.models import VideoRequest, VideoTask
    from airflow_provider_starvideos.orders.journal import Journal
    from airflow_provider_starvideos.orders.person import Person


class StarVideosCreateOperator(AsksPerson, HidesRenderedUrls, NeedsFound):
    """Orders a video at StarVideos O3, and waits for it if asked to. **Every accepted order costs money.**

    The inputs make the mode: none (text to video), images, first and last frame, a clip, or a clip with images. All
    of them are templated, and an empty text or None is "not given". The rules are the API's (page "Create Task"); a
    request that breaks one fails the task at once, with every problem, before anything is sent.

    Besides the return value it pushes the XComs ``video_id`` and ``spending`` (what the task has ordered over all
    tries) as soon as the API has accepted, and once completed ``video_url`` (temporary), ``actual_duration`` (seconds)
    and ``amount`` (what was billed, a decimal as text; None where the API doesn't say it). ``approved_by`` says who
    approved the order. Parameters about asking a person: ``AsksPerson``.

    :param prompt: subject, motion, camera movement, style
    :param duration: whole seconds, 3 to 15; not with ``reference_videos``, whose length the output takes. Not given: 3
    :param ratio: ``1:1``, ``9:16`` or ``16:9``; not with ``reference_videos``. Not given: ``9:16``
    :param reference_images: http(s) URLs, up to 7; with ``reference_videos`` up to 4; not with frames
    :param first_image: http(s) URL of the first frame; only with ``last_image``
    :param last_image: http(s) URL of the last frame; only with ``first_image``
    :param reference_videos: http(s) URL of one clip of 3 to 10 seconds, in a list; not with frames
    :param model: always ``starvideos_o3``
    :param starvideos_conn_id: Airflow connection of type ``starvideos`` (templated)
    :param wait_for_completion: end when the video is there; otherwise when it is ordered
    :param deferrable: wait in the triggerer, not on a worker. None: as ``[operators] default_deferrable`` of Airflow's
        configuration says, and True where that isn't set
    :param poll_interval: seconds between two polls, more than 0; the vendor recommends 30 to 60 (page "Query Task")
    :param timeout: seconds that a wait may last, more than 0
    :param durable: keep the order on record, so that no retry, crash or lost answer makes you pay for a video twice
    :param on_unconfirmed: what to do with an order of unknown outcome. ``fail``: fail, and let a person decide with a
        Variable. ``resubmit``: leave it to the task's ``retries``, and perhaps pay twice. ``ask``: ask a person on
        Airflow's page of required actions (Airflow 3.1 and later; needs ``durable``)
    :return: the video's id
    :raises AirflowFailException: an error that a retry can't fix: a bad request, a refused key, no credit, an order of
        unknown outcome, a rejected order
    :raises StarVideosError: any other; the task's ``retries`` apply
    :raises ValueError: at Dag parse: an option of the operator's own is out of range
    """

    template_fields: Sequence[str] = (*REQUEST_FIELDS, "starvideos_conn_id")
    text_fields = template_fields
    template_fields_renderers: ClassVar[dict[str, str]] = {"reference_images": "json", "reference_videos": "json"}
    ui_color = "#f3e8ff"

    def __init__(
        self,
        *,
        prompt: str,
        duration: int | str | None = None,
        ratio: str | None = None,
        reference_images: Sequence[str] | str | None = None,
        first_image: str | None = None,
        last_image: str | None = None,
        reference_videos: Sequence[str] | str | None = None,
        model: str = MODEL,
        starvideos_conn_id: str = "starvideos_default",
        wait_for_completion: bool = False,
        deferrable: bool | None = None,
        poll_interval: timedelta | float = DEFAULT_POLL_INTERVAL,
        timeout: timedelta | float = DEFAULT_TIMEOUT,
        durable: bool = True,
        on_unconfirmed: Literal["fail", "resubmit", "ask"] = "fail",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.prompt = prompt
        self.duration = duration
        self.ratio = ratio
        self.reference_images = reference_images
        self.first_image = first_image
        self.last_image = last_image
        self.reference_videos = reference_videos
        self.model = model
        self.starvideos_conn_id = starvideos_conn_id
        self.wait_for_completion = wait_for_completion
        self.deferrable = deferrable_or_default(deferrable)
        self.poll_interval = positive_seconds("poll_interval", poll_interval)
        self.timeout = positive_seconds("timeout", timeout)
        self.durable = flag("durable", durable)
        self.on_unconfirmed = self._checked_on_unconfirmed(on_unconfirmed, durable=durable)
        self._video_id: str | None = None
        self._journal: Journal | None = None
        self._spending: Mapping[str, Any] | None = None
        self._stopping = False

    def execute(self, context: Context) -> str:
        """Order, and wait if asked to."""
        return self._order_and_wait(context, self._person(context, carry=self._ordered))

    def execute_answered(self, context: Context, event: Any = None, asked: Mapping[str, Any] | None = None) -> str:
        """Take a person's answer, and go on."""
        asked = asked or {}
        if of_an_earlier_try(context, asked.get("try_number")):
            return self.execute(context)
        person = self._person(context, event, asked, self._ordered)
        return self._order_and_wait(context, person, ordered=(asked.get("carry") or {}).get("orders", 0))

    def execute_complete(
        self,
        context: Context,
        event: Any = None,
        try_number: int | None = None,
        spending: Mapping[str, Any] | None = None,
    ) -> str:
        """Take the trigger's event.

        :param try_number: of the try that began the wait
        :param spending: what the task had ordered when the wait began
        """
        from airflow_provider_starvideos.triggers.events import is_completed

        # A completed video stays completed; without a journal, to order again would be to pay for it again.
        if of_an_earlier_try(context, try_number) and not is_completed(event):
            return self.execute(context)
        self._spending = spending
        return self._complete(context, event)

    def dry_run(self) -> None:
        """Log the JSON that would be sent, without what may grant access to its inputs; send nothing."""
        from airflow_provider_starvideos.api.redaction import hide

        with operator_failures():
            wire = hide(self._request().to_wire())
            self.log.info("Would send: %s", json.dumps(wire, indent=2, ensure_ascii=False))

    def on_kill(self) -> None:
        """Order nothing more, and say that an ordered video goes on."""
        self._stopping = True
        if self._video_id:
            self.log.warning("StarVideos video %s can't be stopped: it goes on, and is billed.", self._video_id)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:
        """Return the lineage for OpenLineage: from the inputs to the video at the API."""
        from airflow_provider_starvideos import lineage

        inputs = (self.reference_images, self.first_image, self.last_image, self.reference_videos)
        return lineage.of_order(inputs, self._video_id)

    def _request(self) -> VideoRequest:
        from airflow_provider_starvideos.api.validation import build_request

        self.require_found()
        return build_request(**{name: self.rendered(name) for name in REQUEST_FIELDS})

    def _ordered(self) -> dict[str, int]:
        """Return what the process that takes an answer must know."""
        return {"orders": self._journal.times_ordered() if self._journal else 0}

    def _order_and_wait(self, context: Context, person: Person, *, ordered: int = 0) -> str:
        with operator_failures(self.starvideos_conn_id, context), self._rejection():
            task = self._order(context, person, ordered)
            if self.wait_for_completion:
                return self._wait(context, task)
            self._forget_after_success(context)
            return task.id

    def _order(self, context: Context, person: Person, ordered: int) -> VideoTask:
        from airflow_provider_starvideos.hooks.starvideos import StarVideosHook
        from airflow_provider_starvideos.orders.lease import lease_of
        from airflow_provider_starvideos.orders.single import SingleOrder
        from airflow_provider_starvideos.orders.spending import SPENDING_KEY, Spending
        from airflow_provider_starvideos.orders.task_journal import open_journal

        self._journal = open_journal(context, self.log, is_kept=self.durable)
        order = SingleOrder(
            StarVideosHook(self.starvideos_conn_id),
            self._journal,
            lease_of(context),
            self.log,
            on_unconfirmed=self.on_unconfirmed,
            approval=self.needed_approval(),
            person=person,
            stopping=lambda: self._stopping,
            ordered=ordered,
        )
        task = order.obtain(self._request())
        context["ti"].xcom_push(key="video_id", value=task.id)
        self._push_approvers(context, self._journal)
        self._video_id = task.id
        self._spending = Spending.of(self._journal.orders()).to_json()
        context["ti"].xcom_push(key=SPENDING_KEY, value=self._spending)
        return task

    def _forget_after_success(self, context: Context) -> None:
        if not self.durable:
            return
        from airflow_provider_starvideos.orders.task_journal import forget_after_success, open_journal

        if self._journal is None:  # the task was deferred, and this is another process
            self._journal = open_journal(context, self.log)
            self._journal.load()
        forget_after_success(self, self._journal)

    def _wait(self, context: Context, task: VideoTask) -> str:
        if task.is_completed and task.video_url:  # ordered by an earlier try
            return self._deliver(context, task)
        if self.deferrable:
            return defer(
                self,
                context,
                task.id,
                poll_interval=self.poll_interval,
                timeout=self.timeout,
                end_task=True,
                settled=self._journal.settled_names() if self.durable and self._journal else (),
                spending={name: value for name, value in (self._spending or {}).items() if value},
            )
        from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

        announce(self, task.id, self.timeout)
        hook = StarVideosHook(self.starvideos_conn_id)
        task = hook.wait_for_video(task.id, poll_interval=self.poll_interval, timeout=self.timeout)
        return self._deliver(context, task)

    def _complete(self, context: Context, event: Any) -> str:
        from airflow_provider_starvideos.triggers import events

        with operator_failures(self.starvideos_conn_id, context):
            task = events.read(event)
        return self._deliver(context, task)

    def _deliver(self, context: Context, task: VideoTask) -> str:
        from airflow_provider_starvideos.triggers.results import spending_xcom

        self._video_id = task.id
        self._forget_after_success(context)
        push_result(self, context, task)
        for key, value in spending_xcom(self._spending, task).items():
            context["ti"].xcom_push(key=key, value=value)
        return task.id
