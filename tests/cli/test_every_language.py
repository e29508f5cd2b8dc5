"""Nothing that people read escapes the catalogue: igc speaks an invented language.

Its translation of a text is the text within ⟦ ⟧, so that what stands outside was never looked
up, and could be said in no language but English. Only values may stand there: names, numbers,
paths, codes. A time is told in one form only, that of instants.shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from igcsante import messages
from igcsante.card import readers
from igcsante.catalogue import Catalogue
from igcsante.cli import main
from igcsante.config import KEYS
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.contract.mapping import contract_file

PIN = ("--pin-source", "env:PIN")
FIELD = re.compile(r"(\{[^{}]*\})")

# Words of values: codes, keys, names of software and of what the simulated world holds.
VALUES = {
    *KEYS,
    *("profile", "default", "guide-ans", "offline", "strict", "prod", "test", "sim"),  # names
    *("never", "require", "here", "usage"),  # values and options as they are written
    *("igc", "igcsante", "CPython", "Linux", "Simulated", "reader"),
    *("keyCertSign", "cRLSign", "digitalSignature", "contentCommitment", "keyEncipherment"),
    *("clientAuth", "serverAuth", "emailProtection", "msSmartcardLogon", "anyExtendedKeyUsage"),
    *("OCSPSigning", "nan", "crl", "ocsp"),
    *["Médecin", "Pharmacien", "Médecine", "générale", "Pharmacie", "d'officine"],
    *[
        "Etablissement",
        "public",
        "de",
        "santé",
        "Certificat",
        "Signature",
        "d'Authentification",
        "Technique",
    ],
    *("my-service", "Paris"),
}
NO_WORDS = re.compile(
    r"\x1b\[[0-9;]*m"
    r"|⟦[^⟦⟧]*⟧"
    r"|'[^'\n]*'|«\xa0[^»\n]*\xa0»"  # quoted
    r"|\bigc( [a-z][a-z-]+)+"  # a command
    r"|[\w-]+ \d[\w.]*\d"  # software and its version
    r"|\d+ [A-Z][a-z]{2} \d{4}"
)
OTHER_TIME = re.compile(r"\d{4}-\d\d-\d\dT.*|.*\d\d:\d\d(?::\d\d)?\b(?! UTC)(?!:).*")

Run = Callable[..., str]


class Invented(Catalogue):
    def gettext(self, message: str) -> str:
        pieces = FIELD.split(message)
        return "".join(p if FIELD.match(p) or not p.strip() else f"⟦{p}⟧" for p in pieces)

    def ngettext(self, one: str, many: str, count: int) -> str:
        return self.gettext(one if count == 1 else many)


def escaped(text: str) -> list[str]:
    """The words that were never looked up."""
    rest = NO_WORDS.sub(" ", text)
    words = [word.strip('()[]«»,;:!?"…') for word in rest.split()]
    return [word for word in words if _is_language(word)]


def _is_language(word: str) -> bool:
    if word in VALUES or word.isupper():
        return False
    return bool(re.fullmatch(r"[^\W\d_][^\W\d_'’-]*[^\W\d_]", word))


@pytest.fixture(scope="module")
def world() -> Iterator[SimulatedWorld]:
    with SimulatedWorld() as world:
        yield world


@pytest.fixture
def igc(
    world: SimulatedWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Runs a command in the invented language: what it says, of which no word escaped."""
    config = tmp_path / "config"
    config.mkdir(mode=0o700)
    toml = world.profile_toml().replace('"anchors"', f'"{world.directory / "anchors"}"')
    toml = toml.replace('"clock.json"', f'"{world.directory / "clock.json"}"')
    (config / "config.toml").write_text('default_profile = "sim"\n' + toml)
    (config / "config.toml").chmod(0o600)
    monkeypatch.setenv("IGC_CONFIG_DIR", str(config))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IGC_LANG", "fr")
    monkeypatch.setenv("PIN", "1234")
    monkeypatch.setenv("CODE", "revocation-code-1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(messages, "_catalogues", {"fr": Invented()})
    insert(world, monkeypatch, "cps4")
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path, code: int = 0) -> str:
        capsys.readouterr()
        ended = main.run([*map(str, arguments)])
        told = capsys.readouterr()
        said = told.out + told.err
        assert ended == code, said
        assert escaped(said) == [], said
        assert OTHER_TIME.findall(said) == [], said
        return said

    return run


def insert(world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    reader = SimulatedReader(card=world.card(name))
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])


@pytest.mark.parametrize("card", ["cps4", "cps3", "cps3-contactless"])
def test_cards(
    igc: Run, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, card: str
) -> None:
    insert(world, monkeypatch, card)
    contact = card != "cps3-contactless"
    igc("readers")
    igc("card", "info")
    igc("card", "id", code=0 if contact else 3)
    igc("card", "certs")
    igc("card", "objects")
    igc("card", "activities", *PIN)
    igc("card", "export", tmp_path / card)
    igc("card", "pin", "status", code=0 if contact else 3)
    igc("inspect", tmp_path / card)
    igc("check", "--card")


