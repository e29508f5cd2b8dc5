"""Loading certificates and CRLs from every container, and from what is none."""

from __future__ import annotations

import contextlib
import subprocess

import pytest
from asn1crypto.pkcs12 import Pfx
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
    pkcs12,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st
from selfmade_pki import Authority, rsa_key

from igcsante.certs import load as loading
from igcsante.certs.export import pkcs12_bytes
from igcsante.certs.load import (
    certificates_from_path,
    crls_from_path,
    load,
    load_certificates,
    load_crls,
)
from igcsante.errors import IgcError, UnreadableError, UsageError
from igcsante.secret import Secret

ROOT = Authority.root()
ISSUING = ROOT.authority("ISSUING")
KEY = rsa_key("load")
LEAF = ISSUING.leaf(key=KEY)
CHAIN = (LEAF, ISSUING.certificate, ROOT.certificate)
CRL = ISSUING.crl([1, 2])
PASSWORD = Secret("mot de passe")


def pem(*certificates) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def crl_pem(octets: bytes = CRL) -> bytes:
    import base64

    body = base64.encodebytes(octets)
    return b"-----BEGIN X509 CRL-----\n" + body + b"-----END X509 CRL-----\n"


def p12(password: Secret = PASSWORD) -> bytes:
    return pkcs12_bytes("leaf", KEY, LEAF, CHAIN[1:], password)


