"""Cards that leave, talk nonsense, or were left in another application."""

import contextlib

import pytest
from card_material import authentication_certificate
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from scripted_card import CPS3, CPS4, FAMILIES, ScriptedTransport

from igcsante.card.session import CpsCard
from igcsante.errors import (
    CardError,
    CardRemovedError,
    CardStatusError,
    CardUnsupportedError,
    IgcError,
    PinRequiredError,
)
from igcsante.secret import Secret

DIGEST = bytes.fromhex("C2E686823489CED2017F6059B8B239318B6364F6DCD835D0A519105A1EADD6E4")
ALL = (
    "serial",
    "dir",
    "odf",
    "cdf",
    "authentication_certificate",
    "prkdf",
    "aodf",
    "counter",
    "verify",
    "sign_authentication",
)
IAS = "8025000001FF0100"
both_generations = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def do_everything(transport):
    card = CpsCard(transport)
    assert card.serial == "12345678"
    key = card.credential().private_key
    card.verify_pin(Secret("1234"))
    return key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


@both_generations
def test_a_card_pulled_out_at_any_exchange_is_reported_as_removed(family):
    script = family.script(*ALL)
    for exchange in range(len(script)):
        removed = CardRemovedError("the card was removed")
        transport = ScriptedTransport(family, script, fail_at=exchange, error=removed)
        with pytest.raises(CardRemovedError):
            do_everything(transport)
        assert len(transport.sent) == exchange + 1
        assert transport.depth == 0


@both_generations
@pytest.mark.parametrize("sw", ["6F00", "6A82", "6700", "6982", "6D00", "0000", "FFFF"])
def test_a_refusal_at_any_exchange_is_one_of_our_errors(family, sw):
    script = family.script(*ALL)
    for exchange in range(len(script)):
        broken = [*script[:exchange], (script[exchange][0], sw)]
        extra = [(f"01A4040C07{'A0000001510000'}", sw), ("00A4040C088025000001FF0002", sw)]
        if family is CPS4 and exchange == 0:  # the way round, before it gives up
            broken += [*extra, broken[0]]
        with pytest.raises(IgcError):
            do_everything(ScriptedTransport(family, broken))


@both_generations
@pytest.mark.parametrize("size", [0, 1, 10])
def test_a_truncated_answer_at_any_exchange_never_passes(family, size):
    script = family.script(*ALL)
    for exchange, (command, answer) in enumerate(script):
        if len(answer) // 2 - 2 <= size:
            continue
        # After 9000 a short read is asked on; 6282 says that there is no more.
        sw = "6282" if command[2:4] == "B0" else "9000"
        broken = [*script[:exchange], (command, answer[: 2 * size] + sw)]
        with pytest.raises(CardError):
            do_everything(ScriptedTransport(family, broken))


class StubbornTransport:
    """Always the same answer, and a bound on the patience of this test."""

    reader_name = "Stubborn"

    def __init__(self, family, data, sw):
        self.atr, self.protocol = family.atr, family.protocol
        self.data, self.sw, self.count = data, sw, 0

    def transmit(self, command):
        self.count += 1
        assert self.count < 1000
        return self.data, self.sw

    def transaction(self):
        return contextlib.nullcontext()

    def close(self):
        pass


@both_generations
@pytest.mark.parametrize("sw", [0x6100, 0x6101, 0x61FF, 0x6C00, 0x6C10, 0x9000, 0x6282, 0x6E00])
@pytest.mark.parametrize("data", ["", "00", "6200", "6F0480027FFF", "62048002FFFF", "61" * 256])
def test_a_card_that_always_gives_the_same_answer_is_given_up(family, sw, data):
    transport = StubbornTransport(family, bytes.fromhex(data), sw)
    with pytest.raises(CardError):
        do_everything(transport)


def test_more_bytes_than_an_answer_can_hold_are_refused():
    parameters = "6282010C8002000C85820104" + "00" * 0x104
    script = [CPS3.block("dir")[0], ("00C0000010", parameters + "9000")]
    with pytest.raises(CardError, match="272 bytes at once"):
        CpsCard(ScriptedTransport(CPS3, script)).label()


