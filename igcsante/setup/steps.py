"""The steps in their order. What is said of the ANS stands in facts sheet platform.md §0-2."""

from __future__ import annotations

from ..errors import UsageError
from ..messages import tr
from ..text import did_you_mean
from . import machine
from .fact import inferred, official, unknown
from .form import CARDS, DELAY, RECEIPT, SENT_TO, WHAT
from .step import FORM, MACHINE, Act, Step

_PHASE_1 = (
    Step(
        "form",
        FORM,
        tr("Fill in form F414"),
        tr("fill in form F414; a list of what to gather: igc setup --out F414.txt"),
        Act.ASK,
        (*WHAT, *CARDS),
        tr("Is the form filled in?"),
    ),
    Step(
        "sent",
        FORM,
        tr("Send the form"),
        tr("send the form by e-mail; to whom: igc setup sent"),
        Act.ASK,
        (SENT_TO,),
        tr("Have you sent it?"),
        needs=("form",),
    ),
    Step(
        "received",
        FORM,
        tr("The ANS has the form"),
        tr("wait for the e-mail that says that the form was received"),
        Act.ASK,
        (RECEIPT,),
        tr("Did the e-mail on its reception come?"),
        needs=("sent",),
    ),
    Step(
        "accepted",
        FORM,
        tr("The cards are registered"),
        tr("wait for the e-mail that says that the form was validated"),
        Act.ASK,
        (RECEIPT, *DELAY),
        tr("Did the e-mail on its validation come?"),
        needs=("sent",),
    ),
    Step(
        "cards",
        FORM,
        tr("Have a test card at hand"),
        tr("wait for the card, or take one that the form names"),
        Act.ASK,
        (
            official(tr("A test card is opposed, thus useless, after 3 years."), "FAQ"),
            official(tr("For tests one logs in with the card; Pro Santé Connect won't do."), "HUB"),
        ),
        tr("Do you hold a test card that the form names, and know its PIN?"),
    ),
    Step(
        "service",
        FORM,
        tr("Get address, WSDL and manual of the web service"),
        tr("ask the ANS for the web service's address, WSDL and manual"),
        Act.ASK,
        (
            official(
                tr("Test certificates can be ordered through a web service, with such a card."),
                "FAQ",
            ),
            unknown(tr("Its address, WSDL and manual: the ANS has not published them.")),
            inferred(
                tr("Who gives them: the address that takes the form is the one to try first.")
            ),
        ),
        tr("Do you have the web service's address, WSDL and manual?"),
    ),
)

_PHASE_2 = (
    Step(
        "reader",
        MACHINE,
        tr("A reader and its driver"),
        tr("plug in a reader, and install what it needs"),
        Act.WAIT,
        check=machine.reader,
    ),
    Step(
        "card",
        MACHINE,
        tr("The test card"),
        tr("insert the test card"),
        Act.WAIT,
        check=machine.card,
    ),
    Step(
        "profile",
        MACHINE,
        tr("The profile: address, WSDL, mapping file"),
        tr("name the platform's address, its WSDL and a mapping file in a profile"),
        Act.PROFILE,
        check=machine.profile,
    ),
    Step(
        "contract",
        MACHINE,
        tr("WSDL and mapping file agree"),
        tr("write the mapping file from the manual, and mend it until: igc ws check-mapping"),
        Act.WAIT,
        check=machine.contract,
        needs=("profile",),
    ),
    Step(
        "anchors",
        MACHINE,
        tr("Trust anchors"),
        tr("fetch the authorities of IGC-Santé: igc trust fetch"),
        Act.RUN,
        (
            official(tr("Their certificates are published on igc-sante.esante.gouv.fr."), "HUB"),
            unknown(
                tr("An official list of the fingerprints of those of TEST: igc pins what was seen.")
            ),
        ),
        check=machine.anchors,
        command=("trust", "fetch"),
        effect=tr(
            "It contacts igc-sante.esante.gouv.fr, and keeps in the data folder each "
            "certificate whose SHA-256 igc knows."
        ),
    ),
    Step(
        "lists",
        MACHINE,
        tr("Revocation lists"),
        tr("fetch the lists of the known authorities: igc crl update"),
        Act.RUN,
        check=machine.lists,
        command=("crl", "update"),
        effect=tr(
            "It contacts the hosts of the profile's key http_hosts, and keeps in the cache the "
            "lists that an authority signed."
        ),
        needs=("anchors",),
    ),
    Step(
        "habilitations",
        MACHINE,
        tr("The platform knows the card"),
        tr("ask the platform what the card may order: igc habilitations"),
        Act.RUN,
        (
            official(
                tr("The platform shows the offers and structures that one is habilitated for."),
                "G-DEM",
            ),
        ),
        command=("habilitations",),
        effect=tr(
            "It contacts the platform, and asks for the PIN, which is sent to the card once. "
            "It changes nothing."
        ),
        needs=("card", "profile", "contract", "anchors"),
    ),
    Step(
        "order",
        MACHINE,
        tr("The first order, rehearsed first"),
        tr("order a test certificate"),
        Act.ORDER,
        (
            official(tr("The revocation code is chosen at the withdrawal."), "G-RET"),
            official(tr("A lost password of a key can't be recovered."), "G-RET"),
        ),
        check=machine.order,
        needs=("habilitations",),
    ),
)

STEPS: tuple[Step, ...] = (*_PHASE_1, *_PHASE_2)


def chosen(name: str | None = None, phase: int | None = None) -> tuple[Step, ...]:
    """The step of that name, else those of a phase, else all. Raises UsageError.

    A step that is in another phase than the one named is refused.
    """
    if name is None:
        return tuple(step for step in STEPS if phase in (None, step.phase))
    found = tuple(step for step in STEPS if step.id == name)
    if found and phase not in (None, found[0].phase):
        raise UsageError(
            tr(
                "the step {name} is in phase {its}, not {phase}",
                name=name,
                its=found[0].phase,
                phase=phase,
            ),
            advice=tr("leave out --phase"),
        )
    if not found:
        known = [step.id for step in STEPS]
        raise UsageError(
            tr("no step is called {name!r}", name=name),
            advice=did_you_mean(name, known) or tr("list them: igc setup --list"),
        )
    return found


def needed(step: Step) -> tuple[Step, ...]:
    """The steps that it needs, and those that they need, in their order."""
    names = set(step.needs)
    for earlier in reversed(STEPS):
        if earlier.id in names:
            names.update(earlier.needs)
    return tuple(earlier for earlier in STEPS if earlier.id in names)
