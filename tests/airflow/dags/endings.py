"""Dags of test_endings.py: every way for a wait to end, and ids that are none."""

from airflow.providers.common.compat.sdk import AirflowSkipException
from airflow.sdk import DAG, task

from airflow_provider_starvideos.operators.create import StarVideosCreateOperator
from airflow_provider_starvideos.operators.download import StarVideosDownloadOperator
from airflow_provider_starvideos.sensors.task import StarVideosTaskSensor

WAIT = {"poke_interval": 1, "timeout": 240}
SHORT = {**WAIT, "timeout": 10}

SENSOR_WAYS = {
    "started": {},  # starts and ends in the triggerer
    "ended": {"start_from_trigger": False},  # starts on a worker, ends in the triggerer
    "resumed": {"on_success_callback": print},  # starts on a worker, and ends there
}
SENSORS = {
    # outcome: which video, options
    "completed": ("done", WAIT),
    "bare": ("bare", WAIT),
    "failed": ("bad", WAIT),
    "timed_out": ("slow", SHORT),
    "unknown": (None, WAIT),
    "soft_failed": ("bad", {**WAIT, "soft_fail": True}),
    "soft_timed_out": ("slow", {**SHORT, "soft_fail": True}),
    "soft_unknown": (None, {**WAIT, "soft_fail": True}),
}
CREATE_WAYS = {
    "create_ended": {},  # ends in the triggerer
    "create_unrecorded": {"durable": False},  # the same
    "create_resumed": {"on_success_callback": print},  # ends on a worker
}
CREATES = {
    "completed": {"prompt": "done"},
    "bare": {"prompt": "bare"},
    "failed": {"prompt": "bad"},
    "timed_out": {"prompt": "slow", "timeout": 10},
}


with DAG("endings", max_active_tasks=64, default_args={"retries": 1, "retry_delay": 1}):
    videos = {
        name: StarVideosCreateOperator(task_id=f"order_{name}", prompt=f"{name} {{{{ run_id }}}}").output
        for name in ("done", "bare", "bad", "slow")
    }
    for way, options in SENSOR_WAYS.items():
        for outcome, (video, more) in SENSORS.items():
            video_id = videos[video] if video else "video_starvideos_1"
            StarVideosTaskSensor(task_id=f"{way}_{outcome}", video_id=video_id, **options, **more)
    for way, options in CREATE_WAYS.items():
        for outcome, more in CREATES.items():
            prompt = f"{more['prompt']} {{{{ run_id }}}}"
            StarVideosCreateOperator(
                task_id=f"{way}_{outcome}",
                wait_for_completion=True,
                poll_interval=1,
                retries=0,
                **options,
                **{**more, "prompt": prompt},
            )


@task
def nobody():
    return None


@task
def record():
    return {"id": "video_1"}


@task
def number():
    return 12345


@task
def skipped():
    raise AirflowSkipException("not today")


@task
def ids(video_id):
    return [video_id, None]


@task
def count(files):
    return len(list(files))


with DAG("odd_ids", max_active_tasks=64, default_args={"retries": 2, "retry_delay": 1}):
    none, odd, five, left_out = nobody(), record(), number(), skipped()
    IDS = {
        "none": none,
        "no_such_key": none["nobody_pushes_it"],
        "record": odd,
        "number": five,
        "skipped": left_out,
        "undefined": "{{ nobody_knows_it }}",
        "undefined_attribute": "{{ nobody_knows.it }}",
        "broken_template": "{{ 1 + }}",
        "none_as_text": "{{ ti.xcom_pull(task_ids='nobody', map_indexes=-1) }}",
    }
    for name, video_id in IDS.items():
        for way, start in {"triggerer": True, "worker": False}.items():
            sensor = StarVideosTaskSensor(
                task_id=f"{way}_{name}",
                video_id=video_id,
                start_from_trigger=start,
                trigger_rule="all_done",
                **WAIT,
            )
            if name == "none_as_text":
                none >> sensor
    rows = ids(StarVideosCreateOperator(task_id="order", prompt="odd {{ run_id }}").output)
    waits = StarVideosTaskSensor.partial(task_id="wait", **WAIT).expand(video_id=rows)
    saves = StarVideosDownloadOperator.partial(
        task_id="save", destination="{{ dag_run.conf['folder'] }}/", wait_for_completion=True, poll_interval=1
    ).expand(video_id=rows)
    count.override(trigger_rule="none_failed")(saves.output)
