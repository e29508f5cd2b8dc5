"""Engines that map a check over batches: this process, several, or a Dask cluster.

Batches are taken from the input as they are needed, records come out in the order of the input:
memory is the same for any number. A worker that is lost loses nothing: its batches are done
again, a few times at most.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import tempfile
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ... import __version__
from ...errors import IgcError, NetworkError, StorageError, UsageError
from ...extras import how_to_install
from ...messages import reason_of, tr
from .bulk import BulkChecker, Record, Subject, bulk_checker, check_batch
from .snapshot import Snapshot

if TYPE_CHECKING:
    from distributed import Client

BATCH = 256  # subjects
_AHEAD = 3  # batches on their way for each worker
_TRIES = 3
CONNECT_SECONDS = 10.0
_Batch = tuple[Subject, ...]
_Errors = type[BaseException] | tuple[type[BaseException], ...]


def in_batches(subjects: Iterable[Subject], size: int = BATCH) -> Iterator[_Batch]:
    """Cut a stream; the last batch may be shorter."""
    stream = iter(subjects)
    while batch := tuple(islice(stream, size)):
        yield batch


def check_all(
    subjects: Iterable[Subject], snapshot: Snapshot, *, jobs: int = 1
) -> Iterator[Record]:
    """One record for each subject, in order, on ``jobs`` processes.

    With more than one job, the calling program must be importable (``if __name__ ==
    "__main__":``), as multiprocessing asks for. Raises UsageError, and what opening the
    snapshot raises; StorageError when there is no room for what is needed meanwhile; IgcError
    when workers are lost again and again.
    """
    if jobs < 1:
        raise UsageError(tr("a check takes one job or more"))
    batches = in_batches(subjects)
    with _as(StorageError, tr("what a check needs meanwhile can't be kept"), lost=OSError):
        if jobs == 1:
            with bulk_checker(snapshot) as checker:
                for batch in batches:
                    yield from checker.check(batch)
            return
        with _Processes(snapshot, jobs) as processes:
            for records in _mapped(batches, processes, _AHEAD * jobs):
                yield from records


@contextlib.contextmanager
def _as(kind: type[IgcError], what: str, *, lost: _Errors) -> Iterator[None]:
    """Errors of the machinery, as one of ours."""
    try:
        yield
    except lost as error:
        why = reason_of(error)
        message = tr("{what}: {why}; the records that came before are complete", what=what, why=why)
        raise kind(message) from None


def check_with_dask(
    client: Client, batches: Iterable[Iterable[Subject]], snapshot: Snapshot
) -> Iterator[list[Record]]:
    """The records of each batch, in order, made by the workers of a Dask cluster.

    The snapshot is sent to each worker once. Workers need this package, and the folder of kept
    lists unless the snapshot has them inside::

        from distributed import Client
        from igcsante.certs.fleet.engines import check_with_dask, in_batches
        from igcsante.certs.fleet.snapshot import Snapshot

        snapshot = Snapshot.of(anchors, at=now, crl_store=CrlStore()).with_lists_inside()
        with Client("tcp://scheduler:8786") as client:
            for records in check_with_dask(client, in_batches(certificates), snapshot):
                for record in records:
                    print(json.dumps(record.to_dict()))

    Raises IgcError when workers are lost again and again, and what opening the snapshot raises.
    """
    cluster = _Cluster(client, snapshot)
    yield from _mapped(map(tuple, batches), cluster, _AHEAD * cluster.width())


def check_on_cluster(
    address: str, subjects: Iterable[Subject], snapshot: Snapshot
) -> Iterator[Record]:
    """As :func:`check_all`, on the Dask cluster whose scheduler is at ``address``, HOST:PORT.

    The snapshot is sent with its lists inside, so that workers need this package only. Raises
    UsageError when Dask is not installed here, or this version not there, NetworkError when the
    cluster can't be reached or is lost, and what :func:`check_with_dask` does.
    """
    try:
        import distributed
    except ImportError:
        raise UsageError(
            tr("a Dask cluster needs distributed, which is not installed"),
            advice=how_to_install("dask"),
        ) from None
    connect: Any = distributed.Client
    try:
        client = connect(f"tcp://{address}", timeout=CONNECT_SECONDS)
    except OSError as error:
        why = reason_of(error) if error.strerror else tr("no answer")
        raise NetworkError(
            tr(
                "no Dask scheduler at {address}: {why}; nothing was checked",
                address=address,
                why=why,
            )
        ) from None
    lost = (OSError, distributed.client.ClosedClientError)
    with (
        client,
        _as(NetworkError, tr("the Dask cluster at {address} was lost", address=address), lost=lost),
    ):
        _require_this_version(client)
        sent = snapshot.with_lists_inside()
        for records in check_with_dask(client, in_batches(subjects), sent):
            yield from records


def _require_this_version(client: Any) -> None:
    try:
        found = client.run(_version)
    except ImportError:
        found = {}
    if set(found.values()) != {__version__}:
        there = ", ".join(sorted(set(found.values()))) or tr("none")
        raise UsageError(
            tr(
                "igcsante on the cluster: {there}; here: {version}; nothing was checked",
                there=there,
                version=__version__,
            ),
            advice=tr("install the same version wherever workers run"),
        )


def _version() -> str:
    return __version__


class _Engine(Protocol):
    """Where batches are checked. ``lost`` are the errors that tell of a lost worker."""

    @property
    def lost(self) -> tuple[type[BaseException], ...]: ...

    def submit(self, batch: _Batch) -> Any:
        """A future of the batch's records."""

    def is_done(self, future: Any) -> bool:
        """Whether its records can be had."""

    def recover(self) -> None:
        """Be ready for more after a loss."""


