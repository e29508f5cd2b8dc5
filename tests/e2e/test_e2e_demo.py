"""The demo: every step of the main job, and files that openssl accepts."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from e2e_support import Machine, igc, insert, openssl

from igcsante.secret import Secret
from igcsante.testing import demo
from igcsante.testing.cards import SimulatedCard, SimulatedReader
from igcsante.testing.demo import main_job
from igcsante.testing.pki.hierarchy import HIERARCHY
from igcsante.testing.world import SimulatedWorld

STEPS = [
    *("simulation", "reader", "card", "holder", "tries", "pin", "tls", "habilitations", "key"),
    *("order", "retrieve", "files", "check", "revoke", "recheck", "signatures"),
]
GENERATIONS = [("cps3", "TLSv1.2"), ("cps4", "TLSv1.3")]


@pytest.fixture(scope="module", params=["cps3"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``igc demo --keep`` leaves."""
    folder = tmp_path_factory.mktemp("demo") / "kept"
    told = igc("demo", "--keep", folder, "--card", request.param)
    assert told.code == 0, told.err
    assert told.err.strip() == f"The files are in {folder}."
    assert len(told.out.splitlines()) == len(STEPS)
    return folder


@pytest.mark.parametrize(("generation", "version"), GENERATIONS)
def test_job_uses_the_card_once_for_pin_and_once_for_tls(
    world: SimulatedWorld, tmp_path: Path, generation: str, version: str
) -> None:
    held = insert(world, generation)
    assert world.server is not None
    handshakes = world.server.handshakes
    steps = list(main_job([held.reader], world.profile, Secret("1234"), tmp_path))
    assert [step.step for step in steps] == STEPS[1:]
    data = {step.step: step.data for step in steps}
    assert data["tls"] == {"version": version, "card_signatures": 1}
    assert data["card"]["card_number"] == held.card.profile.card_number
    assert data["holder"]["national_id"] == str(held.card.profile.national_id)
    assert data["signatures"] == {"card_signatures": 1}
    assert (held.pins_sent, held.signatures) == (1, 1)
    assert world.server.handshakes == handshakes + 1
    assert data["recheck"]["crl_number"] > data["check"]["crl_number"]
    for step in steps:
        assert step.title and step.text and "\n" not in step.text


@pytest.mark.parametrize(
    ("generation", "version"),
    [pytest.param(*GENERATIONS[0], marks=pytest.mark.long), GENERATIONS[1]],
)
def test_json_is_one_object_a_step(machine: Machine, generation: str, version: str) -> None:
    told = machine.igc("demo", "--card", generation, "--json", TMPDIR=str(machine.folder))
    assert (told.code, told.err) == (0, "")
    assert [line["step"] for line in told.lines] == STEPS
    assert all(line["ok"] is True for line in told.lines)
    assert {line["schema"] for line in told.lines} == {"igc.demo.step/1"}
    data = {line["step"]: line for line in told.lines}
    assert data["tls"]["version"] == version
    assert (data["check"]["verdict"], data["recheck"]["verdict"]) == ("good", "revoked")
    assert data["recheck"]["revoked_on"] == data["revoke"]["revoked_on"]
    assert list(machine.folder.iterdir()) == [], "nothing is left behind"


def test_kept_files_are_for_their_owner_only(kept: Path) -> None:
    for path in kept.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path
    suffixes = sorted(re.sub(r"^igcsante-demo-[0-9a-f]+", "", name.name) for name in kept.iterdir())
    assert suffixes == [
        ".cert.der", ".cert.pem", ".chain.pem", ".key.pem", ".p12",
        "ca", "crl", "crl-before-revocation", "journal.sqlite", "journal.sqlite.lock",
        "secrets.txt",
    ]  # fmt: skip


