"""The PIN policy: a try is never wasted, a PIN never sent twice, and never seen."""

import traceback

import pytest
from card_material import pin_object
from scripted_card import CPS3, CPS4, FAMILIES, ScriptedTransport

from igcsante.card.generation import PinStatus
from igcsante.card.session import CpsCard
from igcsante.errors import (
    CardError,
    CardStatusError,
    ExitCode,
    PinBlockedError,
    PinFormatError,
    PinRefusedError,
    PinWrongError,
)
from igcsante.secret import Secret

PIN, WRONG = Secret("1234"), Secret("9999")
BEFORE = ("dir", "odf", "aodf")
both_generations = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def opened(family, script, monitor=None):
    transport = ScriptedTransport(family, script)
    return CpsCard(transport, monitor), transport


def counter(family, left):
    """The block that reads the counter, with this many tries left."""
    script = family.block("counter")
    command, answer = script[-1]
    if family is CPS3:
        return [*script[:-1], (command, answer.replace("9B0103", f"9B01{left:02X}"))]
    return [(command, f"63C{left}" if left else "6983")]


def with_pin_entry(family, entry):
    return family.script("dir", "odf") + family.reading("3F0000017001", entry)


def verifies(transport):
    """The PIN commands that were sent with data."""
    return [command for command in transport.sent if command[2:4] == "20" and len(command) > 10]


@both_generations
def test_the_counter_is_read_without_using_a_try(family):
    card, transport = opened(family, family.script(*BEFORE, "counter"))
    assert card.pin_status() == PinStatus(tries_left=3, max_tries=3)
    assert not verifies(transport)


@both_generations
def test_a_right_pin_is_sent_once_after_the_counter(family):
    card, transport = opened(family, family.script(*BEFORE, "counter", "verify"))
    card.verify_pin(PIN)
    transport.assert_finished()


@both_generations
def test_a_wrong_pin_is_sent_once_and_says_how_many_tries_are_left(family):
    card, transport = opened(
        family, family.script(*BEFORE, "counter", "verify_wrong", "counter_after_wrong")
    )
    with pytest.raises(PinWrongError) as caught:
        card.verify_pin(WRONG)
    assert caught.value.tries_left == 2
    assert caught.value.exit_code == ExitCode.PIN_WRONG
    for pin in (WRONG, PIN):
        with pytest.raises(PinRefusedError):
            card.verify_pin(pin)
    assert card.pin_status().tries_left == 2
    assert len(verifies(transport)) == 1


@both_generations
def test_the_last_try_is_kept_unless_it_is_asked_for(family):
    script = family.script(*BEFORE) + counter(family, 1) * 2 + family.block("verify")
    card, transport = opened(family, script)
    with pytest.raises(PinRefusedError) as caught:
        card.verify_pin(PIN)
    assert caught.value.fields["tries_left"] == 1
    assert not verifies(transport)
    card.verify_pin(PIN, use_last_try=True)
    assert len(verifies(transport)) == 1


@both_generations
def test_a_blocked_pin_is_not_sent_even_with_the_last_try_allowed(family):
    card, transport = opened(family, family.script(*BEFORE) + counter(family, 0))
    with pytest.raises(PinBlockedError):
        card.verify_pin(PIN, use_last_try=True)
    assert not verifies(transport)


@both_generations
def test_a_pin_that_spends_the_last_try_is_reported_as_blocked(family):
    verify = (family.block("verify_wrong")[0][0], "63C0")
    card, _ = opened(family, family.script(*BEFORE) + counter(family, 1) + [verify])
    with pytest.raises(PinBlockedError, match="wrong"):
        card.verify_pin(WRONG, use_last_try=True)


@pytest.mark.parametrize("sw", ["6983", "6984"])
def test_a_card_that_says_blocked_to_the_pin_is_believed(sw):
    verify = (CPS3.block("verify")[0][0], sw)
    card, _ = opened(CPS3, [*CPS3.script(*BEFORE, "counter"), verify])
    with pytest.raises(PinBlockedError):
        card.verify_pin(PIN)


def test_an_answer_that_says_nothing_of_the_pin_is_no_wrong_pin():
    verify = (CPS3.block("verify")[0][0], "6E00")
    card, transport = opened(CPS3, [*CPS3.script(*BEFORE, "counter"), verify])
    with pytest.raises(CardStatusError):
        card.verify_pin(PIN)
    transport.assert_finished()  # in particular, the PIN isn't replayed after 6E00


def test_a_counter_that_cannot_be_read_keeps_the_pin_here():
    script = CPS3.script(*BEFORE) + CPS3.block("counter")[:1]
    refused = (CPS3.block("counter")[1][0], "6A88")
    card, transport = opened(CPS3, [*script, refused])
    with pytest.raises(CardStatusError):
        card.verify_pin(PIN)
    assert not verifies(transport)


