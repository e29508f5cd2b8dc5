"""Keeping lists up to date: once a publication, by one process, believed only when signed."""

from __future__ import annotations

import datetime as dt
import subprocess
import sys
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from cryptography import x509
from selfmade_pki import AT, DAY, START, Authority, distribution_points, ec_key, leaf_extensions

from igcsante.certs.anchors import PINNED, TrustStore
from igcsante.certs.crl.publication import Note, Notes, is_due, last_publication, own_delay
from igcsante.certs.crl.store import CrlStore
from igcsante.certs.crl.update import (
    CrlUpdater,
    Outcome,
    Published,
    lists_of_authorities,
    lists_of_certificates,
)
from igcsante.certs.network.fetch import Retry
from igcsante.errors import CertificateInvalidError, NetworkError, StatusStaleError

HOUR = dt.timedelta(hours=1)
MORNING = dt.datetime(2025, 6, 1, 6, tzinfo=dt.UTC)


# -- when --------------------------------------------------------------------------------------


def test_publication_is_every_morning():
    assert last_publication(MORNING) == MORNING
    assert last_publication(MORNING - HOUR) == MORNING - DAY
    paris = dt.timezone(2 * HOUR)
    assert last_publication(dt.datetime(2025, 6, 1, 7, 59, tzinfo=paris)) == MORNING - DAY
    assert last_publication(dt.datetime(2025, 6, 1, 8, tzinfo=paris)) == MORNING


@pytest.mark.parametrize(
    ("asked", "fresh_until", "next_update", "due"),
    [
        (AT - HOUR, None, AT + DAY, False),
        (MORNING, None, AT + DAY, False),
        (MORNING - HOUR, None, AT + DAY, True),
        (MORNING - HOUR, AT + HOUR, AT + DAY, False),
        (MORNING - HOUR, AT - HOUR, AT + DAY, True),
        (AT - HOUR, AT - HOUR, AT + DAY, False),
        (AT - HOUR, AT + DAY, AT, True),
        (AT - HOUR, None, None, True),
        (AT + HOUR, None, AT + DAY, True),
    ],
)
def test_list_is_due_when_a_newer_one_may_be_there(asked, fresh_until, next_update, due):
    assert is_due(Note("u", asked, fresh_until), next_update, AT) is due


def test_own_hour_is_drawn_once(tmp_path):
    first = own_delay(4, tmp_path)
    assert dt.timedelta(0) <= first < 4 * HOUR
    assert own_delay(4, tmp_path) == first
    assert own_delay(2, tmp_path) * 2 == pytest.approx(first, abs=dt.timedelta(seconds=1))
    drawn = {own_delay(4, tmp_path / str(n)) for n in range(10)}
    assert len(drawn) == 10


def test_note_that_is_damaged_is_no_note(tmp_path):
    notes = Notes(tmp_path)
    for content in (b"", b"[]", b"{}", b'{"url": "u", "asked": 1}', b'{"asked": "x"}', b"\xff"):
        with notes.locked("u") as note:
            note.write(Note("u", AT, AT, '"1"', "date", "00"))
            assert note.read() == Note("u", AT, AT, '"1"', "date", "00")
        (path,) = tmp_path.glob("*.json")
        path.write_bytes(content)
        with notes.locked("u") as note:
            assert note.read() is None


def test_processes_take_turns(tmp_path):
    """Another process waits until this one is done with the note."""
    notes = Notes(tmp_path)
    code = """
import sys
from pathlib import Path
from igcsante.certs.crl.publication import Notes
print("here", flush=True)
with Notes(Path(sys.argv[1])).locked("u") as note:
    print(note.read().etag, flush=True)
"""
    with notes.locked("u") as note:
        other = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "here\n"
        note.write(Note("u", AT, etag="written while it waits"))
    assert other.communicate()[0] == "written while it waits\n"


# -- which -------------------------------------------------------------------------------------


def test_lists_are_those_that_certificates_name(root, issuing):
    urls = (
        "ldap://d.example/cn=AC%201,o=x?certificaterevocationlist",
        "http://a.example/CRL/1.crl",
    )
    freshest = x509.FreshestCRL(distribution_points(["ldap://d.example/cn=AC?delta"]))
    leaf = issuing.leaf(extensions=[*leaf_extensions(urls), (freshest, False)])
    assert lists_of_certificates([leaf, leaf]) == (Published("1", (urls[1], urls[0])),)
    assert [item.name for item in lists_of_certificates([leaf], delta=True)] == ["1", "cn=AC"]
    assert lists_of_certificates([issuing.leaf(extensions=leaf_extensions(["file:///x"]))]) == ()


def test_lists_of_the_pinned_authorities_are_known(real_certificates):
    from igcsante.certs.load import certificates_from_path

    store = TrustStore.from_certificates(certificates_from_path(real_certificates / "ca"))
    names = {item.name for item in lists_of_authorities(store)}
    assert {pin.name for pin in PINNED} <= names | {"ACI-FO-PP"}
    assert all(
        url.startswith(("http", "ldap"))
        for item in lists_of_authorities(store)
        for url in item.urls
    )


# -- fetching ----------------------------------------------------------------------------------


