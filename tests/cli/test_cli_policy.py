"""``igc policy``, and the options that make a policy of a command line."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli_schemas import CommandLine

from igcsante.certs.check import Checker
from igcsante.certs.load import certificates_from_path, crls_from_path
from igcsante.certs.policy import (
    WORLDS,
    PathPolicy,
    Policy,
    Requirement,
    RevocationPolicy,
    Source,
    load_policy,
    parse_policy,
    shipped_policies,
)
from igcsante.certs.policy_text import policy_toml
from igcsante.certs.x509.signatures import AlgorithmPolicy
from igcsante.cli import main
from igcsante.cli.check_options import policy_from
from igcsante.errors import ConfigError, UsageError

NAMES = [policy.name for policy in shipped_policies()]


@pytest.fixture
def igc(capsys: pytest.CaptureFixture[str]) -> CommandLine:
    return CommandLine(capsys)


def test_list_says_what_each_is(igc: CommandLine, capsys: pytest.CaptureFixture[str]) -> None:
    assert [line["name"] for line in igc("policy", "list")] == NAMES
    assert main.run(["policy", "list"]) == 0
    shown = capsys.readouterr().out
    for policy in shipped_policies():
        assert policy.description and policy.description in shown


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_is_a_policy_file(
    name: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main.run(["policy", "show", name]) == 0
    text = capsys.readouterr().out
    assert parse_policy(text.encode(), "shown") == load_policy(name)
    path = tmp_path / "ours.toml"
    path.write_text(text)
    assert load_policy(str(path)) == load_policy(name)
    path.write_text(text.replace(f'name = "{name}"', 'name = "ours"'))
    assert load_policy(str(path)).name == "ours"


def test_show_takes_a_file_and_without_a_name_the_default(igc: CommandLine, tmp_path: Path) -> None:
    assert igc("policy", "show") == igc("policy", "show", "default")
    path = tmp_path / "ours.toml"
    path.write_text("[revocation]\nmax_age = 26\n")
    (line,) = igc("policy", "show", path)
    assert (line["name"], line["revocation"]["max_age_seconds"]) == ("ours", 93600)
    (line,) = igc("policy", "show", "strikt")
    assert "did you mean 'strict'?" in line["error"]["advice"] and igc.code == 2


def test_a_file_can_t_take_the_name_of_a_shipped_policy(tmp_path: Path) -> None:
    path = tmp_path / "strict.toml"
    path.write_text('[revocation]\nleaf = "off"\n')
    with pytest.raises(ConfigError, match="so is a shipped one"):
        load_policy(str(path))
    path.write_text('name = "ours"\n')
    assert load_policy(str(path)).name == "ours"


durations = st.integers(0, 10**9).map(lambda seconds: timedelta(seconds=seconds))
texts = st.text(st.characters(codec="utf-8"))
policies = st.builds(
    Policy,
    name=texts,
    description=texts,
    worlds=st.sets(st.sampled_from(sorted(WORLDS)), min_size=1).map(frozenset),
    usages=st.sets(texts).map(frozenset),
    fetch=st.booleans(),
    path=st.builds(
        PathPolicy,
        initial_policies=st.sets(texts).map(frozenset),
        explicit_policy=st.booleans(),
        max_length=st.integers(1, 2**62),
    ),
    revocation=st.builds(
        RevocationPolicy,
        leaf=st.sampled_from(Requirement),
        sources=st.permutations(Source).map(tuple),
        max_age=st.none() | durations,
        grace=durations,
    ),
    algorithms=st.builds(AlgorithmPolicy, legacy=st.booleans()),
)


@settings(max_examples=30)
@given(policies, st.booleans())
def test_a_policy_is_written_and_read_back_the_same(policy: Policy, explained: bool) -> None:
    assert parse_policy(policy_toml(policy, explained=explained).encode(), "x") == policy


# -- options -------------------------------------------------------------------------------------


def test_options_change_a_policy_and_its_name() -> None:
    assert policy_from("strict") == load_policy("strict")
    assert policy_from("strict", world="production") == load_policy("strict"), "nothing changed"
    changed = policy_from(
        "guide-ans",
        "prefer",
        usages=("clientAuth", "1.2.3"),
        initial_policies=("1.2.250.1.213.1.7.1.1.2.4.1",),
        explicit_policy=True,
        inhibit_mapping=True,
        inhibit_any_policy=True,
    )
    assert changed.name == "guide-ans+options"
    assert changed.worlds == {"production"} and changed.usages == {"clientAuth", "1.2.3"}
    assert changed.revocation.leaf is changed.revocation.cas is Requirement.PREFER
    assert changed.revocation.grace == timedelta(hours=24), "the rest stays"
    assert changed.path.initial_policies == {"1.2.250.1.213.1.7.1.1.2.4.1"}
    assert changed.path.explicit_policy and changed.path.inhibit_mapping
    assert changed.path.inhibit_any_policy
    assert policy_from("default", world="test").worlds == {"test"}


def test_no_option_takes_back_what_a_policy_demands() -> None:
    strict = policy_from("strict", "require", usages=("clientAuth",))
    assert strict.path.explicit_policy and strict.path.inhibit_mapping
    with pytest.raises(UsageError, match="accepts no certificate of the world test"):
        policy_from("strict", world="test")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"usages": ("clientauth",)}, "did you mean 'clientAuth'"),
        ({"usages": ("1.2.",)}, "is no extended key usage"),
        ({"initial_policies": ("any",)}, "is no policy OID"),
        ({"initial_policies": ("3.1.2",)}, "is no policy OID"),
        ({"initial_policies": ("1." * 70 + "1",)}, "is no policy OID"),
    ],
)
def test_wrong_options_are_told(options: dict[str, tuple[str]], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy_from("default", **options)
    assert re.search(told, f"{caught.value.message} {caught.value.advice}")


# -- what the shipped ones mean to real certificates -----------------------------------------------


@pytest.fixture(scope="module")
def real() -> Path:
    folder = Path(__file__).parents[2].parent / "shared" / "certs"
    if not (folder / "MANIFEST.csv").is_file():
        pytest.skip("the folder of real certificates, ../shared/certs, is not there")
    return folder


def test_each_shipped_policy_takes_real_production_certificates(real: Path) -> None:
    """Without lists of that time the best verdict of a shipped policy is: status unknown."""
    store = _store(real)
    for path in sorted((real / "ee").glob("prod-*.pem")):
        (leaf,) = certificates_from_path(path)
        at = leaf.not_valid_before_utc + timedelta(days=1)
        for policy in shipped_policies():
            assert str(Checker(store, policy=policy).check(leaf, at=at).kind) == "unknown"
            off = policy.with_revocation(Requirement.OFF)
            assert str(Checker(store, policy=off).check(leaf, at=at).kind) == "good"


def test_test_certificates_are_for_the_policies_that_say_so(real: Path) -> None:
    (path,) = (real / "ee").glob("*8f613149.pem")
    (leaf,) = certificates_from_path(path)
    at = leaf.not_valid_before_utc + timedelta(days=1)
    told = {
        policy.name: str(Checker(_store(real), policy=policy).check(leaf, at=at).kind)
        for policy in shipped_policies()
    }
    assert told == {
        "default": "unknown",
        "offline": "unknown",
        "guide-ans": "invalid",
        "strict": "invalid",
    }


def test_a_day_of_grace_is_what_guide_ans_adds(real: Path) -> None:
    """The list of June 2019 ended on July 3rd at 22:00:09 UTC."""
    (path,) = (real / "ee").glob("*d4d97a29.pem")
    (leaf,) = certificates_from_path(path)
    lists = crls_from_path(real / "crl")
    for hours, kinds in ((-1, ("good", "good")), (1, ("stale", "good")), (25, ("stale", "stale"))):
        at = datetime(2019, 7, 3, 22, 0, 9, tzinfo=UTC) + timedelta(hours=hours)
        for name, kind in zip(("default", "guide-ans"), kinds, strict=True):
            policy = parse_policy(
                policy_toml(load_policy(name)).replace('["production"]', '["test"]').encode(), name
            )
            checker = Checker(_store(real), crls=lists, policy=policy)
            assert str(checker.check(leaf, at=at).kind) == kind, (hours, name)


def _store(real: Path):
    from igcsante.certs.anchors import TrustStore

    return TrustStore.from_certificates(certificates_from_path(real / "ca"))
