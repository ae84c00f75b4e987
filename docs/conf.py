"""The site: `make docs`. Nothing is fetched when it is built or read."""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import measures
import pages
import reference
from sphinx.util import logging

pages.write_all()
measures.write_all()
reference.write_all()

project = "ma-ssm-env"
author = "The ma-ssm-env authors"
copyright = "The ma-ssm-env authors. MIT licence"
version = release = pages.importlib.import_module("ma_ssm_env").__version__
extensions = ["myst_parser"]
myst_heading_anchors = 3
exclude_patterns = ["README.md"]
html_theme = "furo"
html_title = f"ma-ssm-env {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # it would fetch the pages, which browsers refuse for local files
html_theme_options = {"footer_icons": [], "top_of_page_buttons": []}


def place_pages(app, docname, source):
    """Add to the index the pages that it does not name."""
    if docname != "index":
        return
    text = source[0]
    assert "@others@" in text
    named = set(re.findall(r"^(?:[^<\n]+ <)?(\w+)>?$", text, re.MULTILINE)) | {"index"}
    others = sorted(path.stem for path in HERE.glob("*.md") if path.stem not in named)
    source[0] = text.replace("@others@", "\n".join(others))


def tell_gaps(app):
    """A warning for each public name that is not documented; warnings are errors (`make docs`)."""
    for gap in reference.gaps():
        logging.getLogger(__name__).warning("undocumented: %s", gap)


def setup(app):
    app.connect("source-read", place_pages)
    app.connect("builder-inited", tell_gaps)
