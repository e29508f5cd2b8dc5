"""``igc check --engine``: on a cluster of two workers of this machine, the same as without."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import timedelta
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from check_fleet import Fleet
from cryptography.hazmat.primitives.serialization import Encoding

from igcsante.certs.anchors import TrustStore
from igcsante.certs.fleet import engines
from igcsante.certs.fleet.snapshot import Snapshot
from igcsante.cli import main
from igcsante.errors import NetworkError
from igcsante.testing.http import listen

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    return Fleet(tmp_path_factory.mktemp("fleet"))


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
        ) as cluster:
            yield cluster.scheduler_address.replace("tcp://", "dask://")


def igc(capsys: Any, *words: object) -> tuple[int, str, str]:
    capsys.readouterr()
    code = main.run([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "unexpected" not in err, err
    return code, out, err


@pytest.mark.long
def test_a_cluster_tells_the_same_in_every_format_and_goes_on(
    fleet: Fleet, scheduler: str, tmp_path: Path, capsys: Any
) -> None:
    for number in range(300):
        leaf = fleet.leaf(f"n {number}", fleet.now - timedelta(days=2))
        (tmp_path / f"{number:03}.der").write_bytes(leaf.public_bytes(Encoding.DER))
    words = (*fleet.offline(), tmp_path, fleet.work)
    for kind in ("text", "json", "csv", "html"):
        alone = igc(capsys, *words, "--format", kind)
        assert igc(capsys, *words, "--format", kind, "--engine", scheduler) == alone
    state = tmp_path / "state"
    whole = igc(capsys, *words, "--json", "--resume", state, "--engine", scheduler)
    lines = state.read_bytes().splitlines(keepends=True)
    state.write_bytes(b"".join(lines[:100]))
    again = igc(capsys, *words, "--json", "--resume", state, "--engine", scheduler)
    assert again[:2] == whole[:2] and "99 were checked before" in again[2]


@pytest.mark.long
def test_another_version_on_the_workers_is_told(
    fleet: Fleet, scheduler: str, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "__version__", "0.0.0")
    told = igc(capsys, *fleet.offline(), fleet.work, "--engine", scheduler, "--json")
    assert told[0] == 2 and "install the same version" in told[2]
    assert [json.loads(line)["schema"] for line in told[1].splitlines()] == ["igc.error/1"]


@contextlib.contextmanager
def started(*words: str, until: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A process of Dask, and what follows the word of its log that tells that it is ready."""
    with subprocess.Popen(
        [sys.executable, "-m", "dask", *words, "--no-dashboard"], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stderr is not None
            line = next(line for line in process.stderr if until in line)
            yield process, line.partition(until)[2].strip()
        finally:
            process.kill()


@pytest.mark.long
def test_a_scheduler_that_is_lost_is_a_network_error(fleet: Fleet, tmp_path: Path) -> None:
    """What came before is complete, and our own output is not blamed."""
    leaf = fleet.good.public_bytes(Encoding.DER)
    roots = (item.certificate for item in fleet.pki.authorities.values())
    taken = Snapshot.of(TrustStore.from_certificates(roots), at=fleet.now)
    with (
        started("scheduler", "--host", "127.0.0.1", "--port", "0", until="Scheduler at:") as it,
        started(
            *("worker", it[1], "--nthreads", "1", "--local-directory", str(tmp_path)),
            until="Registered to:",
        ),
    ):
        address = it[1].removeprefix("tcp://")
        records = engines.check_on_cluster(address, repeat(leaf), taken)
        next(records)
        it[0].kill()
        with pytest.raises(NetworkError, match="was lost"):
            for _ in records:
                pass


def test_no_scheduler_there_is_a_network_error(
    fleet: Fleet, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "CONNECT_SECONDS", 0.3)
    with listen() as nobody:
        port = nobody.getsockname()[1]
    engine = ("--engine", f"dask://127.0.0.1:{port}")
    code, out, err = igc(capsys, *fleet.offline(), fleet.work, *engine)
    assert (code, out) == (10, "") and "no Dask scheduler" in err


@pytest.mark.parametrize(
    "words",
    [
        ("--engine", "dask://here:1"),
        ("--offline", "--engine", "spark://here:1"),
        ("--offline", "--engine", "dask://here"),
        ("--offline", "--engine", "dask://here:1", "--jobs", "2"),
    ],
)
def test_engine_that_can_t_be_had_is_wrong_use(
    fleet: Fleet, capsys: Any, words: tuple[str, ...]
) -> None:
    assert igc(capsys, "check", fleet.work, *words)[0] == 2
