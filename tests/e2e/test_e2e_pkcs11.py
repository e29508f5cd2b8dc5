"""``igc order`` with the key in a PKCS#11 token, as with the official middleware."""

from __future__ import annotations

import pytest
from e2e_support import ORDER, WITHDRAWAL, Machine, configure, files_of
from softhsm import SoftTokens, module

from igcsante.testing.cards import load_profile
from igcsante.testing.world import SimulatedWorld


@pytest.fixture
def with_token(machine: Machine, world: SimulatedWorld) -> Machine:
    """A machine whose profile names a token that holds the keys of a simulated card."""
    library = module()
    tokens = SoftTokens(machine.folder)
    tokens.make("CPS")
    material = world.card_material(load_profile("cps3"))
    for label, identifier, pair in (
        ("aut", "02", material.authentication),
        ("sig", "01", material.signature),
    ):
        tokens.store("CPS", label, identifier, pair.private_key, pair.certificate)
    configure(machine.folder / "config", world)
    with (machine.folder / "config" / "config.toml").open("a") as file:
        file.write(f'\npkcs11 = "{library}"\n')
    machine.variables.update(tokens.environment)
    return machine


def test_a_token_orders_like_a_card(with_token: Machine) -> None:
    told = with_token.igc("--profile", "sim", *ORDER, *WITHDRAWAL)
    assert told.code == 0, told.err
    assert {"pem", "key"} & {name.rpartition(".")[2] for name in files_of(with_token.folder)}


def test_a_wrong_pin_of_a_token_has_its_exit_code(with_token: Machine) -> None:
    told = with_token.igc(
        *("--profile", "sim", "--json", "habilitations", "--pin-source", "env:E2E_PIN"),
        E2E_PIN="9137",
    )
    assert (told.code, told.error["code"]) == (4, "card.pin.wrong")
    assert "9137" not in told.out + told.err
