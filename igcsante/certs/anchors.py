"""The CAs of IGC-Santé by their fingerprints, and the trust store built from them.

Fingerprints and addresses only (facts sheet pki.md §1 and §2); the certificates themselves
come from the ANS and are imported by the user. Production fingerprints match a list that
the ANS printed; those of TEST were only observed, in many public copies.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from ..config import data_directory
from ..errors import CertificateInvalidError, StorageError, UsageError
from ..files import private_directory, write_atomic
from ..messages import reason_of, tr
from .load import certificates_from_path
from .x509.signatures import is_self_signed

_SITE = "http://igc-sante.esante.gouv.fr"


@dataclass(frozen=True)
class PinnedAnchor:
    """A CA of the ANS. ``source``: ``official`` (printed by the ANS) or ``observed``."""

    name: str
    common_name: str
    world: str
    role: str
    sha256: str
    source: str

    @property
    def url(self) -> str:
        """Where the ANS publishes the certificate (DER)."""
        folder = "AC" if self.world == "production" else "AC%20TEST"
        return f"{_SITE}/{folder}/{self.name}.cer"

    @property
    def crl_url(self) -> str:
        """Where the list of what it revoked is: seen in certificates for most of them, by the
        same pattern for the others (pki.md §2)."""
        return f"{_SITE}/CRL/{self.name}.crl"


def _production(name: str, common_name: str, sha256: str) -> PinnedAnchor:
    return PinnedAnchor(name, common_name, "production", _role(name), sha256, "official")


def _test(name: str, common_name: str, sha256: str) -> PinnedAnchor:
    return PinnedAnchor(name, common_name, "test", _role(name), sha256, "observed")


def _role(name: str) -> str:
    return "root" if name.startswith("ACR-") else "intermediate"


PINNED: tuple[PinnedAnchor, ...] = (
    # pki.md §1.1: same as the list of PSCC_SpecFonct_msi_cryptolib 3.3.4, annexe C
    _production(
        "ACR-EL",
        "AC RACINE IGC-SANTE ELEMENTAIRE",
        "2d9e22ca19f777c6b745257c723ecb8df3c35fa6f1f6ec36b83600c97346967f",
    ),
    _production(
        "ACR-ST",
        "AC RACINE IGC-SANTE STANDARD",
        "5891815e864506c662afb32f8de5b8de38bffa1af721780b69e19a0c050386c3",
    ),
    _production(
        "ACR-FO",
        "AC RACINE IGC-SANTE FORT",
        "53d30a19570826bde0c0762501f1f1c7a659f976c6c023123df5239df34a4eea",
    ),
    _production(
        "ACI-EL-ORG",
        "AC IGC-SANTE ELEMENTAIRE ORGANISATIONS",
        "d834ee5b40686b73573f60547bf6052c6d404d942a5665cdb2c0b9137b5d27b2",
    ),
    _production(
        "ACI-EL-PP",
        "AC IGC-SANTE ELEMENTAIRE PERSONNES",
        "19c1eaeab477b6fbc233cda3b53fbdbc3f4e9bf6cf6973e46f7dfaef89c06c6c",
    ),
    _production(
        "ACI-ST-ORG",
        "AC IGC-SANTE STANDARD ORGANISATIONS",
        "c0520a2b14fb68836a807bf86ab2b3e07d1b6061d91bc9c7b86a6f8de4b5638e",
    ),
    _production(
        "ACI-ST-PP",
        "AC IGC-SANTE STANDARD PERSONNES",
        "6c339ebcb3e1b0102b143c9694225c2a4ab2ef6fedf7d364da8db305e7f7d997",
    ),
    _production(
        "ACI-FO-ORG",
        "AC IGC-SANTE FORT ORGANISATIONS",
        "23f69674002d1dd4b018baecd908dc92687942bb48e5140ff895e2f56bc49c0d",
    ),
    _production(
        "ACI-FO-PP",
        "AC IGC-SANTE FORT PERSONNES",
        "38284e4f6107456e70c7439c85da7d564d0fe1fe1a968c9eb6d43e1fc0d63c3a",
    ),
    # pki.md §1.2: observed; the TEST CAs of FORT, and of ST and FO ORGANISATIONS, are missing
    _test(
        "ACR-EL-TEST",
        "TEST AC RACINE IGC-SANTE ELEMENTAIRE",
        "01325aeb193871eec90fa89556804e4185cb362e0ca87a3d79939c71186da805",
    ),
    _test(
        "ACR-ST-TEST",
        "TEST AC RACINE IGC-SANTE STANDARD",
        "d6059a88efd603feb05405197215ccade2a8b389c6f872f9d343e5f53bfbb426",
    ),
    _test(
        "ACI-EL-ORG-TEST",
        "TEST AC IGC-SANTE ELEMENTAIRE ORGANISATIONS",
        "dc528e3788691b3f7950164076f95b02c64334c68662bdede5750b4e0e5338f6",
    ),
    _test(
        "ACI-EL-PP-TEST",
        "TEST AC IGC-SANTE ELEMENTAIRE PERSONNES",
        "67be67df1673552a6c2c110f6603309c4b68fd7b7a2bba847ec87dc5d7c71b1f",
    ),
    _test(
        "ACI-ST-PP-TEST",
        "TEST AC IGC-SANTE STANDARD PERSONNES",
        "d4562312535334d8f7c885c6f5a8b3df0cf7bb3cd0b32954ec0ce4d82939a3f2",
    ),
)
_BY_FINGERPRINT = {pin.sha256: pin for pin in PINNED}


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER octets, in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def pinned_entry(certificate: x509.Certificate) -> PinnedAnchor | None:
    """The pin whose fingerprint this certificate has, or None."""
    return _BY_FINGERPRINT.get(fingerprint(certificate))


@dataclass(frozen=True)
class TrustStore:
    """``roots`` are believed as they are; ``intermediates`` only help to find the way there."""

    roots: tuple[x509.Certificate, ...] = ()
    intermediates: tuple[x509.Certificate, ...] = ()

    @classmethod
    def from_certificates(cls, certificates: Iterable[x509.Certificate]) -> TrustStore:
        """Self-signed certificates become roots, the others intermediates."""
        distinct = tuple(dict.fromkeys(certificates))
        roots = tuple(item for item in distinct if is_self_signed(item))
        return cls(roots, tuple(item for item in distinct if item not in roots))

    def __add__(self, other: TrustStore) -> TrustStore:
        return TrustStore(
            tuple(dict.fromkeys(self.roots + other.roots)),
            tuple(dict.fromkeys(self.intermediates + other.intermediates)),
        )


# -- imported certificates -----------------------------------------------------------------

_UNPINNED_PREFIX = "unpinned-"


@dataclass(frozen=True)
class AnchorEntry:
    """A pin, an imported certificate, or both."""

    pin: PinnedAnchor | None
    certificate: x509.Certificate | None = None
    path: Path | None = None

    @property
    def imported(self) -> bool:
        return self.certificate is not None

    @property
    def sha256(self) -> str:
        """Of the certificate's DER octets, in hexadecimal."""
        if self.pin is not None:
            return self.pin.sha256
        return fingerprint(self.certificate) if self.certificate else ""


