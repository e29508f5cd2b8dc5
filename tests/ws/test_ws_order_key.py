"""Keys made elsewhere, in a token, or by the platform: what is written, kept, and given back."""

from __future__ import annotations

import stat
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from fake_platform import AT, FakePlatform
from test_ws_enrolment import CODE, WANTED, IssuingPlatform

from igcsante import files
from igcsante.certs.export import certificate_der, pkcs12_bytes
from igcsante.certs.requests import build_csr, csr_pem, new_key
from igcsante.credentials import SOFTWARE_SCHEMES, ExternalRsaKey, cryptography_padding
from igcsante.errors import (
    CardError,
    PlatformRefusedError,
    StorageError,
    UnreadableError,
    UsageError,
)
from igcsante.secret import Secret
from igcsante.testing.platform.pkcs12 import platform_pkcs12
from igcsante.ws.model import Offre, Usage, WithdrawnProduct
from igcsante.ws.orders import delivered
from igcsante.ws.orders.enrolment import Delivery, prepare, retrieve, submit
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.order_key import GivenRequest, NewKey, PlatformKey, TokenKey
from igcsante.ws.orders.restore import restorable, restore

KEY = new_key()
PASSWORD = Secret("un mot de passe")


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "data" / "journal.sqlite") as journal:
        yield journal


class KeyMakingPlatform(FakePlatform):
    """Makes the key itself, as the real one does, and delivers it in its PKCS#12."""

    def __init__(self) -> None:
        super().__init__(b"")
        issuing = IssuingPlatform()
        issuing.issue(KEY.public_key())
        self.certificate = issuing.certificate
        self.holds = KEY

    def order_product(self, request):
        self.password = request.key_password
        assert request.csr is None
        return super().order_product(request)

    def withdraw_product(self, withdrawal):
        if withdrawal.key_password != self.password:
            raise PlatformRefusedError("wrong password", fault="MOCK-F14", field="key_password")
        super().withdraw_product(withdrawal)
        leaf = x509.load_der_x509_certificate(self.certificate)
        p12 = platform_pkcs12(self.holds, leaf, [], withdrawal.key_password.text())
        self.delivered = p12
        return WithdrawnProduct("x.p12", "application/x-pkcs12", p12, self.certificate)


def order(platform, journal, folder, source, **options):
    return submit(prepare(folder, source, **WANTED), platform, journal, at=AT, **options)


def withdraw(entry, platform, journal, **options):
    return retrieve(entry, platform, journal, Delivery(CODE, accepted=True, **options), at=AT)


def names(folder: Path) -> set[str]:
    return {path.name.split(".", 1)[1] for path in folder.iterdir()}


@pytest.mark.parametrize(
    "given", [csr_pem(build_csr(KEY, "x")), build_csr(KEY, "x").public_bytes(Encoding.DER)]
)
def test_given_request_is_kept_and_its_certificate_written(tmp_path, journal, given):
    platform, out = IssuingPlatform(), tmp_path / "out"
    entry = order(platform, journal, out, GivenRequest(given))
    assert (entry.key_mode, entry.key_path) == ("request", "")
    assert names(out) == {"csr.pem"}
    assert stat.S_IMODE(next(out.iterdir()).stat().st_mode) == 0o600
    issued = withdraw(entry, platform, journal)
    assert issued.certificate.public_key() == KEY.public_key()
    assert set(issued.files) == {"certificate", "certificate_der", "chain"}


def test_certificate_of_another_key_than_the_requests_is_kept_and_told(tmp_path, journal):
    platform = IssuingPlatform()
    platform.certified = new_key().public_key()
    entry = order(platform, journal, tmp_path / "out", GivenRequest(csr_pem(build_csr(KEY, "x"))))
    with pytest.raises(StorageError, match="not that of the certificate"):
        withdraw(entry, platform, journal)
    assert names(tmp_path / "out") == {"csr.pem", "cert.pem"}


def test_refused_order_leaves_no_request(tmp_path, journal):
    platform = IssuingPlatform()
    platform.error, platform.works = PlatformRefusedError("no", fault="F"), False
    with pytest.raises(PlatformRefusedError):
        order(platform, journal, tmp_path / "out", GivenRequest(csr_pem(build_csr(KEY, "x"))))
    assert list((tmp_path / "out").iterdir()) == []


class Token:
    """Signs with KEY, and counts."""

    schemes = SOFTWARE_SCHEMES

    def __init__(self) -> None:
        self.signatures = 0

    def sign_digest(self, digest, scheme):
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

        from igcsante.credentials import hash_algorithm

        self.signatures += 1
        hashed = Prehashed(hash_algorithm(scheme))
        return KEY.sign(digest, cryptography_padding(scheme), hashed)

    def decipher(self, ciphertext):
        raise AssertionError


