"""The PC/SC side: polite connections, named errors, one card out of several readers."""

# ruff: noqa: N802 - pyscard's names

import sys

import pytest
from scripted_card import CPS3, CPS4

from igcsante.card import transport as transport_module
from igcsante.card.readers import ReaderStatus, open_card, reader_statuses, system_readers
from igcsante.card.transport import PcscTransport
from igcsante.errors import (
    CardAbsentError,
    CardBusyError,
    CardError,
    CardRemovedError,
    CardResetError,
    CardUnsupportedError,
    PcscUnavailableError,
    ReaderAbsentError,
    UsageError,
)

T0, T1 = 1, 2
REMOVED, NO_CARD, RESET, UNPOWERED = 0x80100069, 0x8010000C, 0x80100068, 0x80100067
SHARING, NOT_TRANSACTED, NO_READER = 0x8010000B, 0x80100016, 0x80100017


class PcscError(Exception):
    def __init__(self, hresult):
        super().__init__("PC/SC")
        self.hresult = hresult


class FakeConnection:
    """pyscard's methods over a scripted card; ``failures`` maps a method to hresults."""

    def __init__(self, family=CPS3, script=(), protocol=T0, **failures):
        self.family, self.script, self.protocol = family, list(script), protocol
        self.failures = {name: list(codes) for name, codes in failures.items()}
        self.calls = []

    def _call(self, name, *details):
        self.calls.append((name, *details))
        if self.failures.get(name):
            code = self.failures[name].pop(0)
            if code:
                raise PcscError(code)

    def connect(self, protocol=None, mode=None, disposition=None):
        self._call("connect", protocol, mode, disposition)

    def reconnect(self, protocol=None, mode=None, disposition=None):
        self._call("reconnect", protocol, mode, disposition)

    def disconnect(self):
        self._call("disconnect")

    def getATR(self):
        self._call("getATR")
        return list(self.family.atr)

    def getProtocol(self):
        return self.protocol

    def begin_transaction(self):
        self._call("begin")

    def end_transaction(self):
        self._call("end")

    def transmit(self, command):
        assert isinstance(command, list)
        self._call("transmit")
        expected, answer = self.script.pop(0)
        assert bytes(command).hex().upper() == expected
        raw = list(bytes.fromhex(answer))
        return raw[:-2], raw[-2], raw[-1]

    def names(self):
        return [call[0] for call in self.calls]


class FakeReader:
    def __init__(self, name, connection):
        self.name, self.connection = name, connection

    def __str__(self):
        return self.name

    def createConnection(self):
        return self.connection


def signed(code):
    return code - (1 << 32)


# -- transport ---------------------------------------------------------------------------------


def test_the_card_is_shared_and_left_as_it_is():
    connection = FakeConnection()
    transport = PcscTransport(connection, "R")
    assert connection.calls[0] == ("connect", None, 2, 0)
    assert (transport.atr, transport.protocol, transport.reader_name) == (CPS3.atr, "T=0", "R")
    transport.close()
    transport.close()
    assert connection.names().count("disconnect") == 1


def test_a_service_that_died_is_let_go_of_in_silence():
    """pyscard's connections try to release again when they go, unless told not to."""

    class Orphan(FakeConnection):
        hcontext = 7

        def release(self):
            raise PcscError(0x80100003)

    connection = Orphan()
    PcscTransport(connection, "R").close()
    assert connection.hcontext is None
    with pytest.raises(CardAbsentError):
        PcscTransport(connection := Orphan(connect=[NO_CARD]), "R")
    assert connection.hcontext is None


def test_a_service_that_dies_before_the_connection_is_named():
    class Reader(FakeReader):
        def createConnection(self):
            raise PcscError(0x8010001D)

    with pytest.raises(PcscUnavailableError):
        open_card(readers=[Reader("R", None)])


def test_bytes_go_and_come():
    transport = PcscTransport(FakeConnection(script=[("00B0000002", "010261FF")]), "R")
    assert transport.transmit(bytes.fromhex("00B0000002")) == (b"\x01\x02", 0x61FF)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (NO_CARD, CardAbsentError),
        (REMOVED, CardAbsentError),
        (UNPOWERED, CardAbsentError),
        (SHARING, CardBusyError),
        (0x80100066, CardUnsupportedError),
        (NO_READER, ReaderAbsentError),
        (0x80100009, ReaderAbsentError),
        (0x8010001D, PcscUnavailableError),
        (0x80100001, CardError),
    ],
)
@pytest.mark.parametrize("as_int", [int, signed])
def test_errors_at_connection_are_named(code, kind, as_int):
    with pytest.raises(kind) as caught:
        PcscTransport(FakeConnection(connect=[as_int(code)]), "R")
    assert type(caught.value) is kind
    assert "R: " in str(caught.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (REMOVED, CardRemovedError),
        (NO_CARD, CardRemovedError),
        (NO_READER, CardRemovedError),
        (SHARING, CardBusyError),
        (0x8010001E, PcscUnavailableError),
        (0x80100013, PcscUnavailableError),
        (0x80100003, PcscUnavailableError),
        (0x80100001, CardError),
    ],
)
@pytest.mark.parametrize("as_int", [int, signed])
@pytest.mark.parametrize("call", ["transmit", "begin"])
def test_errors_in_a_session_are_named(code, kind, as_int, call):
    connection = FakeConnection(**{call: [as_int(code)]})
    transport = PcscTransport(connection, "R")
    with pytest.raises(kind) as caught, transport.transaction():
        transport.transmit(b"\x00\xb0\x00\x00\x01")
    assert type(caught.value) is kind


