"""
Sphinx's settings: `sphinx-build -W docs OUTPUT`, with the extra `docs`.
"""

import sys
from pathlib import Path

from docutils.nodes import document
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx

sys.path.insert(0, str(Path(__file__).parent.parent))

from netd import __version__

project = "netd"
author = "the authors of netd"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

# The anchors that GitHub gives to headings.
myst_heading_anchors = 3

# `--port` is no dash.
smartquotes = False

# Docstrings write `name` for code.
default_role = "literal"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = "netd"
pygments_dark_style = "github-dark"
html_copy_source = False
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_show_sphinx = False


def _folders(app: Sphinx, tree: document) -> None:
    """Leave the text of a link to a folder of the checkout, which the site does not have."""
    page = Path(app.env.doc2path(app.env.docname))
    for link in list(tree.findall(pending_xref)):
        if link["refdomain"] is None and (page.parent / link["reftarget"]).is_dir():
            link.replace_self(link.children)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("doctree-read", _folders)
