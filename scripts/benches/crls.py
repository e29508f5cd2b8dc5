"""CRLs of 1,000 to a million entries (three with ``long-…``), beside openssl on the same files.

Whole processes, Python's start included, in turns; the middle one of several times, and the
peak of resident memory (below some 50 MiB, it is that of the bench which starts them).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from result import Result

from igcsante.certs.crl.store import CrlStore

HERE = Path(__file__).parent
IGC = str(Path(sys.executable).with_name("igc"))
ROUNDS = 7
SIZES = {"1k": 1_000, "100k": 100_000, "1M": 1_000_000}
LONG_SIZES = {"3M": 3_000_000}

REFRESH = """
import sys
from pathlib import Path
from cryptography import x509
from igcsante.certs.crl.store import CrlStore
folder = Path(sys.argv[1])
if sys.argv[2] == "plain":
    sys.modules["numpy"] = None
ca = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
store = CrlStore(folder / "store", key_file=folder / "key")
store.add((folder / "ca.crl").read_bytes(), ca, source="bench")
"""


def refresh() -> Iterator[Result]:
    """A CRL verified, indexed and kept; beside openssl crl -verify."""
    yield from _refresh(SIZES)


def refresh_long() -> Iterator[Result]:
    """The same with three million entries."""
    yield from _refresh(LONG_SIZES)


def check() -> Iterator[Result]:
    """igc check of one leaf with its chain and an indexed CRL; beside openssl verify -crl_check."""
    yield from _check(SIZES)


def check_long() -> Iterator[Result]:
    """The same with three million entries."""
    yield from _check(LONG_SIZES)


def lookup() -> Iterator[Result]:
    """One serial number in a process that runs; beside cryptography, which reads on and on."""
    with _pki(100_000) as folder:
        crl = _store(folder).find(_certificate(folder, "ca").subject)[0]
        peer = x509.load_der_x509_crl((folder / "ca.crl").read_bytes())
        serials = [int(line) for line in (folder / "serials").read_text().split()]
        few = serials[::50]
        for name, shift in (("hit", 0), ("miss", 1)):
            ours = timeit.repeat(lambda: [crl.lookup(n + shift) for n in serials], number=1)  # noqa: B023
            theirs = timeit.repeat(
                lambda: [peer.get_revoked_certificate_by_serial_number(n + shift) for n in few],  # noqa: B023
                number=1,
                repeat=3,
            )
            yield Result(
                f"crl-lookup/100k-{name}",
                round(min(ours) / len(serials) * 1e6, 2),
                round(min(theirs) / len(few) * 1e6, 2),
                "cryptography",
                "µs",
            )


def _refresh(sizes: dict[str, int]) -> Iterator[Result]:
    for size, count in sizes.items():
        for reasons in (False, True):
            with _pki(count, reasons) as folder:
                openssl = [_openssl(), "crl", "-inform", "DER", "-noout", "-verify"]
                openssl += ["-in", str(folder / "ca.crl"), "-CAfile", str(folder / "ca.pem")]
                ours = [sys.executable, "-c", REFRESH, str(folder)]
                peer, plain, fast = _measured(
                    [openssl, [*ours, "plain"], [*ours, "fast"]], folder / "store"
                )
            name = f"crl-refresh/{size}{'-reasons' if reasons else ''}"
            yield Result(f"{name}/plain", plain[0], peer[0], "openssl crl -verify", "ms")
            yield Result(f"{name}/numpy", fast[0], peer[0], "openssl crl -verify", "ms")
            yield Result(f"{name}/plain-memory", plain[1], peer[1], "openssl crl -verify", "MiB")
            yield Result(f"{name}/numpy-memory", fast[1], peer[1], "openssl crl -verify", "MiB")


def _check(sizes: dict[str, int]) -> Iterator[Result]:
    for size, count in sizes.items():
        with _pki(count) as folder:
            root, ca, leaf = (str(folder / f"{name}.pem") for name in ("root", "ca", "leaf"))
            lists = [str(folder / "root.crl"), str(folder / "ca.crl")]
            index = [IGC, "crl", "index", "--anchors", root, "--anchors", ca, *lists]
            own = {**os.environ, "IGC_DATA_DIR": str(folder), "IGC_CONFIG_DIR": str(folder)}
            subprocess.run(index, check=True, env=own, stdout=subprocess.DEVNULL)  # noqa: S603
            openssl = [_openssl(), "verify", "-crl_check", "-CRLfile", str(folder / "ca.crl")]
            openssl += ["-CAfile", root, "-untrusted", ca, leaf]
            igc = [IGC, "check", "--offline", "--anchors", root, "--untrusted", ca, leaf]
            peer, ours = _measured([openssl, igc], env=own)
        yield Result(f"crl-check/{size}", ours[0], peer[0], "openssl verify -crl_check", "ms")
        yield Result(
            f"crl-check/{size}/memory", ours[1], peer[1], "openssl verify -crl_check", "MiB"
        )


@contextmanager
def _pki(count: int, reasons: bool = False) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, str(HERE / "crl_maker.py"), name, str(count)]
        subprocess.run([*command, "reasons"] if reasons else command, check=True)  # noqa: S603
        yield Path(name)


def _certificate(folder: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def _store(folder: Path) -> CrlStore:
    subprocess.run([sys.executable, "-c", REFRESH, str(folder), "fast"], check=True)  # noqa: S603
    store = CrlStore(folder / "store", key_file=folder / "key")
    store.add((folder / "root.crl").read_bytes(), _certificate(folder, "root"), source="bench")
    return store


def _measured(
    commands: list[list[str]],
    removed_before: Path | None = None,
    env: dict[str, str] | None = None,
) -> list[tuple[float, float]]:
    """(median milliseconds, peak MiB) of each command, in turns; the first turn warms caches."""
    times: list[list[float]] = [[] for _ in commands]
    peaks = [0.0 for _ in commands]
    for turn in range(ROUNDS + 1):
        for place, command in enumerate(commands):
            if removed_before:
                shutil.rmtree(removed_before, ignore_errors=True)
            start = time.perf_counter()
            child = subprocess.Popen(  # noqa: S603 - ours
                command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env
            )
            _, status, usage = os.wait4(child.pid, 0)
            spent = time.perf_counter() - start
            child.returncode = os.waitstatus_to_exitcode(status)
            if child.returncode:
                raise SystemExit(f"{command[0]} {command[1]} failed: {child.returncode}")
            peaks[place] = max(peaks[place], usage.ru_maxrss / 1024)
            if turn:
                times[place].append(spent)
    return [
        (round(statistics.median(spent) * 1000, 1), round(peak, 1))
        for spent, peak in zip(times, peaks, strict=True)
    ]


def _openssl() -> str:
    found = shutil.which("openssl")
    if not found:
        raise SystemExit("this bench needs openssl")
    return found
