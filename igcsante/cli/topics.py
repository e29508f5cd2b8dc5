"""What ``igc help`` explains besides commands: the texts, which the manual shows too."""

from __future__ import annotations

from ..errors import ExitCode
from ..messages import tr

TOPICS = ("exit-codes", "json", "secrets", "terminal")

EXIT_CODES = {
    ExitCode.GOOD: tr("done, or good"),
    ExitCode.FAILURE: tr("unexpected failure"),
    ExitCode.USAGE: tr("wrong use or configuration; nothing was done"),
    ExitCode.NO_CARD: tr("no reader, or no card that can do this; or it was removed"),
    ExitCode.PIN_WRONG: tr("wrong PIN; one try was spent"),
    ExitCode.PIN_REFUSED: tr("PIN blocked, or not sent to protect the card"),
    ExitCode.INVALID: tr("invalid: unreadable, chain, signature or profile"),
    ExitCode.REVOKED: tr("revoked"),
    ExitCode.UNKNOWN: tr("revocation status unknown, or no list to tell it by"),
    ExitCode.STALE: tr("revocation data too old"),
    ExitCode.NETWORK: tr("network or TLS"),
    ExitCode.PLATFORM_REFUSED: tr("the platform refused (functional fault)"),
    ExitCode.PLATFORM_UNAVAILABLE: tr("the platform is unavailable (technical fault)"),
    ExitCode.TIMEOUT: tr("a time limit ran out"),
    ExitCode.ENDING: tr("good, but ends within the days that were asked about"),
    ExitCode.INTERRUPTED: tr("interrupted"),
}

JSON = """\
With --json every command prints one JSON object a line on stdout, and nothing else there.

Its property "schema" names what it is; igcsante.cli.schemas.schema(NAME) gives the JSON
Schema (draft 2020-12), which also describes each property.
"""

SECRETS = """\
PINs, passwords and revocation codes are never given as values. They are asked on the
terminal without echo, or read from a source:

\b
  fd:N      an open file descriptor
  env:NAME  an environment variable
  cmd:…     what a command prints
\b
  igc … --pin-source fd:3 3<pin.txt
  igc … --pin-source env:CPS_PIN
  igc … --pin-source 'cmd:pass show cps'

igc reads the number of tries left before it sends a PIN, sends it once, and never again.
With fewer than two tries left it sends nothing, unless --use-last-try is given.
"""

TERMINAL = """\
Answers go to stdout, all else to stderr: a pipe gets data only.

\b
  --quiet, -q      no remarks, no progress: errors and questions only
  --verbose, -v    each step on stderr; --log-file FILE keeps them, with their time
  NO_COLOR=1       no colours; TERM=dumb and CLICOLOR=0 neither
  FORCE_COLOR=1    colours in a pipe too; so does CLICOLOR_FORCE=1
  COLUMNS=N        lines of N characters; otherwise the terminal's width
  IGC_LANG=fr      French; otherwise the locale decides (LC_ALL, LC_MESSAGES, LANG)

Without a terminal no question is asked and no progress is shown: what is missing is an error
that says which option to give.

igc completion SHELL prints the completion for bash, zsh, fish or PowerShell.
"""

TEXTS = (JSON, SECRETS, TERMINAL)
