"""For the UI: an Airflow with users who may read different things, the emulator, and a browser."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_stack import AirflowStack

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
KEY = "ui-key-that-must-show-up-nowhere"
USERS = {"anna": "admin", "victor": "viewer", "nora": "viewer", "xena": "viewer"}
DAGS = ("ui_saved", "ui_mapped", "ui_secret", "ui_batch", "ui_ways", "ui_other", "ui_pictures")
RUN = "run+1:00"
"""With characters that an address has to quote."""
VIDEO_SECONDS = 5  # Airflow fails a batch that is woken before the end of its process is noted
STORE = {
    "conn_type": "aws",
    "login": "store-id",
    "password": "store-secret-that-must-show-up-nowhere",
    "extra": {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"},
}
"""Nobody is there: a URL is signed without api_answers."""
CHROMIUM_OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

HARMLESS = ("allow-scripts and allow-same-origin", "status of 404", "HydrateFallback", "ERR_CONNECTION_REFUSED")
"""Airflow's own frames; the answer for a task without videos; and where a test pretends that nobody answers."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the slow ones of this folder after all other tests of the folder, and keep the order of the others."""
    places = [index for index, item in enumerate(items) if HERE in item.path.parents]
    sorted_items = sorted(
        (items[index] for index in places), key=lambda item: bool(item.get_closest_marker("real_airflow"))
    )
    for index, item in zip(places, sorted_items, strict=True):
        items[index] = item


@dataclass
class Answer:
    """An answer of the api-server."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)


class Site:
    """The running Airflow, as its users see it.

    :param stack: the Airflow
    :param emulator: the API that it orders from
    :param media: the folder that it may show
    """

    def __init__(self, stack: AirflowStack, emulator: Emulator, media: Path) -> None:
        self.stack, self.emulator, self.media = stack, emulator, media
        self.url = stack.url
        self._tokens: dict[str, str] = {}

    def token(self, user: str) -> str:
        """Log a user in."""
        if user not in self._tokens:
            body = json.dumps({"username": user, "password": user})
            answer = self._send("POST", "/auth/token", {"Content-Type": "application/json"}, body)
            assert answer.status == 201, answer.body
            self._tokens[user] = answer.json["access_token"]
        return self._tokens[user]

    def get(
        self,
        path: str,
        user: str | None = "victor",
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> Answer:
        """GET a path below the plugin's; redirects aren't followed."""
        login = {} if user is None else {"Authorization": f"Bearer {self.token(user)}"}
        return self._send(method, f"/starvideos{path}", {**login, **(headers or {})})

    def _send(self, method: str, path: str, headers: Mapping[str, str], body: str | None = None) -> Answer:
        connection = http.client.HTTPConnection(urlsplit(self.url).netloc, timeout=60)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An Airflow in which each Dag of this folder has run once, as ``RUN``."""
    media = tmp_path_factory.mktemp("media")
    passwords = tmp_path_factory.mktemp("users") / "passwords.json"
    passwords.write_text(json.dumps({name: name for name in USERS}))
    config = {
        "core.auth_manager": "dag_auth.DagAuthManager",
        "core.simple_auth_manager_all_admins": "False",
        "core.simple_auth_manager_users": ",".join(f"{name}:{role}" for name, role in USERS.items()),
        "core.simple_auth_manager_passwords_file": str(passwords),
        "starvideos.media_folders": str(media),
    }
    with Emulator(seconds=VIDEO_SECONDS, key=KEY) as emulator:
        connection = {"conn_type": "starvideos", "host": emulator.base_url, "password": emulator.key}
        env = {
            "PYTHONPATH": f"{HERE / 'auth'}{os.pathsep}{ROOT}",
            "AIRFLOW_CONN_STARVIDEOS_DEFAULT": json.dumps(connection),
            "AIRFLOW_CONN_UI_STORE": json.dumps(STORE),
            "UI_TESTS_FOLDER": str(media),
            "UI_TESTS_SAMPLES": f"{emulator.url}/samples",
        }
        with AirflowStack(tmp_path_factory.mktemp("airflow"), HERE / "dags", env, config) as stack:
            running = Site(stack, emulator, media)
            stack.api._token = running.token("anna")
            for dag_id in DAGS:
                stack.wait_for_dag(dag_id)
                stack.trigger(dag_id, run_id=RUN)
            for dag_id in DAGS:
                stack.wait_for_run(dag_id, RUN)
            yield running


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium with the codec of MP4s: Debian's. Installed where that is possible, else a failure."""
    result = subprocess.run(["sh", str(ROOT / "dev" / "chromium.sh")], capture_output=True, text=True, check=False)
    if result.returncode:
        pytest.fail(f"The tests of the UI need a browser.\n{result.stderr}")
    return result.stdout.strip()


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """Debian's Chromium, which has the codec."""
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_OPTIONS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser, site: Site) -> Iterator[Page]:
    """A logged-in user's window; whatever the browser complains about fails the test, a broken policy above all."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme="light")
    context.add_cookies([{"name": "_token", "value": site.token("victor"), "url": site.url}])
    opened = context.new_page()
    complaints: list[str] = []
    opened.on(
        "console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None
    )
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert [text for text in complaints if not any(known in text for known in HARMLESS)] == []
