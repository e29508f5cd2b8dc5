"""The Sphinx extension of the site: generated parts, links that leave a language, the switch.

A page asks for a generated part with a comment, ``<!-- generated: exit-codes -->``, so that it
reads well on a forge too.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from sphinx import locale
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from . import docstrings, links
from .parts import PARTS

REPOSITORY = Path(__file__).resolve().parents[2]
# A page that is a file of the repository: nothing else stands in it.
INCLUDED = re.compile(r"<!-- included: (\S+) -->\n")
TOCTREE = re.compile(r"^```\{toctree\}$.*?^```$", re.DOTALL | re.MULTILINE)
MARKER = re.compile(r"^<!-- generated: ([\w-]+)(?: (.+?))? -->$", re.MULTILINE)

# Pages that Sphinx writes in every language.
IN_BOTH = {"search", "genindex"}
# Why the link leads to the first page, in the language that it leads to.
UNTRANSLATED = {
    "en": ": first page (this one is in French only)",
    "fr": "\xa0: accueil (cette page n'existe qu'en anglais)",
}
# Parts of the contents without any French page.
ENGLISH_ONLY = {
    "Reference": "Référence (en anglais)",
    "Explanation": "Explications (en anglais)",
}
# Words of the theme that it has in English only.
FRENCH = {
    "Next": "Suivant",
    "Previous": "Précédent",
    "Home": "Accueil",
    "On this page": "Sur cette page",
    "Back to top": "Haut de la page",
    "Skip to content": "Aller au contenu",
    "Made with": "Fait avec ",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _publish)
    app.connect("html-page-context", _switch_language)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    french = app.config.language == "fr"
    path = f"docs/{'fr/' if french else ''}{page}.md"
    if included := INCLUDED.fullmatch(source[0]):
        path = included.group(1)
        source[0] = (REPOSITORY / path).read_text("utf-8")
    if french:
        source[0] = TOCTREE.sub(lambda toctree: _translated_only(app, toctree), source[0])
    source[0] = links.rewritten(source[0], page, source=path, french=french)
    source[0] = MARKER.sub(_generated, source[0])


def _publish(
    app: Sphinx, what: str, name: str, documented: Any, options: Any, lines: list[str]
) -> None:
    lines[:] = docstrings.public("\n".join(lines)).split("\n")


def _translated_only(app: Sphinx, toctree: re.Match[str]) -> str:
    """A table of contents without the pages that are not in French yet."""
    kept = [
        line
        for line in toctree.group().splitlines()
        if line.startswith((":", "```")) or not line or (Path(app.srcdir) / f"{line}.md").exists()
    ]
    return "\n".join(kept)


def _generated(marker: re.Match[str]) -> str:
    name, argument = marker.groups()
    if name not in PARTS:
        raise ExtensionError(f"nothing generates {name!r}")
    return PARTS[name](*(argument or "").split())


def _switch_language(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """The same page in the other language where there is one, else that language's first page."""
    french = app.config.language == "fr"
    source = Path(app.srcdir)
    there = source.parent if french else source / "fr"
    twin = (there / f"{page}.md").exists() or page in IN_BOTH
    target = page if twin else "index"
    start = "../" if french else "fr/"
    href = posixpath.relpath(start + target, posixpath.dirname(page) or ".") + ".html"
    code, name = ("en", "English") if french else ("fr", "Français")
    note = "" if twin else UNTRANSLATED[code]
    if french:
        context["_"] = context["gettext"] = _in_french
    context["other_language"] = {"code": code, "name": name, "href": href, "note": note}
    context["english_only"] = _english_only(page) if french else []


def _english_only(page: str) -> list[tuple[str, list[tuple[str, str]]]]:
    """The parts of the English contents that have no French page, for a page's side bar."""
    contents = (REPOSITORY / "docs/index.md").read_text("utf-8")
    here = posixpath.dirname(page) or "."
    found = []
    for toctree in TOCTREE.finditer(contents):
        options, _, names = toctree.group().partition("\n\n")
        caption = ENGLISH_ONLY.get(options.partition(":caption: ")[2])
        pages = names.removesuffix("```").split()
        if caption:
            found.append(
                (caption, [(_title(p), posixpath.relpath(f"../{p}.html", here)) for p in pages])
            )
    return found


def _title(page: str) -> str:
    text = (REPOSITORY / f"docs/{page}.md").read_text("utf-8")
    return text.partition("# ")[2].partition("\n")[0]


def _in_french(text: str) -> str:
    return FRENCH.get(text.strip()) or str(locale._(text))
