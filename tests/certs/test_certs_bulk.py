"""Fleets: the same verdicts as a whole check of each certificate, whatever the engine."""

from __future__ import annotations

import dataclasses
import multiprocessing
import pickle
from collections.abc import Iterator
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st
from selfmade_pki import (
    AT,
    DAY,
    Authority,
    ec_key,
    leaf_extensions,
    rsa_key,
    unknown_extension,
    usages,
)

from igcsante.certs.anchors import TrustStore
from igcsante.certs.check import Checker
from igcsante.certs.crl.store import CrlStore
from igcsante.certs.fleet import engines
from igcsante.certs.fleet.bulk import Record, SerialOf, bulk_checker, check_batch
from igcsante.certs.fleet.engines import check_all, in_batches
from igcsante.certs.fleet.snapshot import Snapshot
from igcsante.certs.ocsp.response import OcspResponse
from igcsante.certs.ocsp.source import OcspSource
from igcsante.certs.policy import Policy, Requirement, Source
from igcsante.certs.revocation import CrlSource
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.errors import IgcError, StorageError, UnreadableError, UsageError
from igcsante.testing.pki import extensions as ext
from igcsante.testing.pki.ocsp import OcspAnswer, OcspSigner, cert_id, ocsp_response

CA_KEY, LEAF_KEY = rsa_key("bulk CA"), rsa_key("bulk leaf")
ROOT = Authority.root("BULK ROOT")
CA = ROOT.authority("BULK CA", key=CA_KEY)
REVOKED = range(1000, 1100)
STORE = TrustStore.from_certificates([ROOT.certificate])
ROOT_CRL, CA_CRL = Crl(ROOT.crl(), "root"), Crl(CA.crl(tuple(REVOKED)), "ca")
CRLS = (ROOT_CRL, CA_CRL)
SERVER = (x509.SubjectAlternativeName([x509.DNSName("a.example")]), False)
UNREADABLE_NAMES = x509.UnrecognizedExtension(
    x509.SubjectAlternativeName.oid, bytes.fromhex("30038201ff")
)
UPN = (x509.SubjectAlternativeName([ext.upn_name("8001@carte-cps.gouv.fr")]), False)


def made(serial: int = 1, **options: Any) -> bytes:
    """One leaf, DER."""
    options = {"key": LEAF_KEY, "serial": serial, **options}
    return CA.leaf(f"leaf {serial}", **options).public_bytes(Encoding.DER)


def plus(*more: Any) -> list[Any]:
    return [*leaf_extensions(), *more]


def snapshot(policy: Policy | None = None, crls: tuple[Crl, ...] = CRLS, **more: Any) -> Snapshot:
    return Snapshot.of(STORE, at=AT, policy=policy, untrusted=[CA.certificate], crls=crls, **more)


def whole(
    octets: bytes,
    policy: Policy | None = None,
    crls: tuple[Crl, ...] = CRLS,
    responses: tuple[OcspResponse, ...] = (),
) -> Any:
    """The verdict of a check of this certificate alone, ready for JSON."""
    policy, untrusted, sources = policy or Policy(), [CA.certificate], {}
    if responses:
        lists = CrlSource(crls, STORE, untrusted, policy)
        sources[Source.OCSP] = OcspSource(policy, responses=responses, responders=lists)
    checker = Checker(STORE, untrusted=untrusted, crls=crls, sources=sources, policy=policy)
    return checker.check(x509.load_der_x509_certificate(octets), at=AT).to_dict()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[x509.Certificate]:
    """The certificates that took a whole check."""
    seen: list[x509.Certificate] = []
    original = Checker.check

    def counted(self: Checker, certificate: x509.Certificate, **options: Any) -> Any:
        seen.append(certificate)
        return original(self, certificate, **options)

    monkeypatch.setattr(Checker, "check", counted)
    return seen


# -- the same verdicts ---------------------------------------------------------------------

