"""Whose product it is that the platform shows for an order: another's is never taken unasked."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from fake_platform import FakePlatform

from igcsante.certs.requests import read_key
from igcsante.errors import IgcError, NetworkError, PlatformRefusedError, UsageError
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws.model import Offre, ProductRequest, ProductState, Usage
from igcsante.ws.orders import lifecycle, renewal
from igcsante.ws.orders.attempts import CLOSE, LATE, failed_lately
from igcsante.ws.orders.doubts import ContestedError, InDoubtError
from igcsante.ws.orders.enrolment import prepare, submit
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.order_key import GivenRequest, NewKey
from igcsante.ws.orders.park import survey
from igcsante.ws.orders.reconcile import FEW, refresh, synchronise
from igcsante.ws.orders.settle import settle_as_nothing, settle_as_product
from igcsante.ws.outcome import SETTLING

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
LONGEST = timedelta(seconds=150)
END = AT + LONGEST + SETTLING
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)
LOST = NetworkError("hung up", outcome_unknown=True)
UNSENT = NetworkError("unreachable")
CERTIFIED = PlatformRefusedError("certified already", kind="key_already_certified")
WANTED = {
    "offre": Offre.ORG,
    "usage": Usage.AUTH_CLI,
    "structure": StructureId.parse("318751275100020"),
    "emails": ("pki@exemple.fr",),
    "service_name": "svc",
}
CHOSEN, OWN = "web-2026", "igc-" + "7" * 32
OUTSIDE = [AT - CLOSE - SECOND, END + CLOSE + SECOND, AT - HOUR, AT + HOUR]
INSIDE = [AT - CLOSE, AT, END, END + CLOSE]


@pytest.fixture
def platform(throw_away_ca):
    made = FakePlatform(throw_away_ca.leaf.public_bytes(Encoding.DER))
    made.longest_attempt = LONGEST
    return made


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


def request(reference=CHOSEN):
    return ProductRequest(**WANTED, csr=b"csr", client_reference=reference)


def place(platform, journal, reference=CHOSEN, at=AT):
    return lifecycle.place_order(platform, journal, request(reference), at=at)


def goes_wrong(platform, error, attempt):
    """The attempt, which the platform doesn't carry out."""
    platform.error, platform.works = error, False
    with pytest.raises(type(error)):
        attempt()
    platform.error, platform.works = None, True


def lost(platform, journal, reference=CHOSEN, at=AT):
    goes_wrong(platform, LOST, lambda: place(platform, journal, reference, at))
    return journal.find(reference)


def show(platform, requested, reference=CHOSEN):
    """A product of that reference, requested then."""
    platform.order_product(request(reference))
    platform.products[-1] = replace(platform.products[-1], requested_at=requested)
    return platform.products[-1]


def look(way, platform, journal, entry, at):
    if way == "again":
        place(platform, journal, entry.reference, at)
    elif way == "sync":
        refresh(platform, journal, entry, at=at)
    else:
        for number in range(FEW):
            place(platform, journal, f"other-{number}", at)
        told = {e.id: trouble for e, _, trouble in
                synchronise(platform, journal, journal.list(), at=at)}  # fmt: skip
        if told[entry.id]:
            raise told[entry.id]


@pytest.mark.parametrize("way", ["again", "sync", "listing"])
@pytest.mark.parametrize("requested", OUTSIDE)
def test_a_chosen_reference_of_another_time_is_for_a_person_to_tell(
    platform, journal, requested, way
):
    entry = lost(platform, journal)
    product = show(platform, requested)
    with pytest.raises(ContestedError, match="P-1 of its reference web-2026") as caught:
        look(way, platform, journal, entry, AT + HOUR)
    assert "igc orders settle 1 --product P-1" in caught.value.advice
    entry = journal.get(str(entry.id))
    assert (entry.state, entry.product_id) == (OrderState.UNKNOWN, "")
    mine = settle_as_product(journal, entry, product, at=AT)
    assert (mine.state, mine.product_id) == (OrderState.ORDERED, "P-1")


