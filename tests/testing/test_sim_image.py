"""What is on a simulated card: the bytes of its files, and the profiles they come from."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_support import AID_ROOT, answer, material, powered_card, send

from igcsante.card import pkcs15 as pkcs15_reader
from igcsante.card import tlv
from igcsante.errors import ConfigError, UsageError
from igcsante.testing.cards import (
    Activity,
    load_profile,
    parse_profile,
    pkcs15,
    profile_names,
)
from igcsante.testing.cards.der import bit_string, integer
from igcsante.testing.cards.der import tlv as write_tlv
from igcsante.testing.cards.image import application_template, serial_file
from igcsante.testing.cards.objects import activity
from igcsante.testing.cards.sha import finish

APPLICATION = bytes.fromhex("3F000001")
LOCAL = (pkcs15.LOCAL,)
PRIVATE = (pkcs15.SENSITIVE, pkcs15.ALWAYS_SENSITIVE, pkcs15.NEVER_EXTRACTABLE, pkcs15.LOCAL)
SIGNING = (pkcs15.SIGN, pkcs15.NON_REPUDIATION)
ALL_PRIVATE = (pkcs15.DECRYPT, pkcs15.SIGN, pkcs15.UNWRAP)
PUK_FLAGS = (pkcs15.INITIALIZED, pkcs15.UNBLOCKING_PIN, pkcs15.SO_PIN)


def path(number: str) -> bytes:
    return APPLICATION + bytes.fromhex(number)


def private_keys(signature: int, authentication: int) -> bytes:
    return pkcs15.key_directory(
        [
            pkcs15.Key("CPS_PRIV_SIG", b"\x01", signature, SIGNING, APPLICATION, PRIVATE, b"\x01"),
            pkcs15.Key(
                "CPS_PRIV_AUT", b"\x02", authentication, ALL_PRIVATE, APPLICATION, PRIVATE, b"\x01"
            ),
        ]
    )


def public_keys(signature: int, authentication: int) -> bytes:
    both = (pkcs15.ENCRYPT, pkcs15.VERIFY)
    return pkcs15.key_directory(
        [
            pkcs15.Key("CPS_PUB_SIG", b"\x01", signature, (pkcs15.VERIFY,), path("B101"), LOCAL),
            pkcs15.Key("CPS_PUB_AUT", b"\x02", authentication, both, path("B102"), LOCAL),
        ]
    )


ODF_PATHS = dict(
    zip(
        ("aodf", "prkdf", "pukdf", "cdf", "dodf"),
        map(path, ("7001", "7002", "7003", "7004", "7006")),
        strict=True,
    )
)
DATA_OBJECTS = [
    pkcs15.DataObject("CPS_DATA", path("D107"), modifiable=True),
    pkcs15.DataObject("CPS_ID_CARD", path("D100")),
    pkcs15.DataObject("CPS_NAME_PS", path("D101")),
    pkcs15.DataObject("CPS_INFO_PS", path("D102")),
    pkcs15.DataObject("CPS_ACTIVITY_01_PS", path("D120"), auth_id=b"\x01"),
]
CERTIFICATES = [
    pkcs15.Certificate("Certificat de Signature CPS", b"\x01", path("C101")),
    pkcs15.Certificate("Certificat d'Authentification CPS", b"\x02", path("C102")),
]
PIN = pkcs15.Pin("PIN porteur", b"\x01", 1, 4)
PIN_WITH_PUK = dataclasses.replace(PIN, unblocked_by=b"\x02")
PUK = pkcs15.Pin("PUK", b"\x02", 2, 8, PUK_FLAGS)

# Files that the official middleware accepted (facts sheet card.md §15; EF.SN also §3).
ACCEPTED = {
    "EF.DIR": (application_template(), "611A4F0DE828BD080F8025000001FF0010500343505351043F000001"),
    "EF.SN": (serial_file("12345678"), "5A0A8025000001123456789F"),
    "EF.SN of a real card": (serial_file("99213845"), "5A0A8025000001992138450F"),
    "TokenInfo": (
        pkcs15.token_info("TEST FAKE CARD", "CPS3v3-FAKE123456"),
        "302A0201000C0E544553542046414B45204341524480114350533376332D46414B4531323334353603020560",
    ),
    "ODF": (
        pkcs15.object_directory(ODF_PATHS),
        "A80A300804063F0000017001A00A300804063F0000017002A10A300804063F0000017003"
        "A40A300804063F0000017004A70A300804063F0000017006",
    ),
    "AODF": (
        pkcs15.authentication_directory([PIN]),
        "303230110C0B50494E20706F7274657572030206C03003040101A1183016030203080A0101"
        "0201040201040201048001010401FF",
    ),
    "AODF with PUK": (
        pkcs15.authentication_directory([PIN_WITH_PUK, PUK]),
        "303530140C0B50494E20706F7274657572030206C00401023003040101A1183016030203080A0101"
        "0201040201040201048001010401FF302A30090C0350554B030207803003040102A1183016"
        "0302000B0A01010201080201080201088001020401FF",
    ),
    "PrKDF of CPS3": (
        private_keys(0x81, 0x82),
        "303C30150C0C4350535F505249565F53494703020780040101301304010103030620400101FF"
        "030203B802020081A10E300C300604043F00000102020800303B30150C0C4350535F505249565F415554"
        "030207800401013012040102030202640101FF030203B802020082A10E300C300604043F000001"
        "02020800",
    ),
    "PrKDF of CPS4": (
        private_keys(0x01, 0x20),
        "303B30150C0C4350535F505249565F53494703020780040101301204010103030620400101FF"
        "030203B8020101A10E300C300604043F00000102020800303A30150C0C4350535F505249565F415554"
        "030207800401013011040102030202640101FF030203B8020120A10E300C300604043F000001"
        "02020800",
    ),
    "PuKDF of CPS3": (
        public_keys(0x81, 0x82),
        "303830100C0B4350535F5055425F5349470301003012040101030201020101FF03020308"
        "02020081A110300E300804063F000001B10102020800303830100C0B4350535F5055425F415554"
        "0301003012040102030201820101FF0302030802020082A110300E300804063F000001B102"
        "02020800",
    ),
    "PuKDF of CPS4": (
        public_keys(0x01, 0x20),
        "303730100C0B4350535F5055425F5349470301003011040101030201020101FF03020308"
        "020101A110300E300804063F000001B10102020800303730100C0B4350535F5055425F415554"
        "0301003011040102030201820101FF03020308020120A110300E300804063F000001B102"
        "02020800",
    ),
    "CDF": (
        pkcs15.certificate_directory(CERTIFICATES),
        "303530200C1B43657274696669636174206465205369676E6174757265204350530301003003040101"
        "A10C300A300804063F000001C101303B30260C214365727469666963617420642741757468656E74"
        "696669636174696F6E204350530301003003040102A10C300A300804063F000001C102",
    ),
    "DODF": (
        pkcs15.data_directory(DATA_OBJECTS),
        "3023300E0C084350535F444154410302064030050C03435053A10A300804063F000001D107"
        "302530100C0B4350535F49445F4341524403010030050C03435053A10A300804063F000001D100"
        "302530100C0B4350535F4E414D455F505303010030050C03435053A10A300804063F000001D101"
        "302530100C0B4350535F494E464F5F505303010030050C03435053A10A300804063F000001D102"
        "3030301B0C124350535F41435449564954595F30315F50530302078004010130050C03435053"
        "A10A300804063F000001D120",
    ),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_directory_files_have_the_bytes_that_the_official_middleware_accepts(name: str) -> None:
    ours, accepted = ACCEPTED[name]
    assert ours.hex().upper() == accepted


def test_activity_has_the_observed_tags_and_ends_with_the_sector() -> None:
    value = activity(Activity("CABINET M DOC0073574", "499700735741008", "SA07"))
    (container,) = tlv.parse(value)
    assert container.tag == 0xEE
    assert [(item.tag, item.value) for item in container.children()] == [
        (0x84, b"CABINET M DOC0073574"),
        (0x85, b"499700735741008"),
        (0x86, b"SA07"),
    ]
    assert value.endswith(b"SA07")


# -- a whole card -----------------------------------------------------------------------


def test_cps3_control_parameters_are_those_of_a_real_card() -> None:
    card = powered_card("cps3")
    assert send(card, "00A40904043F00D003") == "6127"
    assert send(card, "00C0000027") == (
        "62258002000C8201018302D0038801E0A1128C077BFFFFFFFFFF009C077BFFFFFFFFFF008A01059000"
    )
    atr_file = answer(card, "00A40904043F002F01").hex().upper()
    assert atr_file == (
        "62258002003982010183022F018801E8A1128C077B45FFFFFF45009C077B45FFFFFF45008A0105"
    )
    assert answer(card, "00B0000039").hex().upper() == (
        "804301B8460404B0ECC147039401804F088025000001FF0100"
        "E01002020104020201040202010002020100780806062B8122F8780282029000"
    )


def test_cps4_control_information_is_that_of_the_sheet() -> None:
    card = powered_card("cps4")
    assert send(card, f"01A4040C08{AID_ROOT}") == "9000"
    assert send(card, "01A4080002D00300") == "6F0E8002000C8201018302D0038A01059000"
    assert send(card, "01A4080402D00300") == "620E8002000C8201018302D0038A01059000"
    assert send(card, "01A4080C02D003") == "9000"


@pytest.mark.parametrize("name", ["cps3", "cps4"])
def test_certificates_and_public_keys_are_where_the_directories_say(name: str) -> None:
    pairs = {"SIG": material().signature, "AUT": material().authentication}
    card = powered_card(name)
    cla, select = ("00", "00A4090406") if name == "cps3" else ("01", "01A4080004")
    chunk = 0xE7 if name == "cps3" else 256
    if name == "cps4":
        send(card, f"01A4040C08{AID_ROOT}")

    def read(file: bytes) -> bytes:
        named = (file if name == "cps3" else file[2:]).hex()
        (parameters,) = tlv.parse(answer(card, select + named + ("" if name == "cps3" else "00")))
        found = parameters.child(0x80)
        assert found is not None
        size, data = int.from_bytes(found.value), b""
        while len(data) < size:
            le = min(chunk, size - len(data)) % 256
            data += answer(card, f"{cla}B0{len(data):04X}{le:02X}")
        return data

    directories = {
        item.tag: item.children()[0].children()[0].value for item in tlv.parse(read(path("5031")))
    }
    certificates = tlv.parse(read(directories[0xA4]))
    suffixes = {"cps3": {"SIG": 0x01, "AUT": 0x02}, "cps4": {"SIG": 0x10, "AUT": 0x20}}[name]
    for entry, role in zip(certificates, ("SIG", "AUT"), strict=True):
        label, identifier, location = entry.children()
        purpose = {"SIG": "de Signature", "AUT": "d'Authentification"}[role]
        assert label.children()[0].value.decode() == f"Certificat {purpose} CPS"
        assert identifier.children()[0].value == (
            bytes.fromhex("E828BD080F8025000001FF0010") + bytes([suffixes[role]])
        )
        file = location.children()[0].children()[0].children()[0].value
        assert x509.load_der_x509_certificate(read(file)) == pairs[role].certificate


def test_token_label_and_holder_are_the_profiles() -> None:
    card = powered_card("cps3")
    size = int.from_bytes(answer(card, "00A40904063F0000015032")[4:6])
    token = answer(card, f"00B00000{size:02X}")
    assert pkcs15_reader.parse_token_label(token) == "CPS3v3-2900997003"
    assert b"CPS3v3-2900997003" in token
    answer(card, "00A40904063F000001D101")
    assert b"899700990031" in answer(card, "00B000002A")
    answer(card, "00A40904063F000001D102")
    assert answer(card, "00B0000024").endswith(b"SM54")


def test_short_file_identifier_reads_the_serial_in_one_exchange() -> None:
    assert send(powered_card("cps3"), "00B09C000C") == "5A0A8025000001997003014F9000"


# -- profiles ----------------------------------------------------------------------------


def test_profiles_of_the_package_are_plainly_simulated_test_cards() -> None:
    assert {"cps3", "cps4"} < set(profile_names())
    for name in profile_names():
        profile = load_profile(name)
        assert profile.name == name
        assert profile.note
        assert profile.test
        assert "SIMULATION" in profile.surname
        assert profile.national_id.warnings == ()
        assert (profile.pin, profile.puk) == ("1234", "12345678")
    for name in ("cps3", "cps4"):
        assert load_profile(name).generation == name
        assert str(load_profile(name).national_id).startswith("899700")
    assert load_profile("cps3").profession_code == 10
    assert load_profile("cps4").profession_code == 21


MINIMAL = """
name = "mine"
generation = "cps3"
serial = "00000001"
card_number = "0000000001"
national_id = "899700990031"
title = "Médecin"
surname = "SIMULATION"
given_name = "A"
"""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('pincode = "1"', "unknown key 'pincode'"),
        ('pin = "123"', "pin must be 4 digits"),
        ("pin = 1234", "pin is a str"),
        ("pin_tries_left = 4", "pin_tries_left"),
        ('card_type = "CPX"', "card_type"),
        ('[[activities]]\nraison_sociale = "X"\nstructure_id = "9"\nsecteur = "SA07"', "9"),
        ('[[activities]]\nraison_sociale = "X"', "missing: structure_id, secteur"),
        ("activities = 3", "activities is a list"),
        ("activities = [3]", "activities are tables"),
        ('like = "cps5"', "no card profile 'cps5'"),
        ('variant = "t0"', "variant must be one of contact, contactless"),
        ('state = "late"', "state must be one of valid"),
        ('[files]\n"EF.DIR" = "gone"', "files.EF.DIR must be missing, empty"),
        ('[files]\n"EF.DIR" = 3', "files are missing, empty"),
        ("pin = ", "not a TOML file"),
    ],
)
def test_wrong_profile_is_refused_with_its_origin_and_key(change: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_profile(MINIMAL + change, "mine.toml")
    assert "mine.toml" in caught.value.message
    assert told in caught.value.message


def test_profile_files_are_loaded_and_missing_ones_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(MINIMAL, "utf-8")
    assert load_profile(file).name == "mine"
    assert load_profile(str(file)).label == "CPS3v3-0000000001"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"mine\.toml"):
        load_profile(file)
    with pytest.raises(ConfigError, match="no card profile"):
        load_profile("cps5")
    with pytest.raises(ConfigError, match="missing: name"):
        parse_profile('generation = "cps3"', "empty.toml")


def test_profile_shows_no_pin() -> None:
    profile = load_profile("cps3")
    assert "1234" not in repr(profile).replace(profile.serial, "")
    with pytest.raises(UsageError):
        dataclasses.replace(profile, serial="123")


# -- encoders ----------------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(
    tag=st.sampled_from([0x80, 0x30, 0x7F41, 0xBF8101]),
    value=st.integers(0, 70000).map(lambda size: bytes([0x41]) * size),
)
def test_what_is_written_as_tlv_reads_back(tag: int, value: bytes) -> None:
    written = write_tlv(tag, value)
    assert tlv.object_length(written) == len(written)
    if len(written) <= tlv.MAX_BYTES:
        (found,) = tlv.parse(written)
        assert (found.tag, found.value) == (tag, value)


def test_bit_strings_and_integers_are_der() -> None:
    assert bit_string().hex() == "030100"
    assert bit_string(0).hex() == "03020780"
    assert bit_string(7).hex() == "03020001"
    assert bit_string(0, 9).hex() == "0303068040"
    assert integer(0).hex() == "020100"
    assert integer(0x7F).hex() == "02017f"
    assert integer(0x80).hex() == "02020080"


@settings(max_examples=60, deadline=None)
@given(message=st.binary(max_size=300), name=st.sampled_from(["sha1", "sha256"]))
def test_hashing_from_the_initial_state_agrees_with_hashlib(message: bytes, name: str) -> None:
    assert finish(name, b"", 0, message) == hashlib.new(name, message).digest()


def test_hashing_from_the_recorded_intermediate_states() -> None:
    # The official middleware's states after 960 of 1000 bytes "A" (traces, sections 6 and 7).
    content, rest = b"A" * 1000, b"A" * 40
    sha256 = bytes.fromhex("1A4FB3C27426030D3999E3F91BA88972382FA37F584AC9D7A63A25353702237E")
    sha1 = bytes.fromhex("810C5736AA5AFBDD04F2B2A78B636813ABF1F1F0")
    assert finish("sha256", sha256, 7680, rest) == hashlib.sha256(content).digest()
    assert finish("sha1", sha1, 7680, rest) == hashlib.sha1(content).digest()  # noqa: S324
