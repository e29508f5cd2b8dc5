"""Changing and unblocking the PIN: one secret at a time, once, and only when it can be right."""

import traceback

import pytest
from card_material import pin_object
from scripted_card import CPS3, CPS4, FAMILIES, ScriptedTransport
from simulated import GENERATIONS, held

from igcsante.card.generation import PinStatus
from igcsante.card.session import CpsCard
from igcsante.errors import (
    CardError,
    CardRemovedError,
    CardStatusError,
    PinBlockedError,
    PinFormatError,
    PinRefusedError,
    PinWrongError,
    UsageError,
)
from igcsante.secret import Secret

OLD, NEW, PUK, WRONG = Secret("1234"), Secret("4321"), Secret("12345678"), Secret("8765")
WRONG_PUK = Secret("87654321")
# The AODF that the official middleware was given for its unblocking (card.md §15).
AODF_WITH_PUK = bytes.fromhex(
    "303530140C0B50494E20706F7274657572030206C00401023003040101A1183016030203080A01010201040201"
    "040201048001010401FF302A30090C0350554B030207803003040102A11830160302000B0A0101020108020108"
    "0201088001020401FF"
)
PUK_COUNTER = {
    "CPS3": [
        ("00A4090C023F00", "9000"),
        ("00CB3FFF0A4D087006BF810202A080", "6112"),
        ("00C0000012", "7010BF81020CA00A9A010A9B010A9D0200649000"),
    ],
    "CPS4": [("01200002", "63CA")],
}
UNBLOCK = {  # card.md §12
    "CPS3": [("0020000208" + "3132333435363738", "9000"), ("002C020104" + "34333231", "9000")],
    "CPS4": [
        ("0120000208" + "3132333435363738", "9000"),
        ("012C0381", "9000"),
        ("0124010104" + "34333231", "9000"),
    ],
}
SECRET_COMMANDS = (0x20, 0x24, 0x2C)
both_generations = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
both_simulated = pytest.mark.parametrize("name", GENERATIONS)


def opened(family, script):
    transport = ScriptedTransport(family, script)
    return CpsCard(transport), transport


def with_puk(family, *more):
    aodf = family.reading("3F0000017001", AODF_WITH_PUK)
    return [*family.script("dir", "odf"), *aodf, *(exchange for part in more for exchange in part)]


def secrets_sent(found):
    """The PIN commands that carried something, by instruction."""
    return [raw[1] for raw in found.sent if raw[1] in SECRET_COMMANDS and len(raw) > 5]


# -- the bytes ---------------------------------------------------------------------------------


@both_generations
def test_the_pin_is_changed_as_in_the_trace(family):
    card, transport = opened(family, family.script("dir", "odf", "aodf", "counter", "change"))
    card.change_pin(OLD, NEW)
    transport.assert_finished()


@both_generations
def test_the_pin_is_unblocked_as_the_official_module_does(family):
    script = with_puk(family, PUK_COUNTER[family.name], UNBLOCK[family.name])
    card, transport = opened(family, script)
    card.unblock_pin(PUK, NEW)
    transport.assert_finished()


@both_generations
def test_both_counters_are_read_without_using_a_try(family):
    script = with_puk(family, family.block("counter"), PUK_COUNTER[family.name])
    card, transport = opened(family, script)
    assert card.pin_status() == PinStatus(3, 3)
    uses = 100 if family is CPS3 else None
    assert card.puk_status() == PinStatus(10, 10, uses)
    transport.assert_finished()


@both_generations
def test_a_card_without_a_puk_says_so(family):
    card, transport = opened(family, family.script("dir", "odf", "aodf"))
    assert card.puk_status() is None
    with pytest.raises(CardError, match="lists no PUK"):
        card.unblock_pin(PUK, NEW)
    transport.assert_finished()


@both_generations
def test_the_pin_lengths_come_from_the_card(family):
    aodf = family.reading("3F0000017001", pin_object(least=4, most=8, stored=8))
    card, _ = opened(family, family.script("dir", "odf") + aodf)
    assert card.pin_lengths() == (4, 8)


# -- what it does to a card ----------------------------------------------------------------------


