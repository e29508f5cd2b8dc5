"""The French catalogue: what there is to say, and whether it is said.

    scripts/catalogue           bring the .po up to date with the code, and compile it to .mo
    scripts/catalogue --check   change nothing; tell what is missing, too much or wrong
    scripts/catalogue --list    the messages that wait for a translation, one a line

Messages are the literals of `tr(…)`, `plural(…)`, `translated(…)` and what `joined(…)` puts
between texts, in igcsante/, and the help of the commands.
Babel reads and writes the files of GNU gettext.
"""

from __future__ import annotations

import argparse
import ast
import errno
import io
import os
import re
import string
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
PO = ROOT / "igcsante/locale/fr/LC_MESSAGES/igcsante.po"
HEADER = """\
# French messages of igcsante. Written by hand; `scripts/catalogue` keeps the list of messages.
# Characters of Latin-1 only, so that every French terminal shows them: ' and not ’, and a
# no-break space (U+00A0) before : ; ? ! and within « »."""

MsgId = str | tuple[str, str]

# What the system says most often of files and connections: see messages.reason_of.
SYSTEM_ERRORS = (
    "EACCES EADDRINUSE EBADF EBUSY ECONNABORTED ECONNREFUSED ECONNRESET EDQUOT EEXIST EFBIG "
    "EHOSTUNREACH EINVAL EIO EISDIR ELOOP EMFILE ENAMETOOLONG ENETUNREACH ENODEV ENOENT ENOLCK "
    "ENOSPC ENOTCONN ENOTDIR ENOTEMPTY ENXIO EPERM EPIPE EROFS ETIMEDOUT ETXTBSY"
)
OF_DATABASES = (
    *("file is not a database", "database disk image is malformed", "database is locked"),
    *("unable to open database file", "attempt to write a readonly database"),
    *("disk I/O error", "database or disk is full"),
)
OF_TOML = (
    *("Invalid value", "Invalid statement", "Invalid date or datetime", "Unterminated string"),
    *("Cannot overwrite a value", "Invalid initial character for a key part"),
    *("Unclosed array", "Unclosed inline table", "Unescaped '\\' in a string"),
    *("Escaped character is not a Unicode scalar value", "Invalid hex value"),
)
OF_NAMES = ("Name or service not known", "Temporary failure in name resolution")


def messages() -> dict[MsgId, set[str]]:
    """Every message, and the files that hold it. Raises ValueError for one that is no literal."""
    found: dict[MsgId, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "igcsante").rglob("*.py")):
        for msgid in _messages_of(path):
            found[msgid].add(path.relative_to(ROOT).as_posix())
    from igcsante.certs.policy import shipped_policies
    from igcsante.cli.help_texts import click_plurals, help_texts
    from igcsante.testing.cards import load_profile, profile_names

    for name in SYSTEM_ERRORS.split():
        found[os.strerror(getattr(errno, name))].add("igcsante/messages.py")
    for text in (*OF_NAMES, *OF_DATABASES, *OF_TOML):
        found[text].add("igcsante/messages.py")
    for text in (*help_texts(), *click_plurals()):
        found[text].add("igcsante/cli")
    for policy in shipped_policies():
        found[policy.description].add("igcsante/certs/policy.py")
    for profile in map(load_profile, profile_names()):
        found[profile.note].add("igcsante/testing/cards/profiles")
    singulars = {msgid[0] for msgid in found if isinstance(msgid, tuple)}
    return {msgid: places for msgid, places in found.items() if msgid not in singulars}


def _messages_of(path: Path) -> Iterator[MsgId]:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        if node.func.id == "tr" or _is_fixed(node):
            yield ast.literal_eval(node.args[0])
        elif node.func.id == "plural":
            yield ast.literal_eval(node.args[0]), ast.literal_eval(node.args[1])


def _is_fixed(call: ast.Call) -> bool:
    """Whether it is given a text to look up, with more than white space in it."""
    if getattr(call.func, "id", "") not in ("translated", "joined"):
        return False
    text = getattr(call.args[0], "value", None)
    return isinstance(text, str) and bool(text.strip())


def up_to_date(old: Catalog) -> Catalog:
    """The catalogue of today's messages, with the translations that ``old`` has of them."""
    new = Catalog(
        locale="fr",
        header_comment=HEADER,
        fuzzy=False,
        creation_date=old.creation_date,  # else each run would change the file
        revision_date=old.revision_date,
    )
    new.mime_headers = [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Plural-Forms", "nplurals=2; plural=(n > 1);"),
    ]
    for msgid, places in sorted(messages().items(), key=lambda item: (min(item[1]), str(item[0]))):
        known = old.get(msgid if isinstance(msgid, str) else msgid[0])
        same = known is not None and isinstance(known.id, str) == isinstance(msgid, str)
        new.add(msgid, known.string if same else "", [(place, 0) for place in sorted(places)])
    return new


def text_of(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_po(out, catalogue, width=96, include_lineno=False, omit_header=False)
    return out.getvalue()


def compiled(catalogue: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def mistakes(catalogue: Catalog) -> Iterator[str]:
    """What is wrong with the translations: missing, other values, characters, spaces."""
    for message in catalogue:
        if not message.id:
            continue
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        for english, french in zip(ids, texts, strict=True):
            yield from (f"{english!r}: {wrong}" for wrong in _wrong_with(english, french))


def _wrong_with(english: str, french: str) -> Iterator[str]:
    if not french:
        yield "no translation"
        return
    if _values(english) != _values(french):
        yield f"the values differ: {_values(english)} and {_values(french)}"
    if strange := set(french) - set(english) - set(map(chr, range(256))):
        yield f"characters outside Latin-1: {sorted(strange)}"
    if re.search(r"\w ?[;!?](?=\s|$)| :(?=\s|$)|« | »", french) and french != english:
        yield "a no-break space (U+00A0) goes before : ; ? ! and within « »"
    if [end in _SPACES for end in (english[0], english[-1])] != [
        end in _SPACES for end in (french[0], french[-1])
    ]:
        yield "white space at an end differs"


_SPACES = " \n"  # no U+00A0: a French piece may begin with it, before its punctuation


def _values(template: str) -> list[str]:
    """The names, conversions and formats in a template; none in a text that has no values."""
    try:
        fields = string.Formatter().parse(template)
        return sorted(f"{name}!{conversion}:{spec}" for _, name, spec, conversion in fields if name)
    except ValueError:
        return []


def read() -> Catalog:
    if not PO.exists():
        return Catalog(locale="fr")
    with PO.open("rb") as file:
        return read_po(file, locale="fr", abort_invalid=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--list", action="store_true")
    arguments = parser.parse_args()
    catalogue = up_to_date(read())
    if arguments.list:
        for message in catalogue:
            if message.id and not any(message.string):
                print(repr(message.id))
        return 0
    if arguments.check:
        found = list(mistakes(catalogue))
        if PO.read_bytes() != text_of(catalogue):
            found.append(f"{PO.name} is not of today's code: run scripts/catalogue")
        if PO.with_suffix(".mo").read_bytes() != compiled(catalogue):
            found.append("the .mo is not of the .po: run scripts/catalogue")
        print(*found, sep="\n", file=sys.stderr)
        return bool(found)
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_bytes(text_of(catalogue))
    PO.with_suffix(".mo").write_bytes(compiled(catalogue))
    waiting = sum(1 for message in catalogue if message.id and not any(message.string))
    print(f"{len(catalogue)} messages, {waiting} without a translation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
