"""Makes a fleet of leaves under one CA, in a process of its own: ``FOLDER LEAVES``.

Root and CA have RSA-4096 keys as the ANS's do; leaves are laid out as observed (facts sheet
pki.md §3): one in two for software, the others for cards, with a card number and a user
principal name each. All are distinct, keys too. So that 100,000 signatures take seconds, a
CA's modulus is the product of sixteen primes (RFC 8017 §3.1): verifying costs the same. A
leaf's modulus is a random odd number, for nobody uses its key.
"""

from __future__ import annotations

import math
import random
import sys
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

from crl_maker import DAY, NOW, RSA_SHA256, crl, listed
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from igcsante.certs.x509 import der
from igcsante.testing.pki import extensions as ext

LISTED = 10_000  # entries of the CA's list
PRIMES, EXPONENT = 16, 65537
BITS, LEAF_BITS = 4096, 2048
URL = x509.UniformResourceIdentifier("http://crl.example/CRL/BENCH.crl")
DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")
THROWAWAY = rsa.generate_private_key(EXPONENT, 1024)  # noqa: S505 - replaced, as its signature is


@cache
def _inverse(number: int, modulus: int) -> int:
    return pow(number, -1, modulus)


@dataclass(frozen=True)
class MultiPrimeKey:
    """Signs PKCS#1 v1.5 with SHA-256, as :class:`rsa.RSAPrivateKey` does."""

    primes: tuple[int, ...]

    @property
    def modulus(self) -> int:
        return math.prod(self.primes)

    @cache  # noqa: B019 - there are two
    def public_key(self) -> rsa.RSAPublicKey:
        return rsa.RSAPublicNumbers(EXPONENT, self.modulus).public_key()

    def sign(self, data: bytes, *_: object) -> bytes:
        told = DIGEST_INFO + sha256(data).digest()
        size = BITS // 8
        number = int.from_bytes(b"\0\1" + b"\xff" * (size - len(told) - 3) + b"\0" + told)
        signature, product = 0, 1
        for prime in self.primes:
            root = pow(number % prime, _inverse(EXPONENT, prime - 1), prime)
            signature += product * ((root - signature) * _inverse(product, prime) % prime)
            product *= prime
        return signature.to_bytes(size)


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(count)  # noqa: S311 - the same fleet each time
    root_key, ca_key = new_key(chance), new_key(chance)
    root = authority("ROOT", root_key, "ROOT", root_key, 1)
    ca = authority("CA", ca_key, "ROOT", root_key, 2)
    for name, made in (("root", root), ("ca", ca)):
        (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "root.crl").write_bytes(crl(root, root_key, b""))
    _, entries = listed(LISTED, reasons=True)
    (folder / "ca.crl").write_bytes(crl(ca, ca_key, entries))
    for number in range(count):
        made = leaf(number, ca_key, chance)
        (folder / f"{number:06}.cer").write_bytes(made)
    (folder / "made").touch()


def new_key(chance: random.Random) -> MultiPrimeKey:
    while True:
        key = MultiPrimeKey(tuple(prime(chance) for _ in range(PRIMES)))
        if key.modulus.bit_length() == BITS and len(set(key.primes)) == PRIMES:
            return key


