"""The journal of any length: what is shown is read, and SQLite says what Python would."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from igcsante.cli.orders import orders_command
from igcsante.cli.status import status_command
from igcsante.instants import iso
from igcsante.ws.orders import journal as journals
from igcsante.ws.orders.journal import Journal, OrderState
from igcsante.ws.orders.overview import Overview
from igcsante.ws.orders.park import Standing, survey

AT = datetime(2026, 11, 22, 9, 0, 0, 500_000, tzinfo=UTC)
WITHIN = timedelta(days=30)
SECOND = timedelta(seconds=1)


@pytest.fixture
def journal(tmp_path, monkeypatch):
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path))
    with Journal(tmp_path / "journal.sqlite") as opened:
        yield opened


@pytest.fixture
def every_kind(journal, tmp_path):
    """An order of each state, end (at the limits too), file and successor."""
    file = tmp_path / "a.pem"
    file.touch()
    now = AT.replace(microsecond=0)
    ends = (None, now - SECOND, now, now + WITHIN, now + WITHIN + SECOND, now + 3 * WITHIN)
    kinds = itertools.product(OrderState, ends, ("", str(file)), ("", "ABC"), ("x", "y"))
    journal._database.execute("BEGIN")
    for number, (state, end, path, serial, profile) in enumerate(kinds):
        journal._database.execute(
            "INSERT INTO orders (reference, created, updated, state, profile, product_id, "
            "not_after, certificate_path, serial, renews, unusable) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                f"r{number}",
                iso(AT),
                iso(AT),
                state.value,
                profile,
                f"P-{number}" if number % 5 else "",
                iso(end) or "",
                path,
                serial,
                f"P-{number + 7}" if number % 3 == 0 else "",
                "of another key" if number % 7 == 0 else "",
            ),
        )
    journal._database.execute("COMMIT")
    return journal


@pytest.mark.parametrize("profile", ["", "x"])
@pytest.mark.parametrize("found", [{}, {"ABC": Path("/elsewhere.pem")}])
def test_the_journal_alone_is_seen_as_the_survey_sees_it(every_kind, found, profile):
    entries = every_kind.list(profile=profile)
    lines = survey(entries, None, at=AT.replace(microsecond=0), within=WITHIN, found=found)
    overview = Overview(every_kind, AT, WITHIN, profile, found)
    assert tuple(overview.lines()) == lines
    seen = [line.standing for line in lines]
    assert overview.counts() == {s: seen.count(s) for s in Standing if s in seen}
    assert set(overview.counts()) == set(Standing)
    assert overview.due() == sum(line.due for line in lines) > 0
    chosen = (Standing.ACTIVE, Standing.LOST)
    assert tuple(overview.lines(chosen)) == tuple(s for s in lines if s.standing in chosen)
    assert tuple(overview.lines(limit=7)) == lines[:7]


def test_orders_are_counted_and_cut_as_they_are_listed(every_kind):
    which = {"profile": "x", "states": (OrderState.SENT, OrderState.REVOKED)}
    listed = every_kind.list(**which)
    assert every_kind.count(**which) == len(listed) == 2 * 24
    assert every_kind.list(limit=5, **which) == listed[:5]
    assert every_kind.count() == len(every_kind.list())


def test_orders_of_a_platform_are_those_of_any_spelling_of_its_address_or_of_none(journal):
    for number, platform in enumerate(("https://a/ws", "https://A:443/ws", "", "https://b/ws")):
        journal.record(f"r{number}", at=AT, platform=platform)
    assert [e.reference for e in journal.list(platform="https://a/ws")] == ["r2", "r1", "r0"]
    assert [e.reference for e in journal.list(platform="https://c/ws")] == ["r2"]


def fill(journal, count):
    journal.update(journal.record("r1", at=AT), at=AT, state=OrderState.ORDERED)
    journal._database.execute(
        "INSERT INTO orders (reference, created, updated, state) WITH RECURSIVE n (i) AS "
        "(VALUES (2) UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
        "SELECT 'r' || i, created, updated, state FROM n, orders WHERE id = 1",
        (count,),
    )


@pytest.mark.parametrize(
    ("command", "first"), [(orders_command, ()), (status_command, ("--offline",))]
)
def test_people_see_the_first_hundred_and_how_to_see_all(journal, command, first):
    fill(journal, 120)
    told = CliRunner().invoke(command, first)
    rows = [row for row in told.stdout.splitlines() if "withdraw" in row]
    assert len(rows) == 100 and "120" in rows[0] and told.exit_code == 0
    assert told.stderr.startswith("20 ") and "--all" in told.stderr
    told = CliRunner().invoke(command, (*first, "--all"))
    assert told.stdout.count("withdraw") == 120 and not told.stderr
    told = CliRunner().invoke(command, (*first, "--json"))
    assert len([json.loads(line) for line in told.stdout.splitlines()]) == 120


def test_what_is_due_is_told_of_what_is_not_shown_too(journal, tmp_path, monkeypatch):
    fill(journal, 120)
    end = iso(datetime.now(UTC) + timedelta(days=5))
    journal._database.execute(
        "UPDATE orders SET state = 'withdrawn', not_after = ?, certificate_path = ?",
        (end, str(tmp_path)),
    )
    told = CliRunner().invoke(status_command, ("--offline", "--within", "9"), standalone_mode=False)
    assert told.return_value == 14
    assert "120 to renew while they are active" in told.stdout


def test_a_short_answer_reads_a_short_part_of_the_journal(journal, monkeypatch):
    fill(journal, 2_000)
    read = []
    entry = journals._entry
    monkeypatch.setattr(journals, "_entry", lambda row: read.append(row) or entry(row))
    CliRunner().invoke(orders_command, ())
    CliRunner().invoke(status_command, ("--offline",))
    assert len(read) == 200


def test_memory_does_not_grow_with_the_journal(journal):
    def most():
        tracemalloc.start()
        for _ in itertools.chain(journal.each(), Overview(journal, AT).lines()):
            pass
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    fill(journal, 300)
    few = most()
    for table in ("steps", "orders", "sqlite_sequence"):
        journal._database.execute(f"DELETE FROM {table}")  # noqa: S608
    fill(journal, 3_000)
    assert most() < 2 * few
