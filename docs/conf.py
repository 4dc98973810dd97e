"""How Sphinx builds these pages: `make docs`. Nothing is fetched while it runs."""

import atexit
import os
import shutil
import tempfile

# Before autodoc imports airflow, which writes into its home.
os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="starvideos-docs-")
atexit.register(shutil.rmtree, os.environ["AIRFLOW_HOME"], ignore_errors=True)

from airflow_provider_starvideos import __version__  # noqa: E402

project = "airflow-provider-starvideos"
author = "The airflow-provider-starvideos authors"
project_copyright = author
release = version = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
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
