"""What is handed to programs: each form is read by a program that takes it."""

from __future__ import annotations

import shlex
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs7,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from selfmade_pki import Authority, ec_key, rsa_key
from tls_server import Pki, make_pki, openssl_server

from igcsante.certs.handover import FORMS, SUFFIXES, HandedOver, Protection, hand_over
from igcsante.certs.material import Material, read_material
from igcsante.certs.requests import key_pem
from igcsante.cli.export import _KINDS
from igcsante.cli.export import FORMS as NAMES
from igcsante.errors import (
    CertificateInvalidError,
    IgcError,
    StorageError,
    UnreadableError,
    UsageError,
)
from igcsante.secret import Secret

KEY = rsa_key("load")
ROOT = Authority.root()
ISSUING = ROOT.authority("ISSUING")
PASSPHRASE, PASSWORD = Secret("phrase de passe"), Secret("mot de passé")
SECRETS = Protection(PASSPHRASE, PASSWORD)
PLAIN = Protection(p12_password=PASSWORD)
SECONDS = 60


def material(*purposes: x509.ObjectIdentifier, key=KEY, locked=False) -> Material:
    wanted = purposes or (ExtendedKeyUsageOID.CLIENT_AUTH,)
    usage = (x509.ExtendedKeyUsage(wanted), False)
    leaf = ISSUING.leaf(key=KEY, extensions=[usage])
    return Material(leaf, (ISSUING.certificate,), (ROOT.certificate,), key, locked)


