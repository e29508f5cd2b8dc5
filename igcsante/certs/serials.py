"""Serial numbers whose certificates aren't at hand, when the lists at hand don't tell of them.

A certificate names the address of its list; of a serial number, it is known only where the
issuer's is pinned (pki.md §1). That list is fetched, once; of others it is said what is missing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from cryptography import x509

from ..errors import NetworkError, TimeoutExceededError, UnreadableError
from ..messages import tr
from .anchors import pinned_entry
from .check import Checker
from .load import load_crls
from .published import WORTH_FETCHING, Fetcher
from .verdict import Reason, SerialVerdict
from .x509 import names

_NOT_BY_LISTS = {"revocation.off", "revocation.no_source"}  # what the policy says


class SerialChecker:
    """Checks serial numbers of one ``issuer``, and fetches its list if need be."""

    def __init__(self, checker: Checker, issuer: x509.Certificate, fetcher: Fetcher | None) -> None:
        self._checker = checker
        self._issuer = issuer
        self._fetcher = fetcher
        self._failures: tuple[Reason, ...] | None = None

    def check(self, serial: int, *, at: datetime) -> SerialVerdict:
        """As :meth:`.check.Checker.check_serial`; what hindered a fetch is told beside: a reason,
        or a notice where the policy lets pass that the status is not known.
        """
        told = self._checker.check_serial(serial, self._issuer, at=at)
        if self._fetcher is None or not _is_untold(told):
            return told
        if self._failures is None:
            self._failures = self._fetch(self._fetcher)
            told = self._checker.check_serial(serial, self._issuer, at=at)
        if not _is_untold(told):
            return told
        if told.statuses[0].kind is not told.kind and set(told.statuses[0].reasons) <= set(
            told.notices
        ):
            return replace(told, notices=(*told.notices, *self._failures))
        return replace(told, reasons=(*told.reasons, *self._failures))

    def _fetch(self, fetcher: Fetcher) -> tuple[Reason, ...]:
        """Take the published list into account, or tell why that can't be."""
        pin = pinned_entry(self._issuer)
        if pin is None:
            message = tr(
                "where the list of {issuer} is published, no serial number "
                "tells: give the list with --crl, or fetch it for a certificate of the same "
                "issuer: igc crl update FILE",
                issuer=names.label(self._issuer),
            )
            return (Reason("revocation.no_address", message),)
        try:
            self._checker.lists.add(load_crls(fetcher.fetch(pin.crl_url), source=pin.crl_url))
        except (NetworkError, TimeoutExceededError, UnreadableError) as error:
            return (Reason("revocation.fetch", error.in_one_line),)
        return ()


def _is_untold(told: SerialVerdict) -> bool:
    """Whether the number's own status is not known, and lists may tell it."""
    if not told.statuses or told.statuses[0].kind not in WORTH_FETCHING:
        return False
    return not _NOT_BY_LISTS & {reason.code for reason in told.statuses[0].reasons}
