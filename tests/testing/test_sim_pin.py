"""The PIN of a simulated card: counters, blocking, unblocking, and what it guards."""

import dataclasses

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sim_support import AID_ROOT, answer, material, powered_card, send

from igcsante.testing.cards import SimulatedCard, load_profile

PIN_COUNTERS = "00CB3FFF0A4D087006BF810102A080"
PUK_COUNTERS = "00CB3FFF0A4D087006BF810202A080"
PUK_DIGITS = "3132333435363738"


def test_pin_and_puk_objects_are_those_of_a_real_card() -> None:
    card = powered_card("cps3")
    assert answer(card, PIN_COUNTERS).hex().upper() == (
        "7016BF810112A0109A01039B0103A1088C06F3000013FF00"
    )
    assert answer(card, PUK_COUNTERS).hex().upper() == (
        "701ABF810216A0149A010A9B010A9D020064A1088C06F3FF00FFFF00"
    )
    assert answer(card, "00CB3FFF0B4D097007BF8101037F4180").hex().upper() == (
        "700DBF8101097F4106800104810104"
    )


@pytest.mark.parametrize(
    ("command", "status"),
    [
        ("00CB3FFF0A4D087006BFFB05027B80", "6A88"),  # a security environment (card.md §6.2)
        ("00CB3FFF0A4D087006BF810302A080", "6A88"),  # no third PIN
        ("00CB3FFF0A4D087006BF810102A180", "6A88"),
        ("00CB3FFF054D03700180", "6A80"),
        ("00CB00000A4D087006BF810102A080", "6A86"),
        ("00CA3FFF00", "6D00"),
        ("0020000304 31323334", "6A88"),
        ("0020010104 31323334", "6A86"),
        ("0020000103 313233", "6700"),
        ("00A40C0C023F00", "6A86"),
        ("00A4090C043F001234", "6A82"),
        ("00B0000010", "6986"),
        ("00F0000000", "6D00"),
        ("8020000104 31323334", "6E00"),
        ("0120000100", "6881"),
        ("00C0000010", "6985"),
        ("00", "6700"),
        ("00A4090C053F00", "6700"),
        ("00A4090C0000023F00", "6700"),  # extended length
    ],
)
def test_cps3_refuses_what_it_does_not_know(command: str, status: str) -> None:
    assert send(powered_card("cps3"), command) == status


def test_pin_object_is_found_with_the_master_file_only() -> None:
    card = powered_card("cps3")
    assert send(card, "00A4090C043F000001") == "9000"
    assert send(card, PIN_COUNTERS) == "6A88"
    assert send(card, "00A4090C023F00") == "9000"
    assert send(card, PIN_COUNTERS) == "6118"


def test_three_wrong_pins_block_and_the_puk_unblocks_cps3() -> None:
    card = powered_card("cps3")
    for status in ("63C2", "63C1", "63C0", "6983"):
        assert send(card, "002000010439393939") == status
    assert send(card, "002000010431323334") == "6983"
    assert send(card, "002C02010435363738") == "6982"
    assert send(card, f"0020000208{PUK_DIGITS}") == "9000"
    assert send(card, "002C02010435363738") == "9000"
    assert send(card, "002000010435363738") == "9000"
    assert b"\x9d\x02\x00\x63" in answer(card, PUK_COUNTERS)


def test_three_wrong_pins_block_and_the_puk_unblocks_cps4() -> None:
    card = powered_card("cps4")
    send(card, f"01A4040C08{AID_ROOT}")
    for status in ("63C2", "63C1", "63C0", "6983"):
        assert send(card, "012000010439393939") == status
    assert send(card, "01200001") == "6983"
    assert send(card, "012C0381") == "6982"
    assert send(card, f"0120000208{PUK_DIGITS}") == "9000"
    assert send(card, "012C0381") == "9000"
    assert send(card, "012401010435363738") == "9000"
    assert send(card, "012000010435363738") == "9000"
    assert send(card, "01200001") == "9000"


def test_profile_sets_the_tries_that_are_left() -> None:
    profile = dataclasses.replace(load_profile("cps3"), pin_tries_left=1)
    card = SimulatedCard(profile, material())
    card.power_on()
    assert b"\x9b\x01\x01" in answer(card, PIN_COUNTERS)
    assert send(card, "002000010439393939") == "63C0"


@pytest.mark.parametrize("last", [False, True])
def test_puk_blocks_after_ten_wrong_tries(last: bool) -> None:
    card = powered_card("cps3")
    for left in range(9, -1 if last else 0, -1):
        assert send(card, "00200002083837363534333231") == f"63C{left:X}"
    assert send(card, f"0020000208{PUK_DIGITS}") == ("6983" if last else "9000")


def test_private_files_want_the_pin_and_a_reset_forgets_it() -> None:
    card = powered_card("cps3")
    answer(card, "00A40904063F000001D120")
    assert send(card, "00B0000010") == "6982"
    assert send(card, "002000010431323334") == "9000"
    assert send(card, "00B0000002")[-4:] == "9000"
    card.reset()
    answer(card, "00A40904063F000001D120")
    assert send(card, "00B0000010") == "6982"


def test_cps_data_is_written_after_the_pin_and_outlives_power() -> None:
    card = powered_card("cps3")
    answer(card, "00A40904063F000001D107")
    assert send(card, "00D60000024142") == "6982"
    send(card, "002000010431323334")
    assert send(card, "00D60000024142") == "9000"
    assert send(card, "00D6003F024142") == "6700"
    card.power_off()
    card.power_on()
    answer(card, "00A40904063F000001D107")
    assert send(card, "00B0000004") == "414200009000"
    answer(card, "00A40904063F000001D100")
    assert send(card, "00D60000024142") == "6982"


