"""Files in stores: which connection is used, and that it is used again and again. As every supported Airflow has it."""

import json

import pytest

from airflow_provider_starvideos.storage.uris import sign


@pytest.fixture(autouse=True)
def connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of them, without a server at their endpoints: a URL is signed without a request."""
    for name, host in (("mine", "127.0.0.1"), ("other", "127.0.0.2")):
        extra = {"endpoint_url": f"http://{host}:9", "region_name": "us-east-1"}
        extra["config_kwargs"] = {"retries": {"max_attempts": 0}}
        given = {"conn_type": "aws", "login": f"login-{name}", "password": f"password-{name}", "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{name.upper()}", json.dumps(given))


@pytest.mark.parametrize(
    ("uri", "conn_id", "host"),
    [
        ("s3://mine@bucket/cat.png", None, "127.0.0.1"),
        ("s3://mine@bucket/cat.png", "", "127.0.0.1"),
        ("s3://mine@bucket/cat.png", "other", "127.0.0.1"),
        ("s3://bucket/cat.png", "other", "127.0.0.2"),
    ],
)
def test_which_connection_is_used(uri: str, conn_id: str | None, host: str) -> None:
    """The one that the URI names, else the one that is given; None isn't one. Each time, not only the first."""
    for _ in range(3):
        url = sign(uri, 60, conn_id)
        assert url.startswith(f"http://{host}:9/bucket/cat.png?")
        assert "X-Amz-Credential=login-" in url
