"""Orders, calls and sessions with the mock platform, beside ``requests`` posting the same bytes.

The mock runs in a process of its own. For orders both processes share one core, so that the
figure is what a core carries: 1,000 / ms is orders a second. The peer neither writes nor reads
XML: it posts what was recorded, and looks at the status only.
"""

from __future__ import annotations

import base64
import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from unittest import mock as patching

import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from result import Result

from igcsante.credentials import Credential
from igcsante.identifiers import StructureId
from igcsante.secret import Secret
from igcsante.testing.cards import SimulatedReader, load_profile
from igcsante.testing.demo import main_job
from igcsante.testing.pki.simulated import save_key_pair
from igcsante.testing.world import SimulatedWorld
from igcsante.tls import client_context
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import Offre, ProductRequest, ProductSearch, Usage
from igcsante.ws.soap.transport import HttpsTransport

ORDERS = 15
CALLS = 100
STRUCTURE = StructureId.parse("10B0999003")
PEER = "requests, the same bytes"

Post = Callable[[bytes, dict[str, str]], object]


@dataclass(frozen=True)
class Mock:
    """A mock platform that is served, and a folder with a client's files."""

    folder: Path
    endpoint: str

    @contextmanager
    def ours(self) -> Iterator[ZeepPlatform]:
        leaf, *chain = x509.load_pem_x509_certificates((self.folder / "chain.pem").read_bytes())
        key = load_pem_private_key((self.folder / "client.key").read_bytes(), None)
        roots = x509.load_pem_x509_certificates((self.folder / "roots.pem").read_bytes())
        credential = Credential(leaf, cast(rsa.RSAPrivateKey, key), tuple(chain))
        with ZeepPlatform(self.endpoint, client_context(credential, roots)) as platform:
            yield platform

    @contextmanager
    def raw(self) -> Iterator[Post]:
        with requests.Session() as session:
            session.trust_env = False
            session.verify = str(self.folder / "roots.pem")
            session.cert = (str(self.folder / "chain.pem"), str(self.folder / "client.key"))
            yield lambda body, headers: session.post(
                self.endpoint, body, headers=headers, timeout=60
            )


def order() -> Iterator[Result]:
    """Orders over mutual TLS, client and mock on one core."""
    with _served(one_core=True) as mock, mock.ours() as platform, mock.raw() as post:
        first = _request()
        recorded = _recorded(lambda: platform.order_product(first))
        ours = [(_request(),) for _ in range(ORDERS)]
        theirs = [_for_another(recorded, first, _request()) for _ in range(ORDERS + 1)]
        _checked(post)(*theirs.pop())
        figures = _compared(time.perf_counter, platform.order_product, ours, _checked(post), theirs)
    yield Result("platform-order/wall", *figures, PEER, "ms/order")


def call() -> Iterator[Result]:
    """A question with ten products for an answer, in an open session: the client's CPU time."""
    search = ProductSearch(page_size=10)
    with _served() as mock, mock.ours() as platform, mock.raw() as post:
        for _ in range(10):
            platform.order_product(_request(platform_key=True))
        recorded = _recorded(lambda: platform.search_products(search))
        _checked(post)(*recorded)
        figures = _compared(
            time.process_time,
            platform.search_products,
            [(search,)] * CALLS,
            _checked(post),
            [recorded] * CALLS,
        )
    yield Result("platform-call/cpu", *figures, PEER, "ms/call")


def sessions() -> Iterator[Result]:
    """Order, retrieve and revoke with a card: full TLS handshakes, each a signature of the card."""
    with tempfile.TemporaryDirectory() as name, SimulatedWorld() as world:
        folder, server, card = Path(name), world.server, world.card("cps4")
        if server is None:
            raise AssertionError("the world is not served")
        reader = SimulatedReader("bench", card)
        for _ in main_job([reader], world.profile, Secret(card.profile.pin), folder / "job"):
            pass
        ours, calls = server.handshakes, server.requests
        _write_client(world, folder)
        for _ in range(calls):
            with Mock(folder, world.endpoint).raw() as post:
                post(b"<a/>", {"Content-Type": "text/xml"})
        peer = server.handshakes - ours
    yield Result("platform-job/handshakes", ours, peer, "requests.post for each", "handshakes")


