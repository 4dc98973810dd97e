"""Many videos in one task: three kites, ordered, awaited and saved, with a manifest of what became of each."""

import tempfile

from airflow.sdk import Param, dag

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator

REQUESTS = [
    {"name": "red", "prompt": "A red kite over the sea, slow pan"},
    {"name": "green", "prompt": "A green kite over the dunes, slow pan"},
    {"name": "blue", "prompt": "A blue kite over the harbour, slow pan", "ratio": "1:1"},
]
DESTINATION = Param(f"{tempfile.gettempdir()}/starvideos_example/kites/", type="string", pattern="/$")


@dag(dag_id="starvideos_kites", tags=["starvideos"], params={"destination": DESTINATION})
def kites():
    StarVideosBatchOperator(
        task_id="videos",
        requests=REQUESTS,  # or a template, the output of a task, the URI of a file
        duration=3,
        ratio="16:9",  # for rows without their own
        destination="{{ params.destination }}",
        retries=2,
    )


kites()
