"""Asked again: only what can't be done twice, ever later, not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from igcsante.errors import (
    ContractError,
    IgcError,
    NetworkError,
    NotHabilitatedError,
    PlatformRefusedError,
    PlatformUnavailableError,
    TimeoutExceededError,
    TlsError,
)
from igcsante.ws import patience
from igcsante.ws.patience import Patience, PatientPlatform
from igcsante.ws.platform import Platform

QUESTIONS = {
    "list_habilitations": (None, "clinique"),
    "search_products": ("search",),
    "get_product": ("P-1",),
}
REQUESTS = {
    "order_product": ("order",),
    "withdraw_product": ("withdrawal",),
    "revoke_product": ("revocation",),
    "renew_product": ("renewal",),
}
ALL = QUESTIONS | REQUESTS
NEVER_LEFT = [
    NetworkError("can't be reached"),
    TimeoutExceededError("could not be reached"),
    PlatformUnavailableError("being serviced"),
]
IN_DOUBT = [
    NetworkError("hung up", outcome_unknown=True),
    TimeoutExceededError("no answer", outcome_unknown=True),
    PlatformUnavailableError("HTTP 502", outcome_unknown=True),
]
SETTLED = [
    TlsError("not trusted"),
    PlatformRefusedError("no"),
    NotHabilitatedError("no right"),
    ContractError("a page", outcome_unknown=True),
]


class Scripted:
    """Raises each error of a list in turn, then answers with its arguments."""

    keeps_references = False
    longest_attempt = timedelta(seconds=90)

    def __init__(self, *errors: IgcError) -> None:
        self.errors = list(errors)
        self.calls: list[str] = []

    def __getattr__(self, name: str):
        def operation(*arguments: object) -> object:
            self.calls.append(name)
            if self.errors:
                raise self.errors.pop(0)
            return name, arguments

        return operation


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    waits: list[float] = []
    monkeypatch.setattr(patience, "sleep", waits.append)
    yield waits


def call(name: str, platform: Scripted, **options) -> object:
    return getattr(PatientPlatform(platform, **options), name)(*ALL[name])


def test_every_operation_of_the_port_is_known_to_be_one_or_the_other():
    operations = {name for name in vars(Platform) if not name.startswith("_")}
    assert operations - {"keeps_references", "longest_attempt"} == set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_what_is_asked_and_answered_passes_unchanged(slept, name):
    platform = Scripted()
    assert call(name, platform) == (name, ALL[name])
    patient = PatientPlatform(platform, Patience(total=60))
    assert not patient.keeps_references
    assert patient.longest_attempt == timedelta(seconds=150)
    assert slept == []


@pytest.mark.parametrize("error", NEVER_LEFT, ids=str)
@pytest.mark.parametrize("name", ALL)
def test_what_was_not_done_is_tried_again(slept, name, error):
    platform = Scripted(error, error)
    assert call(name, platform) == (name, ALL[name])
    assert platform.calls == [name] * 3
    assert len(slept) == 2


@pytest.mark.parametrize("error", IN_DOUBT, ids=str)
def test_in_doubt_only_questions_are_asked_again(slept, error):
    for name in QUESTIONS:
        assert call(name, Scripted(error)) == (name, ALL[name])
    slept.clear()
    for name in REQUESTS:
        platform = Scripted(error)
        with pytest.raises(type(error)):
            call(name, platform)
        assert platform.calls == [name]
    assert slept == []


def test_a_request_that_may_have_gone_at_the_second_try_is_not_sent_a_third_time(slept):
    platform = Scripted(NEVER_LEFT[0], IN_DOUBT[0])
    with pytest.raises(NetworkError, match="hung up") as caught:
        call("order_product", platform)
    assert caught.value.fields["outcome_unknown"]
    assert len(platform.calls) == 2


@pytest.mark.parametrize("error", SETTLED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("name", ALL)
def test_what_another_moment_does_not_change_is_told_at_once(slept, name, error):
    platform = Scripted(error)
    with pytest.raises(type(error)):
        call(name, platform)
    assert (platform.calls, slept) == ([name], [])


def test_patience_ends_with_the_last_error(slept):
    platform = Scripted(*(NetworkError(f"n° {number}") for number in range(9)))
    with pytest.raises(NetworkError, match="n° 3"):
        call("get_product", platform, patience=Patience(tries=4))
    assert len(platform.calls) == 4
    assert len(slept) == 3


def test_a_new_handshake_that_is_refused_does_not_hide_why_it_was_wanted(slept):
    platform = Scripted(IN_DOUBT[1], TlsError("one more card signature was refused"))
    with pytest.raises(TimeoutExceededError, match="no answer"):
        call("get_product", platform)
    assert len(platform.calls) == 2


def test_waits_grow_are_spread_and_have_a_bound(slept):
    waits = []
    for _ in range(50):
        errors = [NEVER_LEFT[0]] * 5
        call("get_product", Scripted(*errors), patience=Patience(6, 1.0, 4.0, 100.0))
        waits.append(tuple(slept))
        slept.clear()
    for number, most in enumerate((1, 2, 4, 4, 4)):
        assert all(most / 2 <= wait[number] <= most for wait in waits)
    assert len(set(waits)) == 50, "two clients don't come back together"


def test_a_platform_that_says_when_is_obeyed_up_to_a_bound(slept):
    call("order_product", Scripted(PlatformUnavailableError("503", retry_after=7)))
    assert slept == [7]
    platform = Scripted(PlatformUnavailableError("503", retry_after=3600))
    with pytest.raises(PlatformUnavailableError) as caught:
        call("order_product", platform)
    assert caught.value.fields["retry_after"] == 3600
    assert (len(platform.calls), slept) == (1, [7])


def test_no_try_begins_once_the_time_is_over(slept):
    platform = Scripted(*NEVER_LEFT)
    with pytest.raises(NetworkError):
        call("get_product", platform, patience=Patience(total=0.4))
    assert (len(platform.calls), slept) == (1, [])


def test_each_wait_is_told(slept):
    heard = []
    call(
        "get_product",
        Scripted(*NEVER_LEFT[:2]),
        told=lambda error, wait: heard.append((error, wait)),
    )
    assert heard == list(zip(NEVER_LEFT[:2], slept, strict=True))
