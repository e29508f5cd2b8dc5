"""``igc config``: what counts, where it comes from, and changes to config.toml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..messages import Message, joined, localized, plural, tr
from ..text import did_you_mean
from . import completing
from .chosen import configuration_of, tell_once
from .command import group
from .output import Settings, common_options, emit, prose, say, say_table, talk

if TYPE_CHECKING:
    from ..config import Origin, Resolved
    from ..config.edit import Change

DEFAULT_KEY = "default_profile"


@group("config")
@common_options
def config_command(settings: Settings) -> None:
    """Show and change the configuration: profiles, and where each value comes from.

    What counts is, strongest first: an option of the command, a variable IGC_*, the profile in
    config.toml, the default. The profile is that of --profile, of IGC_PROFILE, of
    default_profile in config.toml, or the one called default.

    \b
    Examples:
      igc config show --origin
      igc config set platform https://platform.example/ws --profile test
      igc config set default_profile test
      igc config edit
    """


@config_command.command("show")
@click.option("--origin", is_flag=True, help="Say where each value comes from.")
@common_options
def config_show(settings: Settings, origin: bool) -> None:
    """Show every value that counts, of the profile that counts.

    \b
    Examples:
      igc config show
      igc config show --origin
    """
    from ..config import KEYS

    found = configuration_of(settings)
    _tell_unknown_variables()
    names = ["profile", *KEYS]
    if settings.json:
        for name in names:
            emit(_described(found, name), schema="igc.config.value/1")
        return
    if origin:
        for document in found.documents:
            talk(tr("{name} is {path}", name=document.path.name, path=document.path))
    rows: list[tuple[str, ...]] = []
    for name in names:
        lines = _lines(found.value(name)) or [localized(tr("(none)"))]
        source = _short(found.origin(name)) if origin else ""
        for number, line in enumerate(lines):
            cells = ("", "") if number else (name, source)
            rows.append((*cells, line) if origin else (cells[0], line))
    headers: tuple[str, ...]
    headers = (tr("Key"), tr("From"), tr("Value")) if origin else (tr("Key"), tr("Value"))
    say_table(headers, rows)


@config_command.command("get")
@click.argument("key", shell_complete=completing.configuration_keys)
@common_options
def config_get(settings: Settings, key: str) -> None:
    """Print the value of KEY that counts; nothing when it has none, a line for each of a list.

    \b
    Example:
      igc config get platform --profile test
    """
    name = "profile" if key in ("profile", DEFAULT_KEY) else _known(key)
    found = configuration_of(settings)
    if settings.json:
        emit(_described(found, name), schema="igc.config.value/1")
        return
    for line in _lines(found.value(name)):
        say(line)


@config_command.command("set")
@click.argument("key", shell_complete=completing.configuration_keys)
@click.argument(
    "values",
    metavar="VALUE...",
    nargs=-1,
    required=True,
    shell_complete=completing.configuration_values,
)
@common_options
def config_set(settings: Settings, key: str, values: tuple[str, ...]) -> None:
    """Set KEY to VALUE in config.toml, several for a list; [] is an empty list.

    It is set in the profile that counts, which is made if need be; default_profile stands above
    them. Comments and layout stay.

    \b
    Examples:
      igc config set reader "Gemalto PC Twin" --profile prod
      igc config set anchors ./authorities ./more.pem
      igc config set default_profile prod
    """
    from ..config.edit import set_value

    if key == DEFAULT_KEY and len(values) > 1:
        raise UsageError(tr("default_profile is the name of one profile"))
    done = set_value(key, values, _profile_to_change(settings))
    _tell_change(done, settings)
    for value in _missing(done):
        talk(tr("Careful: there is no file {path} yet.", path=value))


@config_command.command("unset")
@click.argument("key", shell_complete=completing.configuration_keys)
@common_options
def config_unset(settings: Settings, key: str) -> None:
    """Take KEY out of the profile in config.toml: its default counts again.

    \b
    Example:
      igc config unset reader --profile prod
    """
    from ..config.edit import unset_value

    done = unset_value(key, _profile_to_change(settings))
    _tell_change(done, settings)


@config_command.command("edit")
@common_options
def config_edit(settings: Settings) -> None:
    """Edit config.toml in your editor ($VISUAL, else $EDITOR).

    You edit a copy, which takes the file's place once it is right. A wrong one is offered again,
    or kept beside it.

    \b
    Example:
      igc config edit
    """
    from ..config import config_path
    from .config_edit import edit

    path = config_path()
    changed = edit(path)
    if settings.json:
        emit({"path": path, "changed": changed}, schema="igc.config.edit/1")
    elif changed:
        say(tr("{path} was changed.", path=path))
    else:
        say(tr("Nothing was changed."))


@config_command.command("path")
@common_options
def config_path_command(settings: Settings) -> None:
    """Print where config.toml is, which may not be there yet.

    \b
    Example:
      igc config path
    """
    from ..config import config_path

    path = config_path()
    if settings.json:
        emit({"path": path, "exists": path.exists()}, schema="igc.config.path/1")
    else:
        say(str(path))


@config_command.command("profiles")
@common_options
def config_profiles(settings: Settings) -> None:
    """List the profiles: yours, those that are built in, and sim when its world was made.

    \b
    Example:
      igc config profiles
    """
    from ..config import profile_names

    found = configuration_of(settings)
    rows = []
    for name in profile_names():
        files = [d.path for d in found.documents if name in d.profiles]
        chosen = name == found.value("profile")
        if settings.json:
            told = {"name": name, "chosen": chosen, "files": files}
            emit(told, schema="igc.config.profile/1")
        where = ", ".join(map(str, files)) or localized(tr("built in, nothing but defaults"))
        rows.append((name, _short(found.origin("profile")) if chosen else "", where))
    if not settings.json:
        say_table((tr("Profile"), tr("Chosen by"), tr("Where it is")), rows)


@config_command.command("keys")
@common_options
def config_keys(settings: Settings) -> None:
    """List the keys of a profile, and the variable and option that stand for each.

    \b
    Example:
      igc config keys
    """
    from ..config import KEYS, VARIABLES

    if settings.json:
        for key in KEYS.values():
            told = {
                "key": key.name,
                "kind": key.kind,
                "description": str(key.about),
                "default": key.default,
                "choices": key.choices,
                "variable": key.variable,
                "option": key.flag or None,
            }
            emit(told, schema="igc.config.key/1")
        return
    say_table((tr("Key"), tr("What it is")), [(key.name, key.about) for key in KEYS.values()])
    say("")
    say(prose(tr("Each has a variable too, such as IGC_READER for reader. The other variables:")))
    say("")
    own = {key.variable for key in KEYS.values()}
    say_table(
        (tr("Variable"), tr("What it is")),
        [(name, about) for name, about in VARIABLES.items() if name not in own],
    )


def _known(key: str) -> str:
    from ..config import key_named

    return key_named(key).name


def _profile_to_change(settings: Settings) -> str:
    """The profile that was asked for, which may be a new one or stand in a wrong file."""
    from ..config import DEFAULT_PROFILE, Document, config_path

    if asked := settings.profile or os.environ.get("IGC_PROFILE"):
        return asked
    document = Document.read(config_path(), checked=False)
    default = document.default_profile if document else None
    return default if isinstance(default, str) and default else DEFAULT_PROFILE


def _described(found: Resolved, name: str) -> dict[str, Any]:
    origin = found.origin(name)
    return {
        "profile": found.profile.name,
        "key": name,
        "value": found.value(name),
        "origin": {
            "kind": origin.kind,
            "name": origin.name or None,
            "line": origin.line or None,
            "column": origin.column or None,
        },
    }


def _lines(value: Any) -> list[str]:
    """A value as text, one line for each of a list."""
    if value is None:
        return []
    if isinstance(value, tuple | list):
        return [str(item) for item in value]
    return [f"{value:g}" if isinstance(value, float) else str(value)]


def _short(origin: Origin) -> Message:
    """Where a value comes from, with the file's name only."""
    from ..config import OriginKind

    if origin.kind is OriginKind.FILE:
        return tr("{name}:{line}", name=Path(origin.name).name, line=origin.line)
    return origin.text


