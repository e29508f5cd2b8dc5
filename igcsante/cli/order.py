"""``igc order``, ``orders``, ``retrieve``, ``revoke``, ``habilitations``: the platform by card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import IgcError, UsageError
from ..ws.vocabulary import RevocationReason
from . import ask
from .connect import connected, open_journal, profile_of, target_of
from .order_options import pin_options, request_options, retrieval_options
from .output import (
    Settings,
    common_options,
    emit,
    platform_options,
    say,
    say_pairs,
    say_table,
    talk,
)

if TYPE_CHECKING:
    from ..ws.enrolment import Delivery, Issued
    from ..ws.journal import Entry, Journal

_FILES = {
    "key": "Private key",
    "certificate": "Certificate",
    "certificate_der": "The same, DER",
    "chain": "Chain",
    "pkcs12": "PKCS#12",
}
CGU_QUESTION = (
    "Does the beneficiary accept the certificate and the CGU, and undertake to respect the PC?"
)


@contextmanager
def doubts_told(journal: Journal, name: str) -> Iterator[None]:
    """Say so when Ctrl-C, or SIGTERM, leaves an order of which nobody knows how far it went."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        with suppress(IgcError):
            entry = journal.get(name)
            if entry.state.in_doubt:
                talk(f"Order {entry.id}: {entry.state.meaning}. Later: igc orders")
        raise


@click.command("habilitations")
@pin_options
@platform_options
def habilitations_command(settings: Settings, pin_source: str | None, use_last_try: bool) -> None:
    """List what this card may order: structures, offers, usages, scopes."""
    target = target_of(settings)
    with connected(target, pin_source, use_last_try=use_last_try) as (client, _):
        lines = client.list_habilitations()
    if settings.json:
        for line in lines:
            emit(
                {
                    "structure_id": str(line.structure.national_id),
                    "structure": line.structure.name,
                    "offre": line.offre,
                    "usages": list(line.usages),
                    "scope": {"kind": line.scope.kind, "value": line.scope.value},
                    "world": line.world,
                },
                schema="igc.habilitation/1",
            )
        return
    say_table(
        ("Structure", "Name", "Offre", "Usages", "Scope"),
        [
            (
                str(line.structure.national_id),
                line.structure.name,
                str(line.offre),
                ", ".join(line.usages),
                line.scope.value,
            )
            for line in lines
        ],
    )


@click.command("order")
@request_options
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder of the files.  [default: this one]",
)
@click.option(
    "--key-bits",
    type=click.Choice(["2048", "3072", "4096"]),
    default="2048",
    show_default=True,
    help="Size of the RSA key.",
)
@click.option("--order-only", is_flag=True, help="Don't retrieve it now (see: igc retrieve).")
@retrieval_options
@pin_options
@platform_options
def order_command(
    settings: Settings,
    pin_source: str | None,
    use_last_try: bool,
    order_only: bool,
    out: Path,
    key_bits: str,
    wanted: dict[str, Any],
    sources: dict[str, Any],
) -> None:
    """Order a certificate with the card, and retrieve it.

    The key is made here and never leaves this machine. Key, certificate, chain and (with
    --p12-password-source) PKCS#12 are written to --out, readable by you only.

    \b
    Example:
      igc order --usage AUTH_CLI --structure 10B0999003 --service my-service \\
                --email team@example.org --out certs/
    """
    from ..ws.enrolment import prepare, retrieve, submit
    from ..ws.journal import OrderState

    target = target_of(settings)
    enrolment = prepare(out, bits=int(key_bits), **_request_fields(**wanted))
    for warning in enrolment.request.warnings():
        talk(f"Warning: {warning}")
    delivery = None if order_only else _delivery(**sources)
    key_passphrase = (
        delivery.key_passphrase
        if delivery
        else ask.optional_secret(sources["key_passphrase_source"])
    )
    with (
        open_journal() as journal,
        connected(target, pin_source, use_last_try=use_last_try) as (
            client,
            about,
        ),
        doubts_told(journal, enrolment.request.client_reference),
    ):
        now = datetime.now(UTC)
        entry = submit(enrolment, client, journal, at=now, key_passphrase=key_passphrase, **about)
        talk(f"Order {entry.id} is placed: product {entry.product_id}, {entry.state.meaning}.")
        if delivery is None:
            _show_entry(entry, settings.json)
            talk(f"Next: igc retrieve {entry.id}")
            return
        try:
            issued = retrieve(entry, client, journal, delivery, at=now)
        except IgcError:
            if journal.get(str(entry.id)).state is OrderState.ORDERED:
                talk(f"Order {entry.id} stays, to be finished with: igc retrieve {entry.id}")
            raise
    _show_issued(issued, settings.json)


@click.command("retrieve")
@click.argument("order")
@retrieval_options
@pin_options
@platform_options
def retrieve_command(
    settings: Settings,
    order: str,
    pin_source: str | None,
    use_last_try: bool,
    sources: dict[str, Any],
) -> None:
    """Retrieve the certificate of ORDER (its number in igc orders, reference or product).

    The certificate is issued at this moment. The revocation code is chosen now: keep it,
    it is asked for to revoke and can't be recovered.
    """
    from ..ws.enrolment import check_retrievable, retrieve

    target = target_of(settings)
    with open_journal() as journal:
        entry = journal.get(order)
        check_retrievable(entry)
        delivery = _delivery(**sources)
        with (
            connected(target, pin_source, use_last_try=use_last_try) as (
                client,
                _,
            ),
            doubts_told(journal, str(entry.id)),
        ):
            issued = retrieve(entry, client, journal, delivery, at=datetime.now(UTC))
    _show_issued(issued, settings.json)


