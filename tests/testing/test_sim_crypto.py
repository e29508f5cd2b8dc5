"""Every signature and decipherment that a simulated card can make, checked from outside."""

import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from sim_support import AID_ROOT, answer, material, powered_card, send

from igcsante.testing.cards import SimulatedCard
from igcsante.testing.cards.sha import BLOCK, advance, finish

MESSAGE = b"ordonnance simulee"
SHA256_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
HASHES = {"sha1": hashes.SHA1(), "sha256": hashes.SHA256()}  # noqa: S303
CPS3_ALGORITHMS = {"sha1": ("10", "12"), "sha256": ("40", "42")}
CPS4_ALGORITHMS = {
    ("pkcs1", "sha1"): "0A",
    ("pkcs1", "sha256"): "28",
    ("pss", "sha1"): "15",
    ("pss", "sha256"): "2C",
}


def logged_in(name: str) -> SimulatedCard:
    """A card with its PIN verified and its application current."""
    card = powered_card(name)
    if name == "cps3":
        assert send(card, "002000010431323334") == "9000"
        assert send(card, "00A4090C043F000001") == "9000"
    else:
        assert send(card, f"01A4040C08{AID_ROOT}") == "9000"
        assert send(card, "012000010431323334") == "9000"
        assert send(card, "01A4080C020001") == "9000"
    return card


def public_key(role: str) -> rsa.RSAPublicKey:
    return getattr(material(), role).private_key.public_key()


def verify(role: str, signature: bytes, message: bytes, name: str, kind: str = "pkcs1") -> None:
    algorithm = HASHES[name]
    pss = padding.PSS(padding.MGF1(algorithm), algorithm.digest_size)
    pad = pss if kind == "pss" else padding.PKCS1v15()
    public_key(role).verify(signature, message, pad, algorithm)


