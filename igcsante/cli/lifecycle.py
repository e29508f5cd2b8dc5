"""``igc habilitations``, ``revoke``: what one may order, and the end of what one has."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ConfigError, IgcError, UsageError
from ..instants import shown
from ..messages import tr
from ..ws.vocabulary import ProductState, RevocationReason
from . import ask, completing
from .command import command
from .connect import Target, access_of, connected, open_journal, target_of
from .order_options import pin_options
from .order_parts import doubts_told
from .output import Settings, emit, platform_options, say, say_table, talk

if TYPE_CHECKING:
    from ..secret import Secret
    from ..ws.model import Product
    from ..ws.orders.journal import Entry, Journal
    from ..ws.orders.lifecycle import Revoked
    from ..ws.platform import Platform
    from ..ws.published import Published


MIN_SERIAL_DIGITS = 6


@command("habilitations")
@pin_options
@platform_options
def habilitations_command(settings: Settings, pin_source: str | None, use_last_try: bool) -> None:
    """List what this card may order: structures, offers, usages, scopes.

    \b
    Examples:
      igc habilitations
      igc habilitations --json
    """
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
        (tr("Structure"), tr("Name"), tr("Offre"), tr("Usages"), tr("Scope")),
        [
            (
                str(line.structure.national_id),
                line.structure.name,
                str(line.offre),
                ", ".join(line.usages),
                str(line.scope),
            )
            for line in lines
        ],
    )


@command("revoke")
@click.argument("order", shell_complete=completing.orders)
@click.option(
    "--reason",
    type=click.Choice([reason.value for reason in RevocationReason], case_sensitive=False),
    default=RevocationReason.NON_PRECISE.value.lower(),
    show_default=True,
    help="Why. (The causes that the arrêté of 4 April 2022 names; the platform's are not public.)",
)
@click.option("--revocation-code-source", metavar="SOURCE", help="The code of the withdrawal.")
@click.option("--yes", is_flag=True, help="Don't ask to retype the end of the serial.")
@click.option(
    "--check/--no-check", default=True, help="Look whether CRL and OCSP say so.  [default: look]"
)
@pin_options
@platform_options
def revoke_command(
    settings: Settings,
    order: str,
    reason: str,
    revocation_code_source: str | None,
    yes: bool,
    check: bool,
    pin_source: str | None,
    use_last_try: bool,
) -> None:
    """Revoke the certificate of ORDER: its number, reference, product or serial. Final.

    To be sure that it is the right one, the end of its serial is asked for, unless --yes. A
    certificate that was ordered elsewhere is named by its serial. Afterwards the lists and
    the OCSP responder are asked whether they tell it already.

    \b
    Examples:
      igc revoke 3
      igc revoke 3 --revocation-code-source env:CODE --yes
    """
    from ..ws.model import Revocation
    from ..ws.orders.lifecycle import revoke

    target = target_of(settings)
    why = RevocationReason.parse(reason)
    with open_journal() as journal:
        entry = _known(journal, order, target.endpoint)
        confirmed = partial(_confirmed, yes=yes, source=revocation_code_source)
        code = confirmed(entry) if entry is not None else None
        with connected(target, pin_source, use_last_try=use_last_try) as (client, about):
            if entry is None or code is None:
                entry = _found(client, journal, order, about)
                code = confirmed(entry)
            else:
                _check_same(entry, client)
            revocation = Revocation(code, why, product_id=entry.product_id)
            with doubts_told(journal, entry.reference):
                done = revoke(client, journal, entry, revocation, at=_now())
        seen = _published(target, journal, done.entry) if check else ()
    if settings.json:
        told = [item.to_dict() for item in seen]
        line = {**done.entry.to_dict(), "revoked_on": done.revoked_at, "published": told}
        emit(line, schema="igc.revocation/1")
        return
    say(_done_in_words(done))
    for item in seen:
        say(tr("{source}: {told}", source=item.source.upper(), told=_in_words(item)))


def _known(journal: Journal, name: str, platform: str) -> Entry | None:
    """The order of that name; None for a serial of which the journal has none.

    Raises UsageError for an order of another platform.
    """
    from ..ws.orders.journal import check_platform
    from ..ws.rules import checked_serial

    try:
        entry = journal.get(name, platform)
    except UsageError:
        if len(name.replace(":", "")) < MIN_SERIAL_DIGITS:
            raise
        with suppress(UsageError):
            checked_serial(name)
            return None
        raise
    if not entry.product_id or not entry.serial:
        raise UsageError(
            tr("order {id} has no certificate: {meaning}", id=entry.id, meaning=entry.state.meaning)
        )
    check_platform(entry, platform)
    return entry


def _check_same(entry: Entry, platform: Platform) -> None:
    """Revoking is final: the platform's product must be the one that the journal knows."""
    from ..ws.orders.reconcile import check_same

    with suppress(ConfigError):  # a contract that lacks this question
        check_same(entry, platform.get_product(entry.product_id))