KINDS: dict[str, Any] = {
    "good": {},
    "expired": {"not_after": AT - DAY},
    "future": {"not_before": AT + DAY},
    "last second": {"not_after": AT},
    "server": {"extensions": plus(SERVER)},
    "card": {"extensions": plus(UPN, (ext.card_number("0000000001"), False))},
    "elliptic": {"key": ec_key("leaf")},
    "weak": {"key": rsa_key("weak", 1024)},
    "own key of the CA": {"key": CA_KEY},
    "critical": {"extensions": plus(unknown_extension(True))},
    "unknown extension": {"extensions": plus(unknown_extension(False))},
    "bad names": {
        "extensions": plus(
            (
                x509.UnrecognizedExtension(
                    x509.SubjectAlternativeName.oid, b"\x30\x03\x82\x01\xff"
                ),
                False,
            )
        )
    },
    "no key ids": {"key_ids": False},
    "CA": {"extensions": [(x509.BasicConstraints(True, None), True)]},
    "signs lists": {"extensions": [(usages("digital_signature", "crl_sign"), True)]},
    "other place": {"extensions": leaf_extensions(["http://crl.example/other.crl"])},
    "person": {
        "subject": x509.Name(
            [
                x509.NameAttribute(NameOID.TITLE, "Médecin"),
                x509.NameAttribute(NameOID.SURNAME, "SIMULATION"),
            ]
        )
    },
    "conflict of worlds": {"extensions": plus((ext.product_category(3, test=False), False))},
    "name of its issuer": {"subject": CA.subject},
}
_made: dict[tuple[str, int], bytes] = {}


def one_of(kind: str, serial: int) -> bytes:
    if kind == "unknown issuer":
        return Authority.root("STRANGER").leaf(serial=serial).public_bytes(Encoding.DER)
    if (kind, serial) not in _made:
        _made[kind, serial] = made(serial, **KINDS[kind])
    return _made[kind, serial]


@st.composite
def fleets(draw: st.DrawFn) -> list[bytes]:
    """Leaves of few kinds, in any order, some of them revoked, some with an octet changed."""
    kinds = draw(st.lists(st.sampled_from([*KINDS, "unknown issuer"]), min_size=1, max_size=4))
    fleet = []
    for _ in range(draw(st.integers(2, 10))):
        kind = draw(st.sampled_from(["good", *kinds]))
        octets = one_of(kind, draw(st.sampled_from([1, 2, 3, 4, *REVOKED[:2]])))
        if draw(st.integers(0, 3)) == 0:
            place = draw(st.integers(0, len(octets) - 1))
            changed = bytearray(octets)
            changed[place] ^= 1 << draw(st.integers(0, 7))
            octets = bytes(changed)
        fleet.append(octets)
    return fleet


@settings(max_examples=150)
@given(
    fleets(),
    st.sampled_from(
        [
            Policy(),
            Policy(usages=frozenset({"clientAuth"})),
            Policy().with_revocation(Requirement.OFF),
            Policy().with_revocation(Requirement.PREFER),
        ]
    ),
    st.sampled_from([CRLS, CRLS[:1], ()]),
)
def test_a_fleet_gets_the_verdicts_of_a_check_of_each(
    fleet: list[bytes], policy: Policy, crls: tuple[Crl, ...]
) -> None:
    with bulk_checker(snapshot(policy, crls)) as checker:
        records = checker.check(fleet)
    for octets, record in zip(fleet, records, strict=True):
        try:
            x509.load_der_x509_certificate(octets)
        except ValueError:
            assert record.kind is Kind.INVALID
        else:
            assert record.to_dict() == whole(octets, policy, crls)


@pytest.mark.parametrize("kind", KINDS)
def test_what_follows_a_good_leaf_is_not_good_by_likeness(kind: str) -> None:
    fleet = [one_of("good", 1), one_of(kind, 2), one_of(kind, REVOKED[0]), one_of(kind, 3)]
    with bulk_checker(snapshot()) as checker:
        told = [record.to_dict() for record in checker.check(fleet)]
    assert told == [whole(octets) for octets in fleet]


