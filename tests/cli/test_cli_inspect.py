"""``igc inspect``: every kind of file in words; what can't be read doesn't hide the rest."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs7,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_schemas import CommandLine

from igcsante.certs.export import certificate_pem, chain_pem, pkcs12_bytes
from igcsante.certs.inspect.advice import Basis, Level
from igcsante.certs.inspect.objects import parts_of
from igcsante.certs.inspect.words import EVERY_USE
from igcsante.certs.requests import build_csr, csr_pem, key_pem
from igcsante.cli import main
from igcsante.cli.schemas import schema
from igcsante.errors import UnreadableError
from igcsante.secret import Secret
from igcsante.testing.pki import SimulatedPki
from igcsante.testing.pki.leaves import PersonName, SoftwareSubject, StructureName
from igcsante.testing.pki.simulated import new_key

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = ("--at", "2026-11-23T12:00:00Z")
PASSWORD = "mot de passe très secret"
STRUCTURE = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")
PERSON = PersonName("Médecin", "CAMILLE", "SIMULATION", "899700990031")

PKI = SimulatedPki.create(at=NOW, base_url="http://pki.example")
KEY = new_key()
CLIENT = PKI.issue_software(
    offre="ORG",
    usage="AUTH_CLI",
    subject=SoftwareSubject("INSI-AUTO", STRUCTURE),
    public_key=KEY.public_key(),
    at=NOW,
)
DOCTOR = PKI.issue_software(
    offre="PS",
    usage="AUTH",
    subject=SoftwareSubject(person=PERSON, mail="a@b.example", profession_code=10),
    public_key=KEY.public_key(),
    at=NOW,
)
CHAIN = PKI.chain(CLIENT)
CSR = build_csr(KEY, "INSI-AUTO", organisation="CENTRE", dns_names=["a.example"])
CRL = PKI.crl("ACI-EL-ORG-TEST", NOW)
P12 = pkcs12_bytes("my service", KEY, CLIENT, CHAIN, Secret(PASSWORD))
P7B = pkcs7.serialize_certificates([CLIENT, *CHAIN], Encoding.DER)
SECRET_NUMBERS = KEY.private_numbers()

Run = Callable[..., tuple[str, str]]


@pytest.fixture
def igc(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> CommandLine:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P12", PASSWORD)
    monkeypatch.setenv("WRONG", "another one")
    return CommandLine(capsys)


@pytest.fixture
def shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """What is said on stdout and stderr, with spaces folded, after the exit code is checked."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("P12", PASSWORD)

    def run(*arguments: str | Path, code: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        assert main.run(["inspect", *map(str, arguments)]) == code
        told = capsys.readouterr()
        return " ".join(told.out.split()), " ".join(told.err.split())

    return run


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        path.chmod(0o600)
        return path

    return write


Write = Callable[[str, bytes], Path]

# -- certificates ----------------------------------------------------------------------------------


def test_an_organisation_s_certificate_in_words(shown: Run, file: Write) -> None:
    out, err = shown(file("c.pem", certificate_pem(CLIENT)), *AT)
    for text in (
        "What TEST software certificate for an organisation (offer ORG), usage AUTH_CLI",
        "Organisation CENTRE HOSPITALIER SIMULATION, Paris (75)",
        "Structure 10B0999003 (FINESS 0B0999003)",
        "Name (CN) INSI-AUTO",
        "Its CRL at http://pki.example/",
        "Its delta CRL at ldap://",
        "OCSP at http://pki.example/",
        "May be used to authenticate to a server, as a TLS client",
        "Not to be a TLS server; sign documents and e-mail; receive encrypted",
        "Note: a TEST certificate",
        "said to want this very CN (INSI-AUTO or INSI-MANU) [secondary]",
    ):
        assert text in out, text
    assert err == ""


def test_a_person_s_certificate_in_words(shown: Run, file: Write) -> None:
    out, _ = shown(file("d.pem", certificate_pem(DOCTOR)), *AT)
    for text in (
        "Holder CAMILLE SIMULATION, Médecin",
        "Identifier 899700990031 (RPPS 99700990031)",
        "Profession Médecin (10)",
        "Logon (UPN) a@b.example",
    ):
        assert text in out, text


def test_dates_and_world_are_judged_as_asked(igc: CommandLine, file: Write) -> None:
    path = file("c.pem", certificate_pem(CLIENT))
    later = (CLIENT.not_valid_after_utc + timedelta(days=1)).isoformat()
    (line,) = igc("inspect", path, "--at", later, "--world", "production")
    codes = {item["code"]: item["level"] for item in line["advice"]}
    assert codes["validity.expired"] == codes["world.other"] == "problem"
    (line,) = igc("inspect", path, *AT, "--world", "test")
    assert not {"validity.expired", "world.other", "world.test"} - {"world.test"} & {
        item["code"] for item in line["advice"]
    }
    assert (line["may"], line["part"]) == (["tls_client"], 1)
    assert line["key"] == "RSA 2048" and line["signature_hash"] == "sha256"


def test_closed_lists_are_those_of_the_code() -> None:
    definitions: Any = schema("igc.certificate/1")["$defs"]
    assert tuple(definitions["use"]["enum"]) == EVERY_USE
    advice = definitions["advice"]["properties"]
    assert set(advice["level"]["enum"]) == set(Level)
    assert set(advice["basis"]["enum"]) == {*Basis, None}


# -- other kinds -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER], ids=["PEM", "DER"])
def test_a_request(igc: CommandLine, shown: Run, file: Write, form: Encoding) -> None:
    path = file("r.csr", CSR.public_bytes(form))
    (line,) = igc("inspect", path)
    assert line["schema"] == "igc.inspect.request/1"
    assert line["subject"] == "O=CENTRE,CN=INSI-AUTO" and line["dns_names"] == ["a.example"]
    assert line["advice"] == []
    out, _ = shown(path)
    assert "certificate request (CSR)" in out and "Servers a.example" in out


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER], ids=["PEM", "DER"])
def test_a_revocation_list(igc: CommandLine, shown: Run, file: Write, form: Encoding) -> None:
    path = file("l.crl", x509.load_der_x509_crl(CRL).public_bytes(form))
    (line,) = igc("inspect", path, "--at", NOW.isoformat())
    assert line["schema"] == "igc.inspect.crl/1"
    assert (line["entries"], line["base_number"], line["advice"]) == (0, None, [])
    delta = file("d.crl", PKI.delta_crl("ACI-EL-ORG-TEST", NOW))
    (line,) = igc("inspect", delta, "--at", NOW.isoformat())
    assert line["base_number"]
    out, _ = shown(delta, "--at", (NOW + timedelta(days=60)).isoformat())
    assert "Kind delta, completes number" in out and "Problem: outdated since" in out