def _found(platform: Platform, journal: Journal, serial: str, about: dict[str, str]) -> Entry:
    """The certificate of that serial, which was ordered elsewhere, taken into the journal.

    The serial of each product is looked at: a contract may have no place for the one that is
    searched, or the platform may pass over it.
    """
    from ..ws.listing import every_product
    from ..ws.model import ProductSearch
    from ..ws.orders.reconcile import adopt

    search = ProductSearch(serial=serial)
    found: dict[str, Product] = {}
    untold: set[str] = set()
    for product in every_product(platform, search):
        if product.serial and int(product.serial, 16) == int(search.serial, 16):
            found[product.product_id] = product
        elif product.state is ProductState.ACTIF and not product.serial:
            untold.add(product.product_id)
    if len(found) == 1:
        (product,) = found.values()
        return adopt(journal, product, at=_now(), **about)
    if found:
        raise UsageError(
            tr(
                "the platform shows {count} certificates of serial {serial}: nothing was revoked",
                count=len(found),
                serial=serial,
            ),
            advice=tr("revoke the right one in the portal"),
        )
    if untold:
        raise UsageError(
            tr(
                "the platform shows no certificate of serial {serial}, and {count} whose serial "
                "it doesn't tell: nothing was revoked",
                serial=serial,
                count=len(untold),
            ),
            advice=tr(
                "map serial in [records.product], see igc ws check-mapping; or revoke it in "
                "the portal"
            ),
        )
    raise UsageError(
        tr(
            "neither the journal nor the platform shows a certificate of serial {serial}: "
            "nothing was revoked",
            serial=serial,
        ),
        advice=tr("list them with: igc status"),
    )


def _confirmed(entry: Entry, yes: bool, source: str | None) -> Secret:
    if not yes:
        talk(
            tr(
                "{offre} {usage} {label}, serial {serial}",
                offre=entry.offre,
                usage=entry.usage,
                label=entry.label,
                serial=entry.serial,
            )
        )
        ask.retyped(entry.serial[-6:], tr("Revoking is final. Last six characters of the serial"))
    return ask.secret(source, tr("Revocation code"), "--revocation-code-source")


def _published(target: Target, journal: Journal, entry: Entry) -> tuple[Published, ...]:
    """What lists and OCSP tell; nothing when the certificate is not on this machine."""
    from ..certs.load import certificates_from_path, load_certificates
    from ..ws.published import published

    try:
        kept: list[Any] = [c for der in journal.certificates(entry) for c in load_certificates(der)]
        if not kept and entry.certificate_path:
            kept = list(certificates_from_path(Path(entry.certificate_path)))
        if not kept:
            talk(tr("The certificate is not on this machine, so CRL and OCSP were not asked."))
            return ()
        access = access_of(target.profile)
        return published(kept[0], target.store, access, untrusted=kept[1:], at=_now())
    except IgcError as error:
        talk(tr("CRL and OCSP could not be asked: {message}", message=error.message))
        return ()


def _done_in_words(done: Revoked) -> str:
    told = {
        "revoked_at": shown(done.revoked_at, seconds=True),
        "label": done.entry.label,
        "serial": done.entry.serial,
    }
    if done.already:
        return tr(
            "Already revoked on {revoked_at}: {label}, serial {serial}; nothing was sent again",
            **told,
        )
    return tr("Revoked on {revoked_at}: {label}, serial {serial}", **told)


def _in_words(seen: Published) -> str:
    if seen.revoked:
        return tr("revoked ({message})", message=seen.message)
    if seen.revoked is None:
        return tr("not known ({message})", message=seen.message)
    return tr("not yet ({message}); look again later with: igc check", message=seen.message)


def _now() -> datetime:
    return datetime.now(UTC)
