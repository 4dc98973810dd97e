"""ETL: product rows from a file, a video for each, a row about each video in a table.

Extract (products) → transform (prompts) → order, mapped → wait, mapped, without workers → load (a SQLite table).
The inputs' names are completed with ``STARVIDEOS_EXAMPLE_INPUTS``, see ``six_modes.py``.
"""

import json
import os
import sqlite3
import tempfile
from pathlib import Path

from airflow.sdk import Param, dag, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

INPUTS = os.environ.get("STARVIDEOS_EXAMPLE_INPUTS", "http://127.0.0.1:8642/samples")
PRODUCTS = str(Path(__file__).parent / "data" / "products.jsonl")
DATABASE = str(Path(tempfile.gettempdir()) / "starvideos_example.db")

TABLE = """CREATE TABLE IF NOT EXISTS videos (
    sku TEXT PRIMARY KEY, video_id TEXT NOT NULL, prompt TEXT NOT NULL, url TEXT, seconds REAL
)"""


@task
def products(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]


@task
def request_of(product: dict) -> dict:
    """Make the arguments of an order from a product row; what is None is not given."""
    first, last = [f"{INPUTS}/{name}" for name in product.get("frames", [])] or (None, None)
    clip = product.get("clip")
    return {
        "prompt": f"{product['name']}, {product['mood']}",
        "duration": product.get("seconds"),
        "reference_images": [f"{INPUTS}/{name}" for name in product.get("images", [])],
        "first_image": first,
        "last_image": last,
        "reference_videos": [f"{INPUTS}/{clip}"] if clip else None,
    }


@task
def load(database: str, rows: list[dict], requests: list[dict], video_ids: list[str], ti=None) -> int:
    indexes = list(range(len(video_ids)))
    urls = ti.xcom_pull(task_ids="wait", key="video_url", map_indexes=indexes)
    lengths = ti.xcom_pull(task_ids="wait", key="actual_duration", map_indexes=indexes)
    prompts = [request["prompt"] for request in requests]
    skus = [row["sku"] for row in rows]
    with sqlite3.connect(database) as connection:
        connection.execute(TABLE)
        connection.executemany(
            "INSERT OR REPLACE INTO videos VALUES (?, ?, ?, ?, ?)",
            zip(skus, video_ids, prompts, urls, lengths, strict=True),
        )
    return len(skus)


@dag(
    dag_id="starvideos_etl",
    tags=["starvideos"],
    params={"products": Param(PRODUCTS, type="string"), "database": Param(DATABASE, type="string")},
)
def etl():
    rows = products("{{ params.products }}")
    requests = request_of.expand(product=rows)
    create = StarVideosCreateOperator.partial(task_id="create").expand_kwargs(requests)
    wait = StarVideosTaskSensor.partial(task_id="wait").expand(video_id=create.output)
    load("{{ params.database }}", rows, requests, wait.output)


etl()