def _compared(
    clock: Callable[[], float],
    ours: Callable[..., object],
    our_arguments: Sequence[tuple[Any, ...]],
    peer: Callable[..., object],
    peer_arguments: Sequence[tuple[Any, ...]],
) -> tuple[float, float]:
    """Milliseconds of each, in turns so that a busy moment hits both."""
    spent = [0.0, 0.0]
    for pair in zip(our_arguments, peer_arguments, strict=True):
        for index, (work, arguments) in enumerate(zip((ours, peer), pair, strict=True)):
            start = clock()
            work(*arguments)
            spent[index] += clock() - start
    mine, other = (round(seconds * 1000 / len(our_arguments), 3) for seconds in spent)
    return mine, other


def _checked(post: Post) -> Callable[[bytes, dict[str, str]], None]:
    def posted(body: bytes, headers: dict[str, str]) -> None:
        answer = cast(requests.Response, post(body, headers))
        answer.raise_for_status()

    return posted


def _request(*, platform_key: bool = False) -> ProductRequest:
    """An order of its own; making its key is not what is measured."""
    password = Secret(secrets.token_urlsafe(24)) if platform_key else None
    key = rsa.generate_private_key(65537, 2048)
    csr = x509.CertificateSigningRequestBuilder(x509.Name([])).sign(key, hashes.SHA256())
    return ProductRequest(
        offre=Offre.ORG,
        usage=Usage.AUTH_CLI,
        structure=STRUCTURE,
        emails=("bench@ch-simulation.example",),
        service_name="bench",
        client_reference=secrets.token_hex(16),
        csr=None if platform_key else csr.public_bytes(Encoding.DER),
        key_password=password,
    )


def _recorded(call: Callable[[], object]) -> tuple[bytes, dict[str, str]]:
    """What a call posts: body and headers."""
    posted: list[tuple[bytes, dict[str, str]]] = []
    post = HttpsTransport.post

    def recording(self: HttpsTransport, body: bytes, headers: dict[str, str], **more: Any) -> Any:
        posted.append((body, dict(headers)))
        return post(self, body, headers, **more)

    with patching.patch.object(HttpsTransport, "post", recording):
        call()
    (one,) = posted
    return one


def _for_another(
    recorded: tuple[bytes, dict[str, str]], old: ProductRequest, new: ProductRequest
) -> tuple[bytes, dict[str, str]]:
    """The same message with the CSR and the reference of another order."""
    body, headers = recorded
    replaced = body.replace(old.client_reference.encode(), new.client_reference.encode())
    replaced = replaced.replace(base64.b64encode(old.csr or b""), base64.b64encode(new.csr or b""))
    if replaced == body:
        raise AssertionError("the recorded message has no CSR")
    return replaced, headers


@contextmanager
def _served(*, one_core: bool = False) -> Iterator[Mock]:
    """The mock in another process; ``one_core`` shares one core with it."""
    cores = os.sched_getaffinity(0)
    if one_core:
        os.sched_setaffinity(0, {max(cores)})
    try:
        with (
            tempfile.TemporaryDirectory() as name,
            subprocess.Popen(  # noqa: S603 - ours
                [sys.executable, __file__, name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            ) as process,
        ):
            if process.stdout is None or process.stdin is None:
                raise AssertionError("no pipes")
            try:
                yield Mock(Path(name), process.stdout.readline().strip())
            finally:
                process.stdin.close()  # it ends then
    finally:
        os.sched_setaffinity(0, cores)


def _serve(folder: Path) -> None:
    with SimulatedWorld() as world:
        _write_client(world, folder)
        print(world.endpoint, flush=True)
        sys.stdin.read()


def _write_client(world: SimulatedWorld, folder: Path) -> None:
    pair = world.card_material(load_profile("cps4")).authentication
    save_key_pair(folder, "client", pair)
    for name, certificates in {
        "chain": (pair.certificate, *world.pki.chain(pair.certificate)),
        "roots": world.pki.roots,
    }.items():
        pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
        (folder / f"{name}.pem").write_bytes(pem)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
