"""Login by card: the server sends a challenge, the card signs it, the server checks.

What is checked, in this order: that the challenge is one of ours, recent and unused; that the
signature is by the key of the certificate; that the certificate is good (chain, dates,
revocation); that it is the authentication certificate of a person's card.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from igcsante.card import CpsCard
from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker
from igcsante.certs.network.fetch import CrlFetcher
from igcsante.certs.profile import decode
from igcsante.certs.verdict import Kind
from igcsante.secret import Secret

CHALLENGE_LIFE = timedelta(minutes=2)
# Signed with the challenge, so that no other program's signatures can be used here.
CONTEXT = b"health-app login v1\x00"


class LoginRefusedError(Exception):
    """Why nobody was logged in."""


@dataclass(frozen=True)
class Person:
    """Who logged in. ``national_id`` is the identifier that the card certifies."""

    national_id: str
    surname: str
    given_name: str
    profession: str


@dataclass(frozen=True)
class Answer:
    """What the card's side sends back."""

    challenge: bytes
    certificate: x509.Certificate
    signature: bytes


def answer(card: CpsCard, pin: Secret, challenge: bytes) -> Answer:
    """On the person's machine: the card signs the challenge. One PIN check, one signature."""
    card.verify_pin(pin)
    credential = card.credential()
    signature = credential.private_key.sign(
        CONTEXT + challenge, padding.PKCS1v15(), hashes.SHA256()
    )
    return Answer(challenge, credential.certificate, signature)


class LoginDesk:
    """On the server. ``crl_hosts``: where revocation lists may be fetched, as ``host[:port]``."""

    def __init__(self, anchors: Iterable[x509.Certificate], crl_hosts: Iterable[str]) -> None:
        self._trust = TrustStore.from_certificates(anchors)
        self._crl_hosts = tuple(crl_hosts)
        self._challenges: dict[bytes, datetime] = {}
        self.forget_lists()

    def forget_lists(self) -> None:
        """Every morning: the lists that were fetched are fetched anew at the next login."""
        self._checker = Checker(self._trust, fetcher=CrlFetcher(self._crl_hosts))

    def challenge(self, at: datetime) -> bytes:
        """A new challenge, good for one login."""
        self._challenges = {known: until for known, until in self._challenges.items() if until > at}
        challenge = secrets.token_bytes(32)
        self._challenges[challenge] = at + CHALLENGE_LIFE
        return challenge

    def login(self, given: Answer, at: datetime) -> Person:
        """Who that is. Raises LoginRefusedError."""
        until = self._challenges.pop(given.challenge, None)
        if until is None or at >= until:
            raise LoginRefusedError("the challenge is not one of ours, or too old")
        _check_signature(given)
        verdict = self._checker.check(given.certificate, at=at)
        if verdict.kind is not Kind.GOOD:
            raise LoginRefusedError("; ".join(reason.message for reason in verdict.reasons))
        profile = decode(given.certificate)
        if profile.product != "card" or profile.usage != "AUTH" or profile.national_id is None:
            raise LoginRefusedError("not the authentication certificate of a person's card")
        return Person(
            str(profile.national_id), profile.surname, profile.given_name, profile.profession
        )


def _check_signature(given: Answer) -> None:
    key = given.certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise LoginRefusedError("the certificate has no RSA key")
    try:
        key.verify(given.signature, CONTEXT + given.challenge, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        raise LoginRefusedError("the signature is not by the key of the certificate") from None
