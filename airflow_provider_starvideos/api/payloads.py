"""Finds the objects in an answer's JSON, their ids, and the one that is the video.

The documented answer is one flat object. Sibling endpoints of the same server wrap it (``data``, ``task``, ``result``,
lists of one), and name the id differently. Names are compared without case, ``_`` and ``-``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from airflow_provider_starvideos.api.models import MODEL, STATUS_WORDS, TaskStatus, plain
from airflow_provider_starvideos.api.protocol import VIDEO_ID
from airflow_provider_starvideos.api.values import is_missing

WRAPPERS = ("data", "task", "result", "video", "output", "taskresult", "content", "videos", "results")
MAX_DEPTH = 3  # wrappers around the video
MAX_OBJECTS = 50  # of an answer that are read

ID_NAMES = ("id", "videoid", "taskid", "projectid")
REQUEST_ID_NAMES = ("requestid",)  # of the call, unless the same object has a video's status
STATUS_NAMES = ("status", "taskstatus", "videostatus", "state")
CALL_WORDS = frozenset({"success", "succeed", "error", "fail", "failed", "ok"})  # about the call, not about a video
VIDEO_LIKE = re.compile(r"(video|vid|proj|project|task|gen)[_-]", re.IGNORECASE)
A_VIDEOS_ID = re.compile(r"(video|proj|task)[_-](?=.*[0-9])[A-Za-z0-9._~-]{1,190}")
A_VIDEOS_KIND = re.compile(r"video|task|generation|job|project", re.IGNORECASE)  # of ``object``
SIGNS = frozenset({*STATUS_NAMES, *ID_NAMES[1:], "object", "code", "success"})  # next to an id
SPARSE = frozenset({"id", "created", "model", "error", "message", "msg", "requestid", "amount"})  # prove nothing
QUOTED_ID = re.compile(r'"(?:id|video_?id|task_?id|project_?id)"\s*:\s*"?([A-Za-z0-9._~-]{1,200})"?', re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Node:
    """One object of an answer."""

    fields: Mapping[str, Any] = field(repr=False)  # by plain name
    parent: Node | None = None  # the object that wraps it
    depth: int = 0  # wrappers around it
    alone: bool = True  # False in a list of several

    def ancestors(self) -> Iterator[Node]:
        """Yield the objects that wrap it, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent

    def text(self, names: Sequence[str]) -> str:
        """Return its first text that has one of these names and isn't blank."""
        return next((v.strip() for v in map(self.fields.get, names) if isinstance(v, str) and v.strip()), "")

    @cached_property
    def status(self) -> TaskStatus | None:
        """What its status word means; None for an unknown word, or without one."""
        words = (self.fields.get(name) for name in STATUS_NAMES)
        return next((STATUS_WORDS[plain(w)] for w in words if isinstance(w, str) and plain(w) in STATUS_WORDS), None)

    @cached_property
    def says_video(self) -> bool:
        """It has what only a video has: ``object``, the model, or a status word that isn't in ``CALL_WORDS``."""
        if self.fields.get("object") == "video" or self.fields.get("model") == MODEL:
            return True
        return self.status is not None and not self._is_call_word

    @property
    def _is_call_word(self) -> bool:
        return plain(self.text(STATUS_NAMES)) in CALL_WORDS

    @cached_property
    def video_id(self) -> str:
        """Its id, as text; empty without one. A request's id counts only together with a video's status."""
        names = (*ID_NAMES, *REQUEST_ID_NAMES) if self.says_video else ID_NAMES
        return next((found for found in map(_id_of, map(self.fields.get, names)) if found), "")

    @cached_property
    def weight(self) -> int:
        """How likely it is the video: the higher, the likelier; -1: it isn't."""
        video_id = self.video_id
        if not video_id:
            return -1
        call_word = self.status is not None and self._is_call_word
        return 4 * self.says_video + 2 * bool(VIDEO_LIKE.match(video_id)) + call_word

    @property
    def is_foreign(self) -> bool:
        """It is another kind of thing, such as the answer to another request: its id isn't that of a video."""
        kind = self.fields.get("object")
        if isinstance(kind, str) and kind.strip() and not A_VIDEOS_KIND.search(kind):
            return True
        names = self.fields.keys()
        return self.weight == 0 and self.parent is None and not names & SIGNS and not names <= SPARSE

    @property
    def is_live_video(self) -> bool:
        """It names a video that hasn't failed, so an order may have been accepted, whatever else the answer says."""
        return self.weight >= 2 and self.status is not TaskStatus.FAILED


def nodes_of(payload: Any) -> list[Node]:
    """Return the objects of an answer that may hold a video, the outermost first."""
    found: list[Node] = []
    waiting: list[tuple[Any, Node | None, int, bool]] = [(payload, None, 0, True)]
    for value, parent, depth, alone in waiting:
        if len(found) >= MAX_OBJECTS or depth > MAX_DEPTH:
            break
        if isinstance(value, list):
            waiting.extend((one, parent, depth + (parent is None), alone and len(value) == 1) for one in value)
        elif isinstance(value, dict):
            fields: dict[str, Any] = {}
            for name, inner in value.items():
                fields.setdefault(plain(name), inner)
            node = Node(fields, parent, depth, alone)
            found.append(node)
            waiting.extend((fields[name], node, depth + 1, alone) for name in WRAPPERS if name in fields)
            if isinstance(inner := fields.get("data"), str) and A_VIDEOS_ID.fullmatch(inner.strip()):
                found.append(Node({"id": inner}, node, depth + 1, alone))
    return found


def the_video(nodes: Sequence[Node], video_id: str | None) -> Node | None:
    """Return the object that is the video: the one with that id, or any for an order (None)."""
    wanted = [n for n in nodes if (n.video_id == video_id if video_id else n.alone and n.video_id)]
    if not wanted:
        return None
    # Without a sign of a video the innermost: an envelope may have its own id. Otherwise the outermost, as documented.
    best = max(node.weight for node in wanted)
    equal = [node for node in wanted if node.weight == best]
    return equal[0] if best > 0 else equal[-1]


def named_in(nodes: Sequence[Node], text: str = "") -> str:
    """Return an id that an answer names, whatever it means; empty without one.

    :param text: the answer as text, where it isn't JSON: a cut answer may name the video
    """
    for node in sorted(nodes, key=lambda node: -node.weight):
        if node.video_id:
            return node.video_id
    for node in nodes:
        if asked := next(filter(None, (_id_of(node.fields.get(name)) for name in REQUEST_ID_NAMES)), ""):
            return asked
    quoted = QUOTED_ID.search(text) if text.lstrip().startswith(("{", "[")) else None
    return quoted.group(1) if quoted else ""


def within(node: Node, nodes: Sequence[Node]) -> list[Node]:
    """Return an object, the objects inside it, and the objects around it, in this order."""
    inner = [one for one in nodes if node in one.ancestors()]
    return [node, *inner, *node.ancestors()]


def _id_of(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if 0 < value < 10**60 else ""
    text = value.strip() if isinstance(value, str) else ""
    return text if VIDEO_ID.fullmatch(text) and text.strip("0") and not is_missing(text) else ""
