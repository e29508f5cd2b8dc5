"""The generated parts of pages, by the name that their comment asks for them."""

from __future__ import annotations

from collections.abc import Callable

from . import commands, tables


def _api(*modules: str) -> str:
    """The public face of modules, from their docstrings."""
    blocks = [f".. automodule:: {module}\n" for module in modules]
    return "\n".join(f"```{{eval-rst}}\n{block}```\n" for block in blocks)


PARTS: dict[str, Callable[..., str]] = {
    "cli": commands.of_page,
    "cli-common": commands.common,
    "exit-codes": tables.exit_codes,
    "error-codes": tables.error_codes,
    "order-states": tables.order_states,
    "policies": tables.policies,
    "config-keys": tables.config_keys,
    "environment": tables.environment,
    "doctor-checks": tables.doctor_checks,
    "mapping-file": tables.mapping_file,
    "json-schemas": tables.json_schemas,
    "api": _api,
}
