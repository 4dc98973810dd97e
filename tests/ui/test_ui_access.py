"""Who sees what of the UI, on a real Airflow: every route, without a token and with tokens that aren't enough."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS

from dev.airflow_api import path
from tests.ui.conftest import KEY, RUN, STORE, Answer, Site

pytestmark = [
    pytest.mark.real_airflow,
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 shows no views of plugins"),
]

OPEN_TO_ALL_USERS = ("/", "/static/style.css", "/static/main.js", "/api/recent")
PAGES = ("/dags/{dag}/gallery", "/dags/{dag}/video", "/dags/{dag}/play")
DATA = ("/api/dags/{dag}/videos", "/api/dags/{dag}/video", "/api/dags/{dag}/outcome")
OF_A_DAG = PAGES + DATA
INPUT = "/dags/{dag}/input"
CLOSED = (*OF_A_DAG, INPUT)


def address(route: str, dag: str = "ui_saved", **query: Any) -> str:
    """Return a route's path, with what it wants to know."""
    asked = {"run_id": RUN, "task_id": "create", "map_index": -1, "number": 0, **query}
    return f"{route.format(dag=dag)}?{urlencode(asked)}"


@pytest.mark.parametrize("route", [*OPEN_TO_ALL_USERS, *CLOSED])
def test_nobody_sees_anything_without_a_token(site: Site, route: str) -> None:
    """Apps of plugins are open unless they close themselves: every route of this one does, also to a forged token."""
    assert site.get(address(route), user=None).status == 401
    forged = site.get(address(route), user=None, headers={"Authorization": "Bearer nonsense"})
    assert forged.status in (401, 403)
    assert site.get(address(route), user=None, headers={"Cookie": "_token=nonsense"}).status in (401, 403)


@pytest.mark.parametrize("route", CLOSED)
@pytest.mark.parametrize(("user", "dag"), [("nora", "ui_secret"), ("xena", "ui_secret"), ("xena", "ui_saved")])
def test_who_may_not_read_a_dag_or_its_xcoms_sees_nothing_of_it(site: Site, route: str, user: str, dag: str) -> None:
    """403, also for a run or a task that isn't there, so that nobody learns what is."""
    assert site.get(address(route, dag), user).status == 403
    assert site.get(address(route, dag, run_id="none", task_id="none"), user).status == 403


@pytest.mark.parametrize("route", [*OPEN_TO_ALL_USERS, *OF_A_DAG])
def test_who_may_read_it_sees_it(site: Site, route: str) -> None:
    """With a viewer's token, and with the cookie that Airflow's own pages have; Dags aren't mixed up."""
    for dag in ("ui_saved", "ui_secret"):
        answer = site.get(address(route, dag), "victor")
        assert answer.status in (200, 307), answer.body
    cookie = {"Cookie": f"_token={site.token('nora')}"}
    assert site.get(address(route), user=None, headers=cookie).status in (200, 307)
    if "{dag}" in route:
        assert site.get(address(route, "ui_secret"), user=None, headers=cookie).status == 403


@pytest.mark.parametrize(("user", "missing"), [("victor", set()), ("nora", {"ui_secret"}), ("xena", None)])
def test_recent_runs_are_those_of_dags_that_the_user_may_read(site: Site, user: str, missing: set[str] | None) -> None:
    """All of it: who may not read XComs has no recent runs. A run without videos isn't listed."""
    listed = {run["dag_id"] for run in site.get("/api/recent", user).json["runs"]}
    everything = {"ui_saved", "ui_mapped", "ui_secret", "ui_batch", "ui_ways", "ui_pictures"}
    assert listed & everything == (everything - missing if missing is not None else set())
    assert "ui_other" not in listed


