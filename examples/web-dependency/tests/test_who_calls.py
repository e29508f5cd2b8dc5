"""Who is let in, and who isn't, with certificates of the simulated PKI."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from app import create_app
from cps_auth import MAX_HEADER, CpsAuth
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.card import open_card
from igcsante.cli import main
from igcsante.secret import Secret

SECRET = "shared with nginx"


def pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def by_nginx(certificate: x509.Certificate) -> dict[str, str]:
    """What the example's nginx sets."""
    return {
        "X-Client-Verify": "SUCCESS",
        "X-Client-Certificate": quote(pem(certificate)),
        "X-Proxy-Secret": SECRET,
    }


@pytest.fixture
def browser(igc_world, frozen_clock):
    return create_app(CpsAuth(igc_world.anchors, Secret(SECRET), frozen_clock)).test_client()


@pytest.fixture
def card_certificate(cps_card) -> x509.Certificate:
    with open_card() as card:
        return card.certificate()


def update_lists(certificate: x509.Certificate, tmp_path) -> None:
    path = tmp_path / "certificate.pem"
    path.write_bytes(pem(certificate))
    assert main.run(["--profile", "sim", "crl", "update", "--force", str(path)]) == 0


def test_the_holder_of_a_good_card_is_known(browser, cps_card, card_certificate, tmp_path):
    headers = by_nginx(card_certificate)
    assert browser.get("/me", headers=headers).status_code == 403  # no list yet: not known good
    update_lists(card_certificate, tmp_path)
    answer = browser.get("/me", headers=headers)
    assert answer.status_code == 200
    profile = cps_card.profile
    assert answer.json == {"national_id": str(profile.national_id), "surname": profile.surname}


def test_headers_count_only_when_nginx_set_them(browser, card_certificate, tmp_path):
    update_lists(card_certificate, tmp_path)
    good = by_nginx(card_certificate)
    for wrong, status in (
        ({"X-Proxy-Secret": ""}, 403),
        ({"X-Proxy-Secret": SECRET + "x"}, 403),
        ({"X-Proxy-Secret": "é"}, 403),
        ({"X-Client-Verify": "NONE"}, 401),
        ({"X-Client-Verify": "FAILED:certificate revoked"}, 401),
        ({"X-Client-Certificate": ""}, 403),
        ({"X-Client-Certificate": "-----BEGIN CERTIFICATE-----%0Anonsense"}, 403),
        ({"X-Client-Certificate": good["X-Client-Certificate"] + " " * MAX_HEADER}, 403),
    ):
        assert browser.get("/me", headers=good | wrong).status_code == status, wrong
    assert browser.get("/me").status_code == 403
    assert browser.get("/me", headers=good).status_code == 200


def test_revoked_expired_or_no_card_is_refused(
    browser, card_certificate, igc_world, igc_pki, frozen_clock, tmp_path
):
    update_lists(card_certificate, tmp_path)
    assert browser.get("/me", headers=by_nginx(card_certificate)).status_code == 200
    server = igc_pki.issue_server(("localhost",), frozen_clock())
    update_lists(server.certificate, tmp_path)
    assert browser.get("/me", headers=by_nginx(server.certificate)).status_code == 403

    igc_pki.revoke(card_certificate.serial_number, frozen_clock())
    update_lists(card_certificate, tmp_path)
    assert browser.get("/me", headers=by_nginx(card_certificate)).status_code == 403

    other = igc_world.card("cps4").profile
    expired = igc_world.card_material(other).authentication.certificate
    frozen_clock.advance(timedelta(days=4 * 366))
    assert browser.get("/me", headers=by_nginx(expired)).status_code == 403
