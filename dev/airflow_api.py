"""A small client of Airflow's public REST API; the standard library only."""

import contextlib
import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode


class AirflowApiError(Exception):
    """Airflow answered with an error; the message has its status and body."""

    def __init__(self, method: str, path: str, status: int, body: str) -> None:
        super().__init__(f"{method} {path}: {status} {body}")
        self.status = status
        self.body = body


def path(*parts: str | int) -> str:
    """Join path segments, each quoted: run ids hold ``:`` and ``+``."""
    return "/" + "/".join(quote(str(part), safe="") for part in parts)


class AirflowApi:
    """Calls below ``/api/v2``, with an administrator's token."""

    def __init__(self, host: str, port: int, timeout: float = 60) -> None:
        self._host, self._port, self._timeout = host, port, timeout
        self._token: str | None = None

    def get(self, path: str, **query: Any) -> Any:
        """GET, with ``query`` as the query string; return the JSON of the answer."""
        return self.request("GET", f"{path}?{urlencode(query)}" if query else path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """POST ``body`` as JSON."""
        return self.request("POST", path, body)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """PATCH with ``body`` as JSON."""
        return self.request("PATCH", path, body)

    def delete(self, path: str) -> Any:
        """DELETE."""
        return self.request("DELETE", path)

    def ui(self, path: str) -> Any:
        """GET what the UI is made of; no public interface of Airflow."""
        return self.request("GET", path, below="/ui")

    def health(self) -> dict[str, Any]:
        """Return each component's state as Airflow sees it."""
        answer: dict[str, Any] = self._send("GET", "/api/v2/monitor/health", None, {})
        return answer

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None, *, below: str = "/api/v2") -> Any:
        """Send a request with the bearer token, fetching the token first if there is none yet."""
        if self._token is None:
            # The tests' Airflow takes everybody for an administrator.
            self._token = self._send("GET", "/auth/token", None, {})["access_token"]
        return self._send(method, f"{below}{path}", body, {"Authorization": f"Bearer {self._token}"})

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None, headers: dict[str, str]) -> Any:
        content = None if body is None else json.dumps(body)
        if content is not None:
            headers = {**headers, "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        with contextlib.closing(connection):
            connection.request(method, path, content, {"Accept": "application/json", **headers})
            response = connection.getresponse()
            text = response.read().decode()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise AirflowApiError(method, path, response.status, text)
        return json.loads(text) if text else None
