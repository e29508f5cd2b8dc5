"""Readers with a keypad: the structures of PC/SC part 10, byte for byte, and the card's answer.

The fake keypad does what a reader does: it puts the digits where the structure says, and
sends the command to the card itself.
"""

import struct

import pytest
from card_material import pin_object
from hypothesis import given
from hypothesis import strategies as st
from simulated import GENERATIONS, held

from igcsante.card.apdu import CommandApdu
from igcsante.card.generation import PinField, PinStep
from igcsante.card.pinpad import PinPad, parse_features
from igcsante.card.pkcs15 import parse_aodf
from igcsante.card.transport import GET_FEATURE_REQUEST
from igcsante.errors import (
    CardError,
    CardRemovedError,
    IgcError,
    PinFormatError,
    PinRefusedError,
    PinWrongError,
    TimeoutExceededError,
    UsageError,
)
from igcsante.secret import Secret

VERIFY_CODE, MODIFY_CODE = 0x42330006, 0x42330007
FEATURES = bytes.fromhex("0604423300060704423300070A0442330012")
VERIFY_ONLY = bytes.fromhex("060442330006")
both_simulated = pytest.mark.parametrize("name", GENERATIONS)


class Keypad:
    """The holder's fingers, and the reader that watches them."""

    def __init__(self, connection, typed, features, answer=None):
        self.connection, self.typed = connection, list(typed)
        self.features, self.answer = features, answer
        self.structures = []

    def control(self, code, data=None):
        data = bytes(data or [])
        if code == GET_FEATURE_REQUEST:
            assert data == b""
            return list(self.features)
        self.structures.append((code, data.hex().upper()))
        if self.answer is not None:
            return list(self.answer)
        head = 19 if code == VERIFY_CODE else 24
        (length,) = struct.unpack_from("<I", data, head - 4)
        apdu = data[head:]
        assert length == len(apdu)
        size, count = data[3], (apdu[4] // data[3]) if data[3] else 1
        digits = b"".join(
            self.typed.pop(0).encode().ljust(size, apdu[5:6] or b"") for _ in range(count)
        )
        _, sw1, sw2 = self.connection.transmit([*apdu[:4], len(digits), *digits])
        return [sw1, sw2]


def with_keypad(found, *typed, features=FEATURES, answer=None):
    """Gives the reader of a held card a keypad."""
    keypad = Keypad(None, typed, features, answer)
    create = found.reader.createConnection

    def create_connection():
        connection = keypad.connection = create()
        connection.control = keypad.control
        return connection

    found.reader.createConnection = create_connection
    return keypad


# -- the structures, byte for byte ---------------------------------------------------------------

CLASS = {"cps3": "00", "cps4": "01"}
#        timeouts, ASCII, block 4, lengths 4..4, key or most digits, 1 message, French, TeoPrologue
VERIFY_HEAD = "1E1E820400040403010C0400000000"


@both_simulated
def test_verification_structure(name):
    found = held(name)
    keypad = with_keypad(found, "1234")
    with found.opened() as card:
        assert card.keypad_for("verify")
        card.verify_pin(None)
    assert keypad.structures == [
        (VERIFY_CODE, VERIFY_HEAD + "09000000" + CLASS[name] + "20000104" + "FFFFFFFF")
    ]


def test_change_structure_of_a_cps3_has_both_pins():
    found = held("cps3")
    keypad = with_keypad(found, "1234", "4321")
    with found.opened() as card:
        card.change_pin(None, None)
    head = "1E1E820400000404040303030C04000102000000"
    assert keypad.structures == [(MODIFY_CODE, head + "0D0000000024000108" + "FF" * 8)]
    with found.opened() as card:
        card.verify_pin(Secret("4321"))


def test_change_on_a_cps4_is_a_verification_then_a_new_pin():
    found = held("cps4")
    keypad = with_keypad(found, "1234", "4321")
    with found.opened() as card:
        card.change_pin(None, None)
    head = "1E1E820400000004040103020C04010200000000"
    assert [code for code, _ in keypad.structures] == [VERIFY_CODE, MODIFY_CODE]
    assert keypad.structures[1][1] == head + "090000000124010104" + "FF" * 4
    with found.opened() as card:
        card.verify_pin(Secret("4321"))


@both_simulated
def test_unblocking_asks_for_the_puk_in_its_own_length(name):
    found = held(name, pin_tries_left=0)
    keypad = with_keypad(found, "12345678", "4321")
    with found.opened() as card:
        card.unblock_pin(None, None)
    head = "1E1E820800080803010C0400000000"
    assert keypad.structures[0] == (
        VERIFY_CODE,
        head + "0D000000" + CLASS[name] + "20000208" + "FF" * 8,
    )
    with found.opened() as card:
        card.verify_pin(Secret("4321"))


def pad_and_entry(**attributes):
    answers = []

    class Controls:
        def reader_features(self):
            return FEATURES

        def control(self, code, data):
            answers.append(data.hex().upper())
            return b"\x90\x00"

    (entry,) = parse_aodf(pin_object(**attributes))
    return PinPad.of(Controls()), entry, answers


VERIFY = PinStep(CommandApdu(0, 0x20, 0, 1), (PinField.PIN,))
CHANGE = PinStep(CommandApdu(0, 0x24, 0, 1), (PinField.PIN, PinField.NEW_PIN))


def test_a_length_that_the_holder_chooses_is_left_to_the_reader():
    pad, entry, answers = pad_and_entry(least=4, most=8, stored=8)
    pad.enter(VERIFY, entry)
    assert answers == ["1E1E820000080402010C0400000000050000000020000100"]
    assert not pad.can_enter(CHANGE, entry), "nobody could say where the new PIN begins"


def test_padding_is_in_the_command_that_the_reader_fills():
    pad, entry, answers = pad_and_entry(least=4, most=8, stored=8, flags="020C")
    pad.enter(VERIFY, entry)
    assert answers == ["1E1E820800080402010C04000000000D0000000020000108" + "FF" * 8]
    assert pad.can_enter(CHANGE, entry)


# -- what comes back -----------------------------------------------------------------------------


@both_simulated
def test_a_wrong_pin_on_the_keypad_is_a_wrong_pin(name):
    found = held(name)
    keypad = with_keypad(found, "9999")
    with found.opened() as card:
        with pytest.raises(PinWrongError) as caught:
            card.verify_pin(None)
        assert caught.value.tries_left == 2
        with pytest.raises(PinRefusedError):
            card.verify_pin(None)
    assert len(keypad.structures) == 1


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        ("6400", TimeoutExceededError, "in time"),
        ("6401", PinRefusedError, "cancelled"),
        ("6402", PinFormatError, "differ"),
        ("6403", PinFormatError, "too short or too long"),
        ("6B80", CardError, "doesn't take"),
        ("", CardError, "no status"),
        ("900000", CardError, "no status"),
    ],
)
@both_simulated
def test_what_the_reader_says_is_no_try_of_the_card(name, answer, error, words):
    found = held(name)
    with_keypad(found, answer=bytes.fromhex(answer))
    with found.opened() as card:
        with pytest.raises(error, match=words):
            card.verify_pin(None)
        assert card.pin_status().tries_left == 3


