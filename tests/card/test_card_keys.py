"""What the card's keys do: every scheme of each generation, all forms of input, and where."""

import hashlib
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import NameOID
from scripted_card import FAMILIES, ScriptedTransport
from simulated import AT, GENERATIONS, held, pki

from igcsante.card.session import CpsCard
from igcsante.certs.anchors import TrustStore
from igcsante.certs.chain import issuers_of
from igcsante.certs.cms import detached_signature
from igcsante.credentials import (
    DIGEST_INFO,
    SHA1_SCHEMES,
    RsaScheme,
    cryptography_padding,
    hash_algorithm,
)
from igcsante.errors import CardError, PinRequiredError
from igcsante.secret import Secret

PIN = Secret("1234")
DATA = "une ordonnance à signer".encode()
PKCS1 = {s for s in RsaScheme if s.padding == "pkcs1"}
OFFERED = {
    ("cps3", "authentication"): PKCS1,
    ("cps3", "signature"): {RsaScheme.PKCS1_SHA1, RsaScheme.PKCS1_SHA256},
    ("cps4", "authentication"): PKCS1 | {RsaScheme.PSS_SHA1, RsaScheme.PSS_SHA256},
    ("cps4", "signature"): {
        RsaScheme.PKCS1_SHA1,
        RsaScheme.PKCS1_SHA256,
        RsaScheme.PSS_SHA1,
        RsaScheme.PSS_SHA256,
    },
}
every_key = pytest.mark.parametrize(("name", "purpose"), OFFERED)
both_simulated = pytest.mark.parametrize("name", GENERATIONS)
both_generations = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


@pytest.fixture
def credential_of():
    """Gives a credential of a new card, its PIN verified."""
    with ExitStack() as stack:

        def give(name, purpose="authentication", **options):
            card = stack.enter_context(held(name).opened())
            card.verify_pin(PIN)
            return card.credential(purpose, **options)

        yield give


def digest(scheme):
    return hashlib.new(scheme.hash_name, DATA).digest()


# -- every scheme, every form of input -----------------------------------------------------------


@every_key
def test_a_key_signs_with_every_scheme_that_it_offers(credential_of, name, purpose):
    credential = credential_of(name, purpose, allow_sha1=True)
    public_key = credential.certificate.public_key()
    assert credential.schemes == OFFERED[name, purpose]
    for scheme in credential.schemes:
        pad, algorithm = cryptography_padding(scheme), hash_algorithm(scheme)
        whole = credential.private_key.sign(DATA, pad, algorithm)
        hashed = credential.private_key.sign(digest(scheme), pad, utils.Prehashed(algorithm))
        for signature in (whole, hashed):
            public_key.verify(signature, DATA, pad, algorithm)
        if scheme.padding == "pkcs1":
            info = DIGEST_INFO[scheme.hash_name] + digest(scheme)
            assert credential.private_key.sign(info, pad, utils.NoDigestInfo()) == whole == hashed


@every_key
def test_sha1_is_only_made_on_demand(credential_of, name, purpose):
    credential = credential_of(name, purpose)
    assert credential.schemes == OFFERED[name, purpose] - SHA1_SCHEMES
    for pad in (padding.PKCS1v15(), cryptography_padding(RsaScheme.PSS_SHA1)):
        with pytest.raises(CardError, match="can't sign with"):
            credential.private_key.sign(DATA, pad, hash_algorithm(RsaScheme.PKCS1_SHA1))


@pytest.mark.parametrize(
    "info",
    [b"", bytes(32), DIGEST_INFO["sha256"] + bytes(31), DIGEST_INFO["sha256"] + bytes(33)],
)
def test_what_is_no_digest_info_is_not_signed(credential_of, info):
    key = credential_of("cps3").private_key
    with pytest.raises(CardError):
        key.sign(info, padding.PKCS1v15(), utils.NoDigestInfo())


@both_simulated
def test_a_message_comes_back_from_the_authentication_key(credential_of, name):
    credential = credential_of(name)
    public_key = credential.certificate.public_key()
    for message in (b"", b"\x00", DATA, bytes(245)):
        ciphertext = public_key.encrypt(message, padding.PKCS1v15())
        assert credential.private_key.decrypt(ciphertext, padding.PKCS1v15()) == message
    with pytest.raises(CardError, match="can't decipher"):
        credential_of(name, "signature").private_key.decrypt(bytes(256), padding.PKCS1v15())


# -- random ------------------------------------------------------------------------------------


@both_generations
def test_random_bytes_are_asked_for_as_in_the_trace(family):
    transport = ScriptedTransport(family, family.script("random"))
    card = CpsCard(transport)
    block = "".join(answer.removesuffix("9000") for _, answer in family.block("random"))
    assert card.random(13).hex().upper() == block[:26]
    transport.assert_finished()


