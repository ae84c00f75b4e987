"""Forecasts of sequences whose best possible error is known."""

import json
import math

import numpy as np
import pytest
import torch

from benchmarks.studies.known_answers import ANGLE, NOISE, RADIUS, rotation, told_once
from ma_ssm_env.recorded_trials import SAMPLE
from policies.tools import SSMTool, ToolError

FAST = SSMTool(iterations=40)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_damped_rotation_is_forecast_as_well_as_its_noise_allows() -> None:
    """k steps ahead: at best s^2 (1 + r^2 + ... + r^(2(k-1))); persistence 2 v (1 - r^k cos kw)."""
    sequences = [rotation(np.random.default_rng(seed), 120) for seed in range(60)]
    result = SSMTool(iterations=200)(sequences, horizon=3)  # type: ignore[arg-type]
    unit = float(np.mean(result["variance"]))
    best = [NOISE**2 * sum(RADIUS ** (2 * j) for j in range(k)) for k in (1, 2, 3)]
    variance = NOISE**2 / (1 - RADIUS**2)
    still = [2 * variance * (1 - RADIUS**k * math.cos(k * ANGLE)) for k in (1, 2, 3)]
    for k in range(3):
        assert result["error"]["ssm"][k] * unit == pytest.approx(best[k], rel=0.15)
        assert result["error"]["linear"][k] * unit == pytest.approx(best[k], rel=0.15)
        assert result["error"]["persistence"][k] * unit == pytest.approx(still[k], rel=0.2)
    assert unit == pytest.approx(variance, rel=0.1)
    assert result["better"] == "neither", "the linear model is the right one here"
    assert json.loads(json.dumps(result)) == result


def test_the_forecast_goes_on_from_the_last_step() -> None:
    """Without noise, a rotation is known for ever."""
    turn = 0.99 * np.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])
    x = [np.array([5.0, -2.0])]
    for _ in range(402):
        x.append(turn @ x[-1])
    result = FAST([step.tolist() for step in x[:400]], horizon=3)
    np.testing.assert_allclose(result["forecast"], x[400:403], atol=0.02 * np.abs(x[400]).max())
    assert len(result["error"]["ssm"]) == 3


@pytest.mark.slow
def test_memory_and_products_are_what_the_core_adds_to_a_linear_model() -> None:
    result = SSMTool()(told_once(np.random.default_rng(0), 120, 40))  # type: ignore[arg-type]
    # x has variance 1 + s^2, of which s^2 is noise; u is white, the third channel is 0 after the first step.
    unit = result["variance"]
    floor = (NOISE**2 / unit[0] + 1.0 / unit[1]) / 3
    blind = ((1.0 + NOISE**2) / unit[0] + 1.0 / unit[1]) / 3
    assert result["error"]["ssm"][0] < floor + 0.15 * (blind - floor)
    assert result["error"]["linear"][0] > blind - 0.15 * (blind - floor)
    assert result["better"] == "ssm"


def test_recorded_trials_are_sequences() -> None:
    result = FAST(str(SAMPLE), horizon=2)
    assert len(result["variance"]) == 2, "the velocities of the point"
    assert result["fitted_to"] == 25 * 50, "32 inner episodes, of which the last 7 are kept"
    assert result["judged_on"] == 7 * (50 - 2 - 7)
    with pytest.raises(
        ToolError, match="agent='coordinator_0' has no sensors there; one of state_modeling_0"
    ):
        FAST(str(SAMPLE), agent="coordinator_0")
    with pytest.raises(ToolError, match=r"ssm_forecast: sequences: nowhere\.npz: no such file"):
        FAST("nowhere.npz")


def test_the_same_seed_gives_the_same_numbers() -> None:
    x = rotation(np.random.default_rng(0), 600).tolist()
    tool = SSMTool(iterations=8)
    assert tool(x, seed=3) == tool(x, seed=3) != tool(x, seed=4)


@pytest.mark.parametrize("length", [8, 9, 10, 11, 12])
def test_only_origins_with_all_their_lags_count_as_data(length: int) -> None:
    """Of each of 40 sequences length - 1 - 7 steps have 7 before them and one after; 8 sequences are kept."""
    sequences = np.random.default_rng(0).standard_normal((40, length, 1))
    judged, fitted = 8 * (length - 8), 32 * (length - 8)
    if length < 12:
        message = f"{40 * length} steps in 40 sequences, of which {judged} could be judged on and {fitted}"
        with pytest.raises(ToolError, match=message):
            FAST(sequences)  # type: ignore[arg-type]
        return
    result = FAST(sequences)  # type: ignore[arg-type]
    assert result["judged_on"] == judged == 32
    assert math.isfinite(result["standard_error"])


def test_what_is_fitted_to_is_counted_as_what_is_judged_on() -> None:
    """Of 60 sequences the last 3 are kept; the others are of 9 steps, and give one origin each."""
    x = np.random.default_rng(0).standard_normal((400, 1))
    short = [x[i : i + 9] for i in range(59)]
    with pytest.raises(ToolError, match="of which 394 could be judged on and 57 fitted to"):
        FAST([*short, x], held_out=0.05)  # type: ignore[arg-type]


def test_sequences_that_are_too_short_to_be_judged_on_choose_no_model() -> None:
    """Every fifth is: judged on them alone, all models are equal, and persistence would be taken."""
    rng = np.random.default_rng(0)
    sequences = [rotation(rng, 5 if number % 5 == 4 else 60) for number in range(12)]
    error = SSMTool(iterations=20)(sequences)["error"]
    assert error["ssm"][0] < 0.6 * error["persistence"][0]


def test_data_that_cannot_be_used_is_refused() -> None:
    line = [[0.1 * t] for t in range(300)]
    with pytest.raises(
        ToolError,
        match=r"20 steps in 1 sequences, of which 3 could be judged on and 8 fitted to, .* at least 32",
    ):
        FAST(line[:20])
    with pytest.raises(ToolError, match=r"sequence 0 has steps of \[1, 2\] channels"):
        FAST([*line, [1.0, 2.0]])
    with pytest.raises(ToolError, match=r"sequences of \[1, 2\] channels"):
        FAST([line, [[1.0, 2.0]] * 300])
    with pytest.raises(ToolError, match="is for recorded trials, and sequences are lists"):
        FAST(line, agent="agent")
    with pytest.raises(ToolError, match="horizon=11: a whole number from 1 to 10"):
        FAST(line, horizon=11)
    with pytest.raises(ToolError, match=r"sequences\[1\]\[0\]=null"):
        FAST([[1.0], [None]])  # type: ignore[list-item]
    constant = FAST([[2.0]] * 300)
    assert constant["forecast"][0][0] == pytest.approx(2.0, abs=1e-4)
