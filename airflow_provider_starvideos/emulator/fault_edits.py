"""How faults edit the right answer into a wrong one. Pure functions, named as their kinds are."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Any

from airflow_provider_starvideos.emulator.answers import Answer, Body, json_answer

Params = Mapping[str, Any]
Edit = Callable[[Answer, Params, "Scene"], Answer]


@dataclass(frozen=True, slots=True)
class Scene:
    """What a fault may know of the request that it spoils.

    :param url: the request's URL with its query, for a redirect onto itself.
    :param revoke: makes the URL of this download expire now.
    """

    url: str
    revoke: Callable[[], None]


def status(_: Answer, params: Params, scene: Scene) -> Answer:
    """Answer with a status of choice."""
    body = params["body"]
    headers = dict(params["headers"])
    retry_after = params["retry_after"]
    if params["retry_after_date"] is not None:
        retry_after = formatdate(time.time() + params["retry_after_date"], usegmt=True)
    if retry_after is not None:
        headers["Retry-After"] = retry_after
    if body is None:
        message = f"fault injected: {params['status']}"
        body = {"error": {"message": message, "code": f"emulated_{params['status']}"}}
    if isinstance(body, str):
        content_type = headers.pop("Content-Type", "text/html" if body.lstrip().startswith("<") else "text/plain")
        return Answer(params["status"], Body(body.encode()), content_type, headers)
    return json_answer(body, params["status"], headers)


def close(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Close without an answer."""
    return replace(answer, ending="close")


def reset(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Reset the connection without an answer."""
    return replace(answer, ending="reset")


def close_after(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Close after the whole answer."""
    return replace(answer, cut=answer.body.size)


def cut(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Close after a part of the body."""
    at = params["at"]
    return replace(answer, cut=int(answer.body.size * at) if at < 1 else min(int(at), answer.body.size))


def expire_midway(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Close after a part of the body, and let the URL expire."""
    scene.revoke()
    return cut(answer, params, scene)


def replaced(content_type: str, data: bytes) -> Edit:
    """Return an edit that puts another body in place."""

    def edit(answer: Answer, params: Params, scene: Scene) -> Answer:
        return Answer(answer.status, Body(data), content_type)

    return edit


def garbage(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Send what is neither JSON nor video."""
    return Answer(answer.status, Body(b'\x00\xff{"id": nonsense'), answer.content_type or "application/json")


def wrong_type(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Send JSON that is no object."""
    return json_answer(params["body"], answer.status)


def payload(change: Callable[[dict[str, Any], Params], Any]) -> Edit:
    """Return an edit that changes the JSON object in the body."""

    def edit(answer: Answer, params: Params, scene: Scene) -> Answer:
        return json_answer(change(dict(answer.payload), params), answer.status)

    return edit


def no_id(payload: dict[str, Any], params: Params) -> dict[str, Any]:
    """Leave the id out."""
    return {name: value for name, value in payload.items() if name != "id"}


def envelope(payload: dict[str, Any], params: Params) -> dict[str, Any]:
    """Wrap the object."""
    return {"code": params["code"], "message": "success", "data": payload}


def error_200(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Send an error with status 200."""
    return json_answer({"code": params["code"], "message": params["message"], "data": None})


def unknown_status(payload: dict[str, Any], params: Params) -> dict[str, Any]:
    """Put another status in."""
    return {**payload, "status": params["status"]}


def unknown_fields(payload: dict[str, Any], params: Params) -> dict[str, Any]:
    """Add fields."""
    return {**payload, "progress": 42, "metadata": {"region": "moon", "tags": [1, None]}, "": []}


def huge(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Send a very large body."""
    head, tail = b'{"error": "', b'"}'
    body = Body(head, max(0, params["bytes"] - len(head) - len(tail)), tail, b"x")
    return Answer(params["status"], body, "application/json", length=None if params["chunked"] else "exact")


def slow(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Drip the body."""
    return replace(answer, bytes_per_second=params["bytes_per_second"])


def wrong_length(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Announce another length."""
    return replace(answer, length=max(0, answer.body.size + params["delta"]))


def chunked(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Announce no length."""
    return replace(answer, length=None)


def ignore_range(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Send the whole file."""
    return answer.whole or answer


def redirect(_: Answer, params: Params, scene: Scene) -> Answer:
    """Send the client elsewhere."""
    location = scene.url if params["location"] == "loop" else params["location"]
    return Answer(params["status"], Body(b""), headers={"Location": location})


def content_type(answer: Answer, params: Params, scene: Scene) -> Answer:
    """Announce another type."""
    return replace(answer, content_type=params["value"])
