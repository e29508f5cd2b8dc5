"""What counts, and why: a flag, else a variable ``IGC_*``, else the profile, else the default.

The profile is that of ``--profile``, else of IGC_PROFILE, else of ``default_profile`` in
config.toml, else ``default``. It may stand in several files: of each key the first counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError
from ..messages import Message, tr
from ..text import did_you_mean
from .directories import config_path, simulated_world_directory
from .document import Document
from .kinds import WrongValueError, from_variable, typed
from .profile import BUILT_IN, DEFAULT_PROFILE, KEYS, Key, Profile
from .variables import PREFIX, VARIABLES, unknown_language, unknown_variables

PROFILE = "profile"  # as a key of Resolved: the profile's name


class OriginKind(StrEnum):
    FLAG = "flag"
    VARIABLE = "variable"
    FILE = "file"
    DEFAULT = "default"


class Origin(NamedTuple):
    """Where a value comes from. ``name`` is the flag, the variable or the file's path.

    ``line`` and ``column`` are those of the value in the file, else 0.
    """

    kind: OriginKind
    name: str = ""
    line: int = 0
    column: int = 0

    @property
    def text(self) -> Message:
        """In words: ``config.toml:3``."""
        match self.kind:
            case OriginKind.FLAG:
                return tr("option {name}", name=self.name)
            case OriginKind.VARIABLE:
                return tr("variable {name}", name=self.name)
            case OriginKind.FILE if self.line:
                return tr("{path}:{line}", path=self.name, line=self.line)
            case OriginKind.FILE:
                return tr("{path}", path=self.name)
        return tr("default")


class _Source(NamedTuple):
    """Of one value; a file's line is looked for when somebody asks."""

    kind: OriginKind
    name: str = ""
    document: Document | None = None
    path: tuple[str, ...] = ()

    def origin(self) -> Origin:
        line, column = self.document.line_and_column(*self.path) if self.document else (0, 0)
        return Origin(self.kind, self.name, line, column)


_DEFAULT = _Source(OriginKind.DEFAULT)


@dataclass(frozen=True)
class Resolved:
    """``profile`` is what to work with; ``notices`` are what a person should be told of it.

    :meth:`value` and :meth:`origin` take the name of a key, or ``profile``.
    """

    profile: Profile
    notices: tuple[Message, ...]
    documents: tuple[Document, ...]
    _sources: Mapping[str, _Source]

    def value(self, key: str) -> Any:
        return self.profile.name if key == PROFILE else getattr(self.profile, key)

    def origin(self, key: str) -> Origin:
        return self._sources.get(key, _DEFAULT).origin()

    @property
    def profile_was_asked_for(self) -> bool:
        """Whether a flag or a variable chose it, for this command."""
        return self.origin(PROFILE).kind in (OriginKind.FLAG, OriginKind.VARIABLE)


def resolve(
    profile: str | None = None,
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] = os.environ,
    *,
    files: tuple[Path, ...] | None = None,
) -> Resolved:
    """What counts of the configuration.

    ``profile`` and ``flags``, by key, are the options of a command, already of the right type;
    what is None isn't given. ``files`` are config.toml and that of the simulated world, unless
    told. Raises ConfigError that names variable, or file, line and column, for an unknown
    profile or key and for a wrong value; UsageError, UnreadableError for a file that can't be
    read.
    """
    files = profile_files() if files is None else files
    documents = _read(files)
    name, chosen = _choose(profile, environ, documents, files[0])
    values: dict[str, Any] = {}
    sources = {PROFILE: chosen}
    for key in KEYS.values():
        found = (
            _of_flag(key, flags or {})
            or _of_variable(key, environ)
            or _of_documents(key, name, documents)
        )
        if found:
            values[key.name], sources[key.name] = found
    return Resolved(Profile(name=name, **values), _notices(documents, environ), documents, sources)


def load_profile(name: str | None, *, extra_files: tuple[Path, ...] = ()) -> Profile:
    """The profile ``name`` as config.toml and ``extra_files`` have it, without any variable.

    Without a name: the ``default_profile`` of config.toml, else ``default``. Raises as
    :func:`resolve`.
    """
    return resolve(name, environ={}, files=(config_path(), *extra_files)).profile