def test_cps4_answers_on_channel_1_once_its_application_is_selected() -> None:
    card = powered_card("cps4")
    assert send(card, "01A4080002D00300") == "6881"
    assert send(card, "01200001") == "6881"
    assert send(card, "00A4080C02D003") == "6D00"
    assert send(card, f"00A4040C08{AID_ROOT}") == "6A82"
    assert send(card, "00A4040C088025000001FF0002") == "9000"
    assert send(card, f"01A4040C08{AID_ROOT}") == "9000"
    assert send(card, "01200001") == "63C3"
    assert send(card, "01A4040C07A0000001510000") == "9000"
    assert send(card, "01200001") == "6D00"
    assert send(card, f"01A4040C08{AID_ROOT}") == "9000"
    assert send(card, "0188000000") == "6D00"
    assert send(card, "01CB3FFF0A4D087006BF810102A08000") == "6D00"
    assert send(card, "02A4080002D00300") == "6881"
    assert send(card, "80A4080002D00300") == "6E00"
    card.reset()
    assert send(card, "01200001") == "6881"


def test_cps4_forgets_the_pin_when_its_application_is_selected_again() -> None:
    card = powered_card("cps4")
    send(card, f"01A4040C08{AID_ROOT}")
    send(card, "012000010431323334")
    assert send(card, "01200001") == "9000"
    send(card, f"01A4040C08{AID_ROOT}")
    assert send(card, "01200001") == "63C3"
    assert send(card, "012401010435363738") == "6982"


@pytest.mark.parametrize(
    ("file", "command", "status"),
    [
        ("D100", "00B000001F", "9000"),
        ("D100", "00B0001E0F", "6282"),  # less than asked for
        ("D100", "00B0001F01", "6B00"),  # nothing there
        ("D100", "00B07FFF01", "6B00"),
        ("D100", "00B0000000", "6C1F"),
        ("C101", "00B00000E8", "6CE7"),
        ("C101", "00B00000E7", "9000"),
    ],
)
def test_cps3_tells_reads_beyond_the_end_or_the_chunk(file: str, command: str, status: str) -> None:
    card = powered_card("cps3")
    answer(card, f"00A40904063F000001{file}")
    assert send(card, command)[-4:] == status


def test_cps4_gives_up_to_256_bytes() -> None:
    card = powered_card("cps4")
    send(card, f"01A4040C08{AID_ROOT}")
    answer(card, "01A40800040001D10000")
    assert len(answer(card, "01B0000000")) == 0x1F
    answer(card, "01A40800040001C10100")
    assert len(answer(card, "01B0000000")) == 256


class PinMachine(RuleBasedStateMachine):
    """A CPS3 or CPS4 against the simplest account of what a PIN does."""

    @initialize(name=st.sampled_from(["cps3", "cps4"]))
    def insert(self, name: str) -> None:
        self.card = powered_card(name)
        self.four = name == "cps4"
        self.cla = "01" if self.four else "00"
        self.select()
        self.pin, self.tries = "31323334", 3
        self.verified = self.unblocker = False

    def select(self) -> None:
        if self.four:
            assert send(self.card, f"01A4040C08{AID_ROOT}") == "9000"

    @rule()
    def right_pin(self) -> None:
        expected = "6983" if self.tries == 0 else "9000"
        assert send(self.card, f"{self.cla}20000104{self.pin}") == expected
        if self.tries:
            self.tries, self.verified = 3, True

    @rule()
    def wrong_pin(self) -> None:
        status = send(self.card, f"{self.cla}2000010430303030")
        if self.tries == 0:
            assert status == "6983"
            return
        self.tries, self.verified = self.tries - 1, False
        assert status == f"63C{self.tries}"

    @rule()
    def right_puk(self) -> None:
        assert send(self.card, f"{self.cla}20000208{PUK_DIGITS}") == "9000"
        self.unblocker = True

    @rule()
    def reset(self) -> None:
        self.card.reset()
        self.select()
        self.verified = self.unblocker = False

    @rule(new=st.sampled_from(["31313131", "32323232", "31323334"]))
    def change(self, new: str) -> None:
        if self.four:
            status = send(self.card, f"01240101 04{new}")
            allowed = self.verified or self.unblocker
            assert status == ("9000" if allowed else "6982")
        else:
            status = send(self.card, f"0024000108{self.pin}{new}")
            allowed = self.tries > 0
            assert status == ("9000" if allowed else "6983")
            if allowed:
                self.tries, self.verified = 3, True
        if allowed:
            self.pin = new

    @rule(new=st.sampled_from(["33333333", "34343434"]))
    def unblock(self, new: str) -> None:
        command = "012C0381" if self.four else f"002C020104{new}"
        assert send(self.card, command) == ("9000" if self.unblocker else "6982")
        if self.unblocker:
            self.tries, self.verified = 3, False
            self.pin = self.pin if self.four else new

    @precondition(lambda self: hasattr(self, "card"))
    @invariant()
    def counter_is_told_without_a_try(self) -> None:
        status = send(self.card, f"{self.cla}200001")
        if self.tries == 0:
            assert status == "6983"
        else:
            assert status == ("9000" if self.verified else f"63C{self.tries}")
        if not self.four:
            assert bytes([0x9B, 1, self.tries]) in answer(self.card, PIN_COUNTERS)


TestPinMachine = PinMachine.TestCase
TestPinMachine.settings = settings(max_examples=40, stateful_step_count=20, deadline=None)