KEY_PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
OLD_KEY_PEM = KEY.private_bytes(  # its headers are not base64
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, BestAvailableEncryption(b"x")
)
CONTAINERS = {
    "PEM": pem(*CHAIN),
    "PEM with CRLF": pem(*CHAIN).replace(b"\n", b"\r\n"),
    "PEM with text between": b"subject=/CN=x\n" + pem(LEAF) + b"\xff\x00junk\n" + pem(*CHAIN[1:]),
    "PEM with a key between": pem(LEAF) + KEY_PEM + pem(*CHAIN[1:]),
    "PEM with an old encrypted key": OLD_KEY_PEM + pem(*CHAIN),
    "PKCS#7 DER": pkcs7.serialize_certificates(CHAIN, Encoding.DER),
    "PKCS#7 PEM": pkcs7.serialize_certificates(CHAIN, Encoding.PEM),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_all_certificates_of_a_container_are_found(container):
    assert set(load_certificates(CONTAINERS[container])) == set(CHAIN)


def test_format_is_told():
    assert load(pem(LEAF)).format == "PEM"
    assert load(LEAF.public_bytes(Encoding.DER)).format == "DER"
    assert load(CRL).format == "DER"
    assert load(CONTAINERS["PKCS#7 DER"]).format == "PKCS#7"
    assert load(p12(), PASSWORD).format == "PKCS#12"


def test_der_certificate_and_der_crl_are_told_apart():
    assert load_certificates(LEAF.public_bytes(Encoding.DER)) == (LEAF,)
    (crl,) = load_crls(CRL, source="here")
    assert (crl.number, len(crl), crl.source) == (1, 2, "here")
    assert [crl.number for crl in load_crls(crl_pem() * 2)] == [1, 1]


def test_pkcs12_opens_with_its_password_only():
    assert set(load_certificates(p12(), PASSWORD)) == set(CHAIN)
    with pytest.raises(UnreadableError, match="does not open") as wrong:
        load_certificates(p12(), Secret("autre"))
    with pytest.raises(UnreadableError, match="needs its password"):
        load_certificates(p12())
    assert "autre" not in str(wrong.value.to_dict())


def test_private_key_is_called_one():
    with pytest.raises(UnreadableError, match="private key"):
        load(NOT_CERTIFICATES["a DER key"])


def test_pkcs12_as_the_platform_delivers_it_is_read(tmp_path):
    """3DES key, certificates in clear, SHA-1 MAC: platform.md §3."""
    (tmp_path / "all.pem").write_bytes(KEY_PEM + pem(*CHAIN))
    made = tmp_path / "old.p12"
    command = "openssl pkcs12 -export -certpbe NONE -keypbe PBE-SHA1-3DES -macalg sha1 -iter 2048"
    subprocess.run(
        [*command.split(), "-in", "all.pem", "-out", made, "-passout", "pass:secret"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert set(certificates_from_path(made, Secret("secret"))) == set(CHAIN)


def test_pkcs12_that_would_burn_hours_is_refused_at_once():
    pfx = Pfx.load(p12())
    pfx["mac_data"]["iterations"] = 2**31 - 1
    with pytest.raises(UnreadableError, match="iterations"):
        load_certificates(pfx.dump(force=True), PASSWORD)


def test_pkcs12_with_a_mac_of_unknown_cost_is_refused():
    """PBMAC1 (RFC 9579) has its own iteration count, elsewhere."""
    pfx = Pfx.load(p12())
    pfx["mac_data"]["mac"]["digest_algorithm"]["algorithm"] = "1.2.840.113549.1.5.14"
    with pytest.raises(UnreadableError, match="MAC"):
        load_certificates(pfx.dump(force=True), PASSWORD)


# -- what is no certificate -----------------------------------------------------------------

NOT_CERTIFICATES = {
    "nothing": b"",
    "blanks": b" \r\n\t\n",
    "text": b"hello, world\n",
    "zeros": b"\0" * 1000,
    "a private key": KEY_PEM,
    "a DER key": KEY.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
    "an encrypted key": KEY.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")
    ),
    "a CRL": CRL,
    "half a PEM": pem(LEAF)[:500],
    "a PEM that is not base64": b"-----BEGIN CERTIFICATE-----\n%%%\n-----END CERTIFICATE-----\n",
    "a PEM that holds nothing": b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
    "half a DER": LEAF.public_bytes(Encoding.DER)[:500],
    "DER and more": LEAF.public_bytes(Encoding.DER) + b"more",
    "half a PKCS#12": p12()[:500],
    "half a PKCS#7": CONTAINERS["PKCS#7 DER"][:500],
    "huge length": b"\x30\x84\xff\xff\xff\xff\x30\x00",
    "nested": b"\x30\x80" * 5000,
}


@pytest.mark.parametrize("what", NOT_CERTIFICATES)
def test_what_holds_no_certificate_is_refused_with_a_reason(what):
    with pytest.raises(UnreadableError) as refused:
        load_certificates(NOT_CERTIFICATES[what], source="the-file")
    assert "the-file" in refused.value.message


@pytest.mark.parametrize("what", [*NOT_CERTIFICATES, "certificate"])
def test_what_holds_no_crl_is_refused_with_a_reason(what):
    octets = {**NOT_CERTIFICATES, "certificate": pem(LEAF)}[what]
    if what == "a CRL":
        assert load_crls(octets)
        return
    with pytest.raises(UnreadableError):
        load_crls(octets)


def test_many_begin_lines_are_refused():
    begins = b"-----BEGIN CERTIFICATE-----\n" * 300_000
    with pytest.raises(UnreadableError, match="has no end"):
        load_certificates(begins)


NEGATIVE = ISSUING.leaf(serial=0x1234, key=KEY)
NEGATIVE_DER = NEGATIVE.public_bytes(Encoding.DER).replace(b"\x02\x02\x12\x34", b"\x02\x02\x92\x34")


def test_odd_certificates_are_loaded_without_a_warning_on_the_terminal():
    """Tests turn warnings into errors: one would come out here."""
    (odd,) = load_certificates(NEGATIVE_DER)
    for octets in (
        pkcs7.serialize_certificates([odd, ROOT.certificate], Encoding.DER),
        pkcs12.serialize_key_and_certificates(None, None, None, [odd], NoEncryption()),
    ):
        assert odd in load_certificates(octets)


# -- files and folders ---------------------------------------------------------------------


def test_file_of_noise_is_refused_without_being_read_whole(tmp_path):
    noise = tmp_path / "noise"
    with noise.open("wb") as stream:
        stream.truncate(100 * 1024 * 1024)
    with pytest.raises(UnreadableError, match="larger than"):
        certificates_from_path(noise)
    with pytest.raises(UnreadableError, match="noise: neither"):
        crls_from_path(noise)


def test_absent_file_and_unreadable_folder_are_usage_errors(tmp_path):
    with pytest.raises(UsageError, match="absent"):
        certificates_from_path(tmp_path / "absent")
    with pytest.raises(UsageError):
        crls_from_path(tmp_path / "absent")


def test_folder_gives_what_its_certificate_files_hold(tmp_path):
    (tmp_path / "a.pem").write_bytes(pem(LEAF))
    (tmp_path / "b.CER").write_bytes(ISSUING.certificate.public_bytes(Encoding.DER))
    (tmp_path / "again.crt").write_bytes(pem(LEAF))
    (tmp_path / "c.p7b").write_bytes(pkcs7.serialize_certificates([ROOT.certificate], Encoding.DER))
    (tmp_path / "key.pem").write_bytes(KEY_PEM)
    (tmp_path / "list.pem").write_bytes(crl_pem())
    (tmp_path / "MANIFEST.csv").write_bytes(b"not,a,certificate\n")
    (tmp_path / "deeper.pem").mkdir()
    (tmp_path / "deeper.pem" / "x.pem").write_bytes(b"not read")
    assert set(certificates_from_path(tmp_path)) == set(CHAIN)
    assert [crl.number for crl in crls_from_path(tmp_path)] == [1]


def test_folder_with_a_broken_file_names_it(tmp_path):
    (tmp_path / "good.pem").write_bytes(pem(LEAF))
    (tmp_path / "broken.pem").write_bytes(pem(LEAF)[:300])
    with pytest.raises(UnreadableError, match=r"broken\.pem"):
        certificates_from_path(tmp_path)


def test_folder_without_anything_says_what_is_looked_for(tmp_path):
    with pytest.raises(UnreadableError, match="no certificate in this folder") as nothing:
        certificates_from_path(tmp_path)
    assert ".p7b" in nothing.value.advice
    with pytest.raises(UnreadableError, match="no CRL in this folder"):
        crls_from_path(tmp_path)


# -- properties -------------------------------------------------------------------------------

SEEDS = {
    "certificate": LEAF.public_bytes(Encoding.DER),
    "crl": CRL,
    "pkcs7": CONTAINERS["PKCS#7 DER"],
    "pkcs12": pkcs12.serialize_key_and_certificates(b"n", KEY, LEAF, None, NoEncryption()),
    "pem": CONTAINERS["PEM with a key between"],
}


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400))
@example(b"-----BEGIN CERTIFICATE-----")
@example(b"\x30")
@example(b"\x30\x03\x02\x01\x03")
@example(b"\x30\x03\x06\x01\x2a")
def test_random_octets_give_igc_errors_only(octets):
    for prefix in (b"", b"\x30\x82", b"-----BEGIN X509 CRL-----\n"):
        with contextlib.suppress(IgcError):
            load(prefix + octets, Secret("x"))


@settings(max_examples=250, deadline=None)
@given(st.sampled_from(sorted(SEEDS)), st.data())
def test_mutated_containers_give_igc_errors_only(seed, data):
    octets = bytearray(SEEDS[seed])
    for _ in range(data.draw(st.integers(1, 5))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(octets)))
    for mutated in (bytes(octets), bytes(octets[:cut])):
        with contextlib.suppress(IgcError):
            for crl in load(mutated, Secret("")).crls:
                assert crl.problem is None or isinstance(crl.problem, str)
                crl.lookup(1)
                crl.signed_by(ISSUING.key.public_key())


def test_limits_are_those_promised():
    assert loading.MAX_CONTAINER_BYTES == 16 * 1024**2
    assert loading.MAX_CRL_BYTES == 256 * 1024**2
