"""``igc card certs``: the certificates of a card or token, listed or written as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .key_holder import key_holder
from .output import Settings, common_options, emit, say_table, talk

if TYPE_CHECKING:
    from ..card.session import CardCertificate
    from ..pkcs11.token import TokenCertificate


@click.command("certs")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write them as PEM files here."
)
@common_options
def certs_command(settings: Settings, out: Path | None) -> None:
    """List the card's certificates; with --out, write them as PEM files."""
    from ..certs.export import certificate_pem
    from ..certs.names import display, display_subject
    from ..files import write_atomic

    with key_holder(settings) as holder:
        entries = holder.certificates()
        names = _file_names(holder.serial, entries) if out else []
    rows = []
    for position, entry in enumerate(entries):
        path = out / names[position] if out else None
        if path:
            write_atomic(path, certificate_pem(entry.certificate), mode=0o644)
        certificate = entry.certificate
        rows.append((entry.purpose, entry.label, f"{certificate.not_valid_after_utc:%Y-%m-%d}"))
        if settings.json:
            emit(
                {
                    "purpose": entry.purpose,
                    "label": entry.label,
                    "id": entry.id,
                    "serial": f"{certificate.serial_number:x}",
                    "subject": display_subject(certificate),
                    "issuer": display(certificate.issuer),
                    "not_before": certificate.not_valid_before_utc,
                    "not_after": certificate.not_valid_after_utc,
                    "file": path,
                },
                schema="igc.card.certificate/1",
            )
        elif path:
            talk(f"Wrote {path}")
    if not settings.json:
        say_table(("Purpose", "Label", "Until"), rows)


def _file_names(serial: str, entries: Sequence[CardCertificate | TokenCertificate]) -> list[str]:
    """A file name for each: serial number, purpose, and the ID where two share a purpose."""
    stem = re.sub(r"[^0-9A-Za-z_-]", "_", serial)
    purposes = [entry.purpose for entry in entries]
    return [
        f"{stem}-{entry.purpose}"
        + (f"-{entry.id.hex()}" if purposes.count(entry.purpose) > 1 else "")
        + ".pem"
        for entry in entries
    ]