@dataclass(frozen=True)
class ImportReport:
    """What an import did with each certificate it was given."""

    imported: tuple[AnchorEntry, ...] = ()
    already: tuple[AnchorEntry, ...] = ()
    refused: tuple[x509.Certificate, ...] = field(default=())


def trust_directory() -> Path:
    """Where imported CA certificates are."""
    return data_directory() / "trust"


def import_anchors(
    certificates: Iterable[x509.Certificate],
    directory: Path | None = None,
    *,
    accept_unpinned: bool = False,
) -> ImportReport:
    """Keep the CA certificates whose fingerprint is pinned; the others are ``refused``.

    With ``accept_unpinned`` the others are kept too: their user answers for them. Raises
    StorageError.
    """
    folder = private_directory(directory or trust_directory())
    present = {entry.path: entry for entry in _imported(folder)}
    imported, already, refused = [], [], []
    for certificate in dict.fromkeys(certificates):
        pin = pinned_entry(certificate)
        if pin is None and not accept_unpinned:
            refused.append(certificate)
            continue
        name = pin.name if pin else _UNPINNED_PREFIX + fingerprint(certificate)
        path = folder / f"{name}.pem"
        entry = AnchorEntry(pin, certificate, path)
        if path in present:
            already.append(entry)
        else:
            write_atomic(path, certificate.public_bytes(Encoding.PEM))
            imported.append(entry)
    return ImportReport(tuple(imported), tuple(already), tuple(refused))


