"""Bundles: the same verdict later from the file alone, and no changed file that passes."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import stat
import subprocess
import zipfile
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st
from selfmade_pki import AT, DAY, Authority, ec_key
from test_certs_ocsp import answer, response

from igcsante.certs.anchors import TrustStore
from igcsante.certs.crl.store import CrlStore
from igcsante.certs.load import load_crls
from igcsante.certs.ocsp.cache import OcspCache
from igcsante.certs.ocsp.request import CertId
from igcsante.certs.ocsp.response import OcspResponse
from igcsante.certs.offline import archive as archives
from igcsante.certs.offline import bundle as bundles
from igcsante.certs.offline.archive import archive, members_of
from igcsante.certs.offline.bundle import Bundle, examine, pack, unpack, write
from igcsante.certs.offline.gather import gather
from igcsante.certs.policy import Policy, Requirement, RevocationPolicy, load_policy
from igcsante.certs.verdict import Kind
from igcsante.certs.x509.certificate_list import Crl
from igcsante.errors import NetworkError, StorageError, UnreadableError, UsageError

SERIAL = 0x77
ROOT = Authority.root("BUNDLE ROOT")
ISSUING = ROOT.authority("BUNDLE ISSUING")
OTHER = Authority.root("OTHER ROOT")
LEAF = ISSUING.leaf(serial=SERIAL, crl_urls=["http://lists.example/issuing.crl"])
STORE = TrustStore.from_certificates([ROOT.certificate, ISSUING.certificate])
LISTS = (Crl(ISSUING.crl([5]), "issuing.crl"), Crl(ROOT.crl([6]), "root.crl"))


def bundle(**changes) -> Bundle:
    usual = Bundle(AT, Policy(), (LEAF,), STORE, crls=LISTS)
    return replace(usual, **changes)


def own(root) -> bool:
    return root == ROOT.certificate


def repaired(members: dict[str, bytes]) -> bytes:
    """What somebody makes who changed members and knows how digests are written."""
    kept = {name: octets for name, octets in members.items() if name != "SHA256SUMS"}
    sums = "".join(f"{hashlib.sha256(kept[name]).hexdigest()}  {name}\n" for name in sorted(kept))
    return archive(dict(sorted({**kept, "SHA256SUMS": sums.encode()}.items())))


DATA, _ = pack(bundle())
MEMBERS = members_of(DATA)

# -- the same again ------------------------------------------------------------------------------

CASES = {
    "good": (bundle(), Kind.GOOD),
    "revoked": (bundle(crls=(Crl(ISSUING.crl([SERIAL])), LISTS[1])), Kind.REVOKED),
    "unknown": (bundle(crls=LISTS[1:]), Kind.UNKNOWN),
    "stale": (bundle(at=AT + 30 * DAY), Kind.STALE),
    "invalid": (bundle(store=TrustStore.from_certificates([OTHER.certificate])), Kind.INVALID),
    "by OCSP": (
        bundle(
            crls=LISTS[1:],
            responses=(OcspResponse(response(ISSUING, answer(ISSUING, serial=SERIAL))),),
        ),
        Kind.GOOD,
    ),
    "without revocation": (
        bundle(crls=(), policy=replace(load_policy("default").with_revocation(Requirement.OFF))),
        Kind.GOOD,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_verdict_is_told_again(name: str) -> None:
    made, kind = CASES[name]
    data, told = pack(made)
    assert [verdict.kind for verdict in told] == [kind]
    found = examine(data, lambda _: True, made.policy)
    assert (found.believed, found.differences) == (True, ())
    assert [verdict.to_dict() for verdict in found.verdicts] == [v.to_dict() for v in told]
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert found.bundle.policy == made.policy


def test_the_same_content_gives_the_same_octets_in_any_order() -> None:
    shuffled = bundle(
        crls=(*reversed(LISTS), LISTS[0]),
        store=TrustStore(STORE.roots * 2, STORE.intermediates * 2),
        certificates=(LEAF, LEAF),
        at=AT.replace(microsecond=999_999),
    )
    assert pack(shuffled)[0] == pack(bundle())[0] == DATA


def test_other_programs_read_the_archive_and_its_digests(tmp_path) -> None:
    path = tmp_path / "bundle.zip"
    write(path, bundle())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with zipfile.ZipFile(path) as zipped:
        assert zipped.testzip() is None
        zipped.extractall(tmp_path)
    assert (tmp_path / "certificates" / "0001.cer").read_bytes() == LEAF.public_bytes(Encoding.DER)
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not installed")
    done = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr


def test_a_file_is_never_written_over(tmp_path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_text("mine")
    with pytest.raises(StorageError):
        write(path, bundle())
    assert path.read_text() == "mine"


def test_words_may_change_between_versions_and_meaning_may_not() -> None:
    members = members_of(pack(CASES["revoked"][0])[0])
    recorded = json.loads(members["verdicts.json"])
    recorded[0]["reasons"][0]["message"] = "in other words"
    assert examine(repaired({**members, "verdicts.json": _json(recorded)}), own).believed
    recorded[0]["reasons"][0]["code"] = "revocation.other"
    found = examine(repaired({**members, "verdicts.json": _json(recorded)}), own)
    assert not found.believed and "reasons was recorded as" in found.differences[0]


def _json(value) -> bytes:
    return json.dumps(value).encode()


# -- who is believed -----------------------------------------------------------------------------


def test_anchors_that_only_the_bundle_vouches_for_are_named() -> None:
    stranger = Authority.root("BUNDLE ROOT", key=ec_key("stranger"))
    leaf = stranger.leaf()
    theirs = bundle(
        certificates=(leaf,),
        store=TrustStore.from_certificates([stranger.certificate]),
        crls=(Crl(stranger.crl()),),
    )
    data, told = pack(theirs)
    assert told[0].kind is Kind.GOOD
    found = examine(data, own)
    assert (found.believed, found.differences) == (False, ())
    assert found.unknown_anchors == (stranger.certificate,)
    both = bundle(store=STORE + TrustStore.from_certificates([stranger.certificate]))
    assert not examine(pack(both)[0], own).believed, "one unknown root is one too many"


def test_a_policy_that_is_not_shipped_is_believed_only_when_it_is_the_reader_s() -> None:
    shipped = load_policy("strict")
    lax = shipped.with_revocation(Requirement.OFF)
    for policy in (lax, replace(lax, name="my own")):
        data, told = pack(bundle(policy=policy, crls=()))
        found = examine(data, own)
        assert (found.believed, found.policy_expected) == (False, False), policy.name
        assert found.differences == () and told[0].to_dict() == found.verdicts[0].to_dict()
        assert examine(data, own, policy).believed
        assert not examine(data, own, replace(policy, name="other")).believed
    assert examine(DATA, own, load_policy("default")).believed
    assert not examine(DATA, own, shipped).believed, "shipped, and not the one asked for"


FORGERIES = {
    "verdict": {"verdicts.json": MEMBERS["verdicts.json"].replace(b'"good"', b'"revoked"')},
    "number of verdicts": {"verdicts.json": b"[]\n"},
    "no verdict": {"verdicts.json": b"[1]\n"},
    "instant": {"bundle.json": MEMBERS["bundle.json"].replace(b"T12:00:00Z", b"T12:00:01Z")},
    "policy": {"policy.toml": MEMBERS["policy.toml"].replace(b'"require"', b'"off"')},
    "list left out": {"crls/0001.crl": None},
    "list of another time": {"crls/0001.crl": ISSUING.crl(number=2)},
    "other certificate": {
        "certificates/0001.cer": ISSUING.leaf(serial=8).public_bytes(Encoding.DER)
    },
    "CA left out": {"intermediates/0001.cer": None},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forgery_with_right_digests_doesn_t_tell_the_recorded_verdict(name: str) -> None:
    changed = {**MEMBERS, **FORGERIES[name]}
    data = repaired({name: octets for name, octets in changed.items() if octets is not None})
    assert data != DATA
    found = examine(data, own)
    assert found.differences and not found.believed


# -- changed files -------------------------------------------------------------------------------


def test_no_octet_can_be_changed() -> None:
    for position in range(len(DATA)):
        changed = bytearray(DATA)
        changed[position] ^= 1 << position % 8
        with pytest.raises(UnreadableError):
            unpack(bytes(changed))


def test_no_cut_file_passes() -> None:
    for end in range(len(DATA)):
        with pytest.raises(UnreadableError):
            members_of(DATA[:end])


@settings(max_examples=300)
@given(st.data())
def test_no_random_change_passes(data) -> None:
    changed = bytearray(DATA)
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(changed)))
        end = data.draw(st.integers(start, min(len(changed), start + 200)))
        changed[start:end] = data.draw(st.binary(max_size=40))
    if bytes(changed) == DATA:
        return
    with pytest.raises(UnreadableError):
        examine(bytes(changed), own)


@settings(max_examples=150)
@given(st.data())
def test_changed_members_with_right_digests_never_make_another_verdict_pass(data) -> None:
    name = data.draw(st.sampled_from(sorted(set(MEMBERS) - {"SHA256SUMS"})))
    octets = bytearray(MEMBERS[name])
    octets[data.draw(st.integers(0, len(octets) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = examine(repaired({**MEMBERS, name: bytes(octets)}), own)
    except UnreadableError:
        return
    if found.believed:
        assert [verdict.kind for verdict in found.verdicts] == [Kind.GOOD]
        assert found.bundle.certificates == (LEAF,) and found.bundle.at == AT


def zipped(members, *, compression=zipfile.ZIP_STORED, comment=b"") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as made:
        for name, octets in members:
            made.writestr(name, octets)
        made.comment = comment
    return stream.getvalue()


BOMB = [("SHA256SUMS", bytes(5_000_000)), *list(MEMBERS.items())[1:]]
TRICKS = {
    "made by another program": zipped(MEMBERS.items()),
    "bomb": zipped(BOMB, compression=zipfile.ZIP_DEFLATED),
    "in front": b"MZ" + DATA,
    "behind": DATA + b"PK",
    "two archives": DATA + DATA,
    "comment": DATA[:-2] + b"\x01\x00!",
    "traversal": repaired({**MEMBERS, "../evil.cer": b"x"}),
    "absolute": repaired({**MEMBERS, "/etc/evil.cer": b"x"}),
    "extra member": repaired({**MEMBERS, "notes.txt": b"x"}),
    "extra folder": repaired({**MEMBERS, "keys/0001.cer": b"x"}),
    "wrong ending": repaired({**MEMBERS, "anchors/0002.crl": b"x"}),
    "folder": repaired({**MEMBERS, "anchors/": b""}),
    "another order": archive(dict(reversed(MEMBERS.items()))),
    "not listed": archive(dict(sorted({**MEMBERS, "anchors/0002.cer": b"x"}.items()))),
    "listed twice": archive({**MEMBERS, "SHA256SUMS": MEMBERS["SHA256SUMS"] * 2}),
    "no certificate": repaired({k: v for k, v in MEMBERS.items() if "certificates/" not in k}),
    "no anchor": repaired({k: v for k, v in MEMBERS.items() if "anchors/" not in k}),
    "no policy": repaired({k: v for k, v in MEMBERS.items() if k != "policy.toml"}),
    "PEM": repaired({**MEMBERS, "certificates/0001.cer": LEAF.public_bytes(Encoding.PEM)}),
    "garbage list": repaired({**MEMBERS, "crls/0001.crl": b"\x30\x00"}),
    "garbage answer": repaired({**MEMBERS, "ocsp/0001.ors": b"\x30\x00"}),
    "garbage policy": repaired({**MEMBERS, "policy.toml": b"\xff"}),
    "unknown key": repaired({**MEMBERS, "policy.toml": b"surprise = 1\n"}),
    "endless search": repaired({**MEMBERS, "policy.toml": b"[path]\nmax_candidates = 999999\n"}),
    "nested JSON": repaired({**MEMBERS, "verdicts.json": b"[" * 100_000}),
    "other format": repaired({**MEMBERS, "bundle.json": b'{"format": "other/1"}'}),
    "no instant": repaired({**MEMBERS, "bundle.json": b'{"format": "igcsante-bundle/1"}'}),
    "early instant": repaired(
        {**MEMBERS, "bundle.json": MEMBERS["bundle.json"].replace(b"2025-", b"0000-")}
    ),
    "local instant": repaired(
        {**MEMBERS, "bundle.json": MEMBERS["bundle.json"].replace(b"00Z", b"00+00:00")}
    ),
    "verdicts are no list": repaired({**MEMBERS, "verdicts.json": b"{}"}),
    "empty": b"",
    "text": b"not an archive",
}


@pytest.mark.parametrize("name", TRICKS)
def test_what_is_no_bundle_of_ours_is_refused(name: str) -> None:
    with pytest.raises(UnreadableError) as caught:
        examine(TRICKS[name], own)
    assert caught.value.message.startswith("no bundle that can be believed: ")


def test_two_members_of_one_name_are_refused() -> None:
    twice = _raw_archive([("a", b"1"), ("a", b"2")])
    with pytest.raises(UnreadableError, match="two members are called 'a'"):
        members_of(twice)


def _raw_archive(members) -> bytes:
    single = [archive({name: octets}) for name, octets in members]
    return b"".join(data[: data.index(b"PK\x01\x02")] for data in single)


def test_sizes_and_numbers_are_bounded(monkeypatch) -> None:
    monkeypatch.setattr(archives, "MAX_MEMBERS", len(MEMBERS) - 1)
    with pytest.raises(UnreadableError, match="more than"):
        unpack(DATA)
    monkeypatch.setattr(bundles, "MAX_BUNDLE_BYTES", len(DATA) - 1)
    with pytest.raises(UnreadableError, match="larger than"):
        unpack(DATA)
    with pytest.raises(UsageError, match="nothing was written"):
        pack(bundle())


def test_a_bundle_about_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="one certificate at least"):
        pack(bundle(certificates=()))
    with pytest.raises(UsageError, match="no trust anchor"):
        pack(bundle(store=TrustStore()))


# -- what is put in ------------------------------------------------------------------------------


class Lists:
    """Where lists are published; ``asked`` are the addresses that were fetched."""

    def __init__(self, **published: bytes) -> None:
        self.published = {f"http://lists.example/{name}.crl": d for name, d in published.items()}
        self.asked: list[str] = []

    def allows(self, url: str) -> bool:
        return True

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        if url not in self.published:
            raise NetworkError(f"{url}: nobody there")
        return self.published[url]


def test_what_was_fetched_is_in_the_bundle() -> None:
    lists = Lists(issuing=ISSUING.crl([SERIAL]))
    made = gather((LEAF,), STORE, at=AT, policy=Policy(), crls=LISTS[1:], fetcher=lists)
    assert lists.asked
    data, told = pack(made)
    assert told[0].kind is Kind.REVOKED
    found = examine(data, own)
    assert found.believed and found.verdicts[0].kind is Kind.REVOKED
    assert b"http://lists.example/issuing.crl" in members_of(data)["bundle.json"]


def test_nothing_is_fetched_when_the_policy_forbids_it() -> None:
    class Nobody:
        def ask(self, url, wanted):
            raise AssertionError("a responder was asked")

    lists = Lists(issuing=ISSUING.crl())
    leaf = ISSUING.leaf(extensions=_with_responder("http://ocsp.example"))
    offline = load_policy("offline")
    made = gather((LEAF, leaf), STORE, at=AT, policy=offline, fetcher=lists, client=Nobody())
    assert (lists.asked, made.crls, made.responses) == ([], (), ())


def test_kept_lists_are_in_the_bundle(tmp_path) -> None:
    kept = CrlStore(tmp_path / "crl", key_file=tmp_path / "key")
    for authority in (ISSUING, ROOT, OTHER):
        kept.add(authority.crl(), authority.certificate, source="http://lists.example/x.crl")
    made = gather((LEAF,), STORE, at=AT, policy=Policy(), crl_store=kept)
    assert {crl.issuer for crl in made.crls} == {ISSUING.subject, ROOT.subject}
    data, told = pack(made)
    assert told[0].kind is Kind.GOOD and examine(data, own).believed


def test_answers_of_responders_are_in_the_bundle() -> None:
    octets = response(ISSUING, answer(ISSUING, serial=SERIAL))

    class Responder:
        def ask(self, url, wanted):
            return OcspResponse(octets, url)

    policy = Policy(revocation=RevocationPolicy(cas=Requirement.PREFER))
    leaf = Authority.leaf(
        ISSUING, serial=SERIAL, extensions=[*_with_responder("http://ocsp.example")]
    )
    made = gather((leaf,), STORE, at=AT, policy=policy, client=Responder())
    data, told = pack(made)
    assert told[0].kind is Kind.GOOD and told[0].evidence[0].type == "ocsp"
    assert examine(data, own, policy).believed


def test_kept_answers_are_used_and_in_the_bundle(tmp_path) -> None:
    leaf = Authority.leaf(
        ISSUING, serial=SERIAL, extensions=[*_with_responder("http://ocsp.example")]
    )
    kept = OcspCache(tmp_path / "ocsp")
    wanted = CertId.of(leaf, ISSUING.certificate)
    octets = response(ISSUING, answer(ISSUING, serial=SERIAL))
    kept.put(wanted, OcspResponse(octets), until=AT + DAY)

    class Silent:
        def ask(self, url, wanted):
            pytest.fail("asked")

    policy = Policy(revocation=RevocationPolicy(cas=Requirement.PREFER))
    network = {"client": Silent(), "cache": kept}
    made = gather((leaf,), STORE, at=AT, policy=policy, **network)
    assert [item.octets for item in made.responses] == [octets]
    data, told = pack(made)
    assert told[0].kind is Kind.GOOD and examine(data, own, policy).believed
    offline = replace(policy, fetch=False)
    assert gather((leaf,), STORE, at=AT, policy=offline, **network).responses == ()


def _with_responder(url: str):
    from cryptography import x509
    from selfmade_pki import leaf_extensions

    access = x509.AccessDescription(
        x509.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(url)
    )
    return [*leaf_extensions(), (x509.AuthorityInformationAccess([access]), False)]


def test_only_the_anchors_of_the_chain_are_put_in_and_no_path_of_this_machine() -> None:
    everything = STORE + TrustStore.from_certificates([OTHER.certificate])
    given = load_crls(LISTS[0].octets, source="/home/somebody/lists/issuing.crl")
    made = gather((LEAF,), everything, at=AT, policy=Policy(), crls=(*given, LISTS[1]))
    assert made.store == STORE
    data, _ = pack(made)
    assert b"somebody" not in data and b"issuing.crl" in data
    invalid = gather((OTHER.leaf(),), STORE, at=AT, policy=Policy())
    assert invalid.store == STORE, "what led nowhere is kept, so that this can be seen"
