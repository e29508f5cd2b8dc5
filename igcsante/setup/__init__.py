"""``igc setup``: the way of a newcomer, from form F414 to the first order, step by step.

Each step is checked by machine where it can be (:mod:`igcsante.doctor`, configuration, contract,
journal) and asked where not. Looking changes nothing; what is asked is written only by
:class:`.record.Record`, and what else is written, only by the command that the person said yes
to. What is told of the ANS is what facts sheet platform.md says, with its mark.
"""

from .fact import Fact, Mark
from .journey import Journey, Seen, State, look
from .record import Record
from .step import Act, Step
from .steps import STEPS, chosen

__all__ = [
    "STEPS",
    "Act",
    "Fact",
    "Journey",
    "Mark",
    "Record",
    "Seen",
    "State",
    "Step",
    "chosen",
    "look",
]