@both_simulated
def test_a_changed_pin_is_the_one_that_counts(name):
    found = held(name)
    with found.opened() as card:
        card.change_pin(OLD, NEW)
    with found.opened() as card, pytest.raises(PinWrongError):
        card.verify_pin(OLD)
    with found.opened() as card:
        card.verify_pin(NEW)
        assert card.pin_status() == PinStatus(3, 3)


@both_simulated
def test_a_blocked_pin_is_set_anew_with_the_puk(name):
    found = held(name, pin_tries_left=0)
    with found.opened() as card, pytest.raises(PinBlockedError, match="PIN is blocked"):
        card.verify_pin(OLD)
    with found.opened() as card:
        card.unblock_pin(PUK, NEW)
    with found.opened() as card:
        assert card.pin_status().tries_left == 3
        card.verify_pin(NEW)


@both_simulated
def test_a_wrong_present_pin_costs_one_try_and_changes_nothing(name):
    found = held(name)
    with found.opened() as card:
        with pytest.raises(PinWrongError) as caught:
            card.change_pin(WRONG, NEW)
        assert (caught.value.tries_left, caught.value.fields["secret"]) == (2, "PIN")
        with pytest.raises(PinRefusedError):
            card.change_pin(OLD, NEW)
    assert len(secrets_sent(found)) == 1
    with found.opened() as card:
        card.verify_pin(OLD)


@both_simulated
def test_a_wrong_puk_costs_one_of_its_tries_and_changes_nothing(name):
    found = held(name, pin_tries_left=0)
    with found.opened() as card:
        with pytest.raises(PinWrongError, match="PUK is wrong: 9 tries") as caught:
            card.unblock_pin(WRONG_PUK, NEW)
        assert caught.value.fields["secret"] == "PUK"
        with pytest.raises(PinRefusedError):
            card.unblock_pin(PUK, NEW)
    assert secrets_sent(found) == [0x20]
    with found.opened() as card:
        assert card.pin_status().blocked
        assert card.puk_status().tries_left == 9


@both_simulated
def test_the_last_puk_try_is_kept_unless_it_is_asked_for(name):
    found = held(name, pin_tries_left=0)
    for _ in range(9):
        with found.opened() as card, pytest.raises(PinWrongError):
            card.unblock_pin(WRONG_PUK, NEW)
    sent = len(secrets_sent(found))
    with found.opened() as card:
        with pytest.raises(PinRefusedError, match="single PUK try"):
            card.check_pin_policy(puk=True)
        with pytest.raises(PinRefusedError, match="single PUK try"):
            card.unblock_pin(PUK, NEW)
    assert len(secrets_sent(found)) == sent
    with found.opened() as card, pytest.raises(PinBlockedError, match="PUK is now blocked"):
        card.unblock_pin(WRONG_PUK, NEW, use_last_try=True)
    with found.opened() as card, pytest.raises(PinBlockedError, match="PUK is blocked"):
        card.unblock_pin(PUK, NEW, use_last_try=True)
    assert len(secrets_sent(found)) == sent + 1


@both_simulated
def test_the_last_pin_try_is_not_spent_on_a_change(name):
    found = held(name, pin_tries_left=1)
    with found.opened() as card, pytest.raises(PinRefusedError):
        card.change_pin(OLD, NEW)
    assert secrets_sent(found) == []
    with found.opened() as card:
        card.change_pin(OLD, NEW, use_last_try=True)


@both_simulated
@pytest.mark.parametrize("new", ["", "123", "12345", "12a4"])
def test_a_new_pin_that_cannot_be_one_spends_no_try(name, new):
    found = held(name)
    with found.opened() as card:
        with pytest.raises(PinFormatError, match="new PIN"):
            card.change_pin(OLD, Secret(new))
        with pytest.raises(PinFormatError, match="new PIN"):
            card.unblock_pin(PUK, Secret(new))
        with pytest.raises(PinFormatError, match="PUK"):
            card.unblock_pin(Secret("1234"), NEW)
        card.verify_pin(OLD)
    assert secrets_sent(found) == [0x20]


