"""What OpenSSL says of a certificate of the simulated PKI, CRLs included."""

from __future__ import annotations

import subprocess
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.testing.pki import SimulatedPki


def pem_file(path: Path, *certificates: x509.Certificate) -> Path:
    path.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
    return path


def openssl_verify(
    folder: Path, pki: SimulatedPki, leaf: x509.Certificate, *, at: datetime
) -> subprocess.CompletedProcess[str]:
    crls = folder / "crls.pem"
    crls.write_bytes(
        b"".join(
            x509.load_der_x509_crl(pki.crl(code, at)).public_bytes(Encoding.PEM)
            for code in pki.authorities
        )
    )
    arguments = ["-attime", str(int(at.timestamp())), "-crl_check_all", "-x509_strict"]
    arguments += ["-CAfile", str(pem_file(folder / "roots.pem", *pki.roots))]
    arguments += ["-untrusted", str(pem_file(folder / "intermediates.pem", *pki.intermediates))]
    arguments += ["-CRLfile", str(crls), str(pem_file(folder / "leaf.pem", leaf))]
    return subprocess.run(["openssl", "verify", *arguments], capture_output=True, text=True)
