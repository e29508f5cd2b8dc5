"""``igc card``: what a CPx card says of itself and of its holder, without its PIN."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..text import printable
from .output import Settings, common_options, emit, say, say_pairs, say_table, talk

if TYPE_CHECKING:
    from ..card.session import CpsCard


@click.group("card")
def card_command() -> None:
    """Read a CPx card. None of these commands needs the PIN or spends a try."""


@contextmanager
def inserted_card(settings: Settings) -> Iterator[CpsCard]:
    """The card of the chosen reader, for the time of a command."""
    from ..card.readers import open_card
    from .connect import profile_of

    with open_card(settings.reader or profile_of(settings).reader) as card:
        yield card


@card_command.command("id")
@common_options
def card_id(settings: Settings) -> None:
    """Print the holder's national identifier, and nothing else."""
    with inserted_card(settings) as card:
        identifier = card.national_id()
    for warning in identifier.warnings:
        talk(f"Warning: {printable(warning)}")
    if settings.json:
        emit({"national_id": str(identifier), "type": identifier.type_name}, schema="igc.card.id/1")
    else:
        say(str(identifier))


@card_command.command("info")
@common_options
def card_info(settings: Settings) -> None:
    """Show the card, its holder, its certificates and the PIN tries left."""
    from ..certs.profile import decode

    with inserted_card(settings) as card:
        holder = decode(card.certificate("authentication"))
        card.national_id()
        pin = card.pin_status()
        certificates = [
            {
                "purpose": entry.purpose,
                "label": entry.label,
                "serial": f"{entry.certificate.serial_number:x}",
                "not_before": entry.certificate.not_valid_before_utc,
                "not_after": entry.certificate.not_valid_after_utc,
            }
            for entry in card.certificates()
        ]
        info: dict[str, Any] = {
            "generation": card.generation,
            "card_type": holder.card_type,
            "world": holder.world,
            "reader": card.reader_name,
            "atr": card.atr,
            "serial": card.serial,
            "card_number": holder.card_number,
            "label": card.label(),
            "holder": {
                "national_id": str(holder.national_id) if holder.national_id else None,
                "identifier_type": holder.national_id.type_name if holder.national_id else None,
                "surname": holder.surname,
                "given_name": holder.given_name,
                "title": holder.title,
                "profession_code": holder.profession_code,
                "structure_id": str(holder.structure_id) if holder.structure_id else None,
                "organisation": holder.organisation,
            },
            "pin": {"tries_left": pin.tries_left, "max_tries": pin.max_tries},
            "certificates": certificates,
            "warnings": list(holder.warnings),
        }
    if settings.json:
        emit(info, schema="igc.card.info/1")
    else:
        _print_info(info)


def _print_info(info: dict[str, Any]) -> None:
    holder, pin = info["holder"], info["pin"]
    world = "TEST" if info["world"] == "test" else info["world"]
    profession = holder["title"] or ""
    if holder["profession_code"] is not None:
        profession += f" ({holder['profession_code']})"
    say_pairs(
        [
            ("Card", " ".join(filter(None, (info["generation"], world, info["card_type"])))),
            ("Card number", info["card_number"] or ""),
            ("Serial", info["serial"]),
            ("Label", info["label"]),
            ("Reader", info["reader"]),
            ("ATR", info["atr"].hex(" ").upper()),
            ("", ""),
            ("Holder", " ".join(filter(None, (holder["given_name"], holder["surname"])))),
            ("Identifier", f"{holder['national_id']} ({holder['identifier_type']})"),
            ("Profession", profession),
            ("Structure", " ".join(filter(None, (holder["organisation"], holder["structure_id"])))),
            ("", ""),
            ("PIN", f"{pin['tries_left']} of {pin['max_tries']} tries left"),
            *(
                (entry["purpose"].capitalize(), f"certificate until {entry['not_after']:%Y-%m-%d}")
                for entry in info["certificates"]
            ),
        ]
    )
    for warning in info["warnings"]:
        talk(f"Warning: {printable(warning)}")


@card_command.command("certs")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Write them as PEM files here."
)
@common_options
def card_certs(settings: Settings, out: Path | None) -> None:
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
