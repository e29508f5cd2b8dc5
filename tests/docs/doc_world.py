"""The machine on which a page's commands run: a simulated world, a card, a terminal.

``igc`` runs in this process, so that it finds the simulated card, and what follows a ``|`` or
``>`` in a shell. Answers that are typed without echo are those of the simulated parts; those
that are seen stand in the page.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from doc_blocks import REPOSITORY, Command

from igcsante.card import readers
from igcsante.cli import ask
from igcsante.cli.main import run
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld

SECONDS = 60
SECRETS = {
    "PIN": "1234",
    "PUK": "12345678",
    "code": "a code to revoke with",
    "password": "a password",
    "passphrase": "a passphrase",
    "mot de passe": "a password",
    "phrase de passe": "a passphrase",
}


@dataclass
class Terminal:
    """Where a page's commands are typed: a folder, variables, and the last exit code."""

    folder: Path
    patch: pytest.MonkeyPatch
    code: int = 0
    _printed: io.BytesIO = field(default_factory=io.BytesIO)
    _expected: str = ""
    _secret: str = ""

    def type(self, command: Command) -> str:
        """Run a command; what it printed, on both outputs as they come."""
        self._expected = command.expected
        before, self.code = self.code, 0
        if command.line == "echo $?":
            return f"{before}\n"
        if exported := re.fullmatch(r"export (\w+)=(\S*)", command.line):
            self.patch.setenv(exported[1], *shlex.split(exported[2]))
            return ""
        if command.line.startswith("cd "):
            self.patch.chdir(self.folder / shlex.split(command.line)[1])
            return ""
        ours, rest = _split(command.line)
        if not ours:
            return self._shell(command.line)
        printed, out = self._igc(ours)
        return self._shell(f"cat {rest}", out) if rest else printed

    def _igc(self, words: list[str]) -> tuple[str, bytes]:
        both, out = io.BytesIO(), io.BytesIO()
        self._printed = both
        stdout = io.TextIOWrapper(_Tee(both, out), "utf-8", write_through=True)
        stderr = io.TextIOWrapper(both, "utf-8", write_through=True)
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            self.code = run(words)
        text = both.getvalue().decode()
        stdout.detach(), stderr.detach()
        return text, out.getvalue()

    def _shell(self, line: str, given: bytes = b"") -> str:
        done = subprocess.run(
            ["/bin/sh", "-c", line],
            input=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
        self.code = done.returncode
        return done.stdout.decode()

    def answer_unseen(self, text: str) -> str:
        """What is typed without echo: the secret that the prompt is about."""
        prompt = self._prompt(text)
        self._echo("\n")
        for words, secret in SECRETS.items():
            if re.search(rf"\b{words}\b", prompt, re.IGNORECASE):
                self._secret = secret
                return secret
        if self._secret:  # once more, to confirm it
            return self._secret
        raise AssertionError(f"nobody knows the answer to {prompt!r}")

    def answer_seen(self, text: str) -> str:
        """What is typed with echo: the page shows it after the prompt."""
        prompt = self._prompt(text)
        for line in self._expected.splitlines():
            if line.startswith(prompt) and line[len(prompt) :].strip():
                self._echo(f"{line[len(prompt) :].strip()}\n")
                return line[len(prompt) :].strip()
        raise AssertionError(f"the page doesn't say what is answered to {prompt!r}")

    def _prompt(self, text: str) -> str:
        """The line that waits for an answer."""
        self._echo(text)
        return self._printed.getvalue().decode().splitlines()[-1].strip()

    def _echo(self, text: str) -> None:
        self._printed.write(text.encode())


class _Tee(io.RawIOBase):
    """Standard output: in what the terminal shows, and alone, for a pipe."""

    def __init__(self, *streams: io.BytesIO) -> None:
        self._streams = streams

    def writable(self) -> bool:
        return True

    def write(self, content) -> int:  # type: ignore[no-untyped-def]
        for stream in self._streams:
            stream.write(content)
        return len(content)


def _split(line: str) -> tuple[list[str], str]:
    """The words of an ``igc`` command, and what a shell does with its output."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|>;&<")
    lexer.whitespace_split = True
    words = list(lexer)
    if not words or words[0] not in ("igc", "./scripts/igc"):
        return [], ""
    for index, word in enumerate(words):
        if word in ("|", ">", ">>"):
            return _globbed(words[1:index]), line[_position(line, word) :].partition(" #")[0]
        if set(word) <= set("|>;&<"):
            return [], ""
    return _globbed(words[1:]), ""


def _globbed(words: list[str]) -> list[str]:
    """As a shell does it: names of files for a pattern that fits some."""
    return [name for word in words for name in _names(word)]


def _names(word: str) -> list[str]:
    if "*" not in word:
        return [word]
    return sorted(map(str, Path().glob(word))) or [word]


def _position(line: str, sign: str) -> int:
    """Where an unquoted sign first stands."""
    quote = ""
    for position, letter in enumerate(line):
        if letter in "'\"" and quote in ("", letter):
            quote = "" if quote else letter
        elif not quote and line.startswith(sign, position):
            return position
    raise ValueError(sign)


@contextmanager
def terminal(folder: Path, language: str = "en") -> Iterator[Terminal]:
    """A terminal on a machine with a CPS3 in its reader and a simulated platform.

    ``language`` is the person's, ``en`` or ``fr``.
    """
    with SimulatedWorld() as world, pytest.MonkeyPatch.context() as patch:
        here = folder / "work"
        here.mkdir(parents=True)
        _configure(folder / "config", world)
        reader = SimulatedReader("Simulated reader", world.card("cps3"))
        patch.setattr(readers, "system_readers", lambda: [reader])
        patch.setenv("IGC_CONFIG_DIR", str(folder / "config"))
        patch.setenv("IGC_DATA_DIR", str(folder / "data"))
        patch.setenv("IGC_LANG", language)
        patch.setenv("REPOSITORY", str(REPOSITORY))
        patch.setenv("COLUMNS", "100")
        patch.setenv("NO_COLOR", "1")
        patch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
        patch.chdir(here)
        typed = Terminal(here, patch)
        patch.setattr(ask, "is_interactive", lambda: True)
        patch.setattr("click.termui.hidden_prompt_func", typed.answer_unseen)
        patch.setattr("click.termui.visible_prompt_func", typed.answer_seen)
        yield typed


def _configure(folder: Path, world: SimulatedWorld) -> None:
    """The profile ``sim``, and the same as that of a command without ``--profile``."""
    folder.mkdir()
    profile = world.profile_toml()
    for name in ("anchors", "clock.json"):
        profile = profile.replace(f'"{name}"', f'"{world.directory / name}"')
    default = profile.replace("[profiles.sim]", "[profiles.default]")
    (folder / "config.toml").write_text(profile + default, "utf-8")