def openssl_verifies(
    role: str, signature: bytes, message: bytes, folder: Path, *options: str
) -> bool:
    (folder / "key.pem").write_bytes(
        public_key(role).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    (folder / "signature").write_bytes(signature)
    (folder / "message").write_bytes(message)
    command = ["openssl", "dgst", "-sha256", *options, "-verify", "key.pem"]
    done = subprocess.run(
        [*command, "-signature", "signature", "message"], cwd=folder, capture_output=True
    )
    return done.returncode == 0


# -- CPS3 --------------------------------------------------------------------------------


def test_cps3_authentication_key_signs_a_digest_info(tmp_path: Path) -> None:
    card = logged_in("cps3")
    assert send(card, "002241A406800102840182") == "9000"
    info = SHA256_INFO + hashlib.sha256(MESSAGE).digest()
    first = card.transmit(b"\x00\x88\x00\x00\x33" + info)
    assert first == b"\x61\x00"
    chunk = card.transmit(bytes.fromhex("00C00000E7"))
    assert chunk[-2:] == b"\x61\x19"
    rest = card.transmit(bytes.fromhex("00C0000019"))
    signature = chunk[:-2] + rest[:-2]
    verify("authentication", signature, MESSAGE, "sha256")
    assert openssl_verifies("authentication", signature, MESSAGE, tmp_path)


@pytest.mark.parametrize("name", ["sha1", "sha256"])
def test_cps3_signature_key_signs_an_external_digest(name: str) -> None:
    card = logged_in("cps3")
    digest = hashlib.new(name, MESSAGE).digest()
    assert send(card, f"002241B6068001{CPS3_ALGORITHMS[name][1]}840181") == "9000"
    signature = answer(card, f"002A9E9A{len(digest):02X}{digest.hex()}")
    verify("signature", signature, MESSAGE, name)


def intermediate(name: str, blocks: bytes) -> bytes:
    """What the host sends after whole blocks: state and bit count; nothing before the first."""
    return advance(name, b"", blocks) + (8 * len(blocks)).to_bytes(8) if blocks else b""


@pytest.mark.parametrize("name", ["sha1", "sha256"])
@pytest.mark.parametrize("size", [1, 55, 56, 63, 64, 65, 119, 120, 127, 128, 129, 1000])
def test_cps3_hashes_the_last_block_and_signs(name: str, size: int, tmp_path: Path) -> None:
    message = bytes(range(256)) * 4
    message = message[:size]
    kept = size % BLOCK or BLOCK  # a whole last block is kept back
    before, last = intermediate(name, message[:-kept]), message[-kept:]
    data = b"\x90" + bytes([len(before)]) + before + b"\x80" + bytes([len(last)]) + last
    card = logged_in("cps3")
    hash_reference, signature_reference = CPS3_ALGORITHMS[name]
    assert send(card, f"002241AA038001{hash_reference}") == "9000"
    assert send(card, f"002A90A0{len(data):02X}{data.hex()}") == "9000"
    assert send(card, "00A4090C043F000001") == "9000"
    assert send(card, f"002241B6068001{signature_reference}840181") == "9000"
    signature = answer(card, "002A9E9A00")
    verify("signature", signature, message, name)
    if name == "sha256":
        assert openssl_verifies("signature", signature, message, tmp_path)
    # The digest serves once.
    assert send(card, "002A9E9A00") == "6985"


@settings(max_examples=25, deadline=None)
@given(blocks=st.integers(0, 3), last=st.binary(min_size=1, max_size=BLOCK))
def test_states_go_on_to_the_right_digest(blocks: int, last: bytes) -> None:
    whole = bytes(range(BLOCK)) * blocks
    for name in ("sha1", "sha256"):
        before = intermediate(name, whole)
        ours = finish(name, before[:-8], int.from_bytes(before[-8:]), last)
        assert ours == hashlib.new(name, whole + last).digest()


def test_cps3_deciphers_with_the_authentication_key() -> None:
    card = logged_in("cps3")
    cipher = b"\x81" + public_key("authentication").encrypt(b"secret", padding.PKCS1v15())
    assert send(card, "002241B80680011A840182") == "9000"
    assert send(card, f"102A8086FF{cipher[:255].hex()}") == "9000"
    assert answer(card, f"002A808602{cipher[255:].hex()}") == b"secret"
    assert send(card, f"102A8086FF00{cipher[1:255].hex()}") == "9000"  # not the indicator 81
    assert send(card, f"002A808602{cipher[255:].hex()}") == "6A80"


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        (["002A9E9A00"], "6985"),  # nothing set up
        (["002241B606800142840181", "002A9E9A00"], "6985"),  # nothing hashed
        (["002241B606800142840182", f"002A9E9A20{'00' * 32}"], "6985"),  # not its key
        (["002241A406800102840181", "0088000001AA"], "6985"),
        (["002241B606800142840181", f"002A9E9A14{'00' * 20}"], "6A80"),  # not its hash
        (["002241B606800142840183", f"002A9E9A20{'00' * 32}"], "6A88"),  # no such key
        (["002241B606800128840181"], "6A80"),  # no such algorithm
        (["002241B603800142"], "6A80"),
        (["002281B606800142840181"], "6A86"),
        (["002241AA03800140", "002A90A0059000800000"], "6A80"),  # empty last block
        (["002241AA03800140", f"002A90A04390008041{'00' * 65}"], "6700"),
        (["002241A406800102840182", f"0088000067{'00' * 103}"], "6700"),  # over 40 %
        (["002241A406800102840182", "00A4090C023F00", "0088000001AA"], "6A88"),
        (["002241A406800102840182", "002C02010431323334"], "6982"),
        (["002A8087010000"], "6A86"),
    ],
)
def test_cps3_refuses_what_its_keys_are_not_for(commands: list[str], status: str) -> None:
    card = logged_in("cps3")
    *before, last = commands
    for command in before:
        assert send(card, command) == "9000"
    assert send(card, last) == status


@pytest.mark.parametrize("name", ["cps3", "cps4"])
def test_no_signature_without_the_pin(name: str) -> None:
    card = powered_card(name)
    if name == "cps3":
        commands = ["00A4090C043F000001", "002241A406800102840182", "0088000001AA"]
    else:
        commands = [f"01A4040C08{AID_ROOT}", "01A4080C020001", "012281B60491022C90"]
        commands.append(f"012A9E9A20{'00' * 32}00")
    for command in commands[:-1]:
        assert send(card, command) == "9000"
    assert send(card, commands[-1]) == "6982"


def test_reset_in_the_middle_of_a_chain_drops_it() -> None:
    card = logged_in("cps3")
    send(card, "002241B80680011A840182")
    assert send(card, f"102A8086FF{'81' * 255}") == "9000"
    card.reset()
    assert send(card, "002A8086020000") == "6985"


