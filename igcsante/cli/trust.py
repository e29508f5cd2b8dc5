"""``igc trust``: the authorities that igcsante knows by fingerprint, and those it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import CertificateInvalidError
from ..text import printable
from .output import Settings, common_options, emit, say, say_table, talk

if TYPE_CHECKING:
    from ..certs.anchors import AnchorEntry


@click.group("trust")
@common_options
def trust_command(settings: Settings) -> None:
    """List and import trust anchors.

    igcsante ships the fingerprints of the IGC-Santé authorities, not their certificates.
    """


@trust_command.command("list")
@common_options
def trust_list(settings: Settings) -> None:
    """List the pinned authorities, where they are published, and which were imported."""
    from ..certs.anchors import fingerprint, list_anchors
    from ..certs.names import display_subject

    entries = list_anchors()
    if settings.json:
        for entry in entries:
            emit(_anchor(entry), schema="igc.trust.anchor/1")
        return
    rows = [
        (entry.pin.name, entry.pin.world, entry.pin.role, entry.pin.source, _yes(entry.imported))
        for entry in entries
        if entry.pin
    ]
    say_table(("Authority", "World", "Role", "Pin", "Imported"), rows)
    for entry in entries:
        if entry.pin is None and entry.certificate is not None:
            subject = printable(display_subject(entry.certificate))
            say(f"Imported without a pin: {subject} ({fingerprint(entry.certificate)})")
    say(
        "\nPin official: equal to the list that the ANS prints. Pin observed: the same wherever the"
    )
    say("certificate was found, but no official list prints it. --json adds fingerprints and URLs.")


@trust_command.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--unpinned", is_flag=True, help="Also accept certificates that have no pin.")
@common_options
def trust_import(settings: Settings, files: tuple[Path, ...], unpinned: bool) -> None:
    """Import authorities from FILES (PEM, DER, PKCS#7; a folder stands for its files).

    Only certificates whose SHA-256 is pinned are accepted, unless --unpinned.
    """
    from ..certs.anchors import AnchorEntry, fingerprint, import_anchors
    from ..certs.load import certificates_from_path

    certificates = [c for path in files for c in certificates_from_path(path)]
    report = import_anchors(certificates, accept_unpinned=unpinned)
    for entry, outcome in [
        *((entry, "imported") for entry in report.imported),
        *((entry, "already there") for entry in report.already),
    ]:
        if settings.json:
            emit({**_anchor(entry), "outcome": outcome}, schema="igc.trust.import/1")
        else:
            say(f"{outcome}: {printable(_name(entry))}")
    for certificate in report.refused:
        refused = AnchorEntry(None, certificate)
        if settings.json:
            emit({**_anchor(refused), "outcome": "refused"}, schema="igc.trust.import/1")
        talk(
            f"refused, its fingerprint is not pinned: {printable(_name(refused))} "
            f"({fingerprint(certificate)})"
        )
    if report.refused and not (report.imported or report.already):
        raise CertificateInvalidError(
            "none of these certificates is a known IGC-Santé authority: nothing was imported",
            advice="--unpinned imports them all the same, on your own responsibility",
        )


def _anchor(entry: AnchorEntry) -> dict[str, object]:
    from ..certs.anchors import fingerprint

    pin, certificate = entry.pin, entry.certificate
    return {
        "name": _name(entry),
        "world": pin.world if pin else None,
        "role": pin.role if pin else None,
        "pin": pin.source if pin else None,
        "sha256": fingerprint(certificate) if certificate else pin.sha256 if pin else None,
        "url": pin.url if pin else None,
        "imported": entry.imported,
    }


def _name(entry: AnchorEntry) -> str:
    from ..certs.names import display_subject

    if entry.pin:
        return entry.pin.name
    return display_subject(entry.certificate) if entry.certificate else ""


def _yes(value: bool) -> str:
    return "yes" if value else "no"
