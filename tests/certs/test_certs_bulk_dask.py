"""Fleets on a Dask cluster: two worker processes of this machine, one of which gets lost."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from test_certs_bulk import REVOKED, made, snapshot

from igcsante.certs.fleet.engines import check_all, check_with_dask, in_batches

distributed = pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            distributed.LocalCluster(
                n_workers=2,
                threads_per_worker=1,
                dashboard_address=None,
                host="127.0.0.1",
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def fleet(size: int) -> list[bytes]:
    leaves = [made(1 + number % 5) for number in range(size)]
    leaves[size // 2] = made(REVOKED[3])
    return leaves


def pid_of_one(client: Any) -> int:
    return min(client.run(os.getpid).values())


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_a_cluster_tells_the_same_in_the_same_order(client: Any) -> None:
    leaves = fleet(1000)
    told = check_with_dask(client, in_batches(leaves, 100), snapshot())
    expected = list(check_all(leaves, snapshot()))
    assert [record for records in told for record in records] == expected


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_the_snapshot_is_sent_to_each_worker_once(client: Any) -> None:
    told = check_with_dask(client, in_batches(fleet(1000), 100), snapshot())
    next(told)
    held = [keys for keys in client.has_what().values() if any("Snapshot" in str(k) for k in keys)]
    assert len(held) == 2
    assert sum("Snapshot" in str(key) for keys in held for key in keys) == 2
    list(told)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_a_lost_worker_of_a_cluster_loses_nothing(client: Any) -> None:
    leaves = fleet(6000)
    told = check_with_dask(client, in_batches(leaves, 100), snapshot())
    first = next(told)
    killer = threading.Thread(target=os.kill, args=(pid_of_one(client), signal.SIGKILL))
    killer.start()
    records = [*first, *(record for records in told for record in records)]
    killer.join()
    assert records == list(check_all(leaves, snapshot()))