def test_a_pkcs7_bundle(igc: CommandLine, shown: Run, file: Write) -> None:
    path = file("chain.p7b", P7B)
    container, *inside = igc("inspect", path)
    assert (container["form"], container["certificates"]) == ("PKCS#7", 3)
    assert {line["schema"] for line in inside} == {"igc.certificate/1"}
    assert sum(line["authority"] for line in inside) == 2
    out, _ = shown(path)
    assert "chain.p7b, 1 of 4" in out and "PKCS#7 file, 3 certificates" in out


def test_a_pkcs12_with_its_password(igc: CommandLine, shown: Run, file: Write) -> None:
    path = file("c.p12", P12)
    container, key, *inside = igc("inspect", path, "--password-source", "env:P12")
    assert igc.code == 0
    assert container["opened"] and container["friendly_name"] == "my service"
    assert "encrypted with aes256_cbc, 100,000 iterations" in container["protection"]
    assert container["protection"].startswith("MAC sha256, ")
    assert (key["form"], key["key"]) == ("PKCS#12", "RSA 2048")
    assert len(inside) == 3 and inside[0]["public_key_sha256"] == key["public_key_sha256"]
    out, _ = shown(path, "--password-source", "env:P12")
    assert "RSA 2048 private key (PKCS#12)" in out and "Belongs to INSI-AUTO" in out


