"""
Sphinx's settings: `sphinx-build -W docs OUTPUT`, with the extra `docs`.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from netd import __version__

project = "netd"
author = "the authors of netd"
release = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]

# The anchors that GitHub gives to headings.
myst_heading_anchors = 3

# Docstrings write `name` for code.
smartquotes = False
default_role = "literal"
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 80

html_theme = "furo"
html_title = "netd"
html_favicon = html_logo = None
html_copy_source = False
html_show_sphinx = False
