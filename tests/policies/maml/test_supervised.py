"""The supervised front door: lines through the origin, sines, and sequences of linear systems."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from policies.cores import CoreConfig, make_core
from policies.maml.supervised import MetaTrained, SupervisedConfig, adapt, fit


def _lines(slopes: list[float]) -> list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    x = torch.linspace(-1, 1, 5)[:, None]
    return [((x, a * x), (x * 0.7, a * x * 0.7)) for a in slopes]


def _linear(weight: float) -> nn.Module:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, weight)
    return model


def _meta_gradient(algorithm: str, w: float, a: float, rate: float) -> float:
    """By one step of plain descent in place of Adam: read off the gradient."""
    model = _linear(w)
    config = SupervisedConfig(algorithm, inner_rate=rate, iterations=1, tasks=1)  # type: ignore[arg-type]
    fit(model, _lines([a]), config, torch.Generator().manual_seed(0))
    return float(model.weight.grad)


def test_the_meta_gradient_of_a_line_is_the_one_by_hand() -> None:
    """Support loss m (w - a)^2 with m = mean x^2; one step; query loss 0.49 m (w' - a)^2."""
    w, a, rate, m = 0.3, 2.0, 0.4, 0.5
    after = w - rate * 2 * m * (w - a)
    first = 0.49 * m * 2 * (after - a)
    assert _meta_gradient("fomaml", w, a, rate) == pytest.approx(first, rel=1e-5)
    assert _meta_gradient("maml", w, a, rate) == pytest.approx(first * (1 - rate * 2 * m), rel=1e-5)


def test_reptile_goes_its_share_of_the_way() -> None:
    model = _linear(0.3)
    config = SupervisedConfig("reptile", inner_rate=0.4, iterations=1, tasks=1, learning_rate=0.25)
    fit(model, _lines([2.0]), config, torch.Generator())
    assert float(model.weight.detach()) == pytest.approx(0.3 + 0.25 * 0.4 * 2 * 0.5 * 1.7, rel=1e-5)


@pytest.mark.parametrize("algorithm", ["maml", "fomaml", "reptile"])
@pytest.mark.parametrize("rate", [1e13, 1e20, 1e38])
def test_a_step_that_is_not_finite_leaves_the_model_as_it_was(algorithm: Any, rate: float) -> None:
    """Of two inner steps the second overflows; or a loss or a gradient does, of what it left."""
    model = _linear(0.3)
    config = SupervisedConfig(algorithm, inner_steps=2, inner_rate=rate, iterations=3, tasks=1)
    with pytest.raises(FloatingPointError, match=r"iteration [0-2]$"):
        fit(model, _lines([2.0]), config, torch.Generator())
    assert math.isfinite(float(model.weight.detach()))


def test_learned_rates_find_the_step_that_solves_any_line() -> None:
    """After one step w' = w - 2 m rate (w - a): exactly a, for every a, at rate 1 / (2 m) = 1."""
    config = SupervisedConfig(learned_rates=True, inner_rate=0.1, iterations=300, learning_rate=2e-2, tasks=4)
    trained = fit(_linear(0.0), _lines([-2, -1, 1, 2]), config, torch.Generator().manual_seed(0))
    assert float(trained.rates["weight"]) == pytest.approx(1.0, abs=0.03)
    x, y = _lines([1.7])[0][0]
    model = adapt(trained, (x, y))
    assert float(model.weight.detach()) == pytest.approx(1.7, abs=0.1)
    assert float(trained.model.weight.detach()) != float(model.weight.detach())  # the prior stays


def _systems(
    count: int, generator: torch.Generator
) -> list[tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]]:
    """y_t = g u_{t-1}: a gain to be told from sequences [T, B, 1]."""
    tasks = []
    for _ in range(count):
        gain = 2.0 * torch.rand((), generator=generator) - 1.0
        pairs = []
        for _ in range(2):
            u = torch.randn(12, 4, 1, generator=generator)
            pairs.append((u, gain * torch.cat([torch.zeros(1, 4, 1), u[:-1]])))
        tasks.append((pairs[0], pairs[1]))
    return tasks


class _Recurrent(nn.Module):
    def __init__(self, core: str, generator: torch.Generator) -> None:
        super().__init__()
        self.core = make_core(CoreConfig(core, 12, state_size=8), 1, generator)
        self.out = nn.Linear(12, 1)
        with torch.no_grad():
            self.out.weight.copy_(0.1 * torch.randn(1, 12, generator=generator))
            self.out.bias.zero_()

    def forward(self, inputs: Tensor) -> Tensor:
        starts = torch.zeros(inputs.shape[:2])
        features, _ = self.core(inputs, starts, self.core.initial_memory(inputs.shape[1]))
        result: Tensor = self.out(features)
        return result


@pytest.mark.slow
@pytest.mark.parametrize("core", ["gru", "s5"])
def test_sequences_are_fitted_better_after_a_step_on_the_support(core: str) -> None:
    generator = torch.Generator().manual_seed(1)
    model = _Recurrent(core, generator)
    config = SupervisedConfig(inner_rate=0.3, iterations=60, tasks=4, learning_rate=1e-2, learned_rates=True)
    trained = fit(model, _systems(40, generator), config, generator)
    before, after = _held_out(trained, _systems(20, generator))
    assert after < 0.6 * before


def _held_out(trained: MetaTrained, tasks: list) -> tuple[float, float]:  # type: ignore[type-arg]
    losses = torch.zeros(2)
    for support, (x, y) in tasks:
        for i, model in enumerate((trained.model, adapt(trained, support))):
            losses[i] += (model(x) - y).square().mean().detach()
    return float(losses[0]), float(losses[1])


def test_what_cannot_be_is_refused() -> None:
    x, y = torch.zeros(3, 1), torch.zeros(2, 1)
    with pytest.raises(ValueError, match="task 0: support of 3 inputs and 2 targets"):
        fit(_linear(0.0), [((x, y), (x, x))], SupervisedConfig(), torch.Generator())
    with pytest.raises(ValueError, match="no tasks"):
        fit(_linear(0.0), [], SupervisedConfig(), torch.Generator())
    with pytest.raises(ValueError, match="no query loss"):
        SupervisedConfig("reptile", learned_rates=True)
    with pytest.raises(ValueError, match="algorithm='x'"):
        SupervisedConfig("x")  # type: ignore[arg-type]
    bad = torch.full((3, 1), float("nan"))
    with pytest.raises(FloatingPointError, match="iteration 0"):
        fit(_linear(0.0), [((x, x), (x, bad))], SupervisedConfig(), torch.Generator())