@pytest.mark.parametrize("password", [(), ("--password-source", "env:WRONG")])
def test_a_pkcs12_that_stays_closed(
    igc: CommandLine, file: Write, password: tuple[str, ...]
) -> None:
    path, good = file("c.p12", P12), file("c.pem", certificate_pem(CLIENT))
    container, refused, other = igc("inspect", path, good, *password)
    assert igc.code == 6
    assert not container["opened"] and container["certificates"] is None
    assert "100,000 iterations" in container["protection"]
    assert refused["schema"] == "igc.inspect.unreadable/1"
    assert "--password-source" in refused["error"]["advice"]
    assert other["schema"] == "igc.certificate/1", "the others are shown all the same"


EC_KEY = ec.generate_private_key(ec.SECP256R1())
LOCK = BestAvailableEncryption(b"x")
PKCS8, OLD = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL
KEYS = {
    "pkcs8.pem": (KEY.private_bytes(Encoding.PEM, PKCS8, NoEncryption()), "PKCS#8", "RSA 2048"),
    "pkcs8.der": (KEY.private_bytes(Encoding.DER, PKCS8, NoEncryption()), "PKCS#8", "RSA 2048"),
    "pkcs1.pem": (KEY.private_bytes(Encoding.PEM, OLD, NoEncryption()), "PKCS#1", "RSA 2048"),
    "pkcs1.der": (KEY.private_bytes(Encoding.DER, OLD, NoEncryption()), "PKCS#1", "RSA 2048"),
    "sec1.pem": (EC_KEY.private_bytes(Encoding.PEM, OLD, NoEncryption()), "SEC1", "EC secp256r1"),
    "sec1.der": (EC_KEY.private_bytes(Encoding.DER, OLD, NoEncryption()), "SEC1", "EC secp256r1"),
    "openssh": (
        KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()),
        "OpenSSH",
        "RSA 2048",
    ),
    "locked.pem": (KEY.private_bytes(Encoding.PEM, PKCS8, LOCK), "PKCS#8", ""),
    "locked.der": (KEY.private_bytes(Encoding.DER, PKCS8, LOCK), "PKCS#8", ""),
    "locked-pkcs1.pem": (KEY.private_bytes(Encoding.PEM, OLD, LOCK), "PKCS#1", ""),
}


@pytest.mark.parametrize("name", KEYS)
def test_of_a_private_key_only_its_kind_is_shown(
    igc: CommandLine, shown: Run, file: Write, name: str
) -> None:
    data, form, kind = KEYS[name]
    path = file(name, data)
    (line,) = igc("inspect", path)
    assert (line["form"], line["key"], line["encrypted"]) == (form, kind, not kind)
    assert line["advice"] == []
    out, err = shown(path)
    assert "private key" in out and "it is not shown" in out
    told = str(line) + out + err
    for number in (SECRET_NUMBERS.d, SECRET_NUMBERS.p, SECRET_NUMBERS.q):
        assert not any(text in told for text in (str(number), f"{number:x}", f"{number:X}"))
    for row in data.decode("latin-1").splitlines()[1:-1]:
        assert len(row) < 8 or row not in told


def test_a_key_that_others_may_read_is_a_problem(igc: CommandLine, file: Write) -> None:
    path = file("k.pem", key_pem(KEY))
    path.chmod(0o644)
    (line,) = igc("inspect", path)
    assert [item["code"] for item in line["advice"]] == ["key.readable"]


# -- files and folders ---------------------------------------------------------------------------


def test_a_bundle_of_many_things_is_shown_whole(igc: CommandLine, shown: Run, file: Write) -> None:
    broken = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    parts = [certificate_pem(CLIENT), broken, csr_pem(CSR), key_pem(KEY), chain_pem(CHAIN)]
    path = file("all.pem", b"text between\n".join(parts))
    told = igc("inspect", path)
    assert igc.code == 6
    assert [line["schema"].split("/")[0] for line in told] == [
        "igc.certificate",
        "igc.inspect.unreadable",
        "igc.inspect.request",
        "igc.inspect.key",
        "igc.certificate",
        "igc.certificate",
    ]
    out, err = shown(path, code=6)
    assert "all.pem, 1 of 6" in out and "Belongs to INSI-AUTO" in out
    assert err.startswith("Error: ") and str(path) in err


