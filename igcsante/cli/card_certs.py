"""``igc card certs``: the certificates of a card or token, listed or written as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..messages import tr
from ..words import said
from .card_export import distinct
from .command import command
from .key_holder import key_holder
from .output import Settings, card_options, emit, say_table, talk
from .validity import validity, validity_text

if TYPE_CHECKING:
    from ..card.session import CardCertificate
    from ..pkcs11.stored import TokenCertificate


@command("certs")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write them as PEM files here."
)
@card_options
def certs_command(settings: Settings, out: Path | None) -> None:
    """List the card's certificates; with --out, write them as PEM files.

    No file is overwritten: when one of them is there already, none is written.

    \b
    Examples:
      igc card certs
      igc card certs --out certs/
    """
    from ..certs.export import certificate_pem
    from ..certs.x509.names import COMMON_NAME, display, display_subject, issuer_attributes
    from ..files import require_absent, write_atomic

    at = datetime.now(UTC)
    with key_holder(settings) as holder:
        entries = holder.certificates()
        names = _file_names(holder.serial, entries) if out else []
    if out:
        require_absent(out / name for name in names)
    rows = []
    for position, entry in enumerate(entries):
        path = out / names[position] if out else None
        if path:
            write_atomic(path, certificate_pem(entry.certificate), mode=0o644)
        certificate = entry.certificate
        period = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        rows.append(
            (
                said(entry.purpose),
                entry.label,
                f"{period[0]:%Y-%m-%d}",
                validity_text(*period, at),
                issuer_attributes(certificate).get(COMMON_NAME, ("",))[-1],
            )
        )
        if settings.json:
            emit(
                {
                    "purpose": entry.purpose,
                    "label": entry.label,
                    "id": entry.id,
                    "serial": f"{certificate.serial_number:x}",
                    "subject": display_subject(certificate),
                    "issuer": display(certificate.issuer),
                    "not_before": period[0],
                    "not_after": period[1],
                    "validity": validity(*period, at),
                    "file": path,
                },
                schema="igc.card.certificate/1",
            )
        elif path:
            talk(tr("Wrote {path}", path=path))
    if not settings.json:
        say_table((tr("Purpose"), tr("Label"), tr("From"), tr("Validity"), tr("Issuer")), rows)


def _file_names(serial: str, entries: Sequence[CardCertificate | TokenCertificate]) -> list[str]:
    """A file name for each: serial number, purpose, the ID where two share one. All differ."""
    stem = re.sub(r"[^0-9A-Za-z_-]", "_", serial)
    purposes = [entry.purpose for entry in entries]
    return list(
        distinct(
            f"{stem}-{entry.purpose}"
            + (f"-{entry.id.hex()}" if purposes.count(entry.purpose) > 1 else "")
            + ".pem"
            for entry in entries
        )
    )
