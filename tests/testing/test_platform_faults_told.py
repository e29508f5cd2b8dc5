"""Every fault of the mock (facts sheet platform.md §7.6) as it reaches the client's user.

Each is provoked for real where it can be, past the client's own checks: error, exit code, the
platform's code, the field that is wrong, and what to do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from pfc_client import NOW, request_for
from pfc_world import PHARMACY, SECRET, client_of, wanted, withdrawn

from igcsante.credentials import Credential
from igcsante.errors import (
    ExitCode,
    NotHabilitatedError,
    PlatformRefusedError,
    PlatformUnavailableError,
)
from igcsante.secret import Secret
from igcsante.testing.cards import load_profile
from igcsante.testing.platform.faults import FUNCTIONAL, TECHNICAL
from igcsante.testing.world import SimulatedWorld
from igcsante.tls import client_context
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import Renewal, Revocation, Withdrawal
from igcsante.ws.vocabulary import Offre, Usage

Call = Callable[[ZeepPlatform], object]


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as running:
        yield running


@pytest.fixture(scope="module")
def platform(world) -> Iterator[ZeepPlatform]:
    with client_of(world) as client:
        yield client


def forced(request, **fields):
    """A request that its own checks would refuse."""
    for name, value in fields.items():
        object.__setattr__(request, name, value)
    return request


def ordering(**fields) -> Call:
    return lambda platform: platform.order_product(forced(wanted(), **fields))


def twice(**fields) -> Call:
    def call(platform: ZeepPlatform) -> None:
        request = wanted(**fields)
        platform.order_product(request)
        changed = {"csr": request_for()} if fields else {"service_name": "un autre"}
        platform.order_product(replace(request, **changed))

    return call


def with_product(use: Callable[[ZeepPlatform, str], object], **fields) -> Call:
    return lambda platform: use(platform, platform.order_product(wanted(**fields)).product_id)


def withdraw_twice(platform: ZeepPlatform, product: str) -> None:
    for _ in range(2):
        withdrawn(platform, product)


def withdraw_unaccepted(platform: ZeepPlatform, product: str) -> None:
    platform.withdraw_product(forced(Withdrawal(product, SECRET, accepted=True), accepted=False))


def withdraw_with(password: str) -> Callable[[ZeepPlatform, str], object]:
    secret = Secret(password)
    return lambda platform, product: platform.withdraw_product(
        Withdrawal(product, SECRET, accepted=True, key_password=secret)
    )


def revoke_with_another_code(platform: ZeepPlatform, product: str) -> None:
    withdrawn(platform, product)
    platform.revoke_product(Revocation(Secret("un autre code"), product_id=product))


def renew(platform: ZeepPlatform, product: str) -> None:
    platform.renew_product(Renewal(product, csr=request_for()))


SMALL = rsa.generate_private_key(65537, 1024)  # noqa: S505 - it must be refused
SERVER = {"offre": Offre.SERV, "usage": Usage.SSL_SERV, "service_name": ""}
PASSWORD = Secret("Tr0mpette!")
REFUSALS: dict[str, tuple[Call, str]] = {
    "F01": (ordering(structure=PHARMACY, offre=Offre.PRO, usage=Usage.AUTH), "structure"),
    "F02": (ordering(usage=Usage.SSL_SERV), "usage"),
    "F03": (lambda p: p.order_product(wanted(**SERVER, fqdns=("a.example",))), "fqdns"),
    "F04": (ordering(service_name=" espace"), "service_name"),
    "F05": (ordering(service_name=""), "service_name"),
    "F06": (ordering(csr=b"noise"), "csr"),
    "F07": (lambda p: p.order_product(wanted(csr=request_for(SMALL))), "csr"),
    "F08": (twice(), "csr"),
    "F09": (ordering(key_password=PASSWORD), "csr"),
    "F10": (lambda p: p.get_product("MOCK-99999999"), "product_id"),
    "F11": (with_product(withdraw_twice), "product_id"),
    "F13": (with_product(withdraw_unaccepted), "accepted"),
    "F14": (with_product(withdraw_with("un autre mot"), key_password=PASSWORD), "key_password"),
    "F15": (with_product(revoke_with_another_code), "revocation_code"),
    "F16": (with_product(renew), "product_id"),
    "F19": (twice(client_reference="commande-1"), "client_reference"),
}
# F12 can't happen: the client sends one code twice. F17 and F18 have tests of their own.


def check(error, kind, code: str, field: str, exit_code: ExitCode) -> None:
    assert type(error) is kind
    assert error.exit_code == exit_code
    assert error.fields["fault"] == f"MOCK-{code}"
    assert error.fields["field"] == field
    assert {**FUNCTIONAL, **TECHNICAL}[code] in error.message
    assert error.advice, f"{code}: no advice"


@pytest.mark.parametrize("code", sorted(set(FUNCTIONAL) - {"F12", "F17", "F18"}))
def test_refusal_is_told_with_its_field_and_what_to_do(platform, code) -> None:
    call, field = REFUSALS[code]
    with pytest.raises(PlatformRefusedError) as caught:
        call(platform)
    kind = NotHabilitatedError if code == "F01" else PlatformRefusedError
    check(caught.value, kind, code, field, ExitCode.PLATFORM_REFUSED)
    assert "outcome_unknown" not in caught.value.fields


def test_f12_if_the_platform_ever_said_it(platform, world) -> None:
    world.platform.fail_next("F12")
    with pytest.raises(PlatformRefusedError) as caught:
        platform.list_habilitations()
    check(caught.value, PlatformRefusedError, "F12", "", ExitCode.PLATFORM_REFUSED)


def test_f17_with_a_card_of_the_real_world(world) -> None:
    profile = replace(load_profile("cps3"), test=False, card_number="0000000017")
    real = world.pki.issue_card(profile, NOW).authentication
    context = client_context(Credential(real.certificate, real.private_key), world.anchors)
    with (
        ZeepPlatform(world.endpoint, context) as client,
        pytest.raises(PlatformRefusedError) as caught,
    ):
        client.order_product(wanted())
    check(caught.value, PlatformRefusedError, "F17", "structure", ExitCode.PLATFORM_REFUSED)


def test_f18_when_too_many_wait(platform, world) -> None:
    usual = world.platform.options
    world.platform.options = replace(usual, pending_quota=0)
    try:
        with pytest.raises(PlatformRefusedError) as caught:
            platform.order_product(wanted())
    finally:
        world.platform.options = usual
    check(caught.value, PlatformRefusedError, "F18", "", ExitCode.PLATFORM_REFUSED)


@pytest.mark.parametrize("code", TECHNICAL)
def test_technical_fault_is_told_and_only_maintenance_is_sure_to_have_done_nothing(
    platform, world, code
) -> None:
    request = wanted()
    world.platform.fail_next(code)
    with pytest.raises(PlatformUnavailableError) as caught:
        platform.order_product(request)
    check(caught.value, PlatformUnavailableError, code, "", ExitCode.PLATFORM_UNAVAILABLE)
    assert caught.value.fields.get("outcome_unknown", False) == (code != "T03")


def test_every_fault_is_walked() -> None:
    assert set(REFUSALS) | {"F12", "F17", "F18"} == set(FUNCTIONAL)
