"""Nothing secret: after a run with all that the provider has, key and inputs' signatures are nowhere to be found.

Everything that an Airflow writes is searched, while tasks wait and at the end: every table, every log, what the REST
API and the pages in the UI tell, metrics, OpenLineage's events, manifests, command lines. A last test plants secrets in
those places, to show that the search would have found them.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit
from urllib.request import urlopen

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS

from airflow_provider_starvideos.emulator import Emulator
from dev.airflow_runs import wait_until
from dev.airflow_stack import AirflowStack
from tests.airflow.indiscreet import IndiscreetApi
from tests.airflow.search import Search, forms
from tests.storage.buckets import S3, SECRET, USER

pytestmark = pytest.mark.timeout(900)  # the first test's time is that of all runs; on a busy machine it takes long
HERE = Path(__file__).parent
# With characters that are written in other ways in URLs, HTML and base64; another one in each run.
KEY = f"key/of+tests&{secrets.token_hex(6)}=shows-up-nowhere"
FERNET_KEY = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
MADE_BY_A_FUNCTION, WRITTEN_INTO_A_DAG = "made-by-made-by", "signature-that-a-user-wrote-into-a-dag"
# What several vendors' signatures are made of, in the query and in the path.
RENDERED = ("rendered-by-rendered-by", "0badc0de0badc0de")
# How a presigned URL of the bucket begins.
SIGNING = {
    f"{name}{equals}{USER}" for name in ("awsaccesskeyid", "x-amz-credential") for equals in ("=", "%3d", "%253d")
}
BROKEN_DAG = """
from airflow.sdk import DAG

from airflow_provider_starvideos.hooks.starvideos import StarVideosHook

StarVideosHook("starvideos_indiscreet").create_video(prompt="debug")
"""
WELL, BADLY, KILLED = "nothing_secret_well", "nothing_secret_badly", "nothing_secret_killed"
# Airflow 3.0 writes whatever a task and its supervisor tell each other into the scheduler's log.
AIRFLOWS_OWN_LOG = set() if AIRFLOW_V_3_1_PLUS else {"logs"}
# What may be where. Anything else is a leak.
ALLOWED: dict[str, set[str]] = {
    "key": {"connection.password"},  # where the user put it
    "store": {"connection.password"},
    "signing": set(),
    "signature": set(),
    "function": set(),
    "rendered": set(),
    # The Dag's own text, and what Airflow keeps of it.
    "literal": AIRFLOWS_OWN_LOG
    | {
        "dag_code.source_code",
        "serialized_dag.data",
        "serialized_dag.data_compressed",
    },
    # A result's URL: the XCom, and the event that brings it from the triggerer to the worker.
    "result": AIRFLOWS_OWN_LOG
    | {
        "xcom.value",
        "task_instance.next_kwargs",
        "task_instance_history.next_kwargs",
        "api xcomEntries video_url",
    },
}


@dataclass
class Scene:
    """All that takes part."""

    airflow: AirflowStack
    emulator: Emulator
    indiscreet: IndiscreetApi
    s3: S3
    folder: Path
    metrics: Any
    runs: dict[str, str]
    search: Search

    def look_everywhere(self) -> None:
        """Search whatever there is."""
        self.search.everywhere()
        self.search.files("manifests", self.folder)
        self.search.files("openlineage", self.folder / "lineage.jsonl")
        self.search.look("metrics", "\n".join(self.metrics.lines))
        for name in self.s3.names("videos"):
            if not name.endswith(".mp4"):
                body = self.s3.client.get_object(Bucket="videos", Key=name)["Body"].read()
                self.search.look("manifests", body.decode("latin-1"))

    def look_at_the_ui(self) -> None:
        """Search what the tab, the gallery and the list of recent runs show."""
        get = self.airflow.api.request
        self.search.look("ui", json.dumps(get("GET", "/api/recent", below="/starvideos")))
        for dag_id in (WELL, BADLY, KILLED):
            run = urlencode({"run_id": self.runs[dag_id]})
            videos = get("GET", f"/api/dags/{dag_id}/videos?{run}&limit=48", below="/starvideos")
            self.search.look("ui", json.dumps(videos))
            for one in videos["videos"]:
                place = urlencode({name: one[name] for name in ("task_id", "map_index", "row")})
                self.search.look(
                    "ui", json.dumps(get("GET", f"/api/dags/{dag_id}/video?{run}&{place}", below="/starvideos"))
                )

    def wait_for_end(self, dag_id: str) -> None:
        """Wait for a run's end, and search meanwhile."""

        def ended() -> bool | None:
            self.search.database()
            self.search.processes()
            return self.airflow.run(dag_id, self.runs[dag_id])["state"] in ("success", "failed") or None

        self.airflow.wait(dag_id, self.runs[dag_id], ended, f"the end of {dag_id}", 400, poll=1)


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    """A StarVideos server that holds every video until a test ends it."""
    with Emulator(seconds="hold", key=KEY, references="lenient") as running:
        yield running


