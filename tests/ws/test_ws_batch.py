"""A batch over the port: rows known again, doubts left for last, files finished later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from fake_platform import FakePlatform

from igcsante.certs.requests import read_key
from igcsante.errors import NetworkError, StorageError, UsageError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, Usage
from igcsante.ws.orders import order_key
from igcsante.ws.orders.batch import Job, Run
from igcsante.ws.orders.batch_file import Row, fingerprints, read_rows
from igcsante.ws.orders.enrolment import Delivery
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.reconcile import SETTLING
from igcsante.ws.orders.restore import restorable, restore

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
LOST = NetworkError("hung up", outcome_unknown=True)
CODE = Delivery(Secret("a revocation code"), accepted=True)
COLUMNS = {"usage", "service", "fqdn", "email"}


@pytest.fixture(scope="module")
def key():
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def platform(key, monkeypatch):
    """It certifies the one key that is made here."""
    monkeypatch.setattr(order_key, "new_key", lambda bits: key)
    name = x509.Name([])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 0xAFF)
        .not_valid_before(AT)
        .not_valid_after(AT + timedelta(days=1095))
        .sign(key, hashes.SHA256())
    )
    return FakePlatform(certificate.public_bytes(Encoding.DER))


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


class Clock:
    """A time that goes on while one sleeps."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def jobs(folder, *names):
    rows = [Row(f"line {n}", {"service": name}) for n, name in enumerate(names, 2)]
    fields = {
        "offre": Offre.ORG,
        "usage": Usage.AUTH_CLI,
        "structure": StructureId.parse("318751275100020"),
        "emails": ("pki@exemple.fr",),
    }
    return [
        Job(row, {**fields, "service_name": name}, folder / "certs", fingerprint)
        for row, name, fingerprint in zip(rows, names, fingerprints(rows), strict=True)
    ]


def run(platform, journal, wanted, clock=None, delivery=CODE, **more):
    clock = clock or Clock()
    work = Run(platform, journal, delivery, clock, sleep=clock.sleep)
    return list(work.do(wanted, **{"keep_going": True, **more}))


def test_equal_rows_are_two_orders_and_a_changed_row_another(tmp_path):
    rows = [Row("line 2", {"service": "a"}), Row("line 3", {"service": "a"})]
    first, second = fingerprints(rows, "campaign")
    assert first != second
    assert fingerprints([rows[1]], "campaign") == (first,), "its place in the file is no matter"
    assert fingerprints(rows, "another")[0] not in (first, second)


def test_a_row_in_doubt_is_done_last_once_the_platform_can_tell(platform, journal, tmp_path):
    wanted = jobs(tmp_path, "a", "b")
    platform.error, platform.works, platform.reachable = LOST, False, False
    (lost,) = run(platform, journal, wanted)
    assert lost.error is LOST and lost.entry.state is OrderState.UNKNOWN
    kept = lost.entry.key_path
    platform.error, platform.works, platform.reachable = None, True, True
    clock = Clock()
    told = run(platform, journal, wanted, clock, delivery=None)
    assert [outcome.job.row.place for outcome in told] == ["line 3", "line 2"]
    assert clock.now == AT + SETTLING
    again = told[1].entry
    assert (again.id, again.reference, again.key_path) == (1, lost.entry.reference, kept)
    assert again.state is OrderState.ORDERED
    assert len(platform.products) == 2


def test_an_order_that_turns_out_to_be_there_keeps_its_key(platform, journal, tmp_path):
    wanted = jobs(tmp_path, "a")
    platform.error, platform.reachable = LOST, False
    run(platform, journal, wanted)
    platform.error, platform.reachable = None, True
    (outcome,) = run(platform, journal, wanted)
    assert outcome.error is None and outcome.issued
    assert len(platform.products) == 1
    assert len(list((tmp_path / "certs").glob("*.key.pem"))) == 1


def test_without_a_network_the_other_rows_are_not_tried(platform, journal, tmp_path):
    platform.error, platform.works = NetworkError("unreachable"), False
    told = run(platform, journal, jobs(tmp_path, "a", "b", "c"))
    assert len(told) == 1 and told[0].entry.state is OrderState.FAILED


