"""The pins, and the folder of imported authorities."""

from __future__ import annotations

import os
import re

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from selfmade_pki import Authority

from igcsante.certs import anchors
from igcsante.certs.anchors import (
    PINNED,
    PinnedAnchor,
    TrustStore,
    fingerprint,
    import_anchors,
    imported_store,
    list_anchors,
    pinned_entry,
)
from igcsante.certs.load import certificates_from_path
from igcsante.errors import CertificateInvalidError, UnreadableError

ROOT = Authority.root()
ISSUING = ROOT.authority("ISSUING")


@pytest.fixture
def pinned(monkeypatch):
    """As if the ANS's pins were those of two authorities made here."""
    pins = tuple(
        PinnedAnchor(name, "X", "test", role, fingerprint(authority.certificate), "observed")
        for name, role, authority in (("ACR-X", "root", ROOT), ("ACI-X", "intermediate", ISSUING))
    )
    monkeypatch.setattr(anchors, "PINNED", pins)
    monkeypatch.setattr(anchors, "_BY_FINGERPRINT", {pin.sha256: pin for pin in pins})
    return pins


def test_pins_are_well_formed():
    assert len({pin.sha256 for pin in PINNED}) == len({pin.name for pin in PINNED}) == 14
    for pin in PINNED:
        assert re.fullmatch("[0-9a-f]{64}", pin.sha256)
        assert pin.name.startswith("ACR-" if pin.role == "root" else "ACI-")
        assert pin.name.endswith("-TEST") == (pin.world == "test")
        assert pin.source == ("official" if pin.world == "production" else "observed")
    urls = {pin.name: pin.url for pin in PINNED}
    site = "http://igc-sante.esante.gouv.fr"
    assert urls["ACI-EL-ORG"] == f"{site}/AC/ACI-EL-ORG.cer"
    assert urls["ACR-EL-TEST"] == f"{site}/AC%20TEST/ACR-EL-TEST.cer"


def test_only_pinned_certificates_are_imported(tmp_path, pinned):
    stranger = Authority.root("STRANGER").certificate
    report = import_anchors([ROOT.certificate, ISSUING.certificate, stranger], tmp_path)
    assert [entry.pin for entry in report.imported] == list(pinned)
    assert report.refused == (stranger,)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ACI-X.pem", "ACR-X.pem"]
    assert imported_store(tmp_path) == TrustStore((ROOT.certificate,), (ISSUING.certificate,))


def test_importing_again_changes_nothing(tmp_path, pinned):
    import_anchors([ROOT.certificate], tmp_path)
    report = import_anchors([ROOT.certificate, ROOT.certificate], tmp_path)
    assert report.imported == () and len(report.already) == 1


def test_unpinned_certificate_is_kept_when_its_user_answers_for_it(tmp_path, pinned):
    report = import_anchors([ROOT.certificate], tmp_path / "a", accept_unpinned=True)
    assert report.imported[0].pin is not None
    stranger = Authority.root("STRANGER").certificate
    import_anchors([stranger], tmp_path / "b", accept_unpinned=True)
    assert imported_store(tmp_path / "b").roots == (stranger,)
    *pins, last = list_anchors(tmp_path / "b")
    assert last.pin is None and last.certificate == stranger
    assert not any(entry.imported for entry in pins)


def test_list_says_what_is_imported(tmp_path, pinned):
    import_anchors([ISSUING.certificate], tmp_path)
    assert [(entry.pin.name, entry.imported) for entry in list_anchors(tmp_path)] == [
        ("ACR-X", False),
        ("ACI-X", True),
    ]
    assert [entry.imported for entry in list_anchors(tmp_path / "absent")] == [False, False]


def test_file_swapped_behind_our_back_is_not_believed(tmp_path, pinned):
    import_anchors([ROOT.certificate], tmp_path)
    stranger = Authority.root("STRANGER").certificate
    (tmp_path / "ACR-X.pem").write_bytes(stranger.public_bytes(Encoding.PEM))
    for use in (imported_store, list_anchors):
        with pytest.raises(CertificateInvalidError, match=r"ACR-X\.pem"):
            use(tmp_path)
    (tmp_path / "ACR-X.pem").write_bytes(b"")
    with pytest.raises(UnreadableError):
        imported_store(tmp_path)


def test_trust_folder_is_in_the_data_folder_and_private(tmp_path, monkeypatch, pinned):
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    import_anchors([ROOT.certificate])
    folder = tmp_path / "data" / "trust"
    assert (folder / "ACR-X.pem").stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert imported_store().roots == (ROOT.certificate,)


def test_stores_add_up():
    one = TrustStore.from_certificates([ROOT.certificate])
    two = TrustStore.from_certificates([ROOT.certificate, ISSUING.certificate])
    assert one + two == two


def test_real_authorities_are_imported_by_their_pins(tmp_path, real_certificates):
    certificates = certificates_from_path(real_certificates / "ca")
    report = import_anchors(certificates, tmp_path)
    assert len(report.imported) == 14 and report.refused == ()
    assert len(imported_store(tmp_path).roots) == 5
    assert all(entry.imported for entry in list_anchors(tmp_path))
    assert {path.stem for path in tmp_path.iterdir()} == {pin.name for pin in PINNED}
    leaf = next(iter(real_certificates.glob("ee/*.pem")))
    assert pinned_entry(certificates_from_path(leaf)[0]) is None


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_a_trust_folder_that_others_may_write_to_is_not_trusted(tmp_path):
    import_anchors([ROOT.certificate], tmp_path / "trust", accept_unpinned=True)
    assert imported_store(tmp_path / "trust").roots == (ROOT.certificate,)
    (tmp_path / "trust").chmod(0o770)
    with pytest.raises(CertificateInvalidError, match="others than its owner"):
        imported_store(tmp_path / "trust")