def test_chain_is_bounded_and_dropped_by_another_command() -> None:
    card = logged_in("cps3")
    send(card, "002241B80680011A840182")
    for _ in range(4):
        assert send(card, f"102A8086FF{'81' * 255}") == "9000"
    assert send(card, f"102A8086FF{'81' * 255}") == "6700"
    assert send(card, f"102A8086FF{'81' * 255}") == "9000"
    assert send(card, "0084000008")[-4:] == "9000"
    assert send(card, "002A8086020000") == "6A80"


# -- CPS4 --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "reference", "kind", "name"),
    [
        ("signature", "90", "pkcs1", "sha1"),
        ("signature", "90", "pkcs1", "sha256"),
        ("signature", "90", "pss", "sha1"),
        ("signature", "90", "pss", "sha256"),
        ("authentication", "A0", "pss", "sha256"),
    ],
)
def test_cps4_signs_a_digest(
    role: str, reference: str, kind: str, name: str, tmp_path: Path
) -> None:
    card = logged_in("cps4")
    digest = hashlib.new(name, MESSAGE).digest()
    assert send(card, f"012281B6049102{CPS4_ALGORITHMS[kind, name]}{reference}") == "9000"
    signature = answer(card, f"012A9E9A{len(digest):02X}{digest.hex()}00")
    verify(role, signature, MESSAGE, name, kind)
    if name == "sha256":
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
        assert openssl_verifies(role, signature, MESSAGE, tmp_path, *(pss if kind == "pss" else []))


def cps4_raw(card: SimulatedCard, block: bytes) -> bytes:
    assert send(card, "012241B803830120") == "9000"
    assert send(card, f"112A8086FF{block[:255].hex()}") == "9000"
    return answer(card, f"012A808601{block[255:].hex()}00")


def test_cps4_raw_operation_makes_a_pkcs1_signature(tmp_path: Path) -> None:
    content = SHA256_INFO + hashlib.sha256(MESSAGE).digest()
    block = b"\x00\x01" + b"\xff" * (256 - 3 - len(content)) + b"\x00" + content
    signature = cps4_raw(logged_in("cps4"), block)
    verify("authentication", signature, MESSAGE, "sha256")
    assert openssl_verifies("authentication", signature, MESSAGE, tmp_path)
    with pytest.raises(InvalidSignature):
        verify("signature", signature, MESSAGE, "sha256")


def test_cps4_raw_operation_gives_a_deciphered_block() -> None:
    cipher = public_key("authentication").encrypt(b"secret", padding.PKCS1v15())
    block = cps4_raw(logged_in("cps4"), cipher)
    assert block[:2] == b"\x00\x02"
    assert block.endswith(b"\x00secret")


@pytest.mark.parametrize(
    ("commands", "status"),
    [
        ([f"012A9E9A20{'00' * 32}00"], "6985"),
        (["012281B604910228A0", f"012A9E9A20{'00' * 32}00"], "6985"),  # v1.5 with that key
        (["012281B60491022890", f"012A9E9A14{'00' * 20}00"], "6A80"),
        (["012281B604910229A0"], "6A80"),
        (["012281B60491022C20"], "6A80"),  # without b8
        (["012241B803830110", f"012A8086FF{'00' * 255}00"], "6985"),
        (["012241B803830120", f"012A8086FF{'00' * 255}00"], "6A80"),  # no whole block
        (["012241A406800102840182"], "6A86"),
        (["012A90A0049000800000"], "6A86"),
        (["012281B60491022C91", f"012A9E9A20{'00' * 32}00"], "6A88"),
    ],
)
def test_cps4_refuses_what_its_keys_are_not_for(commands: list[str], status: str) -> None:
    card = logged_in("cps4")
    *before, last = commands
    for command in before:
        assert send(card, command) == "9000"
    assert send(card, last) == status


@pytest.mark.parametrize("name", ["cps3", "cps4"])
def test_challenges_are_as_long_as_asked_and_differ(name: str) -> None:
    card, cla = logged_in(name), {"cps3": "00", "cps4": "01"}[name]
    challenges = {answer(card, f"{cla}84000008") for _ in range(8)}
    assert len(challenges) == 8
    assert {len(challenge) for challenge in challenges} == {8}
