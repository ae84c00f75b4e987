"""The scan against its reference, the direct convolution and finite differences."""

import math

import pytest
import torch
from torch import Tensor

from policies import ssm


def _problem(starts: list[tuple[int, int]], seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Decay, inputs, keep and initial state in float64: T = 6, B = 3, P = 4."""
    generator = torch.Generator().manual_seed(seed)
    decay = 0.1 + 0.85 * torch.rand(4, generator=generator, dtype=torch.float64)
    inputs = torch.randn(6, 3, 4, generator=generator, dtype=torch.float64)
    initial = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    keep = torch.ones(6, 3, 1, dtype=torch.float64)
    for time, world in starts:
        keep[time, world] = 0.0
    return decay.requires_grad_(), inputs.requires_grad_(), keep, initial.requires_grad_()


PATTERNS = {
    "no start": [],
    "first step": [(0, 0), (0, 1), (0, 2)],
    "one world first": [(0, 1)],
    "all worlds at 3": [(3, 0), (3, 1), (3, 2)],
    "scattered": [(0, 1), (2, 0), (3, 0), (5, 2)],
}
patterns = pytest.mark.parametrize("starts", PATTERNS.values(), ids=PATTERNS.keys())


def test_scan_by_hand() -> None:
    decay = torch.tensor([0.5])
    inputs = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1)
    keep = torch.tensor([1.0, 1.0, 0.0, 1.0]).view(4, 1, 1)
    states = ssm.diagonal_scan(decay, inputs, keep, torch.tensor([[8.0]]))
    assert states.flatten().tolist() == [5.0, 4.5, 3.0, 5.5]


@patterns
def test_scan_and_gradients_equal_the_reference(starts: list[tuple[int, int]]) -> None:
    decay, inputs, keep, initial = _problem(starts)
    weight = torch.randn(6, 3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    states = ssm.diagonal_scan(decay, inputs, keep, initial)
    expected = ssm.diagonal_scan_reference(decay, inputs, keep, initial)
    torch.testing.assert_close(states, expected, rtol=0, atol=1e-13)
    gradients = torch.autograd.grad((states * weight).sum(), (decay, inputs, initial))
    expected_gradients = torch.autograd.grad((expected * weight).sum(), (decay, inputs, initial))
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-12)


@patterns
def test_scan_gradcheck(starts: list[tuple[int, int]]) -> None:
    decay, inputs, keep, initial = _problem(starts)
    assert torch.autograd.gradcheck(
        lambda a, u, h: ssm.diagonal_scan(a, u, keep, h), (decay, inputs, initial)
    )


def test_gradient_of_one_step_reaches_everything() -> None:
    decay, inputs, keep, initial = _problem([])
    assert torch.autograd.gradcheck(
        lambda a, u, h: ssm.diagonal_scan(a, u[:1], keep[:1], h), (decay, inputs, initial)
    )


def test_scan_accepts_strided_arguments_and_gradients() -> None:
    decay, inputs, keep, initial = _problem(PATTERNS["scattered"])
    strided = inputs.detach().permute(2, 1, 0).contiguous().permute(2, 1, 0).requires_grad_()
    (gradient,) = torch.autograd.grad(ssm.diagonal_scan(decay, strided, keep, initial).sum(), strided)
    (expected,) = torch.autograd.grad(ssm.diagonal_scan_reference(decay, inputs, keep, initial).sum(), inputs)
    torch.testing.assert_close(gradient, expected)


@patterns
def test_reference_gradgradcheck(starts: list[tuple[int, int]]) -> None:
    decay, inputs, keep, initial = _problem(starts)
    assert torch.autograd.gradgradcheck(
        lambda a, u, h: ssm.diagonal_scan_reference(a, u, keep, h), (decay, inputs, initial)
    )


def test_second_derivative_of_the_scan_is_an_error_and_not_silently_wrong() -> None:
    decay, inputs, keep, initial = _problem([])
    states = ssm.diagonal_scan(decay, inputs, keep, initial)
    (gradient,) = torch.autograd.grad(states.square().sum(), decay, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("scan", [ssm.diagonal_scan, ssm.diagonal_scan_reference])
def test_no_gradient_reaches_keep(scan: object) -> None:
    decay, inputs, keep, initial = _problem([])
    keep.requires_grad_()
    assert callable(scan)
    scan(decay, inputs, keep, initial).sum().backward()
    assert keep.grad is None
    assert decay.grad is not None


def test_scan_equals_convolution_with_powers_of_the_decay() -> None:
    decay, inputs, keep, initial = _problem([])
    lags = torch.arange(6)[:, None] - torch.arange(6)[None, :]  # [T, T]
    kernel = torch.where(lags[..., None] >= 0, decay ** lags.clamp(min=0)[..., None], 0.0)  # [T, T, P]
    expected = torch.einsum("tsp,sbp->tbp", kernel, inputs)
    expected = expected + decay ** torch.arange(1, 7)[:, None, None] * initial
    torch.testing.assert_close(ssm.diagonal_scan(decay, inputs, keep, initial), expected)


def test_zero_order_hold_by_hand() -> None:
    decay = ssm.zero_order_hold(torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.02)]))
    assert decay.item() == pytest.approx(math.exp(-0.01))


def test_decay_and_gain_stay_inside_the_unit_interval_at_any_parameters() -> None:
    extremes = torch.tensor([-1e6, -100.0, -10.0, 0.0, 10.0, 100.0, 1e6], requires_grad=True)
    decay = ssm.zero_order_hold(extremes, torch.zeros(7))
    gain = ssm.unit_variance_gain(decay)
    assert ((decay > 0) & (decay < 1)).all()
    assert ((gain > 0) & (gain <= 1)).all()
    gain.sum().backward()
    assert extremes.grad is not None
    assert extremes.grad.isfinite().all()


def test_gain_gives_unit_variance_for_white_inputs() -> None:
    # Analytic: the variance of h is gain^2 * sum_k a^(2k).
    decay = torch.tensor([math.exp(-1.0), math.exp(-0.1), math.exp(-1 / 200)], dtype=torch.float64)
    powers = decay ** (2 * torch.arange(20_000)[:, None])
    variance = ssm.unit_variance_gain(decay).square() * powers.sum(0)
    torch.testing.assert_close(variance, torch.ones(3, dtype=torch.float64))


def test_hippo_steps_spread_time_constants_evenly_in_the_logarithm() -> None:
    log_steps = ssm.hippo_log_steps(400, 0.01, 2.0, torch.Generator().manual_seed(0))
    constants = 1 / (ssm.HIPPO_RATE * log_steps.exp())
    assert constants.min() >= 1
    assert constants.max() <= 200 * (1 + 1e-5)
    assert constants.median().item() == pytest.approx(math.sqrt(200), rel=0.05)


def test_ring_steps_spread_the_squared_radius_evenly() -> None:
    log_steps = ssm.ring_log_steps(400, 0.01, 2.0, torch.Generator().manual_seed(0))
    squared = torch.exp(-2 * ssm.HIPPO_RATE * log_steps.exp())
    low, high = math.exp(-2.0), math.exp(-0.01)
    assert squared.min() >= low - 1e-6
    assert squared.max() <= high + 1e-6
    assert squared.mean().item() == pytest.approx((low + high) / 2, abs=0.005)
    assert squared.std().item() == pytest.approx((high - low) / math.sqrt(12), abs=0.005)
