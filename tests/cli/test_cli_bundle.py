"""``igc bundle``: made with the network, checked again without; its anchors prove nothing."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from test_cli_schemas import CommandLine

from igcsante.certs.anchors import TrustStore
from igcsante.certs.export import certificate_pem, chain_pem
from igcsante.certs.offline.archive import archive, members_of
from igcsante.certs.offline.bundle import Bundle, write
from igcsante.certs.policy import Requirement, load_policy
from igcsante.cli import main
from igcsante.testing.pki import SimulatedPki
from igcsante.testing.world import SimulatedWorld

Pem = Callable[..., Path]


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as running:
        (running.directory / "config.toml").write_text(running.profile_toml())
        yield running


@pytest.fixture
def igc(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    world: SimulatedWorld,
) -> CommandLine:
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IGC_CONFIG_DIR", str(world.directory))
    monkeypatch.chdir(tmp_path)
    return CommandLine(capsys)


@pytest.fixture
def pem(tmp_path: Path) -> Pem:
    def write(*certificates: x509.Certificate) -> Path:
        path = tmp_path / f"{certificates[0].serial_number:x}.pem"
        path.write_bytes(chain_pem(certificates))
        return path

    return write


def server(pki: SimulatedPki) -> x509.Certificate:
    return pki.issue_server(("a.example",), datetime.now(UTC)).certificate


def test_made_online_and_checked_without_a_network(
    igc: CommandLine, world: SimulatedWorld, pem: Pem, tmp_path: Path
) -> None:
    good, revoked = server(world.pki), server(world.pki)
    world.pki.revoke(revoked.serial_number, datetime.now(UTC))
    (made,) = igc("--profile", "sim", "bundle", "make", "out.zip", pem(good), pem(revoked))
    assert igc.code == 0
    assert [line["verdict"] for line in made["verdicts"]] == ["good", "revoked"]
    assert (made["policy"], made["shipped_policy"]) == ("default", True)
    assert len(made["anchors"]) == 1 and made["crls"] == 2
    assert stat.S_IMODE((tmp_path / "out.zip").stat().st_mode) == 0o600

    (found,) = igc("--profile", "sim", "bundle", "check", "out.zip")
    assert igc.code == 7
    assert found["believed"] and found["verdicts"] == made["verdicts"]
    assert found["sha256"] == made["sha256"]
    (again,) = igc("--profile", "sim", "bundle", "check", "out.zip", "--sha256", made["sha256"])
    assert again == found
    (refused,) = igc("--profile", "sim", "bundle", "check", "out.zip", "--sha256", "0" * 64)
    assert (refused["error"]["code"], igc.code) == ("certificate.invalid", 6)


def test_its_own_anchor_is_not_believed_unless_it_is_mine(
    igc: CommandLine, world: SimulatedWorld, pem: Pem, capsys: pytest.CaptureFixture[str]
) -> None:
    leaf = server(world.pki)
    roots = [pem(root) for root in world.pki.roots]
    right = pem(world.pki.chain(leaf)[-1])
    wrong = next(path for path in roots if path != right)
    igc("--profile", "sim", "bundle", "make", "out.zip", pem(leaf))
    (found,) = igc("bundle", "check", "out.zip")
    assert (found["believed"], igc.code) == (False, 6)
    assert found["unknown_anchors"] == found["anchors"]
    assert main.run(["bundle", "check", "out.zip"]) == 6
    told = capsys.readouterr()
    assert told.out.startswith("NOT BELIEVED (the bundle says good)")
    assert "only the bundle vouches for" in told.err

    (found,) = igc("bundle", "check", "out.zip", "--anchors", right)
    assert (found["believed"], igc.code) == (True, 0)
    (found,) = igc("--profile", "sim", "bundle", "check", "out.zip", "--anchors", wrong)
    assert (found["believed"], igc.code) == (False, 6), "--anchors replaces what is trusted"
    igc("trust", "import", "--unpinned", right)
    (found,) = igc("bundle", "check", "out.zip")
    assert (found["believed"], igc.code) == (True, 0)


def test_kept_lists_and_given_answers_serve_offline(
    igc: CommandLine, world: SimulatedWorld, pem: Pem, tmp_path: Path
) -> None:
    leaf, now = server(world.pki), datetime.now(UTC)
    for code in world.pki.authorities:
        (tmp_path / f"{code}.crl").write_bytes(world.pki.crl(code, now))
    make = ("--profile", "sim", "bundle", "make")
    (made,) = igc(*make, "none.zip", pem(leaf), "--offline")
    assert made["verdicts"][0]["verdict"] == "unknown"
    lists = [path for code in world.pki.authorities for path in ("--crl", tmp_path / f"{code}.crl")]
    (made,) = igc(*make, "given.zip", pem(leaf), "--offline", *lists)
    assert made["verdicts"][0]["verdict"] == "good"
    igc("--profile", "sim", "crl", "index", *(tmp_path / f"{c}.crl" for c in world.pki.authorities))
    (made,) = igc(*make, "kept.zip", pem(leaf), "--offline")
    assert (made["verdicts"][0]["verdict"], made["crls"]) == ("good", 2)


def test_a_policy_of_its_own_is_believed_only_when_it_is_given(
    igc: CommandLine, world: SimulatedWorld, pem: Pem, tmp_path: Path
) -> None:
    make = ("--profile", "sim", "bundle", "make")
    leaf = pem(server(world.pki))
    (made,) = igc(*make, "off.zip", leaf, "--offline", "--revocation", "off")
    assert (made["policy"], made["shipped_policy"]) == ("default+options", False)
    assert made["verdicts"][0]["verdict"] == "good"
    (found,) = igc("--profile", "sim", "bundle", "check", "off.zip")
    assert (found["policy"], found["policy_expected"]) == ("default+options", False)
    assert (found["believed"], igc.code) == (False, 6)
    (tmp_path / "mine.toml").write_bytes(members_of(Path("off.zip").read_bytes())["policy.toml"])
    (found,) = igc("--profile", "sim", "bundle", "check", "off.zip", "--policy", "mine.toml")
    assert (found["believed"], igc.code) == (True, 0)
    igc("--profile", "sim", "bundle", "check", "off.zip", "--policy", "default")
    assert igc.code == 6
    igc(*make, "plain.zip", leaf, "--offline")
    igc("--profile", "sim", "bundle", "check", "plain.zip", "--policy", "strict")
    assert igc.code == 6, "shipped, and not the one asked for"
    (made,) = igc(*make, "strict.zip", leaf, "--offline", "--policy", "strict")
    assert made["verdicts"][0]["verdict"] == "invalid", "not of production"
    (made,) = igc(*make, "usage.zip", leaf, "--offline", "--usage", "OCSPSigning")
    assert made["verdicts"][0]["reasons"][0]["code"] == "usage.purpose"


def test_authorities_in_the_same_file_complete_the_chain(
    igc: CommandLine, world: SimulatedWorld, pem: Pem
) -> None:
    leaf = server(world.pki)
    intermediate, root = world.pki.chain(leaf)
    anchors = ("--anchors", pem(root))
    make = ("bundle", "make", "whole.zip", pem(leaf, intermediate), "--offline", *anchors)
    (made,) = igc(*make, "--revocation", "off")
    assert [line["verdict"] for line in made["verdicts"]] == ["good"]
    (found,) = igc("bundle", "check", "whole.zip", *anchors)
    assert found["unknown_anchors"] == [] and found["verdicts"] == made["verdicts"]


def test_a_policy_under_the_name_of_a_shipped_one_is_refused(
    igc: CommandLine,
    world: SimulatedWorld,
    pem: Pem,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leaf = server(world.pki)
    store = TrustStore.from_certificates(world.pki.chain(leaf))
    lax = replace(load_policy("default").with_revocation(Requirement.OFF), name="strict")
    write(tmp_path / "lax.zip", Bundle(datetime.now(UTC), lax, (leaf,), store))
    check = ("--profile", "sim", "bundle", "check", "lax.zip")
    (found,) = igc(*check)
    assert (found["believed"], igc.code) == (False, 6)
    assert found["verdicts"][0]["verdict"] == "good"
    assert main.run([*check]) == 6
    told = capsys.readouterr()
    assert "its own, not one that is shipped" in told.out
    assert "under the name of the shipped one 'strict'" in told.err
    igc(*check, "--policy", "strict")
    assert igc.code == 6


def test_lists_that_were_given_twice_are_counted_once(
    igc: CommandLine, world: SimulatedWorld, pem: Pem, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    lists = []
    for code in world.pki.authorities:
        for name in ("once", "twice"):
            path = tmp_path / f"{code}.{name}.crl"
            path.write_bytes(world.pki.crl(code, now))
            lists += ["--crl", path]
    lists += lists[:2]
    make = ("--profile", "sim", "bundle", "make", "out.zip", pem(server(world.pki)), "--offline")
    (made,) = igc(*make, *lists)
    (found,) = igc("--profile", "sim", "bundle", "check", "out.zip")
    assert made["crls"] == found["crls"] and made["at"] == found["at"]


def test_a_changed_or_missing_bundle_is_told(
    igc: CommandLine, world: SimulatedWorld, pem: Pem, tmp_path: Path
) -> None:
    leaf = pem(server(world.pki))
    igc("--profile", "sim", "bundle", "make", "out.zip", leaf)
    (line,) = igc("--profile", "sim", "bundle", "make", "out.zip", leaf)
    assert (line["error"]["code"], igc.code) == ("storage", 1)
    data = (tmp_path / "out.zip").read_bytes()
    (tmp_path / "changed.zip").write_bytes(data.replace(b'"good"', b'"gone"'))
    (line,) = igc("bundle", "check", "changed.zip")
    assert (line["error"]["code"], igc.code) == ("certificate.unreadable", 6)
    assert "verdicts.json is not what its SHA-256 says" in line["error"]["message"] or (
        "it was changed" in line["error"]["message"]
    )
    (tmp_path / "cert.zip").write_bytes(certificate_pem(server(world.pki)))
    igc("bundle", "check", "cert.zip")
    assert igc.code == 6
    igc("bundle", "check", "absent.zip")
    assert igc.code == 2


def test_a_forged_verdict_is_shown_as_what_the_check_says_now(
    igc: CommandLine, world: SimulatedWorld, pem: Pem, tmp_path: Path
) -> None:
    import hashlib

    leaf = pem(server(world.pki))
    igc("--profile", "sim", "bundle", "make", "out.zip", leaf, "--offline")
    members = members_of((tmp_path / "out.zip").read_bytes())
    old = members["verdicts.json"]
    members["verdicts.json"] = old.replace(b'"unknown"', b'"good"')
    members["SHA256SUMS"] = members["SHA256SUMS"].replace(
        hashlib.sha256(old).hexdigest().encode(),
        hashlib.sha256(members["verdicts.json"]).hexdigest().encode(),
    )
    (tmp_path / "forged.zip").write_bytes(archive(members))
    (found,) = igc("--profile", "sim", "bundle", "check", "forged.zip")
    assert (found["believed"], igc.code) == (False, 6)
    assert found["verdicts"][0]["verdict"] == "unknown" and found["differences"]
