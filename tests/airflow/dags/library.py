"""The Dag of test_library.py: a batch with a library; its rows and folders come with the run."""

from airflow.sdk import DAG

from airflow_provider_starvideos.operators.batch import StarVideosBatchOperator

with DAG("library", default_args={"retries": 0, "poll_interval": 1}):
    StarVideosBatchOperator(
        task_id="batch",
        requests="{{ dag_run.conf['rows'] }}",
        library="{{ dag_run.conf['folder'] }}/library/",
        destination="{{ dag_run.conf['folder'] }}/{{ run_id | replace(':', '') }}/",
        refresh="{{ dag_run.conf.get('refresh') }}",
        timeout=120,
    )
