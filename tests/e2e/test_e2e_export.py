"""From an order to what a program takes: ``igc export`` of orders and of files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from e2e_support import ORDER, P12_PASSWORD, WITHDRAWAL, Insert, Told, igc

PASSPHRASE = ("--key-passphrase-source", "env:E2E_PASSPHRASE")
P12 = ("--p12-password-source", "env:E2E_P12")


def sim(*arguments: str | Path) -> Told:
    return igc("--profile", "sim", *arguments)


def export(*arguments: str | Path) -> dict[str, Path]:
    """The files of one form."""
    told = sim("--json", "export", *arguments)
    assert told.code == 0, told.err
    return {kind: Path(path) for kind, path in told.lines[-1]["files"].items()}


@pytest.fixture
def ordered(inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An order, its key locked; nobody has a card any more."""
    monkeypatch.setenv("E2E_PASSPHRASE", "une phrase")
    inserted("cps3")
    told = sim(*ORDER, *WITHDRAWAL, *PASSPHRASE)
    assert told.code == 0, told.err
    return home


def test_order_is_exported_by_its_number(ordered: Path) -> None:
    told = sim("export", "1", "--as", "nginx", "--out", "nginx", *PASSPHRASE)
    assert told.code == 0, told.err
    (key,) = (ordered / "nginx").glob("*.key.pem")
    assert "proxy_ssl_certificate" in told.out and str(key) in told.out
    assert str(key) in told.err
    leaf = x509.load_pem_x509_certificate(next((ordered / "nginx").glob("*.full*")).read_bytes())
    opened = load_pem_private_key(key.read_bytes(), b"une phrase")
    assert opened.public_key() == leaf.public_key()


def test_several_forms_at_once(ordered: Path) -> None:
    told = sim("--json", "export", "1", "--as", "p7b", "--as", "p12-legacy", "--out", "x", *P12,
               *PASSPHRASE)  # fmt: skip
    assert [line["form"] for line in told.lines] == ["p7b", "p12-legacy"]
    assert len(list((ordered / "x").iterdir())) == 2


def test_locked_key_needs_its_passphrase_and_certificates_do_not(ordered: Path) -> None:
    told = sim("--json", "export", "1", "--as", "pem", "--out", "x")
    assert told.code == 2 and "--key-passphrase-source" in told.said
    assert not (ordered / "x").exists()
    assert set(export("1", "--as", "der", "--out", "x")) == {"certificate_der"}


def test_certificates_are_exported_though_their_files_are_gone(ordered: Path) -> None:
    for path in ordered.glob("*.c*"):
        path.unlink()
    assert set(export("1", "--as", "p7b", "--out", "x")) == {"pkcs7"}


def test_platforms_key_is_exported_from_its_pkcs12(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    assert sim(*ORDER, *WITHDRAWAL, "--key", "platform").code == 0
    told = sim("--json", "export", "1", "--as", "bundle", "--out", "x")
    assert told.code == 2 and "needs the private key" in told.said
    told = sim("--json", "export", "1", "--as", "bundle", "--out", "x", *P12)
    assert told.code == 2 and "--plain-key" in told.said
    bundle = export("1", "--as", "bundle", "--out", "x", "--plain-key", *P12)["bundle"]
    key = load_pem_private_key(bundle.read_bytes(), None)
    assert key.public_key() == x509.load_pem_x509_certificate(bundle.read_bytes()).public_key()
    modern = export("1", "--as", "p12", "--out", "y", *P12)["pkcs12"].read_bytes()
    assert load_pkcs12(modern, P12_PASSWORD.encode()).key.public_key() == key.public_key()


def test_order_without_certificate_says_what_to_do(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    assert sim(*ORDER, "--order-only").code == 0
    told = sim("--json", "export", "1", "--as", "der")
    assert told.code == 2 and "igc retrieve 1" in told.said


def test_files_are_exported_and_named_after_the_first(ordered: Path) -> None:
    (leaf,), (key,) = ordered.glob("*.cert.pem"), ordered.glob("*.key.pem")
    shutil.copy(leaf, ordered / "mine.pem")
    files = export(ordered / "mine.pem", key, "--as", "pem", "--out", "x", *PASSPHRASE)
    assert set(files) == {"certificate", "chain", "key"}, "the anchors of the profile complete it"
    assert files["key"].name == "mine.key.pem"
    named = export(leaf, "--as", "der", "--out", "x", "--name", "service")
    assert named["certificate_der"].name == "service.cert.der"


def test_nothing_of_that_name_is_told(home: Path) -> None:
    told = sim("--json", "export", "nothing.pem", "--as", "der")
    assert (told.code, told.error["code"]) == (2, "usage")
