"""A throw-away PKI, keys that only sign through a callback, and openssl's own TLS server."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from igcsante.credentials import (
    Credential,
    ExternalRsaKey,
    RsaScheme,
    cryptography_padding,
    hash_algorithm,
)

ONE_DAY = timedelta(days=1)


@dataclass
class SoftwareSigner:
    """Signs as a card would: digests only, certain schemes only, and counted."""

    key: rsa.RSAPrivateKey
    schemes: frozenset[RsaScheme]
    used: list[RsaScheme] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def sign_digest(self, digest: bytes, scheme: RsaScheme) -> bytes:
        self.used.append(scheme)
        self.before()
        return self.key.sign(
            digest, cryptography_padding(scheme), Prehashed(hash_algorithm(scheme))
        )

    def decipher(self, ciphertext: bytes) -> bytes:
        raise NotImplementedError


@dataclass(frozen=True)
class Pki:
    """Root → intermediate → client and server; ``stranger`` is a root of someone else."""

    directory: Path
    root: x509.Certificate
    intermediate: x509.Certificate
    client: x509.Certificate
    client_key: rsa.RSAPrivateKey
    stranger: x509.Certificate

    def external(self, *schemes: RsaScheme) -> tuple[Credential, SoftwareSigner]:
        """A credential whose key is only reachable through a signer."""
        signer = SoftwareSigner(self.client_key, frozenset(schemes))
        key = ExternalRsaKey(self.client_key.public_key(), signer)
        credential = Credential(self.client, key, (self.intermediate,), signer.schemes)
        return credential, signer


def make_pki(directory: Path) -> Pki:
    root_key, middle_key, client_key, server_key = (_key() for _ in range(4))
    root = _certificate("Root", root_key, None, None, authority=True)
    middle = _certificate("Intermediate", middle_key, root, root_key, authority=True)
    client = _certificate("899700735741", client_key, middle, middle_key)
    server = _certificate("localhost", server_key, middle, middle_key, server=True)
    stranger = _certificate("Stranger", root_key, None, None, authority=True)
    for name, certificate in {"root": root, "middle": middle, "server": server}.items():
        (directory / f"{name}.pem").write_bytes(
            certificate.public_bytes(serialization.Encoding.PEM)
        )
    (directory / "server.key").write_bytes(
        server_key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return Pki(directory, root, middle, client, client_key, stranger)


@contextlib.contextmanager
def openssl_server(pki: Pki, *options: str, plain: bool = False) -> Iterator[int]:
    """The port of an ``openssl s_server -www`` that wants a client certificate of ours.

    A ``plain`` one wants none.
    """
    here = pki.directory
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-verify_return_error"]
    command += ["-cert", here / "server.pem", "-key", here / "server.key"]
    command += ["-cert_chain", here / "middle.pem", "-CAfile", here / "root.pem"]
    with subprocess.Popen(
        [*command, *(() if plain else ("-Verify", "2")), *options],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if accepted := re.match(r"ACCEPT .*:(\d+)$", line):
                    yield int(accepted[1])
                    break
        finally:
            process.kill()


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def _certificate(
    common_name: str,
    key: rsa.RSAPrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: rsa.RSAPrivateKey | None,
    *,
    authority: bool = False,
    server: bool = False,
) -> x509.Certificate:
    now = datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    signing_key = issuer_key or key
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - ONE_DAY)
        .not_valid_after(now + ONE_DAY)
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key()),
            critical=False,
        )
        .add_extension(
            x509.KeyUsage(
                not authority, False, False, False, False, authority, authority, False, False
            ),
            critical=True,
        )
    )
    if not authority:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if server:
        names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signing_key, hashes.SHA256())