@pytest.mark.parametrize("kind", ["good", "server", "card", "person"])
def test_every_octet_counts(kind: str) -> None:
    """One that is like the first but for one bit is never good."""
    first, second = one_of(kind, 1), one_of(kind, 2)
    changed = []
    for place in range(len(second)):
        octets = bytearray(second)
        octets[place] ^= 1 << place % 8
        changed.append(bytes(octets))
    with bulk_checker(snapshot()) as checker:
        records = checker.check([first, second, *changed])
    assert [record.kind for record in records[:2]] == [Kind.GOOD] * 2
    assert {record.kind for record in records[2:]} == {Kind.INVALID}


def answered(serial: int, status: str = "revoked") -> OcspResponse:
    revoked = {"revoked_on": AT - DAY} if status == "revoked" else {}
    named = cert_id(CA.certificate, serial, "sha1")
    answer = OcspAnswer(named, status, AT - DAY, AT + DAY, **revoked)
    return OcspResponse(
        ocsp_response([answer], OcspSigner(CA.certificate, CA.key), AT - DAY), "given"
    )


def test_given_answer_counts_for_leaves_that_are_like_a_good_one() -> None:
    fleet = [one_of("good", serial) for serial in (1, 2, 3, 4)]
    serials = [SerialOf(serial, CA.certificate.public_bytes(Encoding.DER)) for serial in (1, 2, 4)]
    responses = (answered(2), answered(4, "good"))
    with bulk_checker(snapshot(responses=responses)) as checker:
        records = checker.check([*fleet, *serials])
    good, revoked = Kind.GOOD, Kind.REVOKED
    told = [record.kind for record in records]
    assert told == [good, revoked, good, good, good, revoked, good]
    expected = [whole(octets, responses=responses) for octets in fleet]
    assert [record.to_dict() for record in records[:4]] == expected


def test_leaves_that_are_alike_take_one_whole_check(checks: list[Any]) -> None:
    fleet = [one_of(kind, serial) for kind in ("good", "server", "card") for serial in (1, 2, 3)]
    with bulk_checker(snapshot()) as checker:
        records = checker.check(fleet[::3])
        checks.clear()
        records += checker.check(fleet)
    assert {record.kind for record in records} == {Kind.GOOD}
    assert not checks


def test_an_anchor_among_the_leaves_is_its_own_chain() -> None:
    anchor = made(7)
    store = TrustStore((ROOT.certificate, x509.load_der_x509_certificate(anchor)))
    told = Snapshot.of(store, at=AT, untrusted=[CA.certificate], crls=CRLS)
    with bulk_checker(told) as checker:
        first, second = checker.check([made(1), anchor])
    assert len(first.chain) == 2
    assert second.kind is Kind.GOOD
    assert not second.chain


def test_constraints_on_names_are_looked_at_for_every_leaf() -> None:
    permitted = x509.NameConstraints([x509.DNSName("example")], None)
    constrained = ROOT.authority(
        "CONSTRAINED",
        key=CA_KEY,
        extensions=[
            (x509.BasicConstraints(True, 0), True),
            (usages("key_cert_sign", "crl_sign"), True),
            (permitted, True),
        ],
    )
    fleet = [
        constrained.leaf(
            key=LEAF_KEY,
            extensions=plus((x509.SubjectAlternativeName([x509.DNSName(host)]), False)),
        ).public_bytes(Encoding.DER)
        for host in ("a.example", "a.invalid")
    ]
    crls = (ROOT_CRL, Crl(constrained.crl()))
    told = Snapshot.of(STORE, at=AT, untrusted=[constrained.certificate], crls=crls)
    with bulk_checker(told) as checker:
        assert [record.kind for record in checker.check(fleet)] == [Kind.GOOD, Kind.INVALID]
        issuer = constrained.certificate.public_bytes(Encoding.DER)
        (unseen,) = checker.check([SerialOf(5, issuer)])
    assert unseen.kind is Kind.UNKNOWN, "its names are not at hand"
    assert [reason.code for reason in unseen.reasons] == ["serial.certificate_needed"]


