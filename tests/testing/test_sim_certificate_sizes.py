"""Certificates of 1 KB to 4 KB: real, and read like any other, on both generations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from openssl_verdict import openssl_verify

from igcsante.card.readers import open_card
from igcsante.certs.profile import decode
from igcsante.cli.card_info import read_info
from igcsante.testing.cards import SimulatedCard, SimulatedReader, load_profile
from igcsante.testing.pki import SimulatedPki

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


@cache
def pki() -> SimulatedPki:
    return SimulatedPki.create(at=NOW, base_url="http://127.0.0.1:14480")


@pytest.mark.parametrize("generation", ["cps3", "cps4"])
@pytest.mark.parametrize("size", [1024, 1200, 4096])
def test_short_and_long_certificates_are_valid_and_name_card_and_holder(
    tmp_path: Path, generation: str, size: int
) -> None:
    profile = replace(load_profile(generation), certificate_bytes=size)
    material = pki().issue_card(profile, NOW)
    for pair in (material.authentication, material.signature):
        length = len(pair.certificate.public_bytes(Encoding.DER))
        assert size - 35 <= length <= size + 2  # a filling has 27 bytes of its own
        verified = openssl_verify(tmp_path, pki(), pair.certificate, at=NOW)
        assert verified.returncode == 0, verified.stderr
        assert decode(pair.certificate).warnings == ()
    with open_card(readers=[SimulatedReader(card=SimulatedCard(profile, material))]) as card:
        assert card.national_id() == profile.national_id
        info = read_info(card)
    assert info["warnings"] == []
    assert info["card_number"] == profile.card_number
    assert info["holder"]["profession_code"] == profile.profession_code
    assert (info["world"], info["card_type"]) == ("test", "CPS")


def test_staff_with_a_structure_in_its_name_gets_as_short_as_it_can(tmp_path: Path) -> None:
    profile = replace(load_profile("cpe"), certificate_bytes=1024)
    certificate = pki().issue_card(profile, NOW).authentication.certificate
    assert 1024 < len(certificate.public_bytes(Encoding.DER)) < 1150
    assert openssl_verify(tmp_path, pki(), certificate, at=NOW).returncode == 0
    assert decode(certificate).national_id == profile.national_id
