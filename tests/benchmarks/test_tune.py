"""The search of settings: equal budgets, present settings first, and the same search after a cut."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from baselines.sb3 import sb3_ppo_config
from benchmarks.runner.software import versions
from benchmarks.tune import methods as searched_methods
from benchmarks.tune import search as search_module
from benchmarks.tune.__main__ import main
from benchmarks.tune.methods import SEARCHED, SEED, WORLD_SEED, Searched
from benchmarks.tune.search import search
from benchmarks.tune.table import tuning_table
from ma_ssm_env import neutral_policy

CHOICES = {"learning_rate": (1, 2, 3, 4), "gamma": (0, 10)}


@pytest.fixture
def toy(monkeypatch):
    """A method whose worth is known: 100 at learning_rate 3 and gamma 10; returns what was trained."""
    trained = []

    def train(scenario, steps, changes, seed):
        trained.append((steps, dict(changes)))
        return {**changes, "seed": seed}

    class Found:
        def __init__(self, changes):
            worth = 90.0 - abs(changes["learning_rate"] - 3) + changes["gamma"]
            self.returns = np.full((4, 3, 2), worth + (changes["seed"] - SEED))

    monkeypatch.setattr(search_module, "evaluate", lambda scenario, players, **options: Found(players))
    settings = {"learning_rate": 1, "gamma": 0, "other": 5}
    monkeypatch.setitem(SEARCHED, "toy", Searched(lambda scenario: settings, CHOICES, train))
    return trained


def test_present_settings_come_first_and_none_twice(toy, tmp_path):
    found = search("PointDir-v0", "toy", 8, 77, tmp_path)
    assert toy[0] == (77, {"learning_rate": 1, "gamma": 0})
    assert len(toy) == found["trials"] == 8
    assert len({tuple(changes.values()) for _, changes in toy}) == 8  # all there are
    assert found["before"] == {"value": 88.0, "settings": {"learning_rate": 1, "gamma": 0}}
    assert found["best"] == {"value": 100.0, "settings": {"learning_rate": 3, "gamma": 10}}
    assert found["best"]["value"] - found["before"]["value"] == 12.0


def test_settings_are_chosen_on_validation_tasks_by_worlds_that_no_run_has(tmp_path, monkeypatch):
    asked, evaluated = [], search_module.evaluate

    def look(scenario, players, **options):
        asked.append(options["split"])
        found = evaluated(scenario, players, **{**options, "trials": 1})
        return SimpleNamespace(returns=found.returns + len(asked))  # the later the better: it is confirmed

    monkeypatch.setattr(search_module, "evaluate", look)
    worlds = []

    def train(scenario, seed, steps, config, *, world_seed, hooks):
        del scenario, steps, config, hooks
        worlds.append((seed, world_seed))
        return SimpleNamespace(policy=neutral_policy(2))

    searched = searched_methods._sb3(sb3_ppo_config, train, {"gamma": (0.9, 0.95)})
    monkeypatch.setitem(SEARCHED, "sb3-ppo", searched)
    search("PointDir-v0", "sb3-ppo", 2, 10, tmp_path, confirm=1)
    assert set(asked) == {"validation"}
    assert worlds[0] == (SEED, WORLD_SEED)
    assert len({world for seed, world in worlds}) == len({seed for seed, _ in worlds}) == 2


def test_a_search_goes_on_where_it_was_cut(toy, tmp_path, monkeypatch):
    whole = search("PointDir-v0", "toy", 6, 77, tmp_path / "whole")
    order = list(toy)
    toy.clear()
    play = search_module.evaluate

    def killed(scenario, players, **options):
        if len(toy) == 3:
            raise KeyboardInterrupt
        return play(scenario, players, **options)

    monkeypatch.setattr(search_module, "evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        search("PointDir-v0", "toy", 6, 77, tmp_path / "cut")
    monkeypatch.setattr(search_module, "evaluate", play)
    assert toy == order[:3]
    again = search("PointDir-v0", "toy", 6, 77, tmp_path / "cut")
    assert toy == [*order[:3], *order[2:]]  # the trial that was cut is run again
    assert again["all"] == whole["all"]
    assert search("PointDir-v0", "toy", 6, 77, tmp_path / "cut") == again


def test_divergence_is_the_worst_and_does_not_end_the_search(toy, tmp_path, monkeypatch):
    train = SEARCHED["toy"].train

    def diverges(scenario, steps, changes, seed):
        if changes["learning_rate"] == 1:
            raise FloatingPointError("loss is nan")
        return train(scenario, steps, changes, seed)

    monkeypatch.setitem(SEARCHED, "toy", Searched(SEARCHED["toy"].settings, CHOICES, diverges))
    found = search("PointDir-v0", "toy", 8, 77, tmp_path)
    assert found["before"]["value"] is None
    assert found["best"]["value"] == 100.0
    told = search("PointDir-v0", "toy", 8, 77, tmp_path, confirm=2)["confirmed"]
    assert told == {"before": [None, None], "best": [101.0, 102.0]}


def test_what_is_gained_is_confirmed_with_seeds_that_the_search_has_not_used(toy, tmp_path, monkeypatch):
    search("PointDir-v0", "toy", 8, 77, tmp_path)
    toy.clear()
    play, plays = search_module.evaluate, []

    def killed(scenario, players, **options):
        plays.append(players["seed"])
        if len(plays) == 4:
            raise KeyboardInterrupt
        return play(scenario, players, **options)

    monkeypatch.setattr(search_module, "evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        search("PointDir-v0", "toy", 8, 77, tmp_path, confirm=3)
    found = search("PointDir-v0", "toy", 8, 77, tmp_path, confirm=3)
    assert plays == [SEED + n for n in (1, 1, 2, 2, 2, 3, 3)]  # the one that was cut off is done again
    assert found["confirmed"] == {"before": [89.0, 90.0, 91.0], "best": [101.0, 102.0, 103.0]}
    done = len(toy)
    earlier = {"steps": 77, **json.loads(json.dumps(found))}
    assert search("PointDir-v0", "toy", 8, 77, tmp_path / "without the journal", 0, earlier) == found
    assert len(toy) == done  # nothing that was found out is dropped, or done again
    (tmp_path / "t.json").write_text(json.dumps({"methods": {"toy": earlier}}))
    (line,) = tuning_table(tmp_path / "t.json").splitlines()[2:]
    # Two samples of deviation 1: standard error sqrt(2/3), 4 degrees of freedom, t = 2.776.
    assert "| 3 | 12.0 (9.7 to 14.3) |" in line
    assert "| lr 1, gamma 0 | 88.0 | lr 3, gamma 10 | 100.0 |" in line


def test_an_outcome_without_its_journal_is_gone_on_from(toy, tmp_path):
    arguments = ["--methods", "toy", "--trials", "4", "--steps", "5", "--confirm", "0"]
    assert main([*arguments, "--out", str(tmp_path / "a")]) == 0
    first = json.loads((tmp_path / "a" / "PointDir-v0.json").read_text())["methods"]["toy"]
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "PointDir-v0.json").write_text((tmp_path / "a" / "PointDir-v0.json").read_text())
    done = len(toy)
    assert main([*arguments, "--trials", "6", "--out", str(tmp_path / "b")]) == 0
    assert len(toy) == done + 2
    again = json.loads((tmp_path / "b" / "PointDir-v0.json").read_text())["methods"]["toy"]
    assert again["all"][:4] == first["all"]
    assert again["trials"] == 6
    assert main([*arguments, "--trials", "6", "--steps", "7", "--out", str(tmp_path / "b")]) == 0
    assert len(toy) == done + 2 + 6  # another length is another search


def test_settings_that_stay_are_not_trained_again(toy, tmp_path):
    monkey = {"learning_rate": 3, "gamma": 10}
    SEARCHED["toy"] = Searched(lambda scenario: monkey, CHOICES, SEARCHED["toy"].train)
    found = search("PointDir-v0", "toy", 3, 77, tmp_path, confirm=2)
    assert len(toy) == 3
    assert "confirmed" not in found
    (tmp_path / "t.json").write_text(json.dumps({"methods": {"toy": {"steps": 77, **found}}}))
    assert "the same, of 3 | 100.0 | - | 0 |" in tuning_table(tmp_path / "t.json")


def test_the_outcome_is_kept_by_method(toy, tmp_path, capsys):
    arguments = ["--methods", "toy", "--trials", "2", "--steps", "5", "--out", str(tmp_path)]
    assert main(arguments) == 0
    table = json.loads((tmp_path / "PointDir-v0.json").read_text())
    assert table["methods"]["toy"]["steps"] == 5
    assert table["methods"]["toy"]["versions"] == [versions()]
    assert "versions" not in table  # of all methods, made at different times, nobody can say
    assert main([*arguments[:1], "nothing", *arguments[2:]]) == 2
    assert "method 'nothing': one of sb3-ppo" in capsys.readouterr().err


def of_other_versions(path, old_format=False):
    """Make the outcomes at `path` those of another MuJoCo, as files of now or of before say it."""
    table = json.loads(path.read_text())
    other = {**versions(), "mujoco": "3.14.0"}
    for found in table["methods"].values():
        found["versions"] = [other]
        if old_format:
            del found["versions"]
    path.write_text(json.dumps({**table, "versions": other} if old_format else table))
    return other


@pytest.mark.parametrize("old_format", [False, True])
def test_a_method_that_is_searched_again_leaves_the_versions_of_the_others(toy, tmp_path, old_format):
    SEARCHED["toy2"] = SEARCHED["toy"]
    try:
        arguments = ["--trials", "2", "--steps", "5", "--confirm", "0", "--out", str(tmp_path)]
        path = tmp_path / "PointDir-v0.json"
        assert main(["--methods", "toy", *arguments]) == 0
        other = of_other_versions(path, old_format)
        assert "Mixed" not in tuning_table(path)
        assert main(["--methods", "toy2", *arguments]) == 0
        table = json.loads(path.read_text())
        assert table["methods"]["toy"]["versions"] == [other]
        assert table["methods"]["toy2"]["versions"] == [versions()]
        assert f"\nMixed versions: mujoco 3.14.0 / {versions()['mujoco']}." in tuning_table(path)
    finally:
        del SEARCHED["toy2"]


@pytest.mark.parametrize("old_format", [False, True])
def test_a_search_does_not_go_on_with_other_versions_unasked(toy, tmp_path, old_format, capsys):
    arguments = ["--methods", "toy", "--steps", "5", "--confirm", "0"]
    first, path = tmp_path / "a", tmp_path / "b" / "PointDir-v0.json"
    assert main([*arguments, "--trials", "2", "--out", str(first)]) == 0
    path.parent.mkdir()
    path.write_text((first / path.name).read_text())
    other, done = of_other_versions(path, old_format), len(toy)
    arguments += ["--out", str(path.parent), "--trials"]
    assert main([*arguments, "2"]) == 0  # nothing is trained, and nothing is said to be of now
    assert json.loads(path.read_text())["methods"]["toy"]["versions"] == [other]
    capsys.readouterr()
    for more in (["3"], ["2", "--confirm", "1"]):
        assert main([*arguments, *more]) == 2
        assert "begun with mujoco 3.14.0 (here " in capsys.readouterr().err
        assert len(toy) == done
    assert main([*arguments, "3", "--allow-mixed"]) == 0
    assert len(toy) == done + 1
    assert json.loads(path.read_text())["methods"]["toy"]["versions"] == [other, versions()]
    assert "Mixed versions: mujoco" in tuning_table(path)


def test_a_journal_of_before_is_of_the_versions_that_its_outcome_says(toy, tmp_path):
    arguments = ["--methods", "toy", "--steps", "5", "--confirm", "0", "--out", str(tmp_path)]
    journal, path = tmp_path / "journal.log", tmp_path / "PointDir-v0.json"
    assert main([*arguments, "--trials", "2"]) == 0
    lines = [line for line in journal.read_text().splitlines(True) if '"versions"' not in line]
    journal.write_text("".join(lines))
    of_other_versions(path, old_format=True)
    outcome = path.read_text()
    assert main([*arguments, "--trials", "3"]) == 2
    assert len(toy) == 2
    journal.write_text("".join(lines))
    table = json.loads(outcome)
    del table["versions"]
    path.write_text(json.dumps(table))
    assert main([*arguments, "--trials", "3"]) == 0
    assert json.loads(path.read_text())["methods"]["toy"]["versions"] == [{}, versions()]
    assert "Mixed versions: not recorded in 1 of 2 records" in tuning_table(path)


@pytest.mark.parametrize("method", list(SEARCHED))
@pytest.mark.parametrize("scenario", ["PointDir-v0", "HalfCheetahVel-v0"])
def test_present_settings_are_among_those_that_are_searched(method, scenario):
    settings = SEARCHED[method].settings(scenario)
    for name, choices in SEARCHED[method].choices.items():
        assert settings[name] in choices
