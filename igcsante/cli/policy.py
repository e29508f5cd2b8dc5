"""``igc policy``: what a check demands, by name or by file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ..messages import joined, tr, translated
from ..text import printable
from ..words import said
from . import completing
from .command import group
from .output import Settings, common_options, emit, say, say_table

if TYPE_CHECKING:
    from ..certs.policy import Policy


@group("policy")
@common_options
def policy_command(settings: Settings) -> None:
    """Show what a check demands: the shipped policies, or one in a file of yours.

    \b
    Examples:
      igc policy list
      igc policy show strict
    """


@policy_command.command("list")
@common_options
def policy_list(settings: Settings) -> None:
    """List the shipped policies.

    \b
    Example:
      igc policy list
    """
    from ..certs.policy import shipped_policies

    policies = shipped_policies()
    if settings.json:
        for policy in policies:
            emit(_described(policy), schema="igc.policy/1")
        return
    rows = [
        (policy.name, _worlds(policy), _asked(policy), translated(policy.description))
        for policy in policies
    ]
    say_table((tr("Policy"), tr("Worlds"), tr("Revocation"), tr("What it is")), rows)


@policy_command.command("show")
@click.argument("name", default="default", shell_complete=completing.policies)
@common_options
def policy_show(settings: Settings, name: str) -> None:
    """Show a whole policy, by NAME (default: default) or of a FILE.

    What is printed is a policy file, with comments: change what you want in it, and its name.

    \b
    Examples:
      igc policy show strict
      igc policy show default > ours.toml
      igc check --policy ours.toml server.pem
    """
    from ..certs.policy import load_policy
    from ..certs.policy_text import policy_toml

    policy = load_policy(name)
    if settings.json:
        emit(_described(policy), schema="igc.policy/1")
        return
    for line in policy_toml(policy, explained=True).splitlines():
        say(printable(line))


def _described(policy: Policy) -> dict[str, Any]:
    revocation, path, algorithms = policy.revocation, policy.path, policy.algorithms
    return {
        "name": policy.name,
        "description": policy.description,
        "worlds": policy.worlds,
        "usages": policy.usages,
        "fetch": policy.fetch,
        "path": {
            "initial_policies": path.initial_policies,
            "explicit_policy": path.explicit_policy,
            "inhibit_mapping": path.inhibit_mapping,
            "inhibit_any_policy": path.inhibit_any_policy,
            "max_length": path.max_length,
            "max_candidates": path.max_candidates,
        },
        "revocation": {
            "leaf": revocation.leaf,
            "cas": revocation.cas,
            "sources": revocation.sources,
            "max_age_seconds": revocation.max_age and revocation.max_age.total_seconds(),
            "grace_seconds": revocation.grace.total_seconds(),
        },
        "algorithms": {
            "minimum_rsa_bits": algorithms.minimum_rsa_bits,
            "hash_names": algorithms.hash_names,
            "curves": algorithms.curves,
            "legacy": algorithms.legacy,
        },
    }


def _worlds(policy: Policy) -> str:
    from ..certs.policy import WORLDS

    return tr("all") if policy.worlds == WORLDS else joined(", ", map(said, sorted(policy.worlds)))


def _asked(policy: Policy) -> str:
    leaf, cas = policy.revocation.leaf, policy.revocation.cas
    sources = joined(tr(", then "), [source.upper() for source in policy.revocation.sources])
    if leaf == cas:
        return tr("{leaf} ({sources})", leaf=leaf, sources=sources)
    return tr("{leaf}, CAs {cas} ({sources})", leaf=leaf, cas=cas, sources=sources)
