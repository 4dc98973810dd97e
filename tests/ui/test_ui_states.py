"""What the pages say of states in which money is at stake, on a real Airflow, with the emulator's faults."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS, AIRFLOW_V_3_3_PLUS
from playwright.sync_api import Page, expect

from tests.ui.conftest import RUN, Site
from tests.ui.pages import open_gallery, open_video

pytestmark = [
    pytest.mark.real_airflow,
    pytest.mark.skipif(not AIRFLOW_V_3_1_PLUS, reason="Airflow 3.0 shows no views of plugins"),
]
WITHOUT_A_VIDEO = ("there is no video", "before a video was ordered", "has no starvideos video")


def reads(page: Page, *texts: str, without: tuple[str, ...] = WITHOUT_A_VIDEO) -> None:
    """Wait until a page has these texts; it has none of the others."""
    for text in texts:
        expect(page.locator("main")).to_contain_text(text, timeout=20_000)
    said = page.locator("main").inner_text().lower()
    assert [text for text in without if text in said] == []


def test_an_order_whose_answer_was_lost_may_have_been_billed(page: Page, site: Site) -> None:
    """The emulator has billed it. The page says what is known, and what to do, with a command to copy."""
    site.emulator.add_fault(on="create", kind="reset", when="after", times=1, match="an answer that is lost")
    run_id = site.stack.trigger("ui_unknown", run_id="unknown")
    site.stack.wait_for_run("ui_unknown", run_id)
    assert [order for order in site.emulator.orders if order.prompt == "an answer that is lost"]
    open_video(page, site, "ui_unknown", "create", run_id=run_id)
    reads(page, "Unconfirmed", "may be billed", "Ordered", "1. Look for the video", "3. Clear task create")
    command = page.get_by_text("airflow variables set starvideos_decision_").first
    expect(command).to_contain_text("<video id>")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the command").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == command.inner_text()
    open_video(page, site, "ui_unknown", "wait", run_id=run_id)  # which didn't run: the order's state is what matters
    reads(page, "Unconfirmed", "may be billed")
    open_gallery(page, site, "ui_unknown", run_id=run_id)
    expect(page.get_by_role("button", name="Unconfirmed 1 may be billed")).to_be_visible()


def test_a_batch_has_a_chip_for_each_state_also_after_its_end(page: Page, site: Site) -> None:
    """Each with "billed" or "not billed"; of the rows whose video failed, the reason."""
    site.emulator.add_fault(on="create", kind="reset", when="after", times=1, match="a row whose answer is lost")
    site.emulator.add_fault(on="create", kind="status", status=422, times=1, match="a row that is refused")
    run_id = site.stack.trigger("ui_mixed", run_id="mixed")
    assert site.stack.wait_for_run("ui_mixed", run_id) == "failed"
    open_gallery(page, site, "ui_mixed", run_id=run_id)
    for name in ("Completed 1 billed", "Failed 1 billed", "Unconfirmed 1 may be billed", "Rejected 1 not billed"):
        expect(page.get_by_role("button", name=name)).to_be_visible()
    expect(page.locator(".batch")).to_contain_text("2 orders, 1 more that may have been billed")
    page.get_by_role("button", name="List").click()
    expect(page.get_by_role("row")).to_have_count(5)
    expect(page.get_by_role("row").nth(4)).to_contain_text("Completed")  # failures come first
    page.reload()
    expect(page.get_by_role("row")).to_have_count(5)


def test_a_sensor_that_timed_out_hides_no_video(page: Page, site: Site) -> None:
    """While it goes on: it is still made and billed, and what to clear. Completed since: the video."""
    site.emulator.update(seconds="hold")
    try:
        run_id = site.stack.trigger("ui_slow", run_id="slow")
        site.stack.wait_for_run("ui_slow", run_id)
        open_video(page, site, "ui_slow", "wait", 0, run_id=run_id)
        reads(page, "still being made; billed", "Clear task wait [0] to wait again. Nothing is ordered.")
        (order,) = [order for order in site.emulator.orders if order.prompt == "another slow video"]
        site.emulator.finish(order.id)
        open_gallery(page, site, "ui_slow", run_id=run_id)
        shown = page.get_by_role("link", name="another slow video")
        expect(shown.locator("video")).to_be_attached(timeout=15_000)
        expect(page.get_by_role("button", name="Not saved 1 billed")).to_be_visible()  # the numbers, too
        expect(page.get_by_role("button", name="Timed out 1 billed")).to_be_visible()
        open_video(page, site, "ui_slow", "wait", 1, run_id=run_id)
        expect(page.locator("video")).to_have_js_property("readyState", 4, timeout=15_000)
        reads(page, "Not saved", "billed")
    finally:
        site.emulator.update(seconds=2)


def test_a_task_shows_the_order_before_it_and_is_followed_to_the_end(page: Page, site: Site) -> None:
    """A sensor that waits in the triggerer from its beginning, and a download that hasn't begun: not "no video"."""
    site.emulator.update(seconds="hold")
    try:
        run_id = site.stack.trigger("ui_held", run_id="held")
        order = site.emulator.wait_for("accepted", contains="a held video", since=0)
        site.stack.wait_for_task("ui_held", run_id, "wait", {"deferred"})
        for task_id in ("wait", "save"):
            open_video(page, site, "ui_held", task_id, run_id=run_id)
            reads(page, "Ordered", "billed", "a held video", str(order["id"]))
        if AIRFLOW_V_3_3_PLUS:
            expect(page.locator("main")).to_contain_text("until")
        page.locator("main").evaluate("main => { main.dataset.same = 'page' }")
        site.emulator.finish(str(order["id"]))
        site.stack.wait_for_run("ui_held", run_id)
        reads(
            page, "Not saved", "Task save"
        )  # it was completed meanwhile, and the page went on until its task had ended
        assert page.locator("main").get_attribute("data-same") == "page"
    finally:
        site.emulator.update(seconds=2)


def test_a_link_to_a_file_that_may_not_be_read_leads_to_its_page(page: Page, site: Site) -> None:
    """Not to JSON: the page has the address, to be copied."""
    asked = {"run_id": RUN, "task_id": "refused", "source": "saved"}
    page.goto(f"{site.url}/starvideos/dags/ui_mapped/play?{urlencode(asked)}")
    expect(page.get_by_role("region", name="About the video")).to_contain_text("refused")
    answer: Any = site.get(f"/dags/ui_mapped/play?{urlencode(asked)}")
    assert answer.status == 404
