"""The session against the official middleware's own exchanges: same bytes, fewer of them."""

import hashlib

import pytest
from card_material import authentication_certificate, key
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from scripted_card import CPS3, CPS4, FAMILIES, ScriptedTransport

from igcsante.card.cps3 import Cps3
from igcsante.card.generation import CardKey
from igcsante.card.session import CpsCard
from igcsante.credentials import RsaScheme
from igcsante.errors import CardError, CardUnsupportedError, PinRequiredError, UsageError
from igcsante.secret import Secret

# The SHA-256 digest that the traces sign.
DIGEST = bytes.fromhex("C2E686823489CED2017F6059B8B239318B6364F6DCD835D0A519105A1EADD6E4")
PIN = Secret("1234")
both_generations = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)


def opened(family, script, **options):
    transport = ScriptedTransport(family, script, **options)
    return CpsCard(transport), transport


@both_generations
def test_a_card_says_its_generation_serial_and_label(family):
    card, transport = opened(family, family.script("serial", "dir", "token_info"))
    assert card.generation == family.name
    assert card.atr == family.atr
    assert card.serial == "12345678"
    assert card.label() == {"CPS3": "CPS3v3-FAKE123456", "CPS4": "CPS4-FAKE12345678"}[family.name]
    transport.assert_finished()


@both_generations
def test_nothing_is_read_twice(family):
    card, transport = opened(
        family,
        family.script(
            "serial", "dir", "odf", "cdf", "signature_certificate", "authentication_certificate"
        ),
    )
    for _ in range(2):
        assert card.serial == "12345678"
        assert [found.purpose for found in card.certificates()] == ["signature", "authentication"]
        assert card.certificate("signature") == card.certificates()[0].certificate
    transport.assert_finished()


@both_generations
def test_certificates_carry_their_label_and_id(family):
    card, _ = opened(
        family,
        family.script("dir", "odf", "cdf", "signature_certificate", "authentication_certificate"),
    )
    signature, authentication = card.certificates()
    assert signature.label == "Certificat de Signature CPS"
    assert authentication.label == "Certificat d'Authentification CPS"
    assert (signature.id, authentication.id) == (b"\x01", b"\x02")


@both_generations
def test_national_id_reads_the_certificate_no_further_than_its_subject(family):
    certificate = authentication_certificate()
    end = certificate.index(b"899700735741") + 12
    script = (
        family.script("dir", "odf", "cdf") + family.reading_object("3F000001C102", certificate)[:2]
    )
    assert end < family.chunk
    card, transport = opened(family, script)
    assert str(card.national_id()) == "899700735741"
    transport.assert_finished()


@both_generations
def test_what_was_read_of_a_certificate_is_not_read_again(family):
    certificate = authentication_certificate()
    reading = family.reading_object("3F000001C102", certificate)
    script = family.script("dir", "odf", "cdf") + reading[:2] + reading[:1] + reading[2:]
    card, transport = opened(family, script)
    assert str(card.national_id()) == "899700735741"
    assert card.card_number() == "2500634598"
    assert str(card.national_id()) == "899700735741"
    transport.assert_finished()


@both_generations
def test_two_identifiers_that_disagree_are_an_error_that_shows_neither(family):
    certificate = authentication_certificate(upn="8.99700075122@carte-cps.fr")
    script = family.script("dir", "odf", "cdf") + family.reading_object("3F000001C102", certificate)
    card, _ = opened(family, script)
    card.certificate()
    with pytest.raises(CardError, match=r"8…741 \(CN\) and 8…122 \(UPN\)") as caught:
        card.national_id()
    assert "99700" not in str(caught.value) + repr(caught.value.to_dict())


def test_a_certificate_that_names_nobody_gives_no_national_id():
    whole = CPS3.block("authentication_certificate")
    script = CPS3.script("dir", "odf", "cdf") + whole[:2] + whole[:1] + whole[2:]
    card, _ = opened(CPS3, script)
    with pytest.raises(CardError, match="no national identifier"):
        card.national_id()


@both_generations
def test_the_authentication_key_signs_as_in_the_trace(family):
    card, transport = opened(
        family,
        family.script(
            "dir",
            "odf",
            "cdf",
            "authentication_certificate",
            "prkdf",
            "aodf",
            "counter",
            "verify",
            "sign_authentication",
        ),
    )
    credential = card.credential()
    card.verify_pin(PIN)
    signature = credential.private_key.sign(
        DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    )
    transport.assert_finished()
    assert len(signature) == 256
    credential.certificate.public_key().verify(
        signature, DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256())
    )


