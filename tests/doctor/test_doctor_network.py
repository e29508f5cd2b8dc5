"""Authorities, lists, hosts, clocks of others, and the platform's TLS; loopback only."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from doctor_support import Examine, seen

from igcsante.certs.crl.store import CrlStore
from igcsante.config import resolve
from igcsante.doctor import Context, Status, chosen, contacts, masking, network
from igcsante.errors import ExitCode
from igcsante.testing.pki import SimulatedPki
from igcsante.testing.world import SimulatedWorld

sys.path.insert(0, str(Path(__file__).parents[1]))
from tls_server import Pki, make_pki, openssl_server

NOW = datetime.now(UTC)
Configured = Callable[[str], Path]


@pytest.fixture(scope="module")
def pki() -> SimulatedPki:
    return SimulatedPki.create(at=NOW, base_url="http://127.0.0.1:9")


@pytest.fixture(scope="module")
def tls_pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("tls"))


def anchors(path: Path, *certificates: object) -> Path:
    path.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))  # type: ignore[attr-defined]
    return path


# -- authorities and lists -----------------------------------------------------------------------


def test_without_an_authority_nothing_can_be_verified(examined: Examine) -> None:
    (found,) = examined("certificates.anchors")
    assert found.status is Status.WARNING and "igc trust" in found.remedy


def test_authorities_are_counted_and_their_end_is_told(
    examined: Examine, configured: Configured, pki: SimulatedPki
) -> None:
    folder = configured('[profiles.default]\nanchors = ["a.pem"]\n').parent
    anchors(folder / "a.pem", *pki.roots)
    found = examined("certificates.anchors")
    assert [f.status for f in found] == [Status.OK, Status.OK]
    assert "3 of the profile" in found[0].seen
    assert "the first of them ends on" in found[1].seen
    end = min(root.not_valid_after_utc for root in pki.roots)
    for days, word in ((-10, "ends"), (10, "ended")):
        late = examined("certificates.anchors", at=end + timedelta(days=days))
        assert f" {word} on " in seen(f for f in late if f.status is Status.WARNING)


def test_a_trust_folder_that_others_may_change_is_a_problem(
    examined: Examine, folders: Path
) -> None:
    trust = folders / "data" / "trust"
    trust.mkdir()
    trust.chmod(0o777)
    (found,) = examined("certificates.anchors")
    assert (found.status, found.exit_code) == (Status.PROBLEM, ExitCode.INVALID)


def test_each_list_is_fresh_or_not(examined: Examine, folders: Path, pki: SimulatedPki) -> None:
    assert [f.status for f in examined("certificates.lists")] == [Status.NOTE]
    store = CrlStore()
    for code in ("ACI-FO-PP-TEST", "ACI-ST-PP-TEST"):
        issuer = pki.authorities[code].certificate
        stored = store.add(pki.crl(code, NOW), issuer, source="test")
    assert [f.status for f in examined("certificates.lists")] == [Status.OK] * 2
    assert stored.next_update
    found = examined("certificates.lists", at=stored.next_update + timedelta(days=3, hours=1))
    assert {f.exit_code for f in found} == {ExitCode.STALE}
    assert "the list of TEST" in found[0].seen
    assert "3 days ago" in found[0].seen and found[0].remedy.endswith("igc crl update")


def test_a_damaged_list_is_told(examined: Examine, folders: Path, pki: SimulatedPki) -> None:
    stored = CrlStore().add(
        pki.crl("ACI-FO-PP-TEST", NOW), pki.authorities["ACI-FO-PP-TEST"].certificate, source="test"
    )
    stored.path.write_bytes(stored.path.read_bytes()[:-1] + b"\0")
    assert [f.status for f in examined("certificates.lists")] == [Status.WARNING]
    stored.path.with_suffix(".idx").unlink()
    (found, *_) = examined("certificates.lists")
    assert (found.status, found.exit_code) == (Status.PROBLEM, ExitCode.UNKNOWN)


# -- hosts and the clock -------------------------------------------------------------------------


@contextmanager
def http_host(ahead: timedelta = timedelta(), status: int = 404) -> Iterator[int]:
    """A host whose clock is so far ahead of ours: its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC) + ahead, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that nobody listens at."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_dead_host_is_a_problem_and_a_living_one_is_not(
    examined: Examine, configured: Configured, dead_port: int
) -> None:
    with http_host() as port:
        configured(
            f'[profiles.default]\nhttp_hosts = ["127.0.0.1:{port}", "127.0.0.1:{dead_port}"]\n'
        )
        alive, dead = examined("network.hosts")
    assert (alive.status, dead.status) == (Status.OK, Status.PROBLEM)
    assert dead.exit_code is ExitCode.NETWORK and "refused" in dead.seen


