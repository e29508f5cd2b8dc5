"""How ``igc inspect`` shows each kind of thing: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

from ..certs.anchors import fingerprint
from ..certs.inspect import advice as advising
from ..certs.inspect import words
from ..certs.inspect.advice import Advice, Level
from ..certs.inspect.objects import Container, Part, PrivateKey, public_key_name, public_key_sha256
from ..certs.profile import CertificateProfile, decode
from ..certs.x509 import names
from ..certs.x509.certificate_list import Crl
from ..certs.x509.extensions import uris
from ..certs.x509.signatures import KEY_ERRORS
from ..instants import iso, shown
from ..messages import joined, localized, plural, tr
from ..text import printable
from ..words import said
from .output import say, say_pairs, wrapped

_COLOURS = {Level.PROBLEM: "red", Level.WARNING: "yellow", Level.NOTE: None}
_Pairs = list[tuple[str, str]]


@dataclass(frozen=True)
class View:
    """Shows things as of the instant ``at``, to somebody who expects those of ``world``."""

    at: datetime
    world: str | None = None

    # -- as JSON ---------------------------------------------------------------------------

    def certificate(self, certificate: x509.Certificate) -> dict[str, Any]:
        profile = decode(certificate)
        may, may_not = words.uses(profile)
        return {
            **profile.to_dict(),
            "summary": words.summary(profile),
            "subject": names.display_subject(certificate),
            "issuer": _display(certificate, "issuer"),
            "sha256": fingerprint(certificate),
            **_key_facts(certificate),
            "may": [use.code for use in may],
            "may_not": [use.code for use in may_not],
            "advice": _advice_documents(self._about(certificate, profile)),
        }

    def request(self, request: x509.CertificateSigningRequest) -> dict[str, Any]:
        return {
            "subject": _display(request, "subject"),
            "dns_names": _dns_names(request),
            **_key_facts(request),
            "advice": _advice_documents(advising.about_request(request)),
        }

    def crl(self, crl: Crl) -> dict[str, Any]:
        return {
            "issuer": names.display(crl.issuer),
            "number": None if crl.number is None else str(crl.number),
            "base_number": None if crl.base_number is None else str(crl.base_number),
            "this_update": iso(crl.this_update),
            "next_update": iso(crl.next_update),
            "entries": len(crl),
            "authority_key_id": crl.authority_key_id.hex() if crl.authority_key_id else None,
            "sha256": crl.sha256,
            "advice": _advice_documents(advising.about_crl(crl, self.at)),
        }

    def key(self, key: PrivateKey, mode: int | None) -> dict[str, Any]:
        return {
            "form": key.form,
            "encrypted": key.encrypted,
            "key": key.algorithm,
            "public_key_sha256": key.public_key_sha256,
            "advice": _advice_documents(advising.about_key(key, mode)),
        }

    def container(self, container: Container) -> dict[str, Any]:
        return {
            "form": container.form,
            "opened": container.opened,
            "certificates": container.certificates if container.opened else None,
            "friendly_name": container.friendly_name,
            "protection": container.protection,
        }

    # -- for people ------------------------------------------------------------------------

    def say(self, name: str, part: Part, parts: tuple[Part, ...], *, mode: int | None) -> None:
        """Print one part of a file; the others tell which key belongs to which certificate."""
        heading = printable(name)
        if len(parts) > 1:
            heading = tr(
                "{name}, {number} of {total}", name=heading, number=part.number, total=len(parts)
            )
        say(click.style(localized(heading), bold=True))
        item = part.item
        if isinstance(item, x509.Certificate):
            self._say_certificate(item)
        elif isinstance(item, x509.CertificateSigningRequest):
            self._say_request(item)
        elif isinstance(item, Crl):
            self._say_crl(item)
        elif isinstance(item, PrivateKey):
            _say_key(item, parts, mode)
        elif isinstance(item, Container):
            _say_container(item)

    def _say_certificate(self, certificate: x509.Certificate) -> None:
        profile = decode(certificate)
        may, may_not = words.uses(profile)
        say_pairs(
            [
                (tr("What"), words.summary(profile)),
                *_holder(profile),
                *_names(profile),
                *_origin(certificate, profile),
                *((tr("Its CRL at"), url) for url in profile.crl_urls),
                *((tr("Its delta CRL at"), url) for url in profile.delta_crl_urls),
                (tr("OCSP at"), profile.ocsp_url),
                (tr("Key"), _key_text(certificate)),
                (tr("Key usage"), ", ".join((*profile.key_usages, *profile.extended_key_usages))),
                (tr("May be used to"), joined("; ", [use.text for use in may])),
                (
                    tr("Not to"),
                    "" if profile.authority else joined("; ", [use.text for use in may_not]),
                ),
            ]
        )
        _say_advice(self._about(certificate, profile))

    def _say_request(self, request: x509.CertificateSigningRequest) -> None:
        say_pairs(
            [
                (tr("What"), tr("certificate request (CSR)")),
                (tr("Subject"), _display(request, "subject")),
                (tr("Servers"), ", ".join(_dns_names(request))),
                (tr("Key"), _key_text(request)),
                (tr("Public key"), _key_facts(request)["public_key_sha256"]),
            ]
        )
        _say_advice(advising.about_request(request))

    def _say_crl(self, crl: Crl) -> None:
        delta = ""
        if crl.base_number is not None:
            delta = tr("delta, completes number {base_number}", base_number=crl.base_number)
        say_pairs(
            [
                (tr("What"), tr("certificate revocation list (CRL)")),
                (tr("Issuer"), names.display(crl.issuer)),
                (tr("Number"), "" if crl.number is None else str(crl.number)),
                (tr("Kind"), delta),
                (tr("Scope"), _scope(crl)),
                (tr("Made"), shown(crl.this_update)),
                (tr("Valid until"), shown(crl.next_update) or tr("not said")),
                (tr("Entries"), f"{len(crl):,}"),
                (tr("SHA-256"), crl.sha256),
            ]
        )
        _say_advice(advising.about_crl(crl, self.at))

    def _about(
        self, certificate: x509.Certificate, profile: CertificateProfile
    ) -> tuple[Advice, ...]:
        return advising.about_certificate(certificate, profile, self.at, world=self.world)


# -- parts of a certificate --------------------------------------------------------------------


def _holder(profile: CertificateProfile) -> _Pairs:
    holder = " ".join(filter(None, (profile.given_name, profile.surname)))
    profession = f"{profile.profession} ({profile.profession_code})" if profile.profession else ""
    identifier, structure = profile.national_id, profile.structure_id
    return [
        (tr("Holder"), ", ".join(filter(None, (holder, profile.title)))),
        (tr("Identifier"), f"{identifier} ({identifier.formatted})" if identifier else ""),
        (tr("Profession"), profession),
        (tr("Specialties"), ", ".join(profile.specialties)),
        (tr("Card"), " ".join(filter(None, (profile.card_type, profile.card_number)))),
        (tr("Organisation"), ", ".join(filter(None, (profile.organisation, profile.department)))),
        (tr("Structure"), f"{structure} ({structure.formatted})" if structure else ""),
    ]


def _names(profile: CertificateProfile) -> _Pairs:
    return [
        (tr("Name (CN)"), "" if profile.national_id else profile.common_name),
        (tr("Servers"), ", ".join(profile.dns_names)),
        (tr("E-mail"), ", ".join(profile.emails)),
        (tr("Logon (UPN)"), profile.upn),
    ]


def _origin(certificate: x509.Certificate, profile: CertificateProfile) -> _Pairs:
    issuer = names.issuer_attributes(certificate).get(names.COMMON_NAME, ("",))[-1]
    return [
        (
            tr("Valid"),
            tr(
                "{not_before:%Y-%m-%d} to {not_after:%Y-%m-%d}",
                not_before=profile.not_before,
                not_after=profile.not_after,
            ),
        ),
        (tr("Serial"), f"{profile.serial:x}"),
        (tr("SHA-256"), fingerprint(certificate)),
        (tr("Issuer"), _display(certificate, "issuer")),
        (tr("Level, domain"), words.level(issuer)),
        (tr("Policy"), ", ".join(profile.policies)),
    ]


# -- the other kinds ---------------------------------------------------------------------------


def _say_key(key: PrivateKey, parts: tuple[Part, ...], mode: int | None) -> None:
    owners = [
        names.label(part.item)
        for part in parts
        if isinstance(part.item, x509.Certificate)
        and _key_facts(part.item)["public_key_sha256"] == key.public_key_sha256
    ]
    kind = tr("private key")
    if key.algorithm:
        kind = tr("{algorithm} private key", algorithm=key.algorithm)
    state = tr("encrypted") if key.encrypted else tr("not encrypted by itself")
    say_pairs(
        [
            (
                tr("What"),
                tr(
                    "{kind} ({form}), {state}; it is not shown",
                    kind=kind,
                    form=key.form,
                    state=state,
                ),
            ),
            (tr("Belongs to"), ", ".join(owners) if key.public_key_sha256 else ""),
            (tr("Public key"), key.public_key_sha256),
        ]
    )
    _say_advice(advising.about_key(key, None if key.form == "PKCS#12" else mode))


def _say_container(container: Container) -> None:
    holds = tr("not opened")
    if container.opened:
        holds = plural("{count} certificate", "{count} certificates", container.certificates)
    say_pairs(
        [
            (tr("What"), tr("{form} file, {holds}", form=container.form, holds=holds)),
            (tr("Its name"), container.friendly_name),
            (tr("Protection"), container.protection),
        ]
    )


def _say_advice(found: Iterable[Advice]) -> None:
    for advice in found:
        level = localized(said(advice.level)).capitalize()
        told = tr("{level}: {message}", level=level, message=advice.message)
        if advice.basis:
            told = tr("{told} [{basis}]", told=told, basis=said(advice.basis))
        text = wrapped(printable(localized(told)), indent="  ")
        coloured = click.style(level, fg=_COLOURS[advice.level])
        say(text.replace(level, coloured, 1))


# -- pieces ------------------------------------------------------------------------------------


def _key_facts(signed: x509.Certificate | x509.CertificateSigningRequest) -> dict[str, str]:
    """Key, its SHA-256, and the hash of the signature; empty when they are not read."""
    try:
        key: PublicKeyTypes = signed.public_key()
        facts = {"key": public_key_name(key), "public_key_sha256": public_key_sha256(key)}
    except KEY_ERRORS:
        facts = {"key": "", "public_key_sha256": ""}
    try:
        algorithm = signed.signature_hash_algorithm
    except KEY_ERRORS:
        algorithm = None
    return {**facts, "signature_hash": algorithm.name if algorithm else ""}


def _key_text(signed: x509.Certificate | x509.CertificateSigningRequest) -> str:
    facts = _key_facts(signed)
    key = facts["key"] or tr("of a kind that is not read")
    if not facts["signature_hash"]:
        return key
    return tr("{key}, signed with {hash}", key=key, hash=facts["signature_hash"].upper())


def _display(signed: x509.Certificate | x509.CertificateSigningRequest, which: str) -> str:
    try:
        return names.display(getattr(signed, which))
    except names.PARSE_ERRORS:
        return ""


def _dns_names(request: x509.CertificateSigningRequest) -> list[str]:
    try:
        found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return list(found.value.get_values_for_type(x509.DNSName))
    except (x509.ExtensionNotFound, *names.PARSE_ERRORS):
        return []


def _scope(crl: Crl) -> str:
    """What its issuing distribution point restricts it to."""
    idp = crl.idp
    if idp is None:
        return ""
    only = {
        tr("certificates of users"): idp.only_contains_user_certs,
        tr("certificates of authorities"): idp.only_contains_ca_certs,
        tr("attribute certificates"): idp.only_contains_attribute_certs,
        tr("of several issuers"): idp.indirect_crl,
    }
    told: list[str] = [text for text, held in only.items() if held]
    told += sorted(reason.value for reason in idp.only_some_reasons or ())
    return joined(", ", (*told, *uris(idp.full_name)))


def _advice_documents(found: Iterable[Advice]) -> list[dict[str, str | None]]:
    return [advice.to_dict() for advice in found]
