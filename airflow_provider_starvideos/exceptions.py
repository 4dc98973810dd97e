"""Every error that this provider raises, and whether a retry of the task can help: not if it is ``permanent``.

::

    StarVideosError
    ├── StarVideosConfigurationError     the connection can't be used as it is             permanent
    ├── StarVideosValidationError        the request breaks the API's rules; nothing sent  permanent
    ├── StarVideosConnectionError        no whole answer arrived (``sent``: could it have been received?)
    ├── StarVideosAPIError               the API, or something in front of it, answered with an error
    │   ├── StarVideosAuthenticationError    401, 403                                      permanent
    │   ├── StarVideosQuotaError             402: no credit                                permanent
    │   ├── StarVideosNotFoundError          404: no such video, or no such path           permanent
    │   ├── StarVideosRateLimitError         429, with ``retry_after``
    │   ├── StarVideosRejectedError          any other 4xx, and redirects                  permanent
    │   ├── StarVideosServerError            5xx, and 408, 425, 444, 460, 499: a gateway gave up
    │   └── StarVideosMalformedAnswerError   an answer that can't be read
    ├── StarVideosStorageError           an order's input can't be read in its store; nothing was sent
    ├── StarVideosRecordError            the record of an order can't be read or written, so nothing is sent
    │   └── StarVideosUnknownVideoError      the API doesn't know the video that an earlier try ordered
    ├── StarVideosRequestsChangedError   a batch's requests changed while it ran           permanent
    ├── StarVideosBatchError             too many rows of a batch have no video; a retry resumes them
    │   └── StarVideosBatchFinalError        a retry can help none of them                 permanent
    ├── StarVideosLimitError             more would be ordered than a limit allows         permanent
    ├── StarVideosUnconfirmedError       an order that may or may not have been accepted   permanent
    ├── StarVideosNotApprovedError       a person rejected an order, or didn't answer in time   permanent
    ├── StarVideosQuestionError          a person has to be asked, and Airflow can't
    ├── StarVideosVideoFailedError       the video itself failed; a new order may succeed
    ├── StarVideosWaitTimeoutError       the deadline passed; the video goes on
    ├── StarVideosNotReadyError          the video isn't completed yet
    └── StarVideosDownloadError          a video can't be fetched whole, or can't be written
        ├── StarVideosUnsafeURLError         its URL leads where it must not               permanent
        ├── StarVideosTooLargeError          it is larger than the limit                   permanent
        └── StarVideosExistsError            a file is there already                       permanent

``failures`` turns these errors into Airflow's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

MAX_SHOWN_PROBLEMS = 50  # of one request
AFTER_A_DEADLINE = (
    "Billed: once, when it was ordered. It can't be stopped: it goes on, and its id stays valid.\n"
    "1. Clear this task: it waits for the same video again, with the whole timeout, and orders nothing new (an order "
    "with durable=False does).\n"
    "2. If videos often take longer, raise the timeout."
)


class StarVideosError(Exception):
    """Base of all errors of this provider."""

    permanent: ClassVar[bool] = False

    def __init_subclass__(cls, *, permanent: bool | None = None) -> None:
        """Set ``permanent`` of a subclass; None: it is that of its base."""
        super().__init_subclass__()
        if permanent is not None:
            cls.permanent = permanent


class StarVideosConfigurationError(StarVideosError, permanent=True):
    """The Airflow connection can't be used: no key, a base URL that is refused, an extra out of range."""


@dataclass(frozen=True)
class Problem:
    """One broken rule of a request."""

    field: str  # the argument's name, as the Dag's author writes it
    rule: str  # what must hold, for example "must be a whole number from 3 to 15"
    value: str  # as text, shortened, without a URL's query

    def __str__(self) -> str:
        return f"{self.field}: {self.rule} (got {self.value})"


class StarVideosValidationError(StarVideosError, permanent=True):
    """The request breaks the API's rules. Nothing was sent, nothing is billed.

    :param problems: every broken rule, not just the first
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        lines = "".join(f"\n  - {problem}" for problem in self.problems[:MAX_SHOWN_PROBLEMS])
        if len(self.problems) > MAX_SHOWN_PROBLEMS:
            lines += f"\n  - … and {len(self.problems) - MAX_SHOWN_PROBLEMS} more"
        super().__init__(f"The StarVideos request has {count}; nothing was sent:{lines}")


class StarVideosConnectionError(StarVideosError):
    """No whole answer arrived: the connection was refused or reset, or it timed out.

    :param message: what happened, with the host
    :param sent: False only if the request provably never left (no connection was ever made)
    """

    def __init__(self, message: str, *, sent: bool) -> None:
        self.sent = sent
        super().__init__(message)


class StarVideosAPIError(StarVideosError):
    """The API, or a gateway in front of it, answered with an error.

    :param message: what it means and what to do
    :param status_code: HTTP status, or the ``code`` of an error inside a 200
    :param body: the answer's beginning, as text, without the key
    :param request_id: the server's id of the request, where it gave one
    :param retry_after: seconds that the server asked to wait, where it did
    :param from_api: the API itself said so, in its own JSON: only that ends a wait (table: ``api.origins``)
    """

    def __init__(
        self,
        message: str,
        *,
        status_code: int,
        body: str = "",
        request_id: str | None = None,
        retry_after: float | None = None,
        from_api: bool = False,
    ) -> None:
        self.from_api = from_api
        self.status_code = status_code
        self.body = body
        self.request_id = request_id
        self.retry_after = retry_after
        super().__init__(message)


class StarVideosAuthenticationError(StarVideosAPIError, permanent=True):
    """401 or 403: the key is wrong, or may not do this."""


class StarVideosQuotaError(StarVideosAPIError, permanent=True):
    """402: the account has no credit."""


class StarVideosNotFoundError(StarVideosAPIError, permanent=True):
    """404: the API doesn't know the video (``names_video``), or the server doesn't know the path."""

    names_video = False


class StarVideosRateLimitError(StarVideosAPIError):
    """429: too many requests; ``retry_after`` says for how long, if the server did."""


class StarVideosRejectedError(StarVideosAPIError, permanent=True):
    """The server refused the request as it is (any other 4xx, or a redirect)."""


class StarVideosServerError(StarVideosAPIError):
    """5xx, 408, 425, 444, 460 or 499: the server, or a gateway in front of it, failed; later it may not."""


class StarVideosMalformedAnswerError(StarVideosAPIError):
    """An answer that can't be read: empty, HTML, too large, without an ``id``, or with an unknown error.

    Or it refuses an order, and names a video (``named``: its id).
    """

    named = ""


class StarVideosStorageError(StarVideosError):
    """The store of an order's input doesn't answer. Nothing was sent."""


class StarVideosRecordError(StarVideosError):
    """The record of an order can't be read or written. Nothing was sent."""


