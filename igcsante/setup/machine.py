"""What of the second phase a machine can see: doctor's checks, made to say whether it is enough.

No PIN is sent, no file is written, and no host beyond loopback is contacted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from ..config import data_directory
from ..doctor import Context, Finding, Status
from ..doctor.certificates import freshness, trusted
from ..doctor.finding import ok, problem
from ..doctor.masking import foreign
from ..errors import ExitCode, IgcError
from ..messages import plural, tr
from .journey import Journey, doctor

if TYPE_CHECKING:
    from ..doctor.look import Look

_SHOWN = 3  # errors of a mapping file, before one looks at all of them


def reader(journey: Journey) -> Iterator[Finding]:
    """A reader that can be used."""
    context = journey.looked_at()
    found = doctor(context, "pcsc.library", "pcsc.service", "pcsc.access", "pcsc.readers")
    if _has_reader(context):
        yield from found
        return
    yield from _not_ok(found)
    yield problem(
        tr("no reader can be used"),
        tr("plug one in; on Linux, install pcscd and libccid, and start pcscd"),
        ExitCode.NO_CARD,
    )


def card(journey: Journey) -> Iterator[Finding]:
    """A test card that can be used."""
    context = journey.looked_at()
    cards = [look.card for look in _looks(context) if look.card is not None]
    found = doctor(context, "card.generation", "card.state", "card.certificates", "card.tries")
    if not cards:
        yield from _not_ok(found)
        yield problem(
            tr("no CPx card can be read"),
            tr("insert the test card, chip first"),
            ExitCode.NO_CARD,
        )
        return
    yield from found
    worlds = {c.profile.world for c in cards if not isinstance(c.profile, IgcError)}
    if worlds and "test" not in worlds and "production" in worlds:
        yield problem(
            tr("the card is a real one: the web service is for test certificates, and test cards"),
            tr("insert the test card that form F414 names"),
            ExitCode.NO_CARD,
        )
    yield from doctor(context, "card.middleware")


def profile(journey: Journey) -> Iterator[Finding]:
    """A profile that names the platform, and what its contract is."""
    context = journey.looked_at()
    wrong = [
        finding
        for finding in doctor(context, "configuration.values")
        if finding.status is Status.PROBLEM
    ]
    if wrong and not _is_new(journey):
        yield from wrong
        return
    if not context.profile.platform:
        yield problem(
            tr("the profile {name} names no platform", name=foreign(journey.profile)),
            tr(
                "let {setup} write it, or: {command}",
                setup=foreign(journey.line("setup", "profile")),
                command=foreign(journey.line("config", "set", "platform", "URL")),
            ),
            ExitCode.USAGE,
        )
        return
    yield from doctor(context, "platform.address")
    if not _is_simulated(context) and not (context.profile.wsdl and context.profile.mapping):
        yield problem(
            tr(
                "the profile does not name both WSDL and mapping file: igc speaks its own mock's "
                "contract then, which is not the ANS's"
            ),
            tr("name both, with {command}", command=foreign(journey.line("setup", "profile"))),
            ExitCode.USAGE,
        )


def contract(journey: Journey) -> Iterator[Finding]:
    """WSDL and mapping file agree, and the request of an order can be made of them."""
    context = journey.looked_at()
    wsdl, mapping = context.profile.wsdl, context.profile.mapping
    if not (wsdl and mapping) and not _is_simulated(context):
        yield problem(
            tr("the profile names no WSDL and mapping file to compare"),
            tr("name them: {command}", command=foreign(journey.line("setup", "profile"))),
            ExitCode.USAGE,
        )
        return
    from ..ws.contract.conformity import Level, findings_of
    from ..ws.contract.mapping import load_mapping
    from ..ws.contract.wsdl import WsdlContract
    from ..ws.soap.rehearsal import rehearse

    try:
        pair = WsdlContract(load_mapping(mapping), wsdl)
        errors = [found for found in findings_of(pair) if found.level is Level.ERROR]
        if not errors:
            rehearse(
                pair,
                "order_product",
                (),
                endpoint=context.profile.platform or "",
                at=journey.at,
            )
    except IgcError as error:
        yield problem(
            tr("the contract can't be used: {why}", why=foreign(error.message)),
            foreign(error.advice) or tr("see: igc ws check-mapping"),
            ExitCode.USAGE,
        )
        return
    for found in errors[:_SHOWN]:
        yield problem(
            tr("{place}: {message}", place=foreign(found.place), message=foreign(found.message)),
            tr("mend the mapping file; all places: igc ws check-mapping"),
            ExitCode.USAGE,
        )
    if not errors:
        yield ok(tr("the mapping fits the WSDL, and an order's request can be made"))


def anchors(journey: Journey) -> Iterator[Finding]:
    """Authorities that the platform's server can be verified with."""
    context = journey.looked_at()
    found = doctor(context, "certificates.anchors")
    try:
        roots = trusted(context).roots
    except IgcError:
        yield from found  # says why
        return
    if roots:
        yield from found
        return
    yield problem(
        tr("no authority is trusted: the platform's server can't be verified"),
        tr("fetch those of IGC-Santé (igc trust fetch), or import a file: igc trust import"),
        ExitCode.INVALID,
    )


def lists(journey: Journey) -> Iterator[Finding]:
    """Revocation lists of authorities that are trusted: kept, and holding still."""
    from ..certs.crl.store import CrlStore
    from ..certs.x509 import names

    context = journey.looked_at()
    try:
        known = trusted(context)
    except IgcError:
        yield from doctor(context, "certificates.anchors")  # says why
        return
    issuers = {names.display(one.subject) for one in (*known.roots, *known.intermediates)}
    found = [one for one in CrlStore().lists() if one.issuer in issuers]
    if found:
        yield from (freshness(one, context) for one in found)
        return
    yield problem(
        tr("no revocation list of an authority that is trusted is kept"),
        tr("fetch those of the known authorities: igc crl update"),
        ExitCode.UNKNOWN,
    )


def order(journey: Journey) -> Iterator[Finding]:
    """An order at this platform, in the journal of this machine."""
    from ..ws.orders.journal import Journal, is_of

    platform = journey.looked_at().profile.platform or ""
    path = data_directory() / "journal.sqlite"
    count = 0
    if path.exists() and platform:
        with Journal(path) as journal:
            count = sum(1 for e in journal.each() if e.product_id and is_of(e, platform))
    if count:
        yield ok(
            plural(
                "{count} order at this platform: igc orders",
                "{count} orders at this platform: igc orders",
                count,
            )
        )
        return
    yield problem(
        tr("nothing was ordered at this platform yet"),
        tr(
            "rehearse an order, then make it: {command}",
            command=foreign(journey.line("setup", "order")),
        ),
    )


def _has_reader(context: Context) -> bool:
    try:
        return bool(context.readers())
    except IgcError:
        return False


def _looks(context: Context) -> list[Look]:
    try:
        return context.looks()
    except IgcError:
        return []


def _not_ok(findings: Iterable[Finding]) -> Iterator[Finding]:
    return (finding for finding in findings if finding.status is not Status.OK)


def _is_new(journey: Journey) -> bool:
    """Whether the profile isn't anywhere yet, which is no mistake."""
    from ..config import profile_names

    try:
        return journey.profile not in profile_names()
    except IgcError:
        return False


def _is_simulated(context: Context) -> bool:
    """Only a simulated world has a clock of its own."""
    return context.profile.clock is not None
