"""The pytest plugin as another project's suite meets it: fixtures, markers, options."""

from __future__ import annotations

import json

import pytest

# Runs of tests that load cryptography are processes of their own: a run in this one forgets what
# it imported, and extension modules can't be loaded twice.
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

    @pytest.mark.igc_card("cpe", "cde")
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
    ],
)
def test_marker_option_and_ini_file_choose_the_cards(
    pytester: pytest.Pytester, ini: str, options: tuple[str, ...], any_card: list[str]
) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
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

        @pytest.mark.igc_fault("remove")
        def test_no_use(igc_world): pass

        @pytest.mark.igc_card("cps4")
        def test_none(): pass
        """
    )
    done = pytester.runpytest_subprocess(*STRICT)
    done.assert_outcomes(errors=7)
    told = done.stdout.str()
    assert "igc_fault: there is no fault 'F90'; did you mean 'F19'?" in told
    assert "igc_fault: T01 is for the next request: no details" in told
    assert "options: unknown key 'validaton'; did you mean 'validation'?" in told
    assert "igc_card: a card has no pin_trie; did you mean 'pin_tries'?" in told
    assert "there is no card profile 'cps5'; known: adeli" in told
    assert "@pytest.mark.igc_fault has no effect: this test doesn't use cps_reader" in told
    assert "@pytest.mark.igc_card has no effect: this test doesn't use cps_reader" in told
    assert "Traceback" not in told
    assert "igcsante/testing" not in told


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
