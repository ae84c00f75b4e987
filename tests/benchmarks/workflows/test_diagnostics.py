"""How a team works together, on teams of which it is known."""

import numpy as np
import pytest

from benchmarks.emergence.play import Match
from benchmarks.emergence.scripted import Layout
from benchmarks.workflows.diagnostics import TRIALS, conflicts_of, diagnose


def test_conflicts_by_hand() -> None:
    prior = np.array([0.5, 0.5, 0.5, 0.01, -0.4])
    correction = np.array([-0.9, -0.9, 0.9, -0.9, 0.2])
    weight = np.array([1.0, 0.1, 0.3, 0.5, 0.0])
    found = conflicts_of(prior, correction, weight)
    assert found.share == pytest.approx(3 / 5)  # a prior of 0.01 is no opinion
    assert found.trust == pytest.approx((1.0 + 0.1 + 0.0) / 3)
    assert found.trust_elsewhere == pytest.approx((0.3 + 0.5) / 2)
    assert found.won_by_correction == pytest.approx(1 / 3)  # 0.5 - 0.9 < 0, 0.5 - 0.09 > 0, -0.4 + 0 < 0
    assert np.isnan(conflicts_of(prior, prior, weight).trust)


class Says:
    """Posts one number in all its numbers, and another from its step `since` on, whatever it observes."""

    def __init__(self, first: float, then: float, since: int) -> None:
        self.first, self.then, self.since = first, then, since

    def initial_memory(self, count: int) -> np.ndarray:
        return np.zeros(count)

    def act(self, observation, memory, rng) -> tuple[np.ndarray, np.ndarray]:
        said = np.where(memory < self.since, self.first, self.then)
        return np.repeat(said[:, None], 2, axis=1), memory + 1


@pytest.mark.parametrize("since", [5, 15])
def test_steps_after_a_judged_trial_count_for_no_conflict(monkeypatch, since) -> None:
    """All worlds but the first end with their tenth step; the first goes on to the fortieth."""
    step = Match.step

    def breaking(match: Match, actions):
        match.taken_steps = getattr(match, "taken_steps", 0) + 1
        if match.taken_steps == 10:
            match.env.game.trials.physics.qvel[1:] = 1e12
        return step(match, actions)

    monkeypatch.setattr(Match, "step", breaking)
    team = {"meta_learning": Says(0.5, 0.5, 0), "adaptation": Says(0.2, -0.2, since)}
    found = diagnose("PointDir-v0", team, {"horizon": 20}).conflicts
    worlds = TRIALS * 20
    opposed = 40 - since + (worlds - 1) * max(0, 10 - since)
    assert found.share == pytest.approx(opposed / (40 + (worlds - 1) * 10))
    assert found.trust == 0.5
    assert found.won_by_correction == 0.0


def test_a_team_whose_prior_must_read_the_belief() -> None:
    team = Layout.of("PointDir-v0").told_team()
    found = diagnose("PointDir-v0", team, {})
    shares = {role: value.estimate for role, value in found.contributions.items()}
    whole = sum(shares.values())
    assert whole > 50.0
    # Whoever is told and whoever tells have half each; nobody else adds anything.
    assert shares["state_modeling"] == pytest.approx(whole / 2, rel=0.1)
    assert shares["meta_learning"] == pytest.approx(whole / 2, rel=0.1)
    assert found.listening.low > 50.0
    assert found.bits > 0.0


def test_a_team_that_hears_nothing() -> None:
    team = Layout.of("PointDir-v0").told_team()
    muted = ["state_modeling", "meta_learning", "adaptation", "coordinator"]
    found = diagnose("PointDir-v0", team, {"muted_roles": muted})
    assert found.listening.estimate == 0.0
    assert found.bits == 0.0
    few = diagnose("PointDir-v0", {"meta_learning": team["meta_learning"]}, {"absent_roles": muted[2:]})
    assert set(few.contributions) == {"meta_learning"}
    assert few.conflicts is None
