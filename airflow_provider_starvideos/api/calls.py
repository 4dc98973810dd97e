"""The calls of the API as flows (see ``flow``): what to send, and whether to send it again."""

from __future__ import annotations

import random
import time
from collections.abc import Generator
from typing import TypeAlias

from airflow_provider_starvideos.api.answers import read_video
from airflow_provider_starvideos.api.flow import Sleep
from airflow_provider_starvideos.api.models import VideoRequest, VideoTask, time_text
from airflow_provider_starvideos.api.protocol import Endpoint, HttpRequest, HttpResponse, create_request, query_request
from airflow_provider_starvideos.api.retry import delay_before_repeat, delay_before_unknown_repeat, was_not_accepted
from airflow_provider_starvideos.exceptions import (
    StarVideosError,
    StarVideosMalformedAnswerError,
    StarVideosUnconfirmedError,
)

Call: TypeAlias = Generator[HttpRequest | Sleep, HttpResponse | None, VideoTask]


def create(endpoint: Endpoint, request: VideoRequest) -> Call:
    """Order a video, once.

    :raises StarVideosUnconfirmedError: it may or may not have been accepted
    :raises StarVideosError: it was not accepted, for that reason
    """
    order = create_request(endpoint, request)
    try:
        return (yield from _call(order, max_retries=endpoint.max_retries))
    except StarVideosError as error:
        if was_not_accepted(error):
            raise
        named = error.named if isinstance(error, StarVideosMalformedAnswerError) else ""
        raise unconfirmed(request, endpoint.base_url, time.time(), str(error), named=named) from error


def unconfirmed(
    request: VideoRequest, base_url: str, sent_at: float, what: str, how_to_go_on: str = "", *, named: str = ""
) -> StarVideosUnconfirmedError:
    """Return the error of an order whose outcome is unknown.

    :param sent_at: epoch seconds
    :param how_to_go_on: what a person can do about it
    :param named: the id of a video that the answer names, empty without one
    """
    message = (
        f"Order outcome unknown: it may or may not have been accepted. {what}\n"
        f"The order: {request.summary}, sent to {base_url} at {time_text(sent_at)}.\n"
        f"Billed: perhaps once. It isn't sent again. Look for it in the StarVideos account.{how_to_go_on}"
    )
    return StarVideosUnconfirmedError(message, what=what, named=named)


def query(endpoint: Endpoint, video_id: str) -> Call:
    """Ask for a video's status, again where that may help."""
    repeats = 0
    while True:
        try:
            return (yield from _call(query_request(endpoint, video_id), max_retries=endpoint.max_retries))
        except StarVideosError as error:
            delay = delay_before_unknown_repeat(error, repeats=repeats)
            if delay is None:
                raise
        repeats += 1
        yield Sleep(delay, f"The API doesn't know {video_id} yet. Asking again in {delay:.1f} s.")


def poll(endpoint: Endpoint, video_id: str) -> Call:
    """Ask for a video's status once: the wait polls again anyway."""
    return (yield from _call(query_request(endpoint, video_id), max_retries=0))


def _call(request: HttpRequest, *, max_retries: int) -> Call:
    repeats = 0
    while True:
        try:
            response = yield request
            if response is None:
                raise TypeError("a transport must answer a request with a response")
            return read_video(request, response)
        except StarVideosError as error:
            delay = delay_before_repeat(
                error, repeats=repeats, max_retries=max_retries, is_order=request.is_order, chance=random.random()
            )
            if delay is None:
                raise
            notice = f"{error} Sending it again in {delay:.1f} s."
        repeats += 1
        yield Sleep(delay, notice, warn=True)
