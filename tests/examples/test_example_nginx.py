"""The nginx example, with a real nginx: good client in, revoked and unknown ones out."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from cryptography import x509

from igcsante.certs.export import chain_pem
from igcsante.certs.x509 import names
from igcsante.config import cache_directory
from igcsante.testing.cards.material import KeyPair
from igcsante.testing.clock import utc_now
from igcsante.testing.http import LoopbackServer, QuietHandler, listen
from igcsante.testing.pki import SimulatedPki, SoftwareSubject
from igcsante.testing.pki.leaves import StructureName
from igcsante.testing.pki.simulated import new_key, save_key_pair
from igcsante.testing.world import SimulatedWorld

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
HOSPITAL = StructureName("Paris (75)", "CENTRE HOSPITALIER SIMULATION", "10B0999003")
SECRET = "shared with nginx"
MAIN = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/igc-clients.conf;
}}
"""
TRIES = 2000


class Backend(QuietHandler):
    """Keeps the headers of each request that nginx lets through."""

    seen: list[dict[str, str]]

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        self.seen.append(dict(self.headers))
        self.send_response(204)
        self.end_headers()


@pytest.fixture
def backend() -> Iterator[Any]:
    handler = type("Seeing", (Backend,), {"seen": []})
    with LoopbackServer(listen(), handler) as server:
        yield server


def client(pki: SimulatedPki, name: str) -> KeyPair:
    key = new_key()
    certificate = pki.issue_software(
        offre="ORG",
        usage="AUTH_CLI",
        subject=SoftwareSubject(name, HOSPITAL),
        public_key=key.public_key(),
        at=utc_now() - timedelta(minutes=1),
    )
    return KeyPair(key, certificate)


def refresh_lists(
    example: Path, *files: Path, nginx: list[str]
) -> subprocess.CompletedProcess[str]:
    igc = [str(Path(sys.executable).with_name("igc")), "--profile", "sim"]
    environ = {**os.environ, "IGC": shlex.join(igc), "NGINX": shlex.join(nginx)}
    command = [example / "refresh-lists", *files]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)


class Site:
    """The example's site on a port of its own, in front of ``backend``."""

    def __init__(self, folder: Path, example: Path, world: SimulatedWorld, port: int) -> None:
        self.folder, self.example, self.pki = folder, example, world.pki
        self._listener = listen()
        self.port = self._listener.getsockname()[1]
        identity = world.pki.issue_server(("localhost",), utc_now())
        save_key_pair(folder, "server", identity)
        (folder / "server.key").rename(folder / "server.key.pem")
        chain = (identity.certificate, *world.pki.chain(identity.certificate)[:1])
        (folder / "server.fullchain.pem").write_bytes(chain_pem(chain))
        authorities = world.pki.chain(identity.certificate)
        (folder / "authorities.pem").write_bytes(chain_pem(authorities))
        secret = f'proxy_set_header X-Proxy-Secret "{SECRET}";\n'
        (folder / "proxy-secret.conf").write_text(secret)
        site = (example / "igc-clients.conf").read_text()
        for theirs, ours in (
            ("/etc/nginx/igc/", f"{folder}/"),
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("127.0.0.1:8000", f"127.0.0.1:{port}"),
        ):
            assert theirs in site
            site = site.replace(theirs, ours)
        (folder / "igc-clients.conf").write_text(site)
        user = "user root;" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(MAIN.format(folder=folder, user=user))

    @property
    def nginx(self) -> list[str]:
        main, log = self.folder / "nginx.conf", self.folder / "error.log"
        return [NGINX or "nginx", "-c", str(main), "-p", str(self.folder), "-e", str(log)]

    def refresh(self, *certificates: KeyPair, nginx: list[str]) -> subprocess.CompletedProcess[str]:
        """Run the example's script, as on another day."""
        shutil.rmtree(cache_directory() / "crl", ignore_errors=True)  # else: asked already today
        files = [self.folder / "lists.pem", self.folder / "authorities.pem"]
        for number, item in enumerate(certificates):
            files.append(self.folder / f"wanted{number}.pem")
            files[-1].write_bytes(chain_pem([item.certificate]))
        return refresh_lists(self.example, *files, nginx=nginx)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """nginx takes over a socket that listens already, as from an older nginx."""
        descriptor = self._listener.fileno()
        environ = {**os.environ, "NGINX": f"{descriptor};"}
        with subprocess.Popen(self.nginx, pass_fds=[descriptor], env=environ) as process:
            try:
                self._listener.close()
                yield
            finally:
                process.terminate()

    def get(self, pair: KeyPair | None, issuers: tuple[x509.Certificate, ...] = ()) -> int:
        """The status for a client, which also tries to pass for another."""
        context = ssl.create_default_context(cafile=str(self.folder / "authorities.pem"))
        if pair:
            stem = f"client-{pair.certificate.serial_number:x}"
            if not (self.folder / f"{stem}.key").exists():
                save_key_pair(self.folder, stem, pair)
                (self.folder / f"{stem}.chain").write_bytes(chain_pem((pair.certificate, *issuers)))
            context.load_cert_chain(self.folder / f"{stem}.chain", self.folder / f"{stem}.key")
        connection = HTTPSConnection("localhost", self.port, context=context, timeout=30)
        with contextlib.closing(connection):
            forged = {"X-Client-Verify": "SUCCESS", "X-Client-Name": "CN=forged"}
            connection.request("GET", "/", headers={**forged, "X-Proxy-Secret": "guessed"})
            return connection.getresponse().status


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
def test_good_client_passes_revoked_and_unknown_ones_do_not(
    examples: Path, igc_world: SimulatedWorld, backend: Any, tmp_path: Path
) -> None:
    site = Site(tmp_path, examples / "nginx", igc_world, backend.port)
    seen = backend.RequestHandlerClass.seen
    good, later_revoked = client(igc_world.pki, "good"), client(igc_world.pki, "revoked")
    stranger_pki = SimulatedPki.create(at=utc_now(), base_url="http://127.0.0.1:9")
    stranger = client(stranger_pki, "good")
    issuer = igc_world.pki.chain(good.certificate)[:1]
    first = site.refresh(good, nginx=["true"])  # nginx doesn't run yet
    assert first.returncode == 0, first.stdout + first.stderr
    with site.running():
        assert site.get(good, issuer) == 204
        (headers,) = seen
        assert headers["X-Client-Verify"] == "SUCCESS"
        assert headers["X-Client-Name"].startswith("CN=good,")
        assert headers["X-Proxy-Secret"] == SECRET
        passed = unquote(headers["X-Client-Certificate"]).encode()
        assert x509.load_pem_x509_certificate(passed) == good.certificate
        assert site.get(later_revoked, issuer) == 204

        igc_world.pki.revoke(later_revoked.certificate.serial_number, utc_now())
        again = site.refresh(good, nginx=site.nginx)
        assert again.returncode == 0, again.stdout + again.stderr
        statuses = (site.get(later_revoked, issuer) for _ in range(TRIES))
        assert 400 in statuses  # at once, or when the new worker is there
        assert site.get(good, issuer) == 204

        before = len(seen)
        assert site.get(stranger, stranger_pki.chain(stranger.certificate)[:1]) == 400
        assert site.get(None) == 400
        assert len(seen) == before