@both_simulated
def test_nothing_can_be_typed_on_a_reader_without_keypad(name):
    found = held(name)
    with found.opened() as card:
        assert not any(map(card.keypad_for, ("verify", "change", "unblock")))
        for attempt in (
            lambda: card.verify_pin(None),
            lambda: card.change_pin(None, NEW),
            lambda: card.unblock_pin(PUK, None),
        ):
            with pytest.raises(UsageError, match="no keypad"):
                attempt()
    assert secrets_sent(found) == []


# -- what may go wrong ---------------------------------------------------------------------------


@both_generations
def test_a_card_that_refuses_the_new_pin_keeps_the_old_one(family):
    script = family.script("dir", "odf", "aodf", "counter", "change")
    card, transport = opened(family, [*script[:-1], (script[-1][0], "6A80")])
    with pytest.raises(CardStatusError):
        card.change_pin(OLD, NEW)
    transport.assert_finished()


@both_generations
@pytest.mark.parametrize("operation", ["change", "unblock"])
def test_removal_at_any_exchange_is_named_and_nothing_is_sent_twice(family, operation):
    steps = family.block("change") if operation == "change" else UNBLOCK[family.name]
    counter = family.block("counter") if operation == "change" else PUK_COUNTER[family.name]
    script = with_puk(family, counter, steps)
    for position in range(len(family.start), len(script)):
        gone = CardRemovedError("the card was removed")
        transport = ScriptedTransport(family, script, fail_at=position, error=gone)
        card = CpsCard(transport)
        with pytest.raises(CardRemovedError) as caught:
            card.change_pin(OLD, NEW) if operation == "change" else card.unblock_pin(PUK, NEW)
        carries_new_pin = position == len(script) - 1
        assert ("not known which PIN" in caught.value.advice) == carries_new_pin
        assert len(transport.sent) == position + 1, "nothing after the removal"
        sent = [c for c in transport.sent if int(c[2:4], 16) in SECRET_COMMANDS and len(c) > 10]
        assert len(sent) == len(set(sent))


@both_simulated
def test_no_trace_or_error_shows_pin_new_pin_or_puk(name):
    canaries = ("1234", "4321", "12345678", "87654321", "8765")
    seen, text = [], ""
    found = held(name)
    attempts = [
        lambda card: card.change_pin(WRONG, NEW),
        lambda card: card.unblock_pin(WRONG_PUK, NEW),
        lambda card: card.unblock_pin(PUK, NEW),
        lambda card: card.change_pin(NEW, OLD),
        lambda card: card.change_pin(OLD, WRONG_PUK),
    ]
    for attempt in attempts:
        with found.opened(seen.append) as card:
            try:
                attempt(card)
            except CardError as error:
                text += "".join(traceback.format_exception(error)) + str(error.to_dict())
    shown = [e for e in seen if e.command[1] in SECRET_COMMANDS]
    text += "".join(f"{exchange}{exchange!r}" for exchange in shown)
    for canary in canaries:
        for form in (canary, canary.encode().hex(), canary.encode().hex().upper()):
            assert form not in text, canary
    masked = [e for e in shown if e.command.endswith(b"****")]
    assert len(masked) == {"cps3": 5, "cps4": 6}[name]


def test_a_puk_is_found_by_either_of_its_flags():
    for flags in ("0308", "0302", "0301"):  # initialized only; unblockingPin; soPin
        puk = pin_object(least=8, most=8, stored=8, flags="00" + _bits(flags), reference=2)
        aodf = CPS3.reading("3F0000017001", pin_object() + puk)
        card, _ = opened(CPS3, CPS3.script("dir", "odf") + aodf + PUK_COUNTER["CPS3"])
        assert (card.puk_status() is None) == (flags == "0308")


def _bits(flags: str) -> str:
    """PinFlags in one whole byte (bit 4 initialized, 6 unblockingPin, 7 soPin)."""
    return {"0308": "08", "0302": "02", "0301": "01"}[flags]


def test_cps4_gives_the_tries_back_before_the_new_pin():
    """So that a card taken out half-way is left with a PIN that works."""
    script = with_puk(CPS4, PUK_COUNTER["CPS4"], UNBLOCK["CPS4"])
    card, transport = opened(CPS4, [*script[:-1], (script[-1][0], "6A80")])
    with pytest.raises(CardStatusError) as caught:
        card.unblock_pin(PUK, NEW)
    assert "old PIN still counts" in caught.value.advice
    transport.assert_finished()
