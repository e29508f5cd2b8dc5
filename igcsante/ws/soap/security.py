"""A request signed with a credential: WS-Security, X.509 token profile (OASIS WSS 1.1).

The certificate travels as a BinarySecurityToken. Each signed part is digested over its
exclusive canonical form (W3C xml-exc-c14n), with SHA-256; the key signs SignedInfo with
RSASSA-PKCS1-v1_5 and SHA-256 (RFC 6931 §2.3.2), which every CPx card can do. A signature of
the card for each request is what this costs: leave it out unless the contract demands it.
"""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from ...credentials import Credential, RsaScheme
from ...errors import ConfigError
from ...instants import iso
from ...messages import tr

WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_PROFILE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss"
X509_TOKEN = f"{_PROFILE}-x509-token-profile-1.0#X509v3"
BASE64 = f"{_PROFILE}-soap-message-security-1.0#Base64Binary"
_NSMAP = {"wsse": WSSE, "wsu": WSU, "ds": DS}


def add_security(header: etree._Element, soap: str) -> etree._Element:
    """An empty wsse:Security in a SOAP Header, that the receiver must understand."""
    security = etree.SubElement(
        header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU, "ds": DS}
    )
    security.set(f"{{{soap}}}mustUnderstand", "1")
    return security


def add_timestamp(security: etree._Element, *, at: datetime, lifetime: int) -> etree._Element:
    """A wsu:Timestamp: made now, good for ``lifetime`` seconds."""
    stamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
    etree.SubElement(stamp, f"{{{WSU}}}Created").text = iso(at)
    etree.SubElement(stamp, f"{{{WSU}}}Expires").text = iso(at + timedelta(seconds=lifetime))
    return stamp


def sign(
    security: etree._Element, parts: Sequence[etree._Element], credential: Credential
) -> etree._Element:
    """Put the certificate and a signature over ``parts`` in wsse:Security.

    Raises ConfigError when the key can't sign this way, and what the key raises.
    """
    if RsaScheme.PKCS1_SHA256 not in credential.schemes:
        raise ConfigError(
            tr("this key can't sign requests: it does no RSA PKCS#1 v1.5 with SHA-256"),
            advice=tr("use another card or token, or a mapping file that asks for no signature"),
        )
    token = etree.SubElement(
        security,
        f"{{{WSSE}}}BinarySecurityToken",
        {"EncodingType": BASE64, "ValueType": X509_TOKEN},
    )
    certificate = credential.certificate.public_bytes(Encoding.DER)
    token.text = base64.b64encode(certificate).decode()
    signature = etree.SubElement(security, f"{{{DS}}}Signature")
    signed_info = _signed_info(signature, parts)
    value = credential.private_key.sign(_canonical(signed_info), PKCS1v15(), hashes.SHA256())
    _child(signature, "SignatureValue").text = base64.b64encode(value).decode()
    reference = etree.SubElement(_child(signature, "KeyInfo"), f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(
        reference, f"{{{WSSE}}}Reference", {"URI": "#" + _named(token), "ValueType": X509_TOKEN}
    )
    return signature


def _signed_info(signature: etree._Element, parts: Sequence[etree._Element]) -> etree._Element:
    info = _child(signature, "SignedInfo")
    _child(info, "CanonicalizationMethod", Algorithm=EXCLUSIVE_C14N)
    _child(info, "SignatureMethod", Algorithm=RSA_SHA256)
    for part in parts:
        reference = _child(info, "Reference", URI="#" + _named(part))
        _child(_child(reference, "Transforms"), "Transform", Algorithm=EXCLUSIVE_C14N)
        _child(reference, "DigestMethod", Algorithm=SHA256)
        digest = hashlib.sha256(_canonical(part)).digest()
        _child(reference, "DigestValue").text = base64.b64encode(digest).decode()
    return info


def _child(parent: etree._Element, name: str, **attributes: str) -> etree._Element:
    return etree.SubElement(parent, f"{{{DS}}}{name}", attributes)


def _named(element: etree._Element) -> str:
    """The wsu:Id of an element, given to it when it has none."""
    key = f"{{{WSU}}}Id"
    if element.get(key) is None:
        element.set(key, f"id-{uuid.uuid4().hex}")
    return str(element.get(key))


def _canonical(element: etree._Element) -> bytes:
    octets: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return octets