SIGNATURE_CASES = [
    (CPS3, "sign_signature", RsaScheme.PKCS1_SHA256),
    (CPS4, "sign_signature", RsaScheme.PKCS1_SHA256),
    (CPS4, "sign_signature_pss", RsaScheme.PSS_SHA256),
]


@pytest.mark.parametrize(("family", "block", "scheme"), SIGNATURE_CASES)
def test_the_signature_key_signs_as_in_the_trace(family, block, scheme):
    card, transport = opened(
        family, family.script("dir", "odf", "cdf", "signature_certificate", "prkdf", block)
    )
    credential = card.credential("signature")
    pad = (
        padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
        if scheme is RsaScheme.PSS_SHA256
        else padding.PKCS1v15()
    )
    assert credential.private_key.sign(DIGEST, pad, utils.Prehashed(hashes.SHA256()))
    transport.assert_finished()


@both_generations
def test_the_authentication_key_deciphers_as_in_the_trace(family):
    chained = [command for command, _ in family.block("decipher") if command[2:4] == "2A"]
    ciphertext = b"".join(
        bytes.fromhex(command)[5 : 5 + int(command[8:10], 16)] for command in chained
    )
    if family is CPS3:
        ciphertext = ciphertext.removeprefix(b"\x81")
    card, transport = opened(
        family,
        family.script("dir", "odf", "cdf", "authentication_certificate", "prkdf", "decipher"),
    )
    private_key = card.credential().private_key
    assert private_key.decrypt(ciphertext, padding.PKCS1v15()) == b"hello\n"
    transport.assert_finished()


def test_the_keys_offer_what_their_card_can_do():
    blocks = (
        "dir",
        "odf",
        "cdf",
        "authentication_certificate",
        "prkdf",
        "signature_certificate",
    )
    v15 = {RsaScheme.PKCS1_SHA256, RsaScheme.PKCS1_SHA384, RsaScheme.PKCS1_SHA512}
    expected = {
        "CPS3": (v15, {RsaScheme.PKCS1_SHA256}),
        "CPS4": (v15 | {RsaScheme.PSS_SHA256}, {RsaScheme.PKCS1_SHA256, RsaScheme.PSS_SHA256}),
    }
    for family in FAMILIES:
        card, _ = opened(family, family.script(*blocks))
        found = card.credential().schemes, card.credential("signature").schemes
        assert found == expected[family.name]


def test_a_short_cps3_key_offers_only_the_hashes_that_fit():
    public_key = rsa.RSAPublicNumbers(65537, (1 << 1023) + 1).public_key()
    key = CardKey(0x82, b"", non_repudiation=False, may_decipher=True, public_key=public_key)
    schemes = Cps3(ScriptedTransport(CPS3, [])).schemes(key)
    assert schemes == {RsaScheme.PKCS1_SHA1, RsaScheme.PKCS1_SHA256}


@both_generations
def test_signing_without_the_pin_says_that_the_pin_is_wanted(family):
    sign = family.block("sign_authentication")
    refused = [*sign[:2], *sign[2:-1], (sign[-1][0], "6982")]
    if family is CPS3:
        refused = [*sign[:2], (sign[2][0], "6982")]
    card, transport = opened(
        family,
        family.script("dir", "odf", "cdf", "authentication_certificate", "prkdf") + refused,
    )
    private_key = card.credential().private_key
    with pytest.raises(PinRequiredError):
        private_key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    transport.assert_finished()


@both_generations
def test_a_signature_by_another_key_never_leaves_the_session(family):
    script = (
        family.script("dir", "odf", "cdf")
        + family.reading_object("3F000001C102", authentication_certificate())
        + family.block("prkdf")
        + family.block("sign_authentication")
    )
    card, _ = opened(family, script)
    private_key = card.credential().private_key
    with pytest.raises(CardError, match="doesn't fit its certificate"):
        private_key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def test_longer_hashes_are_signed_as_digest_infos():
    message = hashlib.sha512(b"x").digest()
    info = "3051300D060960864801650304020305000440" + message.hex().upper()
    signature = key().sign(message, padding.PKCS1v15(), utils.Prehashed(hashes.SHA512()))
    text = signature.hex().upper()
    script = (
        CPS3.script("dir", "odf", "cdf")
        + CPS3.reading_object("3F000001C102", authentication_certificate())
        + CPS3.block("prkdf")
        + CPS3.block("sign_authentication")[:2]
        + [
            (f"0088000053{info}", "6100"),
            ("00C00000E7", text[: 2 * 231] + "6119"),
            ("00C0000019", text[2 * 231 :] + "9000"),
        ]
    )
    card, transport = opened(CPS3, script)
    private_key = card.credential().private_key
    assert (
        private_key.sign(message, padding.PKCS1v15(), utils.Prehashed(hashes.SHA512())) == signature
    )
    transport.assert_finished()


