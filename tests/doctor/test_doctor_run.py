"""Checks are bounded, none ends the others, and each can be chosen by its name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from igcsante.config import resolve
from igcsante.doctor import (
    CHECKS,
    Check,
    Context,
    Examined,
    Finding,
    Status,
    chosen,
    examine,
    worst,
)
from igcsante.doctor.finding import ok, problem
from igcsante.errors import ConfigError, ExitCode, UsageError

Look = object


def context() -> Context:
    return Context(resolve, at=datetime.now(UTC))


def run(*checks: Check) -> list[Examined]:
    return list(examine(checks, context()))


def test_every_check_has_a_stable_name_and_a_title() -> None:
    assert len({check.id for check in CHECKS}) == len(CHECKS)
    assert all(check.id.count(".") == 1 and check.title for check in CHECKS)


@pytest.mark.parametrize(
    ("names", "first", "count"),
    [
        ((), "python.version", len(CHECKS)),
        (("card.tries",), "card.tries", 1),
        (("clock",), "clock.local", 3),
    ],
)
def test_checks_are_chosen_by_id_group_or_beginning(
    names: tuple[str, ...], first: str, count: int
) -> None:
    found = chosen(names)
    assert (found[0].id, len(found)) == (first, count)


def test_a_wrong_name_is_told_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        chosen(["card.trys"])
    assert "card.tries" in caught.value.advice


def test_a_check_that_crashes_is_a_finding_and_the_others_go_on() -> None:
    def crash(_: Context) -> Iterator[Finding]:
        yield ok("seen before")
        raise ZeroDivisionError("MARTIN 899700990031")

    first, second = run(Check("a.crash", "", crash), Check("a.next", "", lambda _: [ok("fine")]))
    assert [finding.status for finding in first.findings] == [Status.OK, Status.PROBLEM]
    assert "a.crash" in first.findings[1].seen and "ZeroDivisionError" in first.findings[1].seen
    assert "MARTIN" not in first.findings[1].seen
    assert second.findings == (ok("fine"),)


def test_an_error_of_ours_gives_its_exit_code() -> None:
    def fail(_: Context) -> Iterator[Finding]:
        raise ConfigError("no such thing")
        yield

    (result,) = run(Check("a.fail", "", fail))
    assert result.findings[0].exit_code is ExitCode.USAGE


def test_a_check_that_hangs_is_left_alone() -> None:
    never, ended = threading.Event(), threading.Event()

    def hang(_: Context) -> Iterator[Finding]:
        yield ok("begun")
        never.wait()
        ended.set()

    (result,) = run(Check("a.hang", "", hang, seconds=0.05))
    assert [finding.status for finding in result.findings] == [Status.OK, Status.PROBLEM]
    assert result.findings[1].exit_code is ExitCode.TIMEOUT
    never.set()
    assert ended.wait(20)


def test_the_exit_code_is_that_of_the_first_problem() -> None:
    results = run(
        Check("a.one", "", lambda _: [ok("")]),
        Check("a.two", "", lambda _: [problem("", "", ExitCode.STALE)]),
        Check("a.three", "", lambda _: [problem("", "", ExitCode.NETWORK)]),
    )
    assert worst(results) is ExitCode.STALE
    assert worst(results[:1]) is ExitCode.GOOD
