"""The UI in a browser, inside of a running Airflow's own pages: it plays, filters, pages, refreshes, and stays calm."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS
from playwright.sync_api import FrameLocator, Locator, Page, expect

from tests.ui.conftest import RUN, Site
from tests.ui.pages import open_gallery, open_video

pytestmark = [
    pytest.mark.real_airflow,
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 shows no views of plugins"),
]

MOVES = """async video => {
    const was = video.currentTime;
    await new Promise(go => setTimeout(go, 400));
    return video.currentTime - was;
}"""


def run_path(dag_id: str, run_id: str = RUN) -> str:
    """Return the path of a run's page in Airflow."""
    return f"/dags/{dag_id}/runs/{quote(run_id, safe='')}"


def in_airflow(page: Page, site: Site, path: str, tab: str) -> FrameLocator:
    """Open a page of Airflow and one of its tabs, by a click as a user does; return what is in it."""
    page.goto(f"{site.url}{path}")
    page.get_by_role("link", name=tab, exact=True).click()
    return page.frame_locator("iframe")


def plays(video: Locator) -> bool:
    """Tell whether a video shows pictures that move."""
    expect(video).to_have_js_property("paused", False)
    video.evaluate("video => new Promise(go => video.readyState > 2 ? go() : video.addEventListener('canplay', go))")
    return video.evaluate("video => video.videoWidth") > 0 and video.evaluate(MOVES) > 0


def test_the_tab_of_a_task_plays_the_saved_file(page: Page, site: Site) -> None:
    """Inside of Airflow's page, of a task that ended in the triggerer; the api-server streams the file."""
    frame = in_airflow(page, site, f"{run_path('ui_saved')}/tasks/wait", "Video")
    video = frame.locator("video")
    expect(video).to_have_js_property("readyState", 4, timeout=15_000)
    assert "/play?" in video.evaluate("video => video.currentSrc")
    video.evaluate("video => { video.muted = true; return video.play() }")
    assert plays(video)


def test_the_tab_of_a_mapped_task_plays_the_temporary_url(page: Page, site: Site) -> None:
    """Inside of Airflow's page, where nothing was saved: redirected to a fresh URL of the API's."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    frame = in_airflow(page, site, f"{run_path('ui_mapped')}/tasks/create/mapped/0", "Video")
    expect(frame.locator("video")).to_have_js_property("readyState", 4, timeout=15_000)
    frame.locator("video").evaluate("video => { video.muted = true; return video.play() }")
    assert plays(frame.locator("video"))
    assert [url for url in asked if url.startswith(site.emulator.url)]


def test_it_tells_what_there_is_to_know(page: Page, site: Site) -> None:
    """Prompt, mode, parameters, inputs without signatures, times, id, place; a hostile prompt is text and no more."""
    open_video(page, site, "ui_saved", "create")
    facts = page.get_by_role("region", name="About the video")
    expect(facts).to_contain_text("<script>document.title='broken'</script>")
    video_id = site.get(f"/api/dags/ui_saved/video?{urlencode({'run_id': RUN, 'task_id': 'create'})}").json["id"]
    for text in (
        "Saved",
        "billed",
        "image reference",
        "4 s · 16:9",
        "cat.png",
        "Ordered",
        "Took",
        video_id,
        f"{video_id}.mp4",
    ):
        expect(facts).to_contain_text(text)
    expect(facts).not_to_contain_text("Signature")
    expect(facts.locator("img")).to_have_count(0)  # its address had a query, which may be a signature: it is hidden
    assert page.locator("script").count() == 1
    assert page.title() == f"create · {RUN} · ui_saved · StarVideos"


def test_a_failed_video_says_why(page: Page, site: Site) -> None:
    """The API's own words, as text; and where nothing was ordered, where to look."""
    open_video(page, site, "ui_mapped", "wait", 1)
    expect(page.locator("dd .error")).to_contain_text("the prompt was refused <b>here</b>")
    open_video(page, site, "ui_mapped", "refused")
    expect(page.locator("dd .error")).to_contain_text("Task refused: ")
    expect(page.locator(".waiting")).to_contain_text("not billed")
    open_video(page, site, "ui_other", "nothing")
    expect(page.locator("main")).to_contain_text("No StarVideos video of this task is known")


