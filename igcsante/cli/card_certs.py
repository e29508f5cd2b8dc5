"""``igc card certs``: the certificates of a card, listed or written as files."""

from __future__ import annotations

from pathlib import Path

import click

from .connect import inserted_card
from .output import Settings, common_options, emit, say_table, talk


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

    with inserted_card(settings) as card:
        serial, entries = card.serial, card.certificates()
    rows = []
    for entry in entries:
        path = out / f"{serial}-{entry.purpose}.pem" if out else None
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
