"""Credentials from PKCS#11 tokens: SoftHSM2 as the token, openssl as the TLS server."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.x509.oid import NameOID
from softhsm import PIN, SoftTokens, module
from tls_server import Pki, make_pki, openssl_server

from igcsante.credentials import RsaScheme, cryptography_padding, hash_algorithm
from igcsante.errors import (
    CardAbsentError,
    CardError,
    CardRemovedError,
    CardUnsupportedError,
    IgcError,
    PinBlockedError,
    PinFormatError,
    PinRefusedError,
    PinRequiredError,
    PinWrongError,
    UsageError,
)
from igcsante.pkcs11 import Pkcs11Token, open_token
from igcsante.secret import Secret
from igcsante.tls import client_context, signatures_made

TOKEN = "CPS SIMULATION"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def soft(pki: Pki, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The module, with a token that holds the PKI's client key, and an empty token."""
    library = module()
    tokens = SoftTokens(tmp_path_factory.mktemp("softhsm"))
    tokens.make(TOKEN)
    tokens.make("EMPTY")
    tokens.store(TOKEN, "Certificat d'Authentification", "E820", pki.client_key, pki.client)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in tokens.environment.items():
            patch.setenv(name, value)
        yield library


@pytest.fixture
def token(soft: Path) -> Iterator[Pkcs11Token]:
    with open_token(soft, label=TOKEN) as opened:
        yield opened


# -- real tokens ---------------------------------------------------------------------------


def test_what_is_on_the_token_is_read_without_pin(token: Pkcs11Token, pki: Pki) -> None:
    (entry,) = token.certificates()
    assert (entry.label, entry.id) == ("Certificat d'Authentification", b"\xe8\x20")
    assert (entry.purpose, entry.certificate) == ("authentication", pki.client)
    assert token.label == TOKEN and token.serial


def test_every_scheme_of_the_token_signs(token: Pkcs11Token, pki: Pki) -> None:
    token.login(Secret(PIN))
    credential = token.credential()
    assert RsaScheme.PKCS1_SHA256 in credential.schemes
    assert RsaScheme.PSS_SHA256 in credential.schemes
    for scheme in credential.schemes:
        pad, algorithm = cryptography_padding(scheme), hash_algorithm(scheme)
        signature = credential.private_key.sign(b"data", pad, algorithm)
        pki.client.public_key().verify(signature, b"data", pad, algorithm)  # type: ignore


def test_a_request_signed_by_the_token_is_valid(token: Pkcs11Token) -> None:
    token.login(Secret(PIN))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "service")])
    builder = x509.CertificateSigningRequestBuilder(name)
    assert builder.sign(token.credential().private_key, hashes.SHA256()).is_signature_valid


def test_the_token_deciphers(token: Pkcs11Token, pki: Pki) -> None:
    token.login(Secret(PIN))
    key = token.credential().private_key
    ciphertext = key.public_key().encrypt(b"message", padding.PKCS1v15())
    assert key.decrypt(ciphertext, padding.PKCS1v15()) == b"message"


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_the_token_authenticates_in_tls(token: Pkcs11Token, pki: Pki, version: str) -> None:
    token.login(Secret(PIN))
    context = client_context(token.credential(chain=[pki.intermediate]), [pki.root])
    with openssl_server(pki, version) as port:
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=20)
        connection.request("GET", "/")
        assert "899700735741" in connection.getresponse().read().decode()
        connection.close()
    assert signatures_made(context) == 1


def test_the_key_wants_the_pin(token: Pkcs11Token) -> None:
    key = token.credential().private_key
    with pytest.raises(PinRequiredError):
        key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    token.login(Secret(PIN))
    assert key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())


def test_a_wrong_pin_is_sent_once(token: Pkcs11Token) -> None:
    with pytest.raises(PinWrongError) as caught:
        token.login(Secret("9137"))
    assert "9137" not in caught.value.message
    with pytest.raises(PinRefusedError, match="not sent again"):
        token.login(Secret(PIN))
    with pytest.raises(PinRequiredError):
        token.credential().private_key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())


def test_leaving_the_token_logs_out(soft: Path) -> None:
    with open_token(soft, label=TOKEN) as first:
        first.login(Secret(PIN))
    with open_token(soft, label=TOKEN) as second, pytest.raises(PinRequiredError):
        second.credential().private_key.sign(b"data", padding.PKCS1v15(), hashes.SHA256())
    with pytest.raises(CardError, match="closed"):
        first.certificates()


def test_tokens_are_chosen_by_label_or_serial(soft: Path, token: Pkcs11Token) -> None:
    with open_token(soft, serial=token.serial) as found:
        assert found.label == TOKEN
    with pytest.raises(UsageError, match=r"several tokens fit: .*EMPTY"):
        open_token(soft)
    with pytest.raises(UsageError, match="no token fits"):
        open_token(soft, label="nothing")


def test_certificates_are_chosen_by_label_id_or_usage(token: Pkcs11Token, pki: Pki) -> None:
    assert token.credential(key_id=b"\xe8\x20").certificate == pki.client
    assert token.credential(label="Certificat d'Authentification").certificate == pki.client
    for wrong in ({"purpose": "signature"}, {"label": "?"}, {"key_id": b"?"}):
        with pytest.raises(UsageError, match="no certificate"):
            token.credential(**wrong)  # type: ignore[arg-type]


# -- modules that are none -----------------------------------------------------------------


def test_a_module_that_is_absent_or_no_module_is_named(tmp_path: Path) -> None:
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    with pytest.raises(UsageError, match="no PKCS#11 module"):
        open_token(tmp_path / "nothing.so")
    (tmp_path / "noise.so").write_text("noise")
    with pytest.raises(CardUnsupportedError, match="can't be loaded"):
        open_token(tmp_path / "noise.so")


