"""Readers of what a card says: right on the facts sheet's bytes, calm on any others."""

import contextlib
import hashlib

import pytest
from card_material import der, pin_object
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_card import CPS3, CPS4

from igcsante.card import atr, pkcs15, tlv
from igcsante.card.apdu import CommandApdu, chain, masked, status_name
from igcsante.card.fcp import FileControlParameters
from igcsante.card.rsa import encryption_message, signature_block
from igcsante.credentials import RsaScheme
from igcsante.errors import CardError

quick = settings(max_examples=150, deadline=None)


def file_of(family, block):
    return bytes.fromhex(family.block(block)[-1][1])[:-2]


# -- TLV ---------------------------------------------------------------------------------------


def test_tags_of_three_bytes_and_long_lengths_are_read():
    objects = tlv.parse(bytes.fromhex("700CBF810108A0069A01039B0103"))
    pin = objects[0].child(0xBF8101)
    assert pin.child(0xA0).child(0x9B).value == b"\x03"
    (long,) = tlv.parse(b"\x04\x82\x01\x00" + bytes(256))
    assert len(long.value) == 256


def test_filler_between_and_after_objects_is_passed_over():
    assert [found.tag for found in tlv.parse(b"\x00\x80\x00\xff\x81\x00\x00\x00")] == [0x80, 0x81]


@pytest.mark.parametrize(
    "data",
    ["80", "8001", "8080", "8084", "8085000000000000", "1F", "1F81818181", "818000", "04820100"],
)
def test_cut_indefinite_and_endless_objects_are_refused(data):
    with pytest.raises(CardError):
        tlv.parse(bytes.fromhex(data + "0" * (len(data) % 2)))


def test_many_objects_and_much_data_are_refused():
    with pytest.raises(CardError):
        tlv.parse(b"\x80\x00" * 1000)
    with pytest.raises(CardError):
        tlv.parse(bytes(1 << 20))


@quick
@given(st.binary(max_size=300))
def test_any_bytes_are_objects_or_a_card_error(data):
    try:
        for found in tlv.parse(data):
            assert found.raw in data
            assert found.raw.endswith(found.value)
    except CardError:
        pass


@quick
@given(
    st.lists(st.tuples(st.sampled_from([0x80, 0x9A, 0x30]), st.binary(max_size=200)), max_size=9)
)
def test_what_was_written_is_read(written):
    data = b"".join(der(tag, value) for tag, value in written)
    assert [(found.tag, found.value) for found in tlv.parse(data)] == written


# -- FCP ---------------------------------------------------------------------------------------


def test_the_parameters_of_a_real_ef_sn_are_read():
    data = bytes.fromhex(
        "62258002000C8201018302D0038801E0A1128C077BFFFFFFFFFF009C077BFFFFFFFFFF008A0105"
    )
    found = FileControlParameters.parse(data)
    assert (found.size, found.file_id, found.short_id, found.life_cycle) == (
        12,
        bytes.fromhex("D003"),
        0x1C,
        5,
    )
    assert not found.is_directory


def test_size_in_tag_81_and_directories_are_read():
    assert FileControlParameters.parse(bytes.fromhex("6F0481020010")).size == 16
    directory = FileControlParameters.parse(bytes.fromhex("620A82013883023F008A0105"))
    assert directory.is_directory
    assert directory.size is None


def test_another_template_is_refused():
    with pytest.raises(CardError):
        FileControlParameters.parse(bytes.fromhex("640481020010"))


def test_a_file_too_large_for_its_commands_is_refused():
    with pytest.raises(CardError):
        FileControlParameters.parse(bytes.fromhex("62058003100000"))


@quick
@given(st.binary(max_size=60))
def test_any_bytes_are_parameters_or_a_card_error(data):
    for candidate in (data, der(0x62, data)):
        try:
            size = FileControlParameters.parse(candidate).size
        except CardError:
            continue
        assert size is None or 0 <= size <= 0x8000


# -- ATR ---------------------------------------------------------------------------------------

KNOWN = {
    "3BAC00402A001225006480000310009000": ("CPS3", (0,)),
    "3B9B188001001225006480040100009044": ("CPS4", (0, 1)),
    "3B9B188001001225006480000401009044": ("CPS4", (0, 1)),
    "3BDC18FF00001225006480000401009000": ("CPS4", (0,)),
    "3B8F80010031B86404B0ECC1739401808290000E": ("CPS3 contactless", (0, 1)),
    "3BAC00402A001225006480820212009000": ("CPS2ter", (0,)),
}


