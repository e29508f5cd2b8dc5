"""Whether the habilitations of a card cover an order, told before the order is sent.

The rules that the ANS's forms state (F413 §4.3, F414 §5.2; facts sheet platform.md §1, §2): a
line is a structure, an offer, its usages and a scope; a domain covers its sub-domains, a
server or a mail domain only itself. The platform remains the judge of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from ..errors import NotHabilitatedError
from ..messages import tr
from .model import Habilitation, ProductRequest


def check_habilitated(request: ProductRequest, lines: Sequence[Habilitation]) -> None:
    """Raise NotHabilitatedError unless ``lines`` cover all that is asked.

    Its fields are ``field``, the first one that no line covers, and ``allowed``, what it may
    be instead under the lines that cover those before it.
    """
    steps: tuple[tuple[str, str, Callable[[Habilitation], Iterable[object]]], ...] = (
        ("offre", str(request.offre), lambda line: [line.offre]),
        ("structure", str(request.structure), lambda line: [line.structure.national_id]),
        ("usage", str(request.usage), lambda line: line.usages),
    )
    for name, wanted, of in steps:
        allowed = dict.fromkeys(str(value) for line in lines for value in of(line))
        if wanted not in allowed:
            raise _refusal(name, wanted, tuple(allowed))
        lines = [line for line in lines if wanted in map(str, of(line))]
    for host in request.hosts:
        if not any(line.scope.covers(host) for line in lines):
            allowed = dict.fromkeys(str(line.scope) for line in lines)
            raise _refusal(request.subject_field, host, tuple(allowed))


def _refusal(name: str, wanted: str, allowed: tuple[str, ...]) -> NotHabilitatedError:
    listed = (
        tr("; allowed: {allowed}", allowed=", ".join(allowed))
        if allowed
        else tr(": no habilitation at all")
    )
    return NotHabilitatedError(
        tr(
            "{name}: the card is not habilitated for {wanted}{listed}. Nothing was ordered",
            name=name,
            wanted=wanted,
            listed=listed,
        ),
        advice=tr(
            "see what it may order: igc habilitations. Rights are asked from the ANS with "
            "the form F414 (test) or F413 (production)"
        ),
        field=name,
        allowed=list(allowed),
    )
