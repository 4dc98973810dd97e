"""The connection form on a running Airflow: its fields, and its test button, which must never cost anything."""

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack


def press(airflow: AirflowStack, **connection: object) -> tuple[bool, str]:
    """Press the form's test button, in effect."""
    body = {"connection_id": "form_test", "conn_type": "starvideos", **connection}
    answer = airflow.api.post("/connections/test", body)
    return answer["status"], answer["message"]


def test_the_form_has_its_fields(airflow: AirflowStack) -> None:
    """Labels for host and key, fields for the extras; what doesn't apply is hidden.

    Airflow 3.0 makes fields only with the FAB provider, which isn't here: there the extras are written as JSON.
    """
    metas = {meta["connection_type"]: meta for meta in airflow.api.ui("/connections/hook_meta")}
    meta = metas["starvideos"]
    if not AIRFLOW_V_3_1_PLUS:  # there only the FAB provider, which isn't here, makes fields: the form is Airflow's own
        assert (meta["standard_fields"], meta["extra_fields"]) == (None, None)
        return
    assert meta["standard_fields"]["host"]["title"] == "Base URL"
    assert meta["standard_fields"]["password"]["title"] == "API key"
    assert meta["standard_fields"]["login"]["hidden"]
    fields = set(meta["extra_fields"] or ())
    assert {"timeout", "max_retries", "allow_http"} <= fields if AIRFLOW_V_3_1_PLUS else not fields


@pytest.mark.parametrize(
    ("changed", "works", "said"),
    [
        ({}, True, "did not refuse the key"),
        ({"password": "wrong-key-of-somebody"}, False, "refused the key"),
        ({"password": ""}, False, "must hold the StarVideos API key"),
        ({"host": "{url}/elsewhere"}, False, "no StarVideos API at this base URL"),
        ({"host": "{airflow}"}, False, "didn't answer as StarVideos does"),
        ({"host": "http://127.0.0.1:9"}, False, "no connection to 127.0.0.1:9"),
        ({"host": "http://example.com"}, False, "must be https"),
    ],
    ids=["good", "wrong key", "no key", "wrong path", "another server", "nobody there", "http"],
)
def test_the_test_button_tells_what_it_found_and_orders_nothing(
    airflow: AirflowStack, emulator: Emulator, changed: dict[str, str], works: bool, said: str
) -> None:
    """For a good key, a bad one, a wrong base URL; the key isn't in the message."""
    before = emulator.requests["create"]
    connection = {"host": emulator.base_url, "password": emulator.key} | changed
    connection["host"] = connection["host"].replace("{url}", emulator.url).replace("{airflow}", airflow.url)
    status, message = press(airflow, **connection)
    assert (status, said in message) == (works, True), message
    assert emulator.key not in message
    assert emulator.requests["create"] == before
