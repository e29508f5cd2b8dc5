from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone

import pytest
from processes import started

from igcsante.errors import StorageError, UsageError
from igcsante.messages import localized, tr
from igcsante.ws.orders.journal import Journal, OrderState

AT = datetime(2026, 11, 22, 9, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "journal.sqlite"


@pytest.fixture
def journal(path):
    with Journal(path) as opened:
        yield opened


def test_an_order_is_recorded_and_followed(journal):
    entry = journal.record("igc-1", at=AT, profile="sim", offre="ORG", label="DMP")
    assert (entry.id, entry.state, entry.created) == (1, OrderState.PREPARED, AT)
    later = AT + timedelta(minutes=1)
    entry = journal.update(entry, at=later, state=OrderState.ORDERED, product_id="P-1")
    assert (entry.created, entry.updated, entry.label) == (AT, later, "DMP")
    for name in ("1", "igc-1", "P-1"):
        assert journal.get(name) == entry


def test_the_newest_order_comes_first(journal):
    for reference in ("a", "b", "c"):
        journal.record(reference, at=AT)
    assert [entry.reference for entry in journal.list()] == ["c", "b", "a"]


def test_times_are_kept_in_utc(journal):
    paris = timezone(timedelta(hours=1))
    assert journal.record("a", at=AT.astimezone(paris)).created == AT


def test_a_reference_is_used_once(journal):
    journal.record("a", at=AT)
    with pytest.raises(UsageError, match="already has"):
        journal.record("a", at=AT)
    assert len(journal.list()) == 1


@pytest.mark.parametrize("name", ["", "9", "x", "igc' OR 1=1 --"])
def test_an_order_that_is_not_there_is_told(journal, name):
    journal.record("igc", at=AT, product_id="P")
    with pytest.raises(UsageError, match="no order"):
        journal.get(name)


def test_only_the_owner_may_read_it(journal, path):
    journal.record("a", at=AT)
    modes = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    assert modes == {0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_there_is_no_place_for_a_secret(journal):
    entry = journal.record("a", at=AT)
    for column in ("pin", "key_password", "revocation_code"):
        with pytest.raises(TypeError):
            journal.update(entry, at=AT, **{column: "1234"})


def test_every_state_has_its_words(journal):
    assert len({state.meaning for state in OrderState}) == len(OrderState)
    entry = journal.update(journal.record("a", at=AT), at=AT, state=OrderState.SENT)
    assert entry.to_dict()["in_doubt"] is True
    assert entry.to_dict()["created"] == "2026-11-22T09:00:00Z"


KILLED = """
import os, signal, sys
from datetime import datetime, UTC
from pathlib import Path
from igcsante.messages import localized, tr
from igcsante.ws.orders.journal import Journal, OrderState
journal = Journal(Path(sys.argv[1]))
at = datetime(2026, 11, 22, 9, tzinfo=UTC)
entry = journal.record("igc-killed", at=at, label="DMP")
journal.update(entry, at=at, state=OrderState.SENT)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_process_killed_before_its_answer_leaves_an_order_in_doubt(path):
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert done.returncode == -signal.SIGKILL
    with Journal(path) as journal:
        entry = journal.get("igc-killed")
        assert (entry.state, entry.label) == (OrderState.SENT, "DMP")
        assert entry.state.in_doubt
        journal.update(entry, at=AT, state=OrderState.ORDERED, product_id="P-1")


MANY = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from igcsante.messages import localized, tr
from igcsante.ws.orders.journal import Journal, OrderState
at = datetime(2026, 11, 22, 9, tzinfo=UTC)
for number in range(10):
    with Journal(Path(sys.argv[1])) as journal:
        entry = journal.record(f"{sys.argv[2]}-{number}", at=at)
        journal.update(entry, at=at, state=OrderState.SENT)
"""


def test_several_processes_may_write_at_once(path):
    command = [sys.executable, "-c", MANY, str(path)]
    running = [subprocess.Popen([*command, f"p{number}"]) for number in range(4)]
    assert [process.wait(timeout=60) for process in running] == [0, 0, 0, 0]
    with Journal(path) as journal:
        entries = journal.list()
    assert len({entry.reference for entry in entries}) == 40
    assert {entry.state for entry in entries} == {OrderState.SENT}


def make_noise(path):
    path.write_bytes(os.urandom(8192))


def make_truncated(path):
    with Journal(path) as journal:
        for number in range(200):
            journal.record(f"r{number}", at=AT, label="x" * 60)
    path.write_bytes(path.read_bytes()[:6000])


def make_newer(path):
    Journal(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()


def make_folder(path):
    path.mkdir()


@pytest.mark.parametrize("make", [make_noise, make_truncated, make_newer, make_folder])
def test_a_journal_that_can_not_be_used_is_told_with_advice(path, make):
    path.parent.mkdir()
    make(path)
    with pytest.raises(StorageError, match="journal") as caught, Journal(path) as journal:
        journal.list()
    assert caught.value.advice or "directory" in caught.value.message


def test_a_strange_state_is_a_damaged_journal(path, journal):
    journal.record("a", at=AT)
    journal._database.execute("UPDATE orders SET state = 'dreaming'")
    with pytest.raises(StorageError):
        journal.list()


def test_a_number_names_the_order_of_that_number_whatever_the_platform_calls_its_products(journal):
    first = journal.record("a", at=AT)
    second = journal.update(journal.record("b", at=AT), at=AT, product_id=str(first.id))
    assert journal.get(str(first.id)).reference == "a"
    assert journal.get(str(second.id)).reference == "b"
    third = journal.update(journal.record("c", at=AT), at=AT, product_id="P-9")
    assert journal.get("P-9") == third
    journal.update(journal.record("d", at=AT), at=AT, product_id="P-9")
    with pytest.raises(UsageError, match="several orders"):
        journal.get("P-9")


def test_an_order_is_claimed_by_one_command_at_a_time(journal):
    seen = journal.update(journal.record("a", at=AT), at=AT, state=OrderState.ORDERED)
    claimed = journal.claim(seen, OrderState.WITHDRAWING, at=AT)
    assert claimed.state is OrderState.WITHDRAWING
    with pytest.raises(UsageError, match="another command"):
        journal.claim(seen, OrderState.WITHDRAWING, at=AT)


def test_a_command_that_lost_does_not_undo_what_another_achieved(journal):
    seen = journal.update(journal.record("a", at=AT), at=AT, state=OrderState.ORDERED)
    claimed = journal.claim(seen, OrderState.WITHDRAWING, at=AT)
    journal.update(claimed, at=AT, state=OrderState.WITHDRAWN, certificate_path="/a.pem")
    after = journal.yield_back(claimed, OrderState.ORDERED, at=AT, last_error="refused")
    assert (after.state, after.certificate_path) == (OrderState.WITHDRAWN, "/a.pem")
    assert after.last_error == ""


OLD = """
    CREATE TABLE orders (id INTEGER PRIMARY KEY AUTOINCREMENT, reference TEXT NOT NULL UNIQUE,
    created TEXT NOT NULL, updated TEXT NOT NULL, state TEXT NOT NULL,
    profile TEXT NOT NULL DEFAULT '', platform TEXT NOT NULL DEFAULT '',
    card_number TEXT NOT NULL DEFAULT '', offre TEXT NOT NULL DEFAULT '',
    usage TEXT NOT NULL DEFAULT '', structure TEXT NOT NULL DEFAULT '',
    label TEXT NOT NULL DEFAULT '', product_id TEXT NOT NULL DEFAULT '',
    key_path TEXT NOT NULL DEFAULT '', certificate_path TEXT NOT NULL DEFAULT '',
    serial TEXT NOT NULL DEFAULT '', last_error TEXT NOT NULL DEFAULT '') STRICT;
    INSERT INTO orders (reference, created, updated, state, label)
    VALUES ('old', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', 'ordered', 'DMP');
    PRAGMA user_version = 1;
"""


def test_a_journal_of_the_first_version_is_taken_over(path):
    path.parent.mkdir(mode=0o700)
    database = sqlite3.connect(path)
    database.executescript(OLD)
    database.close()
    with Journal(path) as journal:
        entry = journal.get("old")
        assert (entry.state, entry.label, entry.renews) == (OrderState.ORDERED, "DMP", "")
        journal.keep(entry, [b"certificate", b"issuer"], at=AT, serial="aff0001")
    with Journal(path) as journal:
        kept = journal.get("aff0001")
        assert journal.certificates(kept) == (b"certificate", b"issuer")


def test_an_error_is_told_in_the_language_of_who_reads_it(path):
    refused = tr("the platform refuses: {shown}", shown=tr("{code}: {text}", code="F03", text="no"))
    with Journal(path) as journal:
        sent = journal.claim(journal.record("a", at=AT), OrderState.SENT, at=AT)
        journal.update(sent, at=AT, state=OrderState.FAILED, last_error=refused)
    with Journal(path) as journal:
        entry = journal.get("a")
        noted = journal.history(entry)[-1].note
    for text in (entry.last_error, noted):
        assert (str(text), json.dumps(text)) == (str(refused), json.dumps(str(refused)))
        assert localized(text, "fr") == localized(refused, "fr") != str(refused)


def test_an_error_keeps_nothing_that_it_does_not_tell(path):
    with Journal(path) as journal:
        told = tr("the platform refuses: {shown}", shown="no", code="code-never-kept")
        journal.update(journal.record("a", at=AT), at=AT, last_error=told)
        assert journal.get("a").last_error == "the platform refuses: no"
    assert not [f for f in path.parent.iterdir() if b"code-never-kept" in f.read_bytes()]


def test_a_journal_of_the_version_before_keeps_its_errors(path):
    with Journal(path) as journal:
        journal.update(journal.record("a", at=AT), at=AT, last_error="the platform refuses: no")
    database = sqlite3.connect(path)
    database.executescript("DROP TABLE wordings; PRAGMA user_version = 3;")
    database.close()
    with Journal(path) as journal:
        entry = journal.get("a")
        assert entry.last_error == "the platform refuses: no"
        told = tr("the platform refuses: {shown}", shown="still no")
        entry = journal.update(entry, at=AT, last_error=told)
        notes = [step.note for step in journal.history(entry)]
    assert notes == ["", "the platform refuses: no", "the platform refuses: still no"]
    assert localized(entry.last_error, "fr") == "la plateforme refuse\xa0: still no"


def test_each_step_of_an_order_is_remembered(journal):
    entry = journal.record("a", at=AT)
    entry = journal.claim(entry, OrderState.SENT, at=AT + timedelta(seconds=1))
    entry = journal.update(entry, at=AT + timedelta(seconds=2), label="same state, nothing new")
    entry = journal.update(entry, at=AT + timedelta(seconds=3), last_error="no answer")
    journal.update(entry, at=AT + timedelta(seconds=4), state=OrderState.FAILED)
    steps = journal.history(entry)
    assert [(step.state.value, step.note, (step.at - AT).seconds) for step in steps] == [
        ("prepared", "", 0),
        ("sent", "", 1),
        ("sent", "no answer", 3),
        ("failed", "", 4),
    ]
    assert journal.history(journal.record("b", at=AT))[0].at == AT


def test_an_order_is_found_by_the_serial_of_its_certificate(journal):
    entry = journal.update(journal.record("a", at=AT), at=AT, serial="0aff01234567".lstrip("0"))
    assert journal.get("0A:FF:01:23:45:67") == entry
    with pytest.raises(UsageError, match="no order"):
        journal.get("aff")


HOLDING = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from igcsante.messages import localized, tr
from igcsante.ws.orders.journal import Journal
journal = Journal(Path(sys.argv[1]))
with journal.hold(journal.get("held")), journal.hold_name("a row"):
    with journal.hold(journal.get("held")):
        pass  # held already, and still held afterwards
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_an_order_that_another_process_works_on_is_left_alone_until_it_dies(path, journal):
    held, other = journal.record("held", at=AT), journal.record("other", at=AT)
    command = [sys.executable, "-c", HOLDING, str(path)]
    with started(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(UsageError, match="another command"), journal.hold(held):
            pass
        with journal.hold(other):
            pass
        with pytest.raises(UsageError, match="at work on a row"), journal.hold_name("a row"):
            pass
        with journal.hold_name("another row"):
            pass
        process.kill()
    with journal.hold(held):
        pass


def test_locks_that_fail_are_not_taken_for_another_command(journal, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def lockf(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    entry = journal.record("igc-1", at=AT)
    with pytest.raises(StorageError, match="No locks available; nothing was sent"):
        journal.hold(entry).__enter__()


def test_orders_are_listed_by_profile_state_and_row(journal):
    for reference, profile, row in (("a", "x", "r1"), ("b", "y", "r1"), ("c", "x", "r2")):
        journal.record(reference, at=AT, profile=profile, batch_row=row)
    assert [e.reference for e in journal.list(profile="x")] == ["c", "a"]
    assert [e.reference for e in journal.list(batch_row="r1")] == ["b", "a"]
    assert journal.list(states=[OrderState.SENT]) == ()
    assert len(journal.list(states=[OrderState.SENT, OrderState.PREPARED])) == 3
