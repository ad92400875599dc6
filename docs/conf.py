"""How the pages of this folder become a site: `sphinx-build -W docs build/site`."""

from __future__ import annotations

import re
from pathlib import Path

from sphinx.application import Sphinx

project = "zlock"
html_theme = "furo"
html_title = "zlock"
extensions = ["myst_parser"]
myst_heading_anchors = 4  # links name headings as they do where the pages are read as they are
nitpicky = True  # a link that leads nowhere is a warning, which `-W` makes an error

_README = Path(__file__).parent.parent / "README.md"
_LOCAL = re.compile(r"\]\((?![a-z]+:|#)")


def _read_front_page(app: Sphinx, page: str, source: list[str]) -> None:
    """Put the README before the lists of pages, its links as they are from this folder."""
    if page == "index":
        text = _LOCAL.sub("](../", _README.read_text(encoding="utf-8")).replace("](../docs/", "](")
        source[0] = f"{text}\n{source[0]}"
        app.env.note_dependency(str(_README))


def setup(app: Sphinx) -> None:
    """Hear when a page is read."""
    app.connect("source-read", _read_front_page)