def prime(chance: random.Random) -> int:
    """Of 256 bits, the two highest set at least; fit for the exponent."""
    top = 0xFF << (BITS // PRIMES - 8)
    while True:
        number = chance.getrandbits(BITS // PRIMES) | top | 1
        if (number - 1) % EXPONENT and all(pow(base, number - 1, number) == 1 for base in (2, 3)):
            return number


def authority(
    subject: str, key: MultiPrimeKey, issuer: str, issuer_key: MultiPrimeKey, serial: int
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(NOW + 3000 * DAY)
        .add_extension(x509.BasicConstraints(True, None), critical=True)
        .add_extension(ext.key_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(ext.policies(x509.ObjectIdentifier("2.5.29.32.0")), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(authority_key(issuer_key), critical=False)
    )
    return x509.load_der_x509_certificate(signed(builder, issuer_key))


def leaf(number: int, ca_key: MultiPrimeKey, chance: random.Random) -> bytes:
    modulus = chance.getrandbits(LEAF_BITS) | 1 << (LEAF_BITS - 1) | 1
    public_key = rsa.RSAPublicNumbers(EXPONENT, modulus).public_key()
    serial = int.from_bytes(b"\x10" + ca_digest(ca_key)[:7] + chance.randbytes(8))
    made = NOW - timedelta(minutes=1 + number % (30 * 24 * 60))
    builder = (
        x509.CertificateBuilder()
        .subject_name(person(number) if number % 2 else service(number))
        .issuer_name(name("CA"))
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(made)
        .not_valid_after(made + 1095 * DAY)
        .add_extension(x509.BasicConstraints(False, None), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(authority_key(ca_key), critical=False)
        .add_extension(ext.key_usage("digital_signature"), critical=True)
        .add_extension(ext.policies(ext.TEST_POLICY), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(
            x509.CRLDistributionPoints([x509.DistributionPoint([URL], None, None, None)]), False
        )
        .add_extension(ext.freshest_crl([URL.value + "?delta"]), critical=False)
        .add_extension(access(), critical=False)
    )
    for extension in _of_a_card(number) if number % 2 else [ext.product_category(3)]:
        builder = builder.add_extension(extension, critical=False)
    return signed(builder, ca_key)


def _of_a_card(number: int) -> list[x509.ExtensionType]:
    upn = f"8{number:011}@carte-cps.gouv.fr"
    return [
        x509.SubjectAlternativeName([ext.upn_name(upn)]),
        ext.product_category(0),
        ext.card_type(0),
        ext.card_number(f"{number:010}"),
        ext.profession(10 + number % 20),
    ]


def access() -> x509.AuthorityInformationAccess:
    method = x509.oid.AuthorityInformationAccessOID.OCSP
    url = x509.UniformResourceIdentifier("http://ocsp.example/")
    return x509.AuthorityInformationAccess([x509.AccessDescription(method, url)])


def authority_key(key: MultiPrimeKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier(ca_digest(key), None, None)


@cache
def ca_digest(key: MultiPrimeKey) -> bytes:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key()).digest


attribute = x509.NameAttribute


def name(common_name: str) -> x509.Name:
    return x509.Name([attribute(NameOID.COMMON_NAME, f"BENCH {common_name}")])


def service(number: int) -> x509.Name:
    return x509.Name(
        [
            attribute(NameOID.COUNTRY_NAME, "FR"),
            attribute(NameOID.STATE_OR_PROVINCE_NAME, "Paris (75)"),
            attribute(NameOID.ORGANIZATION_NAME, "SIMULATION"),
            attribute(NameOID.ORGANIZATIONAL_UNIT_NAME, f"1{number:09}"),
            attribute(NameOID.COMMON_NAME, f"SERVICE {number}"),
        ]
    )


def person(number: int) -> x509.Name:
    parts = {
        NameOID.GIVEN_NAME: "SIMULATION",
        NameOID.COMMON_NAME: f"8{number:011}",
        NameOID.SURNAME: f"BENCH{number}",
    }
    names = [
        [attribute(NameOID.COUNTRY_NAME, "FR")],
        [attribute(NameOID.TITLE, "Médecin")],
        [attribute(oid, value) for oid, value in parts.items()],
    ]
    return x509.Name([x509.RelativeDistinguishedName(rdn) for rdn in names])


def signed(builder: x509.CertificateBuilder, key: MultiPrimeKey) -> bytes:
    to_be_signed = builder.sign(THROWAWAY, hashes.SHA256()).tbs_certificate_bytes
    signature = der.encoded(der.BIT_STRING, b"\0" + key.sign(to_be_signed))
    return der.encoded(der.SEQUENCE, to_be_signed + RSA_SHA256 + signature)


if __name__ == "__main__":
    main()
