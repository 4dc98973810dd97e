"""Which Airflow this is: two that share a library may have runs of the same names, and must not share their claims."""

from __future__ import annotations

import json
import time
from uuid import uuid4

from airflow_provider_starvideos.compat import supervisor
from airflow_provider_starvideos.exceptions import StarVideosRecordError

VARIABLE = "starvideos_installation"
SETTLE_SECONDS = 1.0  # once in the life of an Airflow
WHAT = "The id of this Airflow in libraries of StarVideos videos. Leave it as it is."


def installation() -> str:
    """Return the id of this Airflow. The first task that asks makes one.

    :raises StarVideosRecordError: it can't be read or written; nothing was sent
    """
    try:
        found = supervisor.read_variable(VARIABLE)
        if found is None:
            supervisor.write_variable(VARIABLE, json.dumps(uuid4().hex), WHAT)
            time.sleep(SETTLE_SECONDS)  # another task may write one at the same time: the last one counts for both
            found = supervisor.read_variable(VARIABLE)
    except Exception as error:
        raise _unreadable(f"{type(error).__name__}: {error}") from error
    if not found:
        raise _unreadable("it is empty")
    return found


def _unreadable(why: str) -> StarVideosRecordError:
    return StarVideosRecordError(
        f"The Airflow Variable {VARIABLE} can't be read or written ({why}). Without it two Airflows might order the "
        "same request. Not billed: nothing was sent. A retry of the task reads it again."
    )
