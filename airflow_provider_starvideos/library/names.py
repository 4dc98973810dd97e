"""What makes two requests the same: the name that a request's video has in a library.

The name is a digest of what the API gets, of where the API is, and of the content of the inputs. The request is
written as canonical JSON first: texts that are only joined could be equal for two different requests.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from airflow_provider_starvideos.api.models import INPUT_FIELDS, GenerationMode, VideoRequest

FORMAT = 1
NAME = re.compile(r"[0-9a-f]{40}")
TIMING = {"duration": 3, "ratio": "9:16"}  # what the API takes where a request gives none (page "Create Task")
FOLLOWS_A_CLIP = (GenerationMode.VIDEO, GenerationMode.IMAGE_AND_VIDEO, GenerationMode.IMAGES_AND_VIDEO)


def name_of(request: VideoRequest, base_url: str, contents: Mapping[str, Any], variant: str | None = None) -> str:
    """Return a request's name; equal for two requests exactly if one video answers both.

    :param contents: what is known of the content of each input, by its URL or URI
    :param variant: makes requests different on purpose that are equal otherwise
    :return: 40 hexadecimal digits
    """
    described = {
        "format": FORMAT,
        "api": base_url,
        "mode": request.mode.value,
        **as_taken(request),
        "variant": variant or None,
    }
    for field in INPUT_FIELDS & described.keys():
        given = described[field]
        described[field] = [contents[url] for url in given] if isinstance(given, list) else contents[given]
    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:40]


def as_taken(request: VideoRequest) -> dict[str, Any]:
    """Return the JSON that the API gets, with the values that the API takes where the request gives none."""
    return ({} if request.mode in FOLLOWS_A_CLIP else TIMING) | request.to_wire()
