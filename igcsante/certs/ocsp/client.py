"""Asking an OCSP responder over HTTP: POST and GET, nonce (RFC 6960 §A.1, RFC 5019, RFC 9654)."""

from __future__ import annotations

from collections.abc import Iterable

from ...errors import UnreadableError
from ...messages import tr
from ..network.access import Access
from ..network.fetch import Retry, fetch_body, post
from ..x509.signatures import KEY_ERRORS
from .request import CertId, get_url, new_nonce
from .response import MAX_RESPONSE_BYTES, OcspResponse

_ANSWER_SECONDS = 10.0


class OcspClient:
    """Asks responders at allowed hosts: POST with a nonce; without one, GET where it fits."""

    def __init__(
        self,
        allowed: Access | Iterable[str],
        *,
        nonce: bool = True,
        timeout: float = _ANSWER_SECONDS,
        retry: Retry | None = None,
    ) -> None:
        self._access = Access.of(allowed)
        self._nonce = nonce
        self._timeout = timeout
        self._retry = retry

    def ask(self, url: str, wanted: CertId) -> OcspResponse:
        """The response about one certificate, with the nonce that was sent, or none.

        Raises NetworkError, TimeoutExceededError, UnreadableError.
        """
        nonce = new_nonce() if self._nonce else None
        try:
            request = wanted.request(nonce=nonce)
        except KEY_ERRORS as error:
            raise UnreadableError(
                tr("{url}: no request can be made: {error}", url=url, error=error)
            ) from None
        address = None if nonce else get_url(url, request)
        if address:
            octets = fetch_body(
                address,
                self._access,
                limit=MAX_RESPONSE_BYTES,
                timeout=self._timeout,
                retry=self._retry,
            )
        else:
            octets = post(
                url,
                self._access,
                request,
                "application/ocsp-request",
                limit=MAX_RESPONSE_BYTES,
                timeout=self._timeout,
            )
        response = OcspResponse(octets, url)
        # Responders may leave the nonce out (RFC 5019 §4); a wrong one is another's answer.
        if response.refusal is None and response.nonce not in (None, nonce):
            raise UnreadableError(
                tr("{url}: the response repeats another nonce than was sent", url=url)
            )
        return response
