"""What an attempt's end means, and when a doubt may end: never ordered twice, never forgotten."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from fake_platform import FakePlatform
from hostile import TlsServer, http
from ws_contract import product_xml, reply

from igcsante.cli.order_parts import doubts_told
from igcsante.errors import (
    ContractError,
    IgcError,
    NetworkError,
    PlatformRefusedError,
    PlatformUnavailableError,
    TimeoutExceededError,
    UsageError,
)
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.ws import outcome
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import (
    Offre,
    ProductRequest,
    ProductState,
    Revocation,
    Usage,
    Withdrawal,
)
from igcsante.ws.orders import lifecycle, reconcile
from igcsante.ws.orders.doubts import ContestedError, InDoubtError
from igcsante.ws.orders.enrolment import prepare, submit
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.locks import AtWorkError
from igcsante.ws.orders.reconcile import FEW, refresh, synchronise, wait_until_made
from igcsante.ws.orders.settle import settle_as_nothing, settle_as_product
from igcsante.ws.outcome import SETTLING, TURNED_AWAY, End, end_of
from igcsante.ws.soap.transport import Limits

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
STRUCTURE_ID = StructureId.parse("318751275100020")
LOST = PlatformUnavailableError("HTTP 504", outcome_unknown=True)
TAKEN = PlatformRefusedError("twice", kind="duplicate_reference", fault="MOCK-F19")
WITHDRAWAL = Withdrawal("P-1", Secret("code-revoc"), accepted=True)
REVOCATION = Revocation(Secret("code-revoc"), product_id="P-1")


@pytest.fixture
def platform(throw_away_ca):
    return FakePlatform(throw_away_ca.leaf.public_bytes(Encoding.DER))


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "data" / "journal.sqlite") as opened:
        yield opened


def request(reference="CAMPAGNE-1", name="svc"):
    return ProductRequest(
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=STRUCTURE_ID,
        emails=("pki@exemple.fr",),
        service_name=name,
        csr=b"csr",
        client_reference=reference,
    )


def place(platform, journal, wanted=None, at=AT, **about):
    return lifecycle.place_order(platform, journal, wanted or request(), at=at, **about)


def lost(platform, journal, at=AT):
    """An order whose answer was lost, and that the platform doesn't show."""
    platform.error, platform.works = LOST, False
    with pytest.raises(PlatformUnavailableError):
        place(platform, journal, at=at)
    platform.error, platform.works = None, True
    return journal.find("CAMPAGNE-1")


# -- what an attempt's end means -------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (NetworkError("unreachable"), End.NOT_SENT),
        (PlatformRefusedError("no"), End.REFUSED),
        (PlatformRefusedError("HTTP 403", outcome_unknown=True), End.UNKNOWN),
        (TAKEN, End.THERE_ALREADY),
        (ContractError("a page", outcome_unknown=True), End.UNKNOWN),
    ],
)
def test_an_error_says_how_an_attempt_ended(error, end):
    assert end_of(error) is end


@pytest.mark.parametrize("status", [302, 303, 307, 400, 403, 404, 408, 409, 500, 504])
def test_an_order_that_a_gateway_hid_is_found_whatever_it_said(journal, throw_away_ca, status):
    found = f"<produits>{product_xml('P-1')}</produits><total>1</total>"
    made = reply("rechercherProduits", found)
    wanted = request("ref-P-1", "DMP")

    def answer(connection, body):
        if b"rechercherProduits" in body:
            connection.sendall(http(made))
        else:
            connection.sendall(http("<html/>", f"{status} Said", "text/html"))

    with (
        TlsServer(throw_away_ca.server_file, answer) as server,
        ZeepPlatform(server.url, throw_away_ca.client_context()) as client,
    ):
        entry = place(client, journal, wanted, at=AT - timedelta(minutes=30))  # when P-1 was made
    assert (entry.state, entry.product_id) == (OrderState.ORDERED, "P-1")


@pytest.mark.parametrize("status", sorted(TURNED_AWAY))
def test_what_http_turned_away_was_not_ordered(journal, throw_away_ca, status):
    with (
        TlsServer(
            throw_away_ca.server_file,
            lambda connection, _: connection.sendall(http("<html/>", f"{status} No", "text/html")),
        ) as server,
        ZeepPlatform(server.url, throw_away_ca.client_context()) as client,
        pytest.raises(IgcError),
    ):
        place(client, journal)
    assert journal.find("CAMPAGNE-1").state.nothing_ordered
    assert len(server.requests) == 1


