"""Requests, whatever is in them: one clear error, or what the server takes. Both sides' rules were written apart.

``build_request`` reads an author's arguments, the emulator's ``check`` a body on the wire. Where they differ on
purpose:

- The provider reads generously what templates make of values (``"5"``, ``""``, ``None``, a list as text, blanks around
  a URL) and sends it in its proper form; the server takes the proper form only.
- ``duration`` and ``ratio`` beside a clip don't apply: the server ignores them, the provider refuses them.
- The provider takes storage URIs, which are presigned before they are sent.
- The server knows further fields and ignores them; ``build_request`` has no such arguments.
- The server takes no body of more than a megabyte (413); the vendor's page names no such limit.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests
from hypothesis import assume, event, example, given, settings
from hypothesis import strategies as st

from airflow_provider_starvideos.api.models import VideoRequest
from airflow_provider_starvideos.api.protocol import CREATE_PATH, Endpoint, create_request
from airflow_provider_starvideos.api.validation import STORAGE_SCHEMES, build_request, is_storage_uri
from airflow_provider_starvideos.api.values import is_missing
from airflow_provider_starvideos.emulator import Emulator
from airflow_provider_starvideos.emulator.request_rules import InvalidRequestError, check
from airflow_provider_starvideos.emulator.routes import decode
from airflow_provider_starvideos.exceptions import StarVideosValidationError
from tests.hostile.conftest import LONG

PROFILE = settings.get_profile("hostile")
ENDPOINT = Endpoint("http://127.0.0.1:9/kyyReactApiServer", "k")
# Name on the wire: the author's name for it.
ARGUMENTS = {
    "model": "model",
    "prompt": "prompt",
    "duration": "duration",
    "ratio": "ratio",
    "referenceImages": "reference_images",
    "first_image": "first_image",
    "last_image": "last_image",
    "referenceVideos": "reference_videos",
}


def nested(depth: int) -> list[Any]:
    """Return a list in a list in a list …"""
    found: list[Any] = []
    for _ in range(depth):
        found = [found]
    return found


class Unshowable:
    """A value that can't even be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


# -- what may come: anything; what is near to right; URLs and things that are nearly one

odd = st.sampled_from([range(10**15), b"http://host/a.png", memoryview(b"x"), object(), type, ...])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.complex_numbers() | odd,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(), inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=12,
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
schemes = st.sampled_from(
    ["http://", "https://", "HTTP://", "hTTps://", "http:/", "http:", "//", "", "ftp://", "data:"]
)
stores = st.sampled_from(sorted(STORAGE_SCHEMES)).map(lambda scheme: scheme + "://")
hosts = st.sampled_from(
    [
        "host.example",
        "h",
        "127.0.0.1",
        "[::1]",
        "[::1",
        "::1]",
        "",
        ".",
        "-",
        "user:pw@h",
        "@",
        "h:80",
        "h:0",
        "h:65535",
        "h:65536",
        "h:",
        "h:-1",
        "h:٣",
        "h:８０",
        "h:8 0",
        "bücher.example",
        "ｈ.example",
        "a／b",
        "a℀b",
        "h\u200b",
        "h\x00",
        *[
            "h\\x",
            "h%41",
            "*",
            "h,g",
            "[v1.x]",
            "[::1%eth0]",
            "h:+80",
            "h:8_0",
            "\u00a0",
            "\ud800",
            "h\ufeff",
            "<h>",
            '"',
        ],
    ]
)
paths = st.sampled_from(
    ["", "/", "/a.png", "/a b", "?q=1", "#f", "/\u3000", "/ü", "/\t", "/\x7f", "/%", "/\x85", "/\udfff"]
)
blanks = st.sampled_from(["", "", "", "", " ", "\n", "\t", "\u3000", "\x00", "\x1f", "\ufeff", "\u200b"])
RIGHT = ("", "https://", "h.example", "/a.png", "")
odd_parts = (blanks, schemes | stores, hosts, paths, blanks)
# A URL with one odd part, with nothing but odd ones, with any character in it, or none at all.
urls = st.one_of(
    *(
        part.map(lambda text, at=at: "".join((*RIGHT[:at], text, *RIGHT[at + 1 :])))
        for at, part in enumerate(odd_parts)
    ),
    st.builds("".join, st.tuples(*odd_parts)),
    st.builds("{}{}{}".format, st.just("https://h.example/"), st.characters(), st.just("a")),
    st.text(max_size=20),
)
good_urls = st.builds(
    "{}h{}.example/{}.png".format, st.sampled_from(["http://", "https://"]), st.integers(0, 9), st.just("a")
)
texts = st.text() | st.sampled_from(["", " ", "\ud800", "\x00", "\u2028", "[fail]", "\U0001f98a", "\u200b", "\x1c"])
durations = st.integers(0, 18) | st.sampled_from([5.0, 3.5, "5", " 15.0\n", "5s", True, "٥", "1e1", 10**30, "", None])
ratios = st.sampled_from(["1:1", "9:16", "16:9", "4:3", " 9:16 ", "16：9", "9:16\n", "", "1:1\x00", 1, None])
models = st.sampled_from(["starvideos_o3 ", "StarVideos_O3", "", "starvideos_o2", 3, None])
lists = st.lists(good_urls | urls, max_size=8)
NEARLY_RIGHT: dict[str, st.SearchStrategy[Any]] = {
    "model": models,
    "prompt": texts,
    "duration": durations,
    "ratio": ratios,
    "referenceImages": lists,
    "first_image": urls,
    "last_image": urls,
    "referenceVideos": lists,
}
SHAPES = [(0, 0, 0), (1, 0, 0), (7, 0, 0), (8, 0, 0), (0, 0, 3), (0, 0, 1), (0, 0, 2), (0, 1, 0), (1, 1, 0), (2, 1, 0)]
SHAPES += [(4, 1, 0), (5, 1, 0), (0, 2, 0), (1, 0, 3), (0, 1, 3), (1, 1, 1)]
"""How many images and clips, and which frames (1: the first, 2: the last): the six modes, and what lies just beyond."""


