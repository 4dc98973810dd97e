"""Inputs of an order that lie in a bucket: checked, and presigned just before the order is sent.

The signed URLs live in the request's body and nowhere else: no log, no record, no rendered field.
"""

from __future__ import annotations

import mimetypes
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_provider_starvideos.api.models import VideoRequest
from airflow_provider_starvideos.api.validation import is_http_url, is_storage_uri, shown
from airflow_provider_starvideos.exceptions import Problem, StarVideosStorageError, StarVideosValidationError
from airflow_provider_starvideos.storage.uris import object_path

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import ObjectStoragePath

KINDS = {"reference_images": "image", "first_image": "image", "last_image": "image", "reference_videos": "video"}


def presigned(request: VideoRequest, seconds: int) -> VideoRequest:
    """Return the order with presigned URLs in place of storage URIs; itself, if it has none.

    :param seconds: how long the URLs stay readable
    :raises StarVideosValidationError: an input isn't there, isn't of its kind, or its store can't sign
    :raises StarVideosStorageError: a store can't be asked
    """
    problems: list[Problem] = []
    changed: dict[str, Any] = {}
    for field, kind in KINDS.items():
        value = getattr(request, field)
        if isinstance(value, tuple):
            changed[field] = tuple(
                _url(f"{field}[{position}]", one, kind, seconds, problems) for position, one in enumerate(value)
            )
        elif value is not None:
            changed[field] = _url(field, value, kind, seconds, problems)
    if problems:
        raise StarVideosValidationError(problems)
    return replace(request, **changed)


def _url(field: str, uri: str, kind: str, seconds: int, problems: list[Problem]) -> str:
    if not is_storage_uri(uri):
        return uri
    try:
        path = object_path(uri)
        path.fs.invalidate_cache()  # what it was like earlier in this process is of no use
        rule = _broken_rule(path, kind)
        url = "" if rule else str(path.sign(expiration=seconds))
    except NotImplementedError:
        url, rule = "", "must be on a store that can presign (s3, gs, abfs); copy it there, or give an http(s) URL"
    except (ImportError, ValueError) as error:
        url, rule = "", f"must be on a store that this Airflow has the provider of ({error})"
    except Exception as error:
        raise StarVideosStorageError(f"{field}: can't read {shown(uri)}: {type(error).__name__}: {error}") from error
    if not rule and not is_http_url(url):
        rule = "must be on a store whose presigned URLs are http(s)"
    if rule:
        problems.append(Problem(field, rule, shown(uri)))
    return url


def _broken_rule(path: ObjectStoragePath, kind: str) -> str:
    if not path.exists():
        return "must exist"
    if path.is_dir():
        return "must be a file, not a folder"
    guessed = mimetypes.guess_type(path.name)[0]
    if guessed and not guessed.startswith(f"{kind}/"):
        return f"must be {'an image' if kind == 'image' else 'a video'}, by its name"
    return ""