@pytest.mark.parametrize("way", ["again", "sync", "listing"])
@pytest.mark.parametrize(
    ("reference", "requested"), [*((CHOSEN, at) for at in INSIDE), *((OWN, at) for at in OUTSIDE)]
)
def test_what_was_requested_while_it_was_sent_or_has_our_own_reference_is_ours(
    platform, journal, reference, requested, way
):
    entry = lost(platform, journal, reference)
    show(platform, requested, reference)
    look(way, platform, journal, entry, AT + HOUR)
    assert journal.get(str(entry.id)).product_id == "P-1"


def test_somebody_else_s_product_is_not_taken_in_the_command_that_was_cut(platform, journal):
    show(platform, AT - HOUR)
    platform.error, platform.works = LOST, False
    with pytest.raises(ContestedError):
        place(platform, journal)
    assert journal.find(CHOSEN).state is OrderState.UNKNOWN


def test_an_attempt_that_was_answered_tells_nothing_of_a_product(platform, journal):
    goes_wrong(platform, PlatformRefusedError("no"), lambda: place(platform, journal))
    goes_wrong(platform, UNSENT, lambda: place(platform, journal, at=AT + HOUR))
    entry = lost(platform, journal, at=AT + 2 * HOUR)
    show(platform, AT + SECOND)
    with pytest.raises(ContestedError):
        refresh(platform, journal, entry, at=AT + 2 * HOUR)
    platform.products[0] = replace(platform.products[0], requested_at=AT + HOUR)
    with pytest.raises(ContestedError):
        refresh(platform, journal, entry, at=AT + 2 * HOUR)


def test_the_first_of_several_attempts_counts_too(platform, journal):
    entry = lost(platform, journal)
    assert refresh(platform, journal, entry, at=END).state is OrderState.FAILED
    entry = lost(platform, journal, at=AT + HOUR)
    assert entry.state is OrderState.UNKNOWN
    show(platform, AT + SECOND)
    assert refresh(platform, journal, entry, at=AT + HOUR).product_id == "P-1"


# -- renewals --------------------------------------------------------------------------------


@pytest.fixture
def active(platform, journal):
    place(platform, journal, OWN, AT - timedelta(days=1000))
    soon = {"not_after": AT + timedelta(days=30), "serial": "0AFF"}
    platform.products[0] = replace(
        platform.products[0], state=ProductState.ACTIF, renewable=True, **soon
    )
    return platform.products[0]


def renew(platform, journal, folder, at=AT):
    return renewal.renew(platform.products[0], platform, journal, folder, at=at)


def renewed_by_somebody(platform, requested):
    platform.renew_product(type("Renewal", (), {"product_id": "P-1"}))
    platform.products[-1] = replace(platform.products[-1], requested_at=requested)
    return platform.products[-1]


@pytest.mark.parametrize("more", [0, FEW])
@pytest.mark.parametrize("requested", OUTSIDE)
def test_a_successor_of_another_time_is_for_a_person_to_tell(
    platform, journal, active, tmp_path, requested, more
):
    goes_wrong(platform, LOST, lambda: renew(platform, journal, tmp_path))
    entry = journal.list()[0]
    successor = renewed_by_somebody(platform, requested)
    for number in range(more):
        place(platform, journal, f"other-{number}")
    told = {e.id: trouble for e, _, trouble in
            synchronise(platform, journal, journal.list(), at=AT + HOUR)}  # fmt: skip
    assert isinstance(told[entry.id], ContestedError)
    with pytest.raises(ContestedError, match="P-1 was renewed as product P-2") as caught:
        renew(platform, journal, tmp_path, at=AT + HOUR)
    assert "--reference" not in caught.value.advice
    assert journal.get(str(entry.id)).state is OrderState.UNKNOWN
    assert Path(entry.key_path).is_file()
    with Journal(journal.path) as other:
        assert settle_as_product(other, entry, successor, at=AT).product_id == "P-2"
        other.update(entry, at=AT, state=OrderState.UNKNOWN, product_id="")
    assert settle_as_nothing(journal, entry, at=AT + HOUR).state is OrderState.FAILED
    with pytest.raises(UsageError, match="renewed already, by P-2"):
        renew(platform, journal, tmp_path, at=AT + HOUR)