@pytest.mark.parametrize("error", [LOST, PlatformRefusedError("HTTP 403", outcome_unknown=True)])
def test_a_withdrawal_or_revocation_that_may_arrive_late_stays_in_doubt(platform, journal, error):
    def withdraw(entry):
        lifecycle.withdraw(platform, journal, entry, WITHDRAWAL, at=AT, save=pytest.fail)

    def revoke(entry):
        lifecycle.revoke(platform, journal, entry, REVOCATION, at=AT)

    entry = place(platform, journal)
    for attempt, doubt, late, settled in (
        (withdraw, OrderState.WITHDRAWING, ProductState.ACTIF, OrderState.WITHDRAWN),
        (revoke, OrderState.REVOKING, ProductState.REVOQUE, OrderState.REVOKED),
    ):
        before = entry.state
        platform.error, platform.works = error, False
        with pytest.raises(type(error)):
            attempt(entry)
        platform.error, platform.works = None, True
        entry = journal.get("P-1")
        assert (entry.state, entry.last_error) == (doubt, error.message)
        assert refresh(platform, journal, entry, at=AT + SETTLING - SECOND).state is doubt
        with Journal(journal.path) as other:  # had it never arrived
            assert refresh(platform, other, entry, at=AT + SETTLING).state is before
            other.update(entry, at=AT, state=doubt)
        platform._become(late)
        entry = refresh(platform, journal, entry, at=AT + SECOND)
        assert entry.state is settled


# -- when a doubt may end --------------------------------------------------------------------


def test_a_doubt_counts_with_the_limits_of_the_call(platform, journal):
    platform.longest_attempt = timedelta(seconds=390)
    platform.error = KeyboardInterrupt()  # killed: it may have been sent until then
    with pytest.raises(KeyboardInterrupt):
        place(platform, journal)
    platform.products.clear()
    entry = journal.find("CAMPAGNE-1")
    end = AT + timedelta(seconds=390) + SETTLING
    assert entry.settles == end
    assert refresh(platform, journal, entry, at=end - SECOND).state is OrderState.SENT
    assert refresh(platform, journal, entry, at=end).state is OrderState.FAILED


def test_the_longest_attempt_is_that_of_the_limits(throw_away_ca):
    limits = Limits(connect=10, silence=290, total=300)
    context = throw_away_ca.client_context()
    with ZeepPlatform("https://127.0.0.1/", context, limits=limits) as client:
        assert client.longest_attempt == timedelta(seconds=320)


def test_a_doubt_counts_from_when_it_was_sent_not_from_before_it_was_looked_for(
    platform, journal, monkeypatch
):
    now = [0.0]
    monkeypatch.setattr(outcome, "seconds", lambda: now[0])
    lost(platform, journal)
    search = platform.search_products

    def slow(wanted):
        now[0] += 100
        return search(wanted)

    monkeypatch.setattr(platform, "search_products", slow)
    platform.error, platform.works = LOST, False
    begun = AT + SETTLING
    with pytest.raises(PlatformUnavailableError):
        place(platform, journal, at=begun)
    sent = [s.at for s in journal.history(journal.list()[0]) if s.state is OrderState.SENT]
    assert sent == [AT, begun + timedelta(seconds=100)]
    assert journal.list()[0].settles == begun + timedelta(seconds=100) + SETTLING


@pytest.mark.parametrize("others", [0, FEW])
def test_sync_looks_at_the_journal_as_it_is_by_now(platform, journal, others):
    for number in range(others):
        place(platform, journal, request(f"other-{number}", f"o{number}"))
    lost(platform, journal)
    entries = journal.list()  # then a PIN is typed, while another command sends it again
    again = AT + SETTLING
    with Journal(journal.path) as other:
        assert lost(platform, other, again).settles == again + SETTLING
    told = list(synchronise(platform, journal, entries, at=again + SECOND))
    assert not any(trouble for _, _, trouble in told)
    assert journal.find("CAMPAGNE-1").state is OrderState.UNKNOWN


