"""A small fleet for the tests of ``igc check``: files of a simulated PKI, and how to run it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.certs.requests import new_key
from igcsante.testing.pki import SimulatedPki, SoftwareSubject, StructureName

DAY = timedelta(days=1)
YEARS_3 = timedelta(days=3 * 365 + 1)
HOSTILE = "=cmd|' /C calc'!A0<script>alert(1)</script>"
_STRUCTURE = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")


class Fleet:
    """``work`` holds four certificates: good, revoked, expired, and ending in ten days."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime.now(UTC).replace(microsecond=0)
        self.pki = SimulatedPki.create(at=self.now - 1300 * DAY, base_url="http://127.0.0.1:9")
        self.key: rsa.RSAPrivateKey = new_key()
        self.good = self.leaf("bon", self.now - DAY)
        self.revoked = self.leaf(HOSTILE, self.now - 2 * DAY)
        self.expired = self.leaf("échu", self.now - 1200 * DAY)
        self.ending = self.leaf("bientôt", self.now - YEARS_3 + 10 * DAY)
        self.revoked_on = self.now - DAY
        self.pki.revoke(
            self.revoked.serial_number, self.revoked_on, x509.ReasonFlags.key_compromise
        )
        for name in ("good", "revoked", "expired", "ending"):
            self.write(f"work/{name}.pem", getattr(self, name))
        for code, authority in self.pki.authorities.items():
            self.write(f"ca/{code}.pem", authority.certificate)
            path = folder / "crl" / f"{code}.crl"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(self.pki.crl(code, self.now))

    def leaf(self, name: str, at: datetime) -> x509.Certificate:
        subject = SoftwareSubject(name, _STRUCTURE)
        return self.pki.issue_software(
            offre="ORG",
            usage="AUTH_CLI",
            subject=subject,
            public_key=self.key.public_key(),
            at=at,
        )

    def write(self, name: str, certificate: x509.Certificate) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        return path

    @property
    def work(self) -> Path:
        return self.folder / "work"

    @property
    def issuer(self) -> Path:
        return self.folder / "ca" / "ACI-EL-ORG-TEST.pem"

    def offline(self, at: datetime | None = None) -> tuple[str | Path, ...]:
        """The options that check against this PKI at its own instant."""
        instant = (at or self.now + timedelta(seconds=1)).isoformat()
        return (
            *("check", "--offline", "--at", instant),
            *("--anchors", self.folder / "ca", "--crl", self.folder / "crl"),
        )