class StarVideosUnknownVideoError(StarVideosRecordError):
    """The API doesn't know the video that an earlier try ordered. It was billed, and nothing was sent again."""


class StarVideosLimitError(StarVideosError, permanent=True):
    """More, or longer videos, would be ordered than the connection or the task allows. Nothing was sent.

    :param problems: every limit that would be exceeded, with the numbers
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  - {problem}" for problem in self.problems)
        super().__init__(
            f"Refused before a new order was sent, because of a limit:{lines}\nBilled: nothing new.\n"
            "1. Order less, or have the limit raised: max_orders by the Dag's author, the connection's extras by an "
            "administrator.\n"
            "2. Clear the task: it resumes what it has ordered already."
        )


class StarVideosRequestsChangedError(StarVideosError, permanent=True):
    """A batch's requests aren't those that its try began with. Nothing more was ordered."""


class StarVideosBatchError(StarVideosError):
    """Too many rows of a batch have no video. A retry resumes them. Finished rows stay."""


class StarVideosBatchFinalError(StarVideosBatchError, permanent=True):
    """Too many rows of a batch have no video, and a retry can't help. Finished rows stay."""


class StarVideosUnconfirmedError(StarVideosError, permanent=True):
    """An order was sent, and its outcome is unknown: perhaps accepted (and billed), perhaps not. It isn't sent again.

    The API has neither an idempotency key nor a list of orders, so a person has to check the account.

    :param message: what was sent, when, and what to do
    :param what: what happened to it
    :param named: the id of a video that an unreadable answer names; empty without one
    """

    def __init__(self, message: str, *, what: str = "", named: str = "") -> None:
        self.what = what
        self.named = named
        super().__init__(message)


class StarVideosNotApprovedError(StarVideosError, permanent=True):
    """A person rejected the order, or gave no answer in time. Nothing was ordered."""


class StarVideosQuestionError(StarVideosError):
    """A person has to be asked, and Airflow can't. Nothing was sent. The next try asks."""


class StarVideosVideoFailedError(StarVideosError):
    """The API took the order, and the video failed.

    :param video_id: the API's id
    :param reason: the API's own message
    """

    def __init__(self, video_id: str, reason: str) -> None:
        self.video_id = video_id
        self.reason = reason
        super().__init__(
            f"StarVideos video {video_id} failed: {reason}\n"
            "Billed: its order was accepted, so take it for billed unless the StarVideos account says otherwise. "
            "Waiting again doesn't help.\n"
            "1. Change what the reason is about, for example the prompt or an input.\n"
            "2. Clear the task that ordered it, or let its retries do so: that orders a new video, billed again."
        )


class StarVideosWaitTimeoutError(StarVideosError):
    """The video wasn't ready at the deadline. It can't be stopped: it goes on, and is billed once, by its order.

    :param message: what happened, and what to do
    :param reason: what happened, in a few words; empty: the message
    """

    def __init__(self, message: str, *, reason: str = "") -> None:
        self.reason = reason or message
        super().__init__(message)

    @classmethod
    def of(cls, video_id: str, status: str = "", last: str = "") -> Self:
        """Return the error of a wait for a video.

        :param video_id: the API's id
        :param status: the last one that the API gave; empty: none
        :param last: how the last poll failed, if it did
        """
        seen = f"; it was {status} when last seen" if status else ""
        return cls(
            f"StarVideos video {video_id} wasn't ready at the deadline{seen}.{last}\n{AFTER_A_DEADLINE}",
            reason=f"wasn't ready at the deadline{seen}. It can't be stopped: it goes on, and is billed once.",
        )


class StarVideosNotReadyError(StarVideosError):
    """The video isn't completed yet, so there is nothing to save."""


class StarVideosDownloadError(StarVideosError):
    """A video can't be fetched whole, or can't be written. Nothing was left at the destination."""


class StarVideosUnsafeURLError(StarVideosDownloadError, permanent=True):
    """A result's URL, or a redirect, leads to an address that a worker must not read from."""


class StarVideosTooLargeError(StarVideosDownloadError, permanent=True):
    """A video is larger than the limit of a download."""


class StarVideosExistsError(StarVideosDownloadError, permanent=True):
    """A file is at the destination already, and ``if_exists="error"``."""
