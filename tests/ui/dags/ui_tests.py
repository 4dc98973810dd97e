"""Dags of the UI's tests: videos that end in every way, mapped ones and batches."""

import json
import os
import time
from pathlib import Path
from urllib.request import urlopen

from airflow.sdk import DAG, BaseOperator, task

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

FOLDER = os.environ.get("UI_TESTS_FOLDER", "unknown")
SAMPLES = os.environ.get("UI_TESTS_SAMPLES", "unknown")
ROWS = 1000
QUICK = {"poke_interval": 1, "timeout": 120}
HOSTILE = "<img src=x onerror=\"document.title='broken'\"> & <script>document.title='broken'</script>"

with DAG("ui_saved"):
    create = StarVideosCreateOperator(
        task_id="create",
        prompt="A red kite over the sea, slow pan " + HOSTILE,
        duration=4,
        ratio="16:9",
        reference_images=[SAMPLES + "/cat.png?X-Amz-Signature=secret-signature&X-Amz-Expires=60"],
    )
    wait = StarVideosTaskSensor(task_id="wait", video_id=create.output, **QUICK)
    StarVideosDownloadOperator(task_id="save", video_id=wait.output, destination=FOLDER + "/saved/{{ run_id }}/")

with DAG("ui_mapped", default_args={"retries": 0}):
    creates = StarVideosCreateOperator.partial(task_id="create").expand(
        prompt=["a lamp", "[fail: the prompt was refused <b>here</b>] a cat", "a mug", "a boat"]
    )
    StarVideosTaskSensor.partial(task_id="wait", **QUICK).expand(video_id=creates.output)
    StarVideosCreateOperator(task_id="refused", prompt="x", ratio="7:5")

with DAG("ui_secret"):
    hidden = StarVideosCreateOperator(task_id="create", prompt="a secret")
    StarVideosTaskSensor(task_id="wait", video_id=hidden.output, **QUICK)


class StarVideosPretendedBatchOperator(BaseOperator):
    """Tells of a batch as the provider's operator does, and orders nothing: a thousand rows at once, for paging."""

    template_fields = ("requests", "destination", "storage_conn_id")

    def __init__(self, *, requests: list, destination: str | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.requests, self.destination, self.storage_conn_id = requests, destination, None

    def execute(self, context) -> list | str:
        if not self.destination:
            return ["video_of_row_1", None, "video_of_row_3"]
        folder = Path(self.destination)
        folder.mkdir(parents=True, exist_ok=True)
        with urlopen(f"{SAMPLES}/waves-3s.mp4", timeout=60) as answer:
            (folder / "video.mp4").write_bytes(answer.read())
        lines = [self.line(number, folder) for number in range(1, ROWS + 1)]
        (folder / "manifest.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        context["ti"].xcom_push(key="counts", value={"rows": ROWS, "completed": ROWS - ROWS // 10})
        context["ti"].xcom_push(key="manifest", value=f"file://{folder}/manifest.jsonl")
        return f"file://{folder}/manifest.jsonl"

    @staticmethod
    def line(number: int, folder: Path) -> dict:
        failed = number % 10 == 0
        return {
            "row": number,
            "name": f"product-{number}",
            "request": {"model": "starvideos_o3", "prompt": f"prompt of row {number}", "ratio": "1:1"},
            "id": f"video_of_row_{number}",
            "status": "failed" if failed else "saved",
            "error": "the prompt was refused" if failed else None,
            "uri": None if failed else f"file://{folder}/video.mp4",
            "duration": None if failed else 3.0,
            "size_bytes": None if failed else 1000,
            "sha256": None,
            "ordered_at": "2026-01-01T00:00:00.000+00:00",
            "completed_at": "2026-01-01T00:02:05.000+00:00",
        }


with DAG("ui_batch"):
    StarVideosPretendedBatchOperator(task_id="batch", requests=["…"], destination=FOLDER + "/batch/{{ run_id }}/")
    given = [{"prompt": "first"}, {"prompt": "second"}, {"prompt": "third"}]
    StarVideosPretendedBatchOperator(task_id="ids", requests=given)


@task.starvideos_create
def decorated() -> str:
    """Return a prompt."""
    return "a prompt out of a function"


with DAG("ui_ways", default_args={"retries": 0}):
    decorated()
    StarVideosBatchOperator(
        task_id="batch",
        requests=[{"prompt": "good", "name": "good"}, {"prompt": "[fail: no <i>cats</i>] bad", "name": "bad"}],
        destination=FOLDER + "/ways/{{ run_id }}/",
        poll_interval=1,
    )


class StarVideosPretendedCreateOperator(BaseOperator):
    """Tells of an order as the provider's operator does, and orders nothing: its pictures lie where none is."""

    template_fields = ("prompt", "reference_images", "reference_videos")

    def __init__(self, *, prompt: str, reference_images: list, reference_videos: list, **kwargs) -> None:
        super().__init__(**kwargs)
        self.prompt, self.reference_images, self.reference_videos = prompt, reference_images, reference_videos

    def execute(self, context) -> None:
        context["ti"].xcom_push(key="video_id", value="video_with_pictures")


with DAG("ui_pictures"):
    StarVideosPretendedCreateOperator(
        task_id="create",
        prompt="from a bucket",
        reference_images=["s3://ui_store@bucket/cat.png", "s3://ui_store@bucket/secrets.csv", "file:///etc/cat.png"],
        reference_videos=["s3://ui_store@bucket/clip.mp4"],
    )


@task
def rows(run_id: str | None = None) -> list:
    """Return a batch's rows, as soon as the test says so."""
    until = time.monotonic() + 300
    while not (Path(FOLDER) / f"go-{run_id}").exists():
        assert time.monotonic() < until
        time.sleep(0.2)
    return [{"prompt": "row one"}, {"prompt": "row two"}, "row three"]


with DAG("ui_progress", default_args={"retries": 0}):
    StarVideosBatchOperator(task_id="batch", requests=rows(), poll_interval=1)


with DAG("ui_unknown", default_args={"retries": 0}):
    unknown = StarVideosCreateOperator(task_id="create", prompt="an answer that is lost")
    StarVideosTaskSensor(task_id="wait", video_id=unknown.output, **QUICK)

with DAG("ui_slow", default_args={"retries": 0}):
    slow = StarVideosCreateOperator.partial(task_id="create").expand(prompt=["a slow video", "another slow video"])
    late = StarVideosTaskSensor.partial(task_id="wait", poke_interval=1, timeout=3).expand(video_id=slow.output)
    StarVideosDownloadOperator.partial(task_id="save", destination="/nowhere/").expand(video_id=late.output)

with DAG("ui_held", default_args={"retries": 0}):
    first = StarVideosCreateOperator(task_id="create", prompt="a held video")
    then = StarVideosTaskSensor(task_id="wait", video_id=first.output, **QUICK)
    StarVideosDownloadOperator(task_id="save", video_id=then.output, destination="{{ params.nothing }}/")

with DAG("ui_mixed", default_args={"retries": 0}):
    StarVideosBatchOperator(
        task_id="batch",
        requests=["fine", "[fail: no cats] failed", "a row whose answer is lost", "a row that is refused"],
        poll_interval=1,
    )


@task
def nothing() -> str:
    """Return what looks like an id."""
    return "video_of_nobody"


with DAG("ui_other"):
    nothing()
