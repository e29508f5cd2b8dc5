"""A platform whose certificate was revoked gets nothing, once the list is kept here."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from e2e_support import Insert, igc

from igcsante.testing.world import SimulatedWorld

PIN = ("--pin-source", "env:E2E_PIN")


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    """A world of its own: its server is revoked."""
    with SimulatedWorld() as running:
        yield running


def test_a_revoked_platform_is_refused_as_soon_as_its_list_is_kept(
    world: SimulatedWorld, home: Path, inserted: Insert
) -> None:
    inserted("cps3")
    url = urlsplit(world.endpoint)
    pem = ssl.get_server_certificate((url.hostname or "", url.port or 0))
    (home / "server.pem").write_text(pem)
    leaf = x509.load_pem_x509_certificate(pem.encode())
    world.pki.revoke(leaf.serial_number, datetime.now(UTC))
    asked = igc("--profile", "sim", "--json", "habilitations", *PIN)
    assert asked.code == 0, "nothing is fetched, so nobody knows yet"
    updated = igc("--profile", "sim", "crl", "update", "server.pem")
    assert updated.code == 0, updated.err
    refused = igc("--profile", "sim", "--json", "habilitations", *PIN)
    assert (refused.code, refused.error["code"]) == (10, "network.tls")
    assert "was revoked on" in refused.error["message"]
    assert "nothing was sent" in refused.error["message"]