@pytest.mark.parametrize(
    "answer",
    [
        "700CBF810108A0069A01039B01049000",  # more left than there are
        "7009BF810105A0039A01039000",  # nothing left unsaid
        "700CBF810208A0069A01039B01039000",  # another PIN
        "9000",
    ],
)
def test_a_counter_that_makes_no_sense_keeps_the_pin_here(answer):
    script = CPS3.script(*BEFORE) + CPS3.block("counter")[:-1]
    card, transport = opened(CPS3, [*script, (CPS3.block("counter")[-1][0], answer)])
    with pytest.raises(CardError):
        card.verify_pin(PIN)
    assert not verifies(transport)


def test_a_pin_whose_uses_are_exhausted_counts_as_blocked():
    script = CPS3.script(*BEFORE) + CPS3.block("counter")[:-1]
    answer = "7010BF81010CA00A9A01039B01039D0200009000"
    card, _ = opened(CPS3, [*script, (CPS3.block("counter")[-1][0], answer)])
    assert card.pin_status().blocked


def test_a_cps4_that_has_verified_its_pin_has_all_its_tries():
    card, _ = opened(CPS4, [*CPS4.script(*BEFORE), ("01200001", "9000")])
    assert card.pin_status() == PinStatus(3, 3)


@both_generations
@pytest.mark.parametrize("pin", ["", "123", "12345", "12a4", "12 4", "١٢٣٤", "²²²²"])
def test_what_cannot_be_a_pin_is_not_sent(family, pin):
    card, transport = opened(family, family.script(*BEFORE))
    with pytest.raises(PinFormatError) as caught:
        card.verify_pin(Secret(pin))
    assert not pin or pin not in str(caught.value.to_dict())
    transport.assert_finished()
    assert not verifies(transport)


def test_lengths_come_from_the_card():
    entry = pin_object(least=4, most=8, stored=8)
    script = with_pin_entry(CPS3, entry) + CPS3.block("counter")
    card, transport = opened(CPS3, [*script, ("0020000106313233343536", "9000")])
    card.verify_pin(Secret("123456"))
    transport.assert_finished()


def test_the_pin_is_padded_when_the_card_says_so():
    entry = pin_object(least=4, most=8, stored=8, flags="020C")
    script = with_pin_entry(CPS3, entry) + CPS3.block("counter")
    card, transport = opened(CPS3, [*script, ("002000010831323334FFFFFFFF", "9000")])
    card.verify_pin(PIN)
    transport.assert_finished()


def test_the_reference_comes_from_the_card():
    script = with_pin_entry(CPS4, pin_object(reference=5))
    card, transport = opened(CPS4, [*script, ("01200005", "63C3"), ("012000050431323334", "9000")])
    card.verify_pin(PIN)
    transport.assert_finished()


def test_a_puk_listed_first_is_not_taken_for_the_pin():
    puk = pin_object(least=8, most=8, stored=8, flags="000B", reference=2)
    script = with_pin_entry(CPS3, puk + pin_object()) + CPS3.block("counter") + CPS3.block("verify")
    card, transport = opened(CPS3, script)
    card.verify_pin(PIN)
    transport.assert_finished()


def test_a_pin_coding_that_is_unknown_is_not_guessed():
    card, transport = opened(CPS3, with_pin_entry(CPS3, pin_object(kind=0)))
    with pytest.raises(CardError, match="bcd"):
        card.verify_pin(PIN)
    assert not verifies(transport)


def test_the_policy_can_be_asked_before_the_pin_is():
    card, transport = opened(CPS3, CPS3.script(*BEFORE) + counter(CPS3, 1))
    with pytest.raises(PinRefusedError):
        card.check_pin_policy()
    card.check_pin_policy(use_last_try=True)
    transport.assert_finished()


@both_generations
@pytest.mark.parametrize("block", ["verify", "verify_wrong"])
def test_no_trace_or_error_shows_the_pin(family, block):
    canary = {"verify": "1234", "verify_wrong": "9999"}[block]
    seen = []
    card, transport = opened(family, family.script(*BEFORE, "counter", block), seen.append)
    text = ""
    try:
        card.verify_pin(Secret(canary))
    except CardError as error:
        text = "".join(traceback.format_exception(error)) + str(error.to_dict())
    shown = text + "".join(f"{exchange}{exchange!r}" for exchange in seen)
    assert canary not in shown
    assert canary.encode().hex() not in shown.lower()
    assert [len(exchange.command) * 2 for exchange in seen] == [
        len(sent) for sent in transport.sent
    ]
    assert seen[-1].command.endswith(b"\x04****")
