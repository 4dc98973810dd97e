"""The Dag of test_person.py: tasks that ask a person."""

from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from airflow.sdk import DAG

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator
from airflow_provider_starvideos.operators.create import StarVideosCreateOperator

APPROVALS = {
    "approved": {"wait_for_completion": True, "poll_interval": 1},
    "rejected": {},
    "skipped": {"on_reject": "skip"},
    "late": {"approval_timeout": 5},
    "hasty": {"retries": 5},
    "cleared": {"prompt": "cleared {{ ti.try_number }} {{ run_id }}"},
}
ROWS = [f"{'doubtful' if number % 17 == 3 else 'row'} {number}. {{{{ run_id }}}}" for number in range(1, 201)]
UNKNOWN = ("lost", "again", "gave_up", "decided", "killed")

if AIRFLOW_V_3_1_PLUS:
    with DAG("persons", max_active_tasks=32, default_args={"retries": 2, "retry_delay": 1}):
        for name, options in APPROVALS.items():
            prompt = f"{name} {{{{ run_id }}}}"
            StarVideosCreateOperator(task_id=name, approval="always", **{"prompt": prompt, **options})
        for name in UNKNOWN:
            StarVideosCreateOperator(task_id=name, prompt=f"{name} {{{{ run_id }}}}", on_unconfirmed="ask")
        StarVideosCreateOperator.partial(task_id="mapped", approval="always").expand(
            prompt=["mapped 0 {{ run_id }}", "mapped 1 {{ run_id }}"]
        )
        StarVideosBatchOperator(
            task_id="rows",
            requests=ROWS,
            approval_above=100,
            on_unconfirmed="ask",
            max_failures=7,
            poll_interval=1,
        )
