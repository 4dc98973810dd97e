"""What the emulator's tests share: a running emulator and a plain client for it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import av
import pytest
import requests

from airflow_provider_starvideos.emulator import Emulator

KEY = "test-key-0451"


@dataclass
class Client:
    """Sends requests as any HTTP client would, each on a new connection."""

    emulator: Emulator
    timeout: float = 10

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.emulator.key}"}

    def post(self, body: object) -> requests.Response:
        url = f"{self.emulator.base_url}/v1/starvideos/videos"
        return requests.post(url, json=body, headers=self.headers, timeout=self.timeout)

    def create(self, prompt: str = "a red fox", **fields: object) -> requests.Response:
        return self.post({"model": "starvideos_o3", "prompt": prompt, **fields})

    def order(self, prompt: str = "a red fox", **fields: object) -> str:
        response = self.create(prompt, **fields)
        assert response.status_code == 200, response.text
        video_id: str = response.json()["id"]
        return video_id

    def get(self, video_id: str) -> requests.Response:
        url = f"{self.emulator.base_url}/v1/result/{video_id}"
        return requests.get(url, headers=self.headers, timeout=self.timeout)

    def wait_end(self, video_id: str, status: str = "completed") -> None:
        """Wait until an order has ended, without a query."""
        self.emulator.wait_for("status", id=video_id, status=status)

    def finished(self, prompt: str = "a red fox", *, end: str = "completed", **fields: object) -> dict[str, Any]:
        """Order a video, wait for its end, and return what the API then shows."""
        video_id = self.order(prompt, **fields)
        self.wait_end(video_id, end)
        document: dict[str, Any] = self.get(video_id).json()
        return document

    def control(self, method: str, path: str, body: object = None) -> requests.Response:
        url = f"{self.emulator.url}/_control{path}"
        return requests.request(method, url, json=body, timeout=self.timeout)

    def fetch(self, url: str, **headers: str) -> requests.Response:
        return requests.get(url, headers=headers, timeout=self.timeout)


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator whose videos are done at once."""
    with Emulator(seconds=0, key=KEY) as running:
        yield running


@pytest.fixture
def client(emulator: Emulator) -> Client:
    """A client for it."""
    return Client(emulator)


@pytest.fixture
def start() -> Iterator[Callable[..., Client]]:
    """Starts an emulator of another kind, and returns a client for it. All end with the test."""
    with ExitStack() as running:

        def start_one(**settings: Any) -> Client:
            return Client(running.enter_context(Emulator(**{"key": KEY, **settings})))

        yield start_one


@pytest.fixture(scope="module")
def module_client() -> Iterator[Client]:
    """A client for an emulator that all tests of a file share."""
    with Emulator(seconds=0, key=KEY) as running:
        yield Client(running)


@dataclass(frozen=True)
class Probed:
    """What a player sees in a video file."""

    codec: str
    pixels: str
    seconds: float
    frames: int
    size: tuple[int, int]
    pictures: list[Any]


def probe(data: bytes, *, every: int = 12) -> Probed:
    """Read a video file, and decode all of it."""
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return Probed(
            codec=stream.codec_context.name,
            pixels=stream.codec_context.pix_fmt or "",
            seconds=float(stream.duration * stream.time_base),
            frames=len(frames),
            size=(stream.width, stream.height),
            pictures=[frame.to_image() for frame in frames[::every]],
        )


@pytest.fixture(name="probe")
def probe_fixture() -> Any:
    """The function that reads a video file."""
    return probe
