"""Fetching lists, certificates and answers: from named hosts, within a size and a total time.

A list is asked for under a condition (RFC 9110 §13: the ETag or date of the one that is
held), resumed where a transfer broke (§14), and asked for again only when that can help.
Nothing is followed: neither redirections nor a proxy of the environment.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from random import SystemRandom

from ...errors import IgcError, NetworkError, TimeoutExceededError
from ...messages import tr
from ..load import MAX_CRL_BYTES
from .access import Access
from .exchange import DEFAULT_SECONDS, Answer, BrokenTransferError, Deadline, Request, exchange

_MAX_FRESHNESS = timedelta(days=366)
_BUSY = (HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT)


@dataclass(frozen=True)
class Held:
    """What the server said of the list that is held: its ETag, its date (as it wrote it)."""

    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True)
class Fetched:
    """A body, or None when the one that is held is still the right one (304).

    ``fresh_for``: how long the server says that asking again brings nothing new.
    """

    octets: bytes | None
    url: str
    etag: str | None = None
    last_modified: str | None = None
    fresh_for: timedelta | None = None


@dataclass(frozen=True)
class Retry:
    """How often a GET that broke is tried, in all, and how long to wait between.

    Before try n + 1, a random time up to ``delay`` · 2ⁿ⁻¹ seconds, or what the server asks for.
    """

    attempts: int = 3
    delay: float = 0.5
    sleep: Callable[[float], None] = time.sleep
    random: Callable[[], float] = field(default_factory=lambda: SystemRandom().random)

    def wait(self, tried: int, asked: float | None, remaining: float) -> bool:
        """Wait after ``tried`` tries; False when there is no try, or no time, left."""
        pause = self.random() * self.delay * 2 ** (tried - 1) if asked is None else asked
        if tried >= self.attempts or pause >= remaining:
            return False
        self.sleep(pause)
        return True


class CrlFetcher:
    """Fetches each address once, over HTTP or LDAP, from allowed hosts (``host[:port]``)."""

    def __init__(
        self,
        allowed: Access | Iterable[str],
        *,
        limit: int = MAX_CRL_BYTES,
        timeout: float = DEFAULT_SECONDS,
        retry: Retry | None = None,
    ) -> None:
        self._access = Access.of(allowed)
        self._limit = limit
        self._timeout = timeout
        self._retry = retry
        self._answers: dict[str, bytes | IgcError] = {}

    def fetch(self, url: str) -> bytes:
        """The body. Raises NetworkError or TimeoutExceededError, the same when asked again."""
        if url not in self._answers:
            try:
                self._answers[url] = self._fetch(url)
            except (NetworkError, TimeoutExceededError) as error:
                self._answers[url] = error
        answer = self._answers[url]
        if isinstance(answer, IgcError):
            raise answer
        return answer

    def allows(self, url: str) -> bool:
        """Whether it is an address that may be contacted."""
        try:
            self._access.target(url)
        except NetworkError:
            return False
        return True

    def _fetch(self, url: str) -> bytes:
        if url[:7].lower() == "ldap://":
            from .ldap import fetch_ldap

            return fetch_ldap(url, self._access, limit=self._limit, timeout=self._timeout)
        return fetch_body(
            url, self._access, limit=self._limit, timeout=self._timeout, retry=self._retry
        )


def fetch_body(
    url: str,
    allowed: Access | Iterable[str],
    *,
    limit: int = MAX_CRL_BYTES,
    timeout: float = DEFAULT_SECONDS,
    retry: Retry | None = None,
) -> bytes:
    """The body at ``url``, unconditionally. Raises as :func:`fetch` does."""
    octets = fetch(url, allowed, limit=limit, timeout=timeout, retry=retry).octets
    if octets is None:  # fetch() refuses a 304 that nobody asked for
        raise NetworkError(tr("{url}: the server answered 304, unasked", url=url))
    return octets


def fetch(
    url: str,
    allowed: Access | Iterable[str],
    *,
    limit: int = MAX_CRL_BYTES,
    timeout: float = DEFAULT_SECONDS,
    held: Held | None = None,
    retry: Retry | None = None,
) -> Fetched:
    """GET ``url``: at most ``limit`` octets, within ``timeout`` seconds in all.

    With ``held``, only if the server has another one. Raises NetworkError (host not allowed,
    unreachable, any answer but 200 or a 304 that was asked for, too large; field ``status``
    when the server answered) or TimeoutExceededError.
    """
    retry = retry or Retry()
    access = Access.of(allowed)
    request = Request(access.target(url), {})
    with Deadline(timeout) as deadline:
        download = _Download(request, access, deadline, limit, held or Held())
        tried = 0
        while True:
            tried += 1
            try:
                return download.attempt()
            except BrokenTransferError as error:
                if not retry.wait(tried, error.wait, deadline.remaining):
                    raise NetworkError(str(error)) from None


def post(
    url: str,
    allowed: Access | Iterable[str],
    body: bytes,
    content_type: str,
    *,
    limit: int,
    timeout: float = DEFAULT_SECONDS,
) -> bytes:
    """POST ``body``; the answer's. Sent once. Raises as :func:`fetch` does."""
    access = Access.of(allowed)
    request = Request(access.target(url), {"Content-Type": content_type}, body)
    received = bytearray()
    try:
        with Deadline(timeout) as deadline, exchange(request, access, deadline) as answer:
            if answer.status != HTTPStatus.OK:
                raise _refused(url, answer)
            answer.read_into(received, limit)
    except BrokenTransferError as error:
        raise NetworkError(str(error)) from None
    return bytes(received)


