"""A catalogue: a video for each product of a CSV file, ordered, awaited and saved by one task.

Products → prompts → one batch → a task that reads the batch's manifest. However many products there are, one process
orders and another one saves; nothing waits on a worker in between. (Where videos take longer than ``save_interval``, 10
minutes, there is one more process for each of these.) ``STARVIDEOS_EXAMPLE_INPUTS`` (see ``six_modes.py``) says where
the pictures are, ``STARVIDEOS_EXAMPLE_DESTINATION`` where the videos go; each may be a bucket, with an Airflow
connection in it: ``s3://aws_default@my-bucket/videos/``.
"""

import csv
import io
import json
import os
import tempfile
from pathlib import Path

from airflow.sdk import ObjectStoragePath, Param, dag, task

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator

INPUTS = os.environ.get("STARVIDEOS_EXAMPLE_INPUTS", "http://127.0.0.1:8642/samples")
PRODUCTS = str(Path(__file__).parent / "data" / "catalogue.csv")
DESTINATION = os.environ.get("STARVIDEOS_EXAMPLE_DESTINATION", f"{tempfile.gettempdir()}/starvideos_example/")


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
def publish(manifest: str) -> list[str]:
    """Read the outcome of each row. A real Dag would update the shop here."""
    rows = [json.loads(line) for line in ObjectStoragePath(manifest).read_text().split("\n") if line]
    for row in rows:
        print(row["name"], row["status"], row["uri"] or row["error"])
    return [row["uri"] for row in rows if row["status"] == "saved"]


@dag(
    dag_id="starvideos_catalogue",
    tags=["starvideos"],
    params={
        "products": Param(PRODUCTS, type="string", description="A CSV file: sku, name, mood, picture"),
        "destination": Param(DESTINATION, type="string", pattern="/$", description="A folder, with a slash at its end"),
    },
)
def catalogue():
    videos = StarVideosBatchOperator(
        task_id="videos",
        requests=requests("{{ params.products }}"),
        destination="{{ params.destination }}catalogue/{{ run_id | replace(':', '') }}/",
        duration=5,
        ratio="16:9",
        max_failures=0.05,  # up to 5 % of the products may end without a video
        retries=2,
    )
    publish(videos.output)


catalogue()
