"""Login, order, revocation: with a simulated card and platform, and real cryptography."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from health_app.login import LoginRefusedError, answer
from health_app.service_certificates import order_service_certificate

from igcsante.card import open_card
from igcsante.certs.profile import decode
from igcsante.errors import PlatformUnavailableError
from igcsante.secret import Secret
from igcsante.tls import client_context
from igcsante.ws.client import ZeepPlatform


@pytest.mark.igc_card("cps3", "cps4")
def test_login_by_card(cps_card, desk, frozen_clock):
    with open_card() as card:
        given = answer(card, Secret(cps_card.pin), desk.challenge(frozen_clock()))
    person = desk.login(given, frozen_clock())
    assert person.national_id == str(cps_card.profile.national_id)
    assert person.surname == cps_card.profile.surname
    with pytest.raises(LoginRefusedError, match="not one of ours"):
        desk.login(given, frozen_clock())
    stolen = replace(given, challenge=desk.challenge(frozen_clock()))
    with pytest.raises(LoginRefusedError, match="signature"):
        desk.login(stolen, frozen_clock())


@pytest.mark.igc_fault("T01")
def test_order_in_ci(cps_card, igc_world, pfc_platform, frozen_clock, tmp_path):
    wanted = {
        "structure": "10B0999003",
        "service": "appointments",
        "email": "ops@health-app.example",
        "revocation_code": Secret("12-Simulation"),
        "clock": frozen_clock,
    }
    with open_card() as card:
        card.verify_pin(Secret(cps_card.pin))
        context = client_context(card.credential(), igc_world.anchors)
        with ZeepPlatform(igc_world.endpoint, context) as platform:
            with pytest.raises(PlatformUnavailableError):  # T01 was asked for above
                order_service_certificate(platform, tmp_path / "certificates", **wanted)
            frozen_clock.advance(timedelta(hours=1))  # by then the platform would show it
            issued = order_service_certificate(platform, tmp_path / "certificates", **wanted)
    profile = decode(issued.certificate)
    assert (profile.usage, profile.common_name) == ("AUTH_CLI", "appointments")
    assert issued.files["key"].stat().st_mode & 0o077 == 0
    assert "MOCK-00000001" in pfc_platform.mails()[0].body


def test_a_revoked_certificate_is_refused(cps_card, desk, igc_pki, frozen_clock):
    with open_card() as card:
        card_certificate = card.certificate()
        given = answer(card, Secret(cps_card.pin), desk.challenge(frozen_clock()))
    assert desk.login(given, frozen_clock())

    igc_pki.revoke(card_certificate.serial_number, frozen_clock())
    frozen_clock.advance(timedelta(days=1))
    desk.forget_lists()

    with open_card() as card:
        given = answer(card, Secret(cps_card.pin), desk.challenge(frozen_clock()))
    with pytest.raises(LoginRefusedError, match="revoked"):
        desk.login(given, frozen_clock())