@both_generations
@pytest.mark.parametrize("answer", ["8AA97E619B281DFA9000", "8AA97E619000", "9000"])
def test_a_generator_that_repeats_itself_or_gives_less_is_an_error(family, answer):
    commands = [(command, answer) for command, _ in family.block("random")]
    card = CpsCard(ScriptedTransport(family, family.script() + commands))
    with pytest.raises(CardError, match="random generator"):
        card.random(16)


@both_simulated
@pytest.mark.parametrize("length", [1, 8, 9, 100])
def test_random_bytes_are_as_many_as_asked_and_need_no_pin(name, length):
    with held(name).opened() as card:
        assert len(card.random(length)) == length
        assert card.random(16) != card.random(16)


# -- as a key of cryptography --------------------------------------------------------------------


@every_key
def test_the_key_signs_a_csr(credential_of, name, purpose):
    credential = credential_of(name, purpose)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "demande")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    request = builder.sign(credential.private_key, hashes.SHA256())
    assert request.is_signature_valid
    assert request.public_key() == credential.certificate.public_key()


@both_simulated
def test_the_key_signs_a_certificate(credential_of, name):
    credential = credential_of(name)
    for pad in (None, cryptography_padding(RsaScheme.PSS_SHA256)):
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "délégué")]))
            .issuer_name(credential.certificate.subject)
            .public_key(credential.certificate.public_key())
            .serial_number(7)
            .not_valid_before(AT)
            .not_valid_after(AT + timedelta(days=1))
        )
        if pad is not None and name == "cps3":
            with pytest.raises(CardError, match="pss-sha256"):
                builder.sign(credential.private_key, hashes.SHA256(), rsa_padding=pad)
            continue
        issued = builder.sign(credential.private_key, hashes.SHA256(), rsa_padding=pad)
        issued.verify_directly_issued_by(credential.certificate)


@both_simulated
def test_the_key_signs_with_cryptographys_own_cms_builder(credential_of, name, tmp_path):
    credential = with_chain(credential_of(name, "signature"))
    builder = (
        pkcs7.PKCS7SignatureBuilder()
        .set_data(DATA)
        .add_signer(credential.certificate, credential.private_key, hashes.SHA256())
    )
    for issuer in credential.chain:
        builder = builder.add_certificate(issuer)
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    assert cms_verified(tmp_path, builder.sign(Encoding.DER, options)) == "verified"


@both_simulated
def test_a_key_without_its_pin_signs_nothing(name):
    with held(name).opened() as card:
        key = card.credential("signature").private_key
        with pytest.raises(PinRequiredError):
            key.sign(DATA, padding.PKCS1v15(), hashes.SHA256())
        with pytest.raises(CardError, match="never leaves"):
            key.private_numbers()


# -- detached CMS --------------------------------------------------------------------------------


def cms_verified(folder, signature, data=DATA):
    """What ``openssl cms -verify`` says, with the simulated roots and what is in the CMS."""
    roots = b"".join(root.public_bytes(Encoding.PEM) for root in pki().roots)
    for name, content in {"roots.pem": roots, "data": data, "signature": signature}.items():
        (folder / name).write_bytes(content)
    command = [
        *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "signature"),
        *("-content", "data", "-CAfile", "roots.pem", "-purpose", "any", "-out", "out"),
        *("-attime", str(int(AT.timestamp()) + 86400)),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return "verified" if "Verification successful" in done.stderr else done.stderr


def with_chain(credential):
    store = TrustStore.from_certificates([*pki().roots, *pki().intermediates])
    return replace(credential, chain=tuple(issuers_of(credential.certificate, store)))


@every_key
def test_openssl_verifies_our_cms(credential_of, name, purpose, tmp_path):
    credential = credential_of(name, purpose)
    credential = with_chain(credential)
    for scheme in credential.schemes:
        signature = detached_signature(digest(scheme), credential, scheme, at=AT)
        assert cms_verified(tmp_path, signature) == "verified", scheme
        assert cms_verified(tmp_path, signature, DATA + b"!") != "verified"


def test_the_cms_says_when_and_by_whom(credential_of, tmp_path):
    credential = credential_of("cps3", "signature")
    scheme = RsaScheme.PKCS1_SHA256
    signature = detached_signature(digest(scheme), credential, scheme, at=AT)
    (tmp_path / "signature").write_bytes(signature)
    shown = subprocess.run(
        ["openssl", "cms", "-cmsout", "-print", "-inform", "DER", "-in", "signature"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    ).stdout  # fmt: skip
    assert "Nov 22 00:00:00 2026" in shown
    assert "signingCertificateV2" in shown
    assert credential.certificate.fingerprint(hashes.SHA256()) in signature


def test_a_signature_of_another_key_is_caught_before_anyone_sees_it():
    found = held("cps3")
    slots = found.card._application._keys
    slots[0x81], slots[0x82] = slots[0x82], slots[0x81]
    slots[0x81].role, slots[0x82].role = "signature", "authentication"
    with found.opened() as card:
        card.verify_pin(PIN)
        with pytest.raises(CardError, match="doesn't fit its certificate"):
            card.credential("signature").private_key.sign(DATA, padding.PKCS1v15(), hashes.SHA256())
