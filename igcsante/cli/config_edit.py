"""The editor of ``igc config edit``: a copy is edited, and replaces the file once it is right.

Whatever happens, what was typed is in one of the two: a copy that could not take the file's
place stays beside it, where it is is told, and the next edit may go on with it.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from ..config import KEYS, MAX_CONFIG_BYTES, Key
from ..config.edit import locked, replace_file, require_right
from ..errors import ConfigError, IgcError, StorageError, UsageError
from ..files import private_directory, read_bounded, write_atomic
from ..messages import localized, reason_of, tr
from . import ask
from .output import is_interactive, print_error, talk

_EDITORS = ("sensible-editor", "editor", "nano", "vi", "notepad")


def edit(path: Path) -> bool:
    """Let the person edit ``path``; whether it was changed.

    Raises UsageError without an editor, ConfigError when what was written is wrong and is not
    mended, StorageError when it can't be written; the file is untouched then.
    """
    command = editor()
    old = read_bounded(path, MAX_CONFIG_BYTES) if path.exists() else None
    start = template().encode() if old is None else old
    with _copy(path, start) as copy:
        while True:
            _run(command, copy)
            new = read_bounded(copy, MAX_CONFIG_BYTES)
            if new == start:
                return False
            try:
                require_right(copy, new)  # a mistake is at a line of the copy
                break
            except ConfigError as error:
                if not is_interactive():
                    raise
                print_error(error, as_json=False)
                if not ask.says_yes(tr("Edit it again?"), otherwise=True):
                    raise
        replace_file(path, old, new)
        copy.write_bytes(start)  # nothing in it that is not in the file
    return True


def editor() -> list[str]:
    """The command that the person edits with. Raises UsageError."""
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR")
    if named:
        with contextlib.suppress(ValueError):
            if words := shlex.split(named, posix=os.name == "posix"):
                return words
        raise UsageError(tr("EDITOR or VISUAL is no command: {command}", command=named))
    found = next((program for program in _EDITORS if shutil.which(program)), None)
    if found is None or not is_interactive():
        raise UsageError(
            tr("no editor is known, or there is no terminal for one"),
            advice=tr("name it in the variable EDITOR, or use: igc config set"),
        )
    return [found]


def template() -> str:
    """A file to begin with: every key, with what it is, and none of them set."""
    lines = [
        localized(tr("# Configuration of igcsante: a table for each profile.")),
        localized(tr("# PINs and passwords are never kept here; see: igc help secrets")),
        "",
        '# default_profile = "default"',
        "",
        "[profiles.default]",
    ]
    for key in KEYS.values():
        lines += [f"# {localized(key.about)}", f"# {key.name} = {_as_toml(key)}", ""]
    return "\n".join(lines)


def _as_toml(key: Key) -> str:
    if key.kind.is_list:
        return "[" + ", ".join(f'"{item}"' for item in key.default) + "]"
    return f"{key.default:g}" if isinstance(key.default, float) else f'"{key.default or ""}"'


@contextlib.contextmanager
def _copy(path: Path, content: bytes) -> Iterator[Path]:
    """A copy beside the file, for its owner only; gone at the end unless it was changed.

    There is one, so that those that were kept don't pile up: a person may go on with it.
    """
    private_directory(path.parent)
    copy = path.with_name(f"{path.stem}-edited{path.suffix}")
    with _alone(copy):
        try:
            if _is_as(copy, content) or not _goes_on(copy):
                write_atomic(copy, content, overwrite=True)
            yield copy
        finally:
            if _is_as(copy, content):
                copy.unlink(missing_ok=True)
            else:
                talk(tr("What you wrote is kept in {copy}", copy=copy))


@contextlib.contextmanager
def _alone(copy: Path) -> Iterator[None]:
    """While nobody else edits it. Raises UsageError when one does."""
    with contextlib.ExitStack() as held:
        try:
            alone = held.enter_context(locked(copy, wait=False))
        except OSError as error:
            raise StorageError(
                tr(
                    "{path}: {reason}; nothing was changed",
                    path=copy.parent,
                    reason=reason_of(error),
                )
            ) from None
        if not alone:
            raise UsageError(
                tr("{path} is being edited already; nothing was changed", path=copy),
                advice=tr("end the other igc config edit first"),
            )
        yield


def _goes_on(copy: Path) -> bool:
    """Whether the person wants to go on with what was kept; a script begins anew."""
    question = tr("Go on with what you wrote before, in {copy}?", copy=copy)
    return is_interactive() and ask.says_yes(question, otherwise=True)


def _is_as(copy: Path, content: bytes) -> bool:
    """Whether it holds nothing new: that, or an editor took it away, or nothing was written."""
    try:
        return read_bounded(copy, MAX_CONFIG_BYTES) in (content, b"")
    except IgcError:
        return not copy.exists()


def _run(command: list[str], copy: Path) -> None:
    """Run the editor. Raises UsageError when it can't be, or ended badly; KeyboardInterrupt.

    Ctrl-C is the editor's meanwhile: it has a use of its own for it.
    """
    before = signal.signal(signal.SIGINT, lambda *_: None)  # a handler: the editor gets its own
    try:
        code = subprocess.run([*command, str(copy)], check=False).returncode  # noqa: S603
    except OSError as error:
        raise UsageError(
            tr(
                "the editor {name} can't be run: {reason}", name=command[0], reason=reason_of(error)
            ),
            advice=tr("name another one in the variable EDITOR"),
        ) from None
    finally:
        signal.signal(signal.SIGINT, before)
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code < 0:
        raise UsageError(
            tr(
                "the editor {name} was killed (signal {number}): the file is as it was",
                name=command[0],
                number=-code,
            )
        )
    if not code and not copy.exists():
        raise UsageError(
            tr("the editor {name} took its copy away: the file is as it was", name=command[0])
        )
    if code:
        raise UsageError(
            tr(
                "the editor {name} ended with {code}: the file is as it was",
                name=command[0],
                code=code,
            )
        )
