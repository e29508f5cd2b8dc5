"""Policies: those that are shipped, those of a file, and what a wrong one is told."""

from datetime import timedelta

import pytest

from igcsante.certs.policy import Policy, Requirement, Source, load_policy, shipped_policies
from igcsante.errors import ConfigError


def test_the_named_policies_are_shipped_and_the_default_one_is_the_code_s():
    assert [policy.name for policy in shipped_policies()] == [
        "default",
        "guide-ans",
        "offline",
        "strict",
    ]
    default = load_policy("default")
    assert default == Policy(description=default.description)
    assert load_policy("strict").worlds == {"production"}
    assert not load_policy("offline").fetch


def test_policy_of_a_file(tmp_path):
    path = tmp_path / "ours.toml"
    path.write_text(
        'worlds = ["test"]\nusages = ["clientAuth"]\n'
        '[revocation]\ncas = "prefer"\nsources = ["ocsp"]\nmax_age = 26\ngrace = 0.5\n'
        '[path]\ninitial_policies = ["1.2.3"]\nexplicit_policy = true\nmax_length = 3\n'
        "[algorithms]\nlegacy = true\n"
    )
    policy = load_policy(str(path))
    assert policy.name == "ours" and policy.worlds == {"test"} and policy.usages == {"clientAuth"}
    assert policy.revocation.leaf is Requirement.REQUIRE
    assert policy.revocation.cas is Requirement.PREFER
    assert policy.revocation.sources == (Source.OCSP,)
    assert policy.revocation.max_age == timedelta(hours=26)
    assert policy.revocation.grace == timedelta(minutes=30)
    assert policy.path.initial_policies == {"1.2.3"} and policy.path.explicit_policy
    assert policy.path.max_length == 3 and policy.algorithms.legacy


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("worlds = []", "worlds is a list of other, production, test"),
        ('worlds = ["mars"]', "worlds is a list of"),
        ("fetch = 1", "fetch is true or false"),
        ("[revocation]\nleaf = 'maybe'", "leaf is one of require, prefer, off"),
        ("[revocation]\nsources = []", "sources is a list of crl, ocsp"),
        ("[revocation]\nsources = ['crl', 'crl']", "sources is a list of"),
        ("[revocation]\ngrace = -1", "grace is a number of hours"),
        ("[revocation]\ngrace = nan", "grace is a number of hours"),
        ("[revocation]\ngrace = 1e300", "grace is a number of hours"),
        ("[path]\nmax_length = 0", "max_length is a whole number, 1 or more"),
        ("[path]\nmax_length = true", "max_length is a whole number"),
        ("path = 3", "path is a table"),
        ("usages = 'clientAuth'", "usages is a list of strings"),
        ("wolrds = ['test']", "unknown key 'wolrds'"),
        ("= =", "not a TOML file"),
    ],
)
def test_wrong_policy_file_is_told_with_its_name(tmp_path, text, told):
    path = tmp_path / "ours.toml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_policy(str(path))
    assert told in caught.value.message and "ours.toml" in caught.value.message


def test_near_name_is_proposed():
    with pytest.raises(ConfigError) as caught:
        load_policy("strikt")
    assert "did you mean 'strict'?" in (caught.value.advice or "")
