"""Fixtures of the tests of certificates."""

from __future__ import annotations

from pathlib import Path

import pytest
from selfmade_pki import Authority

from igcsante.certs.anchors import TrustStore


@pytest.fixture(scope="session")
def real_certificates() -> Path:
    """The folder of real IGC-Santé certificates, which is not part of the repository."""
    folder = Path(__file__).parents[2].parent / "shared" / "certs"
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip("the folder of real certificates, ../shared/certs, is not there")
    return folder


@pytest.fixture(scope="session")
def root() -> Authority:
    return Authority.root()


@pytest.fixture(scope="session")
def issuing(root: Authority) -> Authority:
    return root.authority("ISSUING")


@pytest.fixture(scope="session")
def store(root: Authority, issuing: Authority) -> TrustStore:
    return TrustStore.from_certificates([root.certificate, issuing.certificate])
