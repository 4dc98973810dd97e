"""The UI in a browser: what would annoy those who look at many videos, or at failures, or with a keyboard alone."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from playwright.sync_api import Page, expect

from tests.ui.conftest import RUN, Site
from tests.ui.pages import open_gallery, open_video

pytestmark = [
    pytest.mark.real_airflow,
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 shows no views of plugins"),
]

TOPS = "elements => elements.map(element => Math.round(element.getBoundingClientRect().top))"


def test_the_way_back_leads_to_the_page_that_one_came_from(page: Page, site: Site) -> None:
    """With its filter: who goes through a hundred failures doesn't begin anew after each."""
    open_gallery(page, site, "ui_batch", status="failed", offset=48)
    page.get_by_role("link", name="prompt of row 490 ").click()
    page.get_by_role("link", name="All videos of the run").click()
    expect(page.locator(".pager")).to_contain_text("49–72 of 100")
    expect(page.get_by_role("button", name="Failed")).to_have_attribute("aria-pressed", "true")


def test_the_way_back_from_a_video_of_a_task_leads_to_the_task(page: Page, site: Site) -> None:
    """Its tab is a gallery, too."""
    open_video(page, site, "ui_batch", "ids")
    page.get_by_role("link", name="third").click()
    page.get_by_role("link", name="All videos of the task").click()
    expect(page.locator(".card")).to_have_count(3)


def test_the_next_page_begins_at_its_top_and_the_keyboard_stays(page: Page, site: Site) -> None:
    """The buttons are below a page's cards; "Next" can't be pressed on the last page."""
    open_gallery(page, site, "ui_batch", offset=936)
    page.get_by_role("button", name="Next").press("Enter")
    expect(page.locator(".pager")).to_contain_text("961–984 of 1003")
    expect(page.locator(".filters")).to_be_in_viewport()
    expect(page.get_by_role("button", name="Next")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".pager")).to_contain_text("985–1003 of 1003")
    expect(page.get_by_role("button", name="42")).to_be_focused()


def test_cards_stand_in_line_and_say_why_where_a_picture_would_be(page: Page, site: Site) -> None:
    """One that has a player is as high as one that has none; on a narrow page there are two in a row, none cut off."""
    open_gallery(page, site, "ui_mapped")
    expect(page.locator(".frame .error").first).to_contain_text("the prompt was refused <b>here</b>")
    assert len(set(page.locator(".card:has(video) .prompt").evaluate_all(TOPS))) == 1
    page.set_viewport_size({"width": 360, "height": 640})
    assert len(set(page.locator(".card").evaluate_all(TOPS))) == 3
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert page.evaluate(width) == 0


def test_a_run_without_videos_says_so_and_no_more(page: Page, site: Site) -> None:
    """There is nothing to filter."""
    open_gallery(page, site, "ui_other")
    expect(page.locator("main")).to_contain_text("No StarVideos video of this run is known")
    expect(page.locator(".filters")).to_have_count(0)


def test_a_video_that_the_api_doesnt_know_isnt_said_to_be_made(page: Page, site: Site) -> None:
    """Airflow knows that it was ordered, and no more."""
    page.route("**/input?*", lambda route: route.fulfill(status=404))  # its pictures are nowhere
    open_video(page, site, "ui_pictures", "create")
    expect(page.locator(".waiting")).to_contain_text("can't be asked")
    expect(page.locator(".waiting")).to_contain_text("doesn't know this video")
    expect(page.locator(".waiting")).to_contain_text("no task waits for it any more; billed")


def test_times_are_as_in_airflows_own_page(page: Page, site: Site) -> None:
    """In the time zone that is chosen there, which isn't the browser's."""
    seen = []
    for zone in ("UTC", "Asia/Kathmandu"):
        open_video(page, site, "ui_saved", "create")
        page.evaluate("zone => localStorage.setItem('timezone', JSON.stringify(zone))", zone)
        page.reload()
        seen.append(page.locator("time").first.inner_text())
    began = site.stack.task_instances("ui_saved", RUN)[0]["start_date"]
    assert seen[0].startswith(began[:10])
    hours = [int(text[11:13]) * 60 + int(text[14:16]) for text in seen]
    assert (hours[1] - hours[0]) % 1440 == 5 * 60 + 45


def test_a_gallery_that_cant_be_refreshed_says_so(page: Page, site: Site) -> None:
    """Else it looks as if nothing went on; and it goes on by itself."""
    site.emulator.update(seconds="hold")
    try:
        run_id = site.stack.trigger("ui_secret", run_id="unreachable")
        site.stack.wait_for_task("ui_secret", run_id, "create", {"success"})
        open_gallery(page, site, "ui_secret", run_id=run_id)
        expect(page.locator(".card")).to_have_count(1)
        page.route("**/api/dags/**", lambda route: route.abort("connectionrefused"))
        trouble = page.get_by_role("alert")
        expect(trouble).to_have_text("Airflow's api-server doesn't answer.", timeout=15_000)
        expect(page.locator(".card")).to_have_count(1)
        page.unroute("**/api/dags/**")
        expect(trouble).to_be_hidden(timeout=15_000)
    finally:
        site.emulator.update(seconds=2)
        for order in site.emulator.orders:
            if order.status not in ("completed", "failed"):
                site.emulator.finish(order.id)
    assert site.stack.wait_for_run("ui_secret", run_id) == "success"
