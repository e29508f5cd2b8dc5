"""The configuration: whether it can be read, and where each value comes from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..config import (
    KEYS,
    VARIABLES,
    Document,
    Kind,
    OriginKind,
    config_path,
    unknown_language,
    unknown_variables,
)
from ..config.variables import PREFIX
from ..errors import ExitCode, IgcError
from ..messages import joined, reason_of, tr
from .check import Check, Context
from .finding import Finding, note, ok, problem, skipped, warning
from .masking import MASK, Masked, foreign, host, identity, place, profile, revealed, told
from .storage import closed_folder

# Whose work it is to say that a file is missing: where it is needed.
_LOOKED_AT_BY = {
    "wsdl": "platform.address",
    "mapping": "platform.address",
    "anchors": "certificates.anchors",
    "untrusted": "certificates.anchors",
    "pkcs11": "card.middleware",
}
_PLACES = ("IGC_CONFIG_DIR", "IGC_DATA_DIR")


def _file(_: Context) -> Iterator[Finding]:
    path = config_path()
    if not path.exists():
        yield ok(tr("there is no {path}: the defaults count", path=place(path)))
        return
    yield _unreadable(path) or ok(tr("{path} can be read", path=place(path)))


def _unreadable(path: Path) -> Finding | None:
    """Why a file can't be read as TOML; None when it can, or there is none."""
    try:
        if path.is_file():
            with path.open("rb"):
                pass
        Document.read(path, checked=False)
    except OSError as error:
        return problem(
            tr("{path} can't be read: {why}", path=place(path), why=reason_of(error)),
            tr("look at its owner and mode: ls -l {path}", path=place(path)),
            ExitCode.USAGE,
        )
    except IgcError as error:
        return problem(told(error), foreign(error.advice), ExitCode.USAGE)
    return None


def _values(context: Context) -> Iterator[Finding]:
    if not closed_folder() and _unreadable(config_path()):
        yield skipped(tr("config.toml can't be read"), tr("see: igc doctor configuration.file"))
        return
    try:
        found = context.resolve()
    except IgcError as error:
        if closed_folder():  # storage.folders tells of it
            raise
        yield problem(
            tr("the configuration can't be used: {why}", why=foreign(error.message)),
            foreign(error.advice) or tr("mend it: igc config edit"),
            ExitCode.USAGE,
        )
        return
    for notice in (document.notice for document in found.documents):
        if notice:  # those of variables are told by configuration.environment
            yield warning(foreign(notice), tr("see: igc config show --origin"))
    given = [key for key in KEYS if found.origin(key).kind is not OriginKind.DEFAULT]
    yield ok(
        tr(
            "profile {name} ({origin}), {rest} values by default",
            name=profile(found.profile.name),
            origin=foreign(found.origin("profile").text),
            rest=len(KEYS) - len(given),
        )
    )
    for key in given:
        setting = tr(
            "{key} = {value} ({origin})",
            key=key,
            value=shown(KEYS[key].kind, key, found.value(key)),
            origin=foreign(found.origin(key).text),
        )
        if key in _LOOKED_AT_BY and not _is_there(found.value(key)):
            yield note(
                tr("{setting}: that is not there", setting=setting),
                tr("see: igc doctor {check}", check=_LOOKED_AT_BY[key]),
            )
        else:
            yield ok(setting)


def _is_there(value: Path | tuple[Path, ...]) -> bool:
    paths = value if isinstance(value, tuple) else (value,)
    return all(os.access(path, os.F_OK) for path in paths)


def _environment(_: Context) -> Iterator[Finding]:
    """Only the folders' values are shown: of any other variable, one may be a secret."""
    found = sorted(name for name in os.environ if name in VARIABLES)
    for name in found:
        if name in _PLACES:
            value = place(os.environ[name])
            yield ok(tr("{name} is set: {value}", name=name, value=value))
    others = [name for name in found if name not in _PLACES]
    if others:
        yield ok(tr("set: {names}", names=", ".join(others)))
    unknown = unknown_variables(os.environ)
    for name, near in unknown.items():
        if near:
            yield warning(
                tr("the variable {name} means nothing to igc", name=name),
                tr("is it {near}? Rename it, or unset it", near=near),
            )
        else:
            name = Masked(PREFIX + MASK, name)  # a person may have called it after themselves
            yield note(tr("the variable {name} means nothing to igc", name=name))
    if language := unknown_language(os.environ):
        yield warning(
            tr("IGC_LANG is {name!r}, and igc speaks fr and en", name=identity(language)),
            tr("set IGC_LANG to fr or en, or unset it"),
        )
    if not found and not unknown:
        yield ok(tr("no variable IGC_* is set"))


def shown(kind: Kind, key: str, value: Any) -> str:
    """A value of the configuration, as far as it may be seen."""
    if kind is Kind.SOURCE:
        return Masked(f"{str(value).partition(':')[0]}:{MASK}", str(value).partition(":")[0])
    if key in ("reader", "proxy_user"):
        return identity(str(value))
    if kind in (Kind.ADDRESS, Kind.PROXY):
        return host_of(str(value))
    if isinstance(value, tuple):
        return joined(", ", [place(v) if isinstance(v, Path) else host(v) for v in value])
    if isinstance(value, Path):
        return place(value)
    return foreign(f"{value:g}" if isinstance(value, float) else str(value))


def host_of(url: str) -> str:
    """Scheme, host and port of an address: neither a user's name nor a password, nor a path."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "?"
    where = host((parts.hostname or "") + (f":{port}" if port else ""))
    return Masked(f"{parts.scheme}://{where}", f"{parts.scheme}://{revealed(where)}")


CHECKS = (
    Check("configuration.file", tr("Whether config.toml can be read"), _file),
    Check("configuration.values", tr("Each value that is set, and where it comes from"), _values),
    Check("configuration.environment", tr("The variables IGC_*"), _environment),
)
