"""Sphinx: one configuration for both languages (``-D language=fr`` with docs/fr as the source).

``scripts/docs`` builds both; docs/_site holds what is ours.
"""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from igcsante import __version__  # noqa: E402

project = "igcsante"
author = "The igcsante maintainers"
release = __version__
root_doc = "index"

extensions = ["myst_parser", "sphinx.ext.autodoc", "_site.extension"]
exclude_patterns = ["fr", "_site", "_templates", "_static"]
templates_path = [str(HERE / "_templates")]

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_url_schemes = {
    "http": None,
    "https": None,
    "mailto": None,
    # A page of the other language: see _site/links.py.
    "site": "{{path}}",
    "site-anchor": "{{path}}#{{fragment}}",
}

autodoc_default_options = {"members": True, "show-inheritance": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
python_maximum_signature_line_length = 80
maximum_signature_line_length = 80

html_theme = "furo"
html_title = "igcsante"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_sidebars = {
    "**": [
        "sidebar/brand.html",
        "language-switch.html",
        "sidebar/search.html",
        "sidebar/scroll-start.html",
        "sidebar/navigation.html",
        "english-only.html",
        "sidebar/scroll-end.html",
    ]
}
highlight_language = "text"
smartquotes = False  # else --option in a docstring becomes a dash

linkcheck_timeout = 15
linkcheck_retries = 1
linkcheck_ignore = [r"https?://(localhost|127\.0\.0\.1)", r"\.\./"]  # the other language
