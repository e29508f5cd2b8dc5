"""What the doctor says tells nobody who the card's holder is, nor who sits at the machine."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from igcsante.card import readers
from igcsante.card.readers import open_card
from igcsante.certs.profile import decode
from igcsante.cli import main
from igcsante.doctor import masking
from igcsante.errors import CardError, UsageError
from igcsante.messages import joined, localized, plural, reason_of, tr
from igcsante.testing.world import SimulatedWorld


@pytest.fixture
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/jmartin")
    monkeypatch.setattr(getpass, "getuser", lambda: "jeanne.martin")


def test_a_masked_value_shows_in_no_message_and_is_given_back_on_demand() -> None:
    secret = masking.identity("899700990031")
    told = tr("{card}: {many}", card=secret, many=plural("{who} once", "{who}", 2, who=secret))
    both = joined(", ", [told, secret])
    for text in (told, both, f"{secret}", repr(told), localized(both, "fr"), json.dumps([told])):
        assert "8997" not in text
    assert masking.revealed(both) == "899700990031: 899700990031, 899700990031"


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/home/jmartin/.config/igcsante", "~/.config/igcsante"),
        ("/home/jmartin", "~"),
        ("/home/jmartin2/x", "/home/***"),
        ("/Users/other/x/data", "/Users/***/data"),
        ("/srv/jeanne.martin/data", "/srv/***/data"),
        ("/srv/data", "/srv/data"),
        ("/srv/Jean DUPONT/config.toml:3:12", "/srv/***/config.toml:3:12"),
        ("/srv/dupont/secret/x.wsdl", "/srv/***.wsdl"),
        ("/usr/lib/libpcsclite.so.1", "/usr/lib/libpcsclite.so.1"),
    ],
)
def test_a_place_names_no_person(text: str, shown: str) -> None:
    assert str(masking.place(Path(text))) == shown
    assert masking.revealed(masking.place(text)) == text


@pytest.mark.usefixtures("somebody")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("'~jmartin/x' names no home folder", "'~***/x' names no home folder"),
        ("/home/jmartin/c.toml:3:12: unknown key", "~/***.toml:3:12: unknown key"),
        ("reader '99700301' is busy", "reader '***' is busy"),
        ("30B0999003/CPET0002 holds it", "*** holds it"),
        ("https://127.0.0.1:39905", "https://127.0.0.1:39905"),
    ],
)
def test_texts_of_others_lose_their_long_numbers_and_homes(text: str, shown: str) -> None:
    assert str(masking.foreign(text)) == shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "Cherry ST-2xxx [Vendor Interface] (21121810206314) 00 00",
            "Cherry ST-2xxx [Vendor Interface] (***) 00 00",
        ),
        ("Gemalto USB Shell Token V2 (284C0A13) 01 00", "Gemalto USB Shell Token V2 (***) 01 00"),
        ("ACS ACR39U 0", "ACS ACR39U 0"),
    ],
)
def test_a_reader_keeps_its_model_and_loses_its_number(name: str, shown: str) -> None:
    assert str(masking.reader(name)) == shown


def test_an_error_says_what_happened_and_to_nobody_whom() -> None:
    why = reason_of(FileNotFoundError(2, "No such file or directory"))
    told = masking.told(UsageError(tr("{path}: {why}", path="/srv/dupont/a.pem", why=why)))
    assert told == "/srv/***.pem: No such file or directory"
    assert localized(told, "fr") != told
    assert masking.revealed(told).startswith("/srv/dupont/a.pem: ")
    held = masking.told(
        CardError(
            tr(
                "{name} has {card} since {day}",
                name="CAMILLE",
                card="899700990031",
                day="2026-01-02",
            )
        )
    )
    assert held == "*** has *** since 2026-01-02"


def test_an_error_that_is_no_message_shows_its_code_only() -> None:
    error = CardError("the card of CAMILLE SIMULATION makes no sense", advice="call 899700990031")
    assert str(masking.told(error)) == "card.protocol"
    assert "CAMILLE" in masking.revealed(masking.told(error))


@pytest.mark.usefixtures("somebody")
def test_a_message_of_others_keeps_its_words_for_the_translator() -> None:
    told = tr("{place}: unknown key {key!r}", place="/home/jmartin/c.toml:3", key="99700301")
    masked = masking.foreign(told)
    assert (masked, masked.template) == ("~/***.toml:3: unknown key '***'", told.template)
    assert masking.revealed(masked) == told


CARDS = ("cps3", "cpe", "cps3-contactless")


@pytest.mark.parametrize("name", CARDS)
def test_nothing_of_the_holder_is_said(
    doctor_world: SimulatedWorld,
    folders: Path,
    insert: Callable[..., list[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    person = "zoe-canary"
    home = folders / "home" / person
    home.mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("IGC_DATA_DIR", str(home / "data"))
    monkeypatch.setenv("IGC_CONFIG_DIR", str(doctor_world.directory))
    monkeypatch.setenv("IGC_READER", "00112233")
    insert(name)
    found = canaries() | {person, "00112233"}
    said = ""
    for arguments in (["doctor"], ["doctor", "--json"]):
        main.run(["--profile", "sim", *arguments])
        output = capsys.readouterr()
        said += output.out + output.err
    assert "(***) 00 00" in said
    assert {canary for canary in found if canary.lower() in said.lower()} == set()
    main.run(["--profile", "sim", "doctor", "--show-identities"])
    plain = capsys.readouterr().out
    assert "00112233" in plain and person in plain


def canaries() -> set[str]:
    """All that tells the holder or the card in the reader from another."""
    found: set[str] = set()
    with open_card(readers=readers.system_readers()) as card:
        found |= {card.serial, card.label()}
        for entry in card.certificates():
            about = decode(entry.certificate)
            found |= {f"{about.serial:x}", str(about.serial), about.common_name, about.upn}
            found |= {about.surname, about.given_name, about.organisation, about.title}
            found |= {str(about.national_id or ""), str(about.structure_id or "")}
            found |= {about.card_number or "", *about.emails}
    assert len(found) > 6
    return {text for text in found if len(text) > 4}


def test_the_environment_shows_no_value_but_that_of_folders(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IGC_PIN", "4321-canary")
    monkeypatch.setenv("https_proxy", "http://me:canary@proxy.example:3128")
    main.run(["doctor", "configuration", "network", "--show-identities"])
    said = capsys.readouterr().out
    assert "IGC_PIN" in said and "https_proxy" in said
    assert "canary" not in said
    monkeypatch.setenv("IGC_JEANDUPONT", "1")
    main.run(["doctor", "configuration"])
    said = " ".join(capsys.readouterr().out.split())
    assert "DUPONT" not in said and "the variable IGC_*** means nothing to igc" in said
    main.run(["doctor", "configuration", "--show-identities"])
    said = capsys.readouterr().out
    assert "IGC_JEANDUPONT" in said
    assert str(os.environ["IGC_DATA_DIR"]) in said


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("proxy.dupont.local:3128", "***:3128"),
        ("10.1.2.3", "***"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]:80", "[::1]:80"),
        ("ocsp.esante.gouv.fr:80", "ocsp.esante.gouv.fr:80"),
        ("esante.gouv.fr.dupont.example", "***"),
        ("jean.dupont@mail.esante.gouv.fr", "***"),
    ],
)
def test_hosts_of_a_house_are_masked(name: str, shown: str) -> None:
    assert masking.host(name) == shown
    assert masking.revealed(masking.host(name)) == name


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ocsp.esante.gouv.fr", "ocsp.esante.gouv.fr"),
        ("http://ocsp.esante.gouv.fr:80/dupont?x", "http://ocsp.esante.gouv.fr:80"),
        ("http://dupont:secret@ocsp.esante.gouv.fr/", "***"),
        ("http://crl.dupont.local:80/", "***"),
        ("ldap://[::1/", "***"),
        ("card", "card"),  # an extra
        ("dupont", "***"),
    ],
)
def test_of_the_values_of_others_those_that_everybody_knows_are_shown(
    value: str, shown: str
) -> None:
    assert masking.foreign(tr("{what}: no", what=value)) == f"{shown}: no"


def test_the_hosts_are_told_masked_unless_identities_are_shown(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("IGC_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("IGC_HTTP_HOSTS", "crl.dupont.example:81,ocsp.esante.gouv.fr")
    hosts = "127.0.0.1:9, {}:81, ocsp.esante.gouv.fr:80\n"
    main.run(["doctor", "--online", "network.hosts"])
    assert capsys.readouterr().err == "This contacts: " + hosts.format("***")
    main.run(["doctor", "--online", "network.hosts", "--show-identities"])
    assert capsys.readouterr().err == "This contacts: " + hosts.format("crl.dupont.example")


def test_folders_profiles_and_hosts_name_nobody(
    folders: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    configured = folders / "Jean DUPONT"
    configured.mkdir(mode=0o700)
    profile = """[profiles.dr-jean-dupont]
        platform = "https://pfc.dupont.local/ws"
        wsdl = "/srv/dupont/secret/x.wsdl"
        anchors = ["/srv/dupont/secret/absent.pem"]
        http_hosts = ["crl.dupont.local"]
        private_networks = ["10.66.0.0/16"]
        proxy = "http://proxy.dupont.local:3128"
        """
    monkeypatch.setenv("IGC_CONFIG_DIR", str(configured))
    monkeypatch.setenv("IGC_DATA_DIR", str(folders / "dupont" / "data"))
    for text, name in ((profile, "dr-jean-dupont"), (profile, "dr-dupont"), ("[dupont]", "dupont")):
        (configured / "config.toml").write_text(text)
        for how in ([], ["--json"]):
            main.run(["--profile", name, "doctor", *how])
            said = capsys.readouterr()
            assert "dupont" not in (said.out + said.err).lower()
            assert "10.66" not in said.out
    (configured / "config.toml").write_text(profile)
    main.run(["--profile", "dr-jean-dupont", "doctor", "certificates"])
    assert "No such file or directory" in " ".join(capsys.readouterr().out.split())