class _Download:
    """One list on its way: what came so far, and what the server said that it belongs to."""

    def __init__(
        self, request: Request, access: Access, deadline: Deadline, limit: int, held: Held
    ) -> None:
        self._request = request
        self._url = request.target.url
        self._access = access
        self._deadline = deadline
        self._limit = limit
        self._held = held
        self._body = bytearray()
        self._of = Held()
        self._total: int | None = None

    def attempt(self) -> Fetched:
        """One request, for the rest if there is a start. Raises as :func:`exchange` does."""
        headers = self._resuming() or self._conditions()
        request = Request(self._request.target, headers)
        with exchange(request, self._access, self._deadline) as answer:
            if answer.status == HTTPStatus.NOT_MODIFIED and _conditional(headers):
                return self._fetched(answer, None)
            if answer.status == HTTPStatus.OK:
                self._start_over(answer)
            elif answer.status == HTTPStatus.PARTIAL_CONTENT and "Range" in headers:
                self._check_continuation(answer)
            elif answer.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and self._body:
                self._body.clear()
                raise BrokenTransferError(
                    tr("{url}: the server can't resume the transfer", url=self._url)
                )
            else:
                raise _refused(self._url, answer)
            answer.read_into(self._body, self._limit)
            if self._total is not None and len(self._body) != self._total:
                self._body.clear()
                raise BrokenTransferError(
                    tr("{url}: the parts don't make up the whole list", url=self._url)
                )
            return self._fetched(answer, bytes(self._body))

    def _conditions(self) -> dict[str, str]:
        self._body.clear()
        asked = {"If-None-Match": self._held.etag, "If-Modified-Since": self._held.last_modified}
        return {name: value for name, value in asked.items() if value and _is_plain(value)}

    def _resuming(self) -> dict[str, str]:
        """Only a strong validator tells that the rest is of the same list (RFC 9110 §13.1.5)."""
        etag = self._of.etag
        validator = etag if etag and not etag.startswith("W/") else self._of.last_modified
        if not self._body or not validator or not _is_plain(validator):
            return {}
        return {"Range": f"bytes={len(self._body)}-", "If-Range": validator}

    def _start_over(self, answer: Answer) -> None:
        self._body.clear()
        self._of = Held(answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
        self._total = answer.length

    def _check_continuation(self, answer: Answer) -> None:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range") or "")
        first, last, total = map(int, found.groups()) if found else (-1, -1, -1)
        etag = answer.headers.get("ETag")
        if (
            first != len(self._body)
            or last + 1 != total
            or self._total not in (None, total)
            or (etag is not None and etag != self._of.etag)
        ):
            self._body.clear()
            raise BrokenTransferError(
                tr("{url}: the server resumed with something else", url=self._url)
            )
        self._total = total

    def _fetched(self, answer: Answer, octets: bytes | None) -> Fetched:
        headers = answer.headers
        return Fetched(
            octets,
            self._url,
            headers.get("ETag") or (None if octets else self._held.etag),
            headers.get("Last-Modified") or (None if octets else self._held.last_modified),
            fresh_for(headers),
        )


_CONTENT_RANGE = re.compile(r"bytes (\d{1,15})-(\d{1,15})/(\d{1,15})")
_MAX_AGE = re.compile(r"\bmax-age=(\d{1,9})\b")


def fresh_for(headers: Message) -> timedelta | None:
    """How long an answer stays the newest one, as its server says (RFC 9111 §4.2), a year at most.

    None when it doesn't say, or says that it can't tell.
    """
    control = ", ".join(headers.get_all("Cache-Control", [])).lower()
    if "no-cache" in control or "no-store" in control:
        return None
    if found := _MAX_AGE.search(control):
        age = headers.get("Age", "")
        spent = int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0
        return min(timedelta(seconds=max(0, int(found.group(1)) - spent)), _MAX_FRESHNESS)
    try:
        expires = parsedate_to_datetime(headers.get("Expires", ""))
        span = expires - parsedate_to_datetime(headers.get("Date", ""))
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(span, timedelta(0)), _MAX_FRESHNESS)


def _refused(url: str, answer: Answer) -> NetworkError | BrokenTransferError:
    status = answer.status
    message = tr("{url}: the server answered {status}", url=url, status=status)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        wait = _seconds(answer)
        when = tr("in {wait:g} seconds", wait=wait) if wait is not None else tr("in an hour")
        return NetworkError(
            tr("{message}: too many requests", message=message),
            advice=tr("try again {when}, not before", when=when),
            status=status,
        )
    if status in _BUSY:
        return BrokenTransferError(message, _seconds(answer))
    if 300 <= status < 400 and status != HTTPStatus.NOT_MODIFIED:
        return NetworkError(message, advice=tr("redirections are not followed"), status=status)
    return NetworkError(message, status=status)


def _seconds(answer: Answer) -> float | None:
    """``Retry-After`` in seconds; one that gives a date is passed over."""
    text = (answer.headers.get("Retry-After") or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) < 7 else None


def _conditional(headers: dict[str, str]) -> bool:
    return bool({"If-None-Match", "If-Modified-Since"} & headers.keys())


def _is_plain(text: str) -> bool:
    """Fit to be sent back in a header."""
    return text.isascii() and text.isprintable() and len(text) < 1000
