"""What an answer may leave unsaid, because it can be told from the rest of it.

A contract may deliver a file and no certificate beside it, or search without counting or
paging (what the ANS's does is not public: facts sheet platform.md §0).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from ...errors import ContractError, IgcError
from ...messages import tr
from ..listing import Uncounted
from ..model import ProductPage, ProductSearch, Withdrawal, WithdrawnProduct

UNCOUNTED = -1

#: By operation: the fields of its answer that may be missing, and what stands in meanwhile.
DERIVED: Mapping[str, Mapping[str, Any]] = {
    "search_products": {"total": UNCOUNTED},
    "withdraw_product": {"file_name": "", "content_type": "", "content": b"", "certificate": b""},
}


def completed(request: Any, answer: Any) -> Any:
    """The answer with what can be told from the rest. Raises ContractError."""
    if isinstance(answer, ProductPage) and answer.total == UNCOUNTED:
        return _counted(request, answer)
    if isinstance(answer, WithdrawnProduct) and not answer.certificate:
        return _opened(request, answer)
    return answer


def _counted(search: ProductSearch, page: ProductPage) -> ProductPage:
    """A full page may be followed by another: one more is then counted than were seen."""
    seen = (search.page - 1) * search.page_size + len(page.products)
    return replace(page, total=Uncounted(seen + (len(page.products) >= search.page_size)))


def _opened(withdrawal: Withdrawal, product: WithdrawnProduct) -> WithdrawnProduct:
    """The certificate and its chain, out of the platform's file."""
    from ...certs.load import load_certificates

    try:
        found = load_certificates(product.content, withdrawal.key_password)
    except IgcError:
        found = ()
    leaves = [one for one in found if not any(other.issuer == one.subject for other in found)]
    if len(leaves) != 1:
        raise ContractError(
            tr("the answer has no certificate, and its file does not hold exactly one"),
            advice=tr("map certificate to the element that holds it"),
        )
    chain = tuple(c.public_bytes(Encoding.DER) for c in found if c is not leaves[0])
    return replace(product, certificate=leaves[0].public_bytes(Encoding.DER), chain=chain)
