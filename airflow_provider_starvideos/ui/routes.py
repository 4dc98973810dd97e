"""The app's routes. Each names who may use it; the rest is about what is sent."""

from __future__ import annotations

from importlib.resources import files
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import FastAPI, HTTPException, Query, Request
from fastapi.responses import RedirectResponse, Response

from airflow_provider_starvideos.compat.ui_security import LOGGED_IN, READS_DAG, SessionDep, User
from airflow_provider_starvideos.ui import queries, serializers
from airflow_provider_starvideos.ui.api_answers import ask, remember
from airflow_provider_starvideos.ui.headers import StrictHeaders
from airflow_provider_starvideos.ui.media import ORDERS, UnavailableError, Wanted, conn_id_of, picture, respond
from airflow_provider_starvideos.ui.queries import Kind
from airflow_provider_starvideos.ui.recent import recent_runs
from airflow_provider_starvideos.ui.records import orders_of
from airflow_provider_starvideos.ui.states import ASKED_FOR, PAGE_STATES, sort_rank
from airflow_provider_starvideos.ui.videos import SUCCESS, Run, Video, add_records, find, load

MAX_PER_PAGE = 48
TYPES = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml", "html": "text/html"}
# All files are small, and read once: no path comes from a request.
STATIC = files(__package__).joinpath("static")
ASSETS = {each.name: each.read_bytes() for each in STATIC.iterdir() if each.name.rpartition(".")[2] in TYPES}
PAGE = ASSETS.pop("page.html").decode()

NAME = r"^[^\x00]*$"  # some databases refuse a NUL with an error
RunId = Annotated[str, Query(max_length=250, pattern=NAME)]
TaskId = Annotated[str, Query(max_length=250, pattern=NAME)]
MapIndex = Annotated[str, Query(max_length=20)]  # of a task that isn't mapped Airflow leaves "{MAP_INDEX}" as it is
Row = Annotated[int, Query(ge=0, le=10_000_000)]
LARGEST_ID = 2**31 - 1


def build_app() -> Any:
    """Return the app, with neither documentation nor schema: those would be open to all."""
    app = FastAPI(title="StarVideos", docs_url=None, redoc_url=None, openapi_url=None)
    app.get("/", dependencies=LOGGED_IN)(recent_page)
    app.get("/static/{name}", dependencies=LOGGED_IN)(static)
    app.get("/api/recent")(recent)
    app.get("/dags/{dag_id}/gallery", dependencies=READS_DAG)(dag_page)
    app.get("/dags/{dag_id}/video", dependencies=READS_DAG)(dag_page)
    app.get("/dags/{dag_id}/play", dependencies=READS_DAG)(play)
    app.get("/dags/{dag_id}/input", dependencies=READS_DAG)(given)
    app.get("/api/dags/{dag_id}/videos", dependencies=READS_DAG)(videos)
    app.get("/api/dags/{dag_id}/video", dependencies=READS_DAG)(video)
    app.get("/api/dags/{dag_id}/outcome", dependencies=READS_DAG)(outcome)
    return StrictHeaders(app)


def recent_page() -> Response:
    """The page over recent runs."""
    return _page("./")


def dag_page() -> Response:
    """The gallery of a run, and the tab of a task; their data comes from the other routes."""
    return _page("../../")


def _page(root: str) -> Response:
    return Response(PAGE.replace("{root}", root), media_type="text/html", headers={"Cache-Control": "no-store"})


def static(name: str) -> Response:
    """A stylesheet, script or icon."""
    if name not in ASSETS:
        raise HTTPException(404, "Not found")
    kind = TYPES[name.rpartition(".")[2]]
    return Response(ASSETS[name], media_type=kind, headers={"Cache-Control": "private, max-age=300"})


def recent(
    session: SessionDep,
    user: User,
    before: Annotated[int | None, Query(ge=0, le=LARGEST_ID)] = None,
    dag_id: RunId | None = None,
    state: Annotated[str | None, Query(pattern="^[a-z_]{1,50}$")] = None,
) -> dict[str, Any]:
    """The latest runs of the Dags that the user may read, of one Dag or in one state if the user has chosen one."""
    return recent_runs(session, user, before, dag_id=dag_id, state=state)


