"""A certificate whose key is made here: nothing is lost, whatever breaks on the way."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
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
    NetworkError,
    PlatformRefusedError,
    StorageError,
    UsageError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, Usage
from igcsante.ws.orders import delivered as module
from igcsante.ws.orders import enrolment
from igcsante.ws.orders.doubts import InDoubtError
from igcsante.ws.orders.enrolment import Delivery, prepare, retrieve, submit
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.overview import Overview
from igcsante.ws.orders.park import Standing, survey
from igcsante.ws.orders.reconcile import refresh
from igcsante.ws.orders.restore import restorable, restore

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
    delivery = Delivery(CODE, accepted=True, **options)
    return retrieve(entry, platform, journal, delivery, at=AT)


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


def test_the_journal_names_a_key_before_it_is_written(tmp_path, platform, journal, monkeypatch):
    seen = []

    def write(directory, stem, *rest):
        seen.append((journal.list()[0].key_path, str(directory / f"{stem}.key.pem")))
        return directory / stem

    monkeypatch.setattr(enrolment, "write_key", write)
    order(platform, journal, tmp_path / "out")
    assert seen and seen[0][0] == seen[0][1]


def test_ctrl_c_before_the_order_leaves_takes_the_key_away(
    tmp_path, platform, journal, monkeypatch
):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(enrolment, "place_order", stop)
    with pytest.raises(KeyboardInterrupt):
        order(platform, journal, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert journal.list()[0].state is OrderState.FAILED


def test_the_key_of_an_order_that_was_killed_is_tidied_up_by_the_next(tmp_path, platform, journal):
    wanted = {**WANTED, "client_reference": "mine"}
    killed = prepare(tmp_path / "out", **wanted)
    enrolment.record_order(journal, killed.request, at=AT, **killed.where())
    left = killed.keep()["key_path"]
    entry = submit(prepare(tmp_path / "out", **wanted), platform, journal, at=AT)
    assert entry.key_path != left
    assert [str(path) for path in (tmp_path / "out").iterdir()] == [entry.key_path]


def test_the_key_of_an_order_in_doubt_survives_a_second_attempt(tmp_path, platform, journal):
    wanted = {**WANTED, "client_reference": "igc-" + "5" * 32}  # it names the same files again
    platform.error, platform.works = NetworkError("hung up", outcome_unknown=True), False
    for expected in (NetworkError, InDoubtError):
        with pytest.raises(expected):
            submit(prepare(tmp_path / "out", **wanted), platform, journal, at=AT)
    entry = journal.list()[0]
    assert entry.state is OrderState.UNKNOWN and Path(entry.key_path).exists()


def test_order_in_doubt_keeps_its_key_and_is_found_again(tmp_path, platform, journal):
    platform.error, platform.reachable = NetworkError("hung up", outcome_unknown=True), False
    with pytest.raises(NetworkError):
        order(platform, journal, tmp_path / "out")
    entry = journal.list()[0]
    assert entry.state is OrderState.UNKNOWN and Path(entry.key_path).exists()

    platform.error, platform.reachable = None, True
    issued = withdraw(entry, platform, journal)
    assert issued.entry.state is OrderState.WITHDRAWN


def test_an_order_that_may_not_be_there_is_not_withdrawn(tmp_path, platform, journal):
    platform.error, platform.works = NetworkError("hung up", outcome_unknown=True), False
    with pytest.raises(NetworkError):
        order(platform, journal, tmp_path / "out")
    platform.error, platform.works = None, True
    with pytest.raises(InDoubtError, match="order 1 is in doubt") as caught:
        withdraw(journal.list()[0], platform, journal)
    assert caught.value.exit_code == 12 and "try again in" in caught.value.advice
    assert journal.list()[0].state is OrderState.UNKNOWN


def test_unwritable_folder_stops_before_the_order(tmp_path, platform, journal):
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="nothing can be written"):
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
    monkeypatch.setattr(module, "write_atomic", full)
    with pytest.raises(StorageError, match="issued, but could not be written") as caught:
        withdraw(entry, platform, journal)
    assert x509.load_pem_x509_certificate(caught.value.advice.encode().split(b"\n", 1)[1])
    assert journal.get(str(entry.id)).state is OrderState.WITHDRAWN


def the_certificate_is_kept(journal, entry):
    entry = journal.get(str(entry.id))
    assert entry.state is OrderState.WITHDRAWN
    assert certificates_from_path(Path(entry.certificate_path))
    assert {path.name.split(".", 1)[1] for path in Path(entry.key_path).parent.iterdir()} == {
        "key.pem",
        "cert.pem",
    }


@pytest.mark.parametrize("trouble", [ValueError("a defect"), StorageError("half full")])
def test_whatever_fails_after_the_issue_the_certificate_is_kept(
    tmp_path, platform, journal, monkeypatch, trouble
):
    entry = order(platform, journal, tmp_path / "out")

    def fails(*args, **options):
        raise trouble

    monkeypatch.setattr(module, "write_bundle", fails)
    with pytest.raises(StorageError, match=f"is in .*cert.pem; .*{trouble}"):
        withdraw(entry, platform, journal)
    the_certificate_is_kept(journal, entry)


def test_interruption_after_the_issue_keeps_the_certificate(
    tmp_path, platform, journal, monkeypatch
):
    entry = order(platform, journal, tmp_path / "out")

    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_bundle", interrupted)
    with pytest.raises(KeyboardInterrupt):
        withdraw(entry, platform, journal)
    the_certificate_is_kept(journal, entry)


def test_certificate_of_another_key_is_kept_and_told(tmp_path, platform, journal):
    platform.certified = rsa.generate_private_key(65537, 2048).public_key()
    entry = order(platform, journal, tmp_path / "out")
    with pytest.raises(StorageError, match="not that of the certificate"):
        withdraw(entry, platform, journal)
    the_certificate_is_kept(journal, entry)
    (product,) = platform.products
    for _ in range(2):  # the platform finds it in order, and no synchronisation makes it so
        entry = refresh(platform, journal, entry, at=AT)
        assert "another key" in entry.unusable
        for products in (None, [product]):
            (line,) = survey([entry], products, at=AT)
            assert line.standing is Standing.LOST
            assert line.problems == (entry.unusable,)
        (line,) = Overview(journal, AT).lines()
        assert (line.standing, line.problems) == (Standing.LOST, (entry.unusable,))


def test_file_in_the_way_stops_before_the_withdrawal(tmp_path, platform, journal):
    entry = order(platform, journal, tmp_path / "out")
    Path(entry.key_path.replace(".key.pem", ".chain.pem")).write_text("mine")
    with pytest.raises(StorageError, match="already there"):
        withdraw(entry, platform, journal)
    assert journal.get(str(entry.id)).state is OrderState.ORDERED


@pytest.mark.parametrize(
    "wrong",
    [
        {"revocation_code": Secret(b"\xff\xfe")},
        {"revocation_code": Secret("a\nb")},
        {"p12_password": Secret(b"\xff\xfe")},
        {"p12_password": Secret("")},
        {"accepted": False},
    ],
)
def test_what_a_delivery_needs_is_checked_before_anything_is_sent(wrong):
    with pytest.raises(UsageError):
        Delivery(**{"revocation_code": CODE, "accepted": True, **wrong})


def test_journal_that_fails_afterwards_does_not_hide_where_the_certificate_is(
    tmp_path, platform, journal, monkeypatch
):
    entry = order(platform, journal, tmp_path / "out")
    change, calls = Journal._change, []

    def full(self, *args, **options):
        calls.append(args)
        if len(calls) > 1:  # the first one claims the order
            raise StorageError("the journal's disk is full")
        return change(self, *args, **options)

    monkeypatch.setattr(Journal, "_change", full)
    with pytest.raises(StorageError, match=r"cert\.pem, but the journal could not note it"):
        withdraw(entry, platform, journal)
    (path,) = (tmp_path / "out").glob("*.cert.pem")
    monkeypatch.undo()
    assert journal.certificates(entry) == ()
    entry = refresh(platform, journal, entry, at=AT)
    assert (entry.state, entry.certificate_path) == (OrderState.WITHDRAWN, str(path))
    assert entry.last_error == ""


def unnoted(tmp_path, platform, journal, monkeypatch):
    """An order whose files were written while the journal could not be; it was told it is lost."""
    entry = order(platform, journal, tmp_path / "out")
    issued = withdraw(entry, platform, journal)
    journal._database.execute("DELETE FROM certificates")
    return journal.update(issued.entry, at=AT, certificate_path=""), issued


def test_a_certificate_that_the_journal_does_not_know_of_is_found_where_it_goes(
    tmp_path, platform, journal, monkeypatch
):
    entry, issued = unnoted(tmp_path, platform, journal, monkeypatch)
    assert restorable(entry, journal)
    again = restore(entry, journal, at=AT)
    assert (again.certificate, again.files) == (issued.certificate, issued.files)
    assert journal.get(str(entry.id)).certificate_path == str(issued.files["certificate"])


def test_another_certificate_in_its_place_is_not_taken_for_it(
    tmp_path, platform, journal, monkeypatch
):
    entry, _ = unnoted(tmp_path, platform, journal, monkeypatch)
    entry = journal.update(entry, at=AT, serial="beef")
    assert not restorable(entry, journal)
    platform.products[0] = replace(platform.products[0], serial="BEEF")
    assert refresh(platform, journal, entry, at=AT).certificate_path == ""


LOST = NetworkError("hung up", outcome_unknown=True)


def in_doubt(platform, journal, folder, **more):
    platform.error, platform.reachable = LOST, False
    with pytest.raises(NetworkError) as caught:
        submit(prepare(folder, **{**WANTED, **more}), platform, journal, at=AT)
    platform.error, platform.reachable = None, True
    return caught.value


def test_an_order_is_not_made_a_second_time_while_the_first_is_in_doubt(
    tmp_path, platform, journal
):
    in_doubt(platform, journal, tmp_path / "out")
    kept = set((tmp_path / "out").iterdir())
    with pytest.raises(UsageError, match="order 1 is for the same, and in doubt") as caught:
        order(platform, journal, tmp_path / "out")
    assert "igc orders sync 1" in caught.value.advice
    assert (len(platform.products), len(journal.list())) == (1, 1)
    assert set((tmp_path / "out").iterdir()) == kept
    refresh(platform, journal, journal.get("1"), at=AT)
    assert order(platform, journal, tmp_path / "out").id == 2, "now it is known to be a second"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"client_reference": "another"}),
        ({}, {"service_name": "Autre"}),
        ({}, {"usage": Usage.SIGN}),
    ],
)
def test_an_order_of_something_else_or_of_a_name_of_its_own_is_made(
    tmp_path, platform, journal, first, second
):
    in_doubt(platform, journal, tmp_path / "out", **first)
    entry = submit(prepare(tmp_path / "out", **{**WANTED, **second}), platform, journal, at=AT)
    assert entry.state is OrderState.ORDERED


def test_an_order_in_doubt_at_another_platform_is_another_one(tmp_path, platform, journal):
    in_doubt(platform, journal, tmp_path / "out")
    journal.update(journal.get("1"), at=AT, platform="https://a.example/ws")
    about = {"platform": "https://b.example/ws"}
    entry = submit(prepare(tmp_path / "out", **WANTED), platform, journal, at=AT, **about)
    assert entry.state is OrderState.ORDERED