def test_notices_name_their_own_certificate() -> None:
    old = (ROOT_CRL, Crl(CA.crl(this_update=AT - 9 * DAY, next_update=AT - DAY)))
    policy = dataclasses.replace(
        Policy(),
        revocation=dataclasses.replace(Policy().revocation, grace=timedelta(days=2)),
    )
    with bulk_checker(snapshot(policy, old)) as checker:
        records = checker.check([made(1), made(2)])
    assert [record.notices[0].message.split(":")[0] for record in records] == ["leaf 1", "leaf 2"]


def test_what_is_no_certificate_is_invalid_and_the_rest_goes_on() -> None:
    with bulk_checker(snapshot()) as checker:
        broken, good = checker.check([b"no certificate", made(1)])
    assert (broken.kind, good.kind) == (Kind.INVALID, Kind.GOOD)
    told = broken.to_dict()
    assert told.keys() == good.to_dict().keys()
    assert told["certificate"]["sha256"] == broken.sha256
    with pytest.raises(UnreadableError):
        broken.verdict()


# -- serial numbers ------------------------------------------------------------------------


def test_serial_numbers_are_checked_with_their_issuer() -> None:
    issuer = CA.certificate.public_bytes(Encoding.DER)
    stranger = Authority.root("STRANGER").certificate.public_bytes(Encoding.DER)
    fleet = [
        SerialOf(1, issuer),
        SerialOf(REVOKED[0], issuer),
        SerialOf(1, stranger),
        SerialOf(1, b"nothing"),
    ]
    with bulk_checker(snapshot()) as checker:
        records = checker.check(fleet)
    kinds = [record.kind for record in records]
    assert kinds == [Kind.GOOD, Kind.REVOKED, Kind.INVALID, Kind.INVALID]
    assert records[1].revoked_on == AT - 2 * DAY
    certificate = whole(made(REVOKED[0]))
    told = records[1].to_dict()
    assert told.keys() == certificate.keys()
    assert told["chain"][1:] == certificate["chain"][1:]
    assert told["revocation"][1:] == certificate["revocation"][1:]
    assert told["certificate"] == {"subject": None, "serial": "3e8", "sha256": None}


# -- snapshots -----------------------------------------------------------------------------


@pytest.fixture
def crl_store(tmp_path: Path) -> CrlStore:
    store = CrlStore(tmp_path / "crl", key_file=tmp_path / "key")
    store.add(ROOT_CRL.octets, ROOT.certificate, source="root")
    store.add(CA_CRL.octets, CA.certificate, source="ca")
    return store


def without_sources(record: Record) -> dict[str, Any]:
    """An empty list is kept without an index, and comes from its file."""
    told = record.to_dict()
    for status in told["revocation"]:
        for item in status["evidence"]:
            del item["source"]
    return told


def test_kept_lists_tell_the_same_as_given_ones(crl_store: CrlStore) -> None:
    fleet = [made(1), made(2), made(REVOKED[0])]
    kept = snapshot(crls=(), crl_store=crl_store)
    first, second, third = (
        check_batch(fleet, taken) for taken in (snapshot(), kept, kept.with_lists_inside())
    )
    assert [record.kind for record in first] == [Kind.GOOD, Kind.GOOD, Kind.REVOKED]
    assert list(map(without_sources, first)) == list(map(without_sources, second))
    assert list(map(without_sources, first)) == list(map(without_sources, third))


def test_a_snapshot_survives_pickling_and_is_the_same_value(crl_store: CrlStore) -> None:
    taken = snapshot(crl_store=crl_store)
    again = pickle.loads(pickle.dumps(taken))  # noqa: S301 - our own
    assert again == taken
    assert hash(again) == hash(taken)


