"""XComs of a task, from a trigger, through Airflow's own supervisor and API."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS
from airflow.sdk.exceptions import AirflowRuntimeError

from airflow_provider_starvideos.compat import xcoms
from tests.compat.conftest import ExecutionApi, Instances

needs_3_3 = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before Airflow 3.3 no task ends in the triggerer")
VALUES = {"return_value": "video_1", "video_url": "https://cdn.example/ä.mp4?a=1", "actual_duration": 3.5, "none": None}


@needs_3_3
@pytest.mark.parametrize("map_index", [-1, 2])
async def test_what_is_pushed_is_read_and_deleted(map_index: int, triggerer: None, instances: Instances) -> None:
    """As a worker reads it: each value once encoded. Deleting again is no error."""
    ti = instances.add("wait", map_index)
    await xcoms.push_xcoms(ti, VALUES)
    assert pulled(ti) == VALUES
    if map_index < 0:
        assert {key: await xcoms.read_xcom(ti, "wait", key) for key in VALUES} == VALUES
    for _ in range(2):
        await xcoms.delete_xcoms(ti, VALUES)
        assert pulled(ti) == {}


def pulled(ti: Any) -> dict[str, Any]:
    """Return the XComs of a task instance, as the database has them."""
    from airflow.models.xcom import XComModel
    from airflow.utils.session import create_session

    with create_session() as session:
        rows = session.query(XComModel).filter_by(task_id=ti.task_id, map_index=ti.map_index).all()
        return {row.key: XComModel.deserialize_value(row) for row in rows}


@needs_3_3
async def test_what_is_not_there_is_none(triggerer: None, instances: Instances) -> None:
    """Of a task that has pushed nothing."""
    assert await xcoms.read_xcom(instances.add("wait"), "nobody", "return_value") is None


@needs_3_3
async def test_an_api_server_that_fails_is_an_error(triggerer: None, instances: Instances, api: ExecutionApi) -> None:
    """A worker does it then."""
    ti = instances.add("wait")
    api.be_down()
    for doing in (
        xcoms.push_xcoms(ti, VALUES),
        xcoms.delete_xcoms(ti, VALUES),
        xcoms.read_xcom(ti, "other", "return_value"),
    ):
        with pytest.raises(AirflowRuntimeError, match="503"):
            await doing


def test_airflows_own_backend_is_known() -> None:
    """By its name in the configuration, and in this process."""
    from airflow.providers.common.compat.sdk import conf

    assert conf.get("core", "xcom_backend") == xcoms.AIRFLOWS_OWN_BACKEND
    assert xcoms.backend_is_airflows_own()
    assert xcoms.backend_in_use_is_airflows_own()


def test_another_backend_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the configuration, which a Dag's parser asks."""
    monkeypatch.setenv("AIRFLOW__CORE__XCOM_BACKEND", "mine.XCom")
    assert not xcoms.backend_is_airflows_own()
