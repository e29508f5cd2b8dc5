"""A whole simulated world: PKI, cards and platform, in a folder or for a moment.

A folder that is kept has fixed ports, since its certificates say where their CRLs are; a
temporary world takes free ones. Everything in it is made once and atomically: two
processes may open the same new folder at the same time.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import shutil
import socket
import ssl
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..config import Profile
from ..errors import ConfigError, StorageError
from ..files import private_directory, write_atomic
from ..messages import reason_of, tr
from .cards import SimulatedCard
from .cards.material import CardMaterial
from .cards.profile import CARD_TYPES, CardProfile, load_profile
from .clock import WorldClock, utc_now
from .http import LOOPBACK, listen
from .pki import PkiServer, SimulatedPki
from .pki.simulated import load_key_pair, save_key_pair
from .platform import (
    HabilitationRegister,
    MockPlatform,
    Options,
    PlatformServer,
    Portal,
    default_settings,
    load_settings,
)
from .platform.portal import PORTAL_PATH
from .platform.server import SERVER_NAMES
from .platform.soap import PATH

PLATFORM_PORT = 14443
PKI_PORT = 14480
PROFILE_NAME = "sim"
CLOCK_FILE = "clock.json"


class SimulatedWorld:
    """``with SimulatedWorld() as world:`` serves a new world and removes it at the end.

    With ``directory`` the world is made there once and found again later; it is served
    between :meth:`start` and :meth:`stop`. Port 0 is a free one, held until :meth:`stop`;
    ``pki_port`` can't change once the world is made. Habilitations and options are those of
    the folder's ``platform.toml``, or the default ones, unless given; the time is that of
    :attr:`clock`, which can be moved, unless another one is given. Raises UsageError when a
    port is taken, ConfigError when the folder holds something else.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        platform_port: int | None = None,
        pki_port: int | None = None,
        habilitations: HabilitationRegister | None = None,
        options: Options | None = None,
        clock: Callable[[], datetime] | None = None,
        maximum_version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
    ) -> None:
        self._maximum_version = maximum_version
        self._servers = contextlib.ExitStack()
        self._held = contextlib.ExitStack()
        self._listeners: dict[str, socket.socket] = {}
        if directory is None:
            folder = tempfile.TemporaryDirectory(prefix="igcsante-world-")
            directory = Path(self._held.enter_context(folder))
            platform_port, pki_port = platform_port or 0, pki_port or 0
        if platform_port == 0:
            platform_port = self._hold("platform")
        if pki_port == 0:
            pki_port = None if (directory / "pki").is_dir() else self._hold("pki")
        self.directory = private_directory(directory.absolute())
        self.clock = WorldClock(self.directory / CLOCK_FILE)
        self._clock = clock or self.clock
        self._platform_port = platform_port or PLATFORM_PORT
        try:
            self.pki = self._open_pki(pki_port)
            settings = default_settings()
            if self.settings_path.exists():
                settings = load_settings(self.settings_path)
            self.platform = MockPlatform(
                self.pki,
                self.directory / "platform.sqlite",
                habilitations=habilitations or settings.habilitations,
                options=options or settings.options,
                clock=self._clock,
            )
            self.platform.portal_url = self.portal_url
        except BaseException:
            self._held.close()
            raise
        self.server: PlatformServer | None = None
        self.pki_server: PkiServer | None = None
        if not self._profile_path.exists():
            self._write_profile()

    # -- what a client of this world needs ---------------------------------------------

    @property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """Roots and intermediates."""
        return (*self.pki.roots, *self.pki.intermediates)

    @property
    def endpoint(self) -> str:
        """The address of the platform's web service."""
        return f"https://{LOOPBACK}:{self._platform_port}{PATH}"

    @property
    def portal_url(self) -> str:
        """The address of the pages for people."""
        return self.pki.base_url + PORTAL_PATH

    @property
    def settings_path(self) -> Path:
        """Where the platform's settings are, when they are not the default ones."""
        return self.directory / "platform.toml"

    @property
    def profile(self) -> Profile:
        """The configuration profile with which any command works in this world."""
        return Profile(
            name=PROFILE_NAME,
            platform=self.endpoint,
            anchors=(self.directory / "anchors",),
            http_hosts=(urlsplit(self.pki.base_url).netloc,),
            clock=self.directory / CLOCK_FILE,
        )

    def profile_toml(self) -> str:
        """The same profile as text; its paths are relative to the world's folder."""
        profile = self.profile
        return (
            f"[profiles.{profile.name}]\n"
            f'platform = "{profile.platform}"\n'
            'anchors = ["anchors"]\n'
            f'http_hosts = ["{profile.http_hosts[0]}"]\n'
            f'clock = "{CLOCK_FILE}"\n'
        )

    def card(self, name: str | Path) -> SimulatedCard:
        """A card by its profile's name or file, as new; its keys stay those of the world."""
        profile = load_profile(name)
        return SimulatedCard(profile, self.card_material(profile))

    def card_material(self, profile: CardProfile) -> CardMaterial:
        """The keys and certificates of a card, issued once and kept."""
        folder = self.directory / "cards" / _card_folder(profile)

        def build(target: Path) -> None:
            material = self.pki.issue_card(profile, self._clock())
            for role in profile.key_roles:
                save_key_pair(target, role, getattr(material, role))

        _make_once(folder, build)
        return CardMaterial(**{role: load_key_pair(folder, role) for role in profile.key_roles})

    # -- serving -----------------------------------------------------------------------

    def start(self) -> Self:
        """Serve the CRLs, the platform and its pages until :meth:`stop`."""
        with contextlib.ExitStack() as starting:
            listener = self._listener("pki", urlsplit(self.pki.base_url).port or PKI_PORT)
            portal = Portal(self.platform)
            pki_server = PkiServer(self.pki, listener, clock=self._clock, pages=portal)
            starting.enter_context(pki_server)
            # By real time: clients verify the server, and know no other.
            identity = self.pki.issue_server(SERVER_NAMES, utc_now())
            server = PlatformServer(
                self.platform,
                self.pki,
                identity,
                self._listener("platform", self._platform_port),
                maximum_version=self._maximum_version,
            )
            starting.enter_context(server)
            self.pki_server, self.server = pki_server, server
            self._write_profile()
            self._servers = starting.pop_all()
        return self

    def stop(self) -> None:
        """Stop serving; a temporary world is gone then."""
        self._servers.close()
        self._held.close()
        self.server = self.pki_server = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *exc: object) -> None:
        self.stop()

    # -- making ------------------------------------------------------------------------

    def _hold(self, name: str) -> int:
        """Take a free port now: certificates and profile name it before it is served."""
        listener = self._held.enter_context(listen())
        self._listeners[name] = listener
        return int(listener.getsockname()[1])

    def _listener(self, name: str, port: int) -> socket.socket:
        return self._listeners.pop(name, None) or listen(port)

    def _open_pki(self, port: int | None) -> SimulatedPki:
        base_url = f"http://{LOOPBACK}:{port or PKI_PORT}"
        _make_once(
            self.directory / "pki",
            lambda target: SimulatedPki.create(at=self._clock(), base_url=base_url).save(target),
        )
        pki = SimulatedPki.load(self.directory / "pki")
        if port and pki.base_url != base_url:
            raise ConfigError(
                tr(
                    "{directory}: the certificates of this world name {base_url}",
                    directory=self.directory,
                    base_url=pki.base_url,
                ),
                advice=tr("leave the port of the PKI as it is, or choose another folder"),
            )
        _make_once(self.directory / "anchors", lambda target: _write_anchors(pki, target))
        return pki

    @property
    def _profile_path(self) -> Path:
        return self.directory / "profile.toml"

    def _write_profile(self) -> None:
        write_atomic(self._profile_path, self.profile_toml().encode(), overwrite=True)


def _make_once(target: Path, build: Callable[[Path], None]) -> None:
    """Make the folder ``target`` whole, unless it is there; the first of several wins."""
    if target.is_dir():
        return
    private_directory(target.parent)
    draft = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        build(draft)
        draft.rename(target)
    except OSError as error:
        if not target.is_dir():  # else another process was first
            raise StorageError(tr("{target}: {why}", target=target, why=reason_of(error))) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write_anchors(pki: SimulatedPki, target: Path) -> None:
    for code, authority in pki.authorities.items():
        certificate = authority.certificate.public_bytes(Encoding.PEM)
        write_atomic(target / f"{code}.pem", certificate)


def _card_folder(profile: CardProfile) -> str:
    """A folder name for a card: what its keys and certificates don't depend on may change."""
    named = profile.activities[:1] if CARD_TYPES[profile.card_type] >= 2 else ()
    issued = replace(
        profile, note="", specialty="", activities=named, files={},
        pin="0000", puk="00000000", pin_tries=3, pin_tries_left=3,
    )  # fmt: skip
    digest = hashlib.sha256(repr(issued).encode()).hexdigest()[:12]
    return re.sub(r"[^0-9A-Za-z_-]", "_", profile.name)[:32] + "-" + digest
