"""Every command that prints a table, one after the other, on the terminal that this runs on.

``python every_table.py FOLDER``: FOLDER becomes the machine's configuration and data, and gets
``callers.json``, the functions that printed a table.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from igcsante.card import readers
from igcsante.cli import output
from igcsante.testing.cards import SimulatedReader
from igcsante.testing.world import SimulatedWorld

PIN = ("--pin-source", "env:PIN")
CODE = ("--revocation-code-source", "env:CODE")
ORDER = (
    *("order", "--usage", "AUTH_CLI", "--structure", "10B0999003", "--email", "a@example.org"),
    *("--service", "a service whose name is long", "--accept-cgu", "--out", "certs", *CODE, *PIN),
)


def commands(world: SimulatedWorld) -> Sequence[Sequence[str]]:
    """What is run, in this order."""
    host = world.endpoint.split("/")[2]
    return (
        *(("readers",), ("card", "certs"), ("card", "objects"), ("card", "tls-check", host, *PIN)),
        *(("habilitations", *PIN), ORDER, (*ORDER, "--order-only"), ("orders",)),
        *(("status", *PIN), ("status", "--offline", "--files"), ("crl", "update"), ("crl", "list")),
        *(("trust", "list"), ("policy", "list"), ("config", "show", "--origin")),
        *(("config", "profiles"), ("config", "keys"), ("doctor", "--list"), ("setup", "--list")),
        *(("sim", "card", "list"), ("sim", "fail"), ("ws", "describe")),
        *(("help", "exit-codes"), ("help", "json"), ("orders", "show", "1")),
    )


def main(folder: Path) -> None:
    """Run them all."""
    callers = set()
    say_table = output.say_table

    def recorded(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        code = sys._getframe(1).f_code
        callers.add(f"{Path(code.co_filename).stem}.{code.co_name}")
        assert rows, f"{code.co_name}: a table of nothing shows no width"
        say_table(headers, rows)

    output.say_table = recorded
    from igcsante.cli.main import run

    with SimulatedWorld() as world:
        toml = world.profile_toml().replace('"anchors"', f'"{world.directory / "anchors"}"')
        toml = toml.replace('"clock.json"', f'"{world.directory / "clock.json"}"')
        (folder / "config").mkdir(mode=0o700)
        (folder / "config/config.toml").write_text('default_profile = "sim"\n' + toml)
        os.environ |= {"IGC_CONFIG_DIR": str(folder / "config"), "PIN": "1234", "CODE": "a code 12"}
        os.environ |= {"IGC_DATA_DIR": str(folder / "data"), "NO_COLOR": "1"}
        reader = SimulatedReader(
            "A reader with a name as long as drivers give them", world.card("cps4")
        )
        readers.system_readers = lambda: [reader]
        for command in commands(world):
            print(f"$ igc {command[0]}", flush=True)
            code = run([*command])
            assert code in (0, 8), (command, code)
    (folder / "callers.json").write_text(json.dumps(sorted(callers)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
