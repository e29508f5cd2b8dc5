"""scripts/igc sets up a checkout once, says what it does, and is then out of the way.

Python, pip, apt-get, sudo and id are stand-ins that note how they were called: nothing is
downloaded or installed here.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOLS = ["sh", "cat", "cmp", "cp", "env", "flock", "mkdir", "mv", "readlink", "rm", "sed", "tail"]

# Answers setup.sh's question about the interpreter, makes a .venv of itself, "installs" igc.
PYTHON = r"""#!/bin/sh
echo "python $*" >>"$CALLS"
case "$1 $2" in
"-I -c") echo "${PYTHON_FACTS-3.11 1 1} $BIN/python3" ;;
"-m venv") mkdir -p "$3/bin" && cp "$BIN/python3" "$3/bin/python" ;;
"-m pip")
    [ ! -e "$BIN/deadly" ] || kill -9 $PPID
    case "$*" in *"$PIP_FAILS_FOR"*) echo "ERROR: no network"; exit 1 ;; esac
    cp "$BIN/igc" "${0%/*}/igc" ;;
"-c import smartcard.scard") exit 1 ;;
esac
"""
IGC = """#!/bin/sh
if [ "$1" = cat ]; then cat; fi
echo "igc $*"
exit "${IGC_EXIT-0}"
"""


@dataclass
class Checkout:
    root: Path
    bin: Path
    calls_file: Path

    def command(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": str(self.bin),
            "BIN": str(self.bin),
            "CALLS": str(self.calls_file),
            "PIP_FAILS_FOR": "nothing",
            **more,
        }

    def igc(
        self, *arguments: str, program: str | None = None, stdin: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program or self.root / "scripts/igc", *arguments],
            env=self.environment(**more),
            cwd=self.root,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[str]:
        """How the stand-ins were called since the last look."""
        lines = self.calls_file.read_text().splitlines()
        self.calls_file.write_text("")
        return lines

    def count(self, word: str) -> int:
        return sum(word in call for call in self.calls())


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    root = tmp_path / "a checkout"
    shutil.copytree(REPOSITORY / "scripts", root / "scripts")
    shutil.copytree(REPOSITORY / "requirements", root / "requirements")
    shutil.copy(REPOSITORY / "setup.cfg", root)
    made = Checkout(root, tmp_path / "bin", tmp_path / "calls")
    made.bin.mkdir()
    made.calls_file.touch()
    for tool in TOOLS:
        if found := shutil.which(tool):
            (made.bin / tool).symlink_to(found)
    made.command("python3", PYTHON)
    made.command("igc", IGC)
    made.command("id", "#!/bin/sh\necho 0\n")
    made.command("gcc", "#!/bin/sh\n")
    made.command("apt-get", '#!/bin/sh\necho "apt-get $*" >>"$CALLS"\n')
    return made


def user_without_rights(checkout: Checkout) -> None:
    checkout.command("id", "#!/bin/sh\necho 1000\n")
    checkout.command("sudo", "#!/bin/sh\nexit 1\n")


def test_first_run_sets_up_and_runs_igc(checkout: Checkout) -> None:
    done = checkout.igc("card", "id")
    assert (done.returncode, done.stdout) == (0, "igc card id\n")
    assert "making .venv" in done.stderr
    assert all(line.startswith("set-up: ") for line in done.stderr.splitlines())


def test_second_run_is_silent_and_starts_nothing_else(checkout: Checkout) -> None:
    checkout.igc()
    checkout.calls()
    done = checkout.igc("--help", PATH="/nonexistent")  # no tool is needed
    assert (done.returncode, done.stdout, done.stderr) == (0, "igc --help\n", "")
    assert checkout.calls() == []


def test_arguments_stdin_and_exit_code_go_through(checkout: Checkout) -> None:
    for _ in range(2):  # while setting up, and after
        done = checkout.igc("cat", "two words", stdin="typed\n", IGC_EXIT="7")
        assert done.returncode == 7
        assert done.stdout == "typed\nigc cat two words\n"


def test_runs_through_links_and_from_elsewhere(checkout: Checkout, tmp_path: Path) -> None:
    checkout.igc()
    (tmp_path / "linked").symlink_to(checkout.root / "scripts/igc")
    (tmp_path / "again").symlink_to("linked")
    done = checkout.igc("x", program=str(tmp_path / "again"))
    assert (done.stdout, done.stderr) == ("igc x\n", "")
    assert checkout.igc("x", program="./scripts/igc").stderr == ""


@pytest.mark.parametrize("changed", ["setup.cfg", "requirements/igc.txt", "requirements/card.txt"])
def test_changed_dependencies_are_installed(checkout: Checkout, changed: str) -> None:
    checkout.igc()
    checkout.calls()
    with (checkout.root / changed).open("a") as stream:
        stream.write("# changed\n")
    assert "installing" in checkout.igc().stderr
    calls = checkout.calls()
    assert any("-m pip" in call for call in calls)
    assert not any("-m venv" in call for call in calls), "what is good is kept"
    assert checkout.igc().stderr == ""


@pytest.mark.parametrize("date", [0, 2_000_000_000])
def test_files_of_another_date_install_nothing(checkout: Checkout, date: int) -> None:
    checkout.igc()
    checkout.calls()
    os.utime(checkout.root / "setup.cfg", (date, date))
    assert checkout.igc().stderr == ""
    assert checkout.calls() == []


def test_older_file_of_another_content_is_noticed(checkout: Checkout) -> None:
    checkout.igc()
    (checkout.root / "setup.cfg").write_text("[metadata]\n")
    os.utime(checkout.root / "setup.cfg", (0, 0))
    assert "installing" in checkout.igc().stderr


def test_python_that_is_gone_is_replaced(checkout: Checkout) -> None:
    checkout.igc()
    python = checkout.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/nonexistent/python3.11")
    checkout.calls()
    assert checkout.igc().returncode == 0
    assert checkout.count("-m venv") == 1


def test_moved_checkout_is_set_up_again(checkout: Checkout) -> None:
    checkout.igc()
    moved = checkout.root.rename(checkout.root.with_name("moved"))
    checkout.root = moved
    assert "installing" in checkout.igc().stderr


def test_failed_install_is_told_and_never_counts_as_done(checkout: Checkout) -> None:
    failed = checkout.igc("card", PIP_FAILS_FOR="igc.txt")
    assert failed.returncode == 1
    assert failed.stdout == ""
    assert "is there network?" in failed.stderr
    assert "ERROR: no network" in failed.stderr
    done = checkout.igc("card")
    assert (done.returncode, done.stdout) == (0, "igc card\n")
    assert "installing" in done.stderr


def test_failed_update_keeps_what_was_there(checkout: Checkout) -> None:
    checkout.igc()
    (checkout.root / "setup.cfg").write_text("[metadata]\n")
    assert checkout.igc(PIP_FAILS_FOR="igc.txt").returncode == 1
    checkout.calls()
    assert checkout.igc().returncode == 0
    assert checkout.count("-m venv") == 0


@pytest.mark.parametrize("before", ["nothing", "an older set-up"])
def test_killed_set_up_starts_again(checkout: Checkout, before: str) -> None:
    if before != "nothing":
        checkout.igc()
        (checkout.root / "setup.cfg").write_text("[metadata]\n")
    (checkout.bin / "deadly").touch()
    assert checkout.igc().returncode != 0
    (checkout.bin / "deadly").unlink()
    checkout.calls()
    done = checkout.igc("x")
    assert (done.returncode, done.stdout) == (0, "igc x\n")
    assert "cut short" in done.stderr
    assert checkout.count("-m venv") == 1, "a half-made .venv is made again"


def test_without_pyscard_the_rest_works(checkout: Checkout) -> None:
    done = checkout.igc("check", PIP_FAILS_FOR="card.txt")
    assert (done.returncode, done.stdout) == (0, "igc check\n")
    assert "all else works" in done.stderr
    assert checkout.igc("check").stderr == "", "and it is not tried at each run"


def test_what_comes_from_the_network_is_held_to_its_hashes(checkout: Checkout) -> None:
    checkout.igc()
    installs = [call for call in checkout.calls() if "-m pip" in call]
    assert len(installs) == 3
    for call in installs:
        assert "--require-hashes" in call or "--no-deps --no-build-isolation" in call


def test_parallel_first_runs_set_up_once(checkout: Checkout) -> None:
    runs = [
        subprocess.Popen(
            [checkout.root / "scripts/igc", "x"],
            env=checkout.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(4)
    ]
    outputs = [run.communicate(timeout=60)[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 4
    assert outputs == [b"igc x\n"] * 4
    assert checkout.count("-m venv") == 1


def test_old_python_is_told(checkout: Checkout) -> None:
    done = checkout.igc(PYTHON_FACTS="3.9 1 1")
    assert done.returncode == 1
    assert "Python 3.11 or newer is needed; there is only: 3.9" in done.stderr
    assert not (checkout.root / ".venv/bin").exists()


def test_a_newer_python_beside_an_old_one_is_taken(checkout: Checkout) -> None:
    checkout.command("python3.12", PYTHON.replace("${PYTHON_FACTS-3.11 1 1}", "3.12 1 1"))
    done = checkout.igc(PYTHON_FACTS="3.9 1 1")
    assert done.returncode == 0
    assert "(3.12)" in done.stderr


def test_root_installs_the_missing_packages(checkout: Checkout) -> None:
    (checkout.bin / "gcc").unlink()
    done = checkout.igc(PYTHON_FACTS="3.11 1 0")
    assert done.returncode == 0
    assert "set-up: system package python3.11-dev: to compile pyscard" in done.stderr
    [install] = [call for call in checkout.calls() if call.startswith("apt-get")]
    assert "install -y" in install
    assert {"gcc", "python3.11-dev"} <= set(install.split())


def test_package_lists_are_refreshed_when_they_lack_one(checkout: Checkout) -> None:
    checkout.command(
        "apt-get",
        '#!/bin/sh\necho "apt-get $*" >>"$CALLS"\n'
        'case "$*" in *update*) : >"$BIN/fresh" ;; *) [ -e "$BIN/fresh" ] ;; esac\n',
    )
    done = checkout.igc(PYTHON_FACTS="3.11 1 0")
    assert done.returncode == 0
    assert len([call for call in checkout.calls() if call.startswith("apt-get")]) == 3


def test_failing_apt_goes_on_without(checkout: Checkout) -> None:
    checkout.command("apt-get", "#!/bin/sh\nexit 100\n")
    done = checkout.igc("x", PYTHON_FACTS="3.11 1 0")
    assert (done.returncode, done.stdout) == (0, "igc x\n")
    assert "going on without" in done.stderr


def test_user_with_sudo_installs_through_it(checkout: Checkout) -> None:
    user_without_rights(checkout)
    checkout.command("sudo", '#!/bin/sh\nshift\n[ "$1" = true ] || "$@"\n')
    assert checkout.igc(PYTHON_FACTS="3.11 1 0").returncode == 0
    assert checkout.count("apt-get") == 1


def test_user_without_rights_gets_one_command_to_type(checkout: Checkout) -> None:
    user_without_rights(checkout)
    done = checkout.igc(PYTHON_FACTS="3.11 1 0")
    assert done.returncode == 2
    assert done.stdout == ""
    [command] = [line for line in done.stderr.splitlines() if "apt-get install" in line]
    assert command.strip().startswith("sudo apt-get install -y")
    assert "python3.11-dev" in command
    assert checkout.count("apt-get") == 0


def test_user_without_rights_may_go_on_without_cards(checkout: Checkout) -> None:
    user_without_rights(checkout)
    done = checkout.igc("x", PYTHON_FACTS="3.11 1 0", IGC_WITHOUT_SYSTEM_PACKAGES="1")
    assert (done.returncode, done.stdout) == (0, "igc x\n")


def test_unwritable_checkout_is_told(checkout: Checkout) -> None:
    (checkout.root / ".venv").write_text("in the way")
    done = checkout.igc()
    assert done.returncode == 1
    assert "can't be written to" in done.stderr


def test_system_without_apt_goes_on(checkout: Checkout) -> None:
    (checkout.bin / "apt-get").unlink()
    done = checkout.igc("x", PYTHON_FACTS="3.11 1 0")
    assert (done.returncode, done.stdout) == (0, "igc x\n")
    assert "no apt-get" in done.stderr