def test_more_bytes_than_asked_for_are_refused():
    script = CPS3.block("dir")
    command, answer = script[-1]
    card = CpsCard(ScriptedTransport(CPS3, [*script[:-1], (command, "00" + answer)]))
    with pytest.raises(CardError, match="more bytes"):
        card.label()


def test_a_file_that_ends_early_is_an_error():
    script = CPS3.block("dir")
    command, answer = script[-1]
    card = CpsCard(ScriptedTransport(CPS3, [*script[:-1], (command, answer[:-8] + "6282")]))
    with pytest.raises(CardError, match="part of the file"):
        card.label()


def test_end_of_file_with_the_whole_file_is_no_error():
    script = CPS3.script("dir", "token_info")
    command, answer = script[-1]
    transport = ScriptedTransport(CPS3, [*script[:-1], (command, answer[:-4] + "6282")])
    assert CpsCard(transport).label() == "CPS3v3-FAKE123456"


def test_a_short_read_is_continued_where_it_stopped():
    script = CPS3.script("dir", "token_info")
    command, answer = script[-1]
    transport = ScriptedTransport(
        CPS3,
        [*script[:-1], (command, answer[:20] + "9000"), ("00B0000A22", answer[20:])],
    )
    assert CpsCard(transport).label() == "CPS3v3-FAKE123456"
    transport.assert_finished()


def test_a_wrong_le_is_corrected_once():
    script = CPS3.script("dir", "token_info")
    command, answer = script[-1]
    corrected = [*script[:-1], (command, "6C2A"), ("00B000002A", answer[: 2 * 42] + "9000")]
    transport = ScriptedTransport(CPS3, [*corrected, ("00B0002A02", answer[2 * 42 :])])
    assert CpsCard(transport).label() == "CPS3v3-FAKE123456"
    transport.assert_finished()


@pytest.mark.parametrize("length", [0, 128, 255])
def test_a_signature_of_the_wrong_length_is_refused(length):
    sign = CPS4.block("sign_authentication")
    script = CPS4.script("dir", "odf", "cdf", "authentication_certificate", "prkdf")
    short = (sign[-1][0], sign[-1][1][: 2 * length] + "9000")
    card = CpsCard(ScriptedTransport(CPS4, [*script, *sign[:-1], short]))
    key = card.credential().private_key
    with pytest.raises(CardError, match=f"gave {length} bytes"):
        key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


# -- recovery (card.md §2.2, §2.4) -----------------------------------------------------------


@pytest.mark.parametrize("sw", ["6E00", "6A86"])
def test_a_cps3_left_in_another_application_is_taken_back_once(sw):
    script = CPS3.block("serial")
    transport = ScriptedTransport(CPS3, [(script[0][0], sw), (f"00A4040408{IAS}", "9000"), *script])
    assert CpsCard(transport).serial == "12345678"
    transport.assert_finished()


@pytest.mark.parametrize("sw", ["6E00", "6A86"])
def test_a_command_is_replayed_exactly_once(sw):
    command = CPS3.block("serial")[0][0]
    script = [(command, sw), (f"00A4040408{IAS}", "9000"), (command, sw)]
    transport = ScriptedTransport(CPS3, script)
    with pytest.raises(CardStatusError) as caught:
        _ = CpsCard(transport).serial
    assert caught.value.status_word == int(sw, 16)
    transport.assert_finished()


def test_a_command_that_depends_on_the_one_before_is_not_replayed():
    sign = CPS3.block("sign_authentication")
    script = CPS3.script("dir", "odf", "cdf", "authentication_certificate", "prkdf")
    transport = ScriptedTransport(CPS3, [*script, *sign[:2], (sign[2][0], "6E00")])
    key = CpsCard(transport).credential().private_key
    with pytest.raises(CardStatusError):
        key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    transport.assert_finished()


def test_a_pin_forgotten_in_the_recovery_is_asked_for_again():
    sign = CPS3.block("sign_authentication")
    script = CPS3.script("dir", "odf", "cdf", "authentication_certificate", "prkdf")
    taken_back = [(sign[0][0], "6E00"), (f"00A4040408{IAS}", "9000"), *sign[:2]]
    transport = ScriptedTransport(CPS3, [*script, *taken_back, (sign[2][0], "6982")])
    key = CpsCard(transport).credential().private_key
    with pytest.raises(PinRequiredError):
        key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


