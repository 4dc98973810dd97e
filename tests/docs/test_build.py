"""The built documentation: without a warning, and every link of it leads to a page and an anchor that are there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_3_PLUS

ROOT = Path(__file__).parents[2]
IDS = re.compile(r'\bid="([^"]+)"')
# The pages describe the classes of the newest Airflow.
pytestmark = pytest.mark.skipif(not AIRFLOW_V_3_3_PLUS, reason="StarVideosRetryPolicy needs Airflow 3.3")
LINKS = re.compile(r'<a [^>]*href="([^"]+)"')
IMAGES = re.compile(r'<img [^>]*src="([^"]+)"')


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as HTML, as `make docs` builds them."""
    folder = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-c", "docs", ".", str(folder)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return folder


def test_links_and_pictures_of_the_built_pages_lead_somewhere(built: Path) -> None:
    """Within the build; pages of errors and of the runbook keep the anchors that messages name."""
    pages = {path: path.read_text() for path in built.rglob("*.html")}
    anchors = {path: set(IDS.findall(text)) for path, text in pages.items()}
    broken = []
    for path, text in pages.items():
        for link in (*LINKS.findall(text), *IMAGES.findall(text)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = unquote(link).partition("#")
            file = (path.parent / name).resolve() if name else path
            if not file.exists() or (anchor and file in anchors and anchor not in anchors[file]):
                broken.append(f"{path.relative_to(built)}: {link}")
    assert broken == []
    assert "starvideosquotaerror" in anchors[built / "docs" / "errors.html"]
    assert "order-outcome-unknown" in anchors[built / "docs" / "runbook.html"]
    assert {"README.html", "SECURITY.html"} <= {path.name for path in pages}
