"""Messages for people: English text that remembers what it was made from, so that the edge of
the program can say it in French.

A message is a ``str`` in English wherever it goes: in an exception, a log, JSON. Only what
prints for a person calls :func:`localized`, which looks its template up in the catalogue of
the person's language (``igcsante/locale/*/LC_MESSAGES/igcsante.mo``, GNU gettext) and fills in
the same values. So a library that catches our errors sees one language, and threads with users
of two languages don't disturb each other.

Every start of ``igc`` pays for this module: it imports what costs (typing, pathlib)
only where it is needed.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # as typing has it, without its cost
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, Self

    from .catalogue import Catalogue

LANGUAGES = ("en", "fr")
LOCALE_DIRECTORY = os.path.join(os.path.dirname(__file__), "locale")  # noqa: PTH118, PTH120
DOMAIN = "igcsante"
_catalogues: dict[str, Catalogue] = {}


class Message(str):
    """English text with its ``template`` and its ``values``.

    ``plural`` is the template for any count but one; ``values["count"]`` then decides.
    """

    template: str
    plural: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, values: Mapping[str, Any], plural: str = "") -> Self:
        kept = {name: _kept(value) for name, value in values.items()}
        chosen = plural if plural and kept["count"] != 1 else template
        message = super().__new__(cls, chosen.format_map(kept) if kept else chosen)
        message.template, message.plural, message.values = template, plural, kept
        return message

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.template, self.values, self.plural

    def with_texts(self, change: Callable[[str], str]) -> Self:
        """The same message whose values that are texts went through ``change``."""
        template, values, *more = self.__getnewargs__()
        changed = {k: change(v) if isinstance(v, str) else v for k, v in values.items()}
        return type(self)(template, changed, *more)


class Joined(Message):
    """Texts one after the other, of which some may be messages; see :func:`joined`."""

    def __new__(cls, separator: str, parts: Mapping[str, str]) -> Self:
        message = str.__new__(cls, separator.join(parts.values()))
        message.template, message.plural, message.values = separator, "", parts
        return message

    def __getnewargs__(self) -> tuple[Any, ...]:
        return self.template, self.values


def tr(template: str, /, **values: Any) -> Message:
    """A message: a template in English, as of :meth:`str.format`, and its values by name.

    Without values the text is taken as it is. A value may be a message itself.

    >>> tr("{path}: there is no profile {name!r}", path="config.toml", name="tset")
    "config.toml: there is no profile 'tset'"
    """
    return Message(template, values)


def plural(one: str, many: str, /, count: int, **values: Any) -> Message:
    """A message whose words depend on ``count``, which the templates may show as ``{count}``.

    >>> plural("{count} certificate", "{count} certificates", 2)
    '2 certificates'
    """
    return Message(one, {"count": count, **values}, many)


def reason_of(error: BaseException) -> Message:
    """What the system says of a failure: "No such file or directory"."""
    return Message(getattr(error, "strerror", None) or str(error) or type(error).__name__, {})


def joined(separator: str, parts: Iterable[str]) -> Message:
    """``separator.join(parts)`` whose parts are still said in the person's language.

    >>> joined("; ", [tr("revoked"), tr("stale")])
    'revoked; stale'
    """
    return Joined(separator, {str(index): part for index, part in enumerate(parts)})


def localized(text: str, language: str | None = None) -> str:
    """What a person reads: the message in ``language``, ``fr`` or ``en``, by default theirs.

    Text that is no message, or that the catalogue lacks, comes back as it is.
    """
    if not isinstance(text, Message):
        return str(text)
    language = language or preferred_language()
    if language == "en":
        return str(text)
    values = {name: _localized_value(value, language) for name, value in text.values.items()}
    if isinstance(text, Joined):
        return translated(text.template, language).join(values.values())
    translations = catalogue(language)
    if text.plural:
        template = translations.ngettext(text.template, text.plural, text.values["count"])
    else:
        template = translations.gettext(text.template)
    return template.format_map(values) if values else template


def quoted_choices(words: Iterable[str]) -> Message:
    """Words to choose from, the last two with "or" between them.

    >>> quoted_choices(["info", "pin", "sign"])
    "'info', 'pin' or 'sign'"
    """
    quoted = [tr("{word!r}", word=word) for word in words]
    if len(quoted) < 2:
        return joined("", quoted)
    first = joined(", ", quoted[:-1])
    return tr("{first} or {last}", first=first, last=quoted[-1])


def translated(text: str, language: str | None = None) -> str:
    """Fixed text, such as a line of help, in the person's language; as it is when unknown."""
    language = language or preferred_language()
    return text if language == "en" or not text else catalogue(language).gettext(text)


def preferred_language(environ: Mapping[str, str] = os.environ) -> str:
    """``fr`` or ``en``: IGC_LANG, else the locale (LC_ALL, LC_MESSAGES, LANG), else English.

    IGC_LANG may be written ``fr-FR``, ``fr_FR.UTF-8`` or ``french`` too; who names a language
    that we don't speak there gets English.
    """
    if named := _first_word(environ.get("IGC_LANG", "")):
        return _NAMED.get(named, "en")
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := environ.get(name):
            return "fr" if _first_word(value) in _FRENCH else "en"
    return "en"


_FRENCH = ("fr", "french", "francais", "fran\xe7ais", "fra", "fre")
_ENGLISH = ("en", "english", "eng", "c", "posix")
_NAMED = {**dict.fromkeys(_FRENCH, "fr"), **dict.fromkeys(_ENGLISH, "en")}


def is_spoken(language: str) -> bool:
    """Whether IGC_LANG may say so: a language of ours, or nothing."""
    named = _first_word(language)
    return not named or named in _NAMED


def _first_word(locale: str) -> str:
    """The language of ``fr_FR.UTF-8@euro``: ``fr``."""
    for sign in "_-.@":
        locale = locale.partition(sign)[0]
    return locale.strip().lower()


def catalogue(language: str) -> Catalogue:
    """The messages of a language; those of an unknown one are in English."""
    if language not in _catalogues:
        from .catalogue import Catalogue

        path = os.path.join(LOCALE_DIRECTORY, language, "LC_MESSAGES", f"{DOMAIN}.mo")  # noqa: PTH118
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                _catalogues[language] = Catalogue(file.read())
        except OSError:
            _catalogues[language] = Catalogue()
    return _catalogues[language]


def _localized_value(value: Any, language: str) -> Any:
    if isinstance(value, Message):
        return localized(value, language)
    return spoken(value, language)


def spoken(value: Any, language: str) -> Any:
    """A value as the templates of a language format it: French has its own numbers and quotes."""
    if language != "fr":
        return value
    if isinstance(value, str):
        return _FrenchText(value)
    return _FrenchNumber(value) if isinstance(value, int | float) else value


class _FrenchText(str):
    """A text that ``!r`` puts within « », where English has quotes."""

    def __repr__(self) -> str:
        return f"«\xa0{super().__repr__()[1:-1]}\xa0»"


class _FrenchNumber:
    """A number that is written ``12 345,6``, with a no-break space."""

    _SIGNS = str.maketrans({",": "\xa0", ".": ","})

    def __init__(self, value: float) -> None:
        self._value = value

    def __format__(self, spec: str) -> str:
        return format(self._value, spec).translate(self._SIGNS)

    def __repr__(self) -> str:
        return format(self)


def _kept(value: Any) -> Any:
    """A value that a message keeps: plain, so that a message can go to another process."""
    if isinstance(value, str | int | float):
        return value
    from datetime import date

    return value if isinstance(value, date) else str(value)
