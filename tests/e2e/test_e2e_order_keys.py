"""Orders whatever the key: made here, of a given request, on the card, in a token, the platform's.

And what the card may not order is told before anything is sent.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    load_der_public_key,
    load_pem_private_key,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12
from e2e_support import (
    ORDER,
    P12_PASSWORD,
    RETRIEVAL,
    WITHDRAWAL,
    Insert,
    Machine,
    Told,
    both_generations,
    configure,
    files_of,
    igc,
    outage,
)
from softhsm import PIN as TOKEN_PIN
from softhsm import SoftTokens, module

from igcsante.certs.requests import build_csr, csr_pem, new_key
from igcsante.testing.cards import load_profile
from igcsante.testing.world import SimulatedWorld

KEY = new_key()
BARE = ("--revocation-code-source", "env:E2E_CODE", "--accept-cgu")
P12 = ("--p12-password-source", "env:E2E_P12")


def sim(*arguments: str | Path) -> Told:
    return igc("--profile", "sim", "--json", *arguments)


def certificate_of(issued: dict[str, object]) -> x509.Certificate:
    return x509.load_pem_x509_certificate(Path(str(issued["certificate"])).read_bytes())


def one_of(told: Told) -> dict[str, object]:
    assert told.code == 0, told.err
    (line,) = told.lines
    files = dict(line["files"])
    assert line["key_mode"] and not (line["key_path"] and "key" not in files)
    return files


@pytest.mark.parametrize("retrieved", ["at once", "later"])
def test_the_platform_makes_the_key(inserted: Insert, home: Path, retrieved: str) -> None:
    inserted("cps3")
    if retrieved == "at once":
        told = sim(*ORDER, *WITHDRAWAL, "--key", "platform")
    else:
        ordered = sim(*ORDER, "--key", "platform", "--order-only", *P12)
        assert ordered.code == 0, ordered.err
        assert files_of(home) == set(), "there is no key here, and no CSR"
        told = sim("retrieve", "1", *RETRIEVAL)
    files = one_of(told)
    assert set(files) == {"certificate", "certificate_der", "chain", "pkcs12"}
    opened = load_pkcs12(Path(str(files["pkcs12"])).read_bytes(), P12_PASSWORD.encode())
    assert opened.key.public_key() == certificate_of(files).public_key()


def test_wrong_password_of_the_platforms_key_leaves_the_order(
    inserted: Insert, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inserted("cps3")
    assert sim(*ORDER, "--key", "platform", "--order-only", *P12).code == 0
    with monkeypatch.context() as patch:
        patch.setenv("E2E_P12", "un autre mot de passe")
        told = sim("retrieve", "1", *RETRIEVAL)
    assert (told.code, told.error["code"]) == (11, "platform.refused")
    assert told.error["field"] == "key_password"
    assert files_of(home) == set()
    assert sim("retrieve", "1", *RETRIEVAL).code == 0


def test_the_platforms_key_needs_its_password(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    told = sim(*ORDER, "--key", "platform", "--order-only")
    assert told.code == 2 and "--p12-password-source" in told.said
    assert held.sent == [], "it is asked for before the card is touched"


def test_a_given_request_is_certified(inserted: Insert, home: Path, tmp_path: Path) -> None:
    inserted("cps4")
    request = tmp_path / "my.csr"
    request.write_bytes(build_csr(KEY, "whatever").public_bytes(Encoding.DER))
    files = one_of(sim(*ORDER, *BARE, "--csr", request))
    assert set(files) == {"certificate", "certificate_der", "chain"}
    assert certificate_of(files).public_key() == KEY.public_key()


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (b"no request", 6, "no certificate request"),
        (b"-----BEGIN PRIVATE KEY-----\nxx\n", 2, "holds a private key"),
    ],
)
def test_what_is_no_request_is_told_before_the_card_is_touched(
    inserted: Insert, home: Path, tmp_path: Path, content: bytes, code: int, message: str
) -> None:
    held = inserted("cps3")
    request = tmp_path / "my.csr"
    request.write_bytes(content)
    told = sim(*ORDER, *BARE, "--csr", request)
    assert told.code == code and message in told.said
    assert held.sent == []


@both_generations
def test_the_cards_own_key_is_certified(
    world: SimulatedWorld, inserted: Insert, home: Path, generation: str
) -> None:
    held = inserted(generation)
    files = one_of(sim(*ORDER, *BARE, "--key", "card"))
    assert set(files) == {"certificate", "certificate_der", "chain"}
    own = world.card_material(load_profile(generation)).authentication
    assert certificate_of(files).public_key() == own.certificate.public_key()
    assert held.pins_sent == 1
    assert held.signatures == 2, "the CSR, and the handshake"


@pytest.fixture
def two_tokens(machine: Machine, world: SimulatedWorld) -> Machine:
    """A machine with a token that stands for the card, and an HSM with a key, no certificate."""
    library = str(module())
    tokens = SoftTokens(machine.folder)
    machine.variables |= {**tokens.environment, "HSM_PIN": TOKEN_PIN}
    configure(machine.folder / "config", world)
    tokens.make("CPS")
    own = world.card_material(load_profile("cps3")).authentication
    tokens.store("CPS", "aut", "02", own.private_key, own.certificate)
    tokens.make("HSM")
    tool = ["pkcs11-tool", "--module", library, "--token-label", "HSM", "--login"]
    tool += ["--pin", TOKEN_PIN, "--keypairgen", "--key-type", "rsa:2048"]
    made = machine.run(*tool, "--id", "0a", "--label", "service key")
    assert made.code == 0, made.err
    return machine


def test_a_key_in_a_token_is_certified(two_tokens: Machine) -> None:
    uri = f"pkcs11:token=HSM;object=service%20key;id=%0A?module-path={module()}"
    told = two_tokens.igc(
        *("--profile", "sim", "--json", "--pkcs11", module(), "--reader", "CPS"),
        *(*ORDER, *BARE, "--key", uri, "--key-pin-source", "env:HSM_PIN"),
    )
    files = one_of(told)
    assert set(files) == {"certificate", "certificate_der", "chain"}
    shown = two_tokens.run(
        *("pkcs11-tool", "--module", module(), "--token-label", "HSM", "--read-object"),
        *("--type", "pubkey", "--id", "0a", "--output-file", "key.der"),
    )
    assert shown.code == 0, shown.err
    key = load_der_public_key((two_tokens.folder / "key.der").read_bytes())
    assert certificate_of(files).public_key() == key


def test_a_key_that_is_not_in_the_token_is_told(two_tokens: Machine) -> None:
    for uri, message in (
        ("pkcs11:token=HSM;object=other", "no RSA key is called that"),
        ("pkcs11:token=None;object=service%20key", "no token fits"),
    ):
        told = two_tokens.igc(
            *("--profile", "sim", "--json", "--pkcs11", module(), "--reader", "CPS"),
            *(*ORDER, *BARE, "--key", uri, "--key-pin-source", "env:HSM_PIN"),
        )
        assert told.code == 2 and message in told.said


def test_what_the_card_may_not_order_is_told_before_it_is_sent(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    before = len(world.platform.mails())
    other = [*ORDER]
    other[other.index("10B0999003")] = "318751275100020"
    told = sim(*other, *WITHDRAWAL)
    assert (told.code, told.error["code"]) == (11, "platform.not_habilitated")
    assert told.error["field"] == "structure" and "10B0999003" in told.error["allowed"]
    assert len(world.platform.mails()) == before
    assert igc("orders", "--json").lines == [] and files_of(home) == set()


def test_the_platform_alone_decides_on_demand(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    other = [*ORDER]
    other[other.index("10B0999003")] = "318751275100020"
    told = sim(*other, *WITHDRAWAL, "--unchecked")
    assert (told.code, told.error["fault"]) == (11, "MOCK-F01")


def test_habilitations_that_cannot_be_read_are_no_obstacle(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    with outage(world, 1, "html"):
        told = sim(*ORDER, *WITHDRAWAL)
    assert told.code == 0, told.err
    assert "the platform decides" in told.said


def test_an_order_of_a_known_reference_is_not_placed_twice(
    world: SimulatedWorld, inserted: Insert, home: Path
) -> None:
    inserted("cps3")
    mine = ("--reference", "ticket:4711")
    first = one_of(sim(*ORDER, *WITHDRAWAL, *mine))
    before = files_of(home)
    told = sim(*ORDER, *WITHDRAWAL, *mine)
    assert told.code == 0, told.err
    assert told.lines[-1]["certificate_path"] == first["certificate"]
    assert files_of(home) == before, "no key is left over"
    assert len(igc("orders", "--json").lines) == 1


def test_an_order_of_a_known_reference_is_finished(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    mine = ("--reference", "ticket-4712")
    assert sim(*ORDER, *mine, "--order-only").code == 0
    files = one_of(sim(*ORDER, *WITHDRAWAL, *mine))
    key = load_pem_private_key(Path(str(files["key"])).read_bytes(), None)
    assert key.public_key() == certificate_of(files).public_key()
    assert len(list(home.glob("*.key.pem"))) == 1


def test_a_reference_that_is_another_orders_is_refused(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    mine = ("--reference", "ticket-4713")
    assert sim(*ORDER, *mine, "--order-only").code == 0
    other = [*ORDER]
    other[other.index("e2e")] = "something-else"
    told = sim(*other, *mine, "--order-only")
    assert (told.code, told.error["field"]) == (2, "client_reference")
    assert len(list(home.glob("*.key.pem"))) == 1


def test_given_request_and_key_exclude_each_other(home: Path, tmp_path: Path) -> None:
    request = tmp_path / "my.csr"
    request.write_bytes(csr_pem(build_csr(KEY, "x")))
    told = sim(*ORDER, *BARE, "--csr", request, "--key", "card")
    assert told.code == 2 and "give one of them" in told.said


def test_key_here_is_what_the_certificate_is_for(inserted: Insert, home: Path) -> None:
    held = inserted("cps3")
    files = one_of(sim(*ORDER, *WITHDRAWAL, "--key-bits", "2048"))
    assert (held.pins_sent, held.signatures) == (1, 1), "habilitations, order, withdrawal"
    key = load_pem_private_key(Path(str(files["key"])).read_bytes(), None)
    assert key.public_key() == certificate_of(files).public_key()


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        ("card", "--p12-password-source"),
        ("card", "--key-passphrase-source"),
        ("platform", "--key-passphrase-source"),
        ("pkcs11:object=x", "--p12-password-source"),
    ],
)
def test_password_that_would_protect_nothing_is_refused(
    inserted: Insert, home: Path, key: str, secret: str
) -> None:
    held = inserted("cps3")
    told = sim(*ORDER, *BARE, "--key", key, secret, "env:E2E_P12")
    assert told.code == 2 and secret in told.said
    assert held.sent == []
