"""What operators and sensors share: how they begin a wait, and what they do with its result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, NoReturn

from airflow.providers.common.compat.sdk import AirflowSkipException, BaseOperator, Context, conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.api.models import VideoTask, time_text
from airflow_provider_starvideos.api.polling import BACKSTOP_SECONDS
from airflow_provider_starvideos.compat.configuration import is_configured

SECTION, OPTION = "operators", "default_deferrable"


def deferrable_or_default(deferrable: bool | None) -> bool:
    """Return whether an operator waits in the triggerer.

    :param deferrable: the author's choice; None: that of Airflow's configuration, and True where the option isn't set.
        Airflow's default (False) doesn't count: a wait on a worker holds a worker slot for minutes
    """
    if deferrable is not None:
        return deferrable
    return conf.getboolean(SECTION, OPTION) if is_configured(SECTION, OPTION) else True


def backstop(seconds: float) -> timedelta:
    """Return Airflow's own timeout of a deferral, from the seconds until the wait's deadline. It is never negative."""
    return timedelta(seconds=max(0.0, seconds) + BACKSTOP_SECONDS)


def announce(operator: BaseOperator, video_id: str, timeout: float) -> float:
    """Log that a wait of ``timeout`` seconds begins, and return its end in epoch seconds."""
    end_time = time.time() + timeout
    operator.log.info("Waiting for StarVideos video %s until %s.", video_id, time_text(end_time))
    return end_time


def usable_video_id(video_id: Any, context: Context) -> str:
    """Return the checked id of a task's video.

    A mapped task without one is skipped, because ``expand(video_id=batch.output)`` also maps over rows without a video.

    :raises AirflowSkipException: a mapped task has None
    :raises StarVideosValidationError: it can't be an id
    """
    from airflow_provider_starvideos.api.protocol import check_video_id

    map_index = getattr(context["ti"], "map_index", None)
    if video_id is None and map_index is not None and map_index >= 0:
        raise AirflowSkipException("video_id is None: there is no video for this mapped task, so it is skipped.")
    return check_video_id(video_id)


def defer(
    operator: Any,
    context: Context,
    video_id: str,
    *,
    poll_interval: float,
    timeout: float,
    end_task: bool = False,
    settled: Sequence[str] = (),
    silent_fail: bool = False,
    spending: Mapping[str, Any] | None = None,
) -> NoReturn:
    """Let the triggerer wait for a video. Its event resumes the task at ``operator.execute_complete``.

    :param poll_interval: seconds between two polls
    :param timeout: seconds that the wait may last
    :param end_task: the task has nothing to do after a completed video, so it may end in the triggerer
    :param settled: Airflow Variables to delete after the task's success, where it ends in the triggerer
    :param silent_fail: go on, however many polls fail
    :param spending: of a task that orders, before its video is completed; ``execute_complete`` gets it too
    """
    from airflow_provider_starvideos.compat.worker_needs import may_end_in_triggerer
    from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger

    end_time = announce(operator, video_id, timeout)
    trigger = StarVideosTaskTrigger(
        video_id=video_id,
        end_time=end_time,
        starvideos_conn_id=operator.starvideos_conn_id,
        poll_interval=poll_interval,
        end_task=end_task and may_end_in_triggerer(operator, context["ti"].map_index),
        settled=list(settled),
        silent_fail=silent_fail,
        spending=spending,
    )
    kwargs: dict[str, Any] = {"try_number": context["ti"].try_number}
    if spending is not None:
        kwargs["spending"] = dict(spending)
    operator.defer(trigger=trigger, method_name="execute_complete", kwargs=kwargs, timeout=backstop(timeout))
    raise AssertionError("defer() always raises")


def of_an_earlier_try(context: Context, try_number: int | None) -> bool:
    """Return whether an event is from an earlier try's wait, so that this try has to run ``execute``.

    Airflow 3.0 gives that event to each retry. Later versions do so only if a clear and the event coincide.

    :param try_number: of the try that began the wait; None: not known
    """
    return try_number not in (None, context["ti"].try_number)


def push_result(operator: Any, context: Context, task: VideoTask) -> None:
    """Log and count a completed video, and push its XComs ``video_url``, ``actual_duration`` and ``amount``."""
    from airflow_provider_starvideos.triggers.results import log_result, result_xcoms

    log_result(operator.starvideos_conn_id, task, operator.log)
    for key, value in result_xcoms(task).items():
        if key == "return_value":
            continue
        if value is not None or AIRFLOW_V_3_1_PLUS:  # Airflow 3.0's api-server refuses None
            context["ti"].xcom_push(key=key, value=value)
