"""Makes a PKI with one long CRL, in a process of its own: ``FOLDER ENTRIES [reasons]``.

The list has the shape observed (facts sheet pki.md §4): serial numbers of 16 octets and dates;
with ``reasons``, three entries in ten have one. It is written octet by octet and signed once.
"""

from __future__ import annotations

import random
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.certs.x509.der import BIT_STRING, INTEGER, OCTET_STRING, SEQUENCE, encoded

RSA_SHA256 = bytes.fromhex("300d06092a864886f70d01010b0500")
REASON = bytes.fromhex("300c300a0603551d1504030a01")
NUMBER, AUTHORITY_KEY_ID = bytes.fromhex("0603551d14"), bytes.fromhex("0603551d23")
UTC_TIME = 0x17
DAY = timedelta(days=1)
NOW = datetime.now(UTC).replace(microsecond=0)


def main() -> None:
    folder, count, reasons = Path(sys.argv[1]), int(sys.argv[2]), "reasons" in sys.argv[3:]
    root_key, ca_key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    root = certificate("ROOT", root_key, "ROOT", root_key, 1)
    ca = certificate("CA", ca_key, "ROOT", root_key, 2)
    leaf = certificate("LEAF", ca_key, "CA", ca_key, 3)
    for name, made in (("root", root), ("ca", ca), ("leaf", leaf)):
        (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "root.crl").write_bytes(crl(root, root_key, b""))
    serials, entries = listed(count, reasons)
    (folder / "ca.crl").write_bytes(crl(ca, ca_key, entries))
    (folder / "serials").write_text("\n".join(map(str, serials[:: max(1, count // 1000)])))


def certificate(
    subject: str, key: rsa.RSAPrivateKey, issuer: str, issuer_key: rsa.RSAPrivateKey, serial: int
) -> x509.Certificate:
    is_ca = subject != "LEAF"
    usage = {
        **dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment"), False),
        **dict.fromkeys(("key_agreement", "encipher_only", "decipher_only"), False),
        **dict.fromkeys(("key_cert_sign", "crl_sign"), is_ca),
    }
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(NOW - 30 * DAY)
        .not_valid_after(NOW + 300 * DAY)
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(x509.KeyUsage(digital_signature=not is_ca, **usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .add_extension(issuer_id, critical=False)
        .sign(issuer_key, hashes.SHA256())
    )


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"BENCH {common_name}")])


def listed(count: int, reasons: bool) -> tuple[list[int], bytes]:
    """Serial numbers, none of them of our certificates, and the octets of their entries."""
    chance = random.Random(count)  # noqa: S311 - the same list each time
    serials = [chance.getrandbits(126) | 1 << 126 for _ in range(count)]
    dates = [time(NOW - DAY * 1000 + timedelta(minutes=minutes)) for minutes in range(1000)]
    entries = []
    for serial in serials:
        content = b"\x02\x10" + serial.to_bytes(16) + dates[serial % 1000]
        if reasons and serial % 10 < 3:
            content += REASON + bytes((1 + 2 * (serial % 3),))
        entries.append(bytes((SEQUENCE, len(content))) + content)
    return serials, b"".join(entries)


def crl(ca: x509.Certificate, key: rsa.RSAPrivateKey, entries: bytes) -> bytes:
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    extensions = encoded(
        SEQUENCE, AUTHORITY_KEY_ID + encoded(OCTET_STRING, issuer_id.public_bytes())
    ) + encoded(SEQUENCE, NUMBER + encoded(OCTET_STRING, encoded(INTEGER, b"\x07")))
    to_be_signed = encoded(
        SEQUENCE,
        encoded(INTEGER, b"\x01")
        + RSA_SHA256
        + ca.subject.public_bytes()
        + time(NOW - DAY)
        + time(NOW + 6 * DAY)
        + (encoded(SEQUENCE, entries) if entries else b"")
        + encoded(0xA0, encoded(SEQUENCE, extensions)),
    )
    signature = key.sign(to_be_signed, padding.PKCS1v15(), hashes.SHA256())
    return encoded(SEQUENCE, to_be_signed + RSA_SHA256 + encoded(BIT_STRING, b"\0" + signature))


def time(moment: datetime) -> bytes:
    return encoded(UTC_TIME, moment.strftime("%y%m%d%H%M%SZ").encode())


if __name__ == "__main__":
    main()
