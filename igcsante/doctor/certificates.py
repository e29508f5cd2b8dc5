"""What checks of certificates rest on: the imported authorities, and the revocation lists."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import CertificateInvalidError, ExitCode, IgcError
from ..instants import shown
from ..messages import plural, tr
from ..text import printable
from .check import Check, Context, UnusableConfigurationError
from .finding import Finding, note, ok, problem, warning
from .masking import place, told

if TYPE_CHECKING:
    from cryptography import x509

    from ..certs.anchors import AnchorEntry, TrustStore
    from ..certs.crl.store import StoredCrl

_NOTICE = timedelta(days=60)


def trusted(context: Context) -> TrustStore:
    """The authorities that were imported, and those of the profile. Raises IgcError."""
    from ..certs.anchors import TrustStore, imported_store

    return imported_store() + TrustStore.from_certificates(_of_profile(context))


def _of_profile(context: Context) -> list[x509.Certificate]:
    from ..certs.load import certificates_from_path

    return [c for path in context.profile.anchors for c in certificates_from_path(path)]


def _others(context: Context) -> Iterator[Finding]:
    """The profile's other certificates, when they can't be had."""
    from ..certs.load import certificates_from_path

    untrusted = context.profile.untrusted
    try:
        for path in untrusted:
            certificates_from_path(path)
    except IgcError as error:
        yield problem(
            tr("the profile's other certificates can't be read: {why}", why=told(error)),
            tr("mend the key untrusted of the profile"),
            ExitCode.USAGE,
        )


def _anchors(context: Context) -> Iterator[Finding]:
    from ..certs.anchors import AnchorEntry, list_anchors

    try:
        imported = [entry for entry in list_anchors() if entry.certificate is not None]
    except CertificateInvalidError as error:
        yield problem(
            tr("the imported authorities can't be trusted: {why}", why=told(error)),
            tr("look at that folder, then import them again: igc trust import FILE"),
            ExitCode.INVALID,
        )
        return
    try:
        own = _of_profile(context)
    except UnusableConfigurationError:
        raise
    except IgcError as error:
        yield problem(
            tr("the profile's anchors can't be read: {why}", why=told(error)),
            tr("mend the key anchors of the profile"),
            ExitCode.USAGE,
        )
        own = []
    yield from _others(context)
    if not imported and not own:
        yield warning(
            tr("no authority is trusted: nothing can be verified"),
            tr("fetch those of IGC-Santé (igc trust fetch), or import a file: igc trust import"),
        )
        return
    entries = [*imported, *(AnchorEntry(None, certificate) for certificate in own)]
    yield from _authorities(context, entries, len(own))


def _authorities(context: Context, entries: list[AnchorEntry], own: int) -> Iterator[Finding]:
    from ..certs.anchors import PINNED

    official = sum(1 for entry in entries if entry.pin and entry.pin.source == "official")
    observed = sum(1 for entry in entries if entry.pin and entry.pin.source == "observed")
    yield ok(
        tr(
            "{official} of IGC-Santé's {all} authorities, {observed} of its test, {unpinned} "
            "imported without a pin, {own} of the profile",
            official=official,
            all=sum(1 for pin in PINNED if pin.source == "official"),
            observed=observed,
            unpinned=len(entries) - official - observed - own,
            own=own,
        )
    )
    ends = [(e.certificate.not_valid_after_utc, _name(e)) for e in entries if e.certificate]
    for end, name in sorted(ends):
        if end < context.at:
            yield warning(
                tr("the authority {name} ended on {day}", name=name, day=f"{end:%Y-%m-%d}"),
                tr("import the one that follows it: igc trust import FILE"),
            )
        elif end < context.at + _NOTICE:
            yield warning(
                tr("the authority {name} ends on {day}", name=name, day=f"{end:%Y-%m-%d}"),
                tr("look for the one that follows it on the ANS's site"),
            )
    later = [end for end, _ in ends if end >= context.at + _NOTICE]
    if len(later) == len(ends):
        yield ok(tr("the first of them ends on {day}", day=f"{min(later):%Y-%m-%d}"))
    elif later:
        yield ok(tr("the first of the others ends on {day}", day=f"{min(later):%Y-%m-%d}"))


def _name(entry: AnchorEntry) -> str:
    if entry.pin:
        return entry.pin.name
    from ..certs.x509 import names

    return _issuer(names.display(entry.certificate.subject) if entry.certificate else "")


def _lists(context: Context) -> Iterator[Finding]:
    from ..certs.crl.store import CrlStore

    store = CrlStore()
    stored = store.lists()
    for error in store.damaged():
        where = place(str(error.fields.get("path", store.directory)))
        yield problem(
            tr("a kept list is damaged: {path}", path=where),
            tr("fetch it again: igc crl update"),
            ExitCode.UNKNOWN,
        )
    if not stored:
        yield note(
            tr("no revocation list is kept: checks fetch them, or can't tell"),
            tr("fetch those of the known authorities: igc crl update"),
        )
    for one in stored:
        yield freshness(one, context)


def freshness(stored: StoredCrl, context: Context) -> Finding:
    """Whether a list that is kept is whole, and holds still."""
    from ..certs.crl.kept import is_intact

    name, end = _issuer(stored.issuer), stored.next_update
    update = tr("fetch it again: igc crl update")
    if not is_intact(stored):
        return warning(tr("the file of the list of {name} is damaged", name=name), update)
    if end is None:
        return warning(tr("the list of {name} has no end: no check counts it", name=name), update)
    if end < context.at:
        days = (context.at - end).days
        return problem(
            plural(
                "the list of {name} ended on {end}, {count} day ago",
                "the list of {name} ended on {end}, {count} days ago",
                days,
                name=name,
                end=shown(end),
            ),
            update,
            ExitCode.STALE,
        )
    return ok(
        tr(
            "the list of {name}, of {made}, holds until {end}",
            name=name,
            made=shown(stored.this_update),
            end=shown(end),
        )
    )


def _issuer(issuer: str) -> str:
    """The common name of an authority, which is public, else the whole of its name."""
    found = re.search(r"CN=((?:[^,\\]|\\.)+)", issuer)
    return printable(found[1] if found else issuer)


CHECKS = (
    Check("certificates.anchors", tr("The authorities that are trusted, and their end"), _anchors),
    Check("certificates.lists", tr("The revocation lists that are kept: fresh, whole"), _lists),
)