def _tell_change(done: Change, settings: Settings) -> None:
    from ..config import KEYS

    if settings.json:
        told = {
            "path": done.path,
            "profile": done.profile,
            "key": done.key,
            "value": done.value,
            "previous": done.previous,
        }
        emit(told, schema="igc.config.set/1")
    else:
        say(_in_words(done))
    if done.new_profile:
        near = did_you_mean(done.profile or "", _other_profiles(done))
        made = tr("The profile {name!r} is new.", name=done.profile)
        talk(tr("{made} {near}", made=made, near=near) if near else made)
    key = KEYS.get(done.key)
    if key and os.environ.get(key.variable):
        talk(tr("Careful: the variable {name} is set, and counts more.", name=key.variable))


def _in_words(done: Change) -> Message:
    words: dict[str, Any] = {"key": done.key, "path": done.path}
    if done.profile is not None:
        words["profile"] = done.profile
    if done.value is None:
        return (
            tr("{key} was taken out of the profile {profile!r} in {path}.", **words)
            if done.profile
            else tr("{key} was taken out of {path}.", **words)
        )
    quoted = [tr("{word!r}", word=line) for line in _lines(done.value)]
    words["value"] = joined(", ", quoted) if quoted else "[]"
    return (
        tr("{key} is now {value} in the profile {profile!r} of {path}.", **words)
        if done.profile
        else tr("{key} is now {value} in {path}.", **words)
    )


def _other_profiles(done: Change) -> list[str]:
    from ..config import profile_names

    return [name for name in profile_names() if name != done.profile]


def _missing(done: Change) -> list[Path]:
    """The files that were named and are not there."""
    from ..config import KEYS, Kind

    key = KEYS.get(done.key)
    if key is None or key.kind not in (Kind.PATH, Kind.PATHS):
        return []
    paths = [Path(line).expanduser() for line in _lines(done.value)]
    return [path for path in paths if not path.exists()]


def _tell_unknown_variables() -> None:
    """Those that resemble one of ours were told with the configuration."""
    from ..config import unknown_variables

    others = [name for name, near in unknown_variables(os.environ).items() if not near]
    if others:
        tell_once(
            plural(
                "A variable that means nothing to igc: {names}",
                "{count} variables that mean nothing to igc: {names}",
                len(others),
                names=", ".join(others),
            )
        )