def test_keys_and_pins(igc: Run, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    igc("card", "pin", "verify", *PIN)
    igc("card", "pin", "verify", code=2)
    monkeypatch.setenv("WRONG", "9999")
    igc("card", "pin", "verify", "--pin-source", "env:WRONG", code=4)
    igc("card", "pin", "change", "--yes", *PIN, code=2)
    igc("card", "sign", "config/config.toml", *PIN)
    igc("card", "sign", "absent.txt", *PIN, code=2)
    igc("card", "tls-check", world.endpoint.split("/")[2], *PIN)
    igc("card", "cache", "clear")


def test_a_certificate_from_order_to_end(igc: Run, tmp_path: Path) -> None:
    igc("orders")
    igc("status", *PIN)
    igc("habilitations", *PIN)
    asked = ("--usage", "AUTH_CLI", "--structure", "10B0999003", "--email", "a@example.org")
    secrets = ("--revocation-code-source", "env:CODE", "--accept-cgu")
    asked = (*asked, "--out", tmp_path / "out")
    igc("order", *asked, "--service", "my-service", *secrets, *PIN)
    igc("order", *asked, "--service", "my-service", "--order-only", *secrets, *PIN)
    igc("order", *PIN, code=2)
    igc("orders")
    igc("orders", "show", "1")
    igc("orders", "sync", *PIN)
    igc("orders", "wait", "2", *PIN)
    igc("orders", "show", "99", code=2)
    igc("retrieve", "2", *secrets, *PIN)
    igc("status", *PIN)
    igc("status", "--offline", "--files")
    igc("renew", "1", *secrets, *PIN, code=2)
    igc("renew", "1", "--early", *secrets, *PIN)
    igc("renew", "--due", *secrets, *PIN)
    igc("inspect", tmp_path / "out")
    igc("export", "1", "--as", "p7b", "--as", "der", "--out", "given")
    igc("check", tmp_path / "out", "--fail-on", "none")
    igc("bundle", "make", "proof.zip", *sorted((tmp_path / "out").rglob("*.cert.pem"))[:1])
    revoke = ("revoke", "1", "--revocation-code-source", "env:CODE", "--yes", *PIN)
    assert "Revoked on" in igc(*revoke)
    assert "Already revoked on" in igc(*revoke)
    igc("orders")
    igc("status", *PIN)


def test_lists_and_authorities(igc: Run, world: SimulatedWorld) -> None:
    authorities = sorted((world.directory / "anchors").iterdir())
    igc("crl", "list")
    igc("crl", "update", code=8)  # of six authorities, nothing tells the lists' addresses
    igc("crl", "list")
    igc("crl", "show", "ELEMENTAIRE")
    igc("crl", "show", "ELEMENTAIRE", "--serial", "1f2e3d")
    igc("crl", "show", "nothing.like.it", code=2)
    igc("trust", "list")
    igc("trust", "show", "ACR-EL")
    igc("trust", "import", *authorities, code=6)
    igc("trust", "import", "--unpinned", *authorities)
    igc("trust", "list")
    igc("inspect", *authorities)
    igc("check", *authorities)
    igc("check", "absent.pem", code=2)
    igc("bundle", "make", "proof.zip", *authorities)
    igc("bundle", "check", "proof.zip")
    igc("bundle", "check", "proof.zip", "--policy", "strict", code=6)


def test_configuration_and_policies(igc: Run) -> None:
    for command in ("show", "profiles", "keys", "path"):
        igc("config", command)
    igc("config", "show", "--origin")
    igc("config", "get", "platfrom", code=2)
    igc("config", "set", "connect_seconds", "much", code=2)
    igc("config", "set", "connect_seconds", "12")
    igc("policy", "list")
    igc("policy", "show", "strickt", code=2)


def test_doctor(igc: Run) -> None:
    igc("doctor")
    igc("doctor", "--list")


def test_the_contract(igc: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own words, and those of the mapping, are values."""
    names = ("pfc-mock.wsdl", "pfc-mock.xsd", "mapping.toml")
    files = [contract_file(name).read_text() for name in names]
    words = {word for text in files for word in re.findall(r"[\w.-]+", text)}
    monkeypatch.setitem(globals(), "VALUES", VALUES | words)
    igc("ws", "describe")
    igc("ws", "check-mapping")


@pytest.mark.parametrize(
    "arguments",
    [
        ("chek",),
        ("check",),
        ("check", "--nosuch"),
        ("check", "--format", "xml"),
        ("check", "--usage", "mail", "a.pem"),
        ("readers", "--wait", "nan"),
        ("card", "tls-check", "host:1", "--timeout", "nan"),
        ("card", "sign"),
        ("orders", "settle", "1"),
        ("--profile", "none.such", "config", "show"),
        ("bundle", "make", ""),
    ],
)
def test_wrong_use(igc: Run, arguments: tuple[str, ...]) -> None:
    igc(*arguments, code=2)
