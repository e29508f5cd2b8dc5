"""Which mapping is spoken with a platform: the one that is named, or the mock's on this machine.

The ANS's contract is not public (facts sheet platform.md §7.1), so what igcsante ships is its own
mock's. Spoken to anybody else it would be wrong, and would look right: it has to be named there.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from ...errors import ConfigError
from ...hosts import is_loopback
from ...messages import tr
from .mapping import OWN_MAPPING, ContractMapping, contract_file, load_mapping


def mapping_for(endpoint: str, wsdl: Path | None, path: Path | None) -> ContractMapping:
    """The mapping of ``path``; without one the mock's, on loopback or where there is no endpoint.

    Elsewhere mapping and WSDL have to be named; the mock's mapping stands for both. Raises
    ConfigError when they aren't, or as :func:`load_mapping` does.
    """
    mapping = load_mapping(path)
    host = urlsplit(endpoint).hostname or ""
    if not endpoint or is_loopback(host) or (path and _is_whole(mapping, wsdl)):
        return mapping
    raise ConfigError(
        tr("no WSDL and mapping file are named for {host}; nothing was sent", host=host),
        advice=tr(
            "give --wsdl FILE and --mapping FILE, or the profile's keys wsdl and mapping. The "
            "ANS's contract is not public; the one that igcsante ships is its own mock's: for "
            "that mock on another host, --mapping {path}",
            path=contract_file(OWN_MAPPING),
        ),
    )


def _is_whole(mapping: ContractMapping, wsdl: Path | None) -> bool:
    """Whether each of its operations is in a WSDL that was named."""
    return bool(wsdl) or mapping.is_own or all(b.wsdl for b in mapping.bindings.values())
