"""Completion in real shells, where they are installed; and what PowerShell's script asks for."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from terminal import on_a_terminal

from igcsante.card import readers
from igcsante.certs.crl.store import CrlStore
from igcsante.cli import completing, completion
from igcsante.cli.completion import completed, script
from igcsante.testing.pki import SimulatedPki
from igcsante.ws.orders.journal import Journal

READER = "Simulated reader 00 00"
# Runs igc with a reader that this machine hasn't: what a script of completion calls.
IGC = f"""\
#!{sys.executable}
import sys
from igcsante.card import readers
from igcsante.certs.crl.store import CrlStore
readers.system_readers = lambda: [{READER!r}]
from igcsante.cli.entry import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an ``igc``, a certificate, a text, and a configuration."""
    program = tmp_path / "bin" / "igc"
    program.parent.mkdir()
    program.write_text(IGC)
    program.chmod(0o755)
    (tmp_path / "server one.pem").write_text("")
    (tmp_path / "server.txt").write_text("")
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.toml").write_text("[profiles.hospital]\n")
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    return tmp_path


def journal_of(folder: Path) -> None:
    with Journal(folder / "data" / "journal.sqlite") as journal:
        for reference in ("first-order", "second-order"):
            journal.record(reference, at=datetime(2026, 1, 5, tzinfo=UTC))


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LC_")}
    return {
        **kept,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "HOME": str(folder),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
        "PS1": "ready> ",
        "HISTFILE": "/dev/null",
    }


Typed = Callable[..., list[str]]


def bash(folder: Path, *lines: str) -> list[str]:
    (folder / "rc").write_text(f"PS1='ready> '\nbind 'set bell-style none'\n{script('bash')}")
    return _typed(folder, ["bash", "--noprofile", "--rcfile", str(folder / "rc"), "-i"], lines)


def zsh(folder: Path, *lines: str) -> list[str]:
    start = f"PS1='ready> '\nunsetopt beep\nautoload -Uz compinit\ncompinit -D -u\n{script('zsh')}"
    (folder / ".zshrc").write_text(f"bindkey -e\n{start}")
    return _typed(folder, ["zsh", "-d", "-i"], lines)


def fish(folder: Path, *lines: str) -> list[str]:
    """fish answers without a terminal what it would complete; as it would stand in the line."""
    return [_completed_by_fish(folder, line) for line in lines]


def _completed_by_fish(folder: Path, keys: str) -> str:
    asked = f"{script('fish')}\ncomplete --escape -C {subprocess.list2cmdline([keys])}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", asked],
        env=environment(folder),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    items = [line.partition("\t")[0] for line in done.stdout.splitlines()]
    assert len(items) == 1, (keys, done.stdout, done.stderr)
    before = keys[: keys.rindex(" ") + 1]
    shown = subprocess.run(
        ["fish", "--no-config", "-c", f"printf '<%s>' {before}{items[0]}"],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return shown.stdout


def _typed(folder: Path, shell: list[str], lines: Sequence[str]) -> list[str]:
    """The words of each line after the key for completion, each between < and >."""
    found = []
    with on_a_terminal(shell, environment(folder), folder) as terminal:
        terminal.wait_for("ready> ")
        for line in lines:
            before = len(terminal.screen)
            # Tab; then, at the start of the line, what prints its words instead of running it.
            terminal.type(f"{line}\t\x01printf '<%s>' \x05; echo ' e''nd'\r")
            terminal.wait_for(" end", before)
            shown = terminal.screen[before:].replace("\r", "").rpartition(" end")[0]
            found.append(shown[shown.rindex("\n") + 1 :].rpartition("\x1b[?2004l")[2])
    return found


@pytest.fixture(params=[bash, zsh, fish], ids=lambda shell: str(shell.__name__))
def typed(request: pytest.FixtureRequest, folder: Path) -> Typed:
    """The words of a line that was completed, in a real shell."""
    if not shutil.which(request.param.__name__):
        pytest.skip(f"{request.param.__name__} is not installed")
    shell: Typed = request.param
    return lambda *lines: shell(folder, *lines)


def test_commands_options_and_values_are_completed(typed: Typed) -> None:
    expected = {
        "igc chec": "<igc><check>",
        "igc card pin sta": "<igc><card><pin><status>",
        "igc check --expi": "<igc><check><--expires-within>",
        "igc check --format=nag": "<igc><check><--format=nagios>",
        "igc --profile hosp": "<igc><--profile><hospital>",
        "igc card id --reader Sim": f"<igc><card><id><--reader><{READER}>",  # one word
        "igc check ser": "<igc><check><server one.pem>",  # not the text beside it
    }
    assert dict(zip(expected, typed(*expected), strict=True)) == expected


def test_orders_are_completed_by_reference(typed: Typed, folder: Path) -> None:
    journal_of(folder)
    assert typed("igc export sec") == ["<igc><export><second-order>"]


# -- what the scripts ask --------------------------------------------------------------------


def values(line: str, shell: str = "bash") -> list[str]:
    return [item.value for item in completed(line, shell)]


def test_help_topics_and_commands_below(folder: Path) -> None:
    assert values("igc help exit") == ["exit-codes"]
    assert values("igc help card pin v") == ["verify"]


def test_policies_authorities_cards_and_checks(folder: Path) -> None:
    assert "strict" in values("igc policy show ")
    assert "strict" in values("igc check --policy s")
    assert values("igc trust show ACI-EL-O")[0] == "ACI-EL-ORG"
    assert "cps4" in values("igc sim run --card cps")
    assert "order_product" in values("igc ws dry-run ord")


def test_values_of_a_configuration_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "system_readers", lambda: [READER])
    assert values("igc config set def") == ["default_profile"]
    assert values("igc config set default_profile hosp") == ["hospital"]
    assert values("igc config set card_cache ") == ["auto", "always", "never"]
    assert values("igc config set reader Sim") == [READER]
    assert values("igc config set total_seconds ") == []
    assert values("igc config set no_such_key ") == []
    (item,) = completed("igc config set anchors first.pem sec", "bash")
    assert (item.value, item.type) == ("sec", "file")


def test_usages_offres_and_failures(folder: Path) -> None:
    assert values("igc order --usage SS") == ["SSL_SERV"]
    assert values("igc order --offre P") == ["PRO", "PS"]
    assert values("igc sim fail T01 T0")[0] == "T01"


def test_kept_lists_by_name_and_by_issuer(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IGC_CACHE_DIR", str(folder / "cache"))
    assert values("igc crl show ") == []
    assert not (folder / "cache").exists()
    authority, at = "ACI-FO-PP-TEST", datetime.now(UTC)
    pki = SimulatedPki.create(at=at, base_url="http://127.0.0.1:9")
    certificate = pki.authorities[authority].certificate
    CrlStore().add(pki.crl(authority, at), certificate, source="http://a.test/FO-PP.crl")
    assert values("igc crl show FO") == ["FO-PP"]
    assert values("igc crl export TEST") == values("igc crl show ")[1:] != []


def test_the_command_that_is_recorded(folder: Path) -> None:
    assert values("igc card record info.jsonl -- card pin v") == ["verify"]
    assert values("igc card record info.jsonl igc card pin v") == ["verify"]
    assert values("igc card record info.jsonl -- check --format nag") == ["nagios"]
    assert values("igc card record info.jsonl -- card info --ver") == ["--verbose"]


def test_newest_orders_come_by_number_and_nothing_is_made_without_a_journal(folder: Path) -> None:
    assert values("igc orders show ") == []
    assert not (folder / "data").exists()
    journal_of(folder)
    assert values("igc orders show ")[:2] == ["2", "1"]


def test_an_open_quote_is_completed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "system_readers", lambda: [READER])
    assert values("igc --reader 'Simulated re") == [READER]
    assert values("igc --reader Simulated` re", "powershell") == [READER]


def test_a_service_that_hangs_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    never = threading.Event()
    monkeypatch.setattr(completing, "_SECONDS", 0.01)
    monkeypatch.setattr(readers, "system_readers", lambda: never.wait(60))
    assert values("igc --reader ") == []
    never.set()


def test_names_that_a_terminal_would_obey_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "system_readers", lambda: ["evil\x1b[2J", "two\tcolumns", "good"])
    assert values("igc --reader ") == ["good"]


def answered(folder: Path, line: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(folder / "bin" / "igc")],
        env={**environment(folder), "_IGC_COMPLETE": "powershell", "_IGC_LINE": line, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_items_are_lines_of_type_value_and_meaning(folder: Path) -> None:
    done = answered(folder, "igc card i")
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    assert [line[:2] for line in lines] == [["plain", "id"], ["plain", "info"]]
    assert lines[0][2] == "Print the holder's national identifier, and nothing else"
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("line", ["", "igc", "igc nonsense ", "igc '", "igc check --format ", "\0"])
def test_nothing_ever_stands_in_the_line_but_items(folder: Path, line: str) -> None:
    (folder / "config" / "config.toml").write_text("not TOML")
    line = line.replace("\0", "igc --profile ")
    done = answered(folder, line)
    assert (done.returncode, done.stderr) == (0, "")
    assert all(row.count("\t") == 2 for row in done.stdout.splitlines())


def test_commands_are_named_without_loading_them(folder: Path) -> None:
    asked = (
        "import sys\nfrom igcsante.cli.completion import completed\n"
        "assert any(item.value == 'order' for item in completed('igc ', 'bash'))\n"
        "print([n for n in sys.modules if n in ('igcsante.cli.order', 'zeep', 'cryptography')])"
    )
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("shell", list(completion.SHELLS))
def test_the_script_alone_goes_into_a_file(folder: Path, shell: str) -> None:
    done = subprocess.run(
        [str(folder / "bin" / "igc"), "completion", shell],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == script(shell)
    assert done.stderr == ""
    if shell != "powershell" and shutil.which(shell):
        path = folder / "script"
        path.write_text(done.stdout)
        subprocess.run([shell, "-n", path], check=True)


def test_on_a_terminal_it_says_how_to_install_it(folder: Path) -> None:
    command = [folder / "bin" / "igc", "completion", "zsh"]
    with on_a_terminal(command, environment(folder), folder) as terminal:
        assert "~/.zshrc" in terminal.read_all()


def test_powershell_completes_with_the_script(folder: Path) -> None:
    if not shutil.which("pwsh"):
        pytest.skip("pwsh is not installed")
    asked = (
        f"{script('powershell')}\n"
        "(TabExpansion2 'igc card id --reader Sim' 24).CompletionMatches.CompletionText"
    )
    done = subprocess.run(
        ["pwsh", "-NoProfile", "-Command", asked],
        env=environment(folder),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == f"'{READER}'"
