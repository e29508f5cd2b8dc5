"""``igc card sign`` and ``igc card random``: what the card's keys and generator do."""

from __future__ import annotations

import hashlib
import stat
import sys
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..credentials import AUTHENTICATION, SHA1_SCHEMES, SIGNATURE, TECHNICAL, RsaScheme
from ..errors import CardIncapableError, UsageError
from ..messages import reason_of, tr
from ..words import said
from .card_pin import last_try_option, pin_source_option
from .chosen import profile_of
from .command import command
from .connect import trust_store, with_chain
from .inserted import inserted_card
from .key_holder import key_holder
from .numbers import WholeRange
from .output import Settings, card_options, emit, say, talk
from .validity import validity_warning

if TYPE_CHECKING:
    from ..credentials import Credential

SCHEMES = {scheme.label: scheme for scheme in RsaScheme}
MOST_RANDOM_BYTES = 1024
_SUFFIXES = {"cms": ".p7s", "raw": ".sig"}
_STDIN = "-"


@command("sign")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@click.option(
    "--key",
    "purpose",
    type=click.Choice([SIGNATURE, AUTHENTICATION, TECHNICAL]),
    default=SIGNATURE,
    show_default=True,
    help="Which key of the card signs; technical: that of a contactless reader, without PIN.",
)
@click.option(
    "--scheme",
    "scheme_name",
    type=click.Choice(list(SCHEMES)),
    default="pkcs1-sha256",
    show_default=True,
    help="Padding and hash.",
)
@click.option("--cms/--raw", "as_cms", default=True, help="A detached CMS, or a bare signature.")
@click.option("--allow-sha1", is_flag=True, help="Let the key sign with SHA-1, which is broken.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where to write it; without this, beside FILE with .p7s or .sig added.",
)
@pin_source_option
@last_try_option
@card_options
def sign_command(
    settings: Settings,
    file: str,
    purpose: str,
    scheme_name: str,
    as_cms: bool,
    allow_sha1: bool,
    out: Path | None,
    pin_source: str | None,
    use_last_try: bool,
) -> None:
    """Sign FILE on the card: a detached CMS, or the bare signature.

    FILE - is what comes on standard input, and needs --out. No file is overwritten.

    \b
    Verify them with:
      openssl cms -verify -binary -inform DER -in FILE.p7s -content FILE \\
          -CAfile ROOTS.pem
      openssl dgst -sha256 -verify KEY.pem -signature FILE.sig FILE

    \b
    Examples:
      igc card sign letter.pdf
      igc card sign - --out backup.p7s < backup.tar
    """
    from ..certs.cms import detached_signature
    from ..files import require_free, write_atomic

    scheme, form = SCHEMES[scheme_name], "cms" if as_cms else "raw"
    if scheme in SHA1_SCHEMES and not allow_sha1:
        raise UsageError(
            tr("SHA-1 is broken for signatures"),
            advice=tr("if you must: give --allow-sha1 as well"),
        )
    if out is None and file == _STDIN:
        raise UsageError(tr("what comes on standard input has no name to write beside: give --out"))
    target = out or Path(file + _SUFFIXES[form])
    require_free(target)
    digest = _digest(file, scheme)
    at = datetime.now(UTC)
    with key_holder(settings) as holder:
        own = holder.credential(purpose, allow_sha1=allow_sha1)
        credential = with_chain(own, trust_store(profile_of(settings)))
        if scheme not in credential.schemes:
            raise CardIncapableError(
                tr(
                    "the {purpose} key of {holder} can't sign with {scheme_name}",
                    purpose=said(purpose),
                    holder=holder.name,
                    scheme_name=scheme_name,
                ),
                advice=tr("it can with {schemes}", schemes=_names(credential.schemes)),
            )
        _warn_of_validity(credential, purpose, at)
        without_pin = purpose == TECHNICAL
        with (
            nullcontext()
            if without_pin
            else holder.pin_verified(pin_source, use_last_try=use_last_try)
        ):
            if as_cms:
                signature = detached_signature(digest, credential, scheme, at=at)
            else:
                signature = _bare_signature(digest, credential, scheme)
    write_atomic(target, signature, mode=0o644)
    if settings.json:
        emit(
            {
                "file": file,
                "signature": target,
                "format": form,
                "key": purpose,
                "scheme": scheme_name,
                "serial": f"{credential.certificate.serial_number:x}",
                "at": at,
            },
            schema="igc.card.signature/1",
        )
    else:
        talk(tr("Wrote {target}", target=target))


@command("random")
@click.argument("count", type=WholeRange(1, MOST_RANDOM_BYTES))
@card_options
def random_command(settings: Settings, count: int) -> None:
    """Print COUNT random bytes of the card's generator, in hexadecimal. No PIN is needed.

    \b
    Example:
      igc card random 16
    """
    with inserted_card(settings) as card:
        found = card.random(count)
    if settings.json:
        emit({"bytes": found}, schema="igc.card.random/1")
    else:
        say(found.hex())


def _digest(file: str, scheme: RsaScheme) -> bytes:
    """The digest of a file of any size, or of standard input up to its end."""
    try:
        if file == _STDIN:
            if sys.stdin is None:
                raise UsageError(tr("standard input is closed; nothing was signed"))
            stdin: Any = sys.stdin.buffer
            return hashlib.file_digest(stdin, scheme.hash_name).digest()
        if not stat.S_ISREG(Path(file).stat().st_mode):  # a device or a pipe may have no end
            raise UsageError(
                tr("{file}: not a regular file; nothing was signed", file=file),
                advice=tr(
                    "to sign what a program writes, give - and let it write to igc's standard input"
                ),
            )
        with Path(file).open("rb") as stream:
            return hashlib.file_digest(stream, scheme.hash_name).digest()
    except OSError as error:
        raise UsageError(tr("{path}: {why}", path=file, why=reason_of(error))) from None


def _bare_signature(digest: bytes, credential: Credential, scheme: RsaScheme) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    from ..credentials import cryptography_padding, hash_algorithm

    return credential.private_key.sign(
        digest, cryptography_padding(scheme), Prehashed(hash_algorithm(scheme))
    )


def _warn_of_validity(credential: Credential, purpose: str, at: datetime) -> None:
    certificate = credential.certificate
    period = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if warning := validity_warning(purpose, *period, at):
        talk(tr("Warning: {warning}.", warning=warning))


def _names(schemes: frozenset[RsaScheme]) -> str:
    return ", ".join(name for name, scheme in SCHEMES.items() if scheme in schemes)
