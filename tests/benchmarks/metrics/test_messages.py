"""Influence, signalling, listening, diversity, ablations and the joint verdicts on outputs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtri

from benchmarks.metrics import outputs
from benchmarks.metrics.ablations import ablation, retrained
from benchmarks.metrics.communication import listening, return_against_bits
from benchmarks.metrics.conditioning import residuals
from benchmarks.metrics.diversity import diversity, system_neural_diversity, wasserstein
from benchmarks.metrics.influence import belief_finding, influence, post_finding
from benchmarks.metrics.principal import principal_directions
from benchmarks.metrics.signalling import task_signalling, velocity_signalling


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- influence ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "s"), [(0.5, 1.0), (1.0, 1.0), (3.0, 1.0)])
def test_influence_on_a_linear_listener(k: float, s: float) -> None:
    # Messages at the quantiles of N(0, 1) in turn: every one comes once, against all.
    J = 400
    message = ndtri((np.arange(J) + 0.5) / J)[:, None]
    means = np.stack([np.roll(k * message, -j, axis=0) for j in range(J)])
    found = influence(means, np.array([s]), rng(), samples=64).mean()
    assert found == pytest.approx(0.5 * math.log(1 + k * k / s**2), abs=0.03)


def test_a_deaf_listener_gives_exactly_nothing() -> None:
    for J in (2, 4, 7, 8, 10):  # the reference implementation gives ln 4 for four messages
        means = np.repeat(rng(J).uniform(-1, 1, (1, 50, 3)), J, axis=0)
        assert (influence(means, np.array([0.1, 0.3, 1.0]), rng()) == 0.0).all()


def test_influence_is_at_most_the_log_of_the_pool() -> None:
    means = np.arange(5.0)[:, None, None] * 100.0 + np.zeros((5, 10, 2))
    assert influence(means, np.ones(2), rng()) == pytest.approx(np.full(10, math.log(5)))
    with pytest.raises(ValueError, match="positive"):
        influence(means, np.array([1.0, 0.0]), rng())


def test_noise_is_no_influence_of_what_is_said() -> None:
    noise = rng(1).uniform(0.1, 0.3, 20)
    same = belief_finding("r", noise + 0.01 * rng(2).standard_normal(20), noise, 0.001, rng())
    assert same.verdict == "no evidence"
    said = belief_finding("r", noise + 0.2, noise, 0.001, rng())
    assert (said.verdict, said.value) == ("coordination", pytest.approx(0.2))
    assert belief_finding("r", noise + 0.2, noise, 0.5, rng()).verdict == "association"
    deaf = belief_finding("r", np.zeros(20), np.zeros(20), 0.001, rng())
    assert (deaf.verdict, deaf.p) == ("no evidence", 1.0)
    assert "deaf" in deaf.words


def test_posts_are_judged_by_returns() -> None:
    assert post_finding("prior", "r", np.full(20, 0.1), 0.01, rng()).verdict == "coordination"
    assert post_finding("prior", "r", np.full(20, 0.1), 0.4, rng()).verdict == "association"
    assert post_finding("prior", "r", np.zeros(20), 0.01, rng()).verdict == "no evidence"


# -- signalling -----------------------------------------------------------------------------------------

T, N, J = 20, 15, 6


def test_a_belief_that_tells_the_task() -> None:
    task = rng(3).standard_normal((N, 1))
    belief = np.tanh(task[None, :, None]) + 0.1 * rng(4).standard_normal((T, N, J, 3))
    told = task_signalling(belief, task, rng())
    assert told.verdict == "association"
    assert told.p == pytest.approx(1 / 200)
    assert told.low < told.value < told.high
    noise = task_signalling(rng(5).standard_normal((T, N, J, 3)), task, rng())
    assert noise.verdict == "no evidence"
    assert abs(noise.value) < 0.05


def test_information_of_the_belief_on_velocities() -> None:
    s = 0.5
    velocity = rng(6).standard_normal((200, N, J, 1))
    belief = velocity + s * rng(7).standard_normal((200, N, J, 1))
    found = velocity_signalling(belief, velocity, rng())
    # 1/2 ln(1 + 1 / s^2), as belief and velocity are white: the past of the belief tells nothing.
    assert found.value == pytest.approx(0.5 * math.log(1 + 1 / s**2), abs=0.04)
    assert found.verdict == "association"


def test_a_body_that_follows_a_babbling_belief_is_no_signal() -> None:
    generator, wrong = rng(8), 0
    for _ in range(40):
        belief, velocity = np.zeros((T, N, J, 2)), np.zeros((T, N, J, 2))
        for t in range(1, T):
            belief[t] = 0.9 * belief[t - 1] + generator.standard_normal((N, J, 2))
            velocity[t] = 0.8 * velocity[t - 1] + belief[t - 1] + generator.standard_normal((N, J, 2))
        wrong += velocity_signalling(belief, velocity, generator, permutations=39).verdict != "no evidence"
    assert wrong <= 7  # 1 in 500 by chance


def test_a_silent_belief_tells_nothing() -> None:
    silent = np.zeros((T, N, J, 8))
    found = task_signalling(silent, rng(9).standard_normal((N, 2)), rng())
    assert (found.value, found.p, found.verdict) == (0.0, 1.0, "no evidence")


# -- returns --------------------------------------------------------------------------------------------


def test_listening_that_pays() -> None:
    other = rng(10).standard_normal((20, 5))
    assert listening("x", other + 1.0, other, rng(), whose="another task").value == pytest.approx(1.0)
    assert listening("x", other + 1.0, other, rng(), whose="another task").verdict == "coordination"
    same = listening("x", other, other, rng(), whose="another task")
    assert (same.value, same.p, same.verdict) == (0.0, 1.0, "no evidence")
    assert listening("x", other - 1.0, other, rng(), whose="another task").verdict == "no evidence"


def test_return_against_bits() -> None:
    bits = np.array([0.0, 8.0, 16.0, 32.0, 64.0])
    rising = np.arange(5.0)[:, None, None] + 0.1 * rng(11).standard_normal((5, 20, 3))
    points, found = return_against_bits(bits, rising, rng())
    assert [p.bits for p in points] == list(bits)
    assert found.value == pytest.approx(4.0, abs=0.1)
    assert found.verdict == "coordination"
    assert all(p.low <= p.value <= p.high for p in points)
    _, flat = return_against_bits(bits, np.zeros((5, 20, 3)), rng())
    assert (flat.value, flat.verdict) == (0.0, "no evidence")


def test_ablations() -> None:
    team = rng(12).standard_normal((20, 5))
    costs = ablation("x removed", team, team - 2.0, rng())
    assert (costs.value, costs.verdict) == (pytest.approx(2.0), "effect")
    assert "costs 2.00" in costs.words
    assert "gains 2.00" in ablation("x removed", team, team + 2.0, rng()).words
    nothing = ablation("x muted", team, team, rng())
    assert (nothing.p, nothing.verdict) == (1.0, "no evidence")
    assert "changes nothing" in nothing.words


def test_retraining_is_judged_by_relabelling_runs() -> None:
    full, without = (
        np.array([[5.0, 6.0], [6.0, 6.0], [7.0, 6.0]]),
        np.array([[1.0, 2.0], [2.0, 2.0], [3.0, 2.0]]),
    )
    found = retrained("without x", full, without, rng())
    assert found.value == pytest.approx(4.0)
    assert found.p == pytest.approx(1 / 20)  # the best of the 20 ways to choose three of six
    assert found.verdict == "effect"
    assert retrained("without x", without, full, rng()).p == 1.0
    few = retrained("without x", full[:2], without, rng())
    assert (few.p, few.verdict) == (None, "not reported")
    assert "3 of each are needed" in few.words


# -- diversity ------------------------------------------------------------------------------------------


def test_wasserstein_and_snd_by_hand() -> None:
    assert wasserstein([3.0, 0.0], [1.0, 1.0], [0.0, 4.0], [1.0, 1.0]) == pytest.approx(5.0)
    assert wasserstein([0.0], [1.0], [0.0], [3.0]) == pytest.approx(2.0)
    means = np.array([[[0.0]], [[1.0]], [[3.0]]])  # three policies: distances 1, 3, 2
    assert system_neural_diversity(means, np.ones((3, 1, 1))) == pytest.approx([2.0])
    with pytest.raises(ValueError, match="at least two"):
        system_neural_diversity(means[:1], np.ones((1, 1, 1)))


def test_equal_policies_have_no_diversity_and_others_are_told_apart() -> None:
    a = rng(13).standard_normal((T, N, J, 2))
    std = (np.ones(2), np.ones(2))
    same = diversity(a, a, std, rng())
    assert (same.value, same.verdict) == (0.0, "no evidence")
    other = diversity(a, 0.3 * rng(14).standard_normal(a.shape), std, rng())
    assert other.verdict == "effect"
    twin = diversity(a, rng(15).standard_normal(a.shape), std, rng())
    assert twin.value > 1.0  # two noises lie apart,
    assert twin.verdict == "no evidence"  # and yet do nothing different


# -- outputs --------------------------------------------------------------------------------------------


def outputs_of(shared: bool, seed: int, G: int = 20) -> outputs.Series:
    """Replicate 0 shares a signal among its parts or not; the others never do, and all share a body."""
    generator, W = rng(seed), 24
    body = generator.standard_normal((1, 15, W, 1))
    parts = [body + 0.7 * generator.standard_normal((G, 15, W, 1)) for _ in range(4)]
    if shared:
        signal = generator.standard_normal((15, W, 1))
        for i, part in enumerate(parts):
            part[0] += np.roll(signal, i, axis=0)
    return outputs.Series(parts, lambda p: p[1] + p[2], np.repeat(np.arange(4), 6))


def test_outputs_that_share_a_body_are_an_association_and_messages_coordination() -> None:
    common, _ = outputs.findings(outputs_of(False, 16), rng(), shifts=19, shifts_each=1)
    verdicts = {f.name: f.verdict for f in common}
    assert verdicts["S-information"] == "association"
    assert "coordination" not in verdicts.values()
    said, values = outputs.findings(outputs_of(True, 16), rng(), shifts=19, shifts_each=1)
    assert {f.name: f.verdict for f in said}["transfer entropy"] == "coordination"
    assert values["transfer entropy 0>1"][0] > values["transfer entropy 0>1"][1:].max()
    assert all(f.low < f.high for f in said)


def test_too_few_replicates_are_refused() -> None:
    few = outputs_of(False, 17)
    with pytest.raises(ValueError, match="fewer than 20"):
        outputs.findings(outputs.Series([p[:10] for p in few.parts], few.macro, few.tasks), rng())


def test_what_is_judged_on_both_sides_needs_more_replicates() -> None:
    # All parts hold the signal at once: redundancy, which one replicate in forty has.
    def judged(G: int) -> dict[str, Any]:
        series = outputs_of(False, 18, G)
        signal = 3.0 * rng(19).standard_normal((15, 24, 1))
        for part in series.parts:
            part[0] += signal
        found, _ = outputs.findings(series, rng(), shifts=5, shifts_each=1)
        return {f.name: f for f in found}

    few, enough = judged(39), judged(40)
    assert (few["O-information"].p, few["O-information"].verdict) == (None, "not reported")
    assert "too few replicates" in few["O-information"].words
    assert few["O-information"].value > 0.1
    assert few["S-information"].p == pytest.approx(1 / 39)
    assert few["S-information"].verdict == "coordination"
    assert enough["O-information"].p == pytest.approx(2 / 40)
    assert enough["O-information"].verdict == "coordination"


def test_residuals_take_out_squares_and_products() -> None:
    given = rng(18).standard_normal((500, 3))
    made = (given[:, :1] * given[:, 1:2] - given[:, 2:] ** 2 + 2.0) + np.zeros((500, 2))
    assert np.abs(residuals(made, given)).max() < 1e-9
    assert np.abs(residuals(made, given, squares=False)).max() > 0.5
    with pytest.raises(ValueError, match="more samples"):
        residuals(made[:5], given[:5])


def test_principal_directions() -> None:
    samples: NDArray[np.float64] = rng(19).standard_normal((300, 4)) * [1.0, 10.0, 0.1, 3.0]
    directions = principal_directions(samples, 2)
    assert np.abs(directions[1, 0]) == pytest.approx(1.0, abs=0.01)
    assert np.abs(directions[3, 1]) == pytest.approx(1.0, abs=0.02)
    np.testing.assert_array_equal(principal_directions(samples, 4), np.eye(4))