@pytest.mark.parametrize("requested", INSIDE)
def test_a_successor_of_the_attempt_is_ours(platform, journal, active, tmp_path, requested):
    goes_wrong(platform, LOST, lambda: renew(platform, journal, tmp_path))
    renewed_by_somebody(platform, requested)
    assert renew(platform, journal, tmp_path, at=AT + HOUR).product_id == "P-2"


# -- a key that is certified already ---------------------------------------------------------


def test_a_key_that_is_certified_already_is_refused_at_the_first_sending(platform, journal):
    for at in (AT, AT + SECOND):  # the second is no other: nothing was served before
        platform.error, platform.works = CERTIFIED, False
        with pytest.raises(PlatformRefusedError, match="certified already") as caught:
            place(platform, journal, at=at)
        assert "sync" not in caught.value.advice
        entry = journal.find(CHOSEN)
        assert entry.state is OrderState.REFUSED and not entry.doubt_until


def test_a_renewal_with_a_key_that_is_certified_already_is_refused(
    platform, journal, active, tmp_path
):
    goes_wrong(platform, CERTIFIED, lambda: renew(platform, journal, tmp_path))
    assert journal.list()[0].state is OrderState.REFUSED
    assert renew(platform, journal, tmp_path).product_id == "P-2", "at once, with another key"


def test_a_key_that_is_certified_already_tells_that_what_was_sent_before_is_there(
    platform, journal, monkeypatch
):
    entry = lost(platform, journal)
    assert refresh(platform, journal, entry, at=END).state is OrderState.FAILED
    goes_wrong(platform, CERTIFIED, lambda: place(platform, journal, at=AT + HOUR))
    assert journal.find(CHOSEN).state is OrderState.UNKNOWN
    show(platform, AT + SECOND)
    assert refresh(platform, journal, entry, at=AT + HOUR).product_id == "P-1"


# -- what arrives after its order has failed -------------------------------------------------


@pytest.mark.parametrize(
    ("reference", "requested"), [(OWN, AT + 3 * HOUR), (CHOSEN, END), (CHOSEN, AT)]
)
@pytest.mark.parametrize("others", [0, FEW + 1])
def test_an_order_that_arrives_after_it_failed_is_brought_back_by_a_sync(
    platform, journal, reference, requested, others
):
    for number in range(others):
        place(platform, journal, f"other-{number}")
    entry = lost(platform, journal, reference)
    assert refresh(platform, journal, entry, at=END).state is OrderState.FAILED
    late = failed_lately(journal, "", at=AT + HOUR)
    entries = journal.list(states=(OrderState.ORDERED,))
    assert late == (journal.get(str(entry.id)),)
    quiet = list(synchronise(platform, journal, entries, at=AT + HOUR, late=late))
    assert [before.id for before, _, _ in quiet] == [e.id for e in entries]
    product = show(platform, requested, reference)
    (line,) = (e for e in survey(journal.list(), platform.products, at=AT) if e.order == entry.id)
    assert line.problems == (
        f"order {entry.id} asked for it, and counts as failed: if it is that one, "
        f"igc orders sync {entry.id}",
    )
    *_, (before, after, trouble) = synchronise(platform, journal, entries, at=AT, late=late)
    assert (before.state, after.state, trouble) == (OrderState.FAILED, OrderState.ORDERED, None)
    assert after.product_id == product.product_id


def test_one_that_arrives_too_late_to_tell_is_named_and_a_person_says_whose_it_is(
    platform, journal
):
    entry = refresh(platform, journal, lost(platform, journal), at=END)
    product = show(platform, AT + HOUR)
    late = failed_lately(journal, "", at=AT + HOUR)
    ((_, after, trouble),) = synchronise(platform, journal, (), at=AT + HOUR, late=late)
    assert isinstance(trouble, ContestedError) and "counts as failed, but" in trouble.message
    with pytest.raises(ContestedError):  # nor is it sent a second time
        place(platform, journal, at=AT + HOUR)
    assert (after, len(platform.products)) == (entry, 1)
    with Journal(journal.path) as other:
        assert settle_as_product(other, entry, product, at=AT).product_id == "P-1"
        other.update(entry, at=AT, state=OrderState.FAILED, product_id="")
    settle_as_nothing(journal, entry, at=AT + HOUR)
    assert failed_lately(journal, "", at=AT + HOUR) == ()
    (line,) = survey(journal.list(), platform.products, at=AT)
    assert (line.order, line.problems) == (None, ())