def test_a_block_without_its_end_doesn_t_hide_those_before(igc: CommandLine, file: Write) -> None:
    path = file("cut.pem", certificate_pem(CLIENT) + certificate_pem(DOCTOR)[:-30])
    first, second = igc("inspect", path)
    assert (first["common_name"], igc.code) == ("INSI-AUTO", 6)
    assert "has no end" in second["error"]["message"]


def test_a_folder_stands_for_its_files(igc: CommandLine, file: Write, tmp_path: Path) -> None:
    file("a.pem", certificate_pem(CLIENT))
    file("b.csr", csr_pem(CSR))
    file("c.crl", CRL)
    file("d.key", key_pem(KEY))
    file("e.p7b", P7B)
    file("f.txt", b"not looked at")
    file("g.cer", b"broken")
    told = igc("inspect", tmp_path)
    assert [Path(line["file"]).name for line in told] == [
        *("a.pem", "b.csr", "c.crl", "d.key"),
        *["e.p7b"] * 4,
        "g.cer",
    ]
    assert igc.code == 6
    (tmp_path / "empty").mkdir()
    (line,) = igc("inspect", tmp_path / "empty")
    assert (line["error"]["code"], igc.code) == ("certificate.unreadable", 6)
    (line,) = igc("inspect", tmp_path / "absent")
    assert (line["error"]["code"], igc.code) == ("usage", 2)


def test_standard_input(igc: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    for data, code in ((certificate_pem(CLIENT), 0), (b"", 6), (b"rubbish", 6)):
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        (line,) = igc("inspect", "-")
        assert (line["file"], igc.code) == ("standard input", code)


# -- what is nothing -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  \n",
        b"text",
        b"\x30",
        b"\x30\x80" * 50_000,
        b"\x30\x84\xff\xff\xff\xff" + bytes(100),
        b"\x30\x03\x02\x01\x00",
        b"\x30\x06\x02\x01\x03\x30\x01\x00",
        b"-----BEGIN PRIVATE KEY-----\n!!!\n-----END PRIVATE KEY-----\n",
        b"-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n-----END OPENSSH PRIVATE KEY-----\n",
        b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
        b"-----BEGIN PRIVATE KEY-----\n" + b"A" * 400_000 + b"\n-----END PRIVATE KEY-----\n",
    ],
)
def test_rubbish_is_told_as_such(data: bytes) -> None:
    try:
        parts = parts_of(data, source="rubbish")
    except UnreadableError as error:
        assert error.message.startswith("rubbish")
        return
    last = parts[-1].item
    assert isinstance(last, UnreadableError) and last.message.startswith("rubbish: ")


_SAMPLES = [
    certificate_pem(CLIENT),
    CLIENT.public_bytes(Encoding.DER),
    CSR.public_bytes(Encoding.DER),
    CRL,
    P7B,
    EC_KEY.private_bytes(Encoding.DER, OLD, NoEncryption()),
    key_pem(KEY) + certificate_pem(CLIENT),
]


@settings(max_examples=200)
@given(st.data())
def test_changed_octets_are_shown_or_refused(data: st.DataObject) -> None:
    from igcsante.cli.inspect_print import View

    octets = bytearray(data.draw(st.sampled_from(_SAMPLES)))
    for _ in range(data.draw(st.integers(1, 4))):
        octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    view = View(NOW)
    try:
        parts = parts_of(bytes(octets))
    except UnreadableError:
        return
    for part in parts:
        if isinstance(part.item, x509.Certificate):
            _shown_or_refused(view.certificate, part.item)
        elif isinstance(part.item, x509.CertificateSigningRequest):
            _shown_or_refused(view.request, part.item)
        elif not isinstance(part.item, UnreadableError):
            _shown_or_refused(lambda item: view.say("x", item, (item,), mode=None), part)


def _shown_or_refused(show: Callable[[Any], Any], item: Any) -> None:
    try:
        show(item)
    except UnreadableError:
        return