@pytest.mark.parametrize("code", [NOT_TRANSACTED, 0x8010002F, 0, -1])
def test_a_failed_exchange_is_a_removal_only_when_the_card_is_gone(monkeypatch, code):
    monkeypatch.setattr(transport_module, "NOTICE_SECONDS", 0.01)

    class Failing(FakeConnection):
        def transmit(self, command):
            raise PcscError(code)

    transport = PcscTransport(Failing(), "R")
    with pytest.raises(CardError) as caught:
        transport.transmit(b"\x00")
    assert type(caught.value) is CardError
    monkeypatch.setattr(transport_module, "NOTICE_SECONDS", 60)
    for noticed in ([REMOVED], [0, REMOVED]):  # PC/SC may still believe that it is there
        transport = PcscTransport(Failing(getATR=[0, *noticed]), "R")
        with pytest.raises(CardRemovedError):
            transport.transmit(b"\x00")


@pytest.mark.parametrize("code", [RESET, UNPOWERED])
def test_a_reset_by_another_program_is_reported_and_the_card_stays_usable(code):
    connection = FakeConnection(script=[("00B0000001", "019000")], transmit=[code])
    transport = PcscTransport(connection, "R")
    with pytest.raises(CardResetError), transport.transaction():
        transport.transmit(bytes.fromhex("00B0000001"))
    assert ("reconnect", None, 2, 0) in connection.calls
    with transport.transaction():
        assert transport.transmit(bytes.fromhex("00B0000001")) == (b"\x01", 0x9000)


@pytest.mark.parametrize("code", [RESET, UNPOWERED])
def test_a_reset_between_two_sequences_spoils_neither(code):
    connection = FakeConnection(script=[("00B0000001", "019000")], begin=[code])
    transport = PcscTransport(connection, "R")
    with transport.transaction():
        assert transport.transmit(bytes.fromhex("00B0000001")) == (b"\x01", 0x9000)
    assert connection.names()[2:] == ["begin", "reconnect", "begin", "transmit", "end"]
    again = PcscTransport(FakeConnection(begin=[code, code]), "R")
    with pytest.raises(CardResetError), again.transaction():
        pass


def test_a_card_gone_after_a_reset_is_removed():
    connection = FakeConnection(transmit=[RESET], reconnect=[REMOVED])
    transport = PcscTransport(connection, "R")
    with pytest.raises(CardRemovedError):
        transport.transmit(b"\x00")


def test_transactions_nest_and_end_whatever_happens():
    connection = FakeConnection(transmit=[REMOVED])
    transport = PcscTransport(connection, "R")
    with pytest.raises(CardRemovedError), transport.transaction():
        with transport.transaction():
            pass
        assert connection.names().count("end") == 0
        transport.transmit(b"\x00")
    assert connection.names().count("begin") == connection.names().count("end") == 1


def test_lock_and_unlock_serve_as_a_transaction():
    class Locking:
        def __init__(self):
            self.calls = []

        def connect(self, **_):
            pass

        def getATR(self):
            return list(CPS4.atr)

        def getProtocol(self):
            return T1

        def lock(self):
            self.calls.append("lock")

        def unlock(self):
            self.calls.append("unlock")

    connection = Locking()
    with PcscTransport(connection, "R").transaction():
        assert connection.calls == ["lock"]
    assert connection.calls == ["lock", "unlock"]


def test_a_closed_transport_says_so():
    transport = PcscTransport(FakeConnection(), "R")
    transport.close()
    with pytest.raises(CardError, match="closed"):
        transport.transmit(b"\x00")
    with pytest.raises(CardError, match="closed"), transport.transaction():
        pass


def test_a_card_reached_in_no_known_protocol_is_let_go():
    connection = FakeConnection(protocol=0x10000)
    with pytest.raises(CardError):
        PcscTransport(connection, "R")
    assert "disconnect" in connection.names()


