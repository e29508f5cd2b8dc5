"""``igc inspect``: what an IGC-Santé certificate is, in words. Nothing is verified here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..text import printable
from . import ask
from .output import Settings, common_options, emit, say, say_pairs, talk

if TYPE_CHECKING:
    from cryptography import x509

    from ..certs.profile import CertificateProfile

_PRODUCTS = {
    "card": "certificate of a CPx card",
    "software": "software certificate",
    "module": "certificate of a security module",
}


@click.command("inspect")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--password-source", help="Where the password of a PKCS#12 comes from.")
@common_options
def inspect_command(
    settings: Settings, files: tuple[Path, ...], password_source: str | None
) -> None:
    """Say in words what the certificates in FILES are. Verifies nothing: see igc check."""
    from ..certs.load import certificates_from_path
    from ..certs.profile import decode

    password = ask.optional_secret(password_source)
    first = True
    for path in files:
        for certificate in certificates_from_path(path, password):
            profile = decode(certificate)
            if settings.json:
                emit({"file": str(path), **profile.to_dict()}, schema="igc.certificate/1")
                continue
            if not first:
                say("")
            first = False
            _print(path, certificate, profile)


def _print(path: Path, certificate: x509.Certificate, profile: CertificateProfile) -> None:
    from ..certs.names import display

    holder = " ".join(filter(None, (profile.given_name, profile.surname)))
    profession = f"{profile.profession} ({profile.profession_code})" if profile.profession else ""
    say(click.style(printable(str(path)), bold=True))
    say_pairs(
        [
            ("What", _what(profile)),
            ("World", "TEST" if profile.world == "test" else profile.world),
            ("Holder", ", ".join(filter(None, (holder, profile.title)))),
            ("Identifier", _identifier(profile)),
            ("Profession", profession),
            ("Specialties", ", ".join(profile.specialties)),
            ("Card", " ".join(filter(None, (profile.card_type, profile.card_number)))),
            ("Name (CN)", "" if profile.national_id else profile.common_name),
            ("Organisation", ", ".join(filter(None, (profile.organisation, profile.department)))),
            ("Structure", _structure(profile)),
            ("Servers", ", ".join(profile.dns_names)),
            ("Logon (UPN)", profile.upn),
            ("Key usage", ", ".join((*profile.key_usages, *profile.extended_key_usages))),
            ("Valid", f"{profile.not_before:%Y-%m-%d} to {profile.not_after:%Y-%m-%d}"),
            ("Serial", f"{profile.serial:x}"),
            ("Issuer", display(certificate.issuer)),
            ("Revocation", ", ".join((*profile.crl_urls[:1], profile.ocsp_url)).strip(", ")),
        ]
    )
    for warning in profile.warnings:
        talk(f"Warning: {printable(str(path))}: {printable(warning)}")


def _what(profile: CertificateProfile) -> str:
    if profile.authority:
        return "certificate of an authority"
    kind = _PRODUCTS.get(profile.product or "", "certificate")
    usage = " ".join(filter(None, (profile.offer, profile.usage)))
    return f"{kind}, {usage}" if usage else kind


def _identifier(profile: CertificateProfile) -> str:
    if profile.national_id is None:
        return ""
    return f"{profile.national_id} ({profile.national_id.type_name})"


def _structure(profile: CertificateProfile) -> str:
    if profile.structure_id is None:
        return ""
    return f"{profile.structure_id} ({profile.structure_id.type_name})"
