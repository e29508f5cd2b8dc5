"""The pytest plugin as another project's suite meets it: fixtures, markers, options."""

from __future__ import annotations

import json

import pytest

import igcsante.testing.pytest_choices  # noqa: F401 - for runs in this process, see below

# Runs of tests that load cryptography are processes of their own: a run in this one forgets what
# it imported, and extension modules can't be loaded twice. What is loaded here, stays.
pytest_plugins = ["pytester"]

STRICT = ("--strict-markers", "--strict-config", "-W", "error", "-p", "no:cacheprovider")

LOADED = """
import json, sys

def pytest_unconfigure(config):
    print("LOADED", json.dumps(sorted(sys.modules)))
"""


def test_a_suite_that_uses_no_fixture_loads_nothing_but_the_plugin(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(LOADED)
    pytester.makepyfile("def test_nothing(): pass")
    done = pytester.runpytest_subprocess(*STRICT)
    done.assert_outcomes(passed=1)
    (line,) = [line for line in done.outlines if line.startswith("LOADED")]
    loaded = set(json.loads(line.removeprefix("LOADED")))
    assert {name for name in loaded if name.split(".")[0] == "igcsante"} == {
        "igcsante",
        "igcsante._version",
        "igcsante.testing",
        "igcsante.testing.pytest_plugin",
    }
    assert loaded.isdisjoint({"cryptography", "asn1crypto", "click", "zeep", "lxml", "smartcard"})


def test_card_reader_platform_and_clock_are_fixtures(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IGC_PLATFORM", "https://real.invalid/")
    pytester.makepyfile(
        """
        import os
        from datetime import timedelta
        from pathlib import Path

        import pytest

        from igcsante.card import open_card, readers
        from igcsante.config import config_directory, data_directory
        from igcsante.testing.clock import WorldClock

        def test_the_card_is_in_the_only_reader(cps_card, cps_reader):
            assert readers.system_readers() == [cps_reader]
            with open_card() as card:
                assert card.label() == cps_card.profile.label == "CPS3v3-2900997003"

        @pytest.mark.igc_card("cps4", pin_tries_left=1, state="expired")
        @pytest.mark.igc_fault("status", at=1, status=0x6F01)
        def test_a_card_that_was_changed_and_fails(cps_card, cps_reader):
            connection = cps_reader.createConnection()
            connection.connect()
            assert connection.transmit([0, 0xA4, 4, 0])[1:] == (0x6F, 0x01)
            connection.disconnect()
            with open_card() as card:
                assert card.pin_status().tries_left == 1

        @pytest.mark.igc_platform(validation="manual", key_sizes=[3072])
        @pytest.mark.igc_fault("T01", "lost-answer")
        def test_the_platform(pfc_platform, igc_pki, igc_world, frozen_clock):
            assert pfc_platform.pki is igc_pki
            assert pfc_platform.options.validation == "manual"
            assert pfc_platform.options.key_sizes == (3072,)
            assert pfc_platform.faults.planned() == ["T01", "lost-answer"]
            start = frozen_clock()
            assert frozen_clock() == start == pfc_platform.clock()
            frozen_clock.advance(timedelta(days=30))
            assert WorldClock(igc_world.profile.clock)() == start + timedelta(days=30)

        def test_a_card_that_is_asked_for_late(request, igc_world):
            assert "IGC_PLATFORM" not in os.environ
            assert request.getfixturevalue("cps_card").profile.name == "cps3"
            home = igc_world.directory.parent.parent
            assert data_directory().is_relative_to(home)
            assert config_directory().is_relative_to(home)
        """
    )
    pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=4)


CARDS = """
    import pytest

    def test_any(igc_card_name): pass

    @pytest.mark.igc_card("cpe", "cde", "cpe")
    class TestStaff:
        def test_both(self, igc_card_name): pass

        @pytest.mark.igc_card("empty")
        def test_nearest(self, igc_card_name): pass
    """


@pytest.mark.parametrize(
    ("ini", "options", "any_card"),
    [
        ("", (), ["cps3"]),
        ("igc_profiles = cps3 cps4", (), ["cps3", "cps4"]),
        ("igc_profiles = cps3 cps4", ("--igc-profile", "cda"), ["cda"]),
        ("", ("--igc-profile=cps4", "--igc-profile=mine.toml"), ["cps4", "mine.toml"]),
        ("", ("--igc-profile=cps4", "--igc-profile=cps4"), ["cps4"]),
    ],
)
def test_marker_option_and_ini_file_choose_the_cards(
    pytester: pytest.Pytester, ini: str, options: tuple[str, ...], any_card: list[str]
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.makefile(".toml", mine='name = "mine"\nlike = "cps3"\n')
    pytester.makepyfile(test_cards=CARDS)
    done = pytester.runpytest_inprocess(*STRICT, "--collect-only", "-q", *options)
    ids = [line.partition("::")[2] for line in done.outlines if "::" in line]
    staff = ["TestStaff::test_both[cpe]", "TestStaff::test_both[cde]"]
    assert ids == [
        *(f"test_any[{name}]" for name in any_card),
        *staff,
        "TestStaff::test_nearest[empty]",
    ]


def test_options_reach_the_card_and_the_platform(pytester: pytest.Pytester) -> None:
    pytester.makeini("[pytest]\nigc_platform_settings = platform.toml\n")
    pytester.makefile(".toml", mine='name = "mine"\nlike = "cps3"\nsurname = "DE L\'ESSAI"\n')
    pytester.makefile(
        ".toml",
        platform="[options]\nwithdrawal_days = 9\nwildcards = true\n",
    )
    pytester.makepyfile(
        """
        import pytest
        from igcsante.card import open_card
        from igcsante.errors import CardRemovedError

        @pytest.mark.igc_platform(wildcards=False)
        def test_both(cps_card, pfc_platform):
            assert cps_card.profile.surname == "DE L'ESSAI"
            assert pfc_platform.options.withdrawal_days == 9
            assert not pfc_platform.options.wildcards
            assert pfc_platform.faults.planned() == ["F07"]
            with pytest.raises(CardRemovedError), open_card() as card:
                card.national_id()
        """
    )
    options = ("--igc-profile", "mine.toml", "--igc-fault", "remove@3", "--igc-fault=F07")
    pytester.runpytest_subprocess(*STRICT, *options).assert_outcomes(passed=1)


def test_mistakes_are_told_in_a_line(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.igc_fault("F90")
        def test_fault(pfc_platform): pass

        @pytest.mark.igc_fault("T01", at=3)
        def test_details(pfc_platform): pass

        @pytest.mark.igc_platform(validaton="manual")
        def test_option(pfc_platform): pass

        @pytest.mark.igc_card("cps3", pin_trie=1)
        def test_change(cps_card, igc_world): pass

        @pytest.mark.igc_card("cps5")
        def test_card(cps_card): pass

        @pytest.mark.igc_card("cps3", pin_tries_left="many")
        def test_kind_of_value(cps_card): pass

        @pytest.mark.igc_card("cps3", national_id=7)
        def test_identity(cps_card): pass

        @pytest.mark.igc_fault("status", at=1, status="6F00")
        def test_status(cps_card): pass

        @pytest.mark.igc_fault("status", status=0x10000)
        def test_large_status(cps_card): pass

        @pytest.mark.igc_platform("a.toml", "b.toml")
        def test_two_files(pfc_platform): pass

        @pytest.mark.igc_fault("remove")
        def test_no_use(igc_world): pass

        @pytest.mark.igc_card("cps4")
        def test_none(): pass
        """
    )
    done = pytester.runpytest_subprocess(*STRICT)
    done.assert_outcomes(errors=12)
    told = done.stdout.str()
    assert "igc_fault: there is no fault 'F90'; did you mean 'F19'?" in told
    assert "igc_fault: T01 is for the next request: no details" in told
    assert "options: unknown key 'validaton'; did you mean 'validation'?" in told
    assert "igc_card: a card has no pin_trie; did you mean 'pin_tries'?" in told
    assert "there is no card profile 'cps5'; known: adeli" in told
    assert "igc_card: pin_tries_left is a int, not 'many'" in told
    assert "igc_card: national_id is a str, not 7" in told
    assert told.count("igc_fault: status takes at, status and seconds, as numbers") >= 2
    assert "igc_platform: one settings file, and options by their names" in told
    unused = "has no effect: this test doesn't use cps_reader or cps_card"
    assert f"@pytest.mark.igc_fault {unused}" in told
    assert f"@pytest.mark.igc_card {unused}" in told
    assert "Traceback" not in told
    assert "igcsante/testing" not in told


def test_a_marker_that_does_nothing_fails_its_test(pytester: pytest.Pytester) -> None:
    """A card needs a simulated world, but that is no use of the platform."""
    pytester.makefile(".toml", platform="[options]\nwithdrawal_days = 9\n")
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture
        def application(igc_world): return igc_world

        @pytest.fixture
        def logged_in(cps_card): return cps_card

        class TestNothing:
            @pytest.mark.igc_fault("T01")
            def test_fault(self, cps_card): pass

            @pytest.mark.igc_platform(validation="manual")
            def test_options(self, logged_in, frozen_clock, igc_pki): pass

            @pytest.mark.igc_fault("remove", "T01")
            def test_half(self, cps_card): pass

            @pytest.mark.igc_fault(at=3)
            def test_no_kind(self, cps_card, pfc_platform): pass

            @pytest.mark.igc_card()
            def test_no_card(self, cps_card): pass

            @pytest.mark.igc_platform
            def test_no_option(self, pfc_platform): pass

        class TestUse:
            @pytest.mark.igc_fault("T01")
            def test_world(self, cps_card, igc_world): pass

            @pytest.mark.igc_fault("T01", "remove")
            def test_both(self, pfc_platform, logged_in): pass

            @pytest.mark.igc_fault("T01")
            @pytest.mark.igc_platform("platform.toml")
            def test_own_fixture(self, application):
                assert application.platform.options.withdrawal_days == 9

            @pytest.mark.igc_platform(validation="manual")
            @pytest.mark.usefixtures("pfc_platform")
            def test_by_name_only(self): pass
        """
    )
    done = pytester.runpytest_subprocess(*STRICT)
    done.assert_outcomes(passed=4, errors=6)
    told = done.stdout.str()
    assert "igc_fault has no effect: this test doesn't use pfc_platform or igc_world" in told
    assert "igc_platform has no effect: this test doesn't use pfc_platform or igc_world" in told
    for name in ("igc_card", "igc_fault", "igc_platform"):
        assert f"@pytest.mark.{name} has no effect: it names nothing" in told


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--igc-profile=cps5", "there is no card profile 'cps5'"),
        ("--igc-profile=absent.toml", "there is no card profile"),
        ("--igc-fault=foo", "igc_fault: there is no fault 'foo'"),
        ("--igc-fault=remove@x", "--igc-fault remove@x: after @ comes a number"),
        ("--igc-fault=T01@2", "igc_fault: T01 is for the next request: no details"),
        ("--igc-fault=status@0", "exchanges are counted from 1"),
    ],
)
def test_a_wrong_option_ends_the_run_before_the_first_test(
    pytester: pytest.Pytester, option: str, told: str
) -> None:
    pytester.makepyfile("def test_a(cps_card): pass\ndef test_b(cps_card): pass")
    done = pytester.runpytest_inprocess(*STRICT, option)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in done.errlines if line]
    assert line.startswith("ERROR: ")
    assert told in line