@pytest.mark.parametrize("answer", ["6400", "6401", "6402", "6403", "6B80"])
def test_a_new_pin_that_is_not_typed_leaves_the_old_one(answer):
    """On a CPS4 the present PIN goes first, in a command of its own: it was sent."""
    found = held("cps4")
    keypad = with_keypad(found, "1234")
    typing = keypad.control

    def interrupted(code, data=None):
        if code == MODIFY_CODE:
            return list(bytes.fromhex(answer))
        return typing(code, data)

    keypad.control = interrupted
    with found.opened() as card, pytest.raises(IgcError) as caught:
        card.change_pin(None, None)
    assert "was sent and was right, but no new PIN was set" in caught.value.message
    assert len(found.of(0x20)) > 1, "the counter was read, and the PIN was sent"
    with found.opened() as card:
        card.verify_pin(Secret("1234"))


@both_simulated
def test_an_entry_cancelled_at_first_sends_nothing(name):
    found = held(name)
    with_keypad(found, answer=bytes.fromhex("6401"))
    with found.opened() as card, pytest.raises(PinRefusedError, match="nothing was sent"):
        card.change_pin(None, None)


@both_simulated
def test_the_last_try_is_not_for_the_keypad_either(name):
    found = held(name, pin_tries_left=1)
    keypad = with_keypad(found, "1234")
    with found.opened() as card, pytest.raises(PinRefusedError):
        card.verify_pin(None)
    assert keypad.structures == []


@both_simulated
def test_a_card_taken_out_while_its_holder_types_is_removed(name):
    found = held(name)
    keypad = with_keypad(found, "1234")
    with found.opened() as card:
        card.pin_status()
        typing = keypad.control
        card.keypad_for("verify")

        def removed(code, data=None):
            found.reader.remove()
            return typing(code, data)

        keypad.connection.control = removed
        with pytest.raises(CardRemovedError):
            card.verify_pin(None)


# -- what readers offer --------------------------------------------------------------------------


def test_a_reader_without_modification_only_verifies():
    found = held("cps4")
    keypad = with_keypad(found, "1234", features=VERIFY_ONLY)
    with found.opened() as card:
        assert card.keypad_for("verify") and not card.keypad_for("change")
        with pytest.raises(UsageError, match="no keypad"):
            card.change_pin(None, None)
        assert keypad.structures == []
        card.change_pin(None, Secret("4321"))  # the old one on the keypad, the new one here
    with found.opened() as card:
        card.verify_pin(Secret("4321"))


def test_a_cps3_takes_both_pins_by_the_same_way():
    found = held("cps3")
    keypad = with_keypad(found, "1234")
    with found.opened() as card, pytest.raises(UsageError, match="same way"):
        card.change_pin(None, Secret("4321"))
    assert keypad.structures == []


@pytest.mark.parametrize("features", ["", "0A0442330012", "0605", "0603423300", "06054233000600"])
def test_a_reader_with_other_or_strange_features_has_no_keypad(features):
    found = held("cps3")
    with_keypad(found, features=bytes.fromhex(features))
    with found.opened() as card:
        assert not card.keypad_for("verify")


def test_a_reader_is_not_asked_before_someone_wants_to_know():
    found = held("cps3")
    keypad = with_keypad(found, features=FEATURES)
    asked = []
    control = keypad.control
    keypad.control = lambda *arguments: asked.append(arguments) or control(*arguments)
    with found.opened() as card:
        card.verify_pin(Secret("1234"))
    assert asked == []


@given(st.binary(max_size=60))
def test_any_feature_list_is_read_or_passed_over(answer):
    assert all(0 <= tag <= 255 for tag in parse_features(answer))
