"""Inputs of an order: those in a bucket are presigned, and one byte is read, just before the order is sent.

An order whose inputs the API can't read may be billed, so this decides whether it can. The signed URLs are in the
request's body only: in no log, no journal, no rendered field.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import replace
from typing import Any

from airflow_provider_starvideos.api.models import VideoRequest
from airflow_provider_starvideos.api.protocol import Endpoint
from airflow_provider_starvideos.api.validation import is_http_url, is_storage_uri, shown
from airflow_provider_starvideos.exceptions import (
    Problem,
    StarVideosDownloadError,
    StarVideosStorageError,
    StarVideosValidationError,
)
from airflow_provider_starvideos.storage.addresses import why_unreachable
from airflow_provider_starvideos.storage.guard import Guard
from airflow_provider_starvideos.storage.uris import names_version, package_of, sign
from airflow_provider_starvideos.storage.web import BROKEN, LATER, first_byte

KINDS = {"reference_images": "image", "first_image": "image", "last_image": "image", "reference_videos": "video"}
MEDIA = ("image/", "video/", "audio/", "application/pdf")  # what the name of a URL may say for sure
ERROR_BYTES = 4096  # of a store's answer that are read for what it says
CODE = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
REGION = re.compile(r"<Region>([a-z0-9-]{1,40})</Region>")
OFF = "The extra skip_input_checks of the StarVideos connection turns this check off"


class _UnreadableError(Exception):
    """An input can't be read: the rule that it breaks, and the bucket's region if its store has named it."""

    def __init__(self, rule: str, region: str | None = None) -> None:
        super().__init__(rule)
        self.rule, self.region = rule, region


def sign_inputs(request: VideoRequest, endpoint: Endpoint) -> VideoRequest:
    """Return the order with presigned URLs instead of storage URIs.

    :param endpoint: the API, and how the connection wants inputs to be signed and checked
    :raises StarVideosValidationError: an input can't be read, isn't of its kind, or its store can't sign
    :raises StarVideosStorageError: a store can't be asked now
    """
    problems: list[Problem] = []
    changed: dict[str, Any] = {}

    def url(field: str, uri: str, kind: str) -> str:
        try:
            return _signed(field, uri, kind, endpoint) if is_storage_uri(uri) else _given_url(uri, kind, endpoint)
        except _UnreadableError as error:
            problems.append(Problem(field, error.rule, shown(uri)))
            return uri

    for field, kind in KINDS.items():
        value = getattr(request, field)
        if isinstance(value, tuple):
            changed[field] = tuple(url(f"{field}[{position}]", one, kind) for position, one in enumerate(value))
        elif value is not None:
            changed[field] = url(field, value, kind)
    if problems:
        raise StarVideosValidationError(problems)
    return replace(request, **changed)


def _given_url(url: str, kind: str, endpoint: Endpoint) -> str:
    """Check an http(s) URL by its name and address. With a query its name says little: a server may convert."""
    reachable = _reachable(url, endpoint)
    if not endpoint.skip_input_checks and "?" not in url:
        guessed = mimetypes.guess_type(url.partition("#")[0])[0] or ""
        if guessed.startswith(MEDIA) and not guessed.startswith(f"{kind}/"):
            raise _UnreadableError(f"{_kind_rule(kind)}. {OFF}")
    return reachable


def _reachable(url: str, endpoint: Endpoint) -> str:
    why = "" if endpoint.skip_input_checks else why_unreachable(url, endpoint.base_url)
    if why:
        raise _UnreadableError(f"must be at an address that the API can read, but {why}. {OFF}")
    return url


def _signed(field: str, uri: str, kind: str, endpoint: Endpoint) -> str:
    if rule := _broken_rule(uri, kind):
        raise _UnreadableError(rule)
    region = None
    while True:
        url = _reachable(_sign(field, uri, endpoint.presign_seconds, region), endpoint)
        if endpoint.skip_input_checks:
            return url
        try:
            _read_a_byte(field, uri, url)
        except _UnreadableError as error:
            if error.region is None or region is not None:
                raise
            region = error.region  # the bucket isn't in the connection's region
        else:
            return url


def _broken_rule(uri: str, kind: str) -> str:
    if names_version(uri):
        return "must name no version or snapshot: URLs of a version are signed for S3 only (s3://…?versionId=…)"
    name = re.split(r"[?#]", uri)[0]
    if name.endswith("/"):
        return "must be a file, not a folder"
    guessed = mimetypes.guess_type(name)[0]
    if guessed and not guessed.startswith(f"{kind}/"):
        return _kind_rule(kind)
    return ""


def _kind_rule(kind: str) -> str:
    return f"must be {'an image' if kind == 'image' else 'a video'}, by its name"


def _sign(field: str, uri: str, seconds: int, region: str | None) -> str:
    try:
        url = sign(uri, seconds, region=region)
    except NotImplementedError as error:
        raise _UnreadableError(
            "must be on a store that can presign (s3, gs, abfs); copy it there, or give an http(s) URL"
        ) from error
    except (ImportError, ValueError) as error:
        raise _UnreadableError(
            f"must be on a store that this Airflow has the provider of{package_of(uri)} ({error})"
        ) from error
    except Exception as error:
        raise StarVideosStorageError(
            f"{field}: {shown(uri)} can't be signed: {type(error).__name__}: {error} Nothing was sent."
        ) from error
    if not is_http_url(url):
        raise _UnreadableError("must be on a store whose presigned URLs are http(s)")
    return url


def _read_a_byte(field: str, uri: str, url: str) -> None:
    """Read one byte as the API will: with the URL alone. Errors of libraries contain the URL, so none is passed on."""
    guard = Guard("", allow_private=True)  # where it may lead was checked
    try:
        with first_byte(guard, url, follow=False) as response:
            status, region = response.status_code, response.headers.get("x-amz-bucket-region")
            body = response.raw.read(1 if status < 300 else ERROR_BYTES, decode_content=False)
    except (*BROKEN, StarVideosDownloadError) as error:
        raise StarVideosStorageError(
            f"{field}: {shown(uri)} can't be read before the order ({type(error).__name__}). Nothing was sent. {OFF}."
        ) from None
    if status in LATER:
        raise StarVideosStorageError(
            f"{field}: {shown(uri)} can't be read now: its store answered {status}. Nothing was sent."
        )
    if status == 416 or (status < 300 and not body):
        raise _UnreadableError("must not be empty")
    if status < 300:
        return
    text = body.decode("latin-1")
    code, named = CODE.search(text), REGION.search(text)
    said = f"{status} {code[1]}" if code else str(status)
    if status == 404:
        raise _UnreadableError(f"must exist (its store answered {said})")
    rule = f"must exist and be readable with the rights of its connection (its store answered {said})"
    raise _UnreadableError(rule, named[1] if named else region)
