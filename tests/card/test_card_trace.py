"""Traces: every exchange in words, and no secret in one of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_card import CPS3, FAMILIES

from igcsante.card.monitor import Exchange, Link, MonitoredTransport
from igcsante.card.trace import Annotator

LINK = Link("Reader", CPS3.atr, "T=0")
PLAINTEXT = b"a message for the holder"


def annotated(*exchanges: tuple[str, str]) -> list[str]:
    """The first line of each annotation."""
    annotate = Annotator()
    lines = []
    for command, answer in exchanges:
        raw = bytes.fromhex(answer)
        sw = int.from_bytes(raw[-2:])
        lines.append(annotate(Exchange(bytes.fromhex(command), raw[:-2], sw, LINK)).splitlines()[0])
    return lines


def test_commands_and_files_are_named() -> None:
    assert annotated(
        ("00A40904043F00D003", "6110"),
        ("00C0000010", "9000"),
        ("00B000000C", "5A0A80250000011234567890" + "9000"),
        ("01A4040C088025000001FF0100", "9000"),
        ("01A4040C0501020304FF", "6A82"),
        ("01A4080002D00300", "9000"),
        ("002241A406800102840182", "9000"),
        ("012A9E9A20" + 32 * "00" + "00", "6982"),
        ("112A8086FF" + 255 * "00", "9000"),
        ("01200001", "63C3"),
        ("0084000008", "9000"),
        ("00B0850010", "9000"),
        ("00FE0000", "6D00"),
    ) == [
        "#1 SELECT EF.SN (3F00D003)",
        "#2 GET RESPONSE of SELECT",
        "#3 READ BINARY EF.SN (3F00D003), 12 bytes from 0",
        "#4 SELECT IAS-ECC root (CPS3) or ChipDoc (CPS4) (channel 1)",
        "#5 SELECT application 01020304FF (channel 1)",
        "#6 SELECT EF.SN (3F00D003) (channel 1)",
        "#7 MANAGE SECURITY ENVIRONMENT for authentication",
        "#8 PERFORM SECURITY OPERATION COMPUTE DIGITAL SIGNATURE (channel 1)",
        "#9 PERFORM SECURITY OPERATION DECIPHER, more to come (channel 1)",
        "#10 VERIFY reference 01, no data (channel 1)",
        "#11 GET CHALLENGE 8 bytes",
        "#12 READ BINARY file of short identifier 5, 16 bytes from 0",
        "#13 unknown instruction FE",
    ]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_files_that_the_card_lists_are_named(family) -> None:
    names = annotated(
        *family.script("dir", "odf", "cdf"), *family.reading("3F000001C102", b"0" * 4)
    )
    assert any("EF.ODF (3F0000015031)" in name for name in names)
    assert any("CDF (3F0000017004)" in name for name in names)
    assert any("Certificat d'Authentification CPS (3F000001C102), 4 bytes" in n for n in names)


def test_status_words_are_explained() -> None:
    text = Annotator()(Exchange(bytes.fromhex("00A40904043F00D003"), b"", 0x6A82, LINK))
    assert text.splitlines()[1:] == [
        "  > 00 A4 09 04 04 3F 00 D0 03",
        "  < 6A 82  file or application not found",
    ]


def test_a_label_can_not_steer_the_terminal() -> None:
    odf = bytes.fromhex("A40A300804063F0000017004")
    names = annotated(
        ("00A40904063F0000015031", "9000"),
        ("00B000000C", odf.hex() + "9000"),
        ("00A40904063F0000017004", "9000"),
        ("00B0000024", HOSTILE_CDF + "9000"),
        ("00A40904063F000001C101", "9000"),
    )
    assert names[-1] == "#5 SELECT ?[2j (3F000001C101)"


HOSTILE_CDF = "301B" + "30060C041B5B326A" + "3003040101" + "A10C300A300804063F000001C101"


class Deciphering:
    """A card that answers the private operation with a text."""

    reader_name, atr, protocol = LINK.reader_name, LINK.atr, "T=0"

    def __init__(self, answers: list[tuple[bytes, int]]) -> None:
        self.answers = answers

    def transmit(self, command: bytes) -> tuple[bytes, int]:
        return self.answers.pop(0)


def seen(commands: list[str], answers: list[tuple[bytes, int]]) -> list[Exchange]:
    exchanges: list[Exchange] = []
    transport = MonitoredTransport(Deciphering(answers), exchanges.append)
    for command in commands:
        transport.transmit(bytes.fromhex(command))
    return exchanges


CIPHERTEXT = ["102A8086FF81" + "A5" * 254, "002A808602A5A5"]
BLOCK = ["112A8086FF0001" + "FF" * 253, "012A80860101"]


def test_what_the_card_deciphers_is_not_shown() -> None:
    fetched = seen([*CIPHERTEXT, "00C0000018"], [(b"", 0x9000), (b"", 0x6118), (PLAINTEXT, 0x9000)])
    assert fetched[-1].secret and fetched[-1].response == b"*" * len(PLAINTEXT)
    direct = seen(CIPHERTEXT, [(b"", 0x9000), (PLAINTEXT, 0x9000)])
    annotate = Annotator()
    text = "".join(annotate(exchange) for exchange in (*fetched, *direct))
    assert PLAINTEXT.hex(" ").upper() not in text and "** **" in text


def test_a_signature_by_raw_rsa_is_shown() -> None:
    *_, last = seen(BLOCK, [(b"", 0x9000), (b"signature", 0x9000)])
    assert last.response == b"signature"


def test_after_a_refused_signature_messages_are_still_hidden() -> None:
    refused = seen([BLOCK[0], *CIPHERTEXT], [(b"", 0x6982), (b"", 0x9000), (PLAINTEXT, 0x9000)])
    assert refused[-1].secret


def test_files_read_after_deciphering_are_shown() -> None:
    *_, last = seen(
        [*CIPHERTEXT, "00B0000004"], [(b"", 0x9000), (PLAINTEXT, 0x9000), (b"file", 0x9000)]
    )
    assert last.response == b"file"


RAW_COMMANDS = st.builds(
    lambda cla, ins, rest: bytes((cla, ins)) + rest,
    st.sampled_from([0x00, 0x01, 0x10, 0xA0]),
    st.sampled_from([0x20, 0x22, 0x2A, 0x84, 0xA4, 0xB0, 0xC0]),
    st.binary(max_size=260),
)


@settings(max_examples=200)
@given(st.binary(max_size=300) | RAW_COMMANDS, st.binary(max_size=300), st.integers(0, 0xFFFF))
def test_anything_can_be_annotated(command: bytes, response: bytes, sw: int) -> None:
    annotate = Annotator()
    for _ in range(2):
        assert f"{sw >> 8:02X} {sw & 0xFF:02X}" in annotate(Exchange(command, response, sw, LINK))
