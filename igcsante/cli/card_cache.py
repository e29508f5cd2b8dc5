"""``igc card cache``: files of cards that were read before."""

from __future__ import annotations

from ..messages import plural, reason_of, tr
from .command import group
from .output import Settings, card_options, emit, say


@group("cache")
@card_options
def cache_command(settings: Settings) -> None:
    """What is kept of cards, so that reading them again is quick.

    Directory files and certificates of cards that tell when they were updated, readable by
    you only. --no-cache does without for one command; `card_cache` in a profile, or the
    variable IGC_CARD_CACHE, says it for all of them:

    \b
      auto    keep cards that tell when they were updated (a CPS3): what is done otherwise
      always  keep the others too (a CPS4): an update of such a card goes unnoticed
              until igc card cache clear
      never   read everything from the card, each time

    \b
    Examples:
      igc card info --no-cache
      igc card cache clear
    """


@cache_command.command("clear")
@card_options
def cache_clear(settings: Settings) -> None:
    """Forget all cards.

    \b
    Example:
      igc card cache clear
    """
    from ..card.cache import CardCache
    from ..errors import StorageError
    from .inserted import card_cache_directory

    directory = card_cache_directory()
    try:
        cards = CardCache(directory).clear()
    except OSError as error:
        raise StorageError(tr("{path}: {why}", path=directory, why=reason_of(error))) from None
    if settings.json:
        emit({"cards": cards, "directory": directory}, schema="igc.card.cache/1")
    else:
        say(plural("{count} card forgotten.", "{count} cards forgotten.", cards))
