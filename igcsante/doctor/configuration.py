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
    Kind,
    OriginKind,
    config_path,
    unknown_variables,
)
from ..errors import ExitCode, IgcError
from ..messages import joined, reason_of, tr
from .check import Check, Context
from .finding import Finding, note, ok, problem, warning
from .masking import MASK, Masked, foreign, host, identity, place, profile, revealed
from .storage import closed_folder

_PLACES = ("IGC_CONFIG_DIR", "IGC_DATA_DIR")


def _file(_: Context) -> Iterator[Finding]:
    path = config_path()
    if not path.exists():
        yield ok(tr("there is no {path}: the defaults count", path=place(path)))
        return
    if not path.is_file():
        yield problem(
            tr("{path} is no regular file", path=place(path)),
            tr("move it away, or name another folder in IGC_CONFIG_DIR"),
            ExitCode.USAGE,
        )
        return
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        yield problem(
            tr("{path} can't be read: {why}", path=place(path), why=reason_of(error)),
            tr("look at its owner and mode: ls -l {path}", path=place(path)),
            ExitCode.USAGE,
        )
        return
    yield ok(tr("{path} can be read", path=place(path)))


def _values(context: Context) -> Iterator[Finding]:
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
        yield ok(
            tr(
                "{key} = {value} ({origin})",
                key=key,
                value=shown(KEYS[key].kind, key, found.value(key)),
                origin=foreign(found.origin(key).text),
            )
        )


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
            yield note(tr("the variable {name} means nothing to igc", name=name))
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
