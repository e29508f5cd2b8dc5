"""The shape of the simulated hierarchy: roots, intermediates and their names.

It follows the TEST hierarchy of IGC-Santé (facts sheet pki.md §1.2: gammes, domains, order
of the DN, file codes), with names and numbers of our own, so that no certificate made here
can pass for one of the ANS's.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from cryptography import x509
from cryptography.x509.oid import NameOID

COUNTRY = "FR"
ORGANISATION = "IGCSANTE SIMULATION"
REGISTRATION = "0002 000000000"
UNIT = "IGC-SANTE TEST SIMULATION"
CPS_URI = "http://simulation.invalid/PC%20TEST"
OCSP_PATH = "/OCSP"
LDAP_URL = "ldap://annuaire.simulation.invalid"

_GAMMES = {"EL": "ELEMENTAIRE", "ST": "STANDARD", "FO": "FORT"}
_DOMAINS = {"ORG": "ORGANISATIONS", "PP": "PERSONNES"}


@dataclass(frozen=True)
class AuthorityName:
    """One authority: file code (``ACI-EL-ORG-TEST``), common name, code of its issuer.

    ``curve`` says that its key is on P-256 instead of RSA.
    """

    code: str
    common_name: str
    issuer_code: str
    curve: bool = False

    @property
    def is_root(self) -> bool:
        return self.code == self.issuer_code

    @property
    def subject(self) -> x509.Name:
        """C, O, OU, OU, CN in the order of the DN that the ANS uses."""
        return x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, COUNTRY),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, REGISTRATION),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, UNIT),
                x509.NameAttribute(NameOID.COMMON_NAME, self.common_name),
            ]
        )

    @property
    def crl_path(self) -> str:
        return f"/CRL/{self.code}.crl"

    @property
    def delta_path(self) -> str:
        return f"/CRL/{self.code}-delta.crl"

    @property
    def certificate_path(self) -> str:
        """Path of its certificate; the space is part of the ANS's own URLs."""
        return f"/AC TEST/{self.code}.cer"

    def crl_url(self, base_url: str) -> str:
        return base_url + quote(self.crl_path)

    def delta_url(self, base_url: str) -> str:
        return base_url + quote(self.delta_path)

    def ldap_delta_url(self, ldap_url: str) -> str:
        """Where the directory has its delta CRL: below its root's entry (pki.md §2)."""
        root = next(name for name in HIERARCHY if name.code == self.issuer_code)
        entry = (
            f"cn={self.common_name},ou={root.common_name},ou={UNIT},ou={REGISTRATION},"
            f"o={ORGANISATION},c={COUNTRY}"
        )
        query = "deltarevocationlist;binary?base?objectClass=pkiCA"
        return f"{ldap_url}/{quote(entry, safe='=,')}?{query}"

    def certificate_url(self, base_url: str) -> str:
        return base_url + quote(self.certificate_path)


def _root(gamme: str) -> AuthorityName:
    code = f"ACR-{gamme}-TEST"
    return AuthorityName(code, f"TEST AC RACINE IGC-SANTE {_GAMMES[gamme]} SIMULATION", code)


def _intermediate(gamme: str, domain: str) -> AuthorityName:
    return AuthorityName(
        f"ACI-{gamme}-{domain}-TEST",
        f"TEST AC IGC-SANTE {_GAMMES[gamme]} {_DOMAINS[domain]} SIMULATION",
        f"ACR-{gamme}-TEST",
    )


def _short(gamme: str) -> AuthorityName:
    """An intermediate of ours alone: the ANS has none with such a key.

    Its signatures are short, and so are the certificates of cards that it signs.
    """
    common_name = f"TEST AC IGC-SANTE {_GAMMES[gamme]} EC SIMULATION"
    return AuthorityName(f"ACI-{gamme}-PP-EC-TEST", common_name, f"ACR-{gamme}-TEST", curve=True)


# Only the intermediates that are known to issue something (pki.md §1.1, last point), and ours.
HIERARCHY: tuple[AuthorityName, ...] = (
    _root("EL"),
    _root("ST"),
    _root("FO"),
    _intermediate("EL", "ORG"),
    _intermediate("EL", "PP"),
    _intermediate("ST", "PP"),
    _intermediate("FO", "PP"),
    _short("ST"),
    _short("FO"),
)