@pytest.mark.parametrize("answer", [None, (1, 2), ([300], 0x90, 0), ("zz", 0x90, 0)])
def test_an_answer_of_no_shape_is_a_card_error(answer):
    class Odd(FakeConnection):
        def transmit(self, command):
            return answer

    with pytest.raises(CardError):
        PcscTransport(Odd(), "R").transmit(b"\x00")


# -- readers -----------------------------------------------------------------------------------


class OtherFamily:
    atr = bytes.fromhex("3B7F9600008031B865B0850300EF120FFE829000")


def empty():
    return FakeConnection(connect=[NO_CARD])


def test_the_one_cpx_card_is_found_among_the_readers():
    card = FakeConnection(CPS3)
    other = FakeConnection(OtherFamily)
    readers = [
        FakeReader("Empty", empty()),
        FakeReader("Bank", other),
        FakeReader("Health", card),
    ]
    with open_card(readers=readers) as found:
        assert (found.reader_name, found.generation) == ("Health", "CPS3")
        assert other.names()[-1] == "disconnect"
        assert "disconnect" not in card.names()
    assert card.names()[-1] == "disconnect"
    assert card.names().count("connect") == 1


def test_several_cards_are_named_and_all_are_let_go():
    connections = [FakeConnection(CPS3), FakeConnection(CPS3)]
    readers = [FakeReader(f"Reader {n}", connection) for n, connection in enumerate(connections)]
    with pytest.raises(UsageError, match="Reader 0, Reader 1") as caught:
        open_card(readers=readers)
    assert "--reader" in caught.value.advice
    assert all(connection.names()[-1] == "disconnect" for connection in connections)
    with open_card("reader 1", readers=readers) as found:
        assert found.reader_name == "Reader 1"


def test_a_whole_name_wins_over_a_part_of_another():
    readers = [FakeReader("ACR 1", FakeConnection()), FakeReader("ACR 10", FakeConnection())]
    with open_card("ACR 1", readers=readers) as found:
        assert found.reader_name == "ACR 1"


def test_a_reader_that_is_not_there_is_absent_and_the_others_are_named():
    with pytest.raises(ReaderAbsentError) as caught:
        open_card("Zebra", readers=[FakeReader("ACR", FakeConnection())])
    assert "ACR" in caught.value.advice


@pytest.mark.parametrize(
    ("readers", "kind"),
    [
        ([], ReaderAbsentError),
        ([FakeReader("A", empty())], CardAbsentError),
        ([FakeReader("A", empty()), FakeReader("B", empty())], CardAbsentError),
        ([FakeReader("A", FakeConnection(OtherFamily))], CardUnsupportedError),
        (
            [FakeReader("A", empty()), FakeReader("B", FakeConnection(connect=[SHARING]))],
            CardBusyError,
        ),
    ],
)
def test_no_card_to_work_with_is_told_by_its_reason(readers, kind):
    with pytest.raises(kind):
        open_card(readers=readers)


def test_a_card_that_fails_to_open_is_let_go():
    connection = FakeConnection(CPS4, transmit=[REMOVED])
    with pytest.raises(CardRemovedError):
        open_card(readers=[FakeReader("A", connection)])
    assert connection.names()[-1] == "disconnect"


def test_reader_statuses_say_what_is_in_each_and_let_go():
    card = FakeConnection(CPS4, protocol=T1)
    readers = [
        FakeReader("Empty", empty()),
        FakeReader("Held", FakeConnection(connect=[SHARING])),
        FakeReader("Health", card),
        FakeReader("Bank", FakeConnection(OtherFamily)),
    ]
    assert reader_statuses(readers) == [
        ReaderStatus("Empty", False, None, None),
        ReaderStatus("Held", True, None, None),
        ReaderStatus("Health", True, CPS4.atr, "CPS4"),
        ReaderStatus("Bank", True, OtherFamily.atr, None),
    ]
    assert card.names() == ["connect", "getATR", "disconnect"]


def test_the_monitor_sees_each_exchange():
    seen = []
    connection = FakeConnection(CPS3, CPS3.script("serial"))
    with open_card(readers=[FakeReader("A", connection)], monitor=seen.append) as card:
        assert card.serial == "12345678"
    assert [exchange.command.hex().upper() for exchange in seen] == [
        command for command, _ in CPS3.script("serial")
    ]
    assert str(seen[0]) == "> 00A4090C043F00D003\n< 9000"


def test_without_pyscard_the_readers_are_unavailable(monkeypatch):
    monkeypatch.setitem(sys.modules, "smartcard.System", None)
    with pytest.raises(PcscUnavailableError, match="pyscard"):
        system_readers()


def test_the_package_does_not_load_pyscard():
    import subprocess

    code = "import igcsante.card, sys; sys.exit('smartcard' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
