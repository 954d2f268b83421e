"""Configuration of Sphinx."""

import runpy
from pathlib import Path

_version_file = Path(__file__).parents[1] / "clients/python/greffier/_version.py"

project = "Greffier"
author = "The Greffier authors"
copyright = "The Greffier authors, Apache-2.0"
version = release = runpy.run_path(str(_version_file))["__version__"]

extensions = ["myst_parser"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# Messages and logs in code blocks are shortened with "…": show them as they are.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = f"Greffier {version}"
html_copy_source = False
