"""Searches all that an Airflow has written for texts, in every form that they may have there."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import psutil
from cryptography.fernet import Fernet

from dev.airflow_api import AirflowApiError, path
from dev.airflow_stack import AirflowStack

# What Airflow has encrypted: Variables, arguments of triggers, passwords.
TOKEN = re.compile(r"gAAAA[\w=-]{40,}", re.ASCII)
LISTS = ("/eventLogs", "/importErrors", "/connections", "/variables", "/assets/events", "/plugins", "/jobs")
PAGE = 100


def forms(secret: str) -> set[str]:
    """Return a text as it may be written: as it is, and as URLs, HTML, JSON and base64 have it."""
    data = secret.encode()
    # Three bytes make four letters; what is around the secret spoils those at its edges.
    shifted = [base64.b64encode(b"\0" * n + data).decode()[(0, 2, 3)[n] :].rstrip("=")[:-1] for n in range(3)]
    basic = {secret, quote(secret, safe=""), quote(secret), html.escape(secret), json.dumps(secret)[1:-1]}
    basic |= {secret.replace("&", "\\u0026"), quote(quote(secret, safe=""), safe=""), *shifted}
    return basic | {one.replace("+", "-").replace("/", "_") for one in shifted}


class Search:
    """What is searched for, and where it was found.

    :param airflow: whose traces are searched
    :param fernet_key: with which it encrypts
    :param wanted: what each secret is called, and how it may be written, in capitals or not
    """

    def __init__(self, airflow: AirflowStack, fernet_key: str, wanted: Mapping[str, Iterable[str]]) -> None:
        self._airflow = airflow
        self._fernet = Fernet(fernet_key)
        self.found: dict[tuple[str, str], str] = {}
        self._wanted: dict[str, set[str]] = {}
        self._seen: set[int] = set()
        for name, written in wanted.items():
            self.add(name, written)

    def add(self, name: str, written: Iterable[str]) -> None:
        """Search for something from now on."""
        self._wanted[name] = {one.lower() for one in written}
        self._seen.clear()

    def places(self, name: str) -> set[str]:
        """Return where a secret was found."""
        return {place for secret, place in self.found if secret == name}

    def look(self, place: str, text: str) -> None:
        """Search a text; once, however often it is found there."""
        known = hash((place, text))
        if known in self._seen:
            return
        self._seen.add(known)
        for token in TOKEN.findall(text):
            with suppress(Exception):
                text += self._fernet.decrypt(token).decode()
        lower = text.lower()
        for name, written in self._wanted.items():
            at = max(map(lower.find, written))
            if at >= 0:
                self.found.setdefault((name, place), text[max(0, at - 200) : at + 200])

    def everywhere(self) -> None:
        """Search all that there is at this moment."""
        self.database()
        self.logs()
        self.processes()

    def database(self) -> None:
        """Search every text and blob of every table; what is encrypted or compressed is unpacked."""
        with self._airflow.db() as db:
            for table in self._airflow.database.tables():
                rows = db.execute(f'SELECT * FROM "{table}"').fetchall()
                for column in rows[0].keys() if rows else ():
                    for value in {row[column] for row in rows if isinstance(row[column], str | bytes)}:
                        self.look(f"{table}.{column}", _text(value))

    def logs(self) -> None:
        """Search the log files of tasks and components."""
        self.files("logs", self._airflow.logs_dir)

    def files(self, place: str, folder: Path) -> None:
        """Search each file below a folder, or a single file."""
        for file in [folder] if folder.is_file() else folder.rglob("*"):
            if file.is_file():
                self.look(place, _text(file.read_bytes()))

    def processes(self) -> None:
        """Search the command lines of all processes that can be seen."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                self.look("processes", "\0".join(process.cmdline()))

    def api(self) -> None:
        """Search what Airflow's REST API shows an administrator, of runs and of all else."""
        for url in LISTS:
            self.look(f"api {url}", json.dumps(self._airflow.api.get(url, limit=PAGE)))
        for dag_id, run_id, task in self._tasks():
            self.look("api rendered_fields", json.dumps(task.pop("rendered_fields", None)))
            self.look("api taskInstances", json.dumps(task))
            url = path("dags", dag_id, "dagRuns", run_id, "taskInstances", str(task["task_id"]))
            for number in range(1, int(str(task["try_number"])) + 1):
                log = f"{url}/logs/{number}"
                self.look("api logs", json.dumps(self._get(log, map_index=task["map_index"], full_content=True)))
            entries = self._get(f"{url}/xcomEntries", limit=PAGE) or {}
            for entry in entries.get("xcom_entries", ()):  # type: ignore[attr-defined]
                value = self._get(f"{url}{path('xcomEntries', entry['key'])}", map_index=entry["map_index"])
                self.look(f"api xcomEntries {entry['key']}", json.dumps(value))

    def _tasks(self) -> Iterator[tuple[str, str, dict[str, object]]]:
        for run in self._airflow.api.get("/dags/~/dagRuns", limit=PAGE)["dag_runs"]:
            self.look("api dagRuns", json.dumps(run))
            for task in self._airflow.task_instances(run["dag_id"], run["dag_run_id"]):
                yield run["dag_id"], run["dag_run_id"], task

    def _get(self, url: str, **query: object) -> object:
        with suppress(AirflowApiError):  # a log of a task that never ran, say
            return self._airflow.api.get(url, **query)
        return None


def _text(value: str | bytes) -> str:
    if isinstance(value, str):
        return value
    with suppress(zlib.error):
        value = zlib.decompress(value)
    return value.decode("latin-1")
