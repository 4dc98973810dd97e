"""A URI may name its connection itself; one that is given goes first. As every supported Airflow has it."""

import pytest

from airflow_provider_starvideos.storage.uris import object_path

URI = "s3://mine@bucket/folder/cat.png"


@pytest.mark.parametrize(("conn_id", "used"), [(None, "mine"), ("", "mine"), ("other", "other")])
def test_which_connection_is_used(conn_id: str | None, used: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """None isn't a connection: to Airflow 3.0 and 3.1 it would be one."""
    for name in ("mine", "other"):
        extra = f'{{"endpoint_url": "http://{name}:9", "region_name": "us-east-1"}}'
        uri = f'{{"conn_type": "aws", "login": "login-{name}", "password": "password-{name}", "extra": {extra}}}'
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", uri)
    assert object_path(URI, conn_id).sign(expiration=60).startswith(f"http://{used}:9/bucket/folder/cat.png?")
