"""``igc card export``: what a card holds, as files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from ..messages import tr
from ..text import printable
from .card_pin import last_try_option, pin_source_option
from .command import command
from .inserted import inserted_card, verify_pin
from .output import Settings, card_options, emit, talk

if TYPE_CHECKING:
    from ..card.session import CpsCard

_MAX_LABEL = 100
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@command("export")
@click.argument("directory", metavar="FOLDER", type=click.Path(path_type=Path, file_okay=False))
@click.option("--private", is_flag=True, help="Also what the PIN guards; asks for the PIN.")
@pin_source_option
@last_try_option
@card_options
def export_command(
    settings: Settings, directory: Path, private: bool, pin_source: str | None, use_last_try: bool
) -> None:
    """Write the card's certificates (PEM) and data objects (as they are) into FOLDER.

    What the PIN guards is left out, unless --private or --pin-source is given. An object that
    the card lists and doesn't give is told on stderr. No file is overwritten: when one of
    them is there already, none is written.

    \b
    Examples:
      igc card export copy/
      igc card export copy/ --private  what the PIN guards too
    """
    from ..files import require_absent, write_atomic

    with inserted_card(settings) as card:
        if private or pin_source:
            verify_pin(card, pin_source, use_last_try=use_last_try)
        files = list(_files(card, private=bool(private or pin_source)))
    paths = [directory / name for name in distinct(file.name for file in files)]
    require_absent(paths)
    for (kind, label, _, content, mode), path in zip(files, paths, strict=True):
        write_atomic(path, content, mode=mode)
        if settings.json:
            emit(
                {"kind": kind, "label": label, "bytes": len(content), "file": path},
                schema="igc.card.export/1",
            )
        else:
            talk(tr("Wrote {path}", path=path))


class _File(NamedTuple):
    kind: str
    label: str
    name: str
    content: bytes
    mode: int


def _files(card: CpsCard, *, private: bool) -> Iterator[_File]:
    """What the card gives. Certificates aren't secret."""
    from ..certs.export import certificate_pem
    from ..errors import CardStatusError

    for entry in card.certificates():
        name = f"{card.serial}-{entry.purpose}-{entry.id.hex()[-2:]}.pem"
        pem = certificate_pem(entry.certificate)
        yield _File("certificate", entry.label, name, pem, 0o644)
    contents = []
    for found in card.objects.list():
        if private or not found.private:
            try:
                contents.append((found.label, card.objects.read(found.label)))
            except CardStatusError as error:
                talk(
                    tr(
                        "Left out: {label}: {message}",
                        label=printable(found.label),
                        message=error.message,
                    )
                )
    if private:
        contents += card.objects.cps2ter_files()
    for label, content in contents:
        # The label is the card's word: it must not lead out of the directory.
        name = f"{card.serial}-{_UNSAFE.sub('_', label)[:_MAX_LABEL]}.bin"
        yield _File("data object", label, name, content, 0o600)


def distinct(names: Iterable[str]) -> Iterator[str]:
    """The names, those that come again with a number: two labels may look alike."""
    taken: set[str] = set()
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        numbered = (f"{stem}-{number}{dot}{suffix}" for number in count(2))
        free = next(item for item in chain((name,), numbered) if item not in taken)
        taken.add(free)
        yield free