def test_a_listing_does_not_undo_what_another_command_did_meanwhile(
    platform, journal, tmp_path, monkeypatch
):
    for number in range(FEW + 1):
        place(platform, journal, request(f"other-{number}", f"o{number}"))
    entries, search = journal.list(), platform.search_products
    with Journal(journal.path) as other:

        def listed_then_withdrawn(wanted):
            page = search(wanted)
            number = str(platform.products[-1].product_id)
            lifecycle.withdraw(
                platform, other, other.get(number), replace(WITHDRAWAL, product_id=number),
                at=AT, save=lambda product: tmp_path / "a.pem",
            )  # fmt: skip
            return page

        monkeypatch.setattr(platform, "search_products", listed_then_withdrawn)
        list(synchronise(platform, journal, entries, at=AT + SECOND))
    assert journal.get(platform.products[-1].product_id).state is OrderState.WITHDRAWN


def test_an_order_that_another_command_is_sending_is_waited_for(platform, journal, monkeypatch):
    entry = journal.record("R", at=AT)
    entry = journal.update(entry, at=AT, state=OrderState.SENT)
    now, hold, slept = [AT + timedelta(days=1)], journal.hold, []

    def held(entry):
        if len(slept) < 3:
            raise AtWorkError("another command")
        return hold(entry)

    def sleep(seconds):
        slept.append(seconds)
        now[0] += timedelta(seconds=seconds)
        if len(slept) == 3:  # it has its answer, and lets go
            journal.update(entry, at=now[0], state=OrderState.ORDERED, product_id="P-1")

    monkeypatch.setattr(journal, "hold", held)
    monkeypatch.setattr(reconcile.time, "sleep", sleep)
    platform.order_product(request())
    with pytest.raises(TimeoutExceededError):
        wait_until_made(platform, journal, entry, seconds=2, clock=lambda: now[0])
    made = wait_until_made(platform, journal, entry, seconds=60, clock=lambda: now[0])
    assert (made.state, made.product_id) == (OrderState.ORDERED, "P-1")


def test_what_was_said_of_an_order_ends_when_its_answer_comes(platform, journal):
    def meanwhile(request):  # as an older igcsante did, that held nothing
        entry = journal.find("CAMPAGNE-1")
        journal.update(entry, at=AT, state=OrderState.FAILED, last_error="no such order")

    platform.seen_by_journal = meanwhile
    entry = place(platform, journal)
    assert (entry.state, entry.last_error) == (OrderState.ORDERED, "")


def test_a_person_who_settles_too_soon_is_told_when(platform, journal):
    entry = lost(platform, journal)
    with pytest.raises(InDoubtError, match="the platform was not asked") as caught:
        settle_as_nothing(journal, entry, at=AT + SECOND)
    assert "doesn't show" not in caught.value.message
    assert "in 2 minutes" in caught.value.advice


@pytest.mark.parametrize("look", ["order", "settle", "sync"])
def test_a_doubt_that_began_on_a_clock_that_was_ahead_ends_all_the_same(platform, journal, look):
    platform.longest_attempt = timedelta(seconds=390)
    entry = lost(platform, journal, at=AT + timedelta(days=365))
    for _ in range(2):  # it is bounded once, not put off each time
        if look == "sync":
            ((_, entry, _),) = synchronise(platform, journal, [entry], at=AT)
        else:
            with pytest.raises(InDoubtError) as caught:
                if look == "order":
                    place(platform, journal, at=AT)
                else:
                    settle_as_nothing(journal, entry, at=AT)
            assert "in 9 minutes, after 2026-11-22 09:08:30" in caught.value.advice
        assert journal.list()[0].settles == AT + timedelta(seconds=390) + SETTLING
    end = AT + timedelta(seconds=390) + SETTLING
    if look == "settle":
        assert settle_as_nothing(journal, entry, at=end).state is OrderState.FAILED
    else:
        assert refresh(platform, journal, entry, at=end).state is OrderState.FAILED


# -- whose order it is -----------------------------------------------------------------------


