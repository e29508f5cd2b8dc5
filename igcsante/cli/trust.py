"""``igc trust``: the authorities that igcsante knows by fingerprint, and those it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import CertificateInvalidError, ExitCode, IgcError, NetworkError
from ..instants import shown
from ..messages import tr
from ..text import printable
from ..words import said
from . import completing
from .command import group
from .output import (
    Settings,
    common_options,
    emit,
    print_error,
    prose,
    say,
    say_pairs,
    say_table,
    talk,
)

if TYPE_CHECKING:
    from ..certs.anchors import AnchorEntry


_TOO_MANY = 429


@group("trust")
@common_options
def trust_command(settings: Settings) -> None:
    """List, fetch, import and remove trust anchors.

    igcsante ships the fingerprints of the IGC-Santé authorities, not their certificates.

    \b
    Examples:
      igc trust list
      igc trust fetch --world production
    """


@trust_command.command("list")
@common_options
def trust_list(settings: Settings) -> None:
    """List the pinned authorities, where they are published, and which were imported.

    \b
    Example:
      igc trust list
    """
    from ..certs.anchors import fingerprint, list_anchors
    from ..certs.x509.names import display_subject

    entries = list_anchors()
    if settings.json:
        for entry in entries:
            emit(_anchor(entry), schema="igc.trust.anchor/1")
        return
    rows = [
        (
            entry.pin.name,
            *map(said, (entry.pin.world, entry.pin.role, entry.pin.source)),
            _yes(entry.imported),
        )
        for entry in entries
        if entry.pin
    ]
    say_table((tr("Authority"), tr("World"), tr("Role"), tr("Pin"), tr("Imported")), rows)
    for entry in entries:
        if entry.pin is None and entry.certificate is not None:
            subject = printable(display_subject(entry.certificate))
            say(
                prose(
                    tr(
                        "Imported without a pin: {subject} ({certificate})",
                        subject=subject,
                        certificate=fingerprint(entry.certificate),
                    )
                )
            )
    say("")
    say(
        prose(
            tr(
                "Pin official: equal to the list that the ANS prints. Pin observed: the same "
                "wherever the certificate was found, but no official list prints it. --json adds "
                "fingerprints and URLs."
            )
        )
    )


@trust_command.command("import")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path),
    shell_complete=completing.certificates,
)
@click.option("--unpinned", is_flag=True, help="Also accept certificates that have no pin.")
@common_options
def trust_import(settings: Settings, files: tuple[Path, ...], unpinned: bool) -> None:
    """Import authorities from FILES (PEM, DER, PKCS#7; a folder stands for its files).

    Only certificates whose SHA-256 is pinned are accepted, unless --unpinned.

    \b
    Examples:
      igc trust import ACR-EL.cer
      igc trust import authorities/
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
            say(tr("{outcome}: {name}", outcome=said(outcome), name=printable(_name(entry))))
    for certificate in report.refused:
        refused = AnchorEntry(None, certificate)
        if settings.json:
            emit({**_anchor(refused), "outcome": "refused"}, schema="igc.trust.import/1")
        talk(
            tr(
                "refused, its fingerprint is not pinned: {refused} ({certificate})",
                refused=printable(_name(refused)),
                certificate=fingerprint(certificate),
            )
        )
    if report.refused and not (report.imported or report.already):
        raise CertificateInvalidError(
            tr("none of these certificates is a known IGC-Santé authority: nothing was imported"),
            advice=tr("--unpinned imports them all the same, on your own responsibility"),
        )


@trust_command.command("fetch")
@click.argument("names", nargs=-1, shell_complete=completing.authorities)
@click.option("--world", type=click.Choice(["production", "test"]), help="Only those of a world.")
@common_options
def trust_fetch(settings: Settings, names: tuple[str, ...], world: str | None) -> int:
    """Fetch the pinned authorities from the ANS's site, and import them.

    All that are not here yet, or those of NAMES (ACR-EL, ACI-EL-ORG, …), one after the other.
    Each is kept only if its SHA-256 is the pinned one, since the site is plain HTTP.

    \b
    Examples:
      igc trust fetch
      igc trust fetch ACR-EL ACI-EL-ORG
    """
    from ..certs.anchor_fetch import fetch_anchor, require_access
    from ..certs.anchors import find_anchor, import_anchors, list_anchors
    from .chosen import profile_of
    from .connect import access_of

    named = [find_anchor(name) for name in names] if names else list_anchors()
    wanted = [(e, e.pin) for e in named if e.pin and world in (None, e.pin.world)]
    access = access_of(profile_of(settings))
    require_access([pin for entry, pin in wanted if not entry.imported], access)
    worst = ExitCode.GOOD
    for entry, pin in wanted:
        if entry.imported:
            _tell_fetched(entry, "already there", None, settings)
            continue
        try:
            (entry,) = import_anchors([fetch_anchor(pin, access)]).imported
            _tell_fetched(entry, "imported", None, settings)
        except IgcError as error:
            worst = worst or error.exit_code
            _tell_fetched(entry, "failed", error, settings)
            if error.fields.get("status") == _TOO_MANY:
                talk(tr("The server has enough of us: the others were not asked for."))
                break
            if isinstance(error, NetworkError) and "status" not in error.fields:
                talk(tr("The others were not asked for: they are on the same server."))
                break
    return int(worst)


@trust_command.command("show")
@click.argument("name", shell_complete=completing.authorities)
@common_options
def trust_show(settings: Settings, name: str) -> None:
    """Tell all about one authority: NAME as in igc trust list, or the start of its SHA-256.

    \b
    Example:
      igc trust show ACI-EL-ORG
    """
    from ..certs.anchors import find_anchor
    from ..certs.x509.names import display_subject

    entry = find_anchor(name)
    certificate = entry.certificate
    told: dict[str, object] = {
        **_anchor(entry),
        "crl_url": entry.pin.crl_url if entry.pin else None,
        "subject": display_subject(certificate) if certificate else None,
        "not_before": certificate.not_valid_before_utc if certificate else None,
        "not_after": certificate.not_valid_after_utc if certificate else None,
        "path": entry.path,
    }
    if settings.json:
        emit(told, schema="igc.trust.show/1")
        return
    imported = tr("yes, {path}", path=entry.path) if entry.imported else tr("no")
    say_pairs(
        [
            (tr("Name"), _name(entry)),
            (tr("Common name"), entry.pin.common_name if entry.pin else ""),
            (tr("Subject"), str(told["subject"] or "")),
            (tr("World"), said(entry.pin.world) if entry.pin else ""),
            (tr("Role"), said(entry.pin.role) if entry.pin else ""),
            (tr("Pin"), said(entry.pin.source) if entry.pin else tr("none")),
            (tr("SHA-256"), entry.sha256),
            (tr("Published at"), entry.pin.url if entry.pin else ""),
            (tr("Its list at"), entry.pin.crl_url if entry.pin else ""),
            (tr("Valid from"), (certificate and shown(certificate.not_valid_before_utc)) or ""),
            (tr("Valid until"), (certificate and shown(certificate.not_valid_after_utc)) or ""),
            (tr("Imported"), imported),
        ]
    )


@trust_command.command("remove")
@click.argument("name", shell_complete=completing.authorities)
@common_options
def trust_remove(settings: Settings, name: str) -> None:
    """Stop trusting an authority that was imported: NAME as for igc trust show.

    \b
    Example:
      igc trust remove ACI-EL-ORG-TEST
    """
    from ..certs.anchors import find_anchor, remove_anchor

    entry = find_anchor(name)
    remove_anchor(entry)
    if settings.json:
        emit(
            {**_anchor(entry), "imported": False, "outcome": "removed"},
            schema="igc.trust.remove/1",
        )
    else:
        say(tr("removed: {entry}", entry=printable(_name(entry))))


def _tell_fetched(
    entry: AnchorEntry, outcome: str, error: IgcError | None, settings: Settings
) -> None:
    if settings.json:
        told = {**_anchor(entry), "outcome": outcome, "error": error.to_dict() if error else None}
        emit(told, schema="igc.trust.fetch/1")
    else:
        say(tr("{outcome}: {name}", outcome=said(outcome), name=printable(_name(entry))))
        if error:
            print_error(error, as_json=False)


def _anchor(entry: AnchorEntry) -> dict[str, object]:
    pin = entry.pin
    return {
        "name": _name(entry),
        "world": pin.world if pin else None,
        "role": pin.role if pin else None,
        "pin": pin.source if pin else None,
        "sha256": entry.sha256,
        "url": pin.url if pin else None,
        "imported": entry.imported,
    }


def _name(entry: AnchorEntry) -> str:
    from ..certs.x509.names import display_subject

    if entry.pin:
        return entry.pin.name
    return display_subject(entry.certificate) if entry.certificate else ""


def _yes(value: bool) -> str:
    return tr("yes") if value else tr("no")
