"""Discretisation and initialisation against values by hand, analytic ones and the matrices of the papers."""

import math

import numpy as np
import pytest
import torch

from policies import ssm


def test_zero_order_hold_by_hand() -> None:
    decay = ssm.zero_order_hold(torch.tensor([math.log(0.5)]), torch.tensor([math.log(0.02)]))
    assert decay.item() == pytest.approx(math.exp(-0.01))


def test_decay_and_gain_stay_inside_the_unit_interval_at_any_parameters() -> None:
    extremes = torch.tensor([-1e6, -100.0, -10.0, 0.0, 10.0, 100.0, 1e6], requires_grad=True)
    decay = ssm.zero_order_hold(extremes, torch.zeros(7))
    gains = [gain.of(decay) for gain in ssm.GAINS.values()]
    assert ((decay > 0) & (decay < 1)).all()
    assert all(((gain > 0) & (gain <= 1)).all() for gain in gains)
    torch.stack(gains).sum().backward()
    assert extremes.grad is not None
    assert extremes.grad.isfinite().all()


def test_peak_gain_answers_a_constant_with_itself() -> None:
    decay = torch.tensor([math.exp(-1.0), math.exp(-0.1), math.exp(-1 / 200)], dtype=torch.float64)
    powers = decay ** torch.arange(20_000)[:, None]
    torch.testing.assert_close(ssm.unit_peak_gain(decay) * powers.sum(0), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("name", ssm.GAINS)
def test_slopes_of_gains_are_their_derivatives(name: str) -> None:
    decay = torch.tensor([0.01, 0.5, 0.995], dtype=torch.float64, requires_grad=True)
    gain = ssm.GAINS[name].of(decay)
    (expected,) = torch.autograd.grad(gain.sum(), decay)
    torch.testing.assert_close(ssm.GAINS[name].slope(decay.detach(), gain.detach()), expected)


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


def test_complex_zero_order_hold_by_hand() -> None:
    # lambda = -0.5 + 3i, dt = 0.2: a = exp(-0.1) (cos 0.6 + i sin 0.6).
    decay = ssm.complex_zero_order_hold(
        torch.tensor([math.log(0.5)]), torch.tensor([3.0]), torch.tensor([math.log(0.2)])
    )
    assert decay.tolist() == pytest.approx([math.exp(-0.1) * math.cos(0.6), math.exp(-0.1) * math.sin(0.6)])


def test_complex_poles_are_stable_and_finite_at_any_parameters() -> None:
    extremes = torch.tensor([-1e6, -100.0, 0.0, 100.0, 1e6], requires_grad=True)
    rates, frequencies, steps = torch.meshgrid(extremes, extremes, extremes, indexing="ij")
    decay = ssm.complex_zero_order_hold(rates.flatten(), frequencies.flatten(), steps.flatten())
    modulus = decay.unflatten(-1, (-1, 2)).norm(dim=-1)
    assert (modulus < 1).all()
    gain = torch.stack([ssm.complex_gain(name, rates.flatten(), steps.flatten()) for name in ssm.GAINS])
    assert ((gain > 0) & (gain <= 1)).all()
    (decay.sum() + gain.sum()).backward()
    assert extremes.grad is not None
    assert extremes.grad.isfinite().all()


def test_complex_gain_gives_each_part_unit_variance() -> None:
    log_rate, frequency, log_step = (
        torch.tensor([x], dtype=torch.float64) for x in (math.log(0.5), 2.0, -2.0)
    )
    decay = ssm.complex_zero_order_hold(log_rate, frequency, log_step)
    a = complex(*decay.tolist())
    gain = ssm.complex_gain("variance", log_rate, log_step)
    # Re h sums Re(a^k) and -Im(a^k) times independent inputs.
    powers = a ** np.arange(5000)
    variance = gain[0].item() ** 2 * (powers.real**2 + powers.imag**2).sum()
    assert variance == pytest.approx(1.0)
    assert gain[0] == gain[1]


def test_complex_peak_gain_answers_what_turns_as_the_state_does_with_amplitude_one() -> None:
    log_rate, frequency, log_step = (
        torch.tensor([x], dtype=torch.float64) for x in (math.log(0.5), 2.0, -2.0)
    )
    a = complex(*ssm.complex_zero_order_hold(log_rate, frequency, log_step).tolist())
    gain = ssm.complex_gain("peak", log_rate, log_step)
    turning = np.exp(1j * np.angle(a) * np.arange(5000))
    state = (a ** np.arange(5000) * turning[::-1]).sum() * gain[0].item()
    assert abs(state) == pytest.approx(1.0)
    assert gain[0] == gain[1]


def test_hippo_frequencies_are_eigenvalues_of_the_normal_part_of_hippo() -> None:
    # HiPPO-LegS written out from its definition, plus the rank-one term that makes it normal.
    n = np.arange(8)
    legs = np.where(n[:, None] > n, -np.sqrt((2 * n[:, None] + 1) * (2 * n + 1)), 0.0) - np.diag(n + 1.0)
    low_rank = np.sqrt(n + 0.5)
    eigenvalues = np.linalg.eigvals(legs + np.outer(low_rank, low_rank))
    np.testing.assert_allclose(eigenvalues.real, -ssm.HIPPO_RATE, atol=1e-12)
    expected = np.sort(eigenvalues.imag)[4:]
    found = ssm.hippo_frequencies(torch.zeros(10), torch.Generator())
    np.testing.assert_allclose(found, [*expected, *expected, *expected[:2]], rtol=1e-6)


def test_ring_frequencies_spread_angles_evenly_over_the_half_circle() -> None:
    log_steps = ssm.ring_log_steps(200, 0.01, 2.0, torch.Generator().manual_seed(0))
    angles = ssm.ring_frequencies(log_steps, torch.Generator().manual_seed(1)) * log_steps.exp()
    assert angles.min() >= 0
    assert angles.max() <= math.pi * (1 + 1e-6)
    assert angles.mean().item() == pytest.approx(math.pi / 2, abs=0.02)
    # No tie between angle and radius.
    assert abs(np.corrcoef(angles, log_steps)[0, 1]) < 0.2