def videos(
    session: SessionDep,
    dag_id: str,
    run_id: RunId,
    task_id: TaskId | None = None,
    map_index: MapIndex = "",
    status: Annotated[str | None, Query(pattern=f"^({'|'.join(PAGE_STATES)})$")] = None,
    offset: Annotated[int, Query(ge=0)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_PER_PAGE)] = 24,
) -> dict[str, Any]:
    """A page of a run's videos, or of one task's."""
    run = _run(session, dag_id, run_id)
    if task_id is not None:
        index = _index(map_index)
        run.videos = [
            each
            for each in run.videos
            if any(task.task_id == task_id and index in (-1, task.map_index) for task in each.tasks)
        ]
    shown = [each for each in run.videos if status in (None, each.state)]
    shown.sort(key=lambda each: sort_rank(each.state))  # failures first
    page = shown[offset : offset + limit]
    queries.add_details(session, dag_id, run_id, [task for each in page for task in each.tasks])
    return serializers.overview(run) | {"shown": len(shown), "videos": [serializers.summary(each) for each in page]}


def video(
    session: SessionDep,
    dag_id: str,
    run_id: RunId,
    task_id: TaskId,
    map_index: MapIndex = "",
    row: Row = 0,
    ask_api: bool = True,
) -> dict[str, Any]:
    """All that is known of one video. Where Airflow doesn't know its end, the API is asked."""
    found = _video(session, dag_id, run_id, task_id, map_index, row)
    queries.add_times(session, dag_id, run_id, found.tasks)
    if ask_api and found.video_id and found.state in ASKED_FOR:
        conn_id = conn_id_of(session, dag_id, found)
        session.close()  # a connection of the database isn't held while the API is asked
        answer = ask(conn_id, found.video_id)
        remember(dag_id, run_id, found.key, answer)
        found.learn(answer)
    return serializers.details(found)


def outcome(
    session: SessionDep, dag_id: str, run_id: RunId, task_id: TaskId, map_index: MapIndex = "", row: Row = 0
) -> dict[str, Any]:
    """How a video has ended, as the API says: for one that no task of the run waits for."""
    known = video(session, dag_id, run_id, task_id, map_index, row)
    return {name: known[name] for name in ("status", "words", "error")}


def play(
    request: Request,
    session: SessionDep,
    dag_id: str,
    run_id: RunId,
    task_id: TaskId,
    map_index: MapIndex = "",
    row: Row = 0,
    source: Annotated[str, Query(pattern=f"^({'|'.join(ORDERS)})$")] = "any",
) -> Response:
    """The video itself, or a redirect to where it can be fetched."""
    found = _video(session, dag_id, run_id, task_id, map_index, row)
    wanted = Wanted(
        found, conn_id_of(session, dag_id, found), {name.lower(): value for name, value in request.headers.items()}
    )
    session.close()  # a connection of the database isn't held for as long as the video is sent
    try:
        return respond(wanted, source)
    except UnavailableError as failure:
        if "text/html" in wanted.headers.get("accept", ""):  # a link was followed: the page of the video says why
            place = {"run_id": run_id, "task_id": task_id, "map_index": map_index, "row": row}
            return RedirectResponse(f"video?{urlencode(place, quote_via=quote)}", 303)
        raise HTTPException(404, str(failure)) from failure


def given(
    session: SessionDep,
    dag_id: str,
    run_id: RunId,
    task_id: TaskId,
    number: Annotated[int, Query(ge=0, le=100)],
    map_index: MapIndex = "",
) -> Response:
    """A redirect to a picture that was an input, where it lies in a store."""
    found = _video(session, dag_id, run_id, task_id, map_index, 0)
    session.close()
    inputs = serializers.inputs_of(found)
    if number >= len(inputs):
        raise HTTPException(404, "There is no such input.")
    try:
        return picture(found, *inputs[number])
    except UnavailableError as failure:
        raise HTTPException(404, str(failure)) from failure


def _run(session: SessionDep, dag_id: str, run_id: str) -> Run:
    run = load(session, dag_id, run_id)
    if run is None:
        raise HTTPException(404, "There is no such run.")
    return run


def _video(session: SessionDep, dag_id: str, run_id: str, task_id: str, map_index: str, row: int) -> Video:
    found = find(_run(session, dag_id, run_id), task_id, _index(map_index), row)
    if found is None:
        raise HTTPException(404, "No StarVideos video of this task is known.")
    queries.add_details(session, dag_id, run_id, found.tasks)
    if found.task.kind is Kind.ORDER and found.task.state != SUCCESS:
        queries.add_journals(session, dag_id, run_id, [found.task])
        add_records(found, orders_of(found.task.journal))
    return found


def _index(map_index: str) -> int:
    try:
        return int(map_index)
    except ValueError:
        return -1
