"""A certificate whose key is made here: nothing is lost, whatever breaks on the way."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from fake_platform import AT, FakePlatform

from igcsante.certs.load import certificates_from_path
from igcsante.certs.requests import read_key
from igcsante.errors import (
    CertificateInvalidError,
    NetworkError,
    PlatformRefusedError,
    StorageError,
    UsageError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws import enrolment as module
from igcsante.ws.enrolment import prepare, retrieve, submit
from igcsante.ws.journal import Journal, OrderState
from igcsante.ws.model import Offre, Usage

CODE = Secret("revocation-code")
PASSWORD = Secret("p12-password")
WANTED = {
    "offre": Offre.ORG,
    "usage": Usage.AUTH_CLI,
    "structure": StructureId.parse("318751275100020"),
    "service_name": "Échange de santé",
    "emails": ("pki@exemple.fr",),
}


class IssuingPlatform(FakePlatform):
    """Issues what the CSR of the last order asks for, or for another key."""

    def __init__(self) -> None:
        super().__init__(b"")
        self._ca = rsa.generate_private_key(65537, 2048)
        self.certified = None

    def order_product(self, request):
        key = x509.load_pem_x509_csr(request.csr).public_key()
        self.issue(self.certified or key)
        return super().order_product(request)

    def issue(self, public_key) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(public_key)
            .serial_number(0x0AFF)
            .not_valid_before(AT)
            .not_valid_after(AT + timedelta(days=1))
            .sign(self._ca, hashes.SHA256())
        )
        self.certificate = certificate.public_bytes(Encoding.DER)


@pytest.fixture
def platform() -> IssuingPlatform:
    return IssuingPlatform()


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "data" / "journal.sqlite") as journal:
        yield journal


def order(platform, journal, folder, **options):
    return submit(prepare(folder, **WANTED), platform, journal, at=AT, **options)


def withdraw(entry, platform, journal, **options):
    return retrieve(entry, platform, journal, revocation_code=CODE, accepted=True, at=AT, **options)


def test_wrong_field_is_told_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="usage"):
        prepare(tmp_path / "out", **{**WANTED, "usage": Usage.SSL_SERV})
    assert not (tmp_path / "out").exists()


def test_key_is_on_disk_before_the_order_leaves(tmp_path, platform, journal):
    seen = []
    platform.seen_by_journal = lambda request: seen.extend((tmp_path / "out").iterdir())
    entry = order(platform, journal, tmp_path / "out", card_number="2900000001")
    assert [str(path) for path in seen] == [entry.key_path]
    assert stat.S_IMODE(os.stat(entry.key_path).st_mode) == 0o600  # noqa: PTH116
    assert entry.state is OrderState.ORDERED and entry.card_number == "2900000001"
    assert Path(entry.key_path).name.startswith("Echange-de-sante-")


def test_refused_order_leaves_no_key(tmp_path, platform, journal):
    platform.error, platform.works = PlatformRefusedError("no", fault="F"), False
    with pytest.raises(PlatformRefusedError):
        order(platform, journal, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert journal.list()[0].state is OrderState.REFUSED


def test_order_in_doubt_keeps_its_key_and_is_found_again(tmp_path, platform, journal):
    platform.error, platform.reachable = NetworkError("hung up", outcome_unknown=True), False
    with pytest.raises(NetworkError):
        order(platform, journal, tmp_path / "out")
    entry = journal.list()[0]
    assert entry.state is OrderState.UNKNOWN and Path(entry.key_path).exists()

    platform.error, platform.reachable = None, True
    issued = withdraw(entry, platform, journal)
    assert issued.entry.state is OrderState.WITHDRAWN


def test_unwritable_folder_stops_before_the_order(tmp_path, platform, journal):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(StorageError):
        order(platform, journal, tmp_path / "out")
    assert platform.products == [] and journal.list() == ()


def test_certificate_is_written_beside_its_key(tmp_path, platform, journal):
    entry = order(platform, journal, tmp_path / "out", key_passphrase=Secret("passphrase"))
    issued = withdraw(
        entry, platform, journal, key_passphrase=Secret("passphrase"), p12_password=PASSWORD
    )
    assert set(issued.files) == {"key", "certificate", "certificate_der", "chain", "pkcs12"}
    assert {path.parent for path in issued.files.values()} == {tmp_path / "out"}
    assert certificates_from_path(issued.files["certificate"]) == (issued.certificate,)
    key = read_key(issued.files["key"], Secret("passphrase"))
    assert key.public_key() == issued.certificate.public_key()
    assert journal.get(str(entry.id)).certificate_path == str(issued.files["certificate"])


def test_key_that_is_gone_or_locked_stops_before_the_withdrawal(tmp_path, platform, journal):
    entry = order(platform, journal, tmp_path / "out", key_passphrase=Secret("passphrase"))
    with pytest.raises(UsageError, match="passphrase"):
        withdraw(entry, platform, journal)
    Path(entry.key_path).unlink()
    with pytest.raises(UsageError, match="No such file"):
        withdraw(entry, platform, journal)
    assert journal.get(str(entry.id)).state is OrderState.ORDERED


def test_second_withdrawal_is_not_sent(tmp_path, platform, journal):
    entry = order(platform, journal, tmp_path / "out")
    issued = withdraw(entry, platform, journal)
    platform.error = AssertionError("nothing may be sent")
    with pytest.raises(UsageError, match="can't be retrieved: withdrawn"):
        withdraw(issued.entry, platform, journal)


def test_full_disk_gives_the_certificate_in_the_error(tmp_path, platform, journal, monkeypatch):
    entry = order(platform, journal, tmp_path / "out")

    def full(*args, **options):
        raise StorageError("No space left on device; nothing was written")

    monkeypatch.setattr(module, "write_bundle", full)
    with pytest.raises(StorageError, match="issued, but could not be written") as caught:
        withdraw(entry, platform, journal)
    assert x509.load_pem_x509_certificate(caught.value.advice.encode().split(b"\n", 1)[1])
    assert journal.get(str(entry.id)).state is OrderState.WITHDRAWN


def test_certificate_of_another_key_is_refused(tmp_path, platform, journal):
    platform.certified = rsa.generate_private_key(65537, 2048).public_key()
    entry = order(platform, journal, tmp_path / "out")
    with pytest.raises(CertificateInvalidError, match="not that of the certificate"):
        withdraw(entry, platform, journal)
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".pem"]  # the key