def test_a_cps3_over_t1_gets_le_and_answers_at_once():
    whole = CPS3.block("sign_authentication")
    signature = whole[3][1][:-4] + whole[4][1]
    script = [
        ("00A40904043F002F0000", CPS3.block("dir")[1][1]),
        CPS3.block("dir")[2],
        ("00A40904063F000001503100", CPS3.block("odf")[1][1]),
        CPS3.block("odf")[2],
        ("00A40904063F000001700400", CPS3.block("cdf")[1][1]),
        CPS3.block("cdf")[2],
        *CPS3.block("authentication_certificate"),
        ("00A40904063F000001700200", CPS3.block("prkdf")[1][1]),
        CPS3.block("prkdf")[2],
        *whole[:2],
        (whole[2][0] + "00", signature),
    ]
    card, transport = opened(CPS3, script, protocol="T=1")
    private_key = card.credential().private_key
    assert private_key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    transport.assert_finished()


def test_a_cps4_over_t0_fetches_its_answers_on_channel_one():
    whole = CPS4.block("sign_authentication")
    script = [
        *CPS4.block("start"),
        ("01A40800022F00", "6110"),
        ("01C0000010", CPS4.block("dir")[0][1]),
        CPS4.block("dir")[1],
        ("01A408000400015031", "6110"),
        ("01C0000010", CPS4.block("odf")[0][1]),
        CPS4.block("odf")[1],
        ("01A408000400017001", "6110"),
        ("01C0000010", CPS4.block("aodf")[0][1]),
        CPS4.block("aodf")[1],
        ("0120000100", "63C3"),
        ("01A408000400017004", "6110"),
        ("01C0000010", CPS4.block("cdf")[0][1]),
        CPS4.block("cdf")[1],
        ("01A40800040001C102", "6110"),
        *CPS4.block("authentication_certificate")[1:],
        ("01A408000400017002", "6110"),
        ("01C0000010", CPS4.block("prkdf")[0][1]),
        CPS4.block("prkdf")[1],
        *whole[:3],
        (whole[3][0][:-2], "6100"),
        ("01C0000000", whole[3][1]),
    ]
    card, transport = opened(CPS4, script, protocol="T=0")
    assert card.pin_status().tries_left == 3
    private_key = card.credential().private_key
    assert private_key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    transport.assert_finished()


@both_generations
def test_each_command_sequence_is_one_transaction(family):
    card, transport = opened(
        family,
        family.script(
            "dir", "odf", "cdf", "authentication_certificate", "prkdf", "sign_authentication"
        ),
    )
    private_key = card.credential().private_key
    before = transport.transactions
    private_key.sign(DIGEST, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))
    assert transport.transactions == before + 1
    assert transport.depth == 0


def test_a_card_that_is_no_cps3_or_cps4_is_refused_by_name():
    transport = ScriptedTransport(CPS3, [])
    transport.atr = bytes.fromhex("3BAC00402A001225006480820212009000")
    with pytest.raises(CardUnsupportedError, match="CPS2ter"):
        CpsCard(transport)


def test_an_issuer_that_is_not_the_anss_is_refused():
    serial = bytes.fromhex("5A0A8025000002123456789F")
    card, _ = opened(CPS3, [CPS3.block("serial")[0], ("00B000000C", serial.hex() + "9000")])
    with pytest.raises(CardUnsupportedError):
        _ = card.serial


def test_an_unknown_purpose_is_a_usage_error():
    card, _ = opened(CPS3, [])
    with pytest.raises(UsageError):
        card.certificate("encryption")


def test_a_closed_card_leaves_its_transport_closed():
    card, transport = opened(CPS3, [])
    with card:
        pass
    assert transport.closed