def test_openssl_finds_the_certificate_good_then_revoked(kept: Path, tmp_path: Path) -> None:
    leaf, chain = _one(kept, "cert.pem"), _one(kept, "chain.pem")
    root, issuer = kept / "ca" / "ACR-EL-TEST.pem", kept / "ca" / "ACI-EL-ORG-TEST.pem"
    trusted = ("verify", "-x509_strict", "-CAfile", root)
    assert openssl(*trusted, "-untrusted", chain, leaf).strip() == f"{leaf}: OK"
    for folder, revoked in (("crl-before-revocation", False), ("crl", True)):
        lists = tmp_path / f"{folder}.pem"
        sources = [kept / folder / f"{authority.stem}.crl" for authority in (root, issuer)]
        lists.write_text("".join(openssl("crl", "-inform", "DER", "-in", file) for file in sources))
        checked = (*trusted, "-crl_check_all", "-CRLfile", lists)
        told = openssl(*checked, "-untrusted", chain, leaf, fails=revoked)
        assert ("error 23 at 0 depth lookup: certificate revoked" in told) == revoked
        assert openssl(*checked, issuer).strip() == f"{issuer}: OK"


@pytest.mark.parametrize("folder", ["crl-before-revocation", "crl"])
def test_openssl_verifies_every_list_that_was_kept(kept: Path, folder: str) -> None:
    lists = sorted((kept / folder).iterdir())
    assert len(lists) == len(HIERARCHY)
    for crl in lists:
        authority = kept / "ca" / f"{crl.stem}.pem"
        told = openssl("crl", "-inform", "DER", "-in", crl, "-CAfile", authority, "-noout")
        assert "verify OK" in told


def test_openssl_reads_certificate_key_and_pkcs12(kept: Path) -> None:
    leaf, key, p12 = (_one(kept, suffix) for suffix in ("cert.pem", "key.pem", "p12"))
    fields = openssl("x509", "-in", leaf, "-noout", "-subject", "-ext", "extendedKeyUsage")
    assert "CN = igcsante-demo" in fields and "TLS Web Client Authentication" in fields
    public = openssl("x509", "-in", leaf, "-noout", "-pubkey")
    assert openssl("pkey", "-in", key, "-pubout") == public
    assert "RSA key ok" in openssl("rsa", "-in", key, "-check", "-noout")
    der = openssl("x509", "-inform", "DER", "-in", _one(kept, "cert.der"), "-noout", "-serial")
    assert der == openssl("x509", "-in", leaf, "-noout", "-serial")
    password = re.search(r"^PKCS#12 password: (.+)$", (kept / "secrets.txt").read_text(), re.M)
    assert password is not None
    opened = openssl("pkcs12", "-in", p12, "-noenc", "-passin", f"pass:{password[1]}")
    assert opened.count("BEGIN CERTIFICATE") == 3
    assert openssl("pkcs12", "-in", p12, "-passin", "pass:wrong", fails=True)
    contained = p12.with_suffix(".contained")
    contained.write_text(opened)
    assert openssl("pkey", "-in", contained, "-pubout") == public
    contained.unlink()


def test_folder_that_is_not_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    told = igc("demo", "--keep", tmp_path)
    assert (told.code, told.out) == (2, "")
    assert "not empty" in told.said and "--keep" in told.said
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_demo_that_fails_says_after_which_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def leaving(name: str, card: SimulatedCard) -> SimulatedReader:
        reader = SimulatedReader(name, card)
        reader.remove_at(29)
        return reader

    monkeypatch.setattr(demo, "SimulatedReader", leaving)
    told = igc("demo", "--json")
    assert told.code == 3
    assert (told.lines[-1]["step"], told.lines[-1]["after"]) == ("failed", "tries")
    assert told.lines[-1]["ok"] is False
    assert told.error["code"] == "card.removed"
    assert "the card was removed" in told.said and "insert it" in told.said


def _one(folder: Path, suffix: str) -> Path:
    (found,) = folder.glob(f"*.{suffix}")
    return found
