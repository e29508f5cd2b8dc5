"""Run by a test, in a process with little memory and time: answers as large as one may be.

``python heavy_answers.py FOLDER MEBIBYTES CPU_SECONDS`` prints a line for each; it dies at a limit.
"""

from __future__ import annotations

import resource
import sys
from pathlib import Path

from conftest import ThrowAwayCa
from hostile import TlsServer, http
from ws_contract import product_xml, reply

from igcsante.errors import IgcError
from igcsante.ws.client import ZeepPlatform
from igcsante.ws.model import ProductSearch
from igcsante.ws.soap.transport import Limits

ROOM = Limits().answer_bytes - 4096
SEARCH = "rechercherProduits"
TOTAL = "<total>1</total>"


def filled(unit: str) -> str:
    return unit * (ROOM // len(unit.encode()))


def answers() -> dict[str, bytes]:
    plain = reply(SEARCH, TOTAL)
    attributes = " ".join(f'a{number}="1"' for number in range(300_000))
    spaces = " ".join(f'xmlns:a{number}="u{number}"' for number in range(150_000))
    texts = {
        "small elements": reply(SEARCH, filled("<a/>")),
        "empty products": reply(SEARCH, filled("<produits/>") + TOTAL),
        "products": reply(SEARCH, filled(f"<produits>{product_xml()}</produits>") + TOTAL),
        "SOAP headers": plain.replace("<s:Header>", "<s:Header>" + filled("<a/>")),
        "attributes": plain.replace("<total>", f"<total {attributes}>"),
        "namespaces": plain.replace("<total>", f"<total {spaces}>"),
        "digits": reply(SEARCH, f"<total>{filled('1')}</total>"),
        "character references": reply(SEARCH, f"<total>{filled('&#49;')}</total>"),
        "comments": reply(SEARCH, filled("<!---->") + TOTAL),
        "processing instructions": reply(SEARCH, filled("<?a?>") + TOTAL),
    }
    fault = reply("x", filled("<a/>")).replace("xReponse", "Fault")
    return {name: http(text) for name, text in texts.items()} | {
        "a fault": http(fault, "500 Error"),
        "a page of inputs": http(filled("<input "), kind="text/html"),
        "a page of one input": http("<input " + filled("type=typ "), kind="text/html"),
    }


def main(folder: Path, mebibytes: int, cpu_seconds: int) -> None:
    everything = answers()
    current = [b""]
    ca = ThrowAwayCa(folder)
    server = TlsServer(ca.server_file, lambda connection, _: connection.sendall(current[0]))
    with server, ZeepPlatform(server.url, ca.client_context()) as platform:
        limit = _resident() + mebibytes * 1024 * 1024
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        for name, answer in everything.items():
            current[0] = answer
            try:
                platform.search_products(ProductSearch())
                told = "taken"
            except IgcError as error:
                told = error.code
            if _resident() > limit:
                sys.exit(f"{name}: too much memory")
            print(name, told, sep=": ")


def _resident() -> int:
    """The most that this process ever had in memory, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