def test_the_gallery_filters_and_plays_under_the_pointer(page: Page, site: Site) -> None:
    """Every video of the run, mapped ones too; failures with messages; the pointer starts one and stops it again."""
    open_gallery(page, site, "ui_mapped")
    expect(page.locator(".card")).to_have_count(5)
    expect(page.locator(".card").nth(1).locator(".error")).to_be_visible()  # failures come first
    card, video = page.locator(".card").nth(2), page.locator(".card video").first
    card.hover()
    assert plays(video)
    page.mouse.move(2, 2)
    expect(video).to_have_js_property("paused", True)
    page.get_by_role("button", name="Failed 1 billed").click()
    expect(page.locator(".card")).to_have_count(1)
    expect(page.locator(".card .error").first).to_contain_text("the prompt was refused <b>here</b>")
    expect(page.get_by_role("button", name="Failed 1 billed")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Not ordered: failed 1 not billed").click()
    expect(page.locator(".card .error").last).to_contain_text("ratio")


def test_the_keyboard_and_a_screen_reader_get_as_far(page: Page, site: Site) -> None:
    """Cards are links with a name; the focus plays; Enter opens; a status is told; the way back is a link."""
    open_gallery(page, site, "ui_mapped")
    expect(page.get_by_role("status")).to_contain_text("5 of 5 done")
    lamp = page.get_by_role("link", name="a lamp")
    page.get_by_role("link", name="Not ordered: failed").focus()
    page.keyboard.press("Tab")
    expect(lamp).to_be_focused()
    assert plays(lamp.locator("video"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="About the video")).to_contain_text("a lamp")
    page.get_by_role("link", name="All videos of the run").click()
    expect(page.get_by_role("link", name="a boat")).to_be_visible()


def test_a_thousand_videos_stay_usable(page: Page, site: Site) -> None:
    """A page at a time, within a second; what isn't looked at isn't loaded; numbers and filters go over all of them."""
    played: list[str] = []
    page.on("request", lambda request: played.append(request.url) if "/play?" in request.url else None)
    open_gallery(page, site, "ui_batch", status="saved")
    expect(page.get_by_role("button", name="All")).to_have_text("All 1003")
    expect(page.locator(".card")).to_have_count(24)
    if not played:
        page.wait_for_event("request", lambda request: "/play?" in request.url)
    page.wait_for_load_state("networkidle")
    assert 0 < len(set(played)) < 24, "only what is in sight"
    began = time.monotonic()
    page.get_by_role("button", name="Last").click()
    expect(page.get_by_text("prompt of row 999", exact=False).or_(page.get_by_text("third"))).not_to_have_count(0)
    assert time.monotonic() - began < 2
    page.get_by_role("button", name="Failed").click()
    expect(page.locator(".pager")).to_contain_text("1–24 of 100")
    expect(page.locator(".card .error").first).to_have_text("the prompt was refused")
    page.get_by_role("button", name="Saved").click()
    page.get_by_role("link", name="prompt of row 1 product-1 ").click()
    facts = page.get_by_role("region", name="About the video")
    for text in ("product-1", "prompt of row 1", "2 min 5 s", "video.mp4"):
        expect(facts).to_contain_text(text)
    open_video(page, site, "ui_batch", "ids")
    expect(page.locator(".card")).to_have_count(3)
    expect(page.locator(".card").first).to_contain_text("Without a video")


def test_a_video_that_is_being_made_is_followed(page: Page, site: Site) -> None:
    """The page says that it is in progress, and shows the video when it is there, without being loaded again."""
    site.emulator.update(seconds="hold")
    try:
        run_id = site.stack.trigger("ui_secret", run_id="held")
        order = site.emulator.wait_for("accepted", contains="a secret", since=site.emulator.seq)
        open_video(page, site, "ui_secret", "create", run_id=run_id)
        expect(page.locator(".waiting")).to_contain_text("Ordered", timeout=15_000)
        page.locator("main").evaluate("main => { main.dataset.same = 'page' }")
        site.emulator.finish(str(order["id"]))
        assert site.stack.wait_for_run("ui_secret", run_id) == "success"
        expect(page.locator("video")).to_have_js_property("readyState", 4, timeout=20_000)
        assert page.locator("main").get_attribute("data-same") == "page"
    finally:
        site.emulator.update(seconds=2)


def test_a_batch_is_followed_from_before_its_first_order(page: Page, site: Site) -> None:
    """Its tab becomes the gallery by itself, with every row, and each shows its video as soon as the API has it."""
    site.emulator.update(seconds="hold")
    try:
        since = site.emulator.seq
        run_id = site.stack.trigger("ui_progress", run_id="followed")
        open_video(page, site, "ui_progress", "batch", run_id=run_id)
        expect(page.locator(".waiting")).to_contain_text("Not ordered; not billed")
        page.locator("main").evaluate("main => { main.dataset.same = 'page' }")
        (site.media / f"go-{run_id}").touch()
        site.emulator.wait_for("accepted", contains="row three", since=since, timeout=60)
        if AIRFLOW_V_3_3_PLUS:
            expect(page.locator(".card")).to_have_count(3, timeout=30_000)
            assert page.locator(".prompt").all_inner_texts() == ["row one", "row two", "row three"]
            expect(page.locator(".head")).to_contain_text("Ordered 3 billed")
        for order in site.emulator.orders:
            if str(order.prompt).startswith("row"):
                site.emulator.finish(order.id)
        assert site.stack.wait_for_run("ui_progress", run_id) == "success"
        expect(page.get_by_role("button", name="Completed")).to_contain_text("3", timeout=30_000)
        assert page.locator("main").get_attribute("data-same") == "page"
    finally:
        site.emulator.update(seconds=2)


@pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="before 3.3 the record is in Variables, which not all may read")
def test_a_row_that_is_done_plays_while_its_batch_waits_for_the_others(page: Page, site: Site) -> None:
    """The batch's record doesn't say so before its wait ends, but the API does."""
    site.emulator.update(seconds="hold")
    try:
        since = site.emulator.seq
        run_id = site.stack.trigger("ui_progress", run_id="partly")
        (site.media / f"go-{run_id}").touch()
        done = site.emulator.wait_for("accepted", contains="row two", since=since, timeout=60)
        site.emulator.finish(str(done["id"]))
        site.stack.wait_for_task("ui_progress", run_id, "batch", {"deferred"})
        page.goto(f"{site.url}/starvideos/dags/ui_progress/gallery?{urlencode({'run_id': run_id})}")
        link = page.get_by_role("link", name="row two")
        expect(link.locator("video")).to_be_attached(timeout=15_000)
        link.hover()
        assert plays(link.locator("video"))
        expect(page.get_by_role("link", name="row one")).to_contain_text("Ordered")
    finally:
        site.emulator.update(seconds=2)
        for order in site.emulator.orders:
            if str(order.prompt).startswith("row") and order.status != "completed":
                site.emulator.finish(order.id)
    assert site.stack.wait_for_run("ui_progress", run_id) == "success"


