"""The main job from end to end on simulated parts, a step at a time (issue: igc demo).

:func:`main_job` is the job itself, over any reader and platform, through the code that real
ones would go through; :func:`run_demo` gives it a simulated world.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509

from ..card.readers import Reader, open_card
from ..card.session import CpsCard
from ..certs.anchors import TrustStore
from ..certs.chain import issuers_of
from ..certs.check import check
from ..certs.export import KEY_SUFFIX, certificate_pem
from ..certs.load import certificates_from_path
from ..certs.network.fetch import CrlFetcher
from ..certs.profile import decode
from ..certs.verdict import Kind, Verdict
from ..certs.x509.names import display_subject
from ..config import Profile
from ..credentials import Credential
from ..errors import ConfigError, IgcError
from ..files import write_atomic
from ..instants import shown
from ..messages import plural, tr
from ..secret import Secret
from ..tls import client_context, signatures_made
from ..ws.client import ZeepPlatform
from ..ws.model import Offre, Revocation, RevocationReason, Usage
from ..ws.orders.enrolment import Delivery, Issued, prepare, retrieve, submit
from ..ws.orders.journal import Journal
from ..ws.orders.lifecycle import revoke
from ..ws.orders.order_key import NewKey
from .cards import SimulatedReader
from .world import SimulatedWorld

SERVICE = "igcsante-demo"
EMAIL = "equipe@ch-simulation.example"
# What each step is called, by its stable name.
TITLES = {
    "simulation": tr("Simulation"),
    "reader": tr("Reader"),
    "card": tr("Card"),
    "holder": tr("Holder"),
    "tries": tr("PIN tries"),
    "pin": tr("PIN"),
    "tls": tr("Mutual TLS"),
    "habilitations": tr("Habilitations"),
    "key": tr("Key and CSR"),
    "order": tr("Order"),
    "retrieve": tr("Certificate"),
    "files": tr("Files"),
    "check": tr("Check"),
    "revoke": tr("Revocation"),
    "recheck": tr("Check again"),
    "signatures": tr("Card use"),
}


@dataclass(frozen=True)
class Step:
    """A step that succeeded: its stable name, a line for people, its data."""

    step: str
    text: str
    data: dict[str, Any]

    @property
    def title(self) -> str:
        return TITLES[self.step]


def run_demo(card_profile: str, directory: Path) -> Iterator[Step]:
    """The job with a simulated card, PKI and platform; its files go to ``directory``.

    Yields each step when it is done. Raises the IgcError of the step that failed.
    """
    with SimulatedWorld() as world:
        card = world.card(card_profile)
        yield Step(
            "simulation",
            tr(
                "mock platform and PKI on this machine, simulated {profile} test card",
                profile=card.profile.name,
            ),
            {"platform": world.endpoint, "pki": world.pki.base_url, "card": card.profile.name},
        )
        reader = SimulatedReader("Simulated reader", card)
        pin = Secret(card.profile.pin)
        _keep_authorities(world, directory / "ca")
        for done in main_job([reader], world.profile, pin, directory):
            if done.step == "check":
                _keep_crls(world, directory / "crl-before-revocation")
            yield done
        _keep_crls(world, directory / "crl")


def main_job(
    readers: Sequence[Reader], profile: Profile, pin: Secret, directory: Path
) -> Iterator[Step]:
    """Read the card, order, retrieve, check, revoke, check again.

    ``profile`` names platform, anchors and CRL hosts. The certificate is revoked at the end.
    """
    store = TrustStore.from_certificates(
        certificate for path in profile.anchors for certificate in certificates_from_path(path)
    )
    with ExitStack() as stack:
        card = stack.enter_context(open_card(readers=readers))
        yield from _identify(card)
        card.verify_pin(pin)
        yield Step("pin", tr("verified, sent once"), {})
        authentication = card.certificate("authentication")
        credential = card.credential(chain=issuers_of(authentication, store))
        journal = stack.enter_context(Journal(directory / "journal.sqlite"))
        yield from _certify(stack, credential, journal, profile, store, directory)


def _identify(card: CpsCard) -> Iterator[Step]:
    yield Step(
        "reader",
        tr(
            "{reader_name} holds a {generation}",
            reader_name=card.reader_name,
            generation=card.generation,
        ),
        {"reader": card.reader_name, "generation": card.generation, "atr": card.atr},
    )
    holder = decode(card.certificate("authentication"))
    yield Step(
        "card",
        tr(
            "{world} {card_type} number {card_number}, serial {serial}",
            world=holder.world.upper(),
            card_type=holder.card_type,
            card_number=holder.card_number,
            serial=card.serial,
        ),
        {"card_number": holder.card_number, "serial": card.serial, "world": holder.world},
    )
    identifier = card.national_id()
    name = f"{holder.given_name} {holder.surname}"
    yield Step(
        "holder",
        tr(
            "{name}, {title}, {identifier} ({type_name})",
            name=name,
            title=holder.title,
            identifier=identifier,
            type_name=identifier.type_name,
        ),
        {"name": name, "title": holder.title, "national_id": str(identifier)},
    )
    pin = card.pin_status()
    yield Step(
        "tries",
        tr(
            "{tries_left} of {max_tries} left (reading them uses none)",
            tries_left=pin.tries_left,
            max_tries=pin.max_tries,
        ),
        {"tries_left": pin.tries_left, "max_tries": pin.max_tries},
    )


def _certify(
    stack: ExitStack,
    credential: Credential,
    journal: Journal,
    profile: Profile,
    store: TrustStore,
    directory: Path,
) -> Iterator[Step]:
    if profile.platform is None:
        raise ConfigError(tr("the profile {profile} names no platform", profile=profile.name))
    context = client_context(credential, store.roots)
    platform = stack.enter_context(
        ZeepPlatform(profile.platform, context, wsdl=profile.wsdl, mapping=profile.mapping)
    )
    habilitations = platform.list_habilitations()
    yield Step(
        "tls",
        tr(
            "{tls_version}, server verified, signed by the card (signatures: {count})",
            tls_version=platform.tls_version,
            count=signatures_made(context),
        ),
        {"version": platform.tls_version, "card_signatures": signatures_made(context)},
    )
    structure = next(line.structure for line in habilitations if line.offre is Offre.ORG)
    yield Step(
        "habilitations",
        tr(
            "{count}; ordering for {structure} ({national_id})",
            count=len(habilitations),
            structure=structure.name,
            national_id=structure.national_id,
        ),
        {"count": len(habilitations), "structure_id": str(structure.national_id)},
    )

    own_key = NewKey()
    enrolment = prepare(
        directory,
        own_key,
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=structure.national_id,
        service_name=SERVICE,
        emails=(EMAIL,),
    )
    yield Step(
        "key",
        tr("RSA {bits}, made here; the key stays here", bits=own_key.bits),
        {"bits": own_key.bits},
    )
    entry = submit(enrolment, platform, journal, at=_now(), platform=profile.platform)
    yield Step(
        "order",
        tr(
            "ORG AUTH_CLI {service}: product {product_id}, {meaning}",
            service=SERVICE,
            product_id=entry.product_id,
            meaning=entry.state.meaning,
        ),
        {"product_id": entry.product_id, "state": str(entry.state)},
    )
    code, p12_password = Secret(secrets.token_urlsafe(12)), Secret(secrets.token_urlsafe(12))
    write_atomic(
        directory / "secrets.txt",
        f"revocation code: {code.text()}\nPKCS#12 password: {p12_password.text()}\n".encode(),
    )
    delivery = Delivery(code, accepted=True, p12_password=p12_password)
    issued = retrieve(entry, platform, journal, delivery, at=_now())
    yield from _delivered(issued)
    yield from _live_and_die(issued, platform, journal, profile, store, code)
    yield Step(
        "signatures",
        plural(
            "{count} signature and 1 PIN check for the whole job",
            "{count} signatures and 1 PIN check for the whole job",
            signatures_made(context),
        ),
        {"card_signatures": signatures_made(context)},
    )


def _delivered(issued: Issued) -> Iterator[Step]:
    certificate = issued.certificate
    serial = f"{certificate.serial_number:x}"
    yield Step(
        "retrieve",
        tr(
            "issued, serial …{serial}, until {not_valid_after_utc:%Y-%m-%d}",
            serial=serial[-8:],
            not_valid_after_utc=certificate.not_valid_after_utc,
        ),
        {
            "serial": serial,
            "subject": display_subject(certificate),
            "not_after": certificate.not_valid_after_utc,
        },
    )
    yield Step(
        "files",
        tr(
            "{name}.*: key, certificate, chain, PKCS#12 (0600)",
            name=issued.files["key"].name.removesuffix(KEY_SUFFIX),
        ),
        {"files": {kind: str(path) for kind, path in issued.files.items()}},
    )


def _live_and_die(
    issued: Issued,
    platform: ZeepPlatform,
    journal: Journal,
    profile: Profile,
    store: TrustStore,
    code: Secret,
) -> Iterator[Step]:
    verdict = _verdict(issued.certificate, store, profile)
    _expect(verdict, Kind.GOOD)
    yield Step(
        "check",
        tr(
            "good: chain of {count}, not in CRL {number}",
            count=len(verdict.chain),
            number=verdict.evidence[0].number,
        ),
        {"verdict": str(verdict.kind), "crl_number": verdict.evidence[0].number},
    )
    revocation = Revocation(code, RevocationReason.NON_PRECISE, product_id=issued.entry.product_id)
    revoked_at = revoke(platform, journal, issued.entry, revocation, at=_now()).revoked_at
    yield Step(
        "revoke",
        tr("done on {revoked_at}; it is final", revoked_at=shown(revoked_at, seconds=True)),
        {"revoked_on": revoked_at},
    )
    verdict = _verdict(issued.certificate, store, profile)
    _expect(verdict, Kind.REVOKED)
    yield Step(
        "recheck",
        tr(
            "revoked on {revoked_on}, in CRL {number}",
            revoked_on=shown(verdict.revoked_on, seconds=True),
            number=verdict.evidence[0].number,
        ),
        {
            "verdict": str(verdict.kind),
            "revoked_on": verdict.revoked_on,
            "crl_number": verdict.evidence[0].number,
        },
    )


def _verdict(certificate: x509.Certificate, store: TrustStore, profile: Profile) -> Verdict:
    return check(certificate, store, fetcher=CrlFetcher(profile.http_hosts), at=_now())


def _expect(verdict: Verdict, kind: Kind) -> None:
    if verdict.kind is not kind:
        verdict.raise_unless_good()
        raise IgcError(
            tr(
                "the certificate is {kind}, where it should be {kind_2}",
                kind=verdict.kind,
                kind_2=kind,
            )
        )


def _keep_authorities(world: SimulatedWorld, directory: Path) -> None:
    """The authorities beside the certificate, for openssl or any other judge."""
    for code, authority in world.pki.authorities.items():
        write_atomic(directory / f"{code}.pem", certificate_pem(authority.certificate))


def _keep_crls(world: SimulatedWorld, directory: Path) -> None:
    for code in world.pki.authorities:
        write_atomic(directory / f"{code}.crl", world.pki.crl(code, _now()))


def _now() -> datetime:
    return datetime.now(UTC)