@pytest.fixture(scope="module")
def s3(emulator: Emulator, s3_server: S3) -> S3:
    """Buckets: one with a picture and a file of requests, one for what is made."""
    s3_server.empty("videos", "inputs")
    with urlopen(emulator.sample("cat.png"), timeout=60) as answer:
        uri = s3_server.put("inputs", "cat.png", answer.read())
    s3_server.put("inputs", "rows.jsonl", json.dumps({"prompt": "row", "reference_images": [uri]}).encode())
    return s3_server


@pytest.fixture(scope="module")
def scene(emulator: Emulator, s3: S3, metrics: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """An Airflow with all of it, before anything has run."""
    dags, folder = tmp_path_factory.mktemp("dags"), tmp_path_factory.mktemp("saved")
    shutil.copy(HERE / "dags" / "nothing_secret.py", dags)
    (dags / "broken.py").write_text(BROKEN_DAG)
    lineage = {"type": "file", "log_file_path": str(folder / "lineage.jsonl"), "append": True}
    config = {
        "core.fernet_key": FERNET_KEY,
        "metrics.statsd_on": "True",
        "metrics.statsd_host": "127.0.0.1",
        "metrics.statsd_port": str(metrics.server_address[1]),
        "metrics.statsd_influxdb_enabled": "True",
        "metrics.metrics_allow_list": "starvideos",
        "openlineage.transport": json.dumps(lineage),
        "starvideos.media_folders": str(folder),
    }
    with IndiscreetApi() as indiscreet:
        hosts = {"default": emulator.base_url, "indiscreet": indiscreet.base_url}
        connections = {
            f"AIRFLOW_CONN_STARVIDEOS_{name.upper()}": json.dumps(
                {"conn_type": "starvideos", "host": host, "password": KEY, "extra": {"max_retries": 0}}
            )
            for name, host in hosts.items()
        }
        env = {
            **connections,
            "AIRFLOW_CONN_AWS_DEFAULT": s3.airflow_connection,
            "NOTHING_SECRET_FOLDER": str(folder),
            "OPENLINEAGE_DISABLED": "true",
        }
        wanted = {
            "key": forms(KEY),
            "store": forms(SECRET),
            "signing": SIGNING,
            "function": [MADE_BY_A_FUNCTION],
            "rendered": RENDERED,
            "literal": [WRITTEN_INTO_A_DAG],
        }
        with AirflowStack(tmp_path_factory.mktemp("airflow"), dags, env, config) as airflow:
            # With a listener no sensor ends in the triggerer, so only workers report to OpenLineage.
            airflow.kill("scheduler")
            airflow.start("scheduler", env={"OPENLINEAGE_DISABLED": ""})
            search = Search(airflow, FERNET_KEY, wanted)
            yield Scene(airflow, emulator, indiscreet, s3, folder, metrics, {}, search)


@pytest.fixture(scope="module")
def searched(scene: Scene) -> Scene:
    """Everything has run, and was searched all the while."""
    airflow = scene.airflow
    stored = {"connection_id": "starvideos_stored", "conn_type": "starvideos", "password": KEY}
    airflow.api.post("/connections", stored | {"host": scene.emulator.base_url})
    tried = {"connection_id": "tried", "conn_type": "starvideos", "password": KEY, "host": scene.indiscreet.base_url}
    scene.search.look("api /connections/test", json.dumps(airflow.api.post("/connections/test", tried)))
    for dag_id in (KILLED, WELL, BADLY):
        airflow.wait_for_dag(dag_id)
    scene.runs[KILLED] = airflow.trigger(KILLED)
    airflow.wait_for_task(KILLED, scene.runs[KILLED], "deferred", {"deferred"})
    (process, *_) = airflow.wait_for_task_processes(KILLED, "blocking")
    wait_until(lambda: scene.emulator.requests["query"] > 2 or None, "two waits")
    scene.look_everywhere()
    process.kill()
    airflow.kill("triggerer", signal.SIGKILL)
    scene.emulator.update(seconds=8)
    for order in scene.emulator.orders:
        scene.emulator.finish(order.id)
    scene.emulator.add_fault(on="create", kind="bad_gateway_html", when="after", match="answer lost")
    scene.runs |= {dag_id: airflow.trigger(dag_id) for dag_id in (WELL, BADLY)}
    airflow.start("triggerer")
    for dag_id in (KILLED, WELL, BADLY):
        scene.wait_for_end(dag_id)
    signed = [url for order in scene.emulator.orders for url in order.request.get("referenceImages", ())]
    inputs = [url for url in {*signed, *scene.indiscreet.inputs} if "/inputs/" in url]
    signatures = {value for url in inputs for name, value in parse_qsl(urlsplit(url).query) if "ignature" in name}
    assert signatures
    scene.search.add("signature", set().union(*map(forms, signatures)))
    urls = [airflow.xcom(WELL, scene.runs[WELL], name, "video_url") for name in ("started", "deferred", "blocking")]
    results = {dict(parse_qsl(urlsplit(url).query))["signature"] for url in urls}
    scene.search.add("result", set().union(*map(forms, results)))
    scene.look_everywhere()
    scene.search.api()
    if AIRFLOW_V_3_1_PLUS:  # 3.0 shows no views of plugins
        scene.look_at_the_ui()
    return scene


def states(scene: Scene, dag_id: str) -> dict[str, str]:
    """Return how each task of a run has ended."""
    return {one["task_id"]: one["state"] for one in scene.airflow.task_instances(dag_id, scene.runs[dag_id])}


def test_everything_took_part(searched: Scene) -> None:
    """All goes well that should, and fails that should; each failure says why."""
    assert set(states(searched, WELL).values()) == {"success"}, states(searched, WELL)
    assert states(searched, BADLY) == dict.fromkeys(states(searched, BADLY), "failed") | {"odd": "success"}
    killed = states(searched, KILLED)
    assert killed["deferred"] == "success"
    assert killed["blocking"] == "success" or not AIRFLOW_V_3_1_PLUS, "3.0 doesn't try a killed task again"
    rows = [json.loads(line) for line in (searched.folder / "batch" / "manifest.jsonl").read_text().splitlines()]
    assert [row["status"] for row in rows] == ["saved", "saved", "failed", "unconfirmed"]
    sent = [url for order in searched.emulator.orders for url in order.request.get("referenceImages", ())]
    whole = [url for url in sent if any(part in url for part in RENDERED)]
    assert len(whole) == 6 + 2 + 6 + 1 + 2, "signed, signed_mapped, signed_batch, signed_argument, signed_rows"
    log = searched.airflow.log(BADLY, searched.runs[BADLY], "header")
    assert "Refused: Authorization: Bearer ***" in log or "Refused: Authorization: ***" in log
    assert searched.airflow.api.get("/importErrors")["import_errors"]
    assert (searched.folder / "lineage.jsonl").stat().st_size
    assert searched.metrics.named("unconfirmed")


@pytest.mark.parametrize("secret", ALLOWED)
def test_it_is_nowhere_else(searched: Scene, secret: str) -> None:
    """Found only where it may be."""
    leaks = searched.search.places(secret) - ALLOWED[secret]
    assert not leaks, "\n".join(f"{place}: …{searched.search.found[secret, place]}…" for place in sorted(leaks))


def test_the_search_finds_what_is_planted(searched: Scene) -> None:
    """A secret put anywhere is found there, also where it is encrypted or in another form."""
    planted = f"planted/{secrets.token_hex(8)}+x"
    searched.search = Search(searched.airflow, FERNET_KEY, {"planted": forms(planted)})
    airflow = searched.airflow
    airflow.wait_for_dag("nothing_secret_planted")
    run_id = airflow.trigger("nothing_secret_planted", {"secret": planted})
    searched.s3.put("videos", "manifest.jsonl", planted.encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(f"starvideos.planted,key={planted}:1|c".encode(), searched.metrics.server_address)
    airflow.wait_for_task("nothing_secret_planted", run_id, "defers", {"deferred"})
    for task_id in ("leak", "tell", "fail"):
        airflow.wait_for_task("nothing_secret_planted", run_id, task_id, {"success", "failed"})
    shown = base64.b64encode(f"Bearer {planted}".encode()).decode()
    with subprocess.Popen([sys.executable, "-c", "input()", shown], stdin=subprocess.PIPE) as process:
        searched.look_everywhere()
        process.communicate(b"\n")
    searched.search.api()
    wanted = {
        "trigger.kwargs",
        "task_instance.next_kwargs",
        "variable.val",
        "xcom.value",
        "rendered_task_instance_fields.rendered_fields",
        "dag_run.conf",
        "logs",
        "manifests",
        "openlineage",
        "metrics",
        "processes",
        "api logs",
        "api xcomEntries return_value",
        *({"api rendered_fields", "task_state_store.value"} if AIRFLOW_V_3_3_PLUS else ()),
    }
    assert not wanted - searched.search.places("planted")
