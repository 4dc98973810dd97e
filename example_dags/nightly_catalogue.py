"""A catalogue that is rendered every night, of which only what has changed is ordered and paid for.

Its library remembers each finished video under a name that comes from the request. A product whose text or picture has
changed is a new request; all others are ``reused``: no order, and the file is at the night's destination all the same.
``STARVIDEOS_EXAMPLE_INPUTS`` (see ``six_modes.py``) says where the pictures are, ``STARVIDEOS_EXAMPLE_DESTINATION``
where library and videos go; each may be a bucket: ``s3://aws_default@my-bucket/videos/``.
"""

import csv
import io
import json
import os
import tempfile
from datetime import datetime
from pathlib import Path

from airflow.sdk import ObjectStoragePath, Param, dag, task

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator

INPUTS = os.environ.get("STARVIDEOS_EXAMPLE_INPUTS", "http://127.0.0.1:8642/samples")
PRODUCTS = str(Path(__file__).parent / "data" / "catalogue.csv")
FOLDER = os.environ.get("STARVIDEOS_EXAMPLE_DESTINATION", f"{tempfile.gettempdir()}/starvideos_example/")


@task
def requests(path: str) -> list[dict]:
    """Make a row for each product; the video's file is named after it."""
    return [
        {
            "name": product["sku"],
            "prompt": f"{product['name']}, {product['mood']}",
            "reference_images": [f"{INPUTS}/{product['picture']}"] if product["picture"] else None,
        }
        for product in csv.DictReader(io.StringIO(ObjectStoragePath(path).read_text()))
    ]


@task
def publish(manifest: str) -> dict[str, list[str]]:
    """Write into the log which videos are new. A real Dag would update the shop here."""
    rows = [json.loads(line) for line in ObjectStoragePath(manifest).read_text().split("\n") if line]
    names = {status: [row["name"] for row in rows if row["status"] == status] for status in ("saved", "reused")}
    print(f"new: {names['saved']}; as last night: {len(names['reused'])} videos")
    return names


@dag(
    dag_id="starvideos_nightly_catalogue",
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1),
    catchup=False,
    is_paused_upon_creation=True,
    max_active_runs=1,
    params={
        "products": Param(PRODUCTS, type="string", description="A CSV file: sku, name, mood, picture"),
        "refresh": Param("", type="string", description="Products to order again all the same, such as shoe-*"),
    },
    tags=["starvideos"],
)
def nightly_catalogue():
    # [library: begin]
    videos = StarVideosBatchOperator(
        task_id="videos",
        requests=requests("{{ params.products }}"),
        library=f"{FOLDER}library/",
        library_check="head",  # a picture that was replaced under its URL is another request
        refresh="{{ params.refresh }}",
        destination=FOLDER + "nightly/{{ run_id | replace(':', '') }}/",
        duration=5,
        ratio="16:9",
        retries=2,
    )
    # [library: end]
    publish(videos.output)


nightly_catalogue()
