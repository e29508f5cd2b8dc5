"""Simulated readers as a program written against pyscard sees them."""

import sys

import pytest
from sim_support import material, powered_card

from igcsante.errors import CardError, UsageError
from igcsante.testing.cards import SimulatedCard, SimulatedReader, load_profile
from igcsante.testing.cards import reader as module

T0, T1 = 1, 2
LEAVE, RESET, UNPOWER = 0, 1, 2
EXCLUSIVE = 1
SELECT_SERIAL = [0x00, 0xA4, 0x09, 0x0C, 0x04, 0x3F, 0x00, 0xD0, 0x03]
READ_SERIAL = [0x00, 0xB0, 0x00, 0x00, 0x0C]
VERIFY = [0x00, 0x20, 0x00, 0x01, 0x04, 0x31, 0x32, 0x33, 0x34]
STATUS = [0x00, 0x20, 0x00, 0x01, 0x00]


@pytest.fixture(params=["with pyscard", "without pyscard"])
def exceptions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> object:
    """Where the program's exceptions come from."""
    if request.param == "with pyscard":
        return pytest.importorskip("smartcard.Exceptions", reason="pyscard is not installed")
    monkeypatch.setitem(sys.modules, "smartcard.Exceptions", None)
    return module


@pytest.fixture
def reader() -> SimulatedReader:
    return SimulatedReader("Simulated 1", SimulatedCard(load_profile("cps3"), material()))


def hresult(error: BaseException) -> int:
    return error.hresult & 0xFFFFFFFF  # type: ignore[attr-defined]


def test_reader_lists_under_its_name_and_reads_the_serial(reader: SimulatedReader) -> None:
    assert str(reader) == reader.name == "Simulated 1"
    assert reader == SimulatedReader("Simulated 1")
    with reader.createConnection() as connection:
        connection.connect()
        assert bytes(connection.getATR()).hex().upper() == "3BAC00402A001225006480000310009000"
        assert connection.getProtocol() == T0
        assert connection.getReader() == "Simulated 1"
        assert connection.transmit(SELECT_SERIAL) == ([], 0x90, 0x00)
        data, sw1, sw2 = connection.transmit(READ_SERIAL)
        assert (sw1, sw2) == (0x90, 0x00)
        assert bytes(data).hex().upper() == "5A0A8025000001997003014F"


def test_cps4_takes_the_protocol_that_is_asked_for() -> None:
    reader = SimulatedReader(card=SimulatedCard(load_profile("cps4"), material()))
    select = list(bytes.fromhex("01A4040C088025000001FF0100"))
    fci = list(bytes.fromhex("01A4080002D00300"))
    connection = reader.createConnection()
    connection.connect()
    assert connection.getProtocol() == T1
    connection.transmit(select)
    assert connection.transmit(fci)[1:] == (0x90, 0x00)
    connection.disconnect()
    connection.connect(T0)
    assert connection.getProtocol() == T0
    connection.transmit(select)
    assert connection.transmit(fci) == ([], 0x61, 0x10)
    assert connection.transmit([0x01, 0xC0, 0, 0, 0x10])[1:] == (0x90, 0x00)


def test_cps3_speaks_no_t1(reader: SimulatedReader, exceptions: object) -> None:
    connection = reader.createConnection()
    with pytest.raises(exceptions.CardConnectionException) as caught:  # type: ignore[attr-defined]
        connection.connect(T1)
    assert hresult(caught.value) == 0x8010000F
    connection.setProtocol(T0)
    connection.connect()


def test_empty_reader_raises_no_card(exceptions: object) -> None:
    connection = SimulatedReader().createConnection()
    with pytest.raises(exceptions.NoCardException) as caught:  # type: ignore[attr-defined]
        connection.connect()
    assert hresult(caught.value) == 0x8010000C


def test_connection_that_was_not_made_says_so(reader: SimulatedReader, exceptions: object) -> None:
    with pytest.raises(exceptions.CardConnectionException):  # type: ignore[attr-defined]
        reader.createConnection().transmit(READ_SERIAL)
    with pytest.raises(exceptions.CardConnectionException):  # type: ignore[attr-defined]
        reader.createConnection().getATR()


@pytest.mark.parametrize("exchange", [1, 2, 3])
def test_card_vanishes_at_the_exchange_that_was_asked(
    reader: SimulatedReader, exceptions: object, exchange: int
) -> None:
    card = reader.card
    assert card is not None
    reader.remove_at(exchange)
    connection = reader.createConnection()
    connection.connect()
    for _ in range(exchange - 1):
        connection.transmit(SELECT_SERIAL)
    for _ in range(2):
        with pytest.raises(exceptions.CardConnectionException) as caught:  # type: ignore[attr-defined]
            connection.transmit(SELECT_SERIAL)
        assert hresult(caught.value) == 0x80100069
    assert reader.card is None
    with pytest.raises(exceptions.NoCardException):  # type: ignore[attr-defined]
        reader.createConnection().connect()
    connection.disconnect()
    reader.insert(card)
    connection.connect()
    assert connection.transmit(SELECT_SERIAL)[1] == 0x90


