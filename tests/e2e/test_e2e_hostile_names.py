"""What a certificate or a file is called can't forge an answer, nor speak to the terminal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from e2e_support import igc

HOSTILE = "evil\x1b[31mRED\x1b]0;title\x07\nGOOD  forged.pem \u202ekcab"


def self_signed(common_name: str) -> x509.Certificate:
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


@pytest.mark.parametrize("command", ["check", "inspect", "trust"])
def test_hostile_names_stay_on_their_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    file, anchor = tmp_path / "x\nGOOD  innocent.pem", tmp_path / "anchor.pem"
    file.write_bytes(self_signed(HOSTILE).public_bytes(Encoding.PEM))
    anchor.write_bytes(self_signed("ANCHOR").public_bytes(Encoding.PEM))
    arguments: dict[str, tuple[str | Path, ...]] = {
        "check": ("--offline", "--anchors", anchor, file),
        "inspect": (file,),
        "trust": ("import", "--unpinned", file),
    }
    told = igc(command, *arguments[command])
    shown = told.out + told.err
    assert "evil" in shown
    assert not set(shown) & set("\x1b\x07\u202e")
    assert not [line for line in shown.splitlines() if line.startswith("GOOD")]