def test_it_has_airflows_theme(page: Page, site: Site) -> None:
    """Airflow's own choice, not the browser's, also when it is changed: its background, on which text can be read."""
    frame = in_airflow(page, site, run_path("ui_mapped"), "Videos")
    expect(frame.locator(".card")).to_have_count(5)
    background = "element => getComputedStyle(element).backgroundColor"
    for theme, other in (("light", "dark"), ("dark", "light")):
        page.locator("html").evaluate(f"page => page.classList.replace('{other}', '{theme}')")
        expect(frame.locator(":root")).to_have_attribute("data-theme", theme)
        expect(frame.locator("body")).to_have_css("background-color", page.locator("html").evaluate(background))
        for selector in (".prompt", ".quiet", ".badge", ".error"):
            behind = frame.locator(".frame:has(.error)" if selector == ".error" else ".card").first
            assert contrast(frame.locator(selector).first, behind) >= 4.5, (theme, selector)


def contrast(text: Locator, behind: Locator) -> float:
    """Return the contrast of a text to what is behind it (WCAG 2); 4.5 is the least for small text."""

    def luminance(colour: list[float]) -> float:
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
        return sum(part * weight for part, weight in zip(linear, (0.2126, 0.7152, 0.0722), strict=True))

    painted: Any = (
        "(element, name) => { const pen = document.createElement('canvas').getContext('2d'); "
        "pen.fillStyle = getComputedStyle(element)[name]; pen.fillRect(0, 0, 1, 1); "
        "return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3).map(part => part / 255) }"
    )
    light, dark = sorted(
        (luminance(text.evaluate(painted, "color")), luminance(behind.evaluate(painted, "backgroundColor"))),
        reverse=True,
    )
    return (light + 0.05) / (dark + 0.05)


def test_a_video_that_no_task_waits_for_is_asked_for(page: Page, site: Site) -> None:
    """Airflow knows only that it was ordered; the gallery of the ended run finds out, and plays it."""
    open_gallery(page, site, "ui_ways")
    link = page.get_by_role("link", name="a prompt out of a function")
    expect(link.locator("video")).to_be_attached(timeout=15_000)
    link.hover()
    assert plays(link.locator("video"))


def test_a_run_is_found_as_airflow_3_1_names_it(page: Page, site: Site) -> None:
    """It doesn't quote the run's id: a plus in an address is a plus, and not a space."""
    assert "+" in RUN
    page.goto(f"{site.url}/starvideos/dags/ui_mapped/gallery?run_id={RUN}")
    expect(page.locator(".card")).to_have_count(5)


def test_recent_runs_lead_to_their_galleries(page: Page, site: Site) -> None:
    """The page in Airflow's navigation; filters by Dag and by the run's state."""
    page.goto(f"{site.url}/plugin/starvideos")
    frame = page.frame_locator("iframe")
    frame.get_by_label("Dag").fill("ui_saved")
    frame.get_by_label("Dag").press("Tab")
    expect(frame.get_by_role("link", name="ui_mapped")).to_have_count(0)
    frame.get_by_label("Dag").fill("")
    frame.get_by_role("combobox", name="Run").select_option("failed")
    expect(frame.get_by_role("link", name="ui_saved")).to_have_count(0)
    frame.get_by_role("link", name="ui_mapped").click()
    expect(frame.get_by_role("link", name="a lamp")).to_be_visible()