def test_a_recording_is_named_as_text_or_as_a_path(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pathlib import Path

        import pytest
        from igcsante.card import open_card
        from igcsante.card.recording import Recorder

        @pytest.mark.parametrize("kind", [str, Path])
        def test_replayed(cps_card, replayed_card, tmp_path, kind):
            recorder = Recorder()
            with open_card(monitor=recorder) as card:
                serial = card.serial
            recorder.recording().save(tmp_path / "session.jsonl")
            replayed_card(kind(tmp_path / "session.jsonl"))
            with open_card(name="Replay") as card:
                assert card.serial == serial
        """
    )
    pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=2)


@pytest.mark.long
def test_several_workers_at_once(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from igcsante.card import open_card
        from igcsante.secret import Secret
        from igcsante.tls import client_context
        from igcsante.ws.client import ZeepPlatform

        @pytest.mark.igc_card("cps3", "cps4")
        def test_habilitations(cps_card, igc_world):
            with open_card() as card:
                card.verify_pin(Secret(cps_card.pin))
                context = client_context(card.credential(), igc_world.anchors)
                with ZeepPlatform(igc_world.endpoint, context) as platform:
                    assert platform.list_habilitations()
        """
    )
    pytester.runpytest_subprocess(*STRICT, "-n", "2").assert_outcomes(passed=2)
