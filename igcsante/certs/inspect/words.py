"""A certificate in words: what it is, what its key may be used for and what not.

Uses are read from key usages and extended key usages (RFC 5280 §4.2.1.3 and §4.2.1.12); the
names of offers are the ANS's (pki.md §3).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...messages import joined, tr
from ..profile import CertificateProfile

_OFFERS = {
    "ORG": tr("an organisation"),
    "SERV": tr("a server"),
    "PRO": tr("a person in a structure"),
    "PS": tr("a health professional"),
}
_PRODUCTS = {
    "card": tr("certificate of a CPx card"),
    "software": tr("software certificate"),
    "module": tr("certificate of a security module"),
}
_WORLDS = {"production": tr("production"), "test": "TEST", "unknown": ""}
_LEVEL = re.compile(r"(?:TEST )?AC (?:RACINE )?IGC-SANTE (ELEMENTAIRE|STANDARD|FORT)(?: (\w+))?")


def summary(profile: CertificateProfile) -> str:
    """One line: ``TEST software certificate for an organisation, usage AUTH_CLI``."""
    if profile.authority:
        kind = tr("certificate of an authority")
    else:
        kind = _PRODUCTS.get(profile.product or "") or tr("certificate")
        if profile.card_type:
            kind = tr("certificate of a {card_type} card", card_type=profile.card_type)
    if world := _WORLDS[profile.world]:
        kind = tr("{world} {kind}", world=world, kind=kind)
    if profile.offer:
        holder = _OFFERS[profile.offer]
        kind = tr(
            "{kind} for {holder} (offer {offer})", kind=kind, holder=holder, offer=profile.offer
        )
    parts = [kind]
    if profile.usage:
        parts.append(tr("usage {usage}", usage=profile.usage))
    if profile.hierarchy != "IGC-SANTE":
        other = tr("not of IGC-Santé by its issuer's name")
        parts.append(tr("legacy IGC-CPS") if profile.hierarchy == "IGC-CPS" else other)
    return joined(", ", parts)


def level(issuer_name: str) -> str:
    """Assurance level and domain by an issuer's common name: ``FORT, PERSONNES``; else empty."""
    match = _LEVEL.fullmatch(issuer_name)
    return ", ".join(filter(None, match.groups())) if match else ""


@dataclass(frozen=True)
class Use:
    """Something that keys are used for: a ``code`` for programs, ``text`` for people."""

    code: str
    text: str


def uses(profile: CertificateProfile) -> tuple[tuple[Use, ...], tuple[Use, ...]]:
    """What the certificate's key may be used for, and what of the usual things it may not."""
    may = tuple(use for use, allowed in _USES if allowed(profile))
    may_not = tuple(use for use, _ in _USES if use not in may and use.code in _USUAL)
    return may, may_not


def _purpose(profile: CertificateProfile, name: str, *, any_will_do: bool = False) -> bool:
    """Whether an extended key usage is there; without the extension all are."""
    purposes = profile.extended_key_usages
    return not purposes or name in purposes or (any_will_do and "anyExtendedKeyUsage" in purposes)


def _leaf(
    purpose: str, *key_usages: str, any_will_do: bool = False
) -> Callable[[CertificateProfile], bool]:
    return lambda profile: (
        not profile.authority
        and _purpose(profile, purpose, any_will_do=any_will_do)
        and bool({*key_usages} & {*profile.key_usages})
    )


def _bit(name: str) -> Callable[[CertificateProfile], bool]:
    return lambda profile: name in profile.key_usages


_USES: tuple[tuple[Use, Callable[[CertificateProfile], bool]], ...] = (
    (
        Use("tls_client", tr("authenticate to a server, as a TLS client")),
        _leaf("clientAuth", "digitalSignature"),
    ),
    (
        Use("tls_server", tr("be a TLS server")),
        _leaf("serverAuth", "digitalSignature", "keyEncipherment"),
    ),
    (
        Use("smartcard_logon", tr("log on to Windows with a card")),
        _leaf("msSmartcardLogon", "digitalSignature"),
    ),
    (
        Use("sign", tr("sign documents and e-mail")),
        _leaf("emailProtection", "contentCommitment", any_will_do=True),
    ),
    (
        Use("decrypt", tr("receive encrypted documents and e-mail")),
        _leaf("emailProtection", "keyEncipherment", any_will_do=True),
    ),
    (Use("ocsp", tr("answer about revocation (OCSP)")), _leaf("OCSPSigning", "digitalSignature")),
    (Use("certificates", tr("sign certificates")), _bit("keyCertSign")),
    (Use("crls", tr("sign revocation lists")), _bit("cRLSign")),
)
_USUAL = {"tls_client", "tls_server", "sign", "decrypt"}
EVERY_USE = tuple(use.code for use, _ in _USES)