@click.command("revoke")
@click.argument("order")
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in RevocationReason], case_sensitive=False),
    default=RevocationReason.NON_PRECISE.value,
    show_default=True,
    help="Why. (The causes that the arrêté of 4 April 2022 names; the platform's are not public.)",
)
@click.option("--revocation-code-source", metavar="SOURCE", help="The code of the withdrawal.")
@click.option("--yes", is_flag=True, help="Don't ask to retype the end of the serial.")
@pin_options
@platform_options
def revoke_command(
    settings: Settings,
    order: str,
    reason: str,
    revocation_code_source: str | None,
    yes: bool,
    pin_source: str | None,
    use_last_try: bool,
) -> None:
    """Revoke the certificate of ORDER (its number in igc orders, reference or product). Final.

    To be sure that it is the right one, the end of its serial is asked for, unless --yes.
    """
    from ..ws.model import Revocation
    from ..ws.orders import revoke

    target = target_of(settings)
    with open_journal() as journal:
        entry = journal.get(order)
        if not entry.product_id or not entry.serial:
            raise UsageError(f"order {entry.id} has no certificate: {entry.state.meaning}")
        why = RevocationReason.parse(reason)
        if not yes:
            talk(f"{entry.offre} {entry.usage} {entry.label}, serial {entry.serial}")
            ask.retyped(entry.serial[-6:], "Revoking is final. Last six characters of the serial")
        code = ask.secret(revocation_code_source, "Revocation code", "--revocation-code-source")
        with (
            connected(target, pin_source, use_last_try=use_last_try) as (
                client,
                _,
            ),
            doubts_told(journal, str(entry.id)),
        ):
            revocation = Revocation(code, why, product_id=entry.product_id)
            entry, revoked_at = revoke(client, journal, entry, revocation, at=datetime.now(UTC))
    if settings.json:
        emit({**entry.to_dict(), "revoked_on": revoked_at}, schema="igc.revocation/1")
    else:
        say(f"Revoked on {revoked_at:%Y-%m-%d %H:%M:%S} UTC: {entry.label}, serial {entry.serial}")


@click.command("orders")
@common_options
def orders_command(settings: Settings) -> None:
    """List the orders made from this machine, the newest first, and how far each one went.

    Needs neither card nor network: it reads the journal that is written before and after
    each request. With --profile, only the orders made with that profile.
    """
    with open_journal() as journal:
        entries = journal.list()
    if settings.profile:
        wanted = profile_of(settings).name
        entries = tuple(entry for entry in entries if entry.profile == wanted)
    if settings.json:
        for entry in entries:
            _show_entry(entry, as_json=True)
        return
    if not entries:
        talk("No order was made from this machine yet.")
        return
    say_table(
        ("No", "Ordered", "What", "Name", "State"),
        [
            (
                str(entry.id),
                f"{entry.created.astimezone():%Y-%m-%d %H:%M}",
                f"{entry.offre} {entry.usage}",
                entry.label,
                entry.state.meaning + (f" ({entry.last_error})" if entry.last_error else ""),
            )
            for entry in entries
        ],
    )


def _request_fields(
    *,
    offre: str,
    usage: str,
    structure: str,
    service: str,
    fqdn: tuple[str, ...],
    mail: str,
    email: tuple[str, ...],
) -> dict[str, Any]:
    from ..identifiers import StructureId
    from ..ws.model import Offre, Usage

    return {
        "offre": Offre.parse(offre),
        "usage": Usage.parse(usage),
        "structure": StructureId.parse(structure),
        "emails": email,
        "service_name": service,
        "fqdns": fqdn,
        "email": mail,
    }


def _delivery(
    *,
    revocation_code_source: str | None,
    accept_cgu: bool,
    key_passphrase_source: str | None,
    p12_password_source: str | None,
) -> Delivery:
    """Ask for what a withdrawal needs. Raises UsageError when one of them can't be right."""
    from ..ws.enrolment import Delivery

    code = ask.secret(
        revocation_code_source,
        "Revocation code (choose one and keep it)",
        "--revocation-code-source",
        confirm=True,
    )
    ask.agreement(accept_cgu, CGU_QUESTION, "--accept-cgu")
    return Delivery(
        code,
        accepted=True,
        key_passphrase=ask.optional_secret(key_passphrase_source),
        p12_password=ask.optional_secret(p12_password_source),
    )


def _show_entry(entry: Entry, as_json: bool) -> None:
    if as_json:
        emit(entry.to_dict(), schema="igc.order/1")


def _show_issued(issued: Issued, as_json: bool) -> None:
    from ..certs.x509.names import display_subject

    certificate = issued.certificate
    if as_json:
        files = {kind: str(path) for kind, path in issued.files.items()}
        emit(
            {
                **issued.entry.to_dict(),
                "not_before": certificate.not_valid_before_utc,
                "not_after": certificate.not_valid_after_utc,
                "files": files,
            },
            schema="igc.issued/1",
        )
        return
    say_pairs(
        [
            ("Subject", display_subject(certificate)),
            ("Serial", f"{certificate.serial_number:x}"),
            ("Valid", f"until {certificate.not_valid_after_utc:%Y-%m-%d}"),
            *((_FILES[kind], str(path)) for kind, path in issued.files.items()),
        ]
    )
