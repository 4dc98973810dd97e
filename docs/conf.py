"""How Sphinx builds these pages, and those at the top of the checkout: `make docs`. Nothing is fetched."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Before autodoc imports airflow, which writes into its home.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="starvideos-docs-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_provider_starvideos import __version__  # noqa: E402
from dev import pages  # noqa: E402

project = "airflow-provider-starvideos"
author = "The airflow-provider-starvideos authors"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
root_doc = "docs/index"
include_patterns = ["docs/*.md", "README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"]
exclude_patterns = [".*", "[!dA-Z]*", "dist", "demo", "dev"]  # other folders aren't searched
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3  # as GitHub makes them

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_inherit_docstrings = False
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100

html_theme = "furo"
html_title = f"StarVideos for Airflow {release}"
html_static_path = ["_static"]
html_css_files = ["tables.css"]
html_copy_source = False
html_show_sphinx = False

# Pages are plain Markdown, so that GitHub shows them too; these two become more than that here.
MADE = {"docs/index": pages.with_contents, "docs/api": pages.with_reference}


def setup(app):
    """Have Sphinx read the pages in ``MADE`` as they are made."""
    app.connect("source-read", _made)


def _made(_app, page, source):
    source[0] = MADE.get(page, str)(source[0])
