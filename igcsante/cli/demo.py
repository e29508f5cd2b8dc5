"""``igc demo``: the main job on simulated parts, one line a step."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

import click

from ..errors import IgcError, UsageError
from ..messages import localized, tr
from . import layout
from .command import command
from .output import Settings, common_options, emit, print_error, say, talk


@command("demo")
@click.option(
    "--card",
    "card_profile",
    type=click.Choice(["cps3", "cps4"]),
    default="cps3",
    show_default=True,
    help="The simulated card: CPS3 (TLS 1.2) or CPS4 (TLS 1.3, PSS).",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep key, certificate, chain, PKCS#12 and CRLs in this folder.",
)
@common_options
def demo_command(settings: Settings, card_profile: str, keep: Path | None) -> int:
    """Run the main job on simulated parts: no reader, no network, nothing configured.

    A simulated test card, in a simulated reader, orders a certificate from a mock platform
    on this machine, over real mutual TLS with the card's key; the certificate is written,
    checked, revoked, checked again. The code is the one that a real card would go through.
    The platform's contract is igcsante's own: the ANS's is not public.

    \b
    Examples:
      igc demo
      igc demo --card cps4 --keep files/  what it made stays in files/
    """
    from ..testing.demo import TITLES, run_demo

    if keep is not None and keep.is_dir() and any(keep.iterdir()):
        raise UsageError(
            tr("{keep} is not empty", keep=keep),
            advice=tr("name a folder that is new or empty: --keep DIR"),
        )
    width = max(len(localized(title)) for title in TITLES.values())
    before = width + len("✓  ")
    room = layout.columns() - before if sys.stdout.isatty() else sys.maxsize
    with contextlib.ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="igc-demo-")))
        step = "simulation"
        try:
            for done in run_demo(card_profile, folder):
                step = done.step
                if settings.json:
                    emit({"step": done.step, "ok": True, **done.data}, schema="igc.demo.step/1")
                else:
                    mark = click.style("✓", fg="green", bold=True)
                    title = click.style(localized(done.title).ljust(width), bold=True)
                    first, *more = layout.wrap(localized(done.text), room)
                    say(f"{mark} {title} {first}")
                    for line in more:
                        say(" " * before + line)
        except IgcError as error:
            if settings.json:
                emit(
                    {"step": "failed", "after": step, "ok": False, "error": error.to_dict()},
                    schema="igc.demo.step/1",
                )
            print_error(error, as_json=False)
            return int(error.exit_code)
    if keep:
        talk(tr("\nThe files are in {keep}.", keep=keep))
    elif not settings.json:
        talk(tr("\nNothing was left behind. --keep DIR keeps the files; --json is for programs."))
    return 0
