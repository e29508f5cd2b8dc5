"""The simulated PKI as a whole: made, saved, loaded; issues and revokes.

Real X.509 under our own names, for tests and demonstrations: nothing outside them should
ever trust it. Certificates say where their CRL and issuer are with ``base_url``, where a
:class:`~igcsante.testing.pki.server.PkiServer` serves them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ...errors import ConfigError, UsageError
from ...files import private_directory, read_bounded, write_atomic
from ...messages import tr
from ..cards.material import CardMaterial, KeyPair
from ..cards.profile import CardProfile
from .authority import (
    PUBLIC_EXPONENT,
    Authority,
    AuthorityKey,
    intermediate_authority,
    root_authority,
)
from .hierarchy import HIERARCHY, LDAP_URL, AuthorityName
from .leaves import (
    SOFTWARE,
    SoftwareSubject,
    StructureName,
    card_authority,
    card_leaf,
    software_leaf,
)
from .revocations import Revocation, RevocationRegister

LEAF_KEY_BITS = 2048
YEARS_BEFORE = 10
SERVER_STRUCTURE = StructureName("Paris (75)", "IGCSANTE SIMULATION", "300000000000000")


class SimulatedPki:
    """Roots, intermediates, and what they sign. Safe to use from several threads."""

    def __init__(
        self,
        authorities: Mapping[str, Authority],
        base_url: str,
        register: RevocationRegister,
        *,
        ldap_url: str = LDAP_URL,
        http_deltas: bool = False,
    ) -> None:
        """Leaves say that delta CRLs are in the directory at ``ldap_url``, as the ANS's do;
        with ``http_deltas`` they name an HTTP address before it.
        """
        self._authorities = {
            code: replace(
                authority, delta_urls=_delta_urls(authority, base_url, ldap_url, http_deltas)
            )
            for code, authority in authorities.items()
        }
        self._register = register
        self.base_url = base_url
        self._ldap_url = ldap_url
        self._http_deltas = http_deltas

    # -- making, saving, loading -------------------------------------------------------

    @classmethod
    def create(
        cls,
        *,
        at: datetime,
        base_url: str,
        ca_key_bits: int = 2048,
        ldap_url: str = LDAP_URL,
        http_deltas: bool = False,
    ) -> SimulatedPki:
        """A new PKI, about half a second; its authorities are ten years old at ``at``.

        The ANS's authorities have RSA-4096 keys; 2048 bits make the same tests faster.
        """
        start = datetime(at.year - YEARS_BEFORE, 6, 25, tzinfo=UTC)
        with ThreadPoolExecutor() as workers:  # key generation releases the GIL
            keys = list(workers.map(lambda name: _authority_key(name, ca_key_bits), HIERARCHY))
        authorities: dict[str, Authority] = {}
        for name, key in zip(HIERARCHY, keys, strict=True):
            if name.is_root:
                authorities[name.code] = root_authority(name, key, start)
            else:
                root = authorities[name.issuer_code]
                authorities[name.code] = intermediate_authority(name, key, root, base_url)
        return cls(
            authorities,
            base_url,
            RevocationRegister(),
            ldap_url=ldap_url,
            http_deltas=http_deltas,
        )

    def save(self, directory: Path) -> None:
        """Write everything to ``directory`` (0700), and every later revocation too.

        Raises StorageError, also when a PKI is already there.
        """
        private_directory(directory)
        for authority in self._authorities.values():
            save_key_pair(directory, authority.name.code, authority)
        self._register.save(directory / "revoked")
        content = {
            "base_url": self.base_url,
            "ldap_url": self._ldap_url,
            "http_deltas": self._http_deltas,
        }
        write_atomic(directory / "pki.json", json.dumps(content).encode())

    @classmethod
    def load(cls, directory: Path) -> SimulatedPki:
        """The PKI that :meth:`save` wrote. Raises ConfigError when it isn't one."""
        try:
            saved = json.loads(read_bounded(directory / "pki.json"))
            places = {"base_url": saved["base_url"]} | {
                name: saved[name] for name in ("ldap_url", "http_deltas") if name in saved
            }
            authorities = {name.code: _load_authority(directory, name) for name in HIERARCHY}
        except (UsageError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(
                tr(
                    "{directory}: no simulated PKI, or a damaged one: {error}",
                    directory=directory,
                    error=error,
                ),
                advice=tr("remove that folder: a new one is made on the next use"),
            ) from None
        return cls(authorities, register=RevocationRegister(directory / "revoked"), **places)

    # -- what it is --------------------------------------------------------------------

    @property
    def authorities(self) -> Mapping[str, Authority]:
        """Every authority by file code, ``ACI-EL-ORG-TEST``."""
        return self._authorities

    @property
    def roots(self) -> tuple[x509.Certificate, ...]:
        return tuple(a.certificate for a in self._authorities.values() if a.name.is_root)

    @property
    def intermediates(self) -> tuple[x509.Certificate, ...]:
        return tuple(a.certificate for a in self._authorities.values() if not a.name.is_root)

    def chain(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """The intermediate and the root above a leaf. Raises UsageError for a stranger."""
        authority = self._issuer(certificate.serial_number)
        return (authority.certificate, self._authorities[authority.name.issuer_code].certificate)

    # -- issuing -----------------------------------------------------------------------

    def issue_card(self, profile: CardProfile, at: datetime) -> CardMaterial:
        """Keys and certificates of a card (card.md §4.2), three years from ``at``.

        Those of a card whose state is ``opposed`` are revoked at ``at``.
        """
        authority = self._authorities[card_authority(profile)]
        pairs = {}
        for purpose in profile.key_roles:
            key = new_key()
            certificate = card_leaf(
                authority, self.base_url, profile, purpose, key.public_key(), _second(at)
            )
            pairs[purpose] = KeyPair(key, certificate)
            if profile.state == "opposed":
                self.revoke(certificate.serial_number, at)
        return CardMaterial(**pairs)

    def issue_software(
        self,
        *,
        offre: str,
        usage: str,
        subject: SoftwareSubject,
        public_key: rsa.RSAPublicKey,
        at: datetime,
    ) -> x509.Certificate:
        """A software certificate (platform.md §3). Raises UsageError for no such usage."""
        profile = SOFTWARE.get((offre, usage))
        if profile is None:
            raise UsageError(tr("the offer {offre} has no usage {usage}", offre=offre, usage=usage))
        authority = self._authorities[profile.authority]
        return software_leaf(authority, self.base_url, profile, subject, public_key, _second(at))

    def issue_server(self, names: tuple[str, ...], at: datetime) -> KeyPair:
        """A TLS server's key and SSL_SERV certificate for DNS names or addresses."""
        key = new_key()
        subject = SoftwareSubject(names[0], SERVER_STRUCTURE, names=names)
        certificate = self.issue_software(
            offre="SERV", usage="SSL_SERV", subject=subject, public_key=key.public_key(), at=at
        )
        return KeyPair(key, certificate)

    # -- revoking ----------------------------------------------------------------------

    def revoke(
        self, serial: int, at: datetime, reason: x509.ReasonFlags | None = None
    ) -> Revocation:
        """Revoke for good; a second time changes nothing. Raises UsageError for a stranger.

        The ANS's CRLs give no reason; one that is passed here shows in ours.
        """
        self._issuer(serial)
        return self._register.add(Revocation(serial, _second(at), reason))

    def revocation(self, serial: int, at: datetime) -> Revocation | None:
        """The revocation of a serial number that holds at ``at``."""
        found = self._register.find(serial)
        return found if found is not None and found.date <= at else None

    def revoked_count(self, authority: str, at: datetime) -> int:
        """How many certificates of an authority are revoked at ``at``."""
        return sum(item.date <= at for item in self._revoked_by(authority))

    def crl(self, authority: str, at: datetime) -> bytes:
        """The DER CRL of an authority, by file code, in force at ``at``."""
        return self._authority(authority).crl(self._revoked_by(authority), _second(at))

    def delta_crl(self, authority: str, at: datetime) -> bytes:
        """The DER delta CRL of an authority, which completes any CRL made since midnight."""
        return self._authority(authority).delta_crl(self._revoked_by(authority), _second(at))

    def _revoked_by(self, authority: str) -> list[Revocation]:
        issued = self._authority(authority).issued
        return [item for item in self._register.all() if issued(item.serial)]

    def _authority(self, code: str) -> Authority:
        if code not in self._authorities:
            raise UsageError(tr("there is no authority {code}", code=code))
        return self._authorities[code]

    def _issuer(self, serial: int) -> Authority:
        for authority in self._authorities.values():
            if authority.issued(serial):
                return authority
        raise UsageError(
            tr("no authority of this PKI gave the serial number {serial:x}", serial=serial)
        )


def _delta_urls(authority: Authority, base_url: str, ldap_url: str, http: bool) -> tuple[str, ...]:
    directory = authority.name.ldap_delta_url(ldap_url)
    return (authority.name.delta_url(base_url), directory) if http else (directory,)


def new_key(bits: int = LEAF_KEY_BITS) -> rsa.RSAPrivateKey:
    """A new RSA key."""
    return rsa.generate_private_key(PUBLIC_EXPONENT, bits)


def save_key_pair(directory: Path, stem: str, pair: KeyPair | Authority) -> None:
    """``stem.pem`` and ``stem.key``, both 0600 and never overwritten."""
    key = pair.private_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_atomic(directory / f"{stem}.key", key)
    write_atomic(directory / f"{stem}.pem", pair.certificate.public_bytes(Encoding.PEM))


def load_key_pair(directory: Path, stem: str) -> KeyPair:
    """What :func:`save_key_pair` wrote. Raises UsageError or ValueError."""
    key, certificate = _load(directory, stem)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("not an RSA key")
    return KeyPair(key, certificate)


def _load_authority(directory: Path, name: AuthorityName) -> Authority:
    key, certificate = _load(directory, name.code)
    return Authority(name, certificate, key)


def _load(directory: Path, stem: str) -> tuple[AuthorityKey, x509.Certificate]:
    # We wrote it: to test the primes again would take 40 ms a key at each start.
    pem = read_bounded(directory / f"{stem}.key")
    key = load_pem_private_key(pem, None, unsafe_skip_rsa_key_validation=True)
    certificate = x509.load_pem_x509_certificate(read_bounded(directory / f"{stem}.pem"))
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise ValueError("neither an RSA nor an elliptic curve key")
    return key, certificate


def _authority_key(name: AuthorityName, bits: int) -> AuthorityKey:
    return ec.generate_private_key(ec.SECP256R1()) if name.curve else new_key(bits)


def _second(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(microsecond=0)
