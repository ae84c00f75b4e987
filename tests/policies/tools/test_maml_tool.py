"""Tasks of which it is known what adaptation can win."""

import json
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.studies.known_answers import SINES_UNADAPTED, sines
from policies.tools import MAMLTool, ToolError

ROWS = np.array([[-1.0], [1.0]])


def lines(slopes: list[float]) -> list[dict[str, Any]]:
    examples = [{"inputs": ROWS, "targets": slope * ROWS} for slope in slopes]
    return [{"support": each, "query": each} for each in examples]


def test_one_step_at_rate_one_half_finds_any_line() -> None:
    """Loss (w - a)^2 + c^2 on x = -1, 1: the step w - 2/2 (w - a) is a, whatever w was meta-trained to be."""
    tool = MAMLTool(hidden=0, inner_steps=1, inner_rate=0.5, learned_rates=False, iterations=3)
    result = tool(lines([-2.0, -1.0, 1.0, 2.0]), lines([-1.5, 0.5, 3.0]))  # type: ignore[arg-type]
    assert result["error"]["adapted"] == pytest.approx(0.0, abs=1e-9)
    assert result["error"]["joint_adapted"] == pytest.approx(0.0, abs=1e-9)
    assert result["error"]["before"] > 1.0
    assert result["gain"] == pytest.approx(result["error"]["before"], abs=1e-9)
    np.testing.assert_allclose(result["predictions"][2], 3.0 * ROWS, atol=1e-4)
    assert json.loads(json.dumps(result)) == result


def test_units_do_not_matter() -> None:
    tool = MAMLTool(hidden=0, inner_steps=1, inner_rate=0.5, learned_rates=False, iterations=3)
    scaled = [
        {
            part: {"inputs": 1000.0 + 7.0 * ROWS, "targets": 50.0 + 1e3 * task[part]["targets"]}
            for part in ("support", "query")
        }
        for task in lines([-2.0, 1.0, 4.0])
    ]
    result = tool(scaled[:2], scaled[2:])  # type: ignore[arg-type]
    np.testing.assert_allclose(result["predictions"][0], 50.0 + 4e3 * ROWS, rtol=1e-3)
    assert result["standard_error"]["adapted"] is None
    plain = lines([-2.0, 1.0, 4.0])
    unscaled = tool(plain[:2], plain[2:])["error"]["before"]  # type: ignore[arg-type]
    assert result["error"]["before"] == pytest.approx(1e6 * unscaled, rel=1e-3)


def test_without_differences_between_tasks_there_is_nothing_to_win() -> None:
    tool = MAMLTool(hidden=0, inner_rate=0.1, iterations=150, tasks_a_step=2, learning_rate=0.06)
    result = tool(lines([1.5] * 4), lines([1.5] * 3))  # type: ignore[arg-type]
    assert result["error"]["joint"] < 1e-3
    assert abs(result["gain"]) < 0.02


@pytest.mark.slow
def test_sines_are_known_after_ten_examples_and_not_before() -> None:
    """A sin(x + p), A in [.1, 5], p in [0, pi]: no model that does not adapt has an error below 3.006.

    The best one is E[A] E[sin(x + p)] = 2.55 (2 / pi) cos x, at E[A^2] / 2 - (2.55 2 / pi)^2 E[cos^2 x].
    """
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    assert pytest.approx(3.006, abs=1e-3) == SINES_UNADAPTED
    result = MAMLTool()(sines(rng, 400, 10), sines(rng, 100, 50))  # type: ignore[arg-type]
    error, spread = result["error"], result["standard_error"]
    assert error["adapted"] + 3 * spread["adapted"] < SINES_UNADAPTED / 2
    assert error["joint"] == pytest.approx(SINES_UNADAPTED, abs=3 * spread["joint"])
    assert error["before"] > SINES_UNADAPTED - 3 * spread["before"]
    assert result["gain"] > 1.5


def test_data_that_cannot_be_used_is_refused() -> None:
    tool = MAMLTool(iterations=1)
    good = lines([1.0, 2.0])
    with pytest.raises(ToolError, match="maml: tasks has 1 items: at least 2"):
        tool(good[:1], good)  # type: ignore[arg-type]
    short = {"support": {"inputs": [[1.0]], "targets": [[1.0], [2.0]]}, "query": good[0]["query"]}
    with pytest.raises(ToolError, match="task 2: support of 1 inputs and 2 targets"):
        tool(good, [short])  # type: ignore[list-item,arg-type]
    wide = {part: {"inputs": [[1.0, 2.0]], "targets": [[1.0]]} for part in ("support", "query")}
    with pytest.raises(ToolError, match=r"rows of \[\(1, 1\), \(2, 1\)\]"):
        tool(good, [wide])  # type: ignore[list-item,arg-type]
    with pytest.raises(ToolError, match=r"tasks\[0\]: without 'query'"):
        tool([{"support": good[0]["support"]}] * 2, good)  # type: ignore[arg-type,typeddict-item]
    with pytest.raises(ToolError, match="diverged"):
        MAMLTool(inner_rate=1e12, inner_steps=9, iterations=3)(good, good)  # type: ignore[arg-type]


def _times(unit: float) -> dict[str, Any]:
    examples = {"inputs": unit * ROWS, "targets": unit * ROWS}
    return {"support": examples, "query": examples}


@pytest.mark.parametrize(("unit", "model"), [(1e30, "before|adapted"), (1e150, "before"), (1e300, "before")])
def test_numbers_that_are_too_large_are_named(unit: float, model: str) -> None:
    tool, good = MAMLTool(iterations=1), lines([1.0, 2.0])
    with pytest.raises(
        ToolError, match=rf"new_tasks\[1\]: the error of the model '({model})' is (inf|nan|\d)"
    ):
        tool(good, [good[0], _times(unit)])  # type: ignore[list-item,arg-type]


def test_tasks_whose_deviation_is_no_number_are_refused() -> None:
    with pytest.raises(ToolError, match=r"inputs of tasks up to 1e\+300: their deviation is (inf|nan); give"):
        MAMLTool(iterations=1)([_times(1e300), _times(1.0)], lines([1.0]))  # type: ignore[arg-type]