@pytest.mark.parametrize("text", KNOWN)
def test_the_atrs_of_the_family_are_known(text):
    raw = bytes.fromhex(text)
    generation, protocols = KNOWN[text]
    assert atr.generation_of(raw) == generation
    assert atr.Atr.parse(raw).protocols == protocols
    assert generation.split()[0] in atr.describe(raw)


def test_one_byte_of_difference_is_another_card():
    raw = bytearray(CPS3.atr)
    raw[12] ^= 1
    assert atr.generation_of(bytes(raw)) is None
    assert "unknown generation" in atr.describe(bytes(raw))
    raw[7] ^= 1
    assert "not of the CPx family" in atr.describe(bytes(raw))


def test_historical_bytes_are_found():
    assert atr.Atr.parse(CPS3.atr).historical.hex().upper() == "001225006480000310009000"
    assert atr.Atr.parse(CPS4.atr).historical.hex().upper() == "0012250064800401000090"


def test_a_wrong_check_byte_is_refused():
    with pytest.raises(CardError):
        atr.Atr.parse(CPS4.atr[:-1] + b"\x45")


@quick
@given(st.binary(max_size=40))
def test_any_bytes_are_an_atr_or_a_card_error(data):
    for candidate in (data, b"\x3b" + data):
        assert atr.describe(candidate)
        try:
            parsed = atr.Atr.parse(candidate)
        except CardError:
            continue
        assert parsed.raw == candidate


# -- APDU --------------------------------------------------------------------------------------


def test_the_four_cases_are_encoded_for_both_protocols():
    cases = {
        CommandApdu(0x01, 0x20, 0, 1): ("01200001", "0120000100"),
        CommandApdu(0, 0xB0, 0, 0, le=0xE7): ("00B00000E7", "00B00000E7"),
        CommandApdu(0, 0xA4, 9, 12, b"\x3f\x00"): ("00A4090C023F00", "00A4090C023F00"),
        CommandApdu(0, 0xA4, 9, 4, b"\x3f\x00", 256): ("00A40904023F0000", "00A40904023F00"),
    }
    for command, (t1, t0) in cases.items():
        assert command.encode("T=1").hex().upper() == t1
        assert command.encode("T=0").hex().upper() == t0


commands = st.builds(
    CommandApdu,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=255),
    st.none() | st.integers(1, 256),
)


@quick
@given(commands)
def test_a_command_is_read_as_it_was_written(command):
    assert CommandApdu.parse(command.encode("T=1")) == command


@quick
@given(st.binary(max_size=300))
def test_any_bytes_are_a_command_or_a_card_error(data):
    with contextlib.suppress(CardError):
        assert CommandApdu.parse(data).encode("T=1") == data


@pytest.mark.parametrize(
    "wrong", [{"cla": 256}, {"p1": -1}, {"data": bytes(256)}, {"le": 0}, {"le": 257}]
)
def test_what_does_not_fit_a_short_command_is_refused(wrong):
    with pytest.raises(CardError):
        CommandApdu(**{"cla": 0, "ins": 0, "p1": 0, "p2": 0, **wrong})


@quick
@given(st.binary(max_size=1000))
def test_chained_commands_carry_all_the_data(data):
    parts = list(chain(CommandApdu(1, 0x2A, 0x80, 0x86, le=256), data))
    assert b"".join(part.data for part in parts) == data
    assert [part.cla for part in parts] == [0x11] * (len(parts) - 1) + [0x01]
    assert [part.le for part in parts] == [None] * (len(parts) - 1) + [256]


@pytest.mark.parametrize("cla", ["00", "01", "10", "11", "A0", "0C"])
@pytest.mark.parametrize("ins", ["20", "21", "24", "2C"])
def test_pin_bytes_are_masked_whatever_the_class(cla, ins):
    raw = bytes.fromhex(f"{cla}{ins}00010831323334") + b"5678"
    assert masked(raw) == raw[:5] + b"********"
    assert "31 32" not in repr(CommandApdu.parse(raw))


def test_other_commands_are_shown_whole():
    raw = bytes.fromhex("00A40904043F00D003")
    assert masked(raw) == raw


def test_status_words_have_names():
    assert status_name(0x6982) == "security status not satisfied"
    assert status_name(0x63C2) == "wrong, 2 tries left"
    assert status_name(0x1234) == "unknown status"


# -- PKCS#15 -----------------------------------------------------------------------------------