def list_anchors(directory: Path | None = None) -> tuple[AnchorEntry, ...]:
    """Every pin, with its certificate when it was imported, then the unpinned imports.

    Raises CertificateInvalidError when the folder holds something it shouldn't.
    """
    imported = _imported(directory or trust_directory())
    by_pin = {entry.pin: entry for entry in imported if entry.pin}
    pinned = tuple(by_pin.get(pin, AnchorEntry(pin)) for pin in PINNED)
    return pinned + tuple(entry for entry in imported if entry.pin is None)


def find_anchor(name: str, directory: Path | None = None) -> AnchorEntry:
    """The authority of that name in the ANS's files, or whose fingerprint starts so.

    Raises UsageError when there is none or several, and as :func:`list_anchors`.
    """
    wanted = name.lower()
    found = [
        entry
        for entry in list_anchors(directory)
        if (entry.pin and entry.pin.name.lower() == wanted)
        or (len(wanted) >= 4 and entry.sha256.startswith(wanted))
    ]
    if len(found) != 1:
        raise UsageError(
            tr(
                "{which} called {name!r}",
                which=tr("several authorities are") if found else tr("no authority is"),
                name=name,
            ),
            advice=tr("name it as `igc trust list` does, or by the start of its SHA-256"),
        )
    return found[0]


def remove_anchor(entry: AnchorEntry) -> None:
    """Forget an imported certificate; a pin stays known. Raises UsageError, StorageError."""
    if entry.path is None:
        raise UsageError(tr("its certificate was not imported, so there is nothing to remove"))
    try:
        entry.path.unlink()
    except OSError as error:
        raise StorageError(
            tr("{path}: {why}; it was left in place", path=entry.path, why=reason_of(error))
        ) from None


def imported_store(directory: Path | None = None) -> TrustStore:
    """The trust store of what was imported. Raises as :func:`list_anchors`."""
    entries = _imported(directory or trust_directory())
    return TrustStore.from_certificates(
        entry.certificate for entry in entries if entry.certificate is not None
    )


def _imported(folder: Path) -> list[AnchorEntry]:
    """The certificates of the folder, each checked against the fingerprint it is named for."""
    entries: list[AnchorEntry] = []
    if not folder.is_dir():
        return entries
    if os.name == "posix" and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise CertificateInvalidError(
            tr(
                "{folder}: others than its owner may write there, so nothing in it is trusted",
                folder=folder,
            ),
            advice=tr("look at what is in it, then: chmod 700 the folder"),
        )
    for path in sorted(folder.glob("*.pem")):
        for certificate in certificates_from_path(path):
            pin = pinned_entry(certificate)
            expected = pin.name if pin else _UNPINNED_PREFIX + fingerprint(certificate)
            if path.stem != expected:
                raise CertificateInvalidError(
                    tr("{path}: not the certificate that this name stands for", path=path),
                    advice=tr("remove that file, then `igc trust import` the right one"),
                    sha256=fingerprint(certificate),
                )
            entries.append(AnchorEntry(pin, certificate, path))
    return entries
