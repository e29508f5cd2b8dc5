"""Every kind of subject reaches its certificate: service, servers, mailbox, person."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from e2e_support import ORDER, WITHDRAWAL, Insert, Told, igc

PERSON = ("--surname", "DOE", "--given-name", "Jane", "--national-id", "899700735741")
MAIL = ("--mail", "jane.doe@ch-simulation.example")
KINDS = [
    ("ORG", "SIGN", ("--service", "e2e"), "e2e", set()),
    (
        *("SERV", "SSL_SERVEUR"),
        ("--fqdn", "A.ch-simulation.example", "--fqdn", "b.ch-simulation.example"),
        "a.ch-simulation.example",
        {"a.ch-simulation.example", "b.ch-simulation.example"},
    ),
    ("SERV", "S/MIME", ("--mail", "hprim@ch-simulation.example"), None,
     {"hprim@ch-simulation.example"}),
    ("PRO", "SIGN", (*PERSON, *MAIL), None, {"jane.doe@ch-simulation.example"}),
    ("PS", "SIGN", (*PERSON, *MAIL), None, {"jane.doe@ch-simulation.example"}),
]  # fmt: skip


def order(offre: str, usage: str, *subject: str) -> Told:
    common = [*ORDER]
    at = common.index("--service")
    del common[at : at + 2]
    common[common.index("AUTH_CLI")] = usage
    return igc("--profile", "sim", "--json", *common, "--offre", offre, *subject, *WITHDRAWAL)


@pytest.mark.parametrize(("offre", "usage", "subject", "name", "names"), KINDS)
def test_every_kind_of_subject_reaches_its_certificate(
    inserted: Insert,
    home: Path,
    offre: str,
    usage: str,
    subject: tuple[str, ...],
    name: str | None,
    names: set[str],
) -> None:
    inserted("cps3")
    told = order(offre, usage, *subject)
    assert told.code == 0, told.err
    pem = Path(told.lines[-1]["files"]["certificate"]).read_bytes()
    certificate = x509.load_pem_x509_certificate(pem)
    if name:
        (found,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert found.value == name
    if names:
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        assert {item.value for item in alternative.value} == names


@pytest.mark.parametrize(
    ("offre", "usage", "subject", "field"),
    [
        ("SERV", "SSL_SERV", ("--service", "x"), "service_name"),
        ("SERV", "SSL_SERV", ("--fqdn", "localhost"), "fqdns"),
        ("SERV", "SSL_SERV", (), "fqdns"),
        ("PS", "SIGN", MAIL, "email"),
        ("PS", "SIGN", ("--surname", "DOE", *MAIL), "given_name"),
        ("PS", "SIGN", ("--surname", "DOE", "--given-name", "J", "--national-id", "1", *MAIL),
         "national_id"),
        ("ORG", "SSL_SERV", ("--service", "x"), "usage"),
        ("ORG", "NIMPORTE", ("--service", "x"), "usage"),
        ("ORGA", "SIGN", ("--service", "x"), "offre"),
    ],
)  # fmt: skip
def test_field_that_is_wrong_is_named_before_the_card_is_touched(
    inserted: Insert, home: Path, offre: str, usage: str, subject: tuple[str, ...], field: str
) -> None:
    held = inserted("cps3")
    told = order(offre, usage, *subject)
    assert (told.code, told.error["code"], told.error["field"]) == (2, "usage", field)
    assert held.sent == []


@pytest.mark.parametrize("missing", ["usage", "structure", "email"])
def test_option_that_is_needed_is_named(home: Path, missing: str) -> None:
    given = [*ORDER]
    at = given.index(f"--{missing}")
    del given[at : at + 2]
    told = igc("--profile", "sim", "--json", *given, *WITHDRAWAL)
    assert (told.code, told.error["field"]) == (2, missing)
    assert f"--{missing} is needed" in told.said


def test_what_looks_wrong_for_a_service_is_said(inserted: Insert, home: Path) -> None:
    inserted("cps3")
    told = igc("--profile", "sim", *ORDER, *WITHDRAWAL, "--for", "INSi")
    assert told.code == 0 and "INSI-AUTO or INSI-MANU" in told.said
