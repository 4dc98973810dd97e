"""ETL: product rows from a file, a video for each in a bucket, a row about each video in a table.

Extract (products) → transform (prompts) → order, mapped → wait, mapped, without workers → save, mapped → load (a SQLite
table) → an asset event, which starts a second Dag. ``STARVIDEOS_EXAMPLE_INPUTS`` (see ``six_modes.py``) says where the
products' pictures are, ``STARVIDEOS_EXAMPLE_DESTINATION`` where the videos go; each may be a bucket, with an Airflow
connection in it: ``s3://aws_default@my-bucket/videos/``. Without: a folder on this machine.
"""

import json
import os
import sqlite3
import tempfile
from pathlib import Path

from airflow.sdk import Asset, Metadata, Param, dag, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

INPUTS = os.environ.get("STARVIDEOS_EXAMPLE_INPUTS", "http://127.0.0.1:8642/samples")
PRODUCTS = str(Path(__file__).parent / "data" / "products.jsonl")
DATABASE = str(Path(tempfile.gettempdir()) / "starvideos_example.db")
POLL_SECONDS = float(os.environ.get("STARVIDEOS_EXAMPLE_POLL_SECONDS", "30"))
DESTINATION = os.environ.get("STARVIDEOS_EXAMPLE_DESTINATION", f"{tempfile.gettempdir()}/starvideos_example/")

VIDEOS = Asset("starvideos_product_videos")

TABLE = """CREATE TABLE IF NOT EXISTS videos (
    sku TEXT PRIMARY KEY, video_id TEXT NOT NULL, prompt TEXT NOT NULL, uri TEXT NOT NULL,
    seconds REAL, size_bytes INTEGER NOT NULL, sha256 TEXT NOT NULL
)"""


@task
def products(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]


@task(multiple_outputs=False)  # as one XCom: Airflow 3.0 can't keep a None as a separate one
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


@task(outlets=[VIDEOS])
def load(database: str, rows: list[dict], requests: list[dict], uris: list[str], ti=None):
    """Put a row about each video into the table, in one transaction; a second run replaces them."""

    def each(task_id: str, key: str) -> list:
        return list(ti.xcom_pull(task_ids=task_id, key=key, map_indexes=list(range(len(rows)))))

    columns = (
        [row["sku"] for row in rows],
        each("save", "video_id"),
        [request["prompt"] for request in requests],
        list(uris),
        each("wait", "actual_duration"),
        each("save", "size_bytes"),
        each("save", "sha256"),
    )
    with sqlite3.connect(database) as connection:
        connection.execute(TABLE)
        connection.executemany("INSERT OR REPLACE INTO videos VALUES (?, ?, ?, ?, ?, ?, ?)", zip(*columns, strict=True))
    yield Metadata(VIDEOS, {"database": database, "skus": columns[0]})


@dag(
    dag_id="starvideos_etl",
    tags=["starvideos"],
    params={
        "products": Param(PRODUCTS, type="string"),
        "database": Param(DATABASE, type="string"),
        "destination": Param(DESTINATION, type="string", pattern="/$", description="A folder, with a slash at its end"),
    },
)
def etl():
    rows = products("{{ params.products }}")
    requests = request_of.expand(product=rows)
    create = StarVideosCreateOperator.partial(task_id="create").expand_kwargs(requests)
    wait = StarVideosTaskSensor.partial(task_id="wait", poke_interval=POLL_SECONDS).expand(video_id=create.output)
    save = StarVideosDownloadOperator.partial(
        task_id="save", destination="{{ params.destination }}{{ run_id | replace(':', '') }}/"
    ).expand(video_id=wait.output)
    load("{{ params.database }}", rows, requests, save.output)


@task
def report(triggering_asset_events=None) -> dict:
    """Report the new videos: the event says which table and which rows."""
    extra = triggering_asset_events[VIDEOS][-1].extra
    marks = ", ".join("?" * len(extra["skus"]))
    with sqlite3.connect(extra["database"]) as connection:
        query = f"SELECT sku, uri, seconds, size_bytes FROM videos WHERE sku IN ({marks}) ORDER BY sku"  # noqa: S608
        found = connection.execute(query, extra["skus"]).fetchall()
    for row in found:
        print(*row)
    return {"videos": len(found), "seconds": sum(row[2] for row in found), "bytes": sum(row[3] for row in found)}


@dag(dag_id="starvideos_etl_report", schedule=[VIDEOS], tags=["starvideos"])
def etl_report():
    report()


etl()
etl_report()
