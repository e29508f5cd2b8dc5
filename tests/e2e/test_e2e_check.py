"""``igc check`` on the real certificates, on simulated ones, and on what is none at all."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from e2e_support import REPOSITORY, Machine, igc

from igcsante.certs.requests import new_key
from igcsante.testing.pki import SimulatedPki, SoftwareSubject, StructureName

CERTIFICATES = REPOSITORY.parent / "shared" / "certs"
JUNE, JULY = "2019-06-28T12:00:00Z", "2019-07-10"
SIBLINGS = ["dcc91494", "0f446d72", "1f96a77b", "95f920e1", "d4d97a29", "a78637e7", "7217bf03"]
MEGABYTE = 1024 * 1024


# -- real certificates ---------------------------------------------------------------------


@pytest.fixture
def real() -> Path:
    if not (CERTIFICATES / "MANIFEST.csv").is_file():
        pytest.skip("the folder of real certificates, ../shared/certs, is not there")
    return CERTIFICATES


def check_real(real: Path, at: str, pattern: str) -> tuple[int, dict]:
    (file,) = real.glob(pattern)
    arguments = ("--offline", "--at", at, "--anchors", real / "ca", "--crl", real / "crl")
    told = igc("check", "--json", *arguments, file)
    (line,) = told.lines
    return told.code, line


def test_real_revoked_leaf_is_revoked_with_its_date(real: Path) -> None:
    code, line = check_real(real, JUNE, "ee/*-742d8553.pem")
    assert (code, line["verdict"]) == (7, "revoked")
    assert line["revoked_on"].startswith("2019-06-14T")


@pytest.mark.parametrize("digest", SIBLINGS)
def test_its_real_siblings_are_good(real: Path, digest: str) -> None:
    code, line = check_real(real, JUNE, f"ee/*-{digest}.pem")
    assert (code, line["verdict"], line["reasons"]) == (0, "good", [])
    assert len(line["chain"]) == 3


def test_real_certificate_that_was_altered_is_invalid(real: Path) -> None:
    code, line = check_real(real, JUNE, "negative/*.pem")
    assert (code, line["verdict"]) == (6, "invalid")


def test_real_list_gets_stale(real: Path) -> None:
    code, line = check_real(real, JULY, f"ee/*-{SIBLINGS[0]}.pem")
    assert (code, line["verdict"]) == (9, "stale")


def test_whole_real_folder_has_the_worst_code_and_a_line_each(real: Path) -> None:
    arguments = ("--offline", "--at", JUNE, "--anchors", real / "ca", "--crl", real / "crl")
    told = igc("check", "--json", *arguments, real / "ee")
    assert told.code == 6, "certificates of other years are not valid"
    assert len(told.lines) == len(list((real / "ee").iterdir()))
    assert {line["verdict"] for line in told.lines} >= {"good", "revoked", "invalid"}


# -- the same on a simulated PKI -----------------------------------------------------------


class Papers:
    """A PKI's anchors, lists and three leaves as files: good, revoked, altered."""

    def __init__(self, folder: Path) -> None:
        self.now = datetime.now(UTC)
        self.folder = folder
        pki = SimulatedPki.create(at=self.now - timedelta(days=3), base_url="http://127.0.0.1:9")
        structure = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")
        good, revoked = (
            pki.issue_software(
                offre="ORG",
                usage="AUTH_CLI",
                subject=SoftwareSubject(name, structure),
                public_key=new_key().public_key(),
                at=self.now - timedelta(days=2),
            )
            for name in ("bon", "révoqué")
        )
        self.revoked_at = (self.now - timedelta(days=1)).replace(microsecond=0)
        pki.revoke(revoked.serial_number, self.revoked_at)
        altered = bytearray(good.public_bytes(Encoding.DER))
        altered[-1] ^= 1
        for code, authority in pki.authorities.items():
            self._write(f"ca/{code}.pem", authority.certificate.public_bytes(Encoding.PEM))
            self._write(f"crl/{code}.crl", pki.crl(code, self.now))
        self.good = self._write("good.pem", good.public_bytes(Encoding.PEM))
        self.revoked = self._write("revoked.der", revoked.public_bytes(Encoding.DER))
        self.altered = self._write("altered.cer", bytes(altered))

    def _write(self, name: str, data: bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return path

    def arguments(self, *, days: int = 0, crl: str = "crl") -> tuple[str | Path, ...]:
        at = (self.now + timedelta(days=days, seconds=1)).isoformat()
        lists = ("--crl", self.folder / crl) if crl else ()
        return ("--offline", "--json", "--at", at, "--anchors", self.folder / "ca", *lists)


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return Papers(tmp_path_factory.mktemp("papers"))


@pytest.mark.parametrize(
    ("name", "days", "crl", "code", "verdict"),
    [
        ("good", 0, "crl", 0, "good"),
        ("revoked", 0, "crl", 7, "revoked"),
        ("altered", 0, "crl", 6, "invalid"),
        ("good", 400, "crl", 9, "stale"),
        ("good", 0, "", 8, "unknown"),
        ("good", -1000, "crl", 6, "invalid"),
        ("good", 5000, "crl", 6, "invalid"),
        ("good", 0, "crl/ACI-EL-ORG-TEST.crl", 8, "unknown"),
    ],
)
def test_simulated_verdicts_have_the_same_codes(
    papers: Papers, name: str, days: int, crl: str, code: int, verdict: str
) -> None:
    told = igc("check", *papers.arguments(days=days, crl=crl), getattr(papers, name))
    (line,) = told.lines
    assert (told.code, line["verdict"], line["exit_code"]) == (code, verdict, code)
    assert bool(line["reasons"]) == (code != 0)
    if verdict == "revoked":
        assert datetime.fromisoformat(line["revoked_on"]) == papers.revoked_at


def test_several_files_give_the_worst_code(papers: Papers) -> None:
    told = igc("check", *papers.arguments(), papers.good, papers.revoked)
    assert (told.code, len(told.lines)) == (7, 2)
    told = igc("check", *papers.arguments(), papers.revoked, papers.altered, papers.good)
    assert (told.code, len(told.lines)) == (6, 3)


def test_without_an_anchor_nothing_is_valid(papers: Papers) -> None:
    told = igc("check", "--offline", "--json", "--crl", papers.folder / "crl", papers.good)
    assert (told.code, told.error["code"]) == (2, "usage")
    assert "igc trust import" in told.said and "--anchors" in told.said
    root = papers.folder / "ca" / "ACR-FO-TEST.pem"
    told = igc("check", *papers.arguments()[:4], "--anchors", root, papers.good)
    assert told.code == 6, "another root vouches for nothing"


# -- what is no certificate ----------------------------------------------------------------


@pytest.fixture(scope="module")
def rubbish(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rubbish")
    (folder / "empty").touch()
    (folder / "folder").mkdir()
    (folder / "text").write_text("ceci n'est pas un certificat\n")
    (folder / "binary").write_bytes(bytes(range(256)) * 64)
    (folder / "cut").write_text("-----BEGIN CERTIFICATE-----\nMIIB\n")
    (folder / "hollow").write_text("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n")
    (folder / "sequence").write_bytes(b"\x30\x84\xff\xff\xff\xff" + bytes(100))
    (folder / "nested").write_bytes(b"\x30\x80" * 50_000)
    for name, size in (("zeros", 100), ("huge", 300)):
        with (folder / name).open("wb") as stream:
            stream.truncate(size * MEGABYTE)  # sparse: takes no room
    noise = os.urandom(MEGABYTE)
    with (folder / "noise").open("wb") as stream:
        for _ in range(100):
            stream.write(noise)
    return folder


NONSENSE = ["empty", "text", "binary", "cut", "hollow", "sequence", "nested"]
LARGE = ["zeros", "noise", "huge"]


@pytest.mark.parametrize("name", NONSENSE + LARGE)
def test_rubbish_is_told_as_such(rubbish: Path, papers: Papers, name: str) -> None:
    told = igc("check", *papers.arguments(), rubbish / name, papers.good)
    assert told.code == 6
    unreadable, good = told.lines
    assert unreadable["ok"] is False
    assert unreadable["error"]["code"] == "certificate.unreadable"
    assert good["verdict"] == "good", "the others are checked all the same"
    plain = igc("inspect", rubbish / name)
    assert (plain.code, plain.out) == (6, "")
    assert plain.err.startswith("Error: ")


@pytest.mark.parametrize("name", ["empty", "text", "binary", "sequence", "noise"])
@pytest.mark.parametrize("option", ["--anchors", "--crl", "--untrusted"])
def test_rubbish_as_an_authority_or_list_is_told(
    rubbish: Path, papers: Papers, option: str, name: str
) -> None:
    told = igc("check", *papers.arguments(), option, rubbish / name, papers.good)
    assert told.code == 6
    assert told.error["code"] == "certificate.unreadable"
    assert name in told.said, "the file is named"


@pytest.mark.parametrize("option", ["", "--anchors", "--crl", "--untrusted"])
def test_missing_file_is_wrong_use(papers: Papers, option: str) -> None:
    words = (option, "missing.pem", papers.good) if option else ("missing.pem",)
    told = igc("check", *papers.arguments(), *words)
    assert told.code == 2
    assert "missing.pem" in told.out + told.said


@pytest.mark.parametrize("command", ["check", "inspect"])
def test_empty_folder_is_no_silent_success(rubbish: Path, papers: Papers, command: str) -> None:
    options = papers.arguments() if command == "check" else ()
    told = igc(command, *options, rubbish / "folder")
    assert told.code == 6
    assert "folder" in told.out + told.said


def test_noise_is_given_up_in_bounded_time_and_memory(
    rubbish: Path, papers: Papers, machine: Machine
) -> None:
    """With 1 GiB of address space, within the time that any command is given here."""
    script = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_AS, (2**30,) * 2)\n"
        "from igcsante.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    for name in LARGE:
        command = ("check", *papers.arguments(), rubbish / name)
        told = machine.run(sys.executable, "-c", script, *command)
        assert told.code == 6, told.err


def test_pem_with_much_around_it_is_read(papers: Papers, tmp_path: Path) -> None:
    file = tmp_path / "around.pem"
    text = papers.good.read_text()
    file.write_text("Bag Attributes\n" + "x" * MEGABYTE + "\n" + text + "fin\n")
    assert x509.load_pem_x509_certificate(text.encode())
    assert igc("check", *papers.arguments(), file).code == 0
