"""The options that say what a check demands, for every command that checks.

They start from a named policy; what they change is told by the policy's name, ``strict+options``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..messages import joined, tr
from ..text import did_you_mean
from . import completing
from .output import Command, grouped

if TYPE_CHECKING:
    from ..certs.policy import Policy

_OID = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,38})){1,63}")
_CHANGED = "+options"

_OPTIONS = (
    click.option(
        "--policy",
        "name",
        metavar="NAME|FILE",
        default="default",
        show_default=True,
        shell_complete=completing.policies,
        help="What to demand: see igc policy list.",
    ),
    click.option(
        "--revocation",
        type=click.Choice(["off", "prefer", "require"]),
        help="Ask for a revocation status, of the certificate and of its authorities, or not.",
    ),
    click.option("--world", type=click.Choice(["production", "test"]), help="Accept only these."),
    click.option(
        "--usage",
        "usages",
        metavar="NAME",
        multiple=True,
        help="An extended key usage that it must allow: clientAuth, or an OID. Repeatable.",
    ),
    click.option(
        "--initial-policy",
        "initial_policies",
        metavar="OID",
        multiple=True,
        help="An accepted certificate policy (RFC 5280). Repeatable.",
    ),
    click.option("--explicit-policy", is_flag=True, help="The chain must hold under one of them."),
    click.option("--inhibit-mapping", is_flag=True, help="Policies may not be mapped."),
    click.option("--inhibit-any-policy", is_flag=True, help="anyPolicy counts for nothing."),
)


def check_options(command: Command) -> Command:
    """Give a command the options of a check, as ``policy``: a :class:`.certs.policy.Policy`."""

    @functools.wraps(command)
    def with_policy(demands: Mapping[str, Any], **arguments: Any) -> Any:
        return command(policy=policy_from(**demands), **arguments)

    return grouped("demands", *_OPTIONS, heading="What is demanded")(with_policy)  # type: ignore[return-value]


def policy_from(
    name: str,
    revocation: str | None = None,
    world: str | None = None,
    usages: tuple[str, ...] = (),
    initial_policies: tuple[str, ...] = (),
    *,
    explicit_policy: bool = False,
    inhibit_mapping: bool = False,
    inhibit_any_policy: bool = False,
) -> Policy:
    """The policy of that name or file with what was asked on top. Raises ConfigError, UsageError.

    Options only say more: what a policy demands that no option speaks of stays as it is.
    """
    from ..certs.policy import Requirement, load_policy

    named = load_policy(name)
    path = replace(
        named.path,
        initial_policies=frozenset(map(_policy_oid, initial_policies))
        or named.path.initial_policies,
        explicit_policy=explicit_policy or named.path.explicit_policy,
        inhibit_mapping=inhibit_mapping or named.path.inhibit_mapping,
        inhibit_any_policy=inhibit_any_policy or named.path.inhibit_any_policy,
    )
    policy = replace(
        named,
        path=path,
        worlds=_world(world, named.worlds) if world else named.worlds,
        usages=named.usages | frozenset(map(_usage, usages)),
    )
    if revocation:
        policy = policy.with_revocation(Requirement(revocation))
    return policy if policy == named else replace(policy, name=named.name + _CHANGED)


def _world(wanted: str, accepted: frozenset[str]) -> frozenset[str]:
    if wanted not in accepted:
        raise UsageError(
            tr("the policy accepts no certificate of the world {wanted}", wanted=wanted),
            advice=tr(
                "it accepts {accepted}: choose another with --policy",
                accepted=", ".join(sorted(accepted)),
            ),
        )
    return frozenset({wanted})


def _policy_oid(text: str) -> str:
    if not _OID.fullmatch(text):
        raise UsageError(
            tr("{text!r} is no policy OID", text=text),
            advice=tr("write it dotted: 1.2.250.1.213.1.7.1.1.2.4.1"),
        )
    return text


def _usage(text: str) -> str:
    from ..certs.x509.extensions import PURPOSES

    if text in PURPOSES.values() or _OID.fullmatch(text):
        return text
    raise UsageError(
        tr("{text!r} is no extended key usage", text=text),
        advice=joined(
            " ",
            filter(
                None,
                (
                    did_you_mean(text, PURPOSES.values()),
                    tr(
                        "Known: {names}; any other by its OID",
                        names=", ".join(PURPOSES.values()),
                    ),
                ),
            ),
        ),
    )
