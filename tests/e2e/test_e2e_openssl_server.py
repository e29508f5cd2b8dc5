"""A TLS server that is not ours accepts the simulated cards: openssl s_server."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from e2e_support import CardInReader, insert
from tls_server import openssl_server

from igcsante.card.readers import open_card
from igcsante.certs.anchors import TrustStore
from igcsante.certs.chain import issuers_of
from igcsante.errors import CardRemovedError, PinRequiredError
from igcsante.secret import Secret
from igcsante.testing.pki.simulated import save_key_pair
from igcsante.testing.world import SimulatedWorld
from igcsante.tls import client_context, signatures_made, signing_failure

# card, the server's version, what is agreed
HANDSHAKES = [
    ("cps3", "-tls1_2", "TLSv1.2", "RSA"),
    ("cps4", "-tls1_2", "TLSv1.2", "RSA-PSS"),
    ("cps4", "-tls1_3", "TLSv1.3", "RSA-PSS"),
]


@pytest.fixture(scope="module")
def server_files(world: SimulatedWorld, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the server needs: its key and chain, and the anchors of the cards."""
    folder = tmp_path_factory.mktemp("server")
    pair = world.pki.issue_server(("localhost", "127.0.0.1"), datetime.now(UTC))
    save_key_pair(folder, "server", pair)
    for name, certificates in {
        "server": [pair.certificate],
        "middle": world.pki.chain(pair.certificate)[:1],
        "root": world.pki.roots,
    }.items():
        pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)
        (folder / f"{name}.pem").write_bytes(pem)
    return folder


@pytest.fixture
def server(server_files: Path, request: pytest.FixtureRequest) -> Iterator[int]:
    with openssl_server(SimpleNamespace(directory=server_files), request.param) as port:
        yield port


def visit(world: SimulatedWorld, held: CardInReader, port: int, *, pin: str | None = "1234") -> str:
    """One request with the card's authentication key; the server's page about it."""
    store = TrustStore.from_certificates(world.anchors)
    with open_card(readers=[held.reader]) as card:
        if pin:
            card.verify_pin(Secret(pin))
        chain = issuers_of(card.certificate(), store)
        context = client_context(card.credential(chain=chain), store.roots)
        connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=30)
        try:
            connection.request("GET", "/")
            page = connection.getresponse().read().decode()
        except OSError:
            failure = signing_failure(context)
            if failure is None:
                raise
            raise failure from None
        finally:
            connection.close()
        assert signatures_made(context) == 1
        return page


@pytest.mark.parametrize(
    ("generation", "server", "version", "signature"),
    HANDSHAKES,
    indirect=["server"],
    ids=[f"{card}{version}" for card, version, *_ in HANDSHAKES],
)
def test_openssl_accepts_the_card(
    world: SimulatedWorld, server: int, generation: str, version: str, signature: str
) -> None:
    held = insert(world, generation)
    page = visit(world, held, server)
    assert f"New, {version}" in page
    assert str(held.card.profile.national_id) in page, "the server shows whom it saw"
    kinds = re.search(r"Shared Signature Algorithms: (\S+)", page)
    assert kinds is None or signature in kinds[1]
    assert (held.pins_sent, held.signatures) == (1, 1)


@pytest.mark.parametrize("server", ["-tls1_2"], indirect=True)
@pytest.mark.parametrize("generation", ["cps3", "cps4"])
def test_without_pin_or_card_the_reason_comes_through(
    world: SimulatedWorld, server: int, generation: str
) -> None:
    held = insert(world, generation)
    with pytest.raises(PinRequiredError):
        visit(world, held, server, pin=None)
    whole = insert(world, generation)
    visit(world, whole, server)
    held = insert(world, generation)
    held.reader.remove_at(len(whole.sent))
    with pytest.raises(CardRemovedError):
        visit(world, held, server)