@pytest.mark.parametrize("route", ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"])
def test_the_schema_is_off(site: Site, route: str) -> None:
    """FastAPI would show it to everybody."""
    assert site.get(route, user=None).status == 404
    assert site.get(route, "anna").status == 404


@pytest.mark.parametrize("route", [*DATA[1:], *PAGES[2:], INPUT])
@pytest.mark.parametrize(
    "other",
    [
        {"run_id": "another run"},
        {"task_id": "wait", "run_id": ""},
        {"task_id": "refused"},  # of another Dag
        {"map_index": 3},
        {"row": 1},
        {"dag": "ui_other", "task_id": "nothing"},  # pushes something like an id, and isn't of StarVideos
        {"dag": "~"},
    ],
)
def test_a_video_that_is_not_of_this_run_is_not_found(site: Site, route: str, other: dict[str, Any]) -> None:
    """Videos are looked up in the run's own XComs."""
    assert site.get(address(route, **other)).status == 404


def test_ids_of_the_request_count_for_nothing(site: Site) -> None:
    """A video's id can't be asked for: what the request says of one is ignored."""
    own = site.get(address(DATA[1])).json["id"]
    asked = site.get(address(DATA[1], video_id="video_of_somebody_else", id="video_of_somebody_else"))
    assert asked.json["id"] == own


def test_a_picture_in_a_bucket_is_signed_and_nothing_else(site: Site) -> None:
    """With the connection that the order named; no other kind of file, no clip, no disk, no web, no number beyond."""
    told = site.get(address(DATA[1], "ui_pictures")).json["inputs"]
    assert [one["is_stored"] for one in told] == [True, False, False, False]
    answer = site.get(address(INPUT, "ui_pictures"))
    assert answer.status == 307
    assert answer.headers["location"].startswith("http://127.0.0.1:9/bucket/cat.png?")
    assert "Signature=" in answer.headers["location"]
    assert answer.headers["cache-control"] == "no-store"
    assert str(STORE["password"]) not in str(answer)
    for number in range(1, 6):
        assert site.get(address(INPUT, "ui_pictures", number=number)).status == 404
    assert site.get(address(INPUT, "ui_saved")).status == 404


@pytest.mark.parametrize(
    ("route", "query"),
    [
        ("/api/recent", {"before": 10**40}),
        ("/api/recent", {"before": -1}),
        (DATA[0], {"limit": 10**40}),
        (DATA[0], {"run_id": "\0"}),
        (DATA[1], {"task_id": "create\0"}),
        (DATA[1], {"row": -1}),
        (PAGES[2], {"source": "file:///etc/passwd"}),
        (INPUT, {"number": -1}),
    ],
)
def test_what_cant_be_asked_for_is_refused(site: Site, route: str, query: dict[str, Any]) -> None:
    """With an answer that says so, not with an error of the database's."""
    assert site.get(address(route, **query)).status == 422


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_nothing_is_changed_here(site: Site, method: str) -> None:
    """Every route reads, and takes GET alone: there is nothing that another site's page could do in a user's name."""
    for route in (*OPEN_TO_ALL_USERS, *CLOSED):
        assert site.get(address(route), method=method).status == 405


@pytest.mark.parametrize(
    "name", ["../app.py", "%2e%2e/app.py", "..%2f..%2fapp.py", "page.html", "/etc/passwd", "%2fetc%2fpasswd", ""]
)
def test_static_files_are_a_fixed_few(site: Site, name: str) -> None:
    """No path of a request reaches a disk."""
    assert site.get(f"/static/{name}").status in (404, 307)
    assert b"import" not in site.get(f"/static/{name}").body


def edited_uri(site: Site, uri: str, was: str) -> Answer:
    """Change, as a user with the right to, what the saving task has told; ask for the file; and change it back."""
    entry = path("dags", "ui_saved", "dagRuns", RUN, "taskInstances", "save", "xcomEntries", "return_value")
    site.stack.api.patch(entry, {"value": uri})
    try:
        return site.get(address("/dags/{dag}/play", task_id="save", source="saved"))
    finally:
        site.stack.api.patch(entry, {"value": was})


def test_an_edited_xcom_leads_to_no_other_file(site: Site) -> None:
    """Outside of the allowed folder, inside of it but not this video's, through links, dots, or not a file at all."""
    saved = Path(site.get(address(DATA[1])).json["saved"].removeprefix("file://"))
    outside = site.media.parent / "outside.mp4"
    outside.write_bytes(saved.read_bytes())
    link = site.media / "link.mp4"
    link.symlink_to(outside)
    os.mkfifo(site.media / "pipe.mp4")
    other = next((site.media / "batch").rglob("video.mp4"))
    hostile = [
        outside, link, other, site.media, site.media / "pipe.mp4", "/etc/passwd", "etc/passwd", "../outside.mp4",
        f"{site.media}/../outside.mp4", f"{saved.parent}/../../../outside.mp4", f"file://{site.media}/%2e%2e/outside.mp4",
        f"file://localhost{outside}", "file:///proc/self/environ", "s3://bucket/outside.mp4", "http://127.0.0.1:1/x.mp4",
        "",
    ]  # fmt: skip
    if site.stack.database.takes_nul:  # else Airflow itself refuses the edit
        hostile.append(f"{saved}\0.mp4")
    for uri in map(str, hostile):
        answer = edited_uri(site, uri, f"file://{saved}")
        assert answer.status == 404, uri
        assert b"ftyp" not in answer.body
        assert str(outside).encode() not in answer.body
    assert edited_uri(site, str(saved), f"file://{saved}").status == 200  # the right one: the test can tell


def test_the_file_may_be_a_link_no_more_than_the_folder(site: Site) -> None:
    """A link in the place of the saved file itself isn't followed out of the folder."""
    saved = Path(site.get(address(DATA[1])).json["saved"].removeprefix("file://"))
    content = saved.read_bytes()
    outside = site.media.parent / "elsewhere.mp4"
    outside.write_bytes(content)
    saved.unlink()
    saved.symlink_to(outside)
    try:
        answer = site.get(address("/dags/{dag}/play", source="saved"))
        assert answer.status == 404
        assert b"ftyp" not in answer.body
    finally:
        saved.unlink()
        saved.write_bytes(content)


def test_no_answer_has_the_key_or_a_signature(site: Site) -> None:
    """What the browser gets: never the key; signed URLs only as the redirect to the video itself, never in a page."""
    for route in (*OPEN_TO_ALL_USERS, *OF_A_DAG):
        for dag in ("ui_saved", "ui_mapped"):
            answer = site.get(address(route, dag, task_id="create", map_index=-1 if dag == "ui_saved" else 1))
            told = answer.body + str(answer.headers).encode()
            assert KEY.encode() not in told
            assert b"secret-signature" not in told
            assert answer.status == 307 or b"signature=" not in told.lower()


def test_a_batch_and_a_decorated_task_are_in_the_gallery(site: Site) -> None:
    """Of a batch that failed, the rows too: what was saved, and why the others weren't made."""
    told = site.get(address("/api/dags/{dag}/videos", "ui_ways").replace("task_id=create&map_index=-1", "")).json
    found = {video["prompt"]: video for video in told["videos"]}
    no_task_waits = found.pop("a prompt out of a function")
    assert no_task_waits["status"] in ("unwatched", "completed")  # it depends on whether the API was asked before
    assert {prompt: (video["status"], video["name"], video["row"]) for prompt, video in found.items()} == {
        "good": ("saved", "good", 1),
        "[fail: no <i>cats</i>] bad": ("failed", "bad", 2),
    }
    assert "no <i>cats</i>" in found["[fail: no <i>cats</i>] bad"]["error"]
    play = "/dags/{dag}/play"
    answer = site.get(address(play, "ui_ways", task_id="batch", row=1, source="saved"), headers={"Range": "bytes=4-7"})
    assert (answer.status, answer.body) == (206, b"ftyp")
    assert site.get(address(play, "ui_ways", task_id="batch", row=2)).status == 404
    assert site.get(address(play, "ui_ways", task_id="batch", row=3)).status == 404


def test_links_lead_to_the_plugin_and_hold_nothing_secret(site: Site) -> None:
    """For tasks that ended on a worker or in the triggerer, mapped or not; none where there is nothing to see."""
    found = {}
    for dag, task, index in [
        *(("ui_saved", task, -1) for task in ("create", "wait", "save")),
        *(("ui_mapped", task, index) for task in ("create", "wait") for index in (0, 1)),
    ]:
        url = path("dags", dag, "dagRuns", RUN, "taskInstances", task, "links")
        links = site.stack.api.get(url, map_index=index)["extra_links"]
        found[dag, task, index] = [name for name, link in sorted(links.items()) if link]
        for link in filter(None, links.values()):
            assert link.startswith(f"/starvideos/dags/{dag}/play?")
            answer = site.get(link.removeprefix("/starvideos"))
            assert answer.status in (200, 307)
            assert answer.status == 200 or answer.headers["location"].startswith(site.emulator.url)
    both = ["Saved file", "Video"]
    assert found == {
        **{("ui_saved", task, -1): both for task in ("create", "wait", "save")},
        **{("ui_mapped", task, 0): ["Video"] for task in ("create", "wait")},
        **{("ui_mapped", task, 1): [] for task in ("create", "wait")},
    }


def test_airflow_shows_the_plugin_where_it_belongs(site: Site) -> None:
    """Its views are listed, it has no import error, and the setting is described."""
    plugins = site.stack.api.get("/plugins", limit=100)["plugins"]
    (ours,) = [plugin for plugin in plugins if plugin["name"] == "starvideos"]
    assert {view["destination"] for view in ours["external_views"]} == {"task_instance", "dag_run", "nav"}
    assert site.stack.api.get("/plugins/importErrors")["import_errors"] == []


@pytest.mark.parametrize("route", [*OPEN_TO_ALL_USERS, *CLOSED])
def test_every_answer_has_a_strict_policy(site: Site, route: str) -> None:
    """No script but ours, nothing inline, no frame around it but Airflow's, no trace in a cache; also on a refusal."""
    for user in ("victor", None):
        headers = site.get(address(route), user).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';" in policy
        assert "frame-ancestors 'self'" in policy
        assert "unsafe" not in policy
        assert headers["cache-control"].startswith(("no-store", "private, "))
        assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "no-referrer")