CLIENT = material()
SERVER = material(ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
MAIL = material(ExtendedKeyUsageOID.EMAIL_PROTECTION)


def give(form: str, folder: Path, what: Material = CLIENT, how: Protection = SECRETS) -> HandedOver:
    (done,) = hand_over([form], what, folder, "my-service", how)
    return done


def run(*command: str | Path) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def needs(program: str) -> str:
    return shutil.which(program) or pytest.skip(f"{program} is not installed")


def test_the_command_offers_every_form_and_names_every_file():
    assert set(NAMES) == set(FORMS)
    assert set(_KINDS) == set(SUFFIXES)


def test_the_document_tells_every_form():
    text = (Path(__file__).parents[2] / "docs" / "keys-and-export.md").read_text("utf-8")
    assert [form for form in FORMS if f"`{form}`" not in text] == []
    assert [name for name in SUFFIXES.values() if f"`{name}`" not in text] == []


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_private_files_named_after_the_stem(tmp_path, form):
    what = MAIL if form in ("der", "p7b") else CLIENT
    done = give(form, tmp_path / "new", what, PLAIN)
    assert {path.name for path in done.files.values()} == {
        path.name for path in (tmp_path / "new").iterdir()
    }
    for path in done.files.values():
        assert path.is_absolute() and path.name.startswith("my-service.")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_pem_files_are_certificate_authorities_and_locked_key(tmp_path):
    files = give("pem", tmp_path).files
    assert x509.load_pem_x509_certificates(files["chain"].read_bytes()) == [
        ISSUING.certificate,
        ROOT.certificate,
    ]
    locked = files["key"].read_bytes()
    key = load_pem_private_key(locked, PASSPHRASE.reveal())
    assert b"ENCRYPTED" in locked and key.private_numbers() == KEY.private_numbers()


def test_pem_without_a_key_is_the_certificates(tmp_path):
    assert set(give("pem", tmp_path, material(key=None)).files) == {"certificate", "chain"}


def test_what_is_sent_to_others_has_no_root(tmp_path):
    sent = [CLIENT.certificate, ISSUING.certificate]
    fullchain = give("nginx", tmp_path).files["fullchain"].read_bytes()
    assert x509.load_pem_x509_certificates(fullchain) == sent
    bundle = give("bundle", tmp_path, how=PLAIN).files["bundle"].read_bytes()
    assert x509.load_pem_x509_certificates(bundle) == sent
    assert load_pem_private_key(bundle, None).private_numbers() == KEY.private_numbers()


def test_der_and_pkcs7_hold_certificates_alone(tmp_path):
    der = give("der", tmp_path, material(key=None)).files["certificate_der"].read_bytes()
    assert der == CLIENT.certificate.public_bytes(Encoding.DER) or x509.load_der_x509_certificate(
        der
    )
    p7b = give("p7b", tmp_path).files["pkcs7"]
    assert set(pkcs7.load_der_pkcs7_certificates(p7b.read_bytes())) == {
        CLIENT.certificate,
        ISSUING.certificate,
        ROOT.certificate,
    }
    shown = run("openssl", "pkcs7", "-inform", "DER", "-in", p7b, "-print_certs", "-noout")
    assert shown.count("subject=") == 3


@pytest.mark.parametrize(
    ("form", "kind", "mac", "cipher"),
    [
        ("p12", "pkcs12", "MAC: sha256", "AES-256-CBC"),
        ("p12-legacy", "pkcs12_legacy", "MAC: sha1", "pbeWithSHA1And3-KeyTripleDES-CBC"),
    ],
)
def test_pkcs12_is_as_strong_as_asked_and_openssl_reads_it(tmp_path, form, kind, mac, cipher):
    path = give(form, tmp_path).files[kind]
    shown = run(
        *("openssl", "pkcs12", "-in", path, "-info", "-nodes"),
        *("-passin", f"pass:{PASSWORD.text()}"),
    )
    assert mac in shown and shown.count(cipher) == 2
    assert shown.count("BEGIN CERTIFICATE") == 3 and "BEGIN PRIVATE KEY" in shown
    assert "my-service" in shown


# -- Java ----------------------------------------------------------------------------------

JAVA_PASSWORD = Secret("changeit")
JAVA = Protection(p12_password=JAVA_PASSWORD)


def keytool(*arguments: str | Path) -> str:
    return run(needs("keytool"), *arguments, "-storepass", JAVA_PASSWORD.text())


def test_java_reads_keystore_and_truststore(tmp_path):
    files = give("java", tmp_path, how=JAVA).files
    listed = keytool("-list", "-v", "-keystore", files["keystore"], "-storetype", "PKCS12")
    assert "Entry type: PrivateKeyEntry" in listed
    assert "Certificate chain length: 3" in listed and "Alias name: my-service" in listed
    listed = keytool("-list", "-keystore", files["truststore"], "-storetype", "PKCS12")
    assert listed.count("trustedCertEntry") == 2


@pytest.mark.long
def test_legacy_pkcs12_becomes_a_jks(tmp_path):
    p12 = give("p12-legacy", tmp_path, how=JAVA).files["pkcs12_legacy"]
    jks = tmp_path / "old.jks"
    run(
        *(needs("keytool"), "-importkeystore", "-noprompt", "-srckeystore", p12),
        *("-srcstoretype", "PKCS12", "-srcstorepass", JAVA_PASSWORD.text()),
        *("-destkeystore", jks, "-deststoretype", "JKS"),
        *("-deststorepass", JAVA_PASSWORD.text()),
    )
    assert "PrivateKeyEntry" in keytool("-list", "-keystore", jks, "-storetype", "JKS")


def test_java_options_name_the_stores_and_no_password(tmp_path):
    snippet = give("java", tmp_path, how=JAVA).snippet
    assert f'"-Djavax.net.ssl.keyStore={tmp_path}/my-service.keystore.p12"' in snippet
    assert f'"-Djavax.net.ssl.trustStore={tmp_path}/my-service.truststore.p12"' in snippet
    assert JAVA_PASSWORD.text() not in snippet


def test_java_wants_a_long_password_and_known_issuers(tmp_path):
    with pytest.raises(UsageError, match="6 characters"):
        give("java", tmp_path, how=Protection(p12_password=Secret("court")))
    alone = Material(CLIENT.certificate, key=KEY)
    with pytest.raises(UsageError, match="issuers are not known"):
        give("java", tmp_path, alone, JAVA)
    assert list(tmp_path.iterdir()) == []


# -- programs that speak TLS ---------------------------------------------------------------


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return make_pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def client(pki) -> Material:
    return Material(pki.client, (pki.intermediate,), (pki.root,), pki.client_key)


def test_curl_presents_the_certificate(tmp_path, pki, client):
    needs("curl")
    snippet = give("curl", tmp_path / "a folder", client, Protection()).snippet
    with openssl_server(pki) as port:
        words = shlex.split(snippet.replace("SERVER", f"localhost:{port}"))
        page = run(*words, "--silent", "--max-time", str(SECONDS))
    assert "Client certificate" in page and "899700735741" in page


JAVA_CLIENT = """
import java.net.URI;
class Client {
    public static void main(String[] arguments) throws Exception {
        try (var page = URI.create(arguments[0]).toURL().openStream()) {
            page.transferTo(System.out);
        }
    }
}
"""


@pytest.mark.long
def test_java_presents_the_certificate(tmp_path, pki, client):
    program = needs("java")
    if shutil.which("javac") is None:
        pytest.skip("no Java compiler is installed")
    options = tmp_path / "options"
    snippet = give("java", tmp_path / 'a "folder"', client, JAVA).snippet
    options.write_text(snippet.replace("PASSWORD", JAVA_PASSWORD.text()))
    source = tmp_path / "Client.java"
    source.write_text(JAVA_CLIENT)
    with openssl_server(pki) as port:
        page = run(program, f"@{options}", source, f"https://localhost:{port}/")
    assert "Client certificate" in page and "899700735741" in page


@pytest.mark.parametrize("what", [CLIENT, SERVER], ids=["client", "server"])
def test_nginx_takes_its_directives(tmp_path, what):
    program = needs("nginx")
    folder = tmp_path / 'a "folder" {;} \\ é'
    snippet = give("nginx", folder, what, PLAIN).snippet
    assert ("proxy_ssl_certificate" in snippet) == (what is CLIENT)
    place = f"location / {{ proxy_pass https://127.0.0.1; {snippet} }}"
    place = place if what is CLIENT else f"{snippet}"
    parts = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{part}_temp_path {tmp_path / part};" for part in parts)
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {temporary} server {{"
        f" listen 127.0.0.1:1 ssl; {'' if what is SERVER else _own(folder)}\n{place}\n }} }}"
    )
    run(program, "-t", "-c", configuration, "-e", tmp_path / "log", "-p", tmp_path)


def _own(folder: Path) -> str:
    name = str(folder / "my-service").replace("\\", "\\\\").replace('"', '\\"')
    return f'ssl_certificate "{name}.fullchain.pem"; ssl_certificate_key "{name}.key.pem";'


@pytest.mark.parametrize(
    ("form", "name"), [("nginx", "a$x"), ("apache", "a${x}"), ("java", "a\nb"), ("nginx", "a\nb")]
)
def test_folder_that_a_configuration_cannot_name_is_told(tmp_path, form, name):
    with pytest.raises(UsageError, match="configuration"):
        give(form, tmp_path / name, CLIENT, JAVA)
    assert list(tmp_path.iterdir()) == []


def test_nginx_is_told_where_the_passphrase_goes(tmp_path):
    assert "proxy_ssl_password_file" in give("nginx", tmp_path).snippet


def test_apache_as_a_client_takes_one_file_with_a_key_in_clear(tmp_path):
    done = give("apache", tmp_path, CLIENT, PLAIN)
    octets = done.files["apache_client"].read_bytes()
    assert b"BEGIN RSA PRIVATE KEY" in octets, "mod_ssl reads no PKCS#8 there before OpenSSL 3"
    assert "SSLProxyMachineCertificateFile" in done.snippet
    assert "SSLProxyVerifyDepth" in done.snippet, "by default it takes no intermediate authority"
    with pytest.raises(UsageError, match="key in clear"):
        give("apache", tmp_path / "new", CLIENT, SECRETS)
    assert not (tmp_path / "new").exists()


def test_apache_as_a_server_takes_a_locked_key(tmp_path):
    done = give("apache", tmp_path, SERVER, SECRETS)
    assert b"ENCRYPTED" in done.files["key"].read_bytes()
    assert "SSLCertificateKeyFile" in done.snippet and "SSLProxy" not in done.snippet


@pytest.mark.parametrize("form", ["nginx", "apache", "curl"])
def test_certificate_that_is_not_for_tls_is_told_and_nothing_written(tmp_path, form):
    with pytest.raises(UsageError, match="nothing was written"):
        give(form, tmp_path, MAIL, PLAIN)
    assert list(tmp_path.iterdir()) == []


# -- secrets and files in the way ----------------------------------------------------------


@pytest.mark.parametrize("form", ["pem", "bundle", "nginx", "curl"])
def test_key_that_was_locked_is_not_written_in_clear_unasked(tmp_path, form):
    locked = material(locked=True)
    with pytest.raises(UsageError, match="in clear: nothing was written"):
        give(form, tmp_path, locked, PLAIN)
    assert list(tmp_path.iterdir()) == []
    done = give(form, tmp_path, locked, Protection(PASSPHRASE, PASSWORD, plain_key=True))
    assert any(b"BEGIN PRIVATE KEY" in path.read_bytes() for path in done.files.values())


@pytest.mark.parametrize("form", ["bundle", "p12", "p12-legacy", "java", "nginx", "curl"])
def test_form_that_needs_the_key_says_so_without_it(tmp_path, form):
    with pytest.raises(UsageError, match="needs the private key"):
        give(form, tmp_path, material(key=None), JAVA)


@pytest.mark.parametrize("form", ["p12", "p12-legacy", "java"])
def test_pkcs12_needs_a_password(tmp_path, form):
    with pytest.raises(UsageError, match="needs a password"):
        give(form, tmp_path, how=Protection())


def test_file_in_the_way_stops_all_of_them(tmp_path):
    (tmp_path / "my-service.chain.pem").write_bytes(b"mine")
    with pytest.raises(StorageError, match="already there: nothing was written"):
        give("nginx", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["my-service.chain.pem"]


def test_what_forms_share_is_written_once(tmp_path):
    done = hand_over(["nginx", "curl", "pem"], CLIENT, tmp_path, "x", SECRETS)
    assert [one.form for one in done] == ["nginx", "curl", "pem"]
    assert len({one.files["key"] for one in done}) == 1
    key = load_pem_private_key(done[0].files["key"].read_bytes(), PASSPHRASE.reveal())
    assert key.private_numbers() == KEY.private_numbers()


def test_form_that_fails_leaves_nothing_of_the_others(tmp_path):
    with pytest.raises(UsageError):
        hand_over(["nginx", "java"], CLIENT, tmp_path, "x", Protection())
    assert list(tmp_path.iterdir()) == []


def test_the_same_files_may_be_there_already(tmp_path):
    first = give("nginx", tmp_path, how=PLAIN)
    times = {path: path.stat().st_mtime_ns for path in first.files.values()}
    assert give("nginx", tmp_path, how=PLAIN) == first
    assert times == {path: path.stat().st_mtime_ns for path in first.files.values()}
    assert set(give("curl", tmp_path, how=PLAIN).files) == set(first.files)


# -- where it comes from -------------------------------------------------------------------


@pytest.fixture
def files(tmp_path) -> dict[str, Path]:
    folder = tmp_path / "files"
    folder.mkdir()
    contents = {
        "leaf": CLIENT.certificate.public_bytes(Encoding.PEM),
        "chain": b"".join(c.public_bytes(Encoding.PEM) for c in CLIENT.authorities),
        "key": key_pem(KEY),
        "locked": key_pem(KEY, PASSPHRASE),
        "other": key_pem(rsa_key("other")),
        "p12": pkcs12.serialize_key_and_certificates(
            b"x",
            KEY,
            CLIENT.certificate,
            CLIENT.authorities,
            pkcs12_encryption(),
        ),
    }
    for name, octets in contents.items():
        (folder / name).write_bytes(octets)
    return {name: folder / name for name in contents}


def pkcs12_encryption():
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption

    return BestAvailableEncryption(PASSWORD.reveal())


def test_files_are_put_together_whatever_their_order(files):
    for names in (("leaf", "chain", "key"), ("key", "chain", "leaf")):
        found = read_material([files[name] for name in names])
        assert (found.certificate, found.authorities) == (CLIENT.certificate, CLIENT.authorities)
        assert found.key.private_numbers() == KEY.private_numbers() and not found.key_was_locked


def test_pkcs12_holds_it_all(files):
    found = read_material([files["p12"]], p12_password=PASSWORD)
    assert found.certificate == CLIENT.certificate and found.authorities == CLIENT.authorities
    assert found.key.private_numbers() == KEY.private_numbers() and found.key_was_locked


def test_locked_key_is_opened_and_remembered_as_such(files):
    found = read_material([files["leaf"], files["locked"]], key_passphrase=PASSPHRASE)
    assert found.key_was_locked
    with pytest.raises(UsageError, match="needs its passphrase"):
        read_material([files["leaf"], files["locked"]])
    clear = read_material([files["leaf"], files["key"]], key_passphrase=PASSPHRASE)
    assert not clear.key_was_locked, "a passphrase for what is written locks a key in clear too"


def test_key_of_another_certificate_is_refused(files):
    with pytest.raises(CertificateInvalidError, match="of no certificate"):
        read_material([files["leaf"], files["other"]])


def test_what_is_meant_must_be_told(files, tmp_path):
    with pytest.raises(UsageError, match="no certificate of a person"):
        read_material([files["chain"]])
    with pytest.raises(UsageError, match="several private keys"):
        read_material([files["leaf"], files["key"], files["other"]])
    second = tmp_path / "second.pem"
    second.write_bytes(SERVER.certificate.public_bytes(Encoding.PEM))
    with pytest.raises(UsageError, match="several certificates"):
        read_material([files["leaf"], second])


MARKS = [b"", b"-----BEGIN CERTIFICATE-----\n", b"-----BEGIN PRIVATE KEY-----\n", b"0\x82\x01\x00"]


@given(st.sampled_from(MARKS), st.binary(max_size=60))
def test_octets_of_any_kind_are_read_or_refused(mark, octets):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(mark + octets + b"\n-----END CERTIFICATE-----\n-----END PRIVATE KEY-----")
        with pytest.raises(IgcError):
            read_material([path], key_passphrase=PASSPHRASE, p12_password=PASSWORD)


def test_what_is_no_rsa_key_is_told(tmp_path, files):
    curve = ec_key("leaf").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "curve.pem").write_bytes(curve)
    with pytest.raises(UnreadableError, match="not an RSA key"):
        read_material([files["leaf"], tmp_path / "curve.pem"])
