"""Keys and certificate requests, as openssl sees them."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from selfmade_pki import rsa_key

from igcsante.certs.requests import build_csr, csr_pem, key_pem, new_key
from igcsante.errors import UsageError
from igcsante.secret import Secret

KEY = rsa_key("load")


def openssl(*arguments: str, data: bytes) -> str:
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode() + done.stderr.decode()


@pytest.mark.parametrize("bits", [2048, 3072])
def test_new_key_has_the_size_asked(bits):
    key = new_key(bits)
    assert key.key_size == bits and key.public_key().public_numbers().e == 65537


@pytest.mark.parametrize("bits", [0, 1024, 2047, 8192])
def test_other_key_sizes_are_refused(bits):
    with pytest.raises(UsageError, match="2048, 3072, 4096"):
        new_key(bits)


def test_request_says_what_was_given_in_the_anss_order():
    request = build_csr(
        KEY,
        "INSI-AUTO",
        country="FR",
        state="Rhône (69)",
        organisation="CENTRE DE SANTÉ",
        organisational_unit="10B0152872",
    )
    shown = openssl(
        "req",
        "-noout",
        "-subject",
        "-verify",
        "-nameopt",
        "utf8,sep_comma_plus",
        data=csr_pem(request),
    )
    expected = "C=FR,ST=Rhône (69),O=CENTRE DE SANTÉ,OU=10B0152872,CN=INSI-AUTO"
    assert expected in shown.replace(" = ", "=")
    assert "verify OK" in shown
    assert request.public_key() == KEY.public_key()


def test_request_of_a_server_names_its_hosts():
    request = build_csr(KEY, "a.example", dns_names=["a.example", "b.example"])
    found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]
    assert [item.value for item in request.subject] == ["a.example"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"common_name": ""},
        {"common_name": "  "},
        {"common_name": "x" * 65},
        {"common_name": "x", "country": "France"},
        {"common_name": "x", "dns_names": ["é.example"]},
    ],
)
def test_value_that_a_name_cannot_hold_is_a_usage_error(wrong):
    with pytest.raises(UsageError):
        build_csr(KEY, **wrong)


def test_key_is_pkcs8_and_encrypted_when_a_passphrase_is_given():
    plain = key_pem(KEY)
    assert plain.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert "Key is valid" in openssl("pkey", "-check", "-noout", data=plain)
    locked = key_pem(KEY, Secret("s3cret"))
    assert locked.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert "Key is valid" in openssl(
        "pkey", "-check", "-noout", "-passin", "pass:s3cret", data=locked
    )
    opened = load_pem_private_key(locked, b"s3cret")
    assert opened.private_numbers() == KEY.private_numbers()


def test_empty_passphrase_is_refused_rather_than_ignored():
    with pytest.raises(UsageError, match="empty"):
        key_pem(KEY, Secret(""))


def test_request_is_signed_by_its_own_key():
    request = build_csr(KEY, "x")
    assert request.is_signature_valid
    assert csr_pem(request) == request.public_bytes(Encoding.PEM)
