"""The settings file of the mock: several administrators, options, and what is wrong with a file."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from pfc_client import (
    NOW,
    SoapClient,
    SoapFault,
    card_material,
    card_profile,
    certificate_of,
    platform_at,
    request_for,
    shared_pki,
    some_key,
)

from igcsante.errors import ConfigError, UsageError
from igcsante.testing.platform import Options, Validation, default_settings, load_settings
from igcsante.testing.platform.options import _CHECKS
from igcsante.testing.platform.settings import default_text
from igcsante.ws.vocabulary import Offre, ScopeKind, World

TWO = """
[[structures]]
id = "10B0999003"
name = "HÔPITAL"
department = "Rhône (69)"

[[structures]]
id = "399999999700037"
name = "PHARMACIE"

[[administrators]]
name = "Camille"
cards = ["2900997003", "10B0999003"]

[[administrators.habilitations]]
structure = "10B0999003"
offre = "ORG"
usages = ["AUTH_CLI", "SIGN"]

[[administrators.habilitations]]
structure = "10B0999003"
offre = "SERV"
usages = ["SSL_SERVEUR"]
server = "MSS.hopital.example"
world = "PROD"

[[administrators]]
cards = ["*"]

[[administrators.habilitations]]
structure = "399999999700037"
offre = "ORG"
usages = ["AUTH_CLI"]

[options]
pending_quota = 5
key_sizes = [2048, 4096]
validation = "delayed"
"""


def settings_of(text, tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    return load_settings(path)


def test_default_file_holds_the_default_options() -> None:
    assert default_settings().options == Options()
    text = default_text()
    assert all(field.name in text for field in fields(Options))
    assert set(_CHECKS) == {field.name for field in fields(Options)}
    lines = default_settings().habilitations.default
    assert {line.offre for line in lines} == set(Offre)


def test_every_administrator_has_what_the_file_says(tmp_path) -> None:
    settings = settings_of(TWO, tmp_path)
    register = settings.habilitations
    assert register.of("2900997003") == register.of("10B0999003") != register.of("1")
    assert register.names["2900997003"] == "Camille"
    org, server = register.of("2900997003")
    assert (org.structure.department, org.world) == ("Rhône (69)", World.TEST)
    assert (server.scope.kind, server.scope.value) == (ScopeKind.SERVEUR, "mss.hopital.example")
    assert server.world is World.PROD
    assert settings.options == Options(
        pending_quota=5, key_sizes=(2048, 4096), validation=Validation.DELAYED
    )


def test_two_administrators_see_their_own_products_only(tmp_path) -> None:
    register = settings_of(TWO, tmp_path).habilitations
    platform = platform_at(tmp_path, habilitations=register)
    camille = SoapClient(platform)
    assert card_profile().card_number == "2900997003"
    other_card = shared_pki().issue_card(replace(card_profile(), card_number="0000000042"), NOW)
    other = SoapClient(platform, other_card.authentication.certificate)
    product = camille.order(request_for(some_key("own")))
    theirs = other.order(request_for(some_key("theirs")), idStructure="399999999700037")
    assert camille.search().findtext("produits/idProduit") == product
    assert other.search().findtext("produits/idProduit") == theirs
    for client, foreign in ((camille, theirs), (other, product)):
        assert client.search().findtext("total") == "1"
        with pytest.raises(SoapFault, match="F10"):
            client.product(foreign)
        with pytest.raises(SoapFault, match="F10"):
            client.withdraw(foreign)


def test_file_with_options_only_keeps_the_default_structures(tmp_path) -> None:
    settings = settings_of("[options]\nwildcards = true\n", tmp_path)
    assert settings.habilitations == default_settings().habilitations
    assert settings.options.wildcards


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("[options]", "[option]", "unknown key 'option'"),
        ('validation = "delayed"', "validation = 1", "options: validation is one of immediate"),
        ("pending_quota = 5", "pending_quota = -1", "options: pending_quota is a whole number"),
        ("pending_quota = 5", "quota = 5", "options: unknown key 'quota'"),
        ("pending_quota = 5", "delay = 61", "options: delay is 0 to 60 seconds"),
        ("pending_quota = 5", "delay = true", "options: delay is 0 to 60 seconds"),
        ("pending_quota = 5", "secret_classes = 5", "options: secret_classes is 1 to 4"),
        ("pending_quota = 5", "secret_length = 129", "options: secret_length is 0 to 128"),
        ("pending_quota = 5", "modern_p12 = 1", "options: modern_p12 is true or false"),
        ("[2048, 4096]", "[1024]", "options: key_sizes is a list of 2048"),
        ("[2048, 4096]", "[[2048]]", "options: key_sizes is a list of 2048"),
        ('id = "10B0999003"', 'id = "9"', "structures 1: "),
        ('name = "PHARMACIE"', 'nom = "PHARMACIE"', "structures 2: unknown key 'nom'"),
        ('name = "PHARMACIE"', "", "structures 2: name is missing"),
        ('name = "HÔPITAL"', "name = 1", "structures 1: name is a text"),
        ('["2900997003", "10B0999003"]', '"2900997003"', "administrators 1: cards is a list"),
        ('cards = ["*"]', 'cards = ["2900997003"]', "administrators 2: the card 2900997003 has"),
        ('["AUTH_CLI", "SIGN"]', '["SSL_SERV"]', "habilitations 1: SSL_SERV is no usage of ORG"),
        ('["AUTH_CLI", "SIGN"]', "[]", "habilitations 1: usages is a list"),
        ('["AUTH_CLI", "SIGN"]', '["X"]', "administrators 1, habilitations 1: usage: 'X'"),
        ('world = "PROD"', 'world = "MARS"', "habilitations 2: world: 'MARS'"),
        ('world = "PROD"', 'domain = "a.example"', "domain and server: one limit only"),
        ('"MSS.hopital.example"', '"mss"', "habilitations 2: server: 'mss' is no full host name"),
        ('structure = "399999999700037"', 'structure = "3"', "habilitations 1: no structure '3'"),
        ("[[structures]]", "[structures]", "not a TOML file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, old, new, told) -> None:
    assert old in TWO
    with pytest.raises(ConfigError) as caught:
        settings_of(TWO.replace(old, new, 1), tmp_path)
    assert caught.value.message.startswith(f"{tmp_path / 'mine.toml'}: ")
    assert told in caught.value.message


@pytest.mark.parametrize("text", ["structures = 1", "administrators = {}", "options = 1"])
def test_wrong_kinds_of_tables_are_named(tmp_path, text) -> None:
    with pytest.raises(ConfigError, match=text.split()[0]):
        settings_of(text, tmp_path)


def test_file_that_is_not_there_or_no_text(tmp_path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        load_settings(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not a TOML file"):
        load_settings(tmp_path / "bytes.toml")


def test_software_certificate_of_a_structure_is_a_bearer_too(tmp_path) -> None:
    register = settings_of(TWO, tmp_path).habilitations
    platform = platform_at(tmp_path, habilitations=register)
    camille = SoapClient(platform, card_material().authentication.certificate)
    leaf = certificate_of(camille.withdraw(camille.order(request_for(some_key("own")))))
    assert SoapClient(platform, leaf).search().findtext("total") == "1"