START = CPS4.block("start")[0][0]
WAY_ROUND = [("01A4040C07A0000001510000", "9000"), ("00A4040C088025000001FF0002", "9000")]


def test_a_cps4_that_refuses_its_application_is_led_round_by_way_of_cps2ter():
    script = [(START, "6985"), *WAY_ROUND, (START, "9000"), *CPS4.block("serial")]
    transport = ScriptedTransport(CPS4, script)
    assert CpsCard(transport).serial == "12345678"
    transport.assert_finished()


def test_a_cps4_whose_application_stays_away_is_unsupported():
    transport = ScriptedTransport(CPS4, [(START, "6A82"), *WAY_ROUND, (START, "6A82")])
    with pytest.raises(CardUnsupportedError, match="6A82"):
        CpsCard(transport)
    transport.assert_finished()


def test_a_closed_channel_is_opened_again_for_the_try_counter():
    script = [
        *CPS4.script("dir", "odf", "aodf"),
        ("01200001", "6881"),
        (START, "9000"),
        ("01200001", "63C2"),
    ]
    transport = ScriptedTransport(CPS4, script)
    assert CpsCard(transport).pin_status().tries_left == 2
    transport.assert_finished()


def test_a_cps4_in_another_application_is_taken_back_once():
    script = CPS4.block("serial")
    transport = ScriptedTransport(
        CPS4,
        [(START, "9000"), (script[0][0], "6E00"), (f"01A4040408{IAS}", "610A"), *script],
    )
    assert CpsCard(transport).serial == "12345678"
    transport.assert_finished()


# -- files that make no sense ----------------------------------------------------------------


@pytest.mark.parametrize(
    "directory",
    [
        b"",
        bytes.fromhex("611A4F0DE828BD080F8025000001FF0020500343505351043F000001"),  # another AID
        bytes.fromhex("610F4F0DE828BD080F8025000001FF0010"),  # no path
        bytes.fromhex("61144F0DE828BD080F8025000001FF001051033F0000"),  # half a path
    ],
)
def test_a_card_without_the_application_is_refused(directory):
    card = CpsCard(ScriptedTransport(CPS3, CPS3.reading("3F002F00", directory)))
    with pytest.raises(CardError):
        card.certificates()


@both_generations
def test_an_application_elsewhere_is_found_by_ef_dir(family):
    here, there = "3F000001", "3F000007"
    listed = bytes.fromhex(family.block("dir")[-1][1][:-4].replace(here, there))
    odf = bytes.fromhex("A406300404027004")
    script = (
        family.script()
        + family.reading("3F002F00", listed)
        + family.reading(there + "5031", odf)
        + family.reading(there + "7004", bytes.fromhex(family.block("cdf")[-1][1][:-4]))
        + family.block("authentication_certificate")
    )
    transport = ScriptedTransport(family, script)
    assert CpsCard(transport).certificate().serial_number == 0x1002
    transport.assert_finished()


def test_paths_relative_to_the_application_and_padded_files_are_read():
    odf = bytes.fromhex("A406300404027004")
    cdf = bytes.fromhex(CPS3.block("cdf")[-1][1])[:-2].replace(
        bytes.fromhex("A10C300A300804063F000001C102"), bytes.fromhex("A108300630040402C102")
    )
    certificate = authentication_certificate()
    # The lengths of the enclosing SEQUENCE change with the shorter path.
    cdf = cdf.replace(bytes.fromhex("303B3026"), bytes.fromhex("30373026"))
    script = (
        CPS3.block("dir")
        + CPS3.reading("3F0000015031", odf + bytes(40))
        + CPS3.reading("3F0000017004", cdf + bytes(300))
        + CPS3.reading_object("3F000001C102", certificate)
    )
    transport = ScriptedTransport(CPS3, script)
    card = CpsCard(transport)
    card.certificate()
    assert str(card.national_id()) == "899700735741"
    transport.assert_finished()
