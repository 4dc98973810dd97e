"""Triggers that run to their end, and what the resumed task makes of their event."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_starvideos.exceptions import StarVideosError
from airflow_provider_starvideos.triggers import events
from airflow_provider_starvideos.triggers.task import StarVideosTaskTrigger


async def event_of(trigger: StarVideosTaskTrigger) -> Any:
    """Run a trigger, and return the payload of its one event."""
    (payload,) = [event.payload async for event in trigger.run()]
    assert json.loads(json.dumps(payload)) == payload
    return payload


async def error_of(trigger: StarVideosTaskTrigger) -> StarVideosError:
    """Run a trigger that must send an error, and return what the resumed task makes of it."""
    payload = await event_of(trigger)
    with pytest.raises(StarVideosError) as caught:
        events.read(payload)
    return caught.value
