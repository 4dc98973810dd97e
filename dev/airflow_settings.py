"""How the test Airflow is configured, and why: fast to start, quick to react, small on two cores."""

import base64
import json
import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

# Names of variables that would let the caller's own Airflow, or Python, into ours.
FOREIGN = ("AIRFLOW", "PYTHON", "PYTEST", "VIRTUAL_ENV", "_AIRFLOW")

SETTINGS: dict[str, str] = {
    "core.load_examples": "False",
    "core.dags_are_paused_at_creation": "False",
    "core.simple_auth_manager_all_admins": "True",
    "core.executor": "LocalExecutor",
    # Each slot is a process, forked when the scheduler starts.
    "core.parallelism": "8",
    "core.test_connection": "Enabled",
    "core.default_task_retry_delay": "1",
    "core.min_serialized_dag_update_interval": "1",
    "database.load_default_connections": "False",
    "api.host": "127.0.0.1",
    "api.workers": "1",
    "scheduler.scheduler_idle_sleep_time": "0.2",
    # A killed supervisor's task is found by its missing heartbeat: after 300 s if left alone.
    "scheduler.task_instance_heartbeat_timeout": "30",
    "scheduler.task_instance_heartbeat_timeout_detection_interval": "5",
    "scheduler.trigger_timeout_check_interval": "2",
    "scheduler.orphaned_tasks_check_interval": "15",
    "workers.min_heartbeat_interval": "2",
    # On a busy machine the api-server may be slow; that is no reason to end a task.
    "workers.execution_api_timeout": "30",
    "workers.max_failed_heartbeats": "10",
    # A killed triggerer's triggers move on when it counts as dead: after 30 s if left alone.
    "triggerer.triggerer_health_check_threshold": "8",
    "triggerer.job_heartbeat_sec": "2",
    "dag_processor.parsing_processes": "1",
    # New files are found soon; unchanged ones are not parsed again.
    "dag_processor.refresh_interval": "3",
    "dag_processor.bundle_refresh_check_interval": "1",
    "dag_processor.min_file_process_interval": "3600",
    "dag_processor.stale_dag_threshold": "3600",
    "logging.colored_console_log": "False",
    "usage_data_collection.enabled": "False",
    "metrics.statsd_on": "False",
}


def free_ports(count: int) -> list[int]:
    """Return ports that are free at this moment."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def located(home: Path, dags: Sequence[Path], port: int) -> dict[str, str]:
    """Return the settings that depend on where this Airflow lives."""
    url = f"http://127.0.0.1:{port}"
    worker_logs, trigger_logs = free_ports(2)
    bundles = [
        {
            "name": f"dags-{number}",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(path.resolve())},
        }
        for number, path in enumerate(dags)
    ]
    return {
        "core.dags_folder": str(dags[0].resolve()),
        "core.plugins_folder": str(home / "plugins"),
        "core.fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "core.execution_api_server_url": f"{url}/execution/",
        "api.port": str(port),
        "api.base_url": url,
        "api.secret_key": secrets.token_hex(32),
        "api_auth.jwt_secret": secrets.token_hex(64),
        "dag_processor.dag_bundle_config_list": json.dumps(bundles),
        "logging.base_log_folder": str(home / "logs"),
        "logging.dag_processor_child_process_log_directory": str(home / "logs" / "dag_processor"),
        "logging.worker_log_server_port": str(worker_logs),
        "logging.trigger_log_server_port": str(trigger_logs),
    }


def environment(home: Path, python: Path, config: Mapping[str, str], env: Mapping[str, str]) -> dict[str, str]:
    """Return the whole environment of the Airflow processes; nothing of the caller's Airflow is in it."""
    result = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    for name in ("NO_PROXY", "no_proxy"):  # the components talk to each other here, never through a proxy
        result[name] = ",".join(filter(None, [result.get(name), "127.0.0.1", "localhost"]))
    result["AIRFLOW_HOME"] = str(home)
    result["PATH"] = os.pathsep.join([str(python.parent), result.get("PATH", os.defpath)])
    for name, value in config.items():
        section, option = name.split(".")
        result[f"AIRFLOW__{section.upper()}__{option.upper()}"] = value
    return {**result, **env}