@st.composite
def orders(draw: Any, odd: st.SearchStrategy[Any]) -> dict[str, Any]:
    """Draw an order by the names on the wire: of a right shape or nearly so, and with up to two odd values."""
    drawn: dict[str, Any] = {"model": "starvideos_o3", "prompt": draw(st.sampled_from(["a red fox", "\U0001f98a"]))}
    images, clips, frames = draw(st.sampled_from(SHAPES))
    for name, count in (("referenceImages", images), ("referenceVideos", clips)):
        drawn |= {name: draw(st.lists(good_urls, min_size=count, max_size=count))} if count else {}
    for bit, name in ((1, "first_image"), (2, "last_image")):
        drawn |= {name: draw(good_urls)} if frames & bit else {}
    timed = {"duration": st.integers(2, 16), "ratio": st.sampled_from(["1:1", "9:16", "16:9", "4:3"])}
    for name, values in timed.items():
        drawn |= {name: draw(values)} if draw(st.integers(0, 3)) == 0 else {}
    for name in draw(st.lists(st.sampled_from(sorted(ARGUMENTS)), max_size=2)):
        drawn[name] = draw(NEARLY_RIGHT[name] | NEARLY_RIGHT[name] | odd)
    return drawn


given_orders, sent_orders = orders(anything), orders(json_values)


def as_text(value: Any) -> Any:
    """Return a list as a template may render it."""
    return json.dumps(value) if isinstance(value, list) and len(repr(value)) % 2 else repr(value)


def order(wire: dict[str, Any]) -> VideoRequest | StarVideosValidationError:
    """Let the provider read a request; anything but the one error goes through."""
    try:
        return build_request(**{ARGUMENTS[name]: value for name, value in wire.items()})
    except StarVideosValidationError as error:
        return error


def signed(request: VideoRequest) -> VideoRequest:
    """Return the request as it is once its stored inputs are presigned."""

    def sign(uri: str) -> str:
        return "https://bucket.example/key?sig=x" if uri.partition("://")[0].lower() in STORAGE_SCHEMES else uri

    return replace(
        request,
        reference_images=tuple(map(sign, request.reference_images)),
        reference_videos=tuple(map(sign, request.reference_videos)),
        first_image=request.first_image and sign(request.first_image),
        last_image=request.last_image and sign(request.last_image),
    )


