"""A listing of a folder in S3, with as few requests as possible: each gets a page of 1,000 files.

A page can begin after any name, so a lookup doesn't ask for pages without a wanted name. It needs no more requests
than it has names, and no more than the folder has pages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus
from xml.etree import ElementTree

UNSORTED = "--x-s3"  # ends the name of a directory bucket, whose listings begin nowhere and have no order
LAST_FILE = ".json"  # ends the last file of a name: a video's has a "-" there
END = "~"  # after all names

_is_ours: ContextVar[bool] = ContextVar("starvideos_listing", default=False)


@dataclass(frozen=True, slots=True)
class File:
    """A file as a listing shows it."""

    name: str  # in its folder
    size: int  # bytes
    stamp: str = ""  # changes with its content; empty where the store gives nothing of the kind
    changed: float | None = None  # epoch seconds, if the store gives them


Ranges = list[tuple[str, str]]


def files_in_s3(fs: Any, path: str, wanted: Collection[str], skipped: Ranges) -> Iterator[File]:
    """Yield the files of a folder in S3.

    :param fs: the store, of s3fs
    :param path: bucket and prefix of the folder, with a ``/`` at its end
    :param wanted: how the names of wanted files begin: others may be left out. Empty: all
    :param skipped: gets where files were left out: between which names, both exclusive
    """
    bucket, _, prefix = path.partition("/")
    left = deque(() if bucket.endswith(UNSORTED) else sorted(wanted))
    begins_anywhere, last, token = bool(left), "", ""
    while True:
        if left and left[0] > last:
            skipped.append((last, left[0]))
            last, begin = left[0], {"StartAfter": f"{prefix}{left[0]}"}
        else:
            begin = {"ContinuationToken": token} if token else {}
        page, token = _page(fs, Bucket=bucket, Prefix=prefix, **begin)
        if begins_anywhere and not _follow(page, last):
            skipped.clear()  # the store doesn't sort, or doesn't know StartAfter: all of it
            yield from files_in_s3(fs, path, (), skipped)
            return
        yield from page
        last = page[-1].name if page else last
        while left and f"{left[0]}{LAST_FILE}" <= last:
            left.popleft()
        if not token:
            return
        if begins_anywhere and not left:
            skipped.append((last, END))
            return


def _page(fs: Any, **request: str) -> tuple[list[File], str]:
    """Return the files of a page, and what gets the next one; nothing at the end."""
    if getattr(fs, "_s3", None):  # s3fs 2026.4 loses its credentials if its client is asked for before a first request
        fs.s3.meta.events.register("before-parse.s3.ListObjectsV2", _keep, unique_id="starvideos-listing")
    ours = _is_ours.set(True)
    try:
        answer = fs.call_s3("list_objects_v2", **request)
    finally:
        _is_ours.reset(ours)
    if "Page" in answer:  # else botocore has read it: s3fs used another client
        answer = _read(answer["Page"])
    token = str(answer.get("NextContinuationToken") or "")
    if answer.get("IsTruncated") and not token:
        raise ValueError("the listing is cut, and nothing says how it goes on")
    prefix = request["Prefix"]
    page = [
        File(one["Key"].removeprefix(prefix), int(one["Size"]), one["ETag"].strip('"'), one["LastModified"].timestamp())
        for one in answer.get("Contents", ())
    ]
    return page, token if answer.get("IsTruncated") else ""


def _keep(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """Keep a page of ours as it is: botocore takes twelve times as long to read it. The context is the caller's."""
    if _is_ours.get() and response_dict["status_code"] == 200:
        customized_response_dict.setdefault("Page", response_dict["body"])
        response_dict["body"] = b""


def _read(page: bytes) -> dict[str, Any]:
    """Return of a page what botocore would."""
    root = ElementTree.fromstring(page)  # noqa: S314 (botocore does it, too)
    if not root.tag.endswith("ListBucketResult"):
        raise ValueError(f"the answer is no listing, but {root.tag!r}")
    space = root.tag.removesuffix("ListBucketResult")  # of XML's names
    decoded = unquote_plus if root.findtext(f"{space}EncodingType") == "url" else str
    files = [
        {
            "Key": decoded(node.findtext(f"{space}Key", "")),
            "Size": node.findtext(f"{space}Size", ""),
            "ETag": node.findtext(f"{space}ETag", ""),
            "LastModified": datetime.fromisoformat(node.findtext(f"{space}LastModified", "")),
        }
        for node in root.findall(f"{space}Contents")
    ]
    is_cut, token = root.findtext(f"{space}IsTruncated") == "true", root.findtext(f"{space}NextContinuationToken")
    return {"Contents": files, "IsTruncated": is_cut, "NextContinuationToken": token}


def _follow(page: list[File], last: str) -> bool:
    names = [last, *(one.name for one in page)]
    return names == sorted(names)