def test_key_in_a_token_signs_its_request_once(tmp_path, journal):
    platform, token = IssuingPlatform(), Token()
    source = TokenKey(ExternalRsaKey(KEY.public_key(), token))
    entry = order(platform, journal, tmp_path / "out", source)
    assert entry.key_mode == "token" and token.signatures == 1
    issued = withdraw(entry, platform, journal)
    assert issued.certificate.public_key() == KEY.public_key()
    assert set(issued.files) == {"certificate", "certificate_der", "chain"}


def test_token_that_fails_stops_before_the_order(tmp_path, journal):
    class Broken(Token):
        def sign_digest(self, digest, scheme):
            raise CardError("the token failed")

    with pytest.raises(CardError, match="the token failed"):
        prepare(tmp_path, TokenKey(ExternalRsaKey(KEY.public_key(), Broken())), **WANTED)


def test_key_in_a_token_of_a_size_that_is_not_accepted_stops_before_the_order(tmp_path):
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505
    with pytest.raises(UsageError, match=r"the token's key: .* 2048, 3072, 4096 bits"):
        prepare(tmp_path, TokenKey(short), **WANTED)


def test_platforms_key_is_delivered_as_it_came(tmp_path, journal):
    platform, out = KeyMakingPlatform(), tmp_path / "out"
    entry = order(platform, journal, out, PlatformKey(PASSWORD))
    assert (entry.key_mode, entry.key_path) == ("platform", "")
    issued = withdraw(entry, platform, journal, p12_password=PASSWORD)
    assert set(issued.files) == {"certificate", "certificate_der", "chain", "pkcs12"}
    assert names(out) == {"cert.pem", "cert.der", "chain.pem", "p12"}
    assert stat.S_IMODE(issued.files["pkcs12"].stat().st_mode) == 0o600


def test_platforms_key_is_not_withdrawn_without_its_password(tmp_path, journal):
    platform = KeyMakingPlatform()
    entry = order(platform, journal, tmp_path / "out", PlatformKey(PASSWORD))
    with pytest.raises(UsageError, match="wants the password") as caught:
        withdraw(entry, platform, journal)
    assert caught.value.fields["field"] == "key_password"
    with pytest.raises(PlatformRefusedError):
        withdraw(entry, platform, journal, p12_password=Secret("un autre mot"))
    assert journal.get(str(entry.id)).state is OrderState.ORDERED


def test_platforms_pkcs12_with_another_key_is_kept_and_told(tmp_path, journal):
    platform = KeyMakingPlatform()
    platform.holds = new_key()
    entry = order(platform, journal, tmp_path / "out", PlatformKey(PASSWORD))
    with pytest.raises(StorageError, match="not that of the certificate"):
        withdraw(entry, platform, journal, p12_password=PASSWORD)
    assert names(tmp_path / "out") == {"p12", "cert.pem"}


def test_platforms_certificate_is_restored_around_its_pkcs12(tmp_path, journal, monkeypatch):
    """Killed between the PKCS#12, which is written first, and the other files."""
    platform = KeyMakingPlatform()
    entry = order(platform, journal, tmp_path / "out", PlatformKey(PASSWORD))

    class Killed(BaseException):
        pass

    def killed(self, product):
        (tmp_path / "out").mkdir()
        path = tmp_path / "out" / f"{self.stem}.p12"
        path.write_bytes(product.content)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(delivered.Keeper, "save", killed)
        withdraw(entry, platform, journal, p12_password=PASSWORD)
    entry = journal.get(str(entry.id))
    assert restorable(entry, journal)
    for password, error in ((None, UsageError), (Secret("un autre mot"), UnreadableError)):
        with pytest.raises(error):
            restore(entry, journal, at=AT, p12_password=password)
    issued = restore(entry, journal, at=AT, p12_password=PASSWORD)
    assert set(issued.files) == {"certificate", "certificate_der", "chain", "pkcs12"}
    assert names(tmp_path / "out") == {"cert.pem", "cert.der", "chain.pem", "p12"}


def test_platforms_pkcs12_is_the_first_file_written(tmp_path, journal, monkeypatch):
    platform = KeyMakingPlatform()
    entry = order(platform, journal, tmp_path / "out", PlatformKey(PASSWORD))
    written = []
    real = files.write_atomic
    monkeypatch.setattr(
        files, "write_atomic", lambda path, data: (written.append(path.suffix), real(path, data))
    )
    withdraw(entry, platform, journal, p12_password=PASSWORD)
    assert written[0] == ".p12"


def on_a_full_disk(tmp_path, journal, monkeypatch, *, room_in=(), temporary=None):
    """The error of a withdrawal whose key the platform made, with room in some folders only."""
    platform = KeyMakingPlatform()
    entry = order(platform, journal, tmp_path / "out", PlatformKey(PASSWORD))
    real = files.write_atomic

    def full(target, *args, **options):
        if getattr(target, "parent", None) not in room_in:
            raise StorageError("No space left on device")
        real(target, *args, **options)

    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setattr(delivered.tempfile, "gettempdir", temporary or (lambda: tmp_path / "tmp"))
    monkeypatch.setattr(delivered, "write_bundle", full)
    monkeypatch.setattr(delivered, "write_atomic", full)
    with pytest.raises(StorageError, match="could not be written") as caught:
        withdraw(entry, platform, journal, p12_password=PASSWORD)
    return platform, journal.get(str(entry.id)), caught.value


