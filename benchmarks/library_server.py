"""Moto's S3 server with a library in it, whose listings cost what a page holds, and not what the bucket holds.

    python -m benchmarks.library_server PORT ENTRIES

For each page of a listing, moto copies and sorts the names of the whole bucket, and builds its XML for 80 ms. Here the
names are kept sorted, and the XML comes from a template, so that a lookup is measured, and not the server. After
SIGUSR1 the server lists as moto does.
"""

from __future__ import annotations

import hashlib
import signal
import sys
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any
from xml.sax.saxutils import escape

VIDEO = b"v"
XML = (
    '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    "<Name>shop</Name><KeyCount>{count}</KeyCount><IsTruncated>{is_cut}</IsTruncated>{more}{files}</ListBucketResult>"
)
LAST = "\U0010ffff"


def name(number: int) -> str:
    """Return the name of a request."""
    return hashlib.sha256(str(number).encode()).hexdigest()[:40]


def documents(count: int) -> Iterator[Any]:
    """Yield entries."""
    from airflow_provider_starvideos.library.entry import Entry, now_text

    sha256, now = hashlib.sha256(VIDEO).hexdigest(), now_text()
    request = {"model": "starvideos_o3", "prompt": "Red kite over the sea in a stiff breeze. " * 4, "duration": 5}
    made_by = {"dag_id": "catalogue", "run_id": "scheduled__2026-11-29T02:00:00+00:00", "task_id": "videos"}
    for number in range(count):
        facts = {"seconds": 5.0, "amount": "0.76", "request": request, "made_by": made_by}
        yield Entry(name(number), f"video_starvideos_{number}", len(VIDEO), sha256, now, **facts)


class SortedNames:
    """The names of the bucket, sorted again when their number has changed."""

    def __init__(self, keys: Any) -> None:
        self._keys = keys
        self._names: list[str] = []
        self._lock = threading.Lock()

    def page(self, response: Any) -> tuple[int, dict[str, str], str]:
        """Answer a request for a page."""
        with self._lock:
            if len(self._names) != len(self._keys):
                self._names = sorted(dict.keys(self._keys))
            names = self._names
        prefix, start, token = (_asked(response, one) for one in ("prefix", "start-after", "continuation-token"))
        begin = max(bisect_left(names, prefix), bisect_right(names, token or start))
        end, count = bisect_left(names, f"{prefix}{LAST}"), int(_asked(response, "max-keys") or 1000)
        page = [self._keys[one] for one in names[begin : min(end, begin + count)]]
        files = "".join(
            f"<Contents><Key>{key.name}</Key><LastModified>{key.last_modified_ISO8601}</LastModified>"
            f"<ETag>{escape(key.etag)}</ETag><Size>{key.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            for key in page
        )
        is_cut = end - begin > count
        more = f"<NextContinuationToken>{page[-1].name}</NextContinuationToken>" if is_cut else ""
        body = XML.format(count=len(page), is_cut=str(is_cut).lower(), more=more, files=files)
        return 200, {"Content-Type": "application/xml"}, body


def _asked(response: Any, parameter: str) -> str:
    return str(response.querystring.get(parameter, [""])[0])


def main() -> None:
    """Put the library there, and serve it."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.s3.models import s3_backends
    from moto.s3.responses import S3Response
    from moto.server import main as serve

    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    backend.create_bucket("shop", "us-east-1")
    for entry in documents(int(sys.argv[2])):
        backend.put_object("shop", f"library/{entry.file}", VIDEO)
        backend.put_object("shop", f"library/{entry.file[:42]}.json", entry.to_json())
    plain, names = S3Response.list_objects_v2, SortedNames(backend.get_bucket("shop").keys)
    S3Response.list_objects_v2 = lambda self: plain(self) if _asked(self, "delimiter") else names.page(self)
    signal.signal(signal.SIGUSR1, lambda *_: setattr(S3Response, "list_objects_v2", plain))
    serve(["-H", "127.0.0.1", "-p", sys.argv[1]])


if __name__ == "__main__":
    main()
