"""The search of settings: equal budgets, present settings first, and the same search after a cut."""

import json

import numpy as np
import pytest

from benchmarks import tune
from benchmarks.tune import SEARCHED, Searched, main, search

CHOICES = {"learning_rate": (1, 2, 3, 4), "gamma": (0, 10)}


@pytest.fixture
def toy(monkeypatch):
    """A method whose worth is known: 100 at learning_rate 3 and gamma 10; returns what was trained."""
    trained = []

    def train(scenario, steps, changes):
        trained.append((steps, dict(changes)))
        return changes

    class Found:
        def __init__(self, changes):
            self.returns = np.full((4, 3, 2), 90.0 - abs(changes["learning_rate"] - 3) + changes["gamma"])

    monkeypatch.setattr(tune, "evaluate", lambda scenario, players, **options: Found(players))
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
    assert found["gained"] == 12.0


def test_a_search_goes_on_where_it_was_cut(toy, tmp_path, monkeypatch):
    whole = search("PointDir-v0", "toy", 6, 77, tmp_path / "whole")
    order = list(toy)
    toy.clear()
    play = tune.evaluate

    def killed(scenario, players, **options):
        if len(toy) == 3:
            raise KeyboardInterrupt
        return play(scenario, players, **options)

    monkeypatch.setattr(tune, "evaluate", killed)
    with pytest.raises(KeyboardInterrupt):
        search("PointDir-v0", "toy", 6, 77, tmp_path / "cut")
    monkeypatch.setattr(tune, "evaluate", play)
    assert toy == order[:3]
    again = search("PointDir-v0", "toy", 6, 77, tmp_path / "cut")
    assert toy == [*order[:3], *order[2:]]  # the trial that was cut is run again
    assert again["all"] == whole["all"]
    assert search("PointDir-v0", "toy", 6, 77, tmp_path / "cut") == again


def test_divergence_is_the_worst_and_does_not_end_the_search(toy, tmp_path, monkeypatch):
    train = SEARCHED["toy"].train

    def diverges(scenario, steps, changes):
        if changes["learning_rate"] == 1:
            raise FloatingPointError("loss is nan")
        return train(scenario, steps, changes)

    monkeypatch.setitem(SEARCHED, "toy", Searched(SEARCHED["toy"].settings, CHOICES, diverges))
    found = search("PointDir-v0", "toy", 8, 77, tmp_path)
    assert found["before"]["value"] is None
    assert found["best"]["value"] == 100.0


def test_the_outcome_is_kept_by_method(toy, tmp_path, capsys):
    arguments = ["--methods", "toy", "--trials", "2", "--steps", "5", "--out", str(tmp_path)]
    assert main(arguments) == 0
    table = json.loads((tmp_path / "PointDir-v0.json").read_text())
    assert table["methods"]["toy"]["steps"] == 5
    assert table["versions"]["mujoco"]
    assert main([*arguments[:1], "nothing", *arguments[2:]]) == 2
    assert "method 'nothing': one of sb3-ppo" in capsys.readouterr().err


@pytest.mark.parametrize("method", list(SEARCHED))
@pytest.mark.parametrize("scenario", ["PointDir-v0", "HalfCheetahVel-v0"])
def test_present_settings_are_among_those_that_are_searched(method, scenario):
    settings = SEARCHED[method].settings(scenario)
    for name, choices in SEARCHED[method].choices.items():
        assert settings[name] in choices
