"""Help pages: each shows what its command can use, and no more."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from igcsante.cli import main

OF_A_CARD = {"--reader", "--pkcs11", "--trace", "--no-cache"}
WITH_A_PLATFORM = {
    *("igc", "igc habilitations", "igc order", "igc retrieve", "igc renew", "igc revoke"),
    *("igc status", "igc orders sync", "igc orders wait", "igc orders settle"),
}


def commands(command: click.Command, ctx: click.Context) -> Iterator[click.Context]:
    yield ctx
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from commands(below, click.Context(below, info_name=name, parent=ctx))


ALL = list(commands(main.igc, click.Context(main.igc, info_name="igc")))


def shown(ctx: click.Context) -> set[str]:
    options = [p for p in ctx.command.get_params(ctx) if isinstance(p, click.Option)]
    records = [option.get_help_record(ctx) for option in options]
    return {record[0].split()[0].rstrip(",") for record in records if record}


@pytest.mark.parametrize("ctx", ALL, ids=lambda ctx: ctx.command_path.replace(" ", "-"))
def test_options_of_a_card_or_platform_are_shown_where_they_serve(ctx: click.Context) -> None:
    asks_a_platform = ctx.command_path in WITH_A_PLATFORM
    takes_a_card = asks_a_platform or ctx.command_path.startswith(("igc card", "igc readers"))
    assert shown(ctx) & OF_A_CARD == (OF_A_CARD if takes_a_card else set())
    assert ("--platform" in shown(ctx)) == asks_a_platform


def test_check_takes_those_of_a_card_without_showing_them() -> None:
    (check,) = [ctx for ctx in ALL if ctx.command_path == "igc check"]
    taken = {name for param in check.command.get_params(check) for name in param.opts}
    assert taken >= OF_A_CARD


def test_help_of_check_names_every_option_under_a_heading() -> None:
    (check,) = [ctx for ctx in ALL if ctx.command_path == "igc check"]
    told = check.command.get_help(check)
    headings = ["What is checked:", "By what:", "What is demanded:", "What is told:", "Long work:"]
    places = [told.index(f"\n{heading}\n") for heading in [*headings, "Options:"]]
    assert places == sorted(places)
    assert all(f"  {option}" in told for option in shown(check))


def test_help_of_a_command_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (("check",), ("crl", "update")):
        assert main.run(["help", *words]) == 0
        told = capsys.readouterr().out
        assert main.run([*words, "--help"]) == 0
        assert told == capsys.readouterr().out
    for words in (("chek",), ("check", "update"), ("exit-codes", "check")):
        assert main.run(["help", *words]) == 2
        assert "no topic" in capsys.readouterr().err
