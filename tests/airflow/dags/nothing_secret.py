"""Dags of test_nothing_secret.py: all that the provider has, well and badly; and tasks that leak on purpose."""

import os
import time
from pathlib import Path

from airflow.sdk import DAG, BaseOperator, Variable, task

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

FOLDER = os.environ.get("NOTHING_SECRET_FOLDER", "unknown")
BUCKET = "s3://aws_default@videos/nothing_secret/"
SIGNED = {"reference_images": ["s3://aws_default@inputs/cat.png"]}
# Not sooner: Airflow fails a task whose next worker run is queued before the scheduler knows the end of the last one.
WAITS = {"wait_for_completion": True, "poll_interval": 5, "timeout": 300}
POKES = {"poke_interval": 5, "timeout": 300}
TELLS_ALL = {"starvideos_conn_id": "starvideos_indiscreet"}
LITERAL = "https://pictures.example/cat.png?X-Amz-Signature=signature-that-a-user-wrote-into-a-dag"
# Put together when rendered, so that it isn't in the Dag's own text.
OPAQUE, MD5 = "rendered-by-" * 4, "0badc0de" * 4
SIGNERS = {
    "oss": f"https://b.aliyuncs.example/cat.png?OSSAccessKeyId=LTAI&Expires=1760000000&Signature={OPAQUE}",
    "cos": f"https://b.myqcloud.example/cat.png?imageMogr2/thumbnail/300x&q-sign-algorithm=sha1&q-signature={OPAQUE}",
    "azure": f"https://a.blob.example/c/cat.png?sv=2024-11-04&se=2026-11-29T08%3A00%3A00Z&sr=b&sp=r&sig={OPAQUE}%3D",
    "cdn": f"https://cdn.example/202611290801/{MD5}/4/cat.png",
    "edge": f"https://cdn.example/exp=1760000000~acl=%2F%2A~hmac={MD5}/cat.png",
    "own": f"https://team:{OPAQUE}@pictures.example/cat.png?x={OPAQUE}#{OPAQUE}",
}
ECHOES = ("url", "quoted", "target", "query", "header", "request", "doomed")
SENSORS = {
    "started": {},
    "on_worker": {"start_from_trigger": False},
    "poked": {"deferrable": False},
    "rescheduled": {"deferrable": False, "mode": "reschedule", "poke_interval": 8},
}
SINGLY = ("header", "url", "query", "page", "redirect", "gateway", "broken", "odd")
TOGETHER = ("doomed", "request", "quoted", "target", "query", "page", "gateway", "welcome", "broken")

with DAG(
    "nothing_secret_well",
    max_active_tasks=64,
    default_args={"retries": 3, "retry_delay": 1},
    user_defined_macros={"signed": SIGNERS.get},
):
    create = StarVideosCreateOperator(task_id="create", prompt="create", **SIGNED)
    StarVideosCreateOperator(task_id="deferred", prompt="deferred", **SIGNED, **WAITS)
    StarVideosCreateOperator(task_id="fleeting", prompt="fleeting", durable=False, **SIGNED, **WAITS)
    StarVideosCreateOperator(task_id="blocking", prompt="blocking", deferrable=False, **SIGNED, **WAITS)
    StarVideosCreateOperator(task_id="literal", prompt="literal", reference_images=[LITERAL])
    StarVideosCreateOperator(task_id="stored", prompt="stored", starvideos_conn_id="starvideos_stored")
    for name, options in SENSORS.items():
        StarVideosTaskSensor(task_id=name, video_id=create.output, **POKES | options)
    save = StarVideosDownloadOperator(task_id="save", video_id=create.output, destination=FOLDER + "/saved/", **WAITS)
    StarVideosDownloadOperator(task_id="upload", video_id=save.output["video_id"], destination=BUCKET)
    StarVideosBatchOperator(
        task_id="batch",
        requests=[
            {"prompt": "good", **SIGNED},
            {"prompt": "written", "reference_images": [LITERAL]},
            {"prompt": "[fail: no cats] bad", **SIGNED},
            {"prompt": "answer lost", **SIGNED},
        ],
        destination=FOLDER + "/batch/",
        max_failures=2,
        poll_interval=5,
    )
    StarVideosBatchOperator(
        task_id="batch_of_file", requests="s3://aws_default@inputs/rows.jsonl", destination=BUCKET, poll_interval=5
    )

    @task.starvideos_create(wait_for_completion=True, poll_interval=5)
    def decorated() -> dict:
        return {"prompt": "decorated", "reference_images": ["https://pictures.example/?Signature=" + "made-by-" * 4]}

    @task.starvideos_batch(poll_interval=5, **SIGNED)
    def decorated_batch():
        yield "decorated row"

    signed = {name: "{{ signed('" + name + "') }}" for name in SIGNERS}
    StarVideosCreateOperator(
        task_id="signed", prompt="signed, as {{ signed('oss') }}", reference_images=[*signed.values()], **WAITS
    )
    StarVideosCreateOperator.partial(task_id="signed_mapped", prompt="signed").expand(
        reference_images=[[signed["oss"]], [signed["edge"]]]
    )
    StarVideosBatchOperator(
        task_id="signed_batch",
        requests=[{"prompt": f"signed by {name}", "reference_images": url} for name, url in signed.items()],
        destination=FOLDER + "/signed/",
        poll_interval=5,
    )

    @task.starvideos_create(wait_for_completion=True, poll_interval=5)
    def signed_argument(url: str) -> dict:
        return {"prompt": "signed, by a function", "reference_images": [url]}

    @task.starvideos_batch(poll_interval=5, max_in_flight=1, destination=FOLDER + "/signed_rows/")
    def signed_rows(urls: list[str]):
        for url in urls:  # each but the first is ordered after a wait
            yield {"prompt": f"signed again at {time.time()}", "reference_images": [f"{url}"]}

    decorated()
    decorated_batch()
    signed_argument(signed["azure"])
    signed_rows([signed["cos"], signed["cdn"]])

