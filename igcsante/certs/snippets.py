"""What to put into the configuration of a program so that it uses a certificate.

A certificate for servers (serverAuth) is what the program shows to those who call it; one for
clients is what it shows when it calls others. Directives: nginx's ngx_http_ssl_module and
ngx_http_proxy_module, Apache's mod_ssl, curl(1), and the system properties of Java's JSSE.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from ..errors import UsageError
from ..messages import tr
from .material import Material

Lines = Sequence[tuple[str, str]]


def nginx(material: Material, files: dict[str, Path], key_is_locked: bool) -> str:
    """Directives for a ``server`` block, or for the ``location`` that calls another server."""
    server = _serves(material, "nginx")
    prefix = "ssl" if server else "proxy_ssl"
    lines = [
        (f"{prefix}_certificate", _quoted(files["fullchain"])),
        (f"{prefix}_certificate_key", _quoted(files["key"])),
    ]
    if key_is_locked:
        lines.append((f"{prefix}_password_file", "/PATH/OF/A/FILE/WITH/THE/PASSPHRASE"))
    if server:
        return _directives("# in server { … }", lines, ";")
    if "chain" in files:
        lines += [
            ("proxy_ssl_trusted_certificate", _quoted(files["chain"])),
            ("proxy_ssl_verify", "on"),
            ("proxy_ssl_verify_depth", "3"),
        ]
    lines.append(("proxy_ssl_server_name", "on"))
    return _directives("# in location { … }, beside proxy_pass https://…", lines, ";")


def apache(material: Material, files: dict[str, Path], key_is_locked: bool) -> str:
    """Directives for a ``VirtualHost``; Apache asks for a key's passphrase when it starts."""
    if _serves(material, "Apache"):
        lines = [
            ("SSLEngine", "on"),
            ("SSLCertificateFile", _quoted(files["fullchain"])),
            ("SSLCertificateKeyFile", _quoted(files["key"])),
        ]
        return _directives("# in <VirtualHost …:443>", lines)
    lines = [
        ("SSLProxyEngine", "on"),
        ("SSLProxyMachineCertificateFile", _quoted(files["apache_client"])),
    ]
    if "chain" in files:
        lines += [
            ("SSLProxyMachineCertificateChainFile", _quoted(files["chain"])),
            ("SSLProxyCACertificateFile", _quoted(files["chain"])),
            ("SSLProxyVerify", "require"),
            ("SSLProxyVerifyDepth", "3"),
        ]
    return _directives("# in <VirtualHost …>, beside ProxyPass … https://…", lines)


def curl(material: Material, files: dict[str, Path], key_is_locked: bool) -> str:
    """A command; curl asks for the passphrase of a locked key."""
    if "clientAuth" not in material.purposes:
        raise _unfit("curl", tr("clients (clientAuth)"))
    words = ["curl", "--cert", str(files["fullchain"]), "--key", str(files["key"])]
    if "chain" in files:
        words += ["--cacert", str(files["chain"])]
    return shlex.join(words) + " https://SERVER/\n"


def java(material: Material, files: dict[str, Path], key_is_locked: bool) -> str:
    """JVM options for a file of arguments (``java @FILE …``): a command line shows passwords."""
    properties = [
        line
        for kind, name in (("keystore", "keyStore"), ("truststore", "trustStore"))
        for line in (
            f'"-Djavax.net.ssl.{name}={_escaped(files[kind])}"',
            f"-Djavax.net.ssl.{name}Type=PKCS12",
            f'"-Djavax.net.ssl.{name}Password=PASSWORD"',
        )
    ]
    return "\n".join(["# java @THIS-FILE …  (0600: it holds the password)", *properties, ""])


def _serves(material: Material, program: str) -> bool:
    """Whether it is a server's certificate. Raises UsageError when it is neither kind."""
    if "serverAuth" in material.purposes:
        return True
    if "clientAuth" not in material.purposes:
        raise _unfit(program, tr("servers or clients (serverAuth, clientAuth)"))
    return False


def _unfit(program: str, wanted: str) -> UsageError:
    return UsageError(
        tr(
            "{program} wants a certificate for {wanted}, which this one isn't: nothing was written",
            program=program,
            wanted=wanted,
        ),
        advice=tr("see what it is for: igc inspect FILE"),
    )


def _directives(where: str, lines: Iterable[tuple[str, str]], end: str = "") -> str:
    pairs = list(lines)
    width = max(len(name) for name, _ in pairs)
    return "\n".join([where, *(f"{name:<{width}} {value}{end}" for name, value in pairs), ""])


def _quoted(path: Path) -> str:
    """For nginx and Apache: both take what follows a ``$`` for a variable, quoted or not."""
    if "$" in str(path):
        raise UsageError(
            tr("{path}: a $ in a path can't be written in this configuration", path=path)
        )
    return f'"{_escaped(path)}"'


def _escaped(path: Path) -> str:
    if not str(path).isprintable():
        raise UsageError(tr("the folder's name holds what can't be written in a configuration"))
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
