"""Links that are right in the repository, made right on the site.

Pages are read in two places. ``../README.md`` or a page of the other language resolve on a
forge; on the site the first is another page, and the second is in another build.
"""

from __future__ import annotations

import posixpath
import re
from functools import partial
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1]
LINK = re.compile(r"(?<!!)\[([^\]]*)\]\(([^()\s#]+)(#[^()\s]*)?\)")
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)
# Files of the repository that are pages of the site.
PAGES = {
    "README.md": "index",
    "README.fr.md": "fr/index",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
    "SECURITY.md": "security",
}


def rewritten(text: str, page: str, *, source: str, french: bool) -> str:
    """The text of ``source``, a path of the repository, with its links as ``page`` has them.

    Blocks of code stay as they are.
    """
    link = partial(_link, page=page, source=source, french=french)
    position = 0
    parts = []
    for fence in FENCE.finditer(text):
        parts += [LINK.sub(link, text[position : fence.start()]), fence.group()]
        position = fence.end()
    return "".join([*parts, LINK.sub(link, text[position:])])


def _link(link: re.Match[str], *, page: str, source: str, french: bool) -> str:
    words, target, anchor = link.group(1), link.group(2), link.group(3) or ""
    if ":" in target:
        return link.group()
    here = posixpath.dirname(posixpath.join("docs/fr" if french else "docs", page))
    path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
    if (DOCS / f"{PAGES.get(path)}.md").exists():
        path, anchor = f"docs/{PAGES[path]}.md", ""
    elif not path.startswith("docs/"):
        return f"{words} (`{path}` in the repository)"
    if path.startswith("docs/fr/") == french:
        return f"[{words}]({posixpath.relpath(path, here)}{anchor})"
    html = posixpath.relpath(path, here).removesuffix(".md") + ".html"
    # Seen from the site, French pages are one folder below the English ones, as in docs/.
    return f"[{words}]({'site-anchor' if anchor else 'site'}:{html}{anchor})"
