"""``igc card export``: what a card holds, as files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .card_pin import last_try_option, pin_source_option
from .connect import inserted_card, verify_pin
from .output import Settings, common_options, emit, talk

if TYPE_CHECKING:
    from ..card.session import CpsCard

_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@click.command("export")
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@click.option("--private", is_flag=True, help="Also what the PIN guards; asks for the PIN.")
@pin_source_option
@last_try_option
@common_options
def export_command(
    settings: Settings, directory: Path, private: bool, pin_source: str | None, use_last_try: bool
) -> None:
    """Write the card's certificates (PEM) and data objects (as they are) into DIRECTORY.

    What the PIN guards is left out, unless --private or --pin-source is given. No file is
    overwritten.
    """
    from ..files import write_atomic

    with inserted_card(settings) as card:
        if private or pin_source:
            verify_pin(card, pin_source, use_last_try=use_last_try)
        files = list(_files(card, private=bool(private or pin_source)))
    for kind, label, name, content, mode in files:
        path = directory / name
        write_atomic(path, content, mode=mode)
        if settings.json:
            emit(
                {"kind": kind, "label": label, "bytes": len(content), "file": path},
                schema="igc.card.export/1",
            )
        else:
            talk(f"Wrote {path}")


def _files(card: CpsCard, *, private: bool) -> Iterator[tuple[str, str, str, bytes, int]]:
    """Kind, label, file name, contents and mode of each file. Certificates aren't secret."""
    from ..certs.export import certificate_pem

    for entry in card.certificates():
        name = f"{card.serial}-{entry.purpose}-{entry.id.hex()[-2:]}.pem"
        yield "certificate", entry.label, name, certificate_pem(entry.certificate), 0o644
    contents = [
        (found.label, card.objects.read(found.label))
        for found in card.objects.list()
        if private or not found.private
    ]
    if private:
        contents += card.objects.cps2ter_files()
    for label, content in contents:
        # The label is the card's word: it must not lead out of the directory.
        name = f"{card.serial}-{_UNSAFE.sub('_', label)}.bin"
        yield "data object", label, name, content, 0o600
