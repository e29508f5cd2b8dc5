"""Tokens of SoftHSM2, in a folder of their own: a PKCS#11 module that is not ours."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

MODULES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm2.so",
    "/opt/homebrew/lib/softhsm/libsofthsm2.so",
)
PIN, SO_PIN = "1234", "12345678"
TOOL_SECONDS = 60


def module() -> Path:
    """The module; skips the test where SoftHSM2 or python-pkcs11 isn't installed."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed")
    found = next((Path(name) for name in MODULES if Path(name).is_file()), None)
    if found is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM2 is not installed: apt install softhsm2")
    return found


class SoftTokens:
    """Token storage in ``directory``; ``environment`` is what the module needs to find it."""

    def __init__(self, directory: Path) -> None:
        storage = directory / "tokens"
        storage.mkdir(parents=True)
        configuration = directory / "softhsm2.conf"
        configuration.write_text(f"directories.tokendir = {storage}\nlog.level = ERROR\n")
        self._directory = directory
        self.environment = {"SOFTHSM2_CONF": str(configuration)}

    def make(self, label: str) -> None:
        """A new token with the PIN ``PIN``."""
        self._util("--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", SO_PIN)

    def store(
        self,
        token: str,
        label: str,
        identifier: str,
        key: rsa.RSAPrivateKey,
        certificate: x509.Certificate,
    ) -> None:
        """A private key and its certificate; ``identifier`` is CKA_ID in hexadecimal."""
        pem = self._directory / "key.pem"
        pem.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        where = ("--token", token, "--label", label, "--id", identifier, "--pin", PIN)
        self._util("--import", str(pem), *where)
        pem.unlink()
        der = self._directory / "certificate.der"
        der.write_bytes(certificate.public_bytes(Encoding.DER))
        tool = ["pkcs11-tool", "--module", str(module()), "--token-label", token, "--login"]
        tool += ["--pin", PIN, "--write-object", str(der), "--type", "cert"]
        self._run([*tool, "--id", identifier, "--label", label])

    def _util(self, *arguments: str) -> None:
        self._run(["softhsm2-util", "--module", str(module()), *arguments])

    def _run(self, command: list[str]) -> None:
        done = subprocess.run(
            command,
            env={**os.environ, **self.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS,
        )
        assert done.returncode == 0, done.stdout + done.stderr