def test_lists_that_changed_meanwhile_are_not_mixed_in(crl_store: CrlStore) -> None:
    taken = snapshot(crls=(), crl_store=crl_store)
    crl_store.add(CA.crl([1], number=2), CA.certificate, source="newer")
    with pytest.raises(StorageError, match="changed"), bulk_checker(taken):
        pass
    with pytest.raises(StorageError, match="changed"):
        taken.with_lists_inside()


def test_an_index_that_was_tampered_with_is_not_believed(crl_store: CrlStore) -> None:
    taken = snapshot(crls=(), crl_store=crl_store)
    for path in crl_store.directory.glob("*.idx"):
        octets = bytearray(path.read_bytes())
        octets[-1] ^= 1
        path.write_bytes(bytes(octets))
    with bulk_checker(taken) as checker:
        kinds = {record.kind for record in checker.check([made(serial) for serial in range(1, 20)])}
    assert Kind.REVOKED not in kinds
    with bulk_checker(taken) as checker:
        records = checker.check([made(serial) for serial in REVOKED[:20]])
    assert Kind.GOOD not in {record.kind for record in records}


def test_a_snapshot_without_anchor_or_with_a_naive_time_is_refused() -> None:
    with pytest.raises(UsageError):
        Snapshot.of(TrustStore(), at=AT)
    with pytest.raises(UsageError):
        Snapshot.of(STORE, at=AT.replace(tzinfo=None))


# -- engines -------------------------------------------------------------------------------


def test_a_stream_is_read_as_it_is_needed_and_records_keep_its_order() -> None:
    taken = 0

    def stream() -> Iterator[bytes]:
        nonlocal taken
        while True:
            taken += 1
            yield made(1 + taken % 3)

    records = check_all(stream(), snapshot())
    serials = [next(records).serial for _ in range(10)]
    assert serials == [1 + number % 3 for number in range(1, 11)]
    assert taken <= 256
    records.close()


def test_processes_tell_the_same_in_the_same_order() -> None:
    fleet = [made(1 + number % 5) for number in range(700)]
    fleet[300], fleet[600] = made(REVOKED[3]), b"broken"
    assert list(check_all(fleet, snapshot(), jobs=2)) == list(check_all(fleet, snapshot()))


def test_processes_tell_why_a_snapshot_cannot_be_opened(crl_store: CrlStore) -> None:
    taken = snapshot(crls=(), crl_store=crl_store)
    crl_store.add(CA.crl([1], number=2), CA.certificate, source="newer")
    with pytest.raises(StorageError, match="changed"):
        list(check_all([made(1)], taken, jobs=2))


def test_jobs_are_one_or_more() -> None:
    with pytest.raises(UsageError):
        list(check_all([], snapshot(), jobs=0))


def test_a_lost_worker_loses_nothing() -> None:
    fleet = [made(1 + number % 5) for number in range(2000)]
    records = check_all(fleet, snapshot(), jobs=2)
    first = next(records)
    multiprocessing.active_children()[0].kill()
    assert [first, *records] == list(check_all(fleet, snapshot()))
    assert not multiprocessing.active_children()


class LosingEngine:
    """Loses its only worker at each batch."""

    lost = (BrokenProcessPool,)
    recoveries = 0

    def submit(self, batch: object) -> Future[list[Record]]:
        future: Future[list[Record]] = Future()
        future.set_exception(BrokenProcessPool())
        return future

    def is_done(self, future: Future[list[Record]]) -> bool:
        return False

    def recover(self) -> None:
        self.recoveries += 1


def test_a_batch_that_costs_every_worker_its_life_ends_the_check() -> None:
    engine = LosingEngine()
    with pytest.raises(IgcError, match="lost"):
        next(engines._mapped([(made(1),)], engine, 2))
    assert engine.recoveries == 2


def test_batches_are_cut_from_a_stream() -> None:
    assert list(in_batches([b"1", b"2", b"3"], 2)) == [(b"1", b"2"), (b"3",)]