def profile_files() -> tuple[Path, ...]:
    """The files that profiles are read from, strongest first; any may be absent."""
    return config_path(), simulated_world_directory() / "profile.toml"


def profile_names(files: tuple[Path, ...] | None = None) -> tuple[str, ...]:
    """Every profile that can be asked for: those of the files, then the built-in ones.

    Raises as :func:`resolve`.
    """
    documents = _read(profile_files() if files is None else files)
    return tuple(dict.fromkeys([*(name for d in documents for name in d.profiles), *BUILT_IN]))


def _read(files: tuple[Path, ...]) -> tuple[Document, ...]:
    return tuple(document for path in files if (document := Document.read(path)))


def _choose(
    asked: str | None,
    environ: Mapping[str, str],
    documents: tuple[Document, ...],
    main_file: Path,
) -> tuple[str, _Source]:
    """The profile's name, and who chose it. Raises ConfigError for an unknown one."""
    name, source = DEFAULT_PROFILE, _DEFAULT
    if asked:
        name, source = asked, _Source(OriginKind.FLAG, "--profile")
    elif variable := environ.get("IGC_PROFILE"):
        name, source = variable, _Source(OriginKind.VARIABLE, "IGC_PROFILE")
    else:
        for document in documents:
            if document.path == main_file and document.default_profile:
                name, path = document.default_profile, ("default_profile",)
                source = _Source(OriginKind.FILE, str(document.path), document, path)
    known = dict.fromkeys([*(n for d in documents for n in d.profiles), *BUILT_IN])
    if name not in known:
        raise _no_profile(name, source, list(known))
    return name, source


def _no_profile(name: str, source: _Source, known: list[str]) -> ConfigError:
    where = config_path()
    advice = tr(
        "profiles are read from {where}; `igc sim platform` makes the profile sim", where=where
    )
    if near := did_you_mean(name, known):
        advice = tr("{near} Otherwise, {advice}", near=near, advice=advice)
    problem = tr("there is no profile {name!r}", name=name[:100])
    if source.document:
        return source.document.error(problem, *source.path, advice=advice)
    if source.kind is OriginKind.VARIABLE:
        problem = tr("{place}: {problem}", place=source.name, problem=problem)
    return ConfigError(problem, advice=advice)


def _of_flag(key: Key, flags: Mapping[str, Any]) -> tuple[Any, _Source] | None:
    value = flags.get(key.name)
    return None if value is None else (value, _Source(OriginKind.FLAG, key.flag))


def _of_variable(key: Key, environ: Mapping[str, str]) -> tuple[Any, _Source] | None:
    """An empty variable counts as none, as in a shell script that didn't set it."""
    text = environ.get(key.variable)
    if not text:
        return None
    try:
        value = typed(key, from_variable(key, text), Path())
    except WrongValueError as error:
        raise ConfigError(
            tr("{place}: {problem}", place=key.variable, problem=error.message),
            advice=error.advice or tr("mend or unset the variable {name}", name=key.variable),
        ) from None
    return value, _Source(OriginKind.VARIABLE, key.variable)


def _of_documents(
    key: Key, profile: str, documents: tuple[Document, ...]
) -> tuple[Any, _Source] | None:
    for document in documents:
        if key.name in document.profiles.get(profile, {}):
            path = ("profiles", profile, key.name)
            source = _Source(OriginKind.FILE, str(document.path), document, path)
            return document.value(profile, key), source
    return None


def _notices(documents: tuple[Document, ...], environ: Mapping[str, str]) -> tuple[Message, ...]:
    """Files that others can change, variables whose name has a slip, an unknown language."""
    told = [document.notice for document in documents if document.notice]
    if any(name.startswith(PREFIX) and name not in VARIABLES for name in environ):
        told += [
            tr(
                "the variable {name} means nothing to igc; perhaps {near} is meant",
                name=name,
                near=near,
            )
            for name, near in unknown_variables(environ).items()
            if near
        ]
    if unknown := unknown_language(environ):
        told.append(tr("IGC_LANG is {name!r}, and igc speaks fr and en", name=unknown[:40]))
    return tuple(told)