def test_a_name_that_dns_does_not_know_is_no_firewall(
    examined: Examine, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    configured('[profiles.default]\nhttp_hosts = ["ocsp.esante.gouv.fr"]\n')
    clock, found = examined("network.hosts", "clock.network", online=True)
    assert found.status is Status.PROBLEM
    assert "DNS" in found.remedy and "firewall" not in found.remedy
    # The ANS's own hosts are no secret, wherever they are named.
    assert "***" not in found.seen + clock.seen
    assert "ocsp.esante.gouv.fr" in found.seen and "ocsp.esante.gouv.fr" in clock.seen
    flags = {"proxy": "http://p.example:3128"}
    (found,) = examined("network.hosts", online=True, flags=flags)
    assert found.remedy.startswith("DNS gives no address for the proxy")


def test_a_silent_host_is_given_up(
    examined: Examine, configured: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        configured(f'[profiles.default]\nhttp_hosts = ["127.0.0.1:{silent.getsockname()[1]}"]\n')
        (found,) = examined("clock.network")
    assert found.status is Status.WARNING and "no answer in 0.1 seconds" in found.seen


@pytest.mark.parametrize(
    ("ahead", "status", "words"),
    [
        (timedelta(), Status.OK, "the same"),
        (timedelta(minutes=20), Status.WARNING, "behind"),
        (-timedelta(minutes=20), Status.WARNING, "ahead of"),
        (timedelta(days=2), Status.PROBLEM, "behind"),
    ],
)
def test_the_clock_is_held_against_the_hosts(
    examined: Examine, configured: Configured, ahead: timedelta, status: Status, words: str
) -> None:
    with http_host(ahead) as port:
        configured(f'[profiles.default]\nhttp_hosts = ["127.0.0.1:{port}"]\n')
        (found,) = examined("clock.network")
    assert (found.status, words in found.seen) == (status, True)


def test_nothing_is_contacted_without_leave(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    platform = {"platform": "https://pfc.example/ws"}
    found = examined("network.hosts", "clock.network", "platform.tls", flags=platform)
    assert {f.status for f in found} == {Status.SKIPPED}
    assert {f.remedy for f in found} == {"to let it: igc doctor --online"}


def test_the_hosts_that_will_be_contacted_are_told() -> None:
    flags = {"platform": "https://pfc.example/ws"}

    def told(*names: str, online: bool) -> tuple[str, ...]:
        context = Context(lambda: resolve(None, flags), at=NOW, online=online)
        return contacts(chosen(names), context)

    def revealed(*names: str, online: bool) -> tuple[str, ...]:
        return tuple(masking.revealed(name) for name in told(*names, online=online))

    assert told("platform", online=True) == ("***:443",)
    assert revealed(online=True) == (
        "igc-sante.esante.gouv.fr:80", "ocsp.esante.gouv.fr:80", "pfc.example:443",
    )  # fmt: skip
    assert revealed("platform", online=True) == ("pfc.example:443",)
    assert told("card", online=True) == told(online=False) == ()


@pytest.mark.parametrize(("status", "wanted"), [(404, Status.OK), (407, Status.PROBLEM)])
def test_hosts_are_reached_through_the_proxy(
    examined: Examine, configured: Configured, status: int, wanted: Status
) -> None:
    with http_host(status=status) as port:
        configured(
            '[profiles.default]\nhttp_hosts = ["lists.example"]\n'
            f'proxy = "http://127.0.0.1:{port}"\n'
        )
        (found,) = examined("network.hosts", online=True)
    assert (found.status, str(status) in found.seen) == (wanted, status == 407)


def test_a_proxy_of_the_environment_is_told_and_its_value_is_not(
    examined: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy.example")
    found = examined("network.proxy")
    assert found[-1].status is Status.NOTE and "HTTPS_PROXY" in found[-1].seen
    assert "secret" not in seen(found)


# -- the platform --------------------------------------------------------------------------------


def test_the_platform_of_a_simulated_world_is_trusted(
    examined: Examine, doctor_world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_CONFIG_DIR", str(doctor_world.directory))
    monkeypatch.setenv("IGC_PROFILE", "sim")
    found = examined("platform")
    assert [f.status for f in found] == [Status.OK, Status.OK]
    assert "asks for one of ours" in found[1].seen


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize(
    ("plain", "root", "status", "words"),
    [
        (False, "root", Status.OK, "asks for one of ours"),
        (True, "root", Status.WARNING, "asks for none of ours"),
        (False, "stranger", Status.PROBLEM, "is not trusted"),
    ],
)
def test_the_servers_part_of_the_handshake(
    examined: Examine,
    folders: Path,
    tls_pki: Pki,
    configured: Configured,
    version: str,
    plain: bool,
    root: str,
    status: Status,
    words: str,
) -> None:
    anchors(folders / "config" / "a.pem", getattr(tls_pki, root))
    with openssl_server(tls_pki, version, plain=plain) as port:
        configured(
            f'[profiles.default]\nanchors = ["a.pem"]\nplatform = "https://localhost:{port}/ws"\n'
        )
        (found,) = examined("platform.tls")
    assert (found.status, words in found.seen) == (status, True), found


def test_a_platform_that_is_no_tls_server_or_is_down(
    examined: Examine, folders: Path, tls_pki: Pki, configured: Configured, dead_port: int
) -> None:
    anchors(folders / "config" / "a.pem", tls_pki.root)
    with ExitStack() as stack:
        for port in (stack.enter_context(http_host()), dead_port):
            configured(
                '[profiles.default]\nanchors = ["a.pem"]\n'
                f'platform = "https://127.0.0.1:{port}/ws"\n'
            )
            (found,) = examined("platform.tls")
            assert (found.status, found.exit_code) == (Status.PROBLEM, ExitCode.NETWORK)
            assert found.seen.rpartition(": ")[2]
