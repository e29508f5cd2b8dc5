"""A batch over the port: rows known again, doubts left for last, files finished later."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

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
from igcsante.ws.model import Offre, ProductRequest, ProductState, Structure, Usage
from igcsante.ws.orders import order_key
from igcsante.ws.orders.batch import (
    Job,
    Run,
    StuckError,
    ordered_elsewhere,
    ordered_otherwise,
)
from igcsante.ws.orders.batch_file import Row, read_rows
from igcsante.ws.orders.doubts import InDoubtError
from igcsante.ws.orders.enrolment import Delivery
from igcsante.ws.orders.fingerprint import fingerprints, same_platform
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.restore import restorable, restore
from igcsante.ws.orders.settle import settle_as_nothing, settle_as_product
from igcsante.ws.outcome import SETTLING
from igcsante.ws.platform import CardTurnedAwayError

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
        Job(row, {**fields, "service_name": name}, folder / "certs", f"row {name}")
        for row, name in zip(rows, names, strict=True)
    ]


def run(platform, journal, wanted, clock=None, delivery=CODE, about=None, **more):
    clock = clock or Clock()
    work = Run(platform, journal, delivery, clock, sleep=clock.sleep, about=about or {})
    return list(work.do(wanted, **{"keep_going": True, **more}))


def asked(**changes):
    request = {
        "offre": Offre.SERV,
        "usage": Usage.SSL_SERV,
        "structure": StructureId.parse("318751275100020"),
        "emails": ("pki@exemple.fr", "b@exemple.fr"),
        "fqdns": ("a.fr", "b.fr", "c.fr"),
        **changes,
    }
    return ProductRequest(**request, csr=b"to be made"), 2048


def test_equal_rows_are_two_orders_wherever_they_stand():
    first, second = fingerprints([asked(), asked()], "campaign")
    assert first != second
    assert fingerprints([asked()], "campaign") == (first,), "its place in the file is no matter"
    assert fingerprints([asked()], "another")[0] not in (first, second)


@pytest.mark.parametrize(
    "spelling",
    [
        {"fqdns": ("A.fr", "c.fr", "B.fr")},
        {"emails": ("b@exemple.fr", "pki@EXEMPLE.fr", "pki@exemple.fr")},
        {"structure": StructureId.parse(" 318751275100020 ")},
        {"usage": Usage.parse("SSL_SERVEUR")},
    ],
)
def test_a_row_is_known_again_however_it_is_spelled(spelling):
    assert fingerprints([asked(**spelling)], "") == fingerprints([asked()], "")


@pytest.mark.parametrize(
    "change",
    [
        {"usage": Usage.SMIME, "fqdns": (), "email": "a@b.fr"},
        {"structure": StructureId.parse("10B0999003")},
        {"emails": ("pki@exemple.fr",)},
        {"fqdns": ("b.fr", "a.fr", "c.fr")},
        {"client_reference": "mine"},
    ],
)
def test_another_wish_is_another_order(change):
    assert fingerprints([asked(**change)], "") != fingerprints([asked()], "")
    request, _ = asked()
    assert fingerprints([(request, 3072)], "") != fingerprints([asked()], "")


def test_an_address_is_known_again_however_it_is_spelled():
    assert same_platform("https://PFC.example/ws", "https://pfc.example:443/ws")
    assert same_platform("https://pfc.example", "https://pfc.example/")
    assert same_platform("", "")
    for other in ("https://pfc.example:8443/ws", "https://pfc.example/other", "https://[", ""):
        assert not same_platform("https://pfc.example/ws", other)


def test_what_another_platform_has_is_told_and_ordered(platform, journal, tmp_path):
    wanted = jobs(tmp_path, "a")
    there, here = {"platform": "https://a.example/ws"}, {"platform": "https://b.example/ws"}
    run(platform, journal, wanted, about=there)
    (again,) = run(platform, journal, wanted, about={"platform": "https://A.example:443/ws"})
    assert again.already
    assert ordered_elsewhere(journal, here["platform"], wanted[0]).platform == there["platform"]
    assert ordered_elsewhere(journal, "https://A.example/ws", wanted[0]) is None
    (other,) = run(platform, journal, wanted, about=here, delivery=None)
    assert (other.error, other.already, other.entry.id) == (None, False, 2)
    assert ordered_elsewhere(journal, here["platform"], wanted[0]) is None


def corrected(job, fingerprint="corrected", **fields):
    return replace(job, fields={**job.fields, **fields}, fingerprint=fingerprint)


def otherwise(journal, wanted, platform=""):
    return [
        (job.row.place, entry.id) for job, entry in ordered_otherwise(journal, platform, wanted)
    ]


def test_a_row_that_was_corrected_since_it_was_ordered_is_told(platform, journal, tmp_path):
    a, b = jobs(tmp_path, "a", "b")
    assert otherwise(journal, [a, b]) == []
    run(platform, journal, [a, b], delivery=None)
    assert otherwise(journal, [a, b]) == []
    again = corrected(a, emails=("new@exemple.fr",))
    assert otherwise(journal, [again, b]) == [("line 2", 1)]
    run(platform, journal, [again, b], delivery=None)
    assert otherwise(journal, [again, b]) == [], "told before it is ordered, not each time"


def test_as_many_rows_are_told_as_were_ordered_before(platform, journal, tmp_path):
    a, b = jobs(tmp_path, "a", "b")
    twins = [a, corrected(b, "twin", service_name="a")]
    run(platform, journal, twins, delivery=None)
    mail = {"emails": ("new@exemple.fr",)}
    third = corrected(a, "third", **mail)
    assert otherwise(journal, [*twins, third]) == [], "one more, beside those"
    both = [corrected(a, "x", **mail), corrected(b, "y", service_name="a", **mail)]
    assert [place for place, _ in otherwise(journal, both)] == ["line 2", "line 3"]


@pytest.mark.parametrize("change", [{"usage": Usage.SIGN}, {"client_reference": "mine"}])
def test_a_row_for_something_else_or_of_its_own_reference_is_not(
    platform, journal, tmp_path, change
):
    (a,) = jobs(tmp_path, "a")
    run(platform, journal, [a], delivery=None)
    assert otherwise(journal, [corrected(a, **change)]) == []


@pytest.mark.parametrize("state", [OrderState.REVOKED, OrderState.CANCELLED, OrderState.REFUSED])
def test_a_row_whose_order_came_to_nothing_is_corrected_in_silence(
    platform, journal, tmp_path, state
):
    (a,) = jobs(tmp_path, "a")
    run(platform, journal, [a], delivery=None)
    journal.update(journal.list()[0], at=AT, state=state)
    assert otherwise(journal, [corrected(a)]) == []


def test_an_order_that_is_no_row_or_of_another_platform_is_not_told(platform, journal, tmp_path):
    (a,) = jobs(tmp_path, "a")
    run(platform, journal, [a], delivery=None, about={"platform": "https://a.example/ws"})
    assert otherwise(journal, [corrected(a)], "https://b.example/ws") == []
    assert otherwise(journal, [corrected(a)], "https://A.example:443/ws") == [("line 2", 1)]
    journal.update(journal.list()[0], at=AT, batch_row="")
    assert otherwise(journal, [corrected(a)], "https://a.example/ws") == []


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


def test_with_a_card_that_is_turned_away_the_other_rows_are_not_tried(
    platform, journal, tmp_path, monkeypatch
):
    turned_away = CardTurnedAwayError("HTTP 403", outcome_unknown=True)
    platform.error, platform.works = turned_away, False
    wanted = jobs(tmp_path, "a", "b", "c")
    (told,) = run(platform, journal, wanted)
    assert told.error is turned_away and told.entry.state is OrderState.UNKNOWN
    monkeypatch.setattr(platform, "search_products", Mock(side_effect=turned_away))
    (again,) = run(platform, journal, wanted)
    assert again.error is turned_away and not again.stuck


def test_what_a_row_alone_has_wrong_does_not_stop_the_others(platform, journal, tmp_path):
    wanted = jobs(tmp_path, "a", "b")
    blocked = tmp_path / "certs"
    blocked.write_text("a file where the folder should be")
    wanted[1] = Job(wanted[1].row, wanted[1].fields, tmp_path / "others", wanted[1].fingerprint)
    told = run(platform, journal, wanted, delivery=None)
    assert isinstance(told[0].error, UsageError | StorageError)
    assert told[1].entry.state is OrderState.ORDERED


# -- rows that only a person can bring further -------------------------------------------------


@pytest.fixture
def lost(platform, journal, tmp_path):
    """A row whose certificate was issued while nobody listened."""
    platform_issues(platform, journal, jobs(tmp_path, "a"))
    return journal.list()[0]


def platform_issues(platform, journal, wanted):
    run(platform, journal, wanted, delivery=None)
    platform._become(ProductState.ACTIF)
    journal.update(journal.list()[0], at=AT, state=OrderState.WITHDRAWN)


def test_a_lost_row_does_not_stop_the_others(platform, journal, tmp_path, lost):
    wanted = jobs(tmp_path, "a", "b")
    first, second = run(platform, journal, wanted, keep_going=False)
    assert (first.stuck, first.entry.id) == (True, lost.id)
    assert "igc revoke 1" in first.error.advice and "--again" in first.error.advice
    assert second.error is None and second.issued


@pytest.mark.parametrize("told", [True, False])
def test_a_lost_row_that_was_revoked_is_ordered_again(platform, journal, tmp_path, lost, told):
    platform._become(ProductState.REVOQUE)
    if told:  # else somebody did it in the portal
        journal.update(lost, at=AT, state=OrderState.REVOKED)
    (outcome,) = run(platform, journal, jobs(tmp_path, "a"))
    assert outcome.error is None and outcome.issued
    assert outcome.entry.id != lost.id
    assert outcome.entry.reference != lost.reference
    assert journal.get(str(lost.id)).state is OrderState.REVOKED


def test_what_was_delivered_and_revoked_is_not_replaced_unasked(platform, journal, tmp_path):
    (outcome,) = run(platform, journal, jobs(tmp_path, "a"))
    platform._become(ProductState.REVOQUE)
    journal.update(outcome.entry, at=AT, state=OrderState.REVOKED)
    (again,) = run(platform, journal, jobs(tmp_path, "a"))
    assert (again.already, len(platform.products)) == (True, 1)


def test_what_the_platform_cancelled_is_ordered_again(platform, journal, tmp_path):
    (first,) = run(platform, journal, jobs(tmp_path, "a"), delivery=None)
    journal.update(first.entry, at=AT, state=OrderState.CANCELLED)
    (again,) = run(platform, journal, jobs(tmp_path, "a"), delivery=None)
    assert (again.error, again.entry.state, again.already) == (None, OrderState.ORDERED, False)


def test_a_reference_of_ones_own_is_not_used_twice(platform, journal, tmp_path):
    (job,) = jobs(tmp_path, "a")
    job.fields["client_reference"] = "mine"
    (first,) = run(platform, journal, [job], delivery=None)
    journal.update(first.entry, at=AT, state=OrderState.CANCELLED)
    (again,) = run(platform, journal, [job], delivery=None)
    assert again.stuck and "another reference" in again.error.advice


def test_a_doubt_that_the_platform_cannot_end_does_not_stop_the_others(platform, journal, tmp_path):
    platform.keeps_references, platform.error, platform.works = False, LOST, False
    run(platform, journal, jobs(tmp_path, "a"))
    platform.error, platform.works = None, True
    first, second = run(platform, journal, jobs(tmp_path, "a", "b"), keep_going=False)
    assert isinstance(first.error, StuckError) and "igc orders settle 1" in first.error.advice
    assert second.issued


# -- the word of a person ----------------------------------------------------------------------

LATER = AT + SETTLING


@pytest.fixture
def doubt(platform, journal, tmp_path):
    """An order whose answer was lost, by a platform that keeps no references."""
    platform.keeps_references, platform.error = False, LOST
    run(platform, journal, jobs(tmp_path, "a"))
    platform.error = None
    platform.products = [replace(p, client_reference="") for p in platform.products]
    (entry,) = journal.list()
    assert entry.state is OrderState.UNKNOWN
    return entry


def test_the_product_that_a_person_found_is_taken(platform, journal, doubt, tmp_path):
    (product,) = platform.products
    settled = settle_as_product(journal, doubt, product, at=LATER)
    assert (settled.state, settled.product_id) == (OrderState.ORDERED, "P-1")
    (outcome,) = run(platform, journal, jobs(tmp_path, "a"))
    assert outcome.issued and len(platform.products) == 1
    with pytest.raises(UsageError, match="not in doubt"):
        settle_as_product(journal, doubt, product, at=LATER)


@pytest.mark.parametrize(
    "change",
    [
        {"usage": Usage.SIGN},
        {"label": "b"},
        {"structure": Structure(StructureId.parse("10B0999003"), "X")},
        {"client_reference": "somebody else's"},
        {"renews": "P-0"},
    ],
)
def test_a_product_that_was_not_asked_for_is_refused(platform, journal, doubt, change):
    product = replace(platform.products[0], **change)
    with pytest.raises(UsageError, match="stays in doubt"):
        settle_as_product(journal, doubt, product, at=LATER)
    assert journal.get("1") == doubt


def test_the_product_of_another_order_is_refused(platform, journal, doubt):
    other = journal.record("other", at=AT)
    journal.update(other, at=AT, product_id="P-1")
    with pytest.raises(UsageError, match="that of order 2"):
        settle_as_product(journal, doubt, platform.products[0], at=LATER)
    assert journal.get("1") == doubt


def test_nothing_was_ordered_and_the_key_stays(platform, journal, doubt, tmp_path):
    with pytest.raises(InDoubtError):
        settle_as_nothing(journal, doubt, at=doubt.updated)
    settled = settle_as_nothing(journal, doubt, at=doubt.updated + SETTLING)
    assert settled.state is OrderState.FAILED and Path(settled.key_path).is_file()
    platform.products.clear()
    (outcome,) = run(platform, journal, jobs(tmp_path, "a"))
    assert outcome.issued and outcome.entry.key_path == doubt.key_path


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
        '[defaults]\nUsage = "SIGN"\n[[order]]\nservice = "x"\nemail = ["a@b.fr"]\n'
        '[[order]]\nusage = "CONF"\n'
    )
    first, second = read_rows(toml, COLUMNS)
    assert first == Row("order 1", {"usage": "SIGN", "service": "x", "email": ("a@b.fr",)})
    assert second == Row("order 2", {"usage": "CONF"})


@pytest.mark.parametrize(
    ("above", "between"),
    [("sep=;\r\n", ";"), ('"sep=,"\n', ","), ("\n\r\n;;\n", ";"), ("\nSEP=\t\n\n", "\t")],
)
def test_what_excel_writes_above_the_names_is_no_row(tmp_path, above, between):
    file = tmp_path / "orders.csv"
    text = above + "usage,service\r\nSIGN,a b\r\n".replace(",", between)
    file.write_bytes(b"\xef\xbb\xbf" + text.encode())
    (row,) = read_rows(file, COLUMNS)
    assert row == Row(f"line {text.count(chr(10))}", {"usage": "SIGN", "service": "a b"})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[order]]\nservice = 'a'\nSERVICE = 'b'\n", "order 1: a column has the name"),
        ("[defaults]\nkey-bits = 1\nkey_bits = 2\n[[order]]\n", "defaults.*the name"),
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


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("# ours, all of them\nusage,service\nSIGN,a\n", 1),
        ("usage,service\n# the first, and its friends\nSIGN,a\n", 2),
        ("service\na\n  #b\n", 3),
    ],
)
def test_a_comment_in_csv_is_told_and_never_ordered(tmp_path, content, line):
    file = tmp_path / "orders.csv"
    file.write_text(content)
    with pytest.raises(UsageError, match=f"line {line}: a CSV file holds no comments") as caught:
        read_rows(file, COLUMNS)
    assert "TOML" in caught.value.advice


def test_a_batch_is_bounded(tmp_path, monkeypatch):
    from igcsante.ws.orders import batch_file

    monkeypatch.setattr(batch_file, "MAX_ROWS", 2)
    file = tmp_path / "orders.csv"
    file.write_text("usage\n" + "SIGN\n" * 3)
    with pytest.raises(UsageError, match="more than 2 orders"):
        read_rows(file, COLUMNS)
