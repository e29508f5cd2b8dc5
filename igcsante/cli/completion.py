"""``igc completion``: the scripts that complete a command line in a shell, and what they ask.

A script runs ``igc`` with the variable ``_IGC_COMPLETE`` (the shell's name) and ``_IGC_LINE``
(what was typed, up to the cursor). The answer has a line for each item, its columns apart by
tabs: type, value, what it is. The type is ``plain``, or says what the shell itself is to list:
``file``, ``dir`` or ``certificates``. Whatever goes wrong, the answer is empty.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from importlib import resources
from typing import TYPE_CHECKING

import click

from ..messages import Message, tr, translated
from ..text import printable
from .command import command
from .output import say, talk

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

SHELLS: dict[str, Message] = {
    "bash": tr("""\
To have it in each new bash:
  igc completion bash > ~/.local/share/bash-completion/completions/igc
or, without the package bash-completion, in ~/.bashrc:
  eval "$(igc completion bash)\""""),
    "zsh": tr("""\
To have it in each new zsh, put this into ~/.zshrc, after compinit:
  eval "$(igc completion zsh)\""""),
    "fish": tr("""\
To have it in each new fish:
  igc completion fish > ~/.config/fish/completions/igc.fish"""),
    "powershell": tr("""\
To have it in each new PowerShell, put this into the file that $PROFILE names:
  igc completion powershell | Out-String | Invoke-Expression"""),
}
_VARIABLE, _LINE = "_IGC_COMPLETE", "_IGC_LINE"


@command("completion")
@click.argument("shell", metavar="SHELL", type=click.Choice(list(SHELLS)))
def completion_command(shell: str) -> None:
    """Print the script that completes igc's commands and values in SHELL.

    SHELL is bash (4.4 or newer), zsh, fish or powershell.

    In a terminal, how to install it is told too. Options, readers, profiles, orders, policies
    and files of certificates are completed. No card is read for it, and no PIN ever.

    \b
    Examples:
      igc completion bash > ~/.local/share/bash-completion/completions/igc
      eval "$(igc completion zsh)"
      igc completion fish | source
      igc completion powershell | Out-String | Invoke-Expression
    """
    say(script(shell).rstrip())
    if sys.stdout.isatty():  # else it goes where it belongs, at each start of a shell maybe
        talk(SHELLS[shell])


def script(shell: str) -> str:
    """The script for that shell, one of :data:`SHELLS`."""
    return (resources.files(__package__) / "shells" / f"igc.{shell}").read_text("utf-8")


def answer(environ: Mapping[str, str] = os.environ) -> int:
    """Print the items for the line that a shell's script gives; always 0."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for as long as the process lives
    try:
        items = completed(environ.get(_LINE, ""), environ[_VARIABLE])
        lines = [f"{item.type}\t{item.value}\t{_told(item)}\n" for item in items]
        sys.stdout.buffer.write("".join(lines).encode())
        sys.stdout.flush()
    except Exception:  # noqa: S110 - nothing may stand in the line that is typed
        pass
    return 0


def completed(line: str, shell: str) -> list[CompletionItem]:
    """What may stand at the end of ``line``."""
    from click.shell_completion import ShellComplete

    from .main import igc

    words, typed = _split(line, shell)
    option, equals, value = typed.partition("=")
    items = ShellComplete(igc, {}, "igc", _VARIABLE).get_completions(words[1:], typed)
    if option.startswith("--") and equals:
        for item in items:  # click leaves out what the shell replaces
            item.value = f"{option}={item.value if item.type == 'plain' else value}"
    return [item for item in items if printable(item.value) == item.value]


def _told(item: CompletionItem) -> str:
    return printable(translated(str(item.help or ""))).partition(". ")[0].rstrip(".")


def _split(line: str, shell: str) -> tuple[list[str], str]:
    """The whole words, and the one that is being typed, of which quotes may be open."""
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    if shell == "powershell":
        lexer.escape = "`"
    words: list[str] = []
    is_open = False
    try:
        words.extend(lexer)
    except ValueError:
        is_open = True
        words.append(lexer.token)
    if not is_open and (not words or line[-1:].isspace()):
        return words, ""
    return words[:-1], words[-1]
