"""Whether a certificate is that of the server that was meant: RFC 9525, and what openssl says."""

from __future__ import annotations

import ipaddress
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from igcsante.certs.path.server_name import ServerName, for_server
from igcsante.certs.verdict import Kind, Reason, Verdict
from igcsante.errors import UsageError

NOW = datetime(2026, 11, 22, tzinfo=UTC)
Make = Callable[..., x509.Certificate]


@pytest.fixture(scope="module")
def make() -> Make:
    """A certificate with these alternative names and common name."""
    key = ec.generate_private_key(ec.SECP256R1())

    def build(*names: str, cn: str = "un serveur") -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, cn)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(7)
            .not_valid_before(NOW - timedelta(days=1))
            .not_valid_after(NOW + timedelta(days=1))
        )
        if names:
            alternative = x509.SubjectAlternativeName([_general(name) for name in names])
            builder = builder.add_extension(alternative, critical=False)
        return builder.sign(key, hashes.SHA256())

    return build


def _general(text: str) -> x509.GeneralName:
    kind, _, value = text.rpartition("!")
    if kind == "ip":
        return x509.IPAddress(ipaddress.ip_address(value))
    if kind == "uri":
        return x509.UniformResourceIdentifier(value)
    return x509.DNSName(value)


CASES = [
    ("www.example.org", ("www.example.org",), True),
    ("WWW.Example.org", ("www.eXample.ORG",), True),
    ("example.org", ("www.example.org",), False),
    ("www.example.org", ("other.example.org", "www.example.org"), True),
    ("www.example.org.", ("www.example.org",), True),
    ("www.example.org", ("*.example.org",), True),
    ("example.org", ("*.example.org",), False),
    ("a.b.example.org", ("*.example.org",), False),
    ("a.b.example.org", ("*.b.example.org",), True),
    ("www.example.org", ("w*.example.org",), False),
    ("www.example.org", ("www.*.org",), False),
    ("a.b.example.org", ("*.*.example.org",), False),
    ("example.org", ("*.org",), False),
    ("www.example.org", ("*",), False),
    (".example.org", ("*.example.org",), None),
    ("bücher.example", ("xn--bcher-kva.example",), True),
    ("BÜCHER.example", ("xn--bcher-kva.example",), True),
    ("straße.example", ("xn--strae-oqa.example",), True),
    ("straße.example", ("strasse.example",), False),
    ("192.0.2.7", ("ip!192.0.2.7",), True),
    ("192.0.2.8", ("ip!192.0.2.7",), False),
    ("192.0.2.7", ("192.0.2.7",), False),
    ("192.0.2.7", ("*.0.2.7",), False),
    ("2001:db8:0::1", ("ip!2001:db8::1",), True),
    ("[2001:db8::1]", ("ip!2001:db8::1",), True),
    ("www.example.org", ("uri!https://www.example.org/",), False),
    ("www.example.org", ("ip!192.0.2.7",), False),
]


@pytest.mark.parametrize(("name", "presented", "expected"), CASES)
def test_names_match_by_the_rfc(
    make: Make, name: str, presented: tuple[str, ...], expected: bool | None
) -> None:
    if expected is None:
        with pytest.raises(UsageError):
            ServerName.parse(name)
        return
    assert ServerName.parse(name).is_in(make(*presented)) is expected


def test_common_name_never_counts(make: Make) -> None:
    wanted = ServerName.parse("www.example.org")
    for names in ((), ("ip!192.0.2.7",), ("other.example.org",)):
        assert not wanted.is_in(make(*names, cn="www.example.org"))


def test_openssl_makes_do_with_a_common_name(make: Make, tmp_path: Path) -> None:
    path = tmp_path / "cn.pem"
    path.write_bytes(make(cn="www.example.org").public_bytes(Encoding.PEM))
    command = ["openssl", "x509", "-in", path, "-noout", "-checkhost", "www.example.org"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "does match" in done.stdout


def test_openssl_says_the_same(make: Make, tmp_path: Path) -> None:
    """Except for ``w*.example.org``, which RFC 9525 no longer knows, and other ways to write."""
    compared = 0
    for number, (name, presented, expected) in enumerate(CASES):
        if not name.isascii() or name.endswith(".") or name.startswith((".", "[")):
            continue
        path = tmp_path / f"{number}.pem"
        path.write_bytes(make(*presented).public_bytes(Encoding.PEM))
        is_address = not isinstance(ServerName.parse(name).name, str)
        command = ["openssl", "x509", "-in", path, "-noout"]
        done = subprocess.run(
            [*command, "-checkip" if is_address else "-checkhost", name],
            capture_output=True,
            text=True,
            check=True,
        )
        partial = presented == ("w*.example.org",)
        assert ("does match" in done.stdout) is (expected or partial), (name, presented)
        compared += 1
    assert compared == 20


NO_NAMES = ["", ".", "a..b", "*.example.org", "x" * 64 + ".org", "a." * 130]
NO_NAMES += [" ", "a b", "a..", "-a.org", "a-.org", "a\n", "]::1[", "[::1", "[www.example.org]"]
NO_NAMES += ["☃.example", "a\u200db.example", "é..example", "é b.example", "é" * 300]


@pytest.mark.parametrize("name", NO_NAMES)
def test_what_is_no_name_is_wrong_use(name: str) -> None:
    with pytest.raises(UsageError):
        ServerName.parse(name)


def test_mismatch_makes_a_verdict_invalid_and_keeps_its_reasons(make: Make) -> None:
    certificate = make("www.example.org", "ip!192.0.2.7")
    revoked = Verdict(Kind.REVOKED, certificate, NOW, (Reason("revocation.revoked", "gone"),))
    assert for_server(revoked, ServerName.parse("www.example.org")) is revoked
    told = for_server(revoked, ServerName.parse("example.net"))
    assert told.kind is Kind.INVALID
    assert [reason.code for reason in told.reasons] == ["name.mismatch", "revocation.revoked"]
    assert "not for example.net, but for www.example.org, 192.0.2.7" in str(told.reasons[0])


def test_message_says_that_a_common_name_does_not_count(make: Make) -> None:
    verdict = Verdict(Kind.GOOD, make(cn="www.example.org"), NOW)
    told = for_server(verdict, ServerName.parse("www.example.org"))
    assert "its common name doesn't count" in str(told.reasons[0])
