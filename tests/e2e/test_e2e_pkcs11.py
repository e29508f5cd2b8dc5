"""``igc`` with the key in a PKCS#11 token, as with the official middleware."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding
from e2e_support import ORDER, WITHDRAWAL, Machine, Told, configure, files_of
from softhsm import SoftTokens, module

from igcsante.testing.cards import load_profile
from igcsante.testing.world import SimulatedWorld


def stored(folder: Path, world: SimulatedWorld) -> SoftTokens:
    """A token that holds the keys of a simulated card."""
    module()
    tokens = SoftTokens(folder)
    tokens.make("CPS")
    material = world.card_material(load_profile("cps3"))
    for label, identifier, pair in (
        ("aut", "02", material.authentication),
        ("sig", "01", material.signature),
    ):
        tokens.store("CPS", label, identifier, pair.private_key, pair.certificate)
    return tokens


@pytest.fixture(scope="module")
def soft(world: SimulatedWorld, tmp_path_factory: pytest.TempPathFactory) -> SoftTokens:
    return stored(tmp_path_factory.mktemp("softhsm"), world)


@pytest.fixture
def tokens(machine: Machine, world: SimulatedWorld, soft: SoftTokens) -> Machine:
    """A machine with a token; its profile ``sim`` names no module."""
    configure(machine.folder / "config", world)
    machine.variables.update(soft.environment)
    return machine


@pytest.fixture
def with_token(tokens: Machine) -> Machine:
    """The same, and its profile names the module."""
    with (tokens.folder / "config" / "config.toml").open("a") as file:
        file.write(f'\npkcs11 = "{module()}"\n')
    return tokens


def test_a_token_orders_like_a_card(with_token: Machine) -> None:
    told = with_token.igc("--profile", "sim", *ORDER, *WITHDRAWAL)
    assert told.code == 0, told.err
    assert {"pem", "key"} & {name.rpartition(".")[2] for name in files_of(with_token.folder)}


def test_a_wrong_pin_of_a_token_has_its_exit_code(with_token: Machine) -> None:
    told = with_token.igc(
        *("--profile", "sim", "--json", "habilitations", "--pin-source", "env:E2E_PIN"),
        E2E_PIN="9137",
    )
    assert (told.code, told.error["code"]) == (4, "card.pin.wrong")
    assert "9137" not in told.out + told.err


# -- igc card ------------------------------------------------------------------------------

PIN = ("--pin-source", "env:E2E_PIN")


def card(machine: Machine, *arguments: str | Path, **variables: str) -> Told:
    chosen = ("--profile", "sim", "--pkcs11", module(), "card")
    return machine.igc(*chosen, *arguments, **variables)


def test_a_token_signs_a_file_with_either_key(tokens: Machine, world: SimulatedWorld) -> None:
    (tokens.folder / "letter").write_bytes(b"letter")
    roots = tokens.folder / "roots.pem"
    roots.write_bytes(b"".join(map(_pem, world.anchors)))
    told = card(tokens, "sign", "letter", *PIN)
    assert told.code == 0, told.err
    verified = subprocess.run(
        [
            *("openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "letter.p7s"),
            *("-content", "letter", "-CAfile", roots, "-purpose", "any", "-out", "content"),
        ],
        cwd=tokens.folder,
        capture_output=True,
        text=True,
    )
    assert verified.returncode == 0, verified.stderr
    assert (tokens.folder / "content").read_bytes() == b"letter"
    scheme = ("--scheme", "pss-sha512", "--key", "authentication", "--raw")
    told = card(tokens, "sign", "letter", *scheme, *PIN)
    assert told.code == 0, told.err
    key = world.card_material(load_profile("cps3")).authentication.private_key.public_key()
    pss = padding.PSS(padding.MGF1(hashes.SHA512()), padding.PSS.DIGEST_LENGTH)
    key.verify((tokens.folder / "letter.sig").read_bytes(), b"letter", pss, hashes.SHA512())


def test_a_token_never_signs_with_sha1_and_says_what_it_can(tokens: Machine) -> None:
    (tokens.folder / "letter").write_bytes(b"letter")
    told = card(tokens, "sign", "letter", "--scheme", "pkcs1-sha1", "--allow-sha1", *PIN)
    assert told.code != 0
    assert "of the token CPS can't sign with pkcs1-sha1" in told.said
    assert "pkcs1-sha256" in told.said
    assert not (tokens.folder / "letter.p7s").exists()


def test_a_server_accepts_the_token(tokens: Machine, world: SimulatedWorld) -> None:
    assert world.server is not None
    told = card(tokens, "--json", "tls-check", f"127.0.0.1:{world.server.port}", *PIN)
    assert told.code == 0, told.err
    assert {line["version"]: line["outcome"] for line in told.lines} == {
        "TLSv1.3": "accepted",
        "TLSv1.2": "accepted",
    }
    assert all(line["signatures"] == 1 for line in told.lines)


def test_a_token_says_who_its_holder_is_and_gives_its_certificates(
    tokens: Machine, world: SimulatedWorld
) -> None:
    profile = load_profile("cps3")
    told = card(tokens, "id")
    assert (told.code, told.out.strip()) == (0, str(profile.national_id)), told.err
    told = card(tokens, "--json", "certs", "--out", "certificates")
    assert told.code == 0, told.err
    material = world.card_material(profile)
    written = {
        line["purpose"]: x509.load_pem_x509_certificate((tokens.folder / line["file"]).read_bytes())
        for line in told.lines
    }
    assert written == {
        "authentication": material.authentication.certificate,
        "signature": material.signature.certificate,
    }


def test_reader_chooses_among_tokens(tokens: Machine, world: SimulatedWorld) -> None:
    two = stored(tokens.folder, world)
    two.make("SPARE")
    tokens.variables.update(two.environment)
    told = card(tokens, "id")
    assert told.code == 2
    assert "several tokens fit" in told.said and "--reader" in told.said
    assert card(tokens, "id", "--reader", "cps").code == 0
    empty = card(tokens, "id", "--reader", "SPARE")
    assert (empty.code, "no certificate" in empty.said) == (2, True)
    none = card(tokens, "id", "--reader", "nothing")
    assert (none.code, "no token fits" in none.said) == (2, True)


@pytest.mark.parametrize(
    "command",
    ["info", "activities", "objects", "export x", "pin status", "pin verify", "random 8"],
)
def test_commands_that_need_the_card_itself_say_so(tokens: Machine, command: str) -> None:
    told = card(tokens, *command.split())
    assert told.code == 2
    assert "talks to the card itself" in told.said and "--pkcs11" in told.said


def test_what_a_module_hides_is_not_traced_or_recorded(tokens: Machine) -> None:
    told = card(tokens, "--trace", "id")
    assert (told.code, "can't be traced or recorded" in told.said) == (2, True)
    told = card(tokens, "record", "session.jsonl", "--", "card", "id")
    assert (told.code, "can't be traced or recorded" in told.said) == (2, True)
    assert not (tokens.folder / "session.jsonl").exists()


def test_a_wrong_pin_signs_nothing(tokens: Machine) -> None:
    (tokens.folder / "letter").write_bytes(b"letter")
    told = card(tokens, "sign", "letter", *PIN, E2E_PIN="9137")
    assert told.code == 4
    assert "9137" not in told.out + told.err
    assert not (tokens.folder / "letter.p7s").exists()


def test_the_profile_s_module_serves_card_commands_too(with_token: Machine) -> None:
    told = with_token.igc("--profile", "sim", "card", "id")
    assert (told.code, told.out.strip()) == (0, "899700990031"), told.err
    told = with_token.igc("--profile", "sim", "card", "info")
    assert (told.code, "talks to the card itself" in told.said) == (2, True)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)
