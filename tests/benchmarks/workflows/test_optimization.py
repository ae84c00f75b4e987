"""The search for a team: what it asks, how it goes on, and what it says mattered."""

import pytest

from benchmarks.workflows import Choices, EmergentOptimization
from benchmarks.workflows import optimization as module
from benchmarks.workflows.optimization import explained_variance
from policies.training import Training

TINY = Choices(
    roles=("all", "adaptation"), core=("mlp",), width=(4,), belief_size=(2, 8), bandwidth_cost=(0.01,)
)


@pytest.mark.slow
def test_a_search_trains_teams_and_goes_on(tmp_path, monkeypatch) -> None:
    search = EmergentOptimization(choices=TINY)
    given = {"budget": 3_200, "out": tmp_path, "progress": False}
    whole = search.search("PointDir-v0", trials=3, **{**given, "out": tmp_path / "whole"})
    iterate, calls = Training.iterate, []

    def interrupted(self: Training) -> dict[str, float]:
        calls.append(self.config)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return iterate(self)

    monkeypatch.setattr(Training, "iterate", interrupted)
    with pytest.raises(KeyboardInterrupt):
        search.search("PointDir-v0", trials=3, **given)
    found = search.search("PointDir-v0", trials=3, **given)
    assert found.trials == whole.trials
    assert calls[1] == calls[2]  # the trial that was cut off, again
    assert len(calls) == 4
    settings = [tuple(s.items()) for s, _ in found.trials]
    assert len(set(settings)) == 3  # no team is trained twice
    assert found.worth == max(worth for _, worth in found.trials)
    assert sum(count for _, count in found.effects["roles"].values()) == 3
    assert "3 teams of 3,200 steps" in str(found)
    assert ("adaptation" in found.workflow.agents) == (found.best["roles"] == "all")
    with pytest.raises(ValueError, match="holds a search with"):
        EmergentOptimization(choices=Choices(core=("mlp",))).search("PointDir-v0", trials=3, **given)


def test_what_mattered_is_found(tmp_path, monkeypatch) -> None:
    def worth(self, settings, *rest):
        return (1.0 if settings["belief_size"] == 8 else 0.0) + 0.01 * settings["width"], 0.5

    monkeypatch.setattr(EmergentOptimization, "_worth", worth)
    search = EmergentOptimization(choices=Choices(core=("mlp",), width=(1, 2), belief_size=(2, 8)))
    found = search.search("PointDir-v0", trials=16, budget=1, out=tmp_path, progress=False)
    assert next(iter(found.explained)) == "belief_size"
    assert found.explained["belief_size"] > 0.2
    assert sum(found.explained.values()) <= 1.0 + 1e-9
    assert all(share < 0.01 for name, share in found.explained.items() if name != "belief_size")
    assert found.best["belief_size"] == 8
    assert found.effects["belief_size"][8][0] > found.effects["belief_size"][2][0] + 0.9
    assert "belief_size (" in str(found)


def test_what_is_explained_by_hand() -> None:
    trials = [({"a": a, "b": b, "c": 1}, 3.0 * a + b) for a in (0, 1) for b in (0, 1)] * 2
    found = explained_variance(trials)
    assert list(found) == ["a", "b"]
    assert found == pytest.approx({"a": 0.9, "b": 0.1})
    together = [({"a": a, "b": a}, float(a)) for a in (0, 1)] * 3  # tried together: neither alone
    assert explained_variance(together) == pytest.approx({"a": 0.0, "b": 0.0})
    assert explained_variance(trials[:3]) == {}


def test_a_team_that_diverges_is_the_worst_there_can_be(tmp_path, monkeypatch) -> None:
    def diverges(*given):
        raise FloatingPointError("loss is nan")

    monkeypatch.setattr(module, "train_team", diverges)
    found = EmergentOptimization(choices=TINY).search(
        "PointDir-v0", trials=1, budget=3_200, out=tmp_path, progress=False
    )
    assert found.worth == module.DIVERGED


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Choices(roles=("environment",)), "roles='environment'"),
        (lambda: Choices(core=()), r"core=\(\)"),
        (lambda: Choices(core=("rnn",)), "core='rnn'"),
        (lambda: Choices(width=(8, 8)), "width="),
        (lambda: EmergentOptimization().search("PointDir-v0", trials=0), "trials=0"),
        (lambda: EmergentOptimization().search("PointDir-v9"), "PointDir-v0 is meant"),
    ],
)
def test_what_cannot_be_searched_is_named(make, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        make()