def test_the_directory_files_of_the_facts_sheet_are_read():
    assert pkcs15.parse_applications(file_of(CPS3, "dir")) == {
        bytes.fromhex("E828BD080F8025000001FF0010"): bytes.fromhex("3F000001")
    }
    odf = pkcs15.parse_odf(file_of(CPS3, "odf"))
    assert odf["CDF"] == (pkcs15.Path(bytes.fromhex("3F0000017004")),)
    assert set(odf) == {"PrKDF", "PuKDF", "CDF", "DODF", "AODF"}
    assert pkcs15.parse_token_label(file_of(CPS3, "token_info")) == "CPS3v3-FAKE123456"
    (pin,) = pkcs15.parse_aodf(file_of(CPS3, "aodf"))
    assert (pin.reference, pin.min_length, pin.max_length) == (1, 4, 4)
    assert (pin.flags, pin.type) == ({"initialized"}, "ascii_numeric")


def test_keys_have_their_reference_and_usage():
    signature, authentication = pkcs15.parse_prkdf(file_of(CPS3, "prkdf"))
    assert (signature.reference, authentication.reference) == (0x81, 0x82)
    assert signature.usage == {"sign", "non_repudiation"}
    assert authentication.usage == {"decrypt", "sign", "unwrap"}
    assert signature.auth_id == b"\x01"
    assert [key.reference for key in pkcs15.parse_prkdf(file_of(CPS4, "prkdf"))] == [1, 0x20]


def test_a_negative_key_reference_is_the_same_byte():
    data = file_of(CPS3, "prkdf")
    shorter = (
        data.replace(bytes.fromhex("02020081"), bytes.fromhex("020181"), 1)
        .replace(bytes.fromhex("303C3015"), bytes.fromhex("303B3015"), 1)
        .replace(bytes.fromhex("3013040101"), bytes.fromhex("3012040101"), 1)
    )
    assert pkcs15.parse_prkdf(shorter)[0].reference == 0x81


def test_records_of_other_kinds_and_unknown_fields_are_passed_over():
    entry = pin_object(extra=der(0x30, der(0x04, b"\x3f\x00")) + der(0x89, b"new") + der(0xA5))
    biometric = der(0xA0, b"\x30\x00")
    (pin,) = pkcs15.parse_aodf(biometric + entry + bytes(20))
    assert pin.reference == 1


def test_a_missing_maximum_is_the_stored_length():
    (pin,) = pkcs15.parse_aodf(pin_object(most=None, stored=8))
    assert pin.max_length == 8


FILES = ("odf", "cdf", "prkdf", "aodf", "token_info")
PARSERS = {
    "dir": pkcs15.parse_applications,
    "odf": pkcs15.parse_odf,
    "cdf": pkcs15.parse_cdf,
    "prkdf": pkcs15.parse_prkdf,
    "aodf": pkcs15.parse_aodf,
    "token_info": pkcs15.parse_token_label,
}


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(FILES), st.data())
def test_a_damaged_directory_file_is_read_or_a_card_error(name, data):
    content = bytearray(file_of(CPS3, name))
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] = data.draw(st.integers(0, 255))
    content = bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(CardError):
        PARSERS[name](content)


@quick
@given(st.sampled_from(FILES), st.binary(max_size=120))
def test_any_bytes_are_a_directory_file_or_a_card_error(name, data):
    for candidate in (data, der(0x30, data), der(0xA4, der(0x30, data))):
        with contextlib.suppress(CardError):
            PARSERS[name](candidate)


# -- RSA encodings -----------------------------------------------------------------------------


def test_the_signature_block_is_that_of_the_trace():
    chained = [command for command, _ in CPS4.block("sign_authentication") if command[2:4] == "2A"]
    block = bytes.fromhex(chained[0])[5:] + bytes.fromhex(chained[1])[5:6]
    digest = block[-32:]
    assert signature_block(digest, RsaScheme.PKCS1_SHA256, 256) == block


def test_a_key_too_short_for_its_hash_is_refused():
    with pytest.raises(CardError):
        signature_block(hashlib.sha512(b"").digest(), RsaScheme.PKCS1_SHA512, 64)


def test_padding_is_removed_or_refused():
    block = b"\x00\x02" + b"\x01" * 8 + b"\x00" + b"hello"
    assert encryption_message(block) == b"hello"
    for wrong in (
        b"",
        b"\x00\x01" + block[2:],
        b"\x00\x02\x01\x00hello",
        b"\x00\x02" + b"\x01" * 20,
    ):
        with pytest.raises(CardError, match="can't be deciphered"):
            encryption_message(wrong)
