"""Faults on demand: each happens at its exchange, once, and as a real reader would tell it."""

import pytest
from sim_support import material, powered_card

from igcsante.errors import UsageError
from igcsante.testing.cards import Fault, SimulatedCard, SimulatedReader, load_profile
from igcsante.testing.cards.faults import KINDS
from igcsante.testing.cards.reader import SimulatedConnection

SELECT = list(bytes.fromhex("00A40904043F00D003"))
READ = list(bytes.fromhex("00B000000C"))
SERIAL = bytes.fromhex("5A0A8025000001997003014F")
ROOT = list(bytes.fromhex("00A40404088025000001FF0100"))


@pytest.fixture
def reader() -> SimulatedReader:
    return SimulatedReader("Simulated", SimulatedCard(load_profile("cps3"), material()))


def connect(reader: SimulatedReader) -> SimulatedConnection:
    connection = reader.createConnection()
    connection.connect(disposition=0)
    return connection


def hresult(error: BaseException) -> int:
    return error.hresult & 0xFFFFFFFF  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("kind", "code"), [("remove", 0x80100069), ("reset", 0x80100068), ("unplug", 0x80100017)]
)
@pytest.mark.parametrize("at", [1, 2])
def test_what_pcsc_tells_lasts_until_a_new_connection(
    reader: SimulatedReader, kind: str, code: int, at: int
) -> None:
    reader.inject(Fault(at, kind))
    connection = connect(reader)
    for _ in range(at - 1):
        assert connection.transmit(SELECT)[1] == 0x61
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            connection.transmit(SELECT)
        assert hresult(caught.value) == code
    connection.disconnect()
    if kind == "reset":
        assert connect(reader).transmit(SELECT)[1] == 0x61
        return
    with pytest.raises(Exception) as caught:
        connect(reader)
    assert hresult(caught.value) == {"remove": 0x8010000C, "unplug": code}[kind]
    reader.plug()
    reader.insert(powered_card("cps3"))
    assert connect(reader).transmit(SELECT)[1] == 0x61


def test_reset_loses_the_pin(reader: SimulatedReader) -> None:
    connection = connect(reader)
    verify, status = [0, 0x20, 0, 1, 4, *b"1234"], [0, 0x20, 0, 1, 0]
    assert connection.transmit(verify)[1] == 0x90
    reader.inject(Fault(1, "reset"))
    with pytest.raises(Exception):  # noqa: B017
        connection.transmit(status)
    connection.reconnect(disposition=0)
    assert connection.transmit(status)[1:] == (0x63, 0xC3)


@pytest.mark.parametrize("at", [0, 1])
def test_sharing_violation_passes(reader: SimulatedReader, at: int) -> None:
    reader.inject(Fault(at, "sharing"))
    connection = reader.createConnection()
    if at:
        connection.connect()
    with pytest.raises(Exception) as caught:
        connection.transmit(SELECT) if at else connection.connect()
    assert hresult(caught.value) == 0x8010000B
    if not at:
        connection.connect()
    assert connection.transmit(SELECT)[1] == 0x61


def test_fault_at_the_connection_spares_those_that_are_there(reader: SimulatedReader) -> None:
    connection = connect(reader)
    reader.inject(Fault(0, "sharing"))
    assert connection.transmit(SELECT)[1] == 0x61


def test_reader_is_gone_at_the_connection(reader: SimulatedReader) -> None:
    reader.inject(Fault(0, "unplug"))
    for _ in range(2):
        with pytest.raises(Exception) as caught:
            connect(reader)
        assert hresult(caught.value) == 0x80100017


def exchange_with(reader: SimulatedReader, fault: Fault) -> tuple[bytes, int]:
    """EF.SN read with a fault at the READ: data and status word."""
    connection = connect(reader)
    reader.inject(fault)
    connection.transmit(SELECT)
    data, sw1, sw2 = connection.transmit(READ)
    after = connection.transmit(SELECT)
    assert after[1] == (0x6E if fault.kind == "elsewhere" else 0x61)
    return bytes(data), sw1 << 8 | sw2


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Fault(2, "status"), (b"", 0x6F00)),
        (Fault(2, "status", status=0x6581), (b"", 0x6581)),
        (Fault(2, "truncated"), (SERIAL[:6], 0x9000)),
        (Fault(2, "oversized"), (SERIAL.ljust(300, b"\0"), 0x9000)),
        (Fault(2, "endless"), (bytes(16), 0x6110)),
        (Fault(2, "elsewhere"), (b"", 0x6E00)),
        (Fault(2, "slow", seconds=0), (SERIAL, 0x9000)),
        (Fault(9, "status"), (SERIAL, 0x9000)),
    ],
)
def test_the_answer_is_spoiled_once(
    reader: SimulatedReader, fault: Fault, expected: tuple[bytes, int]
) -> None:
    assert exchange_with(reader, fault) == expected


def test_garbage_is_as_long_as_the_answer_and_always_the_same(reader: SimulatedReader) -> None:
    first, second = (exchange_with(reader, Fault(2, "garbage")) for _ in range(2))
    assert first == second
    assert len(first[0]) == len(SERIAL)
    assert first != (SERIAL, 0x9000)


def test_endless_answer_goes_on_until_another_command(reader: SimulatedReader) -> None:
    connection = connect(reader)
    reader.inject(Fault(1, "endless"))
    assert connection.transmit(SELECT)[1:] == (0x61, 0x10)
    for _ in range(50):
        assert connection.transmit([0, 0xC0, 0, 0, 0x10])[1:] == (0x61, 0x10)
    assert connection.transmit(SELECT)[1:] == (0x61, 0x27)
    assert connection.transmit([0, 0xC0, 0, 0, 0x27])[1:] == (0x90, 0)


def test_other_application_is_left_by_selecting_ours(reader: SimulatedReader) -> None:
    connection = connect(reader)
    reader.inject(Fault(1, "elsewhere", status=0x6A86))
    assert connection.transmit(SELECT)[1:] == (0x6A, 0x86)
    assert connection.transmit(ROOT)[1:] == (0x90, 0)
    assert connection.transmit(SELECT)[1] == 0x61


def test_several_faults_keep_their_places_and_a_new_script_replaces_them(
    reader: SimulatedReader,
) -> None:
    connection = connect(reader)
    reader.inject(Fault(3, "status"), Fault(1, "status", status=0x6500))
    assert [connection.transmit(SELECT)[1] for _ in range(4)] == [0x65, 0x61, 0x6F, 0x61]
    reader.inject(Fault(1, "status"))
    reader.inject()
    assert connection.transmit(SELECT)[1] == 0x61


@pytest.mark.parametrize(
    ("at", "kind", "told"),
    [(1, "explode", "no fault 'explode'"), (0, "status", "from 1"), (-1, "sharing", "from 1")],
)
def test_faults_that_can_not_be_are_refused(at: int, kind: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        Fault(at, kind)
    assert all(Fault(1, kind).kind == kind for kind in KINDS)