def test_without_python_pkcs11_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pkcs11", None)
    with pytest.raises(CardUnsupportedError) as caught:
        open_token(Path("/usr/lib/module.so"))
    assert "extra pkcs11" in caught.value.advice


# -- counters, which SoftHSM2 doesn't have ---------------------------------------------------


class CountingSlot:
    """A slot whose token counts tries as the official module shows them (card.md §5)."""

    def __init__(
        self, left: int, *, keypad: bool = False, mechanisms: tuple[str, ...] = ()
    ) -> None:
        self.left, self.keypad, self.logins = left, keypad, 0
        self.mechanisms = mechanisms
        self.failure: Exception | None = None

    def get_mechanisms(self) -> list[Any]:
        from pkcs11 import Mechanism

        return [Mechanism[name] for name in self.mechanisms]

    def get_token(self) -> Any:
        from pkcs11 import TokenFlag

        flags = TokenFlag.TOKEN_INITIALIZED
        for reached, flag in (
            (self.left == 0, TokenFlag.USER_PIN_LOCKED),
            (self.left == 1, TokenFlag.USER_PIN_FINAL_TRY),
            (self.left < 3, TokenFlag.USER_PIN_COUNT_LOW),
            (self.keypad, TokenFlag.PROTECTED_AUTHENTICATION_PATH),
        ):
            flags |= flag if reached else TokenFlag(0)
        return SimpleNamespace(label="Counting", serial=b"1", flags=flags, open=self.open)

    def open(self, user_pin: Any = None) -> Any:
        import pkcs11

        if self.failure:
            raise self.failure
        if user_pin is not None:
            self.logins += 1
            if user_pin not in (PIN, pkcs11.PROTECTED_AUTH):
                self.left -= 1
                raise pkcs11.PinIncorrect if self.left else pkcs11.PinLocked
        return SimpleNamespace(close=lambda: None)


@pytest.fixture
def pkcs11() -> Any:
    return pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")


@pytest.mark.usefixtures("pkcs11")
def test_the_last_try_is_not_used_unless_asked() -> None:
    slot = CountingSlot(1)
    with Pkcs11Token(slot) as token:
        with pytest.raises(PinRefusedError, match="single PIN try"):
            token.login(Secret(PIN))
        assert slot.logins == 0
        token.login(Secret(PIN), use_last_try=True)
    assert slot.logins == 1


@pytest.mark.usefixtures("pkcs11")
def test_a_blocked_pin_is_not_sent() -> None:
    slot = CountingSlot(0)
    with Pkcs11Token(slot) as token, pytest.raises(PinBlockedError):
        token.login(Secret(PIN), use_last_try=True)
    assert slot.logins == 0


@pytest.mark.usefixtures("pkcs11")
@pytest.mark.parametrize(("left", "told"), [(3, None), (2, 1)])
def test_a_wrong_pin_tells_what_the_token_tells(left: int, told: int | None) -> None:
    with Pkcs11Token(CountingSlot(left)) as token, pytest.raises(PinWrongError) as caught:
        token.login(Secret("9999"))
    assert caught.value.tries_left == told


@pytest.mark.usefixtures("pkcs11")
def test_the_last_wrong_pin_blocks() -> None:
    with Pkcs11Token(CountingSlot(1)) as token, pytest.raises(PinBlockedError):
        token.login(Secret("9999"), use_last_try=True)


@pytest.mark.usefixtures("pkcs11")
def test_a_keypad_asks_for_the_pin_itself() -> None:
    slot = CountingSlot(3, keypad=True)
    with Pkcs11Token(slot) as token:
        token.login()
    assert slot.logins == 1
    with Pkcs11Token(CountingSlot(3)) as token, pytest.raises(UsageError, match="no keypad"):
        token.login()


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("TokenNotPresent", CardRemovedError),
        ("PinLenRange", PinFormatError),
        ("DeviceError", CardError),
    ],
)
def test_failures_of_the_module_are_ours(pkcs11: Any, name: str, error: type[IgcError]) -> None:
    slot = CountingSlot(3)
    with Pkcs11Token(slot) as token:
        slot.failure = getattr(pkcs11, name)()
        with pytest.raises(error):
            token.login(Secret(PIN))


@pytest.mark.usefixtures("pkcs11")
@pytest.mark.parametrize(
    ("mechanisms", "schemes"),
    [
        (("RSA_PKCS", "SHA256_RSA_PKCS"), {"PKCS1_SHA256", "PKCS1_SHA384", "PKCS1_SHA512"}),
        (("RSA_PKCS_PSS", "SHA1_RSA_PKCS_PSS", "SHA256_RSA_PKCS_PSS"), {"PSS_SHA256"}),
        (("RSA_PKCS_PSS",), {"PSS_SHA256", "PSS_SHA384", "PSS_SHA512"}),
        (("SHA256_RSA_PKCS_PSS", "RSA_X_509"), set()),
    ],
)
def test_schemes_are_those_of_the_mechanisms(mechanisms: Any, schemes: set[str]) -> None:
    with Pkcs11Token(CountingSlot(3, mechanisms=mechanisms)) as token:
        assert {scheme.name for scheme in token.schemes()} == schemes


def test_no_token_is_said_plainly(
    pkcs11: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "module.so").touch()
    empty = SimpleNamespace(get_slots=lambda token_present: [])
    monkeypatch.setattr(pkcs11, "lib", lambda _: empty)
    with pytest.raises(CardAbsentError, match="no token is present"):
        open_token(tmp_path / "module.so")
