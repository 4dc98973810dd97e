"""The requests that cost nothing. Everything that keeps them from ordering a video stands here.

They are queries, and two orders that must be refused. Both break so many rules of the vendor's page "StarVideos O3 -
Create Task" that a server which checks nothing has nothing to make a video of: there is no prompt, the model doesn't
exist, the length is 0, the ratio is none, and the clip that the video would follow is at a name that never has an
address (".invalid", RFC 2606). The first goes out with a key that is none; the second only if the first was refused.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from airflow_provider_starvideos.api.protocol import CREATE_PATH, HttpRequest, query_request
from airflow_provider_starvideos.check.evidence import Evidence, Sender

UNKNOWN_ID = "video_starvideos_0000000000"
UNKNOWN_PATH = "/v1/airflow-provider-starvideos/no-such-path"
WRONG_KEY = "this-is-no-key-airflow-provider-starvideos-check"
INVALID_ORDER = json.dumps(
    {
        "model": "no-such-model",
        "duration": 0,
        "ratio": "0:0",
        "referenceVideos": ["https://no-such-host.invalid/no.mp4"],
    }
).encode()

PATH, UNKNOWN = "unknown path", "unknown id"
KEY, KEY_ORDER, ORDER = "wrong key", "wrong key, invalid order", "invalid order"
ANNOUNCED = {
    KEY_ORDER: "Sending an invalid order with a key that is none (--no-order-probe: don't).",
    ORDER: "Sending an invalid order, which must be refused: no prompt, no such model, 0 seconds.",
}


def ask(evidence: Evidence, transport: Sender, *, with_orders: bool, say: Callable[[str], None]) -> None:
    """Send all requests; those for orders last, and none after one that wasn't refused.

    :param evidence: takes what comes back
    :param transport: sends
    :param with_orders: send the two orders too that must be refused
    :param say: tells the user
    """
    endpoint = evidence.endpoint
    stranger = replace(endpoint, key=WRONG_KEY)
    url = endpoint.base_url + CREATE_PATH
    if evidence.ask(UNKNOWN, transport, query_request(endpoint, UNKNOWN_ID)).response is None:
        return
    evidence.ask(PATH, transport, HttpRequest("GET", endpoint.base_url + UNKNOWN_PATH, endpoint))
    evidence.ask(KEY, transport, query_request(stranger, UNKNOWN_ID))
    for label, sender in ((KEY_ORDER, stranger), (ORDER, endpoint)) if with_orders else ():
        if evidence.may_order:
            say(ANNOUNCED[label])
            evidence.ask(label, transport, HttpRequest("POST", url, sender, INVALID_ORDER))
