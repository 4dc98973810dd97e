"""What OpenLineage gets of a wait; of orders and downloads see tests/storage."""

from __future__ import annotations

from typing import Any

from airflow_provider_starvideos.api.models import TaskStatus, VideoTask
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor
from airflow_provider_starvideos.triggers import events


class TaskInstance:
    """Takes XComs."""

    try_number = 1

    def xcom_push(self, key: str, value: Any) -> None:
        """Take one."""


def test_openlineage_of_a_wait() -> None:
    """The video at the API is the outcome, once the sensor has seen it completed."""
    sensor = StarVideosTaskSensor(task_id="wait", video_id="video_1")
    assert sensor.get_openlineage_facets_on_complete(None).outputs == []
    event = events.of_video(VideoTask("video_1", TaskStatus.COMPLETED))
    sensor.execute_complete({"ti": TaskInstance()}, event)  # type: ignore[typeddict-item]
    (video,) = sensor.get_openlineage_facets_on_complete(None).outputs
    assert (video.namespace, video.name) == ("starvideos", "video_1")
