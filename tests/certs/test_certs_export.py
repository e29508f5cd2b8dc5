"""The files handed to the user: readable by openssl, private, whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from selfmade_pki import Authority, ec_key, rsa_key

from igcsante import files
from igcsante.certs.export import chain_pem, pkcs12_bytes, write_bundle, write_key
from igcsante.certs.load import certificates_from_path, load_certificates
from igcsante.certs.requests import read_key
from igcsante.errors import CertificateInvalidError, StorageError, UnreadableError, UsageError
from igcsante.secret import Secret

KEY = rsa_key("load")
ROOT = Authority.root()
ISSUING = ROOT.authority("ISSUING")
LEAF = ISSUING.leaf(key=KEY)
CHAIN = (ISSUING.certificate, ROOT.certificate)
PASSWORD = Secret("s3cret")
NAMES = {"a.cert.pem", "a.cert.der", "a.chain.pem", "a.p12"}


P12 = pkcs12_bytes("a", KEY, LEAF, CHAIN, PASSWORD)


def bundle(folder, stem="a", *, key=KEY, pkcs12=P12):
    return write_bundle(folder, stem, LEAF, CHAIN, public_key=key.public_key(), pkcs12=pkcs12)


def openssl(*arguments) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)


def test_bundle_is_private_files_that_openssl_reads(tmp_path):
    folder = tmp_path / "new" / "folder"
    paths = bundle(folder)
    assert {path.name for path in paths.values()} == NAMES
    assert set(os.listdir(tmp_path / "new" / "folder")) == NAMES  # noqa: PTH208
    for path in paths.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    assert openssl("x509", "-in", paths["certificate"], "-noout").returncode == 0
    assert (
        openssl("x509", "-in", paths["certificate_der"], "-inform", "DER", "-noout").returncode == 0
    )
    assert paths["chain"].read_bytes() == chain_pem(CHAIN)
    shown = openssl("pkcs12", "-in", paths["pkcs12"], "-info", "-nodes", "-passin", "pass:s3cret")
    assert shown.returncode == 0
    assert shown.stdout.count("BEGIN CERTIFICATE") == 3 and "BEGIN PRIVATE KEY" in shown.stdout
    assert "MAC: sha256" in shown.stderr
    assert shown.stderr.count("AES-256-CBC") == 2 and "RC2" not in shown.stderr
    wrong = openssl("pkcs12", "-in", paths["pkcs12"], "-nodes", "-passin", "pass:wrong")
    assert wrong.returncode != 0


def test_bundle_is_read_back(tmp_path):
    paths = bundle(tmp_path)
    assert certificates_from_path(paths["certificate"]) == (LEAF,)
    assert certificates_from_path(paths["certificate_der"]) == (LEAF,)
    assert certificates_from_path(paths["chain"]) == CHAIN
    assert set(certificates_from_path(paths["pkcs12"], PASSWORD)) == {LEAF, *CHAIN}


def test_without_a_password_no_pkcs12_is_written(tmp_path):
    assert "pkcs12" not in bundle(tmp_path, pkcs12=None)
    assert not (tmp_path / "a.p12").exists()


def test_key_is_a_private_file_that_openssl_and_we_read(tmp_path):
    path = write_key(tmp_path, "a", KEY)
    assert path.name == "a.key.pem" and stat.S_IMODE(path.stat().st_mode) == 0o600
    assert openssl("pkey", "-in", path, "-noout", "-check").returncode == 0
    assert read_key(path).private_numbers() == KEY.private_numbers()


def test_bundle_without_a_password_has_no_pkcs12(tmp_path):
    assert "pkcs12" not in bundle(tmp_path, pkcs12=None)
    assert {path.name for path in tmp_path.iterdir()} == NAMES - {"a.p12"}


def test_key_is_a_private_file_encrypted_on_request(tmp_path):
    plain = write_key(tmp_path / "new", "a", KEY)
    locked = write_key(tmp_path, "a", KEY, Secret("passphrase"))
    assert plain.name == "a.key.pem" and stat.S_IMODE(plain.stat().st_mode) == 0o600
    assert openssl("pkey", "-in", plain, "-noout", "-check").returncode == 0
    assert b"ENCRYPTED" in locked.read_bytes() and b"passphrase" not in locked.read_bytes()
    assert read_key(plain).private_numbers() == KEY.private_numbers()
    assert read_key(locked, Secret("passphrase")).private_numbers() == KEY.private_numbers()


def test_key_is_never_written_over_a_file(tmp_path):
    (tmp_path / "a.key.pem").write_bytes(b"mine")
    with pytest.raises(StorageError, match="already there"):
        write_key(tmp_path, "a", KEY)
    assert (tmp_path / "a.key.pem").read_bytes() == b"mine"


def test_key_that_cannot_be_read_is_told_why(tmp_path):
    plain = write_key(tmp_path, "plain", KEY)
    locked = write_key(tmp_path, "locked", KEY, Secret("passphrase"))
    with pytest.raises(UsageError, match="needs its passphrase"):
        read_key(locked)
    with pytest.raises(UnreadableError, match="wrong") as wrong:
        read_key(locked, Secret("autre"))
    assert "autre" not in str(wrong.value.to_dict())
    with pytest.raises(UsageError, match="has no passphrase"):
        read_key(plain, Secret("passphrase"))
    with pytest.raises(UsageError):
        read_key(tmp_path / "absent")
    curve = ec_key("leaf").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for name, octets in (("noise", b"\x00" * 99), ("empty", b""), ("curve", curve)):
        (tmp_path / name).write_bytes(octets)
        with pytest.raises(UnreadableError):
            read_key(tmp_path / name)


@pytest.mark.parametrize("taken", sorted(NAMES))
def test_file_that_is_there_is_never_replaced(tmp_path, taken):
    (tmp_path / taken).write_bytes(b"mine")
    with pytest.raises(StorageError, match="already there: nothing was written"):
        bundle(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [taken]
    assert (tmp_path / taken).read_bytes() == b"mine"


def test_dangling_link_is_not_written_through(tmp_path):
    (tmp_path / "a.p12").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StorageError):
        bundle(tmp_path)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("failing", range(4))
@pytest.mark.parametrize("failure", [StorageError("disk full"), KeyboardInterrupt()])
def test_failure_at_any_file_leaves_nothing(tmp_path, monkeypatch, failing, failure):
    real, count = files.write_atomic, iter(range(10))

    def write(path, data, **options):
        if next(count) == failing:
            raise failure
        real(path, data, **options)

    monkeypatch.setattr(files, "write_atomic", write)
    with pytest.raises(type(failure)):
        bundle(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_file_that_appears_meanwhile_is_kept(tmp_path, monkeypatch):
    real = files.write_atomic

    def write(path, data, **options):
        if path.name == "a.chain.pem":
            path.write_bytes(b"somebody's")
        real(path, data, **options)

    monkeypatch.setattr(files, "write_atomic", write)
    with pytest.raises(StorageError):
        bundle(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["a.chain.pem"]
    assert (tmp_path / "a.chain.pem").read_bytes() == b"somebody's"


@pytest.mark.parametrize("stem", ["", ".", "..", "a/b", "../a", "a\0b", "a\\b", "a\nb"])
def test_stem_that_is_no_file_name_is_refused(tmp_path, stem):
    with pytest.raises(UsageError, match="name of files"):
        bundle(tmp_path, stem)
    assert list(tmp_path.iterdir()) == []


def test_key_of_another_certificate_is_refused(tmp_path):
    with pytest.raises(CertificateInvalidError, match="not that of"):
        bundle(tmp_path, key=rsa_key("other"))
    assert list(tmp_path.iterdir()) == []


def test_pkcs12_without_a_password_is_refused():
    with pytest.raises(UsageError, match="password"):
        pkcs12_bytes("a", KEY, LEAF, CHAIN, Secret(""))


def test_accented_name_and_password_are_fine():
    octets = pkcs12_bytes("clé", KEY, LEAF, CHAIN, Secret("mot de passé"))
    assert LEAF in load_certificates(octets, Secret("mot de passé"))
