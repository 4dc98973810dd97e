"""The requests that cost nothing: queries, and two invalid orders that must be refused.

All that keeps the two from ordering a video is decided here. They break so many rules of the vendor's page "StarVideos
O3 - Create Task" that even a server which checks nothing can make no video of them. The first has a wrong key. The
second is sent only if the first was refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_starvideos.api.protocol import CREATE_PATH, HttpRequest, query_request
from airflow_provider_starvideos.check.evidence import Evidence
from airflow_provider_starvideos.clients.sync import SyncClient

UNKNOWN_ID = "video_starvideos_0000000000"
UNKNOWN_PATH = "/v1/airflow-provider-starvideos/no-such-path"
WRONG_KEY = "this-is-no-key-airflow-provider-starvideos-check"
INVALID_ORDER = json.dumps(  # without a prompt
    {
        "model": "no-such-model",
        "duration": 0,
        "ratio": "0:0",
        "referenceVideos": ["https://no-such-host.invalid/no.mp4"],  # never has an address (RFC 2606)
    }
).encode()

PATH, UNKNOWN = "unknown path", "unknown id"
KEY, KEY_ORDER, ORDER = "wrong key", "wrong key, invalid order", "invalid order"
ANNOUNCED = {
    KEY_ORDER: "Sending an invalid order with a wrong key (--no-order-probe: don't).",
    ORDER: "Sending an invalid order, which must be refused: no prompt, no such model, 0 seconds.",
}


def probe(evidence: Evidence, client: SyncClient, *, with_orders: bool, say: Callable[[str], None]) -> None:
    """Send all requests, orders last, and no order after one that wasn't refused."""
    endpoint = evidence.endpoint
    wrong = replace(endpoint, key=WRONG_KEY)
    url = endpoint.base_url + CREATE_PATH
    if evidence.ask(UNKNOWN, client, query_request(endpoint, UNKNOWN_ID)).response is None:
        return
    evidence.ask(PATH, client, HttpRequest("GET", endpoint.base_url + UNKNOWN_PATH, endpoint))
    evidence.ask(KEY, client, query_request(wrong, UNKNOWN_ID))
    for label, api in ((KEY_ORDER, wrong), (ORDER, endpoint)) if with_orders else ():
        if evidence.may_order:
            say(ANNOUNCED[label])
            evidence.ask(label, client, HttpRequest("POST", url, api, INVALID_ORDER))