class Site(BaseHTTPRequestHandler):
    """Serves ``server.lists`` by path, with an ETag; ``server.asked`` keeps what was sent."""

    def do_GET(self):
        found = self.server.lists.get(self.path)
        tag = f'"{hash(found)}"'
        known = found is not None and self.headers["If-None-Match"] == tag
        self.server.asked.append((self.path, known))
        self.send_response(404 if found is None else 304 if known else 200)
        self.send_header("ETag", tag)
        self.end_headers()
        if found is not None and not known:
            self.wfile.write(found)

    def log_message(self, *_):
        pass


@pytest.fixture
def site():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    server.lists, server.asked = {}, []
    server.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def updater(site, store, tmp_path):
    kept = CrlStore(tmp_path / "crl", key_file=tmp_path / "key")
    return CrlUpdater(kept, store, [site.host], retry=Retry(attempts=1))


@pytest.fixture
def published(site, issuing):
    site.lists["/1.crl"] = issuing.crl([1, 2], number=1)
    return Published("1", (f"http://{site.host}/1.crl",))


def test_list_is_fetched_once_a_publication(site, updater, published, issuing):
    first = updater.update(published, at=AT)
    assert (first.outcome, first.stored.number, first.stored.entries) == (Outcome.FETCHED, 1, 2)
    for at in (AT, AT + HOUR, MORNING + DAY - HOUR):
        assert updater.update(published, at=at).outcome is Outcome.NOT_DUE
    assert site.asked == [("/1.crl", False)]
    assert updater.update(published, at=AT + DAY).outcome is Outcome.UNCHANGED
    assert updater.update(published, at=AT + DAY + HOUR).outcome is Outcome.NOT_DUE
    assert site.asked[1:] == [("/1.crl", True)]
    site.lists["/1.crl"] = issuing.crl([1, 2, 3], number=2, this_update=AT + DAY)
    assert updater.update(published, at=AT + DAY + HOUR, force=True).stored.entries == 3


def test_list_that_was_lost_is_fetched_whole(site, updater, published, tmp_path):
    stored = updater.update(published, at=AT).stored
    CrlStore(tmp_path / "crl", key_file=tmp_path / "key").remove(stored)
    assert updater.update(published, at=AT).outcome is Outcome.FETCHED
    assert site.asked == [("/1.crl", False)] * 2


def test_etag_of_another_list_is_not_sent(site, store, published, tmp_path):
    """As after a process died between storing a list and noting what it was."""
    notes = Notes(tmp_path / "notes")
    kept = CrlStore(tmp_path / "crl", key_file=tmp_path / "key")
    updater = CrlUpdater(kept, store, [site.host], notes=notes)
    updater.update(published, at=AT)
    with notes.locked(published.urls[0]) as note:
        note.write(replace(note.read(), sha256="0" * 64))
    assert updater.update(published, at=AT).outcome is Outcome.UNCHANGED
    assert site.asked == [("/1.crl", False)] * 2


def test_older_list_does_not_replace_a_newer_one(site, updater, published, issuing):
    site.lists["/1.crl"] = issuing.crl([1], number=7, this_update=AT - HOUR)
    updater.update(published, at=AT)
    site.lists["/1.crl"] = issuing.crl([], number=6, this_update=AT - DAY)
    failed = updater.update(published, at=AT, force=True)
    assert (failed.outcome, type(failed.error)) == (Outcome.FAILED, StatusStaleError)
    assert failed.stored.number == 7


def test_list_of_a_stranger_is_not_kept(site, updater, published, issuing, tmp_path):
    impostor = Authority.root("ISSUING", key=ec_key("impostor"))
    for octets in (
        Authority.root("STRANGER").crl(),
        impostor.crl(),
        issuing.crl(key=ec_key("impostor"), key_ids=False),
    ):
        site.lists["/1.crl"] = octets
        failed = updater.update(published, at=AT)
        assert failed.outcome is Outcome.FAILED
        assert isinstance(failed.error, CertificateInvalidError)
    assert CrlStore(tmp_path / "crl").lists() == ()


def test_list_of_an_authority_that_hangs_on_nothing_is_not_kept(site, issuing, published, tmp_path):
    kept = CrlStore(tmp_path / "crl", key_file=tmp_path / "key")
    other = TrustStore((Authority.root("OTHER").certificate,), (issuing.certificate,))
    failed = CrlUpdater(kept, other, [site.host]).update(published, at=AT)
    assert isinstance(failed.error, CertificateInvalidError)
    expired = CrlUpdater(kept, other, [site.host]).update(published, at=START - DAY)
    assert isinstance(expired.error, CertificateInvalidError)


def test_another_address_is_tried_when_one_fails(site, updater, published):
    missing = f"http://{site.host}/missing.crl"
    both = Published("1", (missing, *published.urls))
    assert updater.update(both, at=AT).outcome is Outcome.FETCHED
    failed = updater.update(Published("1", (missing,)), at=AT)
    assert (failed.outcome, type(failed.error)) == (Outcome.FAILED, NetworkError)
    assert failed.error.fields["status"] == 404


def test_what_is_no_list_is_refused(site, updater, published):
    for octets in (b"", b"<html>", site.lists["/1.crl"][:-1], site.lists["/1.crl"] + b"x"):
        site.lists["/1.crl"] = octets
        assert updater.update(published, at=AT).outcome is Outcome.FAILED