def test_a_renewal_that_arrives_after_it_failed_is_brought_back(
    platform, journal, active, tmp_path
):
    goes_wrong(platform, LOST, lambda: renew(platform, journal, tmp_path))
    entry = refresh(platform, journal, journal.list()[0], at=END)
    assert entry.state is OrderState.FAILED and Path(entry.key_path).is_file()
    renewed_by_somebody(platform, END)
    lines = survey(journal.list(), platform.products, at=AT)
    assert [line.order for line in lines if line.product_id == "P-2"] == [entry.id]
    late = failed_lately(journal, "", at=AT + HOUR)
    ((_, after, trouble),) = synchronise(platform, journal, (), at=AT + HOUR, late=late)
    assert (after.product_id, trouble) == ("P-2", None)


def test_an_order_that_arrived_late_is_not_sent_again(platform, journal):
    refresh(platform, journal, lost(platform, journal, OWN), at=END)
    show(platform, AT + HOUR, OWN)
    assert place(platform, journal, OWN, AT + 2 * HOUR).product_id == "P-1"
    assert len(platform.products) == 1


@pytest.mark.parametrize("error", [UNSENT, PlatformRefusedError("no")])
def test_what_certainly_did_not_happen_is_not_looked_for(platform, journal, error):
    goes_wrong(platform, error, lambda: place(platform, journal))
    assert failed_lately(journal, "", at=AT) == ()


def test_a_sync_does_not_look_for_ever(platform, journal):
    refresh(platform, journal, lost(platform, journal), at=END)
    assert len(failed_lately(journal, "", at=END + LATE - SECOND)) == 1
    assert failed_lately(journal, "", at=END + LATE) == ()


# -- the key of an order that is sent again --------------------------------------------------


def enrol(platform, journal, folder, source=None, at=AT, passphrase=None):
    wanted = {**WANTED, "client_reference": CHOSEN}
    enrolled = prepare(folder, source or NewKey(), **wanted)
    return submit(enrolled, platform, journal, at=at, key_passphrase=passphrase)


def keys_in(folder):
    return sorted(map(str, folder.glob("*.key.pem")))


@pytest.mark.parametrize("between", ["settled", "at once"])
@pytest.mark.parametrize("ends", ["ordered", "refused", "lost"])
@pytest.mark.parametrize("passphrase", [None, Secret("passphrase-of-key")])
def test_an_order_that_is_sent_again_has_the_key_of_the_first_time(
    platform, journal, tmp_path, between, ends, passphrase
):
    seen = []
    platform.seen_by_journal = lambda wanted: seen.append(wanted.csr)
    folder = tmp_path / "keys"
    options = {"passphrase": passphrase}
    goes_wrong(platform, LOST, lambda: enrol(platform, journal, folder, **options))
    first = journal.find(CHOSEN).key_path
    with pytest.raises(InDoubtError):
        enrol(platform, journal, folder, **options)
    if between == "settled":
        settle_as_nothing(journal, journal.find(CHOSEN), at=AT + HOUR)
    error = {"refused": PlatformRefusedError("no"), "lost": LOST}.get(ends)
    platform.error, platform.works = error, not error
    try:
        enrol(platform, journal, tmp_path / "elsewhere", at=AT + HOUR, **options)
    except IgcError as raised:
        assert raised is error
    assert keys_in(folder) == [first] == [journal.find(CHOSEN).key_path]
    assert not (tmp_path / "elsewhere").exists()
    certified = [x509.load_pem_x509_csr(csr).public_key() for csr in seen]
    assert certified == [read_key(Path(first), passphrase).public_key()] * 2