def _mapped(batches: Iterable[_Batch], engine: _Engine, ahead: int) -> Iterator[list[Record]]:
    """The results in order, with at most ``ahead`` batches on their way."""
    stream = iter(batches)
    pending = deque((batch, engine.submit(batch)) for batch in islice(stream, ahead))
    tries = 1
    while pending:
        try:
            records = pending[0][1].result()
        except engine.lost:
            tries += 1
            if tries > _TRIES:
                raise _lost_too_often() from None
            engine.recover()
            pending = deque(
                (batch, future if engine.is_done(future) else engine.submit(batch))
                for batch, future in pending
            )
            continue
        tries = 1
        pending.popleft()
        pending.extend((batch, engine.submit(batch)) for batch in islice(stream, 1))
        yield records


def _lost_too_often() -> IgcError:
    return IgcError(
        tr(
            "the workers of a check were lost {tries} times on the same certificates; the records "
            "that came before are complete",
            tries=_TRIES,
        ),
        advice=tr("look for a lack of memory, or check with one job"),
    )


# -- processes of this machine -------------------------------------------------------------


class _Processes:
    """A pool whose workers have the snapshot open; a new one when a worker is lost."""

    lost = (BrokenProcessPool,)

    def __init__(self, snapshot: Snapshot, jobs: int) -> None:
        self._snapshot, self._jobs = snapshot, jobs

    def __enter__(self) -> _Processes:
        self._folder = tempfile.TemporaryDirectory(prefix="igc-")
        self._pool = self._new_pool()
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def _new_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self._jobs,
            # Not a fork: the parent may have threads, and secrets in its memory.
            multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(self._snapshot, Path(self._folder.name)),
        )

    def submit(self, batch: _Batch) -> Future[list[Record]]:
        try:
            with _without_interrupts():  # here the pool starts its workers
                return self._pool.submit(_work, batch)
        except BrokenProcessPool as error:
            future: Future[list[Record]] = Future()
            future.set_exception(error)
            return future

    def is_done(self, future: Future[list[Record]]) -> bool:
        return future.done() and not future.cancelled() and future.exception() is None

    def recover(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._pool = self._new_pool()


_STOPPING = {signal.SIGINT, signal.SIGTERM, *({signal.SIGHUP} if os.name == "posix" else ())}


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a closed terminal wait: half a start is never undone.

    The processes that are started in the meantime let them wait too, until they say otherwise.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPPING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """What a worker process has open, as long as it lives."""

    checker: BulkChecker | IgcError
    closing = ExitStack()


def _start_worker(snapshot: Snapshot, folder: Path) -> None:
    for number in _STOPPING - {signal.SIGTERM}:
        signal.signal(number, signal.SIG_IGN)  # the parent ends what the person interrupts
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        _Worker.checker = _Worker.closing.enter_context(bulk_checker(snapshot, folder))
    except IgcError as error:  # told by the first batch: a pool tells nothing of its own
        _Worker.checker = error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(batch: _Batch) -> list[Record]:
    if isinstance(_Worker.checker, IgcError):
        raise _Worker.checker
    return _Worker.checker.check(batch)


# -- a cluster -------------------------------------------------------------------------------


class _Cluster:
    """Workers that have the snapshot in their memory."""

    def __init__(self, client: Client, snapshot: Snapshot) -> None:
        from distributed import KilledWorker
        from distributed.client import FutureCancelledError

        self.lost = (KilledWorker, FutureCancelledError)
        self._client: Any = client
        self._snapshot = snapshot
        self.recover()

    def width(self) -> int:
        return max(1, int(sum(self._client.nthreads().values())))

    def submit(self, batch: _Batch) -> Any:
        return self._client.submit(check_batch, batch, self._sent, pure=False)

    def is_done(self, future: Any) -> bool:
        return bool(future.status == "finished")

    def recover(self) -> None:
        """Send the snapshot again: it may have been lost with the last worker that had it."""
        self._sent = self._client.scatter(self._snapshot, broadcast=True, hash=False)