with DAG(
    "nothing_secret_badly",
    max_active_tasks=64,
    default_args={"retries": 0},
    user_defined_macros={"signed": SIGNERS.get},
):
    for word in SINGLY:
        StarVideosCreateOperator(task_id=word, prompt=f"{word}.", **SIGNED, **TELLS_ALL)
    for name, options in {"deferred": {}, "blocking": {"deferrable": False}, "fleeting": {"durable": False}}.items():
        StarVideosCreateOperator(task_id=f"doomed_{name}", prompt="doomed", **SIGNED, **WAITS, **TELLS_ALL, **options)
    for name, options in {
        "started": {},
        "on_worker": {"start_from_trigger": False},
        "poked": {"deferrable": False},
    }.items():
        # A refused key is tolerated for ten minutes: these end by their deadlines.
        options |= POKES | {"timeout": 40}
        StarVideosTaskSensor(task_id=f"refused_{name}", video_id="video_unknown", **TELLS_ALL, **options)
    StarVideosDownloadOperator(task_id="unsaved", video_id="video_unknown", destination=FOLDER + "/", **TELLS_ALL)
    StarVideosBatchOperator(
        task_id="batch",
        requests=[{"prompt": f"{word}.", **SIGNED} for word in TOGETHER],
        destination=FOLDER + "/badly/",
        poll_interval=5,
        **TELLS_ALL,
    )

    StarVideosBatchOperator(
        task_id="signed_batch",
        requests=[
            {"prompt": f"{word}.", "reference_images": ["{{ signed('" + name + "') }}"]}
            for word in ECHOES
            for name in SIGNERS
        ],
        destination=FOLDER + "/signed_badly/",
        poll_interval=5,
        **TELLS_ALL,
    )

with DAG("nothing_secret_killed", default_args={"retries": 3, "retry_delay": 1}):
    StarVideosCreateOperator(task_id="deferred", prompt="held", **SIGNED, **WAITS)
    StarVideosCreateOperator(task_id="blocking", prompt="held", deferrable=False, **SIGNED, **WAITS)


class Defers(BaseOperator):
    """Hands a secret to a trigger, and on to its own next run."""

    template_fields = ("secret",)

    def __init__(self, *, secret: str, **kwargs) -> None:
        super().__init__(**kwargs)
        self.secret = secret

    def execute(self, context) -> None:
        from airflow.providers.standard.triggers.file import FileTrigger

        self.defer(trigger=FileTrigger(self.secret), method_name="execute", kwargs={"secret": self.secret})


with DAG("nothing_secret_planted", default_args={"retries": 0}):

    @task
    def leak(secret: str, task_state_store=None) -> None:
        Variable.set("nothing_secret_planted", secret)
        if task_state_store:  # Airflow 3.3 and later
            task_state_store.set("planted", secret)
        Path(FOLDER, "planted.jsonl").write_text(secret)
        print("planted", secret)

    @task
    def tell(secret: str) -> str:
        return secret

    @task
    def fail(secret: str) -> None:
        raise ValueError(secret)

    conf = "{{ dag_run.conf['secret'] }}"
    leak(conf), tell(conf), fail(conf)
    Defers(task_id="defers", secret=conf)