def test_what_a_row_alone_has_wrong_does_not_stop_the_others(platform, journal, tmp_path):
    wanted = jobs(tmp_path, "a", "b")
    blocked = tmp_path / "certs"
    blocked.write_text("a file where the folder should be")
    wanted[1] = Job(wanted[1].row, wanted[1].fields, tmp_path / "others", wanted[1].fingerprint)
    told = run(platform, journal, wanted, delivery=None)
    assert isinstance(told[0].error, UsageError | StorageError)
    assert told[1].entry.state is OrderState.ORDERED


# -- files that were not all written ---------------------------------------------------------


@pytest.fixture
def issued(platform, journal, tmp_path):
    """An order whose certificate is written, the journal not knowing it yet."""
    (outcome,) = run(platform, journal, jobs(tmp_path, "a"))
    return journal.update(outcome.entry, at=AT, certificate_path="")


@pytest.mark.parametrize("missing", [(), ("cert.pem",), ("cert.der", "chain.pem")])
def test_files_are_finished_where_the_program_stopped(journal, issued, missing, platform):
    for suffix in missing:
        next(path for path in files(issued) if path.name.endswith(suffix)).unlink()
    restored = restore(issued, journal, at=AT, p12_password=Secret("password"))
    assert {path.suffix for path in files(issued)} == {".pem", ".der", ".p12"}
    assert restored.entry.certificate_path == str(restored.files["certificate"])
    key = read_key(restored.files["key"])
    assert key.public_key() == restored.certificate.public_key()
    assert not restorable(restored.entry, journal)
    with pytest.raises(UsageError, match="nothing to restore"):
        restore(restored.entry, journal, at=AT)


def test_a_file_of_somebody_else_is_left_alone(journal, issued):
    other = next(path for path in files(issued) if path.name.endswith("chain.pem"))
    other.write_text("mine")
    with pytest.raises(StorageError, match="something else"):
        restore(issued, journal, at=AT)
    assert other.read_text() == "mine"


def files(entry):
    return [path for path in Path(entry.file_base).parent.iterdir() if path.is_file()]


# -- reading -----------------------------------------------------------------------------------


def test_cells_are_read_from_csv_as_excel_writes_it_and_from_toml(tmp_path):
    file = tmp_path / "orders.csv"
    file.write_bytes("\ufeffUsage;E-Mail;fqdn\r\nSIGN; a@b.fr  c@d.fr ;\r\n;;\r\n".encode())
    with pytest.raises(UsageError, match="'e_mail'"):
        read_rows(file, COLUMNS)
    file.write_bytes("\ufeffUsage;Email;fqdn\r\nSIGN; a@b.fr  c@d.fr ;\r\n;;\r\n".encode())
    (row,) = read_rows(file, COLUMNS)
    assert row == Row("line 2", {"usage": "SIGN", "email": ("a@b.fr", "c@d.fr")})
    toml = tmp_path / "orders.toml"
    toml.write_text(
        '[defaults]\nusage = "SIGN"\n[[order]]\nservice = "x"\nemail = ["a@b.fr"]\n'
        '[[order]]\nusage = "CONF"\n'
    )
    first, second = read_rows(toml, COLUMNS)
    assert first == Row("order 1", {"usage": "SIGN", "service": "x", "email": ("a@b.fr",)})
    assert second == Row("order 2", {"usage": "CONF"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[order]]\nusage = 1.5\n", "order 1: usage is a text"),
        ("[[order]]\nservice = ['a']\n", "service is a text"),
        ("[[orders]]\nusage = 'SIGN'\n", r"\[\[order\]\] tables"),
        ("order = 'SIGN'\n", r"\[\[order\]\] tables"),
        ("defaults = 1\n", r"\[\[order\]\] tables"),
        ("[[order]\n", "orders.toml: "),
    ],
)
def test_a_toml_file_that_is_no_batch_is_told(tmp_path, content, message):
    file = tmp_path / "orders.toml"
    file.write_text(content)
    with pytest.raises(UsageError, match=message):
        read_rows(file, COLUMNS)


def test_a_batch_is_bounded(tmp_path, monkeypatch):
    from igcsante.ws.orders import batch_file

    monkeypatch.setattr(batch_file, "MAX_ROWS", 2)
    file = tmp_path / "orders.csv"
    file.write_text("usage\n" + "SIGN\n" * 3)
    with pytest.raises(UsageError, match="more than 2 orders"):
        read_rows(file, COLUMNS)
