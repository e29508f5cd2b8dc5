"""OCSP: a responder's answer counts only when all about it is right."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from functools import lru_cache

import pytest
from cryptography import x509
from cryptography.x509 import ocsp as parsed
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st
from selfmade_pki import AT, DAY, Authority, ec_key, leaf_extensions, rsa_key, usages

from igcsante.certs.ocsp.cache import OcspCache
from igcsante.certs.ocsp.request import CertId, get_url
from igcsante.certs.ocsp.response import OcspResponse
from igcsante.certs.ocsp.source import OcspSource
from igcsante.certs.policy import Policy, Requirement, RevocationPolicy
from igcsante.certs.revocation import CrlSource
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.certs.x509.signatures import AlgorithmPolicy
from igcsante.errors import NetworkError, UnreadableError
from igcsante.testing.pki.ocsp import (
    OcspAnswer,
    OcspSigner,
    cert_id,
    ocsp_refusal,
    ocsp_response,
)

HOUR = dt.timedelta(hours=1)
SERIAL = 0x1234567890ABCDEF1234567890ABCDEF


@pytest.fixture(scope="module")
def leaf(issuing):
    return issuing.leaf("leaf", serial=SERIAL)


def responder(authority, *, no_check=True, purposes=(ExtendedKeyUsageOID.OCSP_SIGNING,), **options):
    key = options.pop("key", None) or ec_key("responder")
    extensions = [(usages(options.pop("usage", "digital_signature")), True)]
    if purposes:
        extensions.append((x509.ExtendedKeyUsage(purposes), False))
    if no_check:
        extensions.append((x509.OCSPNoCheck(), False))
    extensions += options.pop("more", [])
    certificate = authority.leaf("responder", key=key, extensions=extensions, **options)
    return OcspSigner(certificate, key, (certificate,))


def direct(authority):
    return OcspSigner(authority.certificate, authority.key)


def answer(authority, status="good", *, serial=SERIAL, made=AT - HOUR, lasts=DAY, **options):
    options.setdefault("algorithm", "sha1")
    named = cert_id(authority.certificate, serial, options.pop("algorithm"))
    end = None if lasts is None else made + lasts
    if status == "revoked":
        options = {"revoked_on": AT - 2 * DAY, **options}
    return OcspAnswer(named, status, made, end, **options)


def response(authority, *answers, signer=None, produced=AT - HOUR, **options):
    answers = answers or (answer(authority),)
    return ocsp_response(answers, signer or responder(authority), produced, **options)


def status(certificate, authority, *octets, policy=None, at=AT, **options):
    responses = [OcspResponse(item, "stapled") for item in octets]
    source = OcspSource(policy, responses=responses, **options)
    return source.status(certificate, authority.certificate, at)


def codes(found):
    return {reason.code for reason in found.reasons}


# -- who may answer ------------------------------------------------------------------------------


@pytest.mark.parametrize("by_key", [True, False])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_good_and_revoked_from_ca_and_delegate(issuing, leaf, by_key, algorithm):
    for signer in (direct(issuing), responder(issuing)):
        good = response(issuing, answer(issuing, algorithm=algorithm), signer=signer, by_key=by_key)
        found = status(leaf, issuing, good)
        assert (found.kind, found.reasons, found.notices) == (Kind.GOOD, (), ())
        (evidence,) = found.evidence
        assert (evidence.type, evidence.number, evidence.source) == ("ocsp", None, "stapled")
        told = answer(issuing, "revoked", algorithm=algorithm, reason="key_compromise")
        found = status(leaf, issuing, response(issuing, told, signer=signer, by_key=by_key))
        assert (found.kind, found.revoked_on) == (Kind.REVOKED, AT - 2 * DAY)
        assert found.revocation_reason == "keyCompromise"
        assert codes(found) == {"revocation.revoked"}


def test_rsa_responder(root):
    authority = root.authority("RSA CA", key=rsa_key("rsa ca"))
    signed = responder(authority, key=rsa_key("rsa responder"))
    certificate = authority.leaf(serial=SERIAL)
    assert status(certificate, authority, response(authority, signer=signed)).kind is Kind.GOOD
    weak = Policy(algorithms=AlgorithmPolicy(hash_names=frozenset({"sha512"})))
    found = status(certificate, authority, response(authority, signer=signed), policy=weak)
    assert (found.kind, codes(found)) == (Kind.UNKNOWN, {"revocation.ocsp_unusable"})


def wrong_signers(root, issuing):
    another = root.authority("ANOTHER")
    same_name = root.authority("ISSUING", key=ec_key("same name"))
    yield "another CA", direct(another)
    yield "a delegate of another CA", responder(another)
    yield "a delegate of a CA of the same name", responder(same_name)
    yield "a CA of the same name", direct(same_name)
    other_name = root.authority("OTHER NAME", key=issuing.key)
    yield "a delegate of another CA with the same key", responder(other_name)
    yield "the root", direct(root)
    yield "a delegate of the root", responder(root)
    yield "no OCSPSigning", responder(issuing, purposes=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    yield "any purpose", responder(issuing, purposes=(ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,))
    yield "no purpose", responder(issuing, purposes=())
    yield "expired", responder(issuing, not_after=AT - HOUR)
    yield "not yet valid", responder(issuing, not_before=AT + HOUR)
    yield "no signatures", responder(issuing, usage="key_encipherment")
    critical = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\5\0"), True)
    yield "a critical extension", responder(issuing, more=[critical])
    yield "not sent", replace(responder(issuing), sent=())
    yield "another's key", replace(responder(issuing), private_key=ec_key("another's"))
    yield "another's certificate", replace(direct(issuing), private_key=ec_key("another's"))


def test_answer_of_anybody_else_is_not_believed(root, issuing, leaf):
    for what, signer in wrong_signers(root, issuing):
        for told in ("good", "revoked"):
            octets = response(issuing, answer(issuing, told), signer=signer)
            found = status(leaf, issuing, octets)
            assert found.kind is Kind.UNKNOWN, what
            assert codes(found) == {"revocation.ocsp_unusable"}, what


def test_delegate_without_nocheck_is_checked_as_the_policy_wants(root, issuing, leaf, store):
    signer = responder(issuing, no_check=False, serial=77)
    octets = response(issuing, signer=signer)
    require, prefer, off = (
        Policy(revocation=RevocationPolicy(cas=requirement)) for requirement in Requirement
    )
    assert status(leaf, issuing, octets, policy=require).kind is Kind.UNKNOWN
    assert status(leaf, issuing, octets, policy=prefer).kind is Kind.GOOD
    assert status(leaf, issuing, octets, policy=off).kind is Kind.GOOD
    lists = {revoked: CrlSource([Crl(issuing.crl(revoked))], store) for revoked in ((), (77,))}
    known = {policy: [] for policy in ("good", "revoked")}
    for policy in (require, prefer, off):
        for key, revoked in (("good", ()), ("revoked", (77,))):
            found = status(leaf, issuing, octets, policy=policy, responders=lists[revoked])
            known[key].append(found.kind)
    assert known["good"] == [Kind.GOOD] * 3
    assert known["revoked"] == [Kind.UNKNOWN, Kind.UNKNOWN, Kind.GOOD]


def test_nobody_vouches_for_himself(issuing):
    signer = responder(issuing, serial=SERIAL)
    found = status(signer.certificate, issuing, response(issuing, signer=signer))
    assert found.kind is Kind.UNKNOWN
    told = response(issuing, answer(issuing, "revoked"), signer=signer)
    assert status(signer.certificate, issuing, told).kind is Kind.REVOKED
    hold = answer(issuing, "revoked", made=AT - 5 * HOUR, reason="certificate_hold")
    held, lifted = response(issuing, hold), response(issuing, signer=signer)
    assert status(signer.certificate, issuing, held, lifted).kind is Kind.REVOKED


# -- about whom, and when ------------------------------------------------------------------------


def test_answer_about_another_certificate_says_nothing(root, issuing, leaf):
    same_name = root.authority("ISSUING", key=ec_key("same name"))
    other_name = root.authority("OTHER NAME", key=issuing.key)
    for told in (
        answer(other_name),
        answer(issuing, serial=SERIAL + 1),
        answer(issuing, serial=-SERIAL),
        answer(root),
        answer(same_name),
    ):
        found = status(leaf, issuing, response(issuing, told))
        assert found.kind is Kind.UNKNOWN
    both = response(issuing, answer(issuing, serial=5), answer(issuing, "revoked"))
    assert status(leaf, issuing, both).kind is Kind.REVOKED


def test_responder_that_does_not_know_is_no_proof(issuing, leaf):
    found = status(leaf, issuing, response(issuing, answer(issuing, "unknown")))
    assert (found.kind, codes(found)) == (Kind.UNKNOWN, {"revocation.ocsp_unknown"})
    found = status(leaf, issuing)
    assert (found.kind, codes(found)) == (Kind.UNKNOWN, {"revocation.no_ocsp"})


@pytest.mark.parametrize(
    "refusal", ["malformed_request", "internal_error", "try_later", "unauthorized"]
)
def test_refusal_of_the_responder_is_told(issuing, leaf, refusal):
    found = status(leaf, issuing, ocsp_refusal(refusal))
    assert (found.kind, codes(found)) == (Kind.UNKNOWN, {"revocation.ocsp_refused"})


@pytest.mark.parametrize(
    ("made", "lasts", "kind"),
    [
        (AT - HOUR, DAY, Kind.GOOD),
        (AT - DAY, DAY, Kind.GOOD),
        (AT - DAY, DAY - dt.timedelta(seconds=1), Kind.STALE),
        (AT + dt.timedelta(minutes=5), DAY, Kind.GOOD),
        (AT + dt.timedelta(minutes=6), DAY, Kind.UNKNOWN),
        (AT - 30 * dt.timedelta(minutes=1), None, Kind.GOOD),
        (AT - 2 * HOUR, None, Kind.STALE),
    ],
)
def test_answer_holds_for_its_time(issuing, leaf, made, lasts, kind):
    octets = response(issuing, answer(issuing, made=made, lasts=lasts), produced=made)
    assert status(leaf, issuing, octets).kind is kind


def test_response_that_was_produced_later_says_nothing(issuing, leaf):
    octets = response(issuing, produced=AT + HOUR)
    assert status(leaf, issuing, octets).kind is Kind.UNKNOWN


def test_answer_that_holds_from_later_on_says_nothing(issuing, leaf):
    octets = response(issuing, answer(issuing, made=AT + HOUR), produced=AT - HOUR)
    assert status(leaf, issuing, octets).kind is Kind.UNKNOWN


def test_outdated_revocation_is_still_told(issuing, leaf):
    old = response(issuing, answer(issuing, "revoked", made=AT - 3 * DAY), produced=AT - 3 * DAY)
    found = status(leaf, issuing, old)
    assert (found.kind, found.revoked_on) == (Kind.STALE, AT - 2 * DAY)


def test_policy_limits_age_and_grants_grace(issuing, leaf):
    octets = response(issuing, answer(issuing, made=AT - 2 * DAY), produced=AT - 2 * DAY)
    assert status(leaf, issuing, octets).kind is Kind.STALE
    graceful = Policy(revocation=RevocationPolicy(grace=25 * HOUR))
    found = status(leaf, issuing, octets, policy=graceful)
    assert (found.kind, [notice.code for notice in found.notices]) == (
        Kind.GOOD,
        ["revocation.grace"],
    )
    young = Policy(revocation=RevocationPolicy(max_age=dt.timedelta(minutes=30)))
    assert status(leaf, issuing, response(issuing), policy=young).kind is Kind.STALE


def test_newest_answer_counts_and_revoked_before_good(issuing, leaf):
    old_good = response(issuing, answer(issuing, made=AT - 5 * HOUR))
    new_revoked = response(issuing, answer(issuing, "revoked", made=AT - HOUR))
    for both in ((old_good, new_revoked), (new_revoked, old_good)):
        assert status(leaf, issuing, *both).kind is Kind.REVOKED
    at_once = response(issuing, answer(issuing), answer(issuing, "revoked"))
    assert status(leaf, issuing, at_once).kind is Kind.REVOKED


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (None, Kind.GOOD),
        ("certificate_hold", Kind.GOOD),
        ("key_compromise", Kind.REVOKED),
        ("superseded", Kind.REVOKED),
    ],
)
def test_newer_good_undoes_a_hold_and_nothing_final(issuing, leaf, reason, kind):
    revoked = response(issuing, answer(issuing, "revoked", made=AT - 5 * HOUR, reason=reason))
    newer = response(issuing)
    for both in ((revoked, newer), (newer, revoked)):
        assert status(leaf, issuing, *both).kind is kind
    older = response(issuing, answer(issuing, made=AT - 6 * HOUR))
    assert status(leaf, issuing, older, revoked).kind is Kind.REVOKED


@pytest.mark.parametrize("reason", [None, "certificate_hold"])
def test_outdated_good_undoes_no_hold(issuing, leaf, reason):
    """Neither one in force nor one that has ended too."""

    def told(lasts, **limits):
        held = answer(issuing, "revoked", made=AT - 5 * HOUR, lasts=lasts, reason=reason)
        newer = answer(issuing, made=AT - 2 * HOUR, lasts=HOUR)
        octets = [response(issuing, each, produced=AT - 2 * HOUR) for each in (held, newer)]
        policy = Policy(revocation=RevocationPolicy(**limits))
        first, second = (
            status(leaf, issuing, *both, policy=policy) for both in (octets, octets[::-1])
        )
        assert (first.kind, first.revoked_on) == (second.kind, second.revoked_on)
        return first.kind, first.revoked_on

    assert told(DAY) == (Kind.REVOKED, AT - 2 * DAY)
    assert told(HOUR) == (Kind.STALE, AT - 2 * DAY)
    assert told(DAY, grace=HOUR) == (Kind.GOOD, None)


def of_serial(authority, serial, *octets):
    source = OcspSource(responses=[OcspResponse(item, "given") for item in octets])
    return source.of_serial(serial, authority.certificate, AT)


def test_given_answers_tell_of_serial_numbers(root, issuing):
    for signer in (direct(issuing), responder(issuing)):
        found = of_serial(issuing, SERIAL, response(issuing, signer=signer))
        assert (found.kind, found.reasons) == (Kind.GOOD, ())
        revoked = response(issuing, answer(issuing, "revoked"), signer=signer)
        found = of_serial(issuing, SERIAL, revoked)
        assert (found.kind, found.revoked_on) == (Kind.REVOKED, AT - 2 * DAY)
        assert "serial 1234" in str(found.reasons[0])
    assert of_serial(issuing, SERIAL) is None
    assert of_serial(issuing, SERIAL + 1, response(issuing)) is None
    assert of_serial(root, SERIAL, response(issuing)) is None
    forged = response(issuing, signer=direct(root))
    assert of_serial(issuing, SERIAL, forged).kind is Kind.UNKNOWN


def test_responder_vouches_for_its_own_serial_number_as_little(issuing):
    signer = responder(issuing, serial=SERIAL)
    assert of_serial(issuing, SERIAL, response(issuing, signer=signer)).kind is Kind.UNKNOWN


def test_what_is_at_hand_is_told_without_asking_anyone(issuing, cache):
    leaf = with_urls(issuing, "http://ocsp.example")
    client = Client(response(issuing, answer(issuing, "revoked")))
    source = OcspSource(client=client, cache=cache)
    assert source.at_hand(leaf, issuing.certificate, AT) is None and client.asked == []
    assert source.status(leaf, issuing.certificate, AT).kind is Kind.REVOKED
    asked = len(client.asked)
    assert source.at_hand(leaf, issuing.certificate, AT).kind is Kind.REVOKED
    assert source.of_serial(SERIAL, issuing.certificate, AT).kind is Kind.REVOKED
    assert len(client.asked) == asked


@pytest.mark.parametrize("reason", [None, "certificate_hold", "key_compromise"])
def test_responder_that_does_not_know_undoes_no_revocation(issuing, leaf, reason):
    for first, second in ((AT - HOUR, AT - 5 * HOUR), (AT - 5 * HOUR, AT - HOUR)):
        unknown = response(issuing, answer(issuing, "unknown", made=first))
        revoked = response(issuing, answer(issuing, "revoked", made=second, reason=reason))
        for both in ((unknown, revoked), (revoked, unknown)):
            found = status(leaf, issuing, *both)
            assert (found.kind, found.revoked_on) == (Kind.REVOKED, AT - 2 * DAY)
    outdated = answer(issuing, "revoked", made=AT - 3 * DAY, reason=reason)
    old = response(issuing, outdated, produced=AT - 3 * DAY)
    found = status(leaf, issuing, old, response(issuing, answer(issuing, "unknown")))
    assert (found.kind, found.revoked_on) == (Kind.STALE, AT - 2 * DAY), (
        "prefer must not let it pass"
    )


def test_responder_that_no_longer_knows_is_believed_over_its_older_good(issuing, leaf):
    def told(good, unknown):
        octets = [response(issuing, answer(issuing, made=AT - good))]
        octets.append(response(issuing, answer(issuing, "unknown", made=AT - unknown)))
        return {status(leaf, issuing, *both).kind for both in (octets, octets[::-1])}

    assert told(good=5 * HOUR, unknown=HOUR) == {Kind.UNKNOWN}
    assert told(good=HOUR, unknown=5 * HOUR) == {Kind.GOOD}
    assert told(good=HOUR, unknown=HOUR) == {Kind.UNKNOWN}


def test_kept_revocation_is_not_replaced_by_a_good(issuing, cache):
    leaf = with_urls(issuing, "http://ocsp.example")
    revoked = answer(issuing, "revoked", made=AT - 3 * DAY, reason="key_compromise")
    kept = OcspResponse(response(issuing, revoked, produced=AT - 3 * DAY))
    cache.put(CertId.of(leaf, issuing.certificate), kept, until=AT)
    for _ in range(2):
        source = OcspSource(client=Client(response(issuing)), cache=cache)
        found = source.status(leaf, issuing.certificate, AT)
        assert (found.kind, found.revoked_on) == (Kind.STALE, AT - 2 * DAY)


def test_critical_extensions_that_nobody_processes_make_it_unusable(issuing, leaf):
    for critical, kind in ((True, Kind.UNKNOWN), (False, Kind.GOOD)):
        unknown = (("1.2.3.4", critical, b"\5\0"),)
        octets = response(issuing, extensions=unknown)
        assert status(leaf, issuing, octets).kind is kind
        for told in ("good", "revoked"):
            octets = response(issuing, answer(issuing, told, extensions=unknown))
            expected = kind if told == "good" or critical else Kind.REVOKED
            assert status(leaf, issuing, octets).kind is expected


# -- octets ------------------------------------------------------------------------------------


def test_octets_that_are_no_response_are_refused(issuing, leaf):
    octets = response(issuing)
    for wrong in (b"", b"0", octets[:-1], octets + b"\0", b"\x30\x80\0\0", b"<html>", bytes(10**6)):
        with pytest.raises(UnreadableError):
            OcspResponse(wrong)


def test_no_changed_octet_makes_it_good(issuing, leaf):
    """Every octet changed in three ways; then cut at every place."""
    octets = response(issuing, answer(issuing, "revoked"))
    for place in range(len(octets)):
        for change in (0x01, 0x80, 0xFF):
            check_never_good(leaf, issuing, altered(octets, place, change))
        check_never_good(leaf, issuing, octets[:place])


@lru_cache
def to_be_mixed():
    issuing = Authority.root().authority("ISSUING")
    leaf = issuing.leaf("leaf", serial=SERIAL)
    revoked = response(issuing, answer(issuing, "revoked"))
    return issuing, leaf, revoked, response(issuing, answer(issuing, "good", serial=5))


@given(st.data())
def test_no_mixture_of_responses_makes_it_good(data):
    issuing, leaf, revoked, other = to_be_mixed()
    place = data.draw(st.integers(0, 900))
    from_other = data.draw(st.integers(0, 900))
    length = data.draw(st.integers(0, 200))
    for mixed in (
        revoked[:place] + other[from_other : from_other + length] + revoked[place + length :],
        other[:from_other] + revoked[place : place + length] + other[from_other + length :],
    ):
        check_never_good(leaf, issuing, mixed)


def altered(octets, place, change):
    return octets[:place] + bytes([octets[place] ^ change]) + octets[place + 1 :]


def check_never_good(leaf, issuing, octets):
    try:
        changed = OcspResponse(octets)
    except UnreadableError:
        return
    found = OcspSource(responses=[changed]).status(leaf, issuing.certificate, AT)
    assert found.kind is not Kind.GOOD


# -- requests ------------------------------------------------------------------------------------


def test_request_names_the_certificate(issuing, leaf):
    wanted = CertId.of(leaf, issuing.certificate)
    for algorithm in ("sha1", "sha256"):
        request = parsed.load_der_ocsp_request(wanted.request(algorithm=algorithm))
        expected = cert_id(issuing.certificate, SERIAL, algorithm)
        assert request.serial_number == SERIAL
        assert request.issuer_name_hash == expected["issuer_name_hash"].native
        assert request.issuer_key_hash == expected["issuer_key_hash"].native
        assert not list(request.extensions)
    request = parsed.load_der_ocsp_request(wanted.request(nonce=b"n" * 32))
    assert request.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"n" * 32


def test_long_requests_are_not_for_get():
    assert get_url("http://a.example", b"\xfb\xff") == "http://a.example/%2B%2F8%3D"
    assert get_url("http://a.example/", b"ab") == "http://a.example/YWI%3D"
    assert get_url("http://a.example", bytes(255))
    assert get_url("http://a.example", bytes(256)) is None
    assert get_url("http://a.example/?x=y", b"ab") is None


# -- asking, and keeping -------------------------------------------------------------------------


class Client:
    """Gives what it is told to; counts."""

    def __init__(self, octets):
        self.octets, self.asked = octets, []

    def ask(self, url, wanted):
        self.asked.append(url)
        if isinstance(self.octets, Exception):
            raise self.octets
        return OcspResponse(self.octets, url)


def with_urls(issuing, *urls, serial=SERIAL):
    access = x509.AuthorityInformationAccess(
        [
            x509.AccessDescription(
                x509.oid.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
            )
            for url in urls
        ]
    )
    return issuing.leaf(serial=serial, extensions=[*leaf_extensions(), (access, False)])


@pytest.fixture
def cache(tmp_path):
    return OcspCache(tmp_path / "ocsp")


def test_answer_is_kept_until_it_ends(issuing, cache):
    leaf, client = with_urls(issuing, "http://ocsp.example"), Client(response(issuing))

    def ask(at):
        source = OcspSource(client=client, cache=cache)
        return source.status(leaf, issuing.certificate, at)

    assert ask(AT).kind is Kind.GOOD
    found = ask(AT + 22 * HOUR)
    assert (found.kind, len(client.asked)) == (Kind.GOOD, 1)
    assert found.evidence[0].source.endswith(".ors")
    late = ask(AT + 24 * HOUR)
    assert (late.kind, len(client.asked)) == (Kind.STALE, 2)
    assert cache.drop_outdated(AT) == 0
    assert cache.drop_outdated(AT + 2 * DAY) == 1
    ask(AT)
    assert len(client.asked) == 3


def test_kept_answer_is_not_believed_for_being_there(root, issuing, cache):
    leaf = with_urls(issuing, "http://ocsp.example")
    another = root.authority("ANOTHER")
    wanted = CertId.of(leaf, issuing.certificate)
    cache.put(wanted, OcspResponse(response(another)), until=AT + DAY)
    client = Client(response(issuing, answer(issuing, "revoked")))
    source = OcspSource(client=client, cache=cache)
    assert source.status(leaf, issuing.certificate, AT).kind is Kind.REVOKED
    cache._path(wanted).write_bytes(b"nonsense")
    assert source.status(leaf, issuing.certificate, AT).kind is Kind.REVOKED
    assert len(client.asked) == 2


def test_same_serial_of_two_authorities_is_kept_apart(root, issuing, cache):
    another = root.authority("ANOTHER")
    same_name = root.authority("ISSUING", key=ec_key("same name"))
    ids = {
        CertId.of(item.leaf(serial=SERIAL), item.certificate).key
        for item in (issuing, another, same_name)
    }
    assert len(ids) == 3


def test_next_responder_is_asked_when_one_fails(issuing, leaf):
    urls = ("ldap://ocsp.example", "http://one.example", "http://two.example")
    client = Client(NetworkError("nobody there"))
    source = OcspSource(client=client)
    found = source.status(with_urls(issuing, *urls), issuing.certificate, AT)
    assert client.asked == ["http://one.example", "http://two.example"]
    assert (found.kind, codes(found)) == (Kind.UNKNOWN, {"revocation.fetch"})
    assert source.status(leaf, issuing.certificate, AT).kind is Kind.UNKNOWN
    assert len(client.asked) == 2, "a certificate without address has nobody to ask"


def test_given_answer_spares_the_question(issuing):
    leaf, client = with_urls(issuing, "http://ocsp.example"), Client(NetworkError("asked"))
    source = OcspSource(responses=[OcspResponse(response(issuing))], client=client)
    assert source.status(leaf, issuing.certificate, AT).kind is Kind.GOOD
    assert client.asked == []