@pytest.mark.parametrize("where", ["data", "tmp"])
def test_full_disk_sends_the_platforms_pkcs12_to_another_one(tmp_path, journal, monkeypatch, where):
    with monkeypatch.context() as patch:
        _, entry, error = on_a_full_disk(tmp_path, journal, patch, room_in=(tmp_path / where,))
    (rescued,) = (tmp_path / where).glob("*.p12")
    assert str(rescued) in error.message and rescued.stat().st_mode & 0o777 == 0o600
    expected = next(word for word in error.advice.replace(",", "").split() if word.endswith(".p12"))
    assert f"igc retrieve {entry.id}" in error.advice

    Path(expected).parent.mkdir(exist_ok=True)
    rescued.rename(expected)  # as the advice says
    assert restorable(entry, journal)
    issued = restore(entry, journal, at=AT, p12_password=PASSWORD)
    assert set(issued.files) == {"certificate", "certificate_der", "chain", "pkcs12"}


@pytest.mark.parametrize("room", [(), ("data",)])
def test_private_key_of_the_platform_is_never_shown(tmp_path, journal, monkeypatch, room):
    folders = [tmp_path / name for name in room]
    platform, _, error = on_a_full_disk(tmp_path, journal, monkeypatch, room_in=folders)
    shown = "".join(f"{error} {error.advice} {error.to_dict()}".split())
    content = platform.delivered
    for text in (b64encode(content).decode(), content.hex(), repr(content)):
        assert text[100:200] not in shown
    assert "PKCS12-----" not in shown and PASSWORD.text() not in shown


def no_folder() -> str:
    raise FileNotFoundError("No usable temporary directory found")


@pytest.mark.parametrize("temporary", [None, no_folder])
def test_key_that_no_disk_took_is_said_to_be_lost(tmp_path, journal, monkeypatch, temporary):
    _, entry, error = on_a_full_disk(tmp_path, journal, monkeypatch, temporary=temporary)
    assert "the key that came with it is lost" in error.message
    assert f"igc retrieve {entry.id} --again" in error.advice
    assert not restorable(entry, journal)


def test_new_key_asks_for_its_hosts_too():
    request = x509.load_pem_x509_csr(NewKey().order_key("a.fr", ("a.fr", "b.fr")).csr)
    found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert found.get_values_for_type(x509.DNSName) == ["a.fr", "b.fr"]


@pytest.mark.parametrize("password", [Secret(""), Secret("a\nb"), Secret(b"\xff")])
def test_password_that_cannot_be_sent_is_told_before(tmp_path, password):
    with pytest.raises(UsageError):
        prepare(tmp_path, PlatformKey(password), **WANTED)


def test_wrong_field_is_told_before_a_key_is_made(tmp_path):
    class Never:
        def order_key(self, common_name, dns_names=()):
            raise AssertionError("no key may be made")

    wrong = {**WANTED, "offre": Offre.SERV, "usage": Usage.AUTH_CLI}
    with pytest.raises(UsageError, match="usage"):
        prepare(tmp_path, Never(), **wrong)


def test_given_request_is_read_before_anything_is_asked(tmp_path):
    with pytest.raises(UnreadableError, match=r"my\.csr is no certificate request"):
        prepare(tmp_path, GivenRequest(b"noise", "my.csr"), **WANTED)


def test_given_reference_names_the_order_and_its_files(tmp_path, journal):
    platform = IssuingPlatform()
    wanted = {**WANTED, "client_reference": "ticket:4711"}
    first = submit(prepare(tmp_path, **wanted), platform, journal, at=AT)
    assert first.reference == "ticket:4711" and "ticket-4711" in first.key_path
    again = submit(prepare(tmp_path, **wanted), platform, journal, at=AT)
    assert again.key_path == first.key_path and len(platform.products) == 1
    assert {str(path) for path in tmp_path.glob("*.key.pem")} == {first.key_path}


def test_modern_pkcs12_of_a_platform_is_read_as_well(tmp_path, journal):
    platform = KeyMakingPlatform()
    entry = order(platform, journal, tmp_path / "out", PlatformKey(PASSWORD))
    leaf = x509.load_der_x509_certificate(platform.certificate)
    content = pkcs12_bytes("x", KEY, leaf, (), PASSWORD)
    product = WithdrawnProduct("x", "y", content, certificate_der(leaf))
    keeper = delivered.keeper_of(entry, None, PASSWORD)
    keeper.save(product)
    assert keeper.trouble is None
    assert isinstance(keeper.public_key(product), rsa.RSAPublicKey)
