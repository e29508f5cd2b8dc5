"""A fleet of leaves of one CA, chain of three and revocation, beside others that do the chain.

Processor time per leaf, one process, peers on the same leaves in the same run; neither peer
looks at revocation. Fleets of 10,000 (100,000 with ``long-bulk``) are made once and kept in the
cache; pyhanko-certvalidator is given 1,000 of them. Ours and pyhanko's start from octets; for
openssl, which reads files, ours reads them too.
"""

from __future__ import annotations

import asyncio
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from asn1crypto.x509 import Certificate
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from result import Result

from igcsante.certs.anchors import TrustStore
from igcsante.certs.crl.store import CrlStore
from igcsante.certs.fleet.engines import check_all
from igcsante.certs.fleet.snapshot import Snapshot
from igcsante.certs.verdict import Kind
from igcsante.config import cache_directory

HERE = Path(__file__).parent
SIZE, LONG_SIZE = 10_000, 100_000
ROUNDS = 5
PYHANKO = 1_000
FILES_PER_PROCESS = 20_000  # what a command line holds


def bulk() -> Iterator[Result]:
    """10,000 leaves; beside pyhanko-certvalidator, openssl verify and the signatures alone."""
    yield from _compare("bulk/10k", SIZE)


def bulk_long() -> Iterator[Result]:
    """The same with 100,000 leaves."""
    yield from _compare("long-bulk/100k", LONG_SIZE)


def _compare(name: str, count: int) -> Iterator[Result]:
    folder = _fleet(count)
    snapshot = _snapshot(folder)
    paths = sorted(folder.glob("[0-9]*.cer"))
    octets = [path.read_bytes() for path in paths]
    times: dict[str, list[float]] = {}
    for _ in range(ROUNDS):  # in turns, so that a busy moment hits them all
        times.setdefault("raw", []).append(_raw(folder, octets))
        times.setdefault("ours", []).append(_ours(octets, snapshot))
        times.setdefault("files", []).append(_ours(map(Path.read_bytes, paths), snapshot))
        times.setdefault("pyhanko", []).append(_pyhanko(folder, octets[:PYHANKO]))
        times.setdefault("openssl", []).append(_openssl(folder, paths))
    best = {who: round(min(spent) * 1e6, 1) for who, spent in times.items()}
    unit = "µs/leaf"
    yield Result(f"{name}/pyhanko", best["ours"], best["pyhanko"], "pyhanko-certvalidator", unit)
    yield Result(f"{name}/openssl", best["files"], best["openssl"], "openssl verify", unit)
    yield Result(f"{name}/raw", best["ours"], best["raw"], "RSA-4096 verification alone", unit)
    shares = [raw / ours for raw, ours in zip(times["raw"], times["ours"], strict=True)]
    share = round(100 * statistics.median(shares), 1)
    yield Result(f"{name}/share", share, 100.0, "that rate (more is better)", "%")


def _fleet(count: int) -> Path:
    """Made once; leaves are valid for years, the lists for six days."""
    folder = cache_directory() / "bench" / f"fleet-{count}"
    made = folder / "made"
    if not made.exists() or time.time() - made.stat().st_mtime > 5 * 86400:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        print(f"making {count:,} leaves, once", file=sys.stderr)
        command = [sys.executable, str(HERE / "fleet_maker.py"), str(folder), str(count)]
        subprocess.run(command, check=True)  # noqa: S603 - ours
    return folder


def _certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def _snapshot(folder: Path) -> Snapshot:
    shutil.rmtree(folder / "store", ignore_errors=True)
    store = CrlStore(folder / "store", key_file=folder / "key")
    for name in ("root", "ca"):
        octets = (folder / f"{name}.crl").read_bytes()
        store.add(octets, _certificate(folder, name), source=name)
    anchors = TrustStore.from_certificates([_certificate(folder, "root")])
    untrusted = [_certificate(folder, "ca")]
    return Snapshot.of(anchors, at=datetime.now(UTC), untrusted=untrusted, crl_store=store)


# Each of these gives the seconds that a leaf takes.


def _ours(octets: Iterable[bytes], snapshot: Snapshot) -> float:
    start, count = time.process_time(), 0
    for record in check_all(octets, snapshot):
        if record.kind is not Kind.GOOD:
            raise AssertionError(record)
        count += 1
    return (time.process_time() - start) / count


def _raw(folder: Path, octets: list[bytes]) -> float:
    key = _certificate(folder, "ca").public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise AssertionError(key)
    certificates = map(x509.load_der_x509_certificate, islice(octets, SIZE))
    signed = [(item.signature, item.tbs_certificate_bytes) for item in certificates]
    scheme, algorithm = padding.PKCS1v15(), hashes.SHA256()
    start = time.process_time()
    for signature, data in signed:
        key.verify(signature, data, scheme, algorithm)
    return (time.process_time() - start) / len(signed)


def _pyhanko(folder: Path, octets: list[bytes]) -> float:
    try:  # nobody else needs it
        from pyhanko_certvalidator import CertificateValidator, ValidationContext
    except ImportError:
        command = f"{sys.executable} -m pip install pyhanko-certvalidator"
        raise SystemExit(f"this bench needs a peer: {command}") from None
    root, ca = (
        Certificate.load(x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER))
        for pem in ((folder / f"{name}.pem").read_bytes() for name in ("root", "ca"))
    )
    context = ValidationContext(
        trust_roots=[root], other_certs=[ca], allow_fetching=False, revocation_mode="soft-fail"
    )

    async def all_of_them() -> None:
        for item in octets:
            leaf = Certificate.load(item)
            validator = CertificateValidator(leaf, validation_context=context)
            await validator.async_validate_usage({"digital_signature"})

    start = time.process_time()
    asyncio.run(all_of_them())
    return (time.process_time() - start) / len(octets)


def _openssl(folder: Path, paths: list[Path]) -> float:
    openssl = shutil.which("openssl")
    if openssl is None:
        raise SystemExit("openssl is not installed")
    command = [openssl, "verify", "-CAfile", "root.pem", "-untrusted", "ca.pem"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for start in range(0, len(paths), FILES_PER_PROCESS):
        names = [path.name for path in paths[start : start + FILES_PER_PROCESS]]
        subprocess.run([*command, *names], cwd=folder, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return spent / len(paths)
