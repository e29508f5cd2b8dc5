"""Every fault of the platform (facts sheet platform.md §7.6) as the command line tells it."""

from __future__ import annotations

import pytest
from e2e_support import Insert, igc, outage

from igcsante.testing.platform.faults import FUNCTIONAL, TECHNICAL
from igcsante.testing.world import SimulatedWorld

ASKING = ("--profile", "sim", "--json", "habilitations", "--pin-source", "env:E2E_PIN")


@pytest.mark.parametrize("fault", [*FUNCTIONAL, *TECHNICAL])
def test_fault_reaches_the_user_with_its_code_and_what_to_do(
    world: SimulatedWorld, inserted: Insert, fault: str
) -> None:
    inserted("cps3")
    with outage(world, 1, fault, lasting=True):
        told = igc(*ASKING)
    technical = fault in TECHNICAL
    assert told.code == (12 if technical else 11)
    error = told.error
    assert error["fault"] == f"MOCK-{fault}"
    kinds = {"F01": "platform.not_habilitated"}
    usual = "platform.unavailable" if technical else "platform.refused"
    assert error["code"] == kinds.get(fault, usual)
    assert error["exit_code"] == told.code
    assert {**FUNCTIONAL, **TECHNICAL}[fault] in error["message"]
    assert error["message"] in told.said
    assert error["advice"] and " ".join(error["advice"].split()) in told.said
