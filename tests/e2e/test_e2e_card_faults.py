"""Cards and programs that misbehave at any exchange: only our errors, and one PIN at most."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest
from card_commands import (
    CONTACTLESS,
    JSON,
    RECORD,
    VERIFY,
    Bench,
    CardCommand,
    Run,
    cases,
    sample,
)

from igcsante.errors import ExitCode
from igcsante.testing.cards import Fault
from igcsante.testing.world import SimulatedWorld

long = pytest.mark.long
# What another program did, what the reader says of it, and with which code of ours it ends.
PROGRAMS = {"reset": "card.reset", "sharing": "card.busy"}
ANSWERS = ("truncated", "oversized", "endless", "garbage")
STATUSES = (0x6F00, 0x6A82, 0x6982, 0x6985, 0x6E00, 0x6300, 0x63C1, 0x6983, 0x9000, 0x6282, 0x6C10)
AWAY = {"cps3": (0x6E00, 0x6A86), "cps4": (0x6881, 0x6985)}
# Usage: a directory file of noise lists no object of that name. Network: a server refuses a
# certificate of noise.
CODES = {
    *(ExitCode.GOOD, ExitCode.FAILURE, ExitCode.USAGE, ExitCode.NO_CARD, ExitCode.PIN_WRONG),
    *(ExitCode.PIN_REFUSED, ExitCode.INVALID, ExitCode.NETWORK, ExitCode.PLATFORM_REFUSED),
}
MOST_MORE = 40  # exchanges: an answer without end is given up after 32
# A CPS4 that says 6985 is led round by CPS2ter (card.md §2.4): four SELECTs; then the command
# and, over T=0, its GET RESPONSE once more.
MOST_TO_TAKE_BACK = 6
CHANGING = ("random", "sign", "record", "order", "retrieve", "revoke", "readers")


@pytest.fixture
def bench(world: SimulatedWorld, home: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(world, home, monkeypatch)


@pytest.mark.parametrize(("command", "card"), cases(quick=True))
def test_faults_end_in_our_errors(bench: Bench, command: CardCommand, card: str) -> None:
    """One exchange of each, with a third of the faults; the long test has them all."""
    whole = bench.run(command, card, options=JSON)
    faults = [(kind, 0) for kind in (*PROGRAMS, *ANSWERS)] + [("status", sw) for sw in STATUSES]
    seed = zlib.crc32(f"{command.id}{card}".encode())
    for number, (kind, status) in enumerate(faults):
        if whole.exchanges and (number + seed) % 3 == 0:
            at = 1 + (seed >> 8) * (number + 1) % whole.exchanges
            is_survived(bench, command, card, whole, Fault(at, kind, status=status))


@long
@pytest.mark.parametrize("kind", [*PROGRAMS, *ANSWERS])
@pytest.mark.parametrize(("command", "card"), cases())
def test_a_fault_at_any_exchange_ends_in_our_errors(
    bench: Bench, command: CardCommand, card: str, kind: str
) -> None:
    whole = bench.run(command, card, options=JSON)
    for at in range(1, whole.exchanges + 1):
        is_survived(bench, command, card, whole, Fault(at, kind))


@long
@pytest.mark.parametrize("status", STATUSES, ids=lambda sw: f"{sw:04X}")
@pytest.mark.parametrize(("command", "card"), cases())
def test_a_wrong_status_at_any_exchange_ends_in_our_errors(
    bench: Bench, command: CardCommand, card: str, status: int
) -> None:
    whole = bench.run(command, card, options=JSON)
    for at in range(1, whole.exchanges + 1):
        is_survived(bench, command, card, whole, Fault(at, "status", status=status))


def is_survived(bench: Bench, command: CardCommand, card: str, whole: Run, fault: Fault) -> Run:
    run = bench.run(command, card, fault, options=JSON)
    assert run.told.code in CODES, run.told.err
    assert max(run.secrets_sent.values(), default=0) <= 1, "a PIN is never sent again"
    assert run.tries == (3, 10), "the PIN was right"
    assert run.exchanges <= whole.exchanges + MOST_MORE
    if run.told.code:
        told = [line.get("error", line) for line in run.told.lines]  # a check ends in a verdict
        ends = [item for item in told if item.get("exit_code") == run.told.code]
        assert ends and all(item.get("message") or item.get("reasons") for item in ends)
        assert set(run.files) <= {RECORD}
    if fault.kind in PROGRAMS and not command.by_serial:
        assert run.told.code == ExitCode.NO_CARD
        assert run.told.error["code"] == PROGRAMS[fault.kind]
        assert run.told.error["advice"]
        assert run.exchanges == fault.at, "nothing is tried again"
    return run


# -- another application -------------------------------------------------------------------


@pytest.mark.parametrize(("command", "card"), cases(quick=True))
def test_a_card_left_in_another_application_is_taken_back(
    bench: Bench, command: CardCommand, card: str
) -> None:
    whole = bench.run(command, card, options=JSON)
    starts = list(dict.fromkeys(whole.line.starts))
    for number in sample(len(starts), f"{command.id}{card}"):
        if starts[number - 1] <= whole.exchanges:
            is_taken_back(bench, command, card, whole, Fault(starts[number - 1], "elsewhere"))


@long
@pytest.mark.parametrize(("command", "card"), cases())
def test_a_card_in_another_application_at_any_exchange_is_taken_back_or_told(
    bench: Bench, command: CardCommand, card: str
) -> None:
    """Within a transaction no other program gets at the card; its first command replays."""
    whole = bench.run(command, card, options=JSON)
    for status in AWAY[card[:4]]:
        for at in range(1, whole.exchanges + 1):
            fault = Fault(at, "elsewhere", status=status)
            if at in whole.line.starts:
                is_taken_back(bench, command, card, whole, fault)
                again = bench.run(command, card, fault, Fault(at + 2, "elsewhere"), options=JSON)
                assert again.exchanges <= whole.exchanges + MOST_MORE
            else:
                run = is_survived(bench, command, card, whole, fault)
                if run.told.code == ExitCode.GOOD and command.name.split()[-1] not in CHANGING:
                    assert run.exchanges <= whole.exchanges + MOST_TO_TAKE_BACK


def is_taken_back(bench: Bench, command: CardCommand, card: str, whole: Run, fault: Fault) -> None:
    """The application is selected, the command replayed once; the PIN isn't sent again."""
    run = is_survived(bench, command, card, whole, fault)
    pin_was_sent = any(raw[1] == VERIFY and len(raw) > 5 for raw in whole.line.commands[: fault.at])
    if pin_was_sent and run.told.code:
        assert run.told.error["code"] == "card.pin.required"
        assert run.told.error["advice"]
        return
    assert run.told.code == whole.told.code, run.told.err
    extra = run.exchanges - whole.exchanges
    assert 0 <= extra <= MOST_TO_TAKE_BACK
    if extra:  # a SELECT by name that comes first need not notice where the card was
        replayed = whole.line.commands[fault.at - 1]
        sent = run.line.commands.count(replayed)
        assert sent == whole.line.commands.count(replayed) + 1, "once more, and no more"
    if command.name.split()[-1] not in CHANGING:
        assert run.answer == whole.answer


# -- a wrong PIN ---------------------------------------------------------------------------

WITH_PIN = [case for case in cases(quick=True) if "env:E2E_PIN" in case.values[0].words]


@pytest.mark.parametrize(
    ("command", "card"), [case for case in WITH_PIN if case.values[1] != CONTACTLESS]
)
def test_a_wrong_pin_costs_one_try_whatever_else_happens(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, command: CardCommand, card: str
) -> None:
    monkeypatch.setenv("E2E_PIN", "9999")
    whole = bench.run(command, card, options=JSON)
    assert whole.told.code == ExitCode.PIN_WRONG and whole.tries == (2, 10)
    sent_at = whole.exchanges
    for kind in ("remove", "reset", "sharing", "status", "oversized", "garbage", "endless"):
        for at in (sent_at - 1, sent_at):
            run = bench.run(command, card, Fault(at, kind), options=JSON)
            assert max(run.secrets_sent.values(), default=0) <= 1
            assert run.tries[0] >= 2
            if kind not in ("garbage", "endless"):  # whose status word says that it was right
                assert run.told.code in CODES - {ExitCode.GOOD}, run.told
                assert not set(run.files) - {RECORD}
