"""How an error ends an Airflow task: a permanent one becomes ``AirflowFailException``, which Airflow doesn't retry.

Every other error stays what it is, and the task's ``retries`` apply. Each ends with the address of its documentation.
It is pushed as an XCom, too, for the pages about videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout, Context

from airflow_provider_starvideos import metrics
from airflow_provider_starvideos.exceptions import (
    StarVideosAuthenticationError,
    StarVideosBatchError,
    StarVideosConnectionError,
    StarVideosDownloadError,
    StarVideosError,
    StarVideosLimitError,
    StarVideosNotApprovedError,
    StarVideosNotFoundError,
    StarVideosQuestionError,
    StarVideosQuotaError,
    StarVideosRateLimitError,
    StarVideosRecordError,
    StarVideosRejectedError,
    StarVideosServerError,
    StarVideosStorageError,
    StarVideosUnconfirmedError,
    StarVideosUnknownVideoError,
    StarVideosVideoFailedError,
    StarVideosWaitTimeoutError,
)

FAILURE_KEY = "failure"  # of the XCom: ``{"state": …, "error": …, "try_number": …}``
MAX_ERROR_CHARACTERS = 4000
FAILED_STATES = (  # what an error says of the video: a value of ``orders.states.OrderState``
    (StarVideosVideoFailedError, "failed"),
    (StarVideosWaitTimeoutError, "timed_out"),
    (AirflowSensorTimeout, "timed_out"),
    (StarVideosUnconfirmedError, "unconfirmed"),
    (StarVideosNotFoundError, "unknown"),
    (StarVideosUnknownVideoError, "unknown"),
)
DOCS = "docs"  # the pages' folder in a checkout and in the sdist; the project has no public address yet
RUNBOOK: Mapping[type[StarVideosError], str] = {  # section of runbook.md; other errors have a row of errors.md
    StarVideosUnconfirmedError: "order-outcome-unknown",
    StarVideosVideoFailedError: "video-failed",
    StarVideosBatchError: "rows-without-a-video",
    StarVideosWaitTimeoutError: "wait-timed-out",
    StarVideosQuotaError: "no-credit",
    StarVideosAuthenticationError: "key-refused",
    StarVideosRateLimitError: "rate-limit",
    StarVideosRejectedError: "request-refused",
    StarVideosServerError: "api-down",
    StarVideosConnectionError: "api-down",
    StarVideosStorageError: "input-cant-be-read",
    StarVideosDownloadError: "video-not-saved",
    StarVideosRecordError: "journal-cant-be-read-or-written",
    StarVideosUnknownVideoError: "video-unknown",
    StarVideosLimitError: "limit-reached",
    StarVideosNotApprovedError: "order-not-approved",
    StarVideosQuestionError: "order-not-approved",
}


def help_address(kind: type[StarVideosError]) -> str:
    """Return the address of an error's section of the runbook, or of its nearest public class's row of errors.md."""
    for base in kind.__mro__:
        if base in RUNBOOK:
            return f"{DOCS}/runbook.md#{RUNBOOK[base]}"
        if not base.__name__.startswith("_"):
            return f"{DOCS}/errors.md#{base.__name__.lower()}"
    return f"{DOCS}/errors.md"


def add_help(error: StarVideosError) -> None:
    """Let the message of an error that ends a task end with the address of its documentation."""
    text = str(error)
    if f"{DOCS}/" not in text.rpartition("\n")[2]:
        error.args = (f"{text}\nMore: {help_address(type(error))}",)


def push_failure(context: Context | None, error: BaseException) -> None:
    """Push why a task's try fails, for the pages about videos. It never raises: the error itself is what matters.

    :param context: of the task; None: nothing is pushed
    """
    if context is None:
        return
    state = next((state for kind, state in FAILED_STATES if isinstance(error, kind)), None)
    with suppress(Exception):
        ti = context["ti"]
        text = str(error)
        if len(text) > MAX_ERROR_CHARACTERS:  # what to do is at its end
            text = f"{text[: MAX_ERROR_CHARACTERS // 2]} … {text[3 - MAX_ERROR_CHARACTERS // 2 :]}"
        value = {"state": state, "error": text, "try_number": ti.try_number}
        ti.xcom_push(key=FAILURE_KEY, value=value)


@contextmanager
def operator_failures(conn_id: str | None = None, context: Context | None = None) -> Iterator[None]:
    """Let an operator's permanent errors fail the task at once.

    :param conn_id: Airflow connection, for the metric of failed videos
    """
    try:
        yield
    except StarVideosError as error:
        if conn_id and isinstance(error, StarVideosVideoFailedError):
            metrics.count("failed", conn_id)
        add_help(error)
        push_failure(context, error)
        if error.permanent:
            raise AirflowFailException(str(error)) from error
        raise


@contextmanager
def follower_failures(conn_id: str, context: Context | None = None) -> Iterator[None]:
    """Let an error end a task that another task's video is for. A video that failed stays failed: no retry helps."""
    try:
        with operator_failures(conn_id, context):
            yield
    except StarVideosVideoFailedError as error:
        raise AirflowFailException(str(error)) from error


@contextmanager
def sensor_failures(conn_id: str, context: Context | None = None) -> Iterator[None]:
    """Let a sensor's errors end it as ``follower_failures`` does, and a deadline as ``AirflowSensorTimeout``."""
    try:
        with follower_failures(conn_id, context):
            yield
    except StarVideosWaitTimeoutError as error:
        raise AirflowSensorTimeout(str(error)) from error
