"""The words for what JSON names by a code: verdicts, outcomes, states, kinds of reader events."""

from __future__ import annotations

from .messages import Message, tr

_VERDICTS = (
    *(tr("good"), tr("revoked"), tr("invalid"), tr("unknown"), tr("stale"), tr("unreadable")),
    tr("ends soon"),
)
_STANDINGS = (
    *(tr("in doubt"), tr("lost"), tr("expiring"), tr("to withdraw"), tr("pending")),
    *(tr("active"), tr("expired"), tr("cancelled")),
)
_ROWS = (tr("issued"), tr("ordered"), tr("already"))
_READERS = (tr("plugged"), tr("unplugged"), tr("inserted"), tr("removed"))
_LISTS = (*(tr("fetched"), tr("unchanged"), tr("not due"), tr("failed"), tr("no address")),)
_AUTHORITIES = (tr("imported"), tr("already there"), tr("root"), tr("intermediate"))
_PINS = (tr("official"), tr("observed"), tr("secondary"), tr("inferred"))
_WORLDS = (tr("production"), tr("test"))
_HANDSHAKES = (
    *(tr("accepted"), tr("refused"), tr("unclear"), tr("not asked"), tr("not signed")),
    *(tr("untrusted server"), tr("no version"), tr("key cannot")),
)
_KEYS = (tr("authentication"), tr("signature"), tr("technical"))
_CARDS = (tr("CPS3 contactless"),)
_LEVELS = (tr("error"), tr("problem"), tr("warning"), tr("note"))

_WORDS = {
    str(word): word
    for words in (
        *(_VERDICTS, _STANDINGS, _READERS, _LISTS, _AUTHORITIES, _WORLDS, _HANDSHAKES),
        *(_ROWS, _KEYS, _CARDS, _LEVELS, _PINS),
    )
    for word in words
}


def said(code: str) -> str:
    """The word for a code, which people read in their language; the code when it has none.

    >>> said("not_signed")
    'not signed'
    """
    text = str(code).replace("_", " ")
    return _WORDS.get(text, str(code))


def certificate_of(purpose: str) -> Message:
    """The certificate of a card for a purpose: ``authentication``, ``signature``…"""
    return _CERTIFICATES.get(purpose) or tr("the {purpose} certificate", purpose=purpose)


_CERTIFICATES = {
    "authentication": tr("the authentication certificate"),
    "signature": tr("the signature certificate"),
    "technical": tr("the technical certificate"),
}
