"""Take the pictures of the UI in docs/images: the demo's Dags on a real Airflow, seen by a headless Chromium.

python -m dev.screenshots [--folder docs/images]
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from playwright.sync_api import Page, sync_playwright

from dev.airflow_stack import AirflowStack
from dev.demo import DAG_ID, DAGS, FAILURES_ID, ROOT, emulator, environment, run_pipeline, show_failures

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu"]
WIDE = {"width": 1280, "height": 800}
SETTLE_MILLISECONDS = 1500  # until the players show their first pictures


def pages(run_ids: dict[str, str]) -> dict[str, tuple[str, Any, Any]]:
    """Return what is photographed: name → path, window, colour scheme."""
    etl, failures = (f"/dags/{name}/runs/{quote(run_ids[name], safe='')}" for name in (DAG_ID, FAILURES_ID))
    own = "/starvideos/dags/{}/{}?{}"
    run = urlencode({"run_id": run_ids[FAILURES_ID]})
    return {
        "gallery": (f"{etl}/plugin/starvideos-run", WIDE, "light"),
        "tab": (f"{etl}/tasks/save/mapped/0/plugin/starvideos-video", WIDE, "light"),
        "failures": (f"{failures}/plugin/starvideos-run", WIDE, "dark"),
        "list": (own.format(FAILURES_ID, "gallery", f"{run}&view=list"), WIDE, "light"),
        "recent": ("/starvideos/", WIDE, "light"),
    }


def take(page: Page, path: Path) -> None:
    """Write what a page shows as WebP."""
    from PIL import Image

    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    Image.open(io.BytesIO(page.screenshot())).save(path, "WEBP", quality=80, method=6)
    print(path, f"{path.stat().st_size / 1000:.0f} KB")


def main() -> int:
    """Run the Dags, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / "docs" / "images", help="where the pictures go")
    folder: Path = parser.parse_args().folder
    chromium = subprocess.run(
        ["sh", str(ROOT / "dev" / "chromium.sh")], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()
    with tempfile.TemporaryDirectory() as name, emulator(Path(name)) as server:
        home = Path(name)
        config = {"starvideos.media_folders": name}
        with (
            AirflowStack(home / "airflow", DAGS, environment(server), config) as airflow,
            sync_playwright() as browsers,
        ):
            params = {"database": f"{name}/videos.db", "destination": f"{name}/videos/"}
            run_id, state = run_pipeline(airflow, DAG_ID, params, 300)
            if state != "success":
                show_failures(airflow, run_id)
                return 1
            failures, _ = run_pipeline(airflow, FAILURES_ID, {"destination": params["destination"]}, 300)
            runs = {DAG_ID: run_id, FAILURES_ID: failures}
            browser = browsers.chromium.launch(executable_path=chromium, args=OPTIONS)
            for picture, (path, size, scheme) in pages(runs).items():
                context = browser.new_context(viewport=size, color_scheme=scheme)
                page = context.new_page()
                page.goto(f"{airflow.url}{path}")
                take(page, folder / f"{picture}.webp")
                context.close()
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
