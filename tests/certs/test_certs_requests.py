"""Keys and certificate requests, as openssl sees them."""

from __future__ import annotations

import subprocess

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from selfmade_pki import ec_key, rsa_key

from igcsante.certs.requests import build_csr, csr_pem, key_pem, new_key, read_csr
from igcsante.errors import UnreadableError, UsageError
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


def signed(key, algorithm) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateSigningRequestBuilder(name)
    return builder.sign(key, algorithm).public_bytes(Encoding.DER)


@pytest.mark.parametrize("encoding", ["PEM", "DER"])
def test_request_made_elsewhere_is_read(encoding, tmp_path):
    path = tmp_path / "key.pem"
    path.write_bytes(key_pem(KEY))
    command = ["openssl", "req", "-new", "-key", path, "-subj", "/CN=x", "-outform", encoding]
    made = subprocess.run(command, capture_output=True, check=True).stdout
    assert read_csr(made).public_key() == KEY.public_key()


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (signed(ec_key("leaf"), hashes.SHA256()), "RSA keys, of 2048, 3072, 4096 bits"),
        (
            signed(rsa.generate_private_key(65537, 1024), hashes.SHA256()),  # noqa: S505
            "RSA keys, of 2048, 3072, 4096 bits",
        ),
        (signed(KEY, hashes.SHA3_256()), "SHA-256, SHA-384 or SHA-512"),
    ],
)
def test_request_that_is_not_certified_there_is_told_what_is(octets, message):
    with pytest.raises(UsageError, match=message):
        read_csr(octets)


def test_request_that_was_changed_is_refused():
    octets = bytearray(build_csr(KEY, "x").public_bytes(Encoding.DER))
    octets[-1] ^= 1
    with pytest.raises(UnreadableError, match="its signature is wrong"):
        read_csr(bytes(octets), source="my.csr")


def test_private_key_given_as_a_request_is_refused_and_not_repeated():
    pem = key_pem(KEY)
    with pytest.raises(UsageError, match=r"my\.csr holds a private key") as caught:
        read_csr(pem + csr_pem(build_csr(KEY, "x")), source="my.csr")
    assert pem.split(b"\n")[1].decode() not in str(caught.value.to_dict())


@given(st.binary(max_size=80))
def test_octets_of_any_kind_are_a_request_or_told_not_to_be(octets):
    for data in (octets, b"-----BEGIN CERTIFICATE REQUEST-----\n" + octets):
        with pytest.raises(UnreadableError):
            read_csr(data)


def test_huge_request_is_not_read():
    with pytest.raises(UnreadableError):
        read_csr(b"0" * 20_000)