def check_error(error: StarVideosValidationError) -> None:
    """An error is clear: every problem has its field and its rule, and it is text that a log can take."""
    assert error.problems
    for problem in error.problems:
        assert problem.field.partition("[")[0] in ARGUMENTS.values()
        assert problem.rule
        assert len(problem.value) <= 100
    assert len(str(error)) < 20_000
    str(error).encode()


def body_of(request: VideoRequest) -> bytes:
    """Return the bytes that are sent for a request."""
    body = create_request(ENDPOINT, signed(request)).body
    assert body is not None
    return body


ODD: dict[str, dict[str, Any]] = {
    "nested deeper than Python can show": dict.fromkeys(ARGUMENTS, nested(100_000)),
    "an integer too long for Python to show": dict.fromkeys(ARGUMENTS, 10**5000),
    "what can't be shown": dict.fromkeys(ARGUMENTS, Unshowable()),
    "lists of those": {name: [nested(100_000), -(10**5000), Unshowable()] for name in ARGUMENTS},
    "text of a list that can't be": {"referenceImages": "[{[]}]", "referenceVideos": "[" + "9" * 400 + "+1j]"},
    "text of a deep list": {"referenceImages": "[" * 100_000, "referenceVideos": "[" + "-" * 100_000 + "1]"},
    "a lazy list without end": {"referenceImages": range(10**15), "referenceVideos": range(10**15)},
    "a URL behind a thousand blanks": {"referenceImages": [None] * 1000 + ["http://h.example/1001.png"]},
    "very many wrong URLs": {"referenceImages": ["cat.png"] * 900, "referenceVideos": ["cat.mp4"] * 100_000},
    "very long texts": dict.fromkeys(ARGUMENTS, "9" * 10_000_000),
}


@pytest.mark.parametrize("wire", ODD.values(), ids=ODD)
def test_what_is_odd_or_huge_is_refused_clearly(wire: dict[str, Any]) -> None:
    """One error that lists every such argument, in little time and few words."""
    started = time.monotonic()
    read = order({"prompt": "a red fox", **wire})
    assert isinstance(read, StarVideosValidationError)
    check_error(read)
    wrong = {problem.field.partition("[")[0] for problem in read.problems}
    assert {ARGUMENTS[name] for name in wire if name != "prompt"} <= wrong
    assert time.monotonic() - started < 5


@settings(PROFILE, max_examples=1500 * LONG)
@given(wire=st.fixed_dictionaries({}, optional=dict.fromkeys(ARGUMENTS, anything)) | given_orders | given_orders)
def test_whatever_is_given_is_refused_clearly_or_accepted_by_the_server(wire: dict[str, Any]) -> None:
    """One clear error that lists everything, or bytes that the server takes for what was meant; never anything else."""
    read = order(wire)
    if isinstance(read, StarVideosValidationError):
        event("refused")
        check_error(read)
        return
    event(f"accepted: {read.mode.value}")
    accepted = check(decode(body_of(read)))
    assert accepted.ignored == ()
    assert accepted.prompt == read.prompt
    assert (accepted.duration, accepted.ratio) == (
        (read.duration or 3, read.ratio or "9:16") if accepted.mode.timed else (None, None)
    )
    counts = (len(accepted.images), len(accepted.videos), len(accepted.frames))
    assert counts == (len(read.reference_images), len(read.reference_videos), 2 if read.first_image else 0)


@settings(PROFILE, max_examples=500 * LONG)
@given(wire=given_orders)
def test_what_templates_render_is_read_as_what_was_given(wire: dict[str, Any]) -> None:
    """A list, rendered to text as JSON or as Python, is the same order, and gets the same number of problems."""
    lists = {name for name in ("referenceImages", "referenceVideos") if isinstance(wire.get(name), list)}
    assume(lists and all(isinstance(item, str) for name in lists for item in wire[name]))
    plain, text = order(wire), order(wire | {name: as_text(wire[name]) for name in lists})
    if isinstance(plain, StarVideosValidationError):
        assert isinstance(text, StarVideosValidationError)
        assert [problem.field for problem in text.problems] == [problem.field for problem in plain.problems]
    else:
        assert text == plain