@pytest.mark.parametrize("other", ["size", "passphrase", "csr"])
@pytest.mark.parametrize("ends", ["ordered", "refused", "unsent", "certified"])
def test_a_key_that_an_order_has_no_more_is_still_named(platform, journal, tmp_path, other, ends):
    given = prepare(tmp_path, **WANTED).request.csr
    folder = tmp_path / "keys"
    goes_wrong(platform, LOST, lambda: enrol(platform, journal, folder))
    first = journal.find(CHOSEN).key_path
    options = {
        "size": {"source": NewKey(3072)},
        "passphrase": {"passphrase": Secret("passphrase-of-key")},
        "csr": {"source": GivenRequest(given)},
    }[other]
    errors = {"refused": PlatformRefusedError("no"), "unsent": UNSENT, "certified": CERTIFIED}
    platform.error, platform.works = errors.get(ends), ends == "ordered"
    try:
        enrol(platform, journal, folder, at=AT + HOUR, **options)
    except IgcError as raised:
        assert raised is errors[ends]
    entry = journal.find(CHOSEN)
    named = " ".join([entry.key_path, *(step.note for step in journal.history(entry))])
    assert first in keys_in(folder)
    assert all(path in named for path in keys_in(folder))
    if ends != "ordered":
        assert (entry.key_path, keys_in(folder)) == (first, [first])
    elif other == "csr":
        assert entry.key_path == ""
    elif other == "size":
        assert read_key(Path(entry.key_path)).key_size == 3072


# -- what was given up, then sent again ------------------------------------------------------


def test_a_refusal_of_the_second_attempt_does_not_forget_the_first(platform, journal):
    refresh(platform, journal, lost(platform, journal), at=END)
    again = AT + HOUR
    goes_wrong(platform, PlatformRefusedError("no"), lambda: place(platform, journal, at=again))
    entry = journal.find(CHOSEN)
    assert (entry.state, entry.last_error) == (OrderState.FAILED, "no")
    show(platform, AT + SECOND)
    late = failed_lately(journal, "", at=AT + HOUR)
    ((_, after, trouble),) = synchronise(platform, journal, (), at=AT + HOUR, late=late)
    assert (after.product_id, trouble) == ("P-1", None)


@pytest.mark.parametrize("ends", ["ordered", "lost"])
def test_a_renewal_that_was_given_up_is_sent_again_with_its_own_key(
    platform, journal, active, tmp_path, ends
):
    goes_wrong(platform, LOST, lambda: renew(platform, journal, tmp_path))
    first = refresh(platform, journal, journal.list()[0], at=END)
    key = Path(first.key_path).read_bytes()
    again = AT + HOUR
    if ends == "lost":
        goes_wrong(platform, LOST, lambda: renew(platform, journal, tmp_path, at=again))
        renewed_by_somebody(platform, AT + SECOND)  # the first request, late
    entry = renew(platform, journal, tmp_path, at=again)
    assert (entry.id, entry.product_id, entry.key_path) == (first.id, "P-2", first.key_path)
    assert [Path(first.key_path).read_bytes()] == [
        path.read_bytes() for path in tmp_path.glob("*.key.pem")
    ]
    assert Path(first.key_path).read_bytes() == key
    assert len(journal.renewals("P-1")) == 1


def test_the_key_of_an_attempt_outlives_another_one_of_the_same_reference(
    platform, journal, tmp_path
):
    wanted = {**WANTED, "client_reference": OWN}
    goes_wrong(
        platform,
        LOST,
        lambda: submit(prepare(tmp_path, **wanted), platform, journal, at=AT),
    )
    first = refresh(platform, journal, journal.find(OWN), at=END)
    csr = NewKey().order_key("svc").csr
    other = prepare(tmp_path, GivenRequest(csr), **wanted)
    goes_wrong(
        platform,
        PlatformRefusedError("no"),
        lambda: submit(other, platform, journal, at=AT + HOUR),
    )
    assert Path(first.key_path).is_file()
    assert journal.find(OWN).key_path == first.key_path
    assert [path.name for path in tmp_path.glob("*.csr")] == []


def test_an_order_of_a_journal_without_steps_is_for_a_person_to_tell(platform, journal):
    entry = lost(platform, journal)
    show(platform, AT)
    with sqlite3.connect(journal.path) as database:
        database.execute("DELETE FROM steps")
    with pytest.raises(ContestedError):
        refresh(platform, journal, entry, at=AT)
