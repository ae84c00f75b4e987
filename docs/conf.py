"""The site: `make docs`. Nothing is fetched when it is built or read."""

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import pages

pages.write_all()

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
html_theme_options = {"footer_icons": [], "top_of_page_buttons": []}

# Pages that the index places itself; all others in this folder are listed under "Methods and records".
PLACED = ("index", "getting_started", "game", "twin", "pictures", "compatibility")


def list_other_pages(app, docname, source):
    """Put the pages that nobody placed into the index, in alphabetical order."""
    if docname == "index":
        others = sorted(path.stem for path in HERE.glob("*.md") if path.stem not in PLACED)
        assert "@others@" in source[0]
        source[0] = source[0].replace("@others@", "\n".join(others))


def setup(app):
    app.connect("source-read", list_other_pages)
