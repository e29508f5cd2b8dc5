"""``python -m _site OUT [--external]``: build both languages, then check every link.

Sphinx stops at warnings; the links of what it wrote are looked at afterwards, page by page.
Links that leave the site are listed, and fetched only on demand.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sphinx.cmd.build import build_main

from .pages import check_links

DOCS = Path(__file__).resolve().parents[1]
LANGUAGES = {"en": (DOCS, ""), "fr": (DOCS / "fr", "fr")}


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/docs", description=__doc__)
    parser.add_argument("--out", type=Path, default=DOCS.parent / "build" / "site")
    parser.add_argument(
        "--external", action="store_true", help="fetch the links that leave the site, too"
    )
    chosen = parser.parse_args()
    out: Path = chosen.out.absolute()
    shutil.rmtree(out, ignore_errors=True)
    os.environ["IGC_LANG"] = "en"  # generated parts take the words of igc
    for builder in ["html", "linkcheck"] if chosen.external else ["html"]:
        for language, (source, folder) in LANGUAGES.items():
            target = out / folder if builder == "html" else out.parent / builder / language
            if code := _sphinx(builder, language, source, target):
                return code
    wrong, external = check_links(out)
    listed = out.parent / "external-links.txt"
    listed.write_text("".join(f"{link}\n" for link in external), "utf-8")
    for line in wrong:
        print(line, file=sys.stderr)
    if wrong:
        return 1
    print(f"{out}/index.html; {len(external)} links that leave the site: {listed}")
    return 0


def _sphinx(builder: str, language: str, source: Path, out: Path) -> int:
    with TemporaryDirectory(prefix="igcsante-docs-") as doctrees:
        return build_main(
            [
                *("--quiet", "--fail-on-warning", "--keep-going"),
                *("--builder", builder, "--conf-dir", str(DOCS), "--doctree-dir", doctrees),
                *("--define", f"language={language}"),
                *(str(source), str(out)),
            ]
        )


if __name__ == "__main__":
    sys.exit(main())