# -- from the wire's side


def server_takes(body: Any) -> bool:
    """Return what the server says to a body."""
    try:
        check(decode(json.dumps(body).encode()))
    except InvalidRequestError:
        return False
    return True


def says_nothing(read: VideoRequest | StarVideosValidationError) -> bool:
    """Return whether a prompt is refused that the API would take, and bill: ``-``, ``:``, a blank that isn't seen."""
    if isinstance(read, VideoRequest):
        return False
    return any(
        problem.field == "prompt" and problem.rule.startswith(("must be given", "must say what to show"))
        for problem in read.problems
    )


@settings(PROFILE, max_examples=3000 * LONG)
@given(body=sent_orders)
def test_server_and_provider_draw_the_same_border(body: dict[str, Any]) -> None:
    """What the server takes, the provider takes and sends just so; what it refuses, the provider refuses or fixes."""
    read, taken = order(body), server_takes(body)
    if taken and says_nothing(read):
        event("says nothing")
    elif taken and "referenceVideos" in body and not all(is_missing(body.get(name)) for name in ("duration", "ratio")):
        event("ignored by the server, refused by the provider")
        assert isinstance(read, StarVideosValidationError)
        rules = {problem.rule for problem in read.problems if problem.field in ("duration", "ratio")}
        assert any(rule.startswith("doesn't apply with reference_videos") for rule in rules)
    elif taken and not ("ratio" in body and is_missing(body["ratio"])):
        event("taken")
        assert isinstance(read, VideoRequest)
        assert json.dumps(read.to_wire(), sort_keys=True) == json.dumps(body, sort_keys=True)
    elif isinstance(read, VideoRequest):
        event("mended")
        assert json.dumps(read.to_wire()) != json.dumps(
            {name: body[name] for name in ARGUMENTS if name in body}
        ) or any(
            is_storage_uri(item) for value in body.values() for item in (value if isinstance(value, list) else [value])
        )
        assert server_takes(signed(read).to_wire())
    else:
        event("refused")
        check_error(read)


# -- over a real socket


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """A server that fetches no references, and makes no videos."""
    with Emulator(seconds="hold", references="off") as running:
        yield running


def post(emulator: Emulator, body: bytes) -> requests.Response:
    """Send a body as it is."""
    headers = {"Authorization": f"Bearer {emulator.key}", "Content-Type": "application/json"}
    return requests.post(emulator.base_url + CREATE_PATH, data=body, headers=headers, timeout=20)


@settings(PROFILE, max_examples=150 * LONG)
@given(wire=given_orders)
def test_over_a_socket_what_the_provider_sends_is_accepted(emulator: Emulator, wire: dict[str, Any]) -> None:
    """Every order that passes the provider's rules is accepted, billed once, and understood as it was meant."""
    read = order(wire)
    if isinstance(read, StarVideosValidationError):
        return
    before = emulator.billed.videos
    answer = post(emulator, body_of(read))
    assert (answer.status_code, emulator.billed.videos) == (200, before + 1)
    assert emulator.order(answer.json()["id"]).request == signed(read).to_wire()


@settings(PROFILE, max_examples=150 * LONG)
@example(body=b"")
@example(body=b"[" * 500_000)
@example(body=b'{"model": "starvideos_o3", "prompt": "x", "duration": ' + b"9" * 5000 + b"}")
@example(body=b'{"model": "starvideos_o3", "prompt": "\\ud800"}')
@example(body=b'{"model": "starvideos_o3", "prompt": "x", "duration": NaN}')
@example(body=b" " * 2_000_000)
@given(
    body=st.binary()
    | json_values.map(lambda value: json.dumps(value).encode())
    | sent_orders.map(json.dumps).map(str.encode)
)
def test_over_a_socket_no_body_upsets_the_server(emulator: Emulator, body: bytes) -> None:
    """Accepted and billed, or refused with a JSON error and not billed; a server's error is a bug of the emulator."""
    before = emulator.billed.videos
    answer = post(emulator, body)
    assert answer.status_code in (200, 400, 413)
    assert emulator.billed.videos == before + (answer.status_code == 200)
    assert answer.json()["id" if answer.status_code == 200 else "error"]
