"""``scripts/bench [NAME…] [--json]``: runs benches and prints our figures beside a peer's.

A NAME is a bench or the beginning of one's name. With ``--json``, one object a line:
``name``, ``ours``, ``peer``, ``peer_name``, ``unit`` and ``ratio`` (ours/peer).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator

import bulk
import crls
import exchanges
import journal
import pfc
import startup
from result import Result

BENCHES: dict[str, Callable[[], Iterator[Result]]] = {
    "card-id": exchanges.card_id,
    "card-id-long": exchanges.card_id_long,
    "card-id-cached": exchanges.card_id_cached,
    "card-info": exchanges.card_info,
    "card-info-whole": exchanges.card_info_whole,
    "card-objects": exchanges.card_objects,
    "sign": exchanges.sign,
    "sign-pss": exchanges.sign_pss,
    "sign-from-start": exchanges.sign_from_start,
    "crl-refresh": crls.refresh,
    "crl-check": crls.check,
    "crl-lookup": crls.lookup,
    "bulk": bulk.bulk,
    "order": exchanges.order,
    "platform-order": pfc.order,
    "platform-call": pfc.call,
    "platform-job": pfc.sessions,
    "journal-orders": journal.orders,
    "journal-show": journal.show,
    "journal-status": journal.status,
    "start-version": startup.version,
    "start-help": startup.help_text,
}
# Too long for a run of all: when named.
LONG_BENCHES: dict[str, Callable[[], Iterator[Result]]] = {
    "long-crl-refresh": crls.refresh_long,
    "long-crl-check": crls.check_long,
    "long-bulk": bulk.bulk_long,
    "long-journal": journal.long,
}
ALL = BENCHES | LONG_BENCHES


def main() -> int:
    arguments = _arguments()
    chosen = {
        name: bench
        for name, bench in ALL.items()
        if any(name.startswith(wanted) for wanted in arguments.names or BENCHES)
    }
    if not arguments.json:
        _print_row("bench", "ours", "peer", "ratio", "unit", "peer is")
    for bench in chosen.values():
        for result in bench():
            if arguments.json:
                print(result.to_json(), flush=True)
            else:
                figures = f"{result.ours:g}", f"{result.peer:g}", f"{result.ratio:.2f}"
                _print_row(result.name, *figures, result.unit, result.peer_name)
    return 0


def _arguments() -> argparse.Namespace:
    known = "; ".join(f"{name}: {bench.__doc__}" for name, bench in ALL.items())
    parser = argparse.ArgumentParser(prog="scripts/bench", epilog=known)
    parser.add_argument("names", nargs="*", metavar="NAME", help="all of them when none is given")
    parser.add_argument("--json", action="store_true", help="one object a line")
    arguments = parser.parse_args()
    for wanted in arguments.names:
        if not any(name.startswith(wanted) for name in ALL):
            parser.error(f"there is no bench {wanted!r}; known: " + ", ".join(ALL))
    return arguments


def _print_row(name: str, ours: str, peer: str, ratio: str, unit: str, peer_name: str) -> None:
    print(f"{name:32} {ours:>8} {peer:>8} {ratio:>6}  {unit:10} {peer_name}".rstrip(), flush=True)


if __name__ == "__main__":
    sys.exit(main())