def test_a_reference_that_is_a_number_names_its_own_order(platform, journal, tmp_path, capsys):
    platform.error, platform.works = PlatformRefusedError("no"), False
    with pytest.raises(PlatformRefusedError):
        place(platform, journal)
    platform.error, platform.reachable = LOST, False
    wanted = {
        "offre": Offre.ORG,
        "usage": Usage.AUTH_CLI,
        "structure": STRUCTURE_ID,
        "emails": ("pki@exemple.fr",),
        "service_name": "svc",
        "client_reference": "1",
    }
    with pytest.raises(PlatformUnavailableError):
        submit(prepare(tmp_path / "out", **wanted), platform, journal, at=AT)
    assert journal.get("2").state is OrderState.UNKNOWN
    assert [str(path) for path in (tmp_path / "out").iterdir()] == [journal.get("2").key_path]
    with pytest.raises(KeyboardInterrupt), doubts_told(journal, "1"):
        raise KeyboardInterrupt
    assert "Order 2" in capsys.readouterr().err


def test_somebody_else_s_product_of_the_same_reference_is_not_taken(platform, journal):
    platform.order_product(request(name="svc-alice"))
    platform.error, platform.works = TAKEN, False
    with pytest.raises(PlatformRefusedError, match=r"P-1, svc-alice.*nothing was ordered"):
        place(platform, journal, request(name="svc-bob"))
    entry = journal.find("CAMPAGNE-1")
    assert (entry.state, entry.product_id) == (OrderState.REFUSED, "")


def contested(platform, journal):
    """An order whose reference was taken by one that looks the same."""
    platform.order_product(request())
    platform.error, platform.works = TAKEN, False
    with pytest.raises(ContestedError, match="P-1") as caught:
        place(platform, journal)
    entry = journal.find("CAMPAGNE-1")
    assert (entry.state, entry.product_id) == (OrderState.UNKNOWN, "")
    assert f"igc orders settle {entry.id} --product P-1" in caught.value.advice
    return entry


@pytest.mark.parametrize("others", [0, FEW])
def test_a_product_that_nobody_can_tell_apart_is_left_to_a_person(platform, journal, others):
    entry = contested(platform, journal)
    platform.error, platform.works = None, True
    for number in range(others):
        place(platform, journal, request(f"other-{number}", f"o{number}"))
    told = {after.id: trouble for _, after, trouble in
            synchronise(platform, journal, journal.list(), at=AT + SETTLING)}  # fmt: skip
    assert isinstance(told[entry.id], ContestedError)
    with pytest.raises(ContestedError):
        place(platform, journal, at=AT + SETTLING)
    mine = settle_as_product(journal, entry, platform.products[0], at=AT + SETTLING)
    assert (mine.state, mine.product_id) == (OrderState.ORDERED, "P-1")
    assert place(platform, journal, at=AT + SETTLING) == mine


def test_a_product_that_a_person_said_is_another_s_is_never_taken(platform, journal):
    entry = contested(platform, journal)
    settle_as_nothing(journal, entry, at=AT + SETTLING)
    assert refresh(platform, journal, entry, at=AT + SETTLING).state is OrderState.FAILED
    with pytest.raises(PlatformRefusedError, match="another order has the reference"):
        place(platform, journal, at=AT + SETTLING)
    assert journal.find("CAMPAGNE-1").state is OrderState.REFUSED


def test_a_product_that_was_there_long_before_the_order_is_not_taken_either(platform, journal):
    platform.order_product(request())
    platform.products[0] = replace(platform.products[0], requested_at=AT - timedelta(days=30))
    platform.error, platform.works = LOST, False
    with pytest.raises(ContestedError):
        place(platform, journal)
    assert journal.find("CAMPAGNE-1").product_id == ""


def test_an_order_sent_before_that_turns_out_to_be_there_is_taken(platform, journal):
    doubt = lost(platform, journal)
    refresh(platform, journal, doubt, at=AT + SETTLING)
    platform.order_product(request())  # the first one, late
    platform.error, platform.works = TAKEN, False
    assert place(platform, journal, at=AT + SETTLING).product_id == "P-1"


def test_a_key_certified_already_says_that_the_order_is_there(platform, journal):
    platform.error = PlatformRefusedError("twice", kind="key_already_certified")
    with pytest.raises(UsageError):
        settle_as_product(journal, place(platform, journal), platform.products[0], at=AT)