def test_card_that_was_swapped_is_not_mistaken_for_the_old_one(reader: SimulatedReader) -> None:
    connection = reader.createConnection()
    connection.connect()
    reader.remove()
    reader.insert(powered_card("cps3"))
    with pytest.raises(Exception) as caught:
        connection.transmit(SELECT_SERIAL)
    assert hresult(caught.value) == 0x80100069
    with pytest.raises(Exception):  # noqa: B017
        connection.reconnect()


def test_leaving_the_card_keeps_the_pin_and_resetting_it_forgets(reader: SimulatedReader) -> None:
    for disposition, status in ((LEAVE, (0x90, 0x00)), (RESET, (0x63, 0xC3)), (None, (0x63, 0xC3))):
        connection = reader.createConnection()
        connection.connect(disposition=disposition)
        assert connection.transmit(VERIFY)[1:] == (0x90, 0x00)
        connection.disconnect()
        other = reader.createConnection()
        other.connect(disposition=RESET)
        assert other.transmit(STATUS)[1:] == status
        other.disconnect()


def test_reset_by_another_program_is_told_and_reconnect_helps(reader: SimulatedReader) -> None:
    first, second = reader.createConnection(), reader.createConnection()
    first.connect()
    second.connect(disposition=RESET)
    second.disconnect()
    with pytest.raises(Exception) as caught:
        first.transmit(STATUS)
    assert hresult(caught.value) == 0x80100068
    first.reconnect(disposition=LEAVE)
    assert first.transmit(STATUS)[1:] == (0x63, 0xC3)


@pytest.mark.parametrize("first_mode", [None, EXCLUSIVE])
def test_exclusive_connection_shuts_others_out(
    reader: SimulatedReader, first_mode: int | None
) -> None:
    first, second = reader.createConnection(), reader.createConnection()
    first.connect(mode=first_mode)
    with pytest.raises(Exception) as caught:
        second.connect(mode=None if first_mode else EXCLUSIVE)
    assert hresult(caught.value) == 0x8010000B
    first.disconnect()
    second.connect()


def test_transactions_are_allowed_while_the_card_is_there(reader: SimulatedReader) -> None:
    connection = reader.createConnection()
    connection.connect()
    connection.begin_transaction()
    connection.transmit(SELECT_SERIAL)
    connection.end_transaction()
    reader.remove()
    with pytest.raises(Exception) as caught:
        connection.begin_transaction()
    assert hresult(caught.value) == 0x80100069


def test_observers_and_error_checkers_of_pyscard_work(
    reader: SimulatedReader, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("smartcard", reason="pyscard is not installed")
    from smartcard.CardConnectionObserver import ConsoleCardConnectionObserver
    from smartcard.sw.ErrorCheckingChain import ErrorCheckingChain
    from smartcard.sw.ISO7816_4ErrorChecker import ISO7816_4ErrorChecker
    from smartcard.sw.SWExceptions import CheckingErrorException

    connection = reader.createConnection()
    observer = ConsoleCardConnectionObserver()
    connection.addObserver(observer)
    connection.setErrorCheckingChain([ErrorCheckingChain([], ISO7816_4ErrorChecker())])
    connection.connect()
    connection.transmit(SELECT_SERIAL)
    with pytest.raises(CheckingErrorException):
        connection.transmit([0x00, 0xA4, 0x09, 0x0C, 0x04, 0x3F, 0x00, 0x12, 0x34])
    connection.deleteObserver(observer)
    assert connection.countObservers() == 0
    connection.transmit(SELECT_SERIAL)
    assert capsys.readouterr().out.splitlines() == [
        "connecting to Simulated 1",
        "> 00 A4 09 0C 04 3F 00 D0 03",
        "<  [] 90 00",
        "> 00 A4 09 0C 04 3F 00 12 34",
        "<  [] 6A 82",
    ]


def test_misuse_is_told(reader: SimulatedReader) -> None:
    with pytest.raises(UsageError, match="already holds a card"):
        reader.insert(powered_card("cps4"))
    with pytest.raises(UsageError):
        reader.remove_at(0)
    card = SimulatedCard(load_profile("cps3"), material())
    with pytest.raises(CardError, match="no power"):
        card.transmit(b"\x00\x84\x00\x00\x08")
    with pytest.raises(CardError, match="T=1"):
        card.protocol = "T=1"
