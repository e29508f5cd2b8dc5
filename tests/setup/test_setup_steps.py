"""Each step of ``igc setup``: what it is settled by, and what it says to do when it isn't."""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from igcsante.card import readers
from igcsante.cli import main
from igcsante.cli.schemas import schema
from igcsante.config import config_path, resolve
from igcsante.doctor.finding import ok, problem
from igcsante.doctor.masking import revealed
from igcsante.errors import ConfigError, UsageError
from igcsante.messages import localized, tr
from igcsante.setup import STEPS, Act, Journey, Mark, Record, Seen, State, chosen, look
from igcsante.setup import steps as module
from igcsante.setup.form import ADDRESS, checklist
from igcsante.setup.writing import Lines
from igcsante.testing.cards import SimulatedCard, SimulatedReader, load_profile
from igcsante.testing.world import SimulatedWorld
from igcsante.ws.contract.mapping import contract_file

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
See = Callable[[str], Seen]
MOCK = (
    contract_file("pfc-mock.wsdl"),
    Path(contract_file("pfc-mock.wsdl")).parent / "mapping.toml",
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimulatedWorld:
    return SimulatedWorld(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without readers, configuration or data."""
    monkeypatch.setenv("IGC_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("IGC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("IGC_LANG", "en")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(readers, "system_readers", list)


@pytest.fixture
def see() -> See:
    """A step, looked at in the profile ``test``."""

    def look_at(name: str) -> Seen:
        (step,) = chosen(name)
        return look(step, Journey("test", Record("test"), datetime.now(UTC)))

    return look_at


def insert(
    world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch, name: str = "cps3", **changes: Any
) -> None:
    profile = load_profile(name)
    card = SimulatedCard(replace(profile, **changes), world.card_material(profile))
    reader = SimulatedReader("Simulated reader", card)
    monkeypatch.setattr(readers, "system_readers", lambda: [reader])


def write(text: str) -> None:
    config_path().parent.mkdir(exist_ok=True)
    config_path().write_text("[profiles.test]\n" + text)


def problems(seen: Seen) -> str:
    """What is wrong, each with its remedy: none lacks one."""
    wrong = [finding for finding in seen.findings if finding.status == "problem"]
    assert (seen.state is State.TODO) == bool(wrong)
    assert all(finding.remedy for finding in wrong)
    return "\n".join(f"{revealed(f.seen)}: {revealed(f.remedy)}" for f in wrong)


# -- each check fails with its remedy, and passes ---------------------------------------------


def test_no_reader(see: See, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no reader can be used: plug one in" in problems(see("reader"))
    insert(world, monkeypatch)
    assert problems(see("reader")) == ""


def test_no_card(see: See, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "system_readers", lambda: [SimulatedReader("Empty")])
    assert "insert the test card" in problems(see("card"))
    assert see("reader").settled
    insert(world, monkeypatch)
    assert problems(see("card")) == ""


def test_a_real_card_is_not_one_for_tests(
    see: See, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = replace(load_profile("cps3"), test=False)
    card = SimulatedCard(profile, world.card_material(profile))
    monkeypatch.setattr(readers, "system_readers", lambda: [SimulatedReader("R", card)])
    assert "the card is a real one" in problems(see("card"))


def test_a_blocked_pin(see: See, world: SimulatedWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    insert(world, monkeypatch, pin_tries_left=0)
    assert "igc card pin unblock" in problems(see("card"))


def test_a_profile_that_says_too_little(see: See) -> None:
    told = problems(see("profile"))
    assert "names no platform" in told
    assert "igc --profile test config set platform URL" in told
    assert main.run(["--profile", "test", "config", "set", "platform", "https://x.example/"]) == 0
    assert "names no platform" not in problems(see("profile")), "what it says to do helps"
    write('platform = "https://pfc.example/service"\n')
    assert "does not name both WSDL and mapping file" in problems(see("profile"))
    write('platfrom = "https://pfc.example/service"\n')
    assert "config.toml:2" in problems(see("profile"))
    write(f'platform = "https://pfc.example/s"\nwsdl = "{MOCK[0]}"\nmapping = "{MOCK[1]}"\n')
    assert problems(see("profile")) == ""


def test_a_contract_that_does_not_fit(see: See, tmp_path: Path) -> None:
    assert "igc --profile test setup profile" in problems(see("contract"))
    pair = f'platform = "https://pfc.example/s"\nwsdl = "{MOCK[0]}"\nmapping = '
    write(pair + f'"{tmp_path / "none.toml"}"\n')
    assert "the contract can't be used" in problems(see("contract"))
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(MOCK[1].read_text().replace('"idProduit"', '"idProdiut"'))
    write(pair + f'"{wrong}"\n')
    assert "igc ws check-mapping" in problems(see("contract"))
    write(pair + f'"{MOCK[1]}"\n')
    assert problems(see("contract")) == ""


def test_no_authority(see: See, world: SimulatedWorld) -> None:
    assert "igc trust fetch" in problems(see("anchors"))
    write('anchors = ["/nowhere"]\n')
    assert "mend the key anchors" in problems(see("anchors"))
    write(f'anchors = ["{world.directory / "anchors"}"]\n')
    assert problems(see("anchors")) == ""


def test_lists_that_are_absent_or_old(see: See, world: SimulatedWorld, tmp_path: Path) -> None:
    assert "igc crl update" in problems(see("lists"))
    code = next(iter(world.pki.authorities))
    (tmp_path / "a.crl").write_bytes(world.pki.crl(code, datetime.now(UTC)))
    anchors = world.directory / "anchors"
    assert main.run(["crl", "index", str(tmp_path / "a.crl"), "--anchors", str(anchors)]) == 0
    told = problems(see("lists"))
    assert "no revocation list of an authority that is trusted is kept" in told, "of others only"
    write(f'anchors = ["{anchors}"]\n')
    assert problems(see("lists")) == ""
    (step,) = chosen("lists")
    later = Journey("test", Record("test"), datetime(2030, 1, 1, tzinfo=UTC))
    assert "igc crl update" in problems(look(step, later))


def test_nothing_ordered(see: See) -> None:
    write('platform = "https://pfc.example/s"\n')
    assert "igc --profile test setup order" in problems(see("order"))
    assert not (config_path().parents[1] / "data").exists(), "a journal is not made by looking"


def test_what_no_machine_sees_is_settled_by_what_was_noted(see: See) -> None:
    for step in STEPS:
        if step.check is None:
            assert see(step.id).state is State.TODO
            Record("test").note(step.id, date(2026, 1, 2))
            expected = State.DONE if step.act is Act.RUN else State.DECLARED
            assert (see(step.id).state, see(step.id).on) == (expected, date(2026, 1, 2))


# -- the steps themselves ---------------------------------------------------------------------


def test_steps_are_asked_or_seen_and_need_earlier_ones() -> None:
    ids = [step.id for step in STEPS]
    assert len(set(ids)) == len(ids) and ids == sorted(ids, key=ids.index)
    for index, step in enumerate(STEPS):
        assert set(step.needs) <= set(ids[:index])
        assert bool(step.question) == (step.act is Act.ASK)
        assert bool(step.command) == bool(step.effect) == (step.act is Act.RUN)
        assert step.check or step.question or step.command


def test_a_fact_says_how_sure_it_is_and_official_ones_where_they_stand() -> None:
    facts = [fact for step in STEPS for fact in step.facts]
    assert {fact.mark for fact in facts} == set(Mark)
    for fact in facts:
        assert bool(fact.source) == (fact.mark is Mark.OFFICIAL)
        assert fact.line.endswith("]")


def test_delays_are_not_invented() -> None:
    (step,) = chosen("accepted")
    assert [f.text for f in step.facts if f.mark is Mark.UNKNOWN] == [
        "How many days each of them takes."
    ]


def test_commands_of_steps_exist() -> None:
    for step in STEPS:
        if step.command:
            assert main.run([*step.command, "--help"]) == 0


def test_the_steps_are_known_by_name() -> None:
    assert [step.id for step in chosen(phase=1)][:2] == ["form", "sent"]
    with pytest.raises(UsageError) as wrong:
        chosen("anchor")
    assert "'anchors'" in wrong.value.advice


def test_a_source_is_told_by_its_title() -> None:
    """Its key in our notes means nothing to others."""
    gathered = " ".join(checklist().split())
    text = "\n".join(fact.line for step in STEPS for fact in step.facts) + gathered
    told = " ".join(re.findall(r"\[official: ([^]]+)\]", text))
    assert not re.search(r"\b(G-DEM|G-RET|HUB|GNIUS)\b|(?<!form )\bF41\d|FAQ(?! des)", told)
    assert "[official: FAQ des industriels (industriels.esante.gouv.fr), form F414 §4.2]" in (
        gathered
    )
    assert "[official: form F414 §1, §5.3]" in gathered


def test_a_step_is_not_of_another_phase() -> None:
    with pytest.raises(UsageError, match="the step order is in phase 2, not 1") as wrong:
        chosen("order", 1)
    assert wrong.value.advice == "leave out --phase"
    assert [step.id for step in chosen("order", 2)] == ["order"]


def test_no_address_but_those_of_the_facts_sheet() -> None:
    text = inspect.getsource(module) + checklist()
    strings = [n.value for n in ast.walk(ast.parse(inspect.getsource(module)))
               if isinstance(n, ast.Constant) and isinstance(n.value, str)]  # fmt: skip
    assert ADDRESS in text
    assert not any("http" in s and "http_hosts" not in s for s in strings)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_list_for_the_form_is_written_as_one_prints_it(
    monkeypatch: pytest.MonkeyPatch, language: str
) -> None:
    monkeypatch.setenv("IGC_LANG", language)
    lines = checklist().splitlines()
    assert [line for line in lines if len(line) > 80] == []
    assert len([line for line in lines if line.startswith("[ ] ")]) == 13
    before = re.findall(r"(.):\s+_{20}$", checklist(), re.MULTILINE)
    assert len(before) == 13
    assert [char for char in before if (char == "\xa0") != (language == "fr")] == []


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_question_and_its_answers_stand_on_one_line(language: str) -> None:
    for step in STEPS:
        asked = localized(tr("{question} [y/n]", question=step.question or ""), language)
        assert len(f"{asked}\xa0: o") <= 80, asked


def test_every_remedy_is_something_to_do(see: See) -> None:
    write('platform = "https://pfc.example/service"\n')
    remedies = [f.remedy for step in STEPS for f in see(step.id).findings if f.remedy]
    assert "name both, with igc --profile test setup profile" in map(revealed, remedies)
    assert [remedy for remedy in remedies if "without them" in remedy] == []


# -- what is kept -----------------------------------------------------------------------------


def test_a_record_has_dates_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "setup.json"
    Record("test", path).note("sent", date(2026, 1, 2))
    Record("a b", path).note("sent", date(2026, 1, 3))
    assert json.loads(path.read_text()) == {
        "format": 1,
        "profiles": {"test": {"sent": "2026-01-02"}, "a b": {"sent": "2026-01-03"}},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert Record("test", path).day("sent") == date(2026, 1, 2)
    again = Record("test", path)
    again.forget("sent")
    assert Record("test", path).day("sent") is None
    assert Record("a b", path).day("sent") == date(2026, 1, 3)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2, "profiles": {}}',
        '{"format": 1, "profiles": []}',
        '{"format": 1, "profiles": {"test": 3}}',
        '{"format": 1, "profiles": {"test": {"sent": 3}}}',
        '{"format": 1, "profiles": {"test": {"sent": "yesterday"}}}',
        "[" * 50_000,
    ],
)
def test_a_damaged_record_is_told_and_left(tmp_path: Path, text: str) -> None:
    path = tmp_path / "setup.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"setup\.json is not what igc setup wrote"):
        Record("test", path)
    assert path.read_text() == text


def test_lines_are_shown_as_they_are_written() -> None:
    lines = Lines.of("ma maison", {"platform": ("https://pfc.example/é",), "wsdl": ("/a/b.wsdl",)})
    lines.write()
    assert lines.text() in config_path().read_text()
    found = resolve("ma maison").profile
    assert (found.platform, found.wsdl) == ("https://pfc.example/é", Path("/a/b.wsdl"))
    with pytest.raises(UsageError):
        Lines.of("test", {"platform": ("ftp://x",)})


# -- the command, without a terminal ----------------------------------------------------------


def test_without_a_terminal_it_lists_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(["setup"]) == 2
    told = capsys.readouterr()
    assert "Next: fill in form F414" in told.out and "Go on with: igc setup" in told.out
    assert "no reader can be used" in told.out
    assert "nothing was changed" in told.err
    assert list(tmp_path.iterdir()) == []
    assert max(map(len, told.out.splitlines())) <= 80
    assert main.run(["setup", "--list"]) == 0
    assert main.run(["setup", "sent"]) == 2
    assert ADDRESS in capsys.readouterr().out


def test_without_a_terminal_and_nothing_left_it_ends_well() -> None:
    Record("test").note("sent", date(2026, 1, 2))
    assert main.run(["setup", "sent"]) == 0


def test_the_json_is_as_its_schemas_say(capsys: pytest.CaptureFixture[str]) -> None:
    Record("test").note("form", date(2026, 1, 2))
    assert main.run(["setup", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for line in lines:
        validator = Draft202012Validator(schema(line["schema"]))
        assert list(validator.iter_errors(line)) == []
        for key in line:
            assert not validator.is_valid({k: v for k, v in line.items() if k != key})
    *found, end = lines
    assert [line["step"] for line in found] == [step.id for step in STEPS]
    assert (found[0]["state"], found[0]["on"], found[0]["todo"]) == ("declared", "2026-01-02", "")
    assert end == {
        "schema": "igc.setup/1",
        "profile": "test",
        "settled": 1,
        "steps": 14,
        "next": "sent",
    }


def test_the_profile_is_that_of_the_option_else_of_the_variable(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main.run(["--profile", "new", "setup", "--list"])
    assert capsys.readouterr().out.startswith("Profile: new\n")
    monkeypatch.setenv("IGC_PROFILE", "prod")
    main.run(["setup", "--list"])
    assert capsys.readouterr().out.startswith("Profile: prod\n")


def test_the_simulation_leaves_the_machine_as_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = dict(__import__("os").environ)
    assert main.run(["setup", "--simulation", "--json", "--phase", "2"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    states = {line["step"]: line["state"] for line in lines[:-1]}
    assert (states["reader"], states["card"], states["profile"]) == ("done", "done", "todo")
    assert dict(__import__("os").environ) == before and readers.system_readers is list
    assert list(tmp_path.iterdir()) == []


def test_the_list_for_the_form_is_written_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "F414.txt"
    assert main.run(["setup", "--out", str(out)]) == 0
    assert ADDRESS in out.read_text("utf-8") and out.stat().st_mode & 0o777 == 0o600
    out.write_text("mine")
    assert main.run(["setup", "--out", str(out)]) == 1
    assert out.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [out]


def test_a_step_is_settled_unless_something_is_a_problem() -> None:
    step = replace(chosen("reader")[0], check=lambda _: [ok("a"), problem("b", "c")])
    journey = Journey("test", Record("test"), AT)
    assert look(step, journey).state is State.TODO
    assert look(replace(step, check=lambda _: [ok("a")]), journey).state is State.DONE
