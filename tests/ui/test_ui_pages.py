"""The pages in a browser, over a filled database: each state, by keyboard, at 600 px, light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_1_PLUS
from playwright.sync_api import Browser, Page, expect
from sqlalchemy.orm import Session

if not AIRFLOW_V_3_1_PLUS:
    pytest.skip("Airflow 3.0 shows no views of plugins", allow_module_level=True)

from tests.ui.filled import tables
from tests.ui.served import DAG, RUN, fill_states, served

pytestmark = pytest.mark.real_airflow  # it needs a browser, which the fast tests do without
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
NOT_SAID = ("there is no video", "before a video was ordered", "has no starvideos video")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app, over a run with a video in each state."""
    engine = tables(tmp_path_factory.mktemp("states"))
    with Session(engine) as session:
        fill_states(session)
    with served(engine) as url:
        yield f"{url}/dags/{DAG}"
    engine.dispose()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window without a login: the app is open here."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def open_page(page: Page, address: str, kind: str, **query: str) -> None:
    """Open a page of the run."""
    page.goto(f"{address}/{kind}?{urlencode({'run_id': RUN, **query})}")


CHIPS = (
    "Reused 1 not billed",
    "Completed 1 billed",
    "Not saved 1 billed",
    "Ordered 1 billed",
    "Timed out 2 billed",
    "Unconfirmed 2 may be billed",
    "Failed 1 billed",
    "Rejected 1 not billed",
    "Not sent 1 not billed",
    "Not ordered 4 not billed",
    "Waits for a person 1 not billed",
    "Not ordered: failed 1 not billed",
    "Nothing on record 1 may be billed",
)


def test_a_gallery_has_a_chip_for_each_state_and_says_what_was_billed(page: Page, address: str) -> None:
    """Each with "billed", "may be billed" or "not billed"; the batch by itself, too; and the run over all tries."""
    open_page(page, address, "gallery")
    for name in CHIPS:
        expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    assert page.locator(".filters").get_by_role("button").count() == len(CHIPS) + 2  # all of them, the list
    expect(page.locator("header")).to_contain_text(f"Videos of {RUN} of Dag {DAG}")
    expect(page.locator("header")).to_contain_text("10 orders, 2 more that may have been billed")
    asking, batch = page.locator(".batch").all()
    expect(batch).to_contain_text("8 rows")
    expect(batch).to_contain_text("Unconfirmed 1 may be billed")
    expect(asking).to_contain_text("Waits for a person")
    expect(asking.get_by_role("link")).to_have_attribute("href", re.compile("/tasks/asking/required_actions$"))
    expect(page.locator(".batch .error")).to_contain_text("4 of 7 rows have no video")
    assert page.title() == f"Videos · {RUN} · {DAG} · StarVideos"
    names = page.locator(".card .badge").all_inner_texts()
    bad = [name in ("Reused", "Completed", "Not ordered", "Ordered") for name in names]
    assert bad == sorted(bad), "what a person should see comes first"
    assert not any(text in page.locator("main").inner_text().lower() for text in NOT_SAID)


@pytest.mark.parametrize(
    ("task_id", "texts"),
    [
        ("lost", ("Unconfirmed: may have been billed", "no answer within 60 s", "1. Look for", "3. Clear task lost")),
        ("bad", ("Not ordered: the task failed before that; not billed", "ratio must be one of")),
        ("killed", ("no order of it is on record; may be billed", "Airflow runs task killed again", "At: 20")),
        ("waits", ("Ordered; billed", "video_w", "try 2 of 3, for ")),
        ("slow_wait", ("still being made; billed", "Clear task slow_wait to wait again. Nothing is ordered.",
                       "2 orders, 10 s, amount 1.52")),
        ("done_save", ("Not saved", "task done_save didn't run")),
        ("later", ("Not ordered; not billed", "no state yet")),
        ("asks", ("waits for a person's decision; not billed", "Task asks waits for a person's decision.")),
    ],
)  # fmt: skip
def test_the_tab_of_a_task_says_what_is_known_and_no_more(
    page: Page, address: str, task_id: str, texts: tuple[str, ...]
) -> None:
    """Whether it was billed, why, and what to do."""
    open_page(page, address, "video", task_id=task_id)
    for text in texts:
        expect(page.locator("main")).to_contain_text(text)
    said = page.locator("main").inner_text().lower()
    assert [text for text in NOT_SAID if text in said] == []


def test_a_reused_video_says_where_it_comes_from(page: Page, address: str) -> None:
    """The library's address, to be copied."""
    open_page(page, address, "video", task_id="batch", row="6")
    expect(page.get_by_role("region", name="About the video")).to_contain_text("s3://library/abc.mp4")
    expect(page.get_by_role("button", name="Copy the address of the library's video")).to_be_visible()


def test_a_task_that_asks_a_person_leads_to_airflows_page(page: Page, address: str) -> None:
    """Required Actions, of that task."""
    open_page(page, address, "video", task_id="asks")
    link = page.get_by_role("link", name="Required Actions")
    expect(link).to_have_attribute(
        "href", re.compile(r"/dags/ui_states/runs/run%2B1%3A00/tasks/asks/required_actions$")
    )


def test_the_address_has_filter_page_and_view(page: Page, address: str) -> None:
    """So it can be shared, and the way back from a video leads there."""
    open_page(page, address, "gallery")
    page.get_by_role("button", name="Unconfirmed 2").click()
    page.get_by_role("button", name="List").click()
    expect(page.get_by_role("row")).to_have_count(3)
    page.goto(page.url)
    expect(page.get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name="mug").click()
    expect(page.get_by_role("heading", name="mug")).to_be_visible()
    page.get_by_role("link", name="All videos of the run").click()
    expect(page.get_by_role("row")).to_have_count(3)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_at_600_pixels_nothing_is_cut_off(browser: Browser, address: str, scheme: str) -> None:
    """Neither the gallery, nor the list, which scrolls in itself, nor a video's facts; all of it by keyboard."""
    context = browser.new_context(viewport={"width": 600, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for kind, query in (("gallery", {}), ("gallery", {"view": "list"}), ("video", {"task_id": "lost"})):
        open_page(page, address, kind, **query)
        expect(page.locator("main")).to_have_attribute("aria-busy", "false")
        assert page.evaluate(WIDTH) == 0
    open_page(page, address, "gallery")
    expect(page.locator(".card").first).to_be_visible()
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "card":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="About the video")).to_be_visible()
    context.close()


def test_a_long_prompt_is_clamped_and_one_from_right_to_left_is_so(page: Page, address: str) -> None:
    """Two lines on a card; all of it on the video's page."""
    open_page(page, address, "gallery", status="stopped")
    prompt = page.locator(".prompt")
    assert prompt.evaluate("element => element.scrollHeight > element.clientHeight")
    open_page(page, address, "gallery", status="timed_out")
    arabic = page.locator(".prompt", has_text="سفينة")
    assert arabic.evaluate("element => getComputedStyle(element).direction") == "rtl"
