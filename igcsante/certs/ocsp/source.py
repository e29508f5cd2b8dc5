"""Whether a certificate is revoked, told by OCSP (RFC 6960, RFC 5019, RFC 9654).

An answer counts when its signature is that of the issuer's own key, or of a responder that
this very key has authorised; when it is about this certificate; and while it is fresh.
Answers that were given (stapled, files) or kept are looked at first; the responder that the
certificate names is asked when a client is given, at hosts that are allowed only.

Of several answers, a revocation counts whatever else is told, and however new: ``unknown`` says
nothing of it, and only ``good`` undoes it, a newer one that isn't outdated, where it isn't final (a
hold, or no reason told: RFC 5280 §5.3.1). Without one the newest counts, those in force first: a
responder that knew a certificate and no longer does leaves its status unknown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from ...errors import NetworkError, TimeoutExceededError, UnreadableError
from ...instants import shown
from ...messages import tr
from ..freshness import Freshness, freshness
from ..policy import Policy, RevocationPolicy
from ..revocation import RevocationSource
from ..verdict import Evidence, Kind, Reason, RevocationStatus
from ..x509 import names
from ..x509.extensions import Extensions
from ..x509.signatures import KEY_ERRORS, public_key_octets
from .request import CertId
from .response import Answer, OcspResponse
from .signers import SKEW, OcspSigners

WITHOUT_END = timedelta(hours=1)  # how long an answer without next update holds, once produced
_MAX_URLS = 3
_HOLD = "certificateHold"


class _Client(Protocol):
    def ask(self, url: str, wanted: CertId) -> OcspResponse: ...


class _Cache(Protocol):
    def get(self, wanted: CertId) -> OcspResponse | None: ...

    def put(self, wanted: CertId, response: OcspResponse, *, until: datetime) -> None: ...


@dataclass(frozen=True)
class _Told:
    """An answer that may be believed, from an authentic response."""

    answer: Answer
    response: OcspResponse
    signer: x509.Certificate

    @property
    def end(self) -> datetime:
        return self.answer.next_update or self.response.produced_at + WITHOUT_END

    def freshness(self, question: _Question) -> Freshness:
        return freshness(self.answer.this_update, self.end, question.at, question.policy)


class OcspSource:
    """Status from OCSP. ``responses`` are given ones, ``cache`` keeps those that are fetched.

    ``responders`` tells the status of a responder's certificate that has no ocsp-nocheck
    (RFC 6960 §4.2.2.2.1); the policy's requirement for CAs says whether it must be known.
    """

    def __init__(
        self,
        policy: Policy | None = None,
        *,
        responses: Iterable[OcspResponse] = (),
        client: _Client | None = None,
        cache: _Cache | None = None,
        responders: RevocationSource | None = None,
    ) -> None:
        self._policy = policy or Policy()
        self._responses = tuple(responses)
        self._client = client
        self._cache = cache
        self._signers = OcspSigners(self._policy, responders)

    def status(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus:
        """Never raises: what can't be told is ``unknown`` or ``stale``, with reasons."""
        try:
            wanted = CertId.of(certificate, issuer)
        except KEY_ERRORS as error:
            return _unknown(
                "revocation.ocsp_unusable", tr("OCSP can't name it: {error}", error=error)
            )
        question = self._question(wanted, issuer, at, certificate)
        told, refusals = self._told_at_hand(question)
        status = self._best(told, refusals, question)
        if self._client is None or status.kind in (Kind.GOOD, Kind.REVOKED):
            return status
        for url in _responder_urls(certificate):
            if self._ask(url, question, told, refusals):
                break
        return self._best(told, refusals, question)

    def at_hand(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus | None:
        """By the answers that were given or kept; None when there are none. Never raises."""
        try:
            wanted = CertId.of(certificate, issuer)
        except KEY_ERRORS:
            return None
        return self._by_what_is_at_hand(self._question(wanted, issuer, at, certificate))

    def of_serial(
        self, serial: int, issuer: x509.Certificate, at: datetime
    ) -> RevocationStatus | None:
        """The same of a number whose certificate nobody has: no responder is asked."""
        try:
            wanted = CertId.of_serial(serial, issuer)
        except KEY_ERRORS:
            return None
        return self._by_what_is_at_hand(self._question(wanted, issuer, at, None))

    def _by_what_is_at_hand(self, question: _Question) -> RevocationStatus | None:
        told, refusals = self._told_at_hand(question)
        return self._best(told, refusals, question) if told or refusals else None

    def _question(
        self,
        wanted: CertId,
        issuer: x509.Certificate,
        at: datetime,
        certificate: x509.Certificate | None,
    ) -> _Question:
        return _Question(wanted, issuer, at, self._policy.revocation, certificate)

    def _told_at_hand(self, question: _Question) -> tuple[list[_Told], list[Reason]]:
        told: list[_Told] = []
        refusals: list[Reason] = []
        for response in self._known(question.wanted):
            self._judge(response, question, told, refusals)
        return told, refusals

    def _known(self, wanted: CertId) -> Iterator[OcspResponse]:
        """Given ones about this certificate, then the one that was kept."""
        for response in self._responses:
            if response.refusal or _is_about(response, wanted):
                yield response
        if self._cache is not None and (kept := self._cache.get(wanted)):
            yield kept

    def _ask(
        self, url: str, question: _Question, told: list[_Told], refusals: list[Reason]
    ) -> bool:
        """Ask one responder; whether it gave an answer that counts."""
        if self._client is None:
            return False
        try:
            response = self._client.ask(url, question.wanted)
        except (NetworkError, TimeoutExceededError, UnreadableError) as error:
            refusals.append(Reason("revocation.fetch", error.in_one_line))
            return False
        if not self._judge(response, question, told, refusals):
            return False
        newest = told[-1]
        if (
            self._cache is not None
            and newest.answer.kind != "unknown"
            and _decisive(told, question) is newest  # it takes the place of what is kept
        ):
            self._cache.put(question.wanted, response, until=newest.end)
        return True

    # -- one response --------------------------------------------------------------------

    def _judge(
        self,
        response: OcspResponse,
        question: _Question,
        told: list[_Told],
        refusals: list[Reason],
    ) -> bool:
        """Add what a response tells to ``told``, or why it can't be used to ``refusals``."""
        where = response.source or tr("a response")
        if response.refusal:
            message = tr(
                "the OCSP responder ({where}) gave no answer: {refusal}",
                where=where,
                refusal=response.refusal,
            )
            refusals.append(Reason("revocation.ocsp_refused", message))
            return False
        signer, refusal = self._signers.signer(response, question.issuer, question.at)
        if signer is None:
            message = tr(
                "the OCSP response ({where}) can't be used: {refusal}", where=where, refusal=refusal
            )
            refusals.append(Reason("revocation.ocsp_unusable", message))
            return False
        try:
            answers = response.about(question.wanted)
        except UnreadableError as error:
            refusals.append(
                Reason(
                    "revocation.ocsp_unusable",
                    tr("{where}: {message}", where=where, message=error.message),
                )
            )
            return False
        usable = [answer for answer in answers if answer.this_update <= question.at + SKEW]
        if not usable:
            what = tr("it was made later") if answers else tr("it is about another certificate")
            message = tr(
                "the OCSP response ({where}) can't be used: {what}", where=where, what=what
            )
            refusals.append(Reason("revocation.ocsp_unusable", message))
            return False
        told += [_Told(answer, response, signer) for answer in usable]
        return True

    # -- what they tell together ---------------------------------------------------------

    def _best(
        self, told: list[_Told], refusals: list[Reason], question: _Question
    ) -> RevocationStatus:
        if not told:
            if not refusals:
                message = tr("no OCSP response about {who}", who=question.who)
                refusals = [Reason("revocation.no_ocsp", message)]
            return RevocationStatus(Kind.UNKNOWN, tuple(dict.fromkeys(refusals)))
        status = self._told_by(_decisive(told, question), question)
        if status.kind in (Kind.GOOD, Kind.REVOKED):
            return status
        return replace(status, reasons=tuple(dict.fromkeys((*status.reasons, *refusals))))

    def _told_by(self, told: _Told, question: _Question) -> RevocationStatus:
        answer, who = told.answer, question.who
        status = RevocationStatus(
            Kind.GOOD,
            revoked_on=answer.revoked_on,
            revocation_reason=answer.reason,
            evidence=(_evidence(told),),
        )
        fresh = told.freshness(question)
        if not fresh.usable:
            message = tr("{who}: the validity of its OCSP response {why}", who=who, why=fresh.why)
            if answer.revoked_on:
                message = tr(
                    "{message}; that outdated response already says revoked on {date}",
                    message=message,
                    date=shown(answer.revoked_on, seconds=True),
                )
            return _as(status, Kind.STALE, "revocation.stale", message)
        if answer.kind == "revoked":
            message = tr("{who}: revoked", who=who)
            if answer.revoked_on:
                message = tr(
                    "{who}: revoked on {date}", who=who, date=shown(answer.revoked_on, seconds=True)
                )
            if answer.reason:
                message = tr("{message} ({why})", message=message, why=answer.reason)
            return _as(status, Kind.REVOKED, "revocation.revoked", message)
        if answer.kind != "good":
            message = tr("{who}: the OCSP responder does not know it", who=who)
            return _as(status, Kind.UNKNOWN, "revocation.ocsp_unknown", message)
        if _is_about_its_signer(told, question):
            message = tr("{who}: its OCSP response is signed with its own key", who=who)
            return _as(status, Kind.UNKNOWN, "revocation.ocsp_unusable", message)
        if fresh.fresh:
            return status
        message = tr(
            "{who}: its OCSP response {why}, and counts within its grace", who=who, why=fresh.why
        )
        return replace(status, notices=(Reason("revocation.grace", message),))


@dataclass(frozen=True)
class _Question:
    """Without ``certificate``, about a serial number alone."""

    wanted: CertId
    issuer: x509.Certificate
    at: datetime
    policy: RevocationPolicy
    certificate: x509.Certificate | None

    @property
    def who(self) -> str:
        """Its name in messages."""
        if self.certificate is None:
            return f"serial {self.wanted.serial:x}"
        return names.label(self.certificate)


def _decisive(told: list[_Told], question: _Question) -> _Told:
    """The answer that counts; of equal ones the last."""
    revoked = [item for item in told if item.answer.kind == "revoked"]
    others = [item for item in told if item.answer.kind != "revoked"]
    standing = [
        item for item in revoked if not any(_undoes(other, item, question) for other in others)
    ]
    return max(reversed(standing or others), key=lambda item: _standing(item, question.at))


def _standing(told: _Told, at: datetime) -> tuple[bool, datetime, bool]:
    """In force before outdated, newer before older, not known before good."""
    return told.end >= at, told.answer.this_update, told.answer.kind == "unknown"


def _undoes(told: _Told, revocation: _Told, question: _Question) -> bool:
    """Whether an answer ends a revocation that was told before."""
    return (
        told.answer.kind == "good"
        and told.answer.this_update > revocation.answer.this_update
        and revocation.answer.reason in (None, _HOLD)
        and told.freshness(question).usable
        and not _is_about_its_signer(told, question)
    )


def _is_about_its_signer(told: _Told, question: _Question) -> bool:
    if question.certificate is not None:
        return _same_key(told.signer, question.certificate)
    # Who isn't the issuer was issued by it (.signers), under a serial number of the issuer's.
    return (
        told.signer != question.issuer
        and names.serial_number(told.signer) == question.wanted.serial
    )


def _is_about(response: OcspResponse, wanted: CertId) -> bool:
    try:
        return bool(response.about(wanted))
    except UnreadableError:
        return False


def _responder_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    urls = Extensions(certificate).access_urls(AuthorityInformationAccessOID.OCSP)
    return tuple(url for url in urls if url.lower().startswith(("http://", "https://")))[:_MAX_URLS]


def _same_key(one: x509.Certificate, other: x509.Certificate) -> bool:
    try:
        return public_key_octets(one) == public_key_octets(other)
    except KEY_ERRORS:
        return True


def _evidence(told: _Told) -> Evidence:
    return Evidence(
        issuer=told.response.responder,
        number=None,
        this_update=told.answer.this_update,
        next_update=told.answer.next_update,
        sha256=told.response.sha256,
        source=told.response.source,
        type="ocsp",
    )


def _as(status: RevocationStatus, kind: Kind, code: str, message: str) -> RevocationStatus:
    return replace(status, kind=kind, reasons=(Reason(code, message),))


def _unknown(code: str, message: str) -> RevocationStatus:
    return RevocationStatus(Kind.UNKNOWN, (Reason(code, message),))