def test_an_authority_without_a_list_is_named_and_the_script_fails(
    examples: Path, igc_world: SimulatedWorld, tmp_path: Path
) -> None:
    pair = client(igc_world.pki, "good")
    issuer, root = igc_world.pki.chain(pair.certificate)
    lists, authorities, issued = (tmp_path / f"{n}.pem" for n in ("lists", "authorities", "issued"))
    authorities.write_bytes(chain_pem([issuer, root]))
    issued.write_bytes(chain_pem([pair.certificate]))

    without = refresh_lists(examples / "nginx", lists, authorities, nginx=["true"])
    assert without.returncode != 0
    missing = without.stderr.partition("No list in force")[2]
    assert names.display(issuer.subject) in missing
    assert names.display(root.subject) not in missing
    assert lists.exists()  # those of the roots: the others' clients are refused, the safe side

    complete = refresh_lists(examples / "nginx", lists, authorities, issued, nginx=["true"])
    assert complete.returncode == 0, complete.stdout + complete.stderr
    assert "No list in force" not in complete.stderr
    assert sorted(path.name for path in tmp_path.iterdir() if "lists" in path.name) == ["lists.pem"]


def test_an_outdated_list_counts_as_missing(
    examples: Path, igc_world: SimulatedWorld, tmp_path: Path
) -> None:
    lists, authorities = tmp_path / "lists.pem", tmp_path / "authorities.pem"
    authorities.write_bytes(chain_pem(igc_world.pki.roots))
    igc_world.clock.set(utc_now() - timedelta(days=90))
    done = refresh_lists(examples / "nginx", lists, authorities, nginx=["true"])
    assert done.returncode != 0
    missing = done.stderr.partition("No list in force")[2]
    assert all(names.display(root.subject) in missing for root in igc_world.pki.roots)


def test_without_its_files_the_script_says_what_it_takes(examples: Path) -> None:
    done = refresh_lists(examples / "nginx", nginx=["true"])
    assert done.returncode == 2
    assert done.stderr.startswith("usage: refresh-lists LISTS.pem AUTHORITIES.pem")
