"""The Java example: stores from ``igc export``, used by a real Java for mutual TLS."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from igcsante.certs.export import chain_pem
from igcsante.testing.cards.material import KeyPair
from igcsante.testing.clock import utc_now
from igcsante.testing.pki import SoftwareSubject
from igcsante.testing.pki.leaves import StructureName
from igcsante.testing.pki.simulated import new_key, save_key_pair
from igcsante.testing.world import SimulatedWorld

IGC = str(Path(sys.executable).with_name("igc"))
HOSPITAL = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")
PASSWORD = "for-java-only"


needs_java = pytest.mark.skipif(
    not (shutil.which("java") and shutil.which("javac")), reason="no JDK is installed"
)


@needs_java
def test_a_java_client_is_known_by_the_exported_keystore(
    examples: Path,
    igc_world: SimulatedWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = new_key()
    at = utc_now() - timedelta(minutes=1)
    certificate = igc_world.pki.issue_software(
        offre="ORG",
        usage="AUTH_CLI",
        subject=SoftwareSubject("java-service", HOSPITAL),
        public_key=key.public_key(),
        at=at,
    )
    save_key_pair(tmp_path, "service", KeyPair(key, certificate))
    (tmp_path / "authorities.pem").write_bytes(chain_pem(igc_world.pki.chain(certificate)))
    monkeypatch.setenv("STORE_PASSWORD", PASSWORD)
    files = [tmp_path / name for name in ("service.pem", "service.key", "authorities.pem")]
    export = [IGC, "export", *files, "--as", "java", "--name", "client", "--out", tmp_path]
    done = run(*export, "--p12-password-source", "env:STORE_PASSWORD")
    assert done.returncode == 0, done.stderr
    options = done.stdout[done.stdout.index("# java @") :].replace("PASSWORD", PASSWORD)
    (tmp_path / "client.options").write_text(options)
    built = run("javac", "-Werror", "-Xlint", "-d", tmp_path, examples / "java/TlsClient.java")
    assert built.returncode == 0, built.stderr

    address = igc_world.endpoint.replace("127.0.0.1", "localhost") + "?wsdl"
    java = ("java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-cp", tmp_path)
    done = run(*java, f"@{tmp_path}/client.options", "TlsClient", address)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "CN=java-service" in lines["client"]
    assert "CN=localhost" in lines["server"]
    assert igc_world.server is not None
    assert igc_world.server.handshakes == 1

    trusting_others = run(*java, "TlsClient", address)
    assert trusting_others.returncode != 0
    assert "PKIX path building failed" in trusting_others.stderr
    assert igc_world.server.requests == 1


@needs_java
@pytest.mark.parametrize("address", [(), ("no address",), ("server.example",), ("http://a/",)])
def test_without_an_https_address_it_says_how_to_call_it(
    examples: Path, address: tuple[str, ...]
) -> None:
    done = run("java", "-Xshare:auto", examples / "java/TlsClient.java", *address)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: java @client.options TlsClient.java https://")
    assert len(done.stderr.splitlines()) == 1


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120)
