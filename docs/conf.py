"""How the pages of this folder become a site: `sphinx-build -W docs build/site`."""

from __future__ import annotations

project = "zlock"
html_theme = "furo"
html_title = "zlock"
extensions = ["myst_parser"]
myst_heading_anchors = 4  # links name headings as they do where the pages are read as they are
nitpicky = True  # a link that leads nowhere is a warning, which `-W` makes an error
