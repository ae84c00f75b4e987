"""The clipped surrogate by hand: known answers, and equality with autograd's."""

import math

import pytest
import torch
from torch import Tensor

from policies.surrogate import _groups, clipped_surrogate, composed_surrogate

SIZES = (2, 1)


def _given(samples: int = 40) -> list[Tensor]:
    """Means, log_stds, actions, log_probs, advantages, weights."""
    generator = torch.Generator().manual_seed(0)
    means, actions = (torch.randn(samples, 3, generator=generator, dtype=torch.float64) for _ in range(2))
    log_stds = 0.3 * torch.randn(3, generator=generator, dtype=torch.float64)
    advantages = torch.randn(samples, generator=generator, dtype=torch.float64)
    weights = torch.rand(samples, generator=generator, dtype=torch.float64)
    normal = torch.distributions.Normal(means, log_stds.exp())
    each = normal.log_prob(actions)
    now = torch.stack((each[:, :2].sum(1), each[:, 2]), 1)
    # Acting was a little different, so that some ratios are clipped and some are not.
    acting = now + 0.3 * torch.randn(samples, 2, generator=generator, dtype=torch.float64)
    return [
        means.requires_grad_(),
        log_stds.requires_grad_(),
        actions,
        acting,
        advantages,
        weights / weights.sum(),
    ]


def test_equals_the_definition_and_its_gradient() -> None:
    means, log_stds, actions, acting, advantages, weights = given = _given()
    found = clipped_surrogate(*given, SIZES, 0.2)
    each = torch.distributions.Normal(means, log_stds.exp()).log_prob(actions)
    expected = torch.zeros((), dtype=torch.float64)
    for role, where in enumerate((slice(0, 2), slice(2, 3))):
        log_ratio = each[:, where].sum(1) - acting[:, role]
        ratio = log_ratio.exp()
        smaller = torch.minimum(ratio * advantages, ratio.clamp(0.8, 1.2) * advantages)
        expected = expected - (weights * smaller).sum()
        kl = (weights * (ratio - 1 - log_ratio)).sum().item()
        assert found.kl[role].item() == pytest.approx(kl)
        share = (weights * ((ratio - 1).abs() > 0.2)).sum().item()
        assert 0.2 < share < 0.9
        assert found.clipped[role].item() == pytest.approx(share)
    assert found.loss.item() == pytest.approx(expected.item(), rel=1e-12)
    ours = torch.autograd.grad(3.0 * found.loss, (means, log_stds))
    theirs = torch.autograd.grad(3.0 * expected, (means, log_stds))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-12)


def test_second_derivative_equals_that_of_the_composed_one() -> None:
    given = _given()
    groups = _groups(SIZES, torch.float64, torch.device("cpu"))
    found = []
    losses = (clipped_surrogate(*given, SIZES, 0.2).loss, composed_surrogate(*given, groups, clip=0.2)[0])
    for loss in losses:
        first = torch.autograd.grad(loss, given[:2], create_graph=True)
        total = sum((gradient.square().sum() for gradient in first), torch.zeros(()))
        found.append([loss, *first, *torch.autograd.grad(total, given[:2])])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("advantage", "slope"), [(1.0, 0.0), (-1.0, 1.0)])
def test_a_ratio_of_two_by_hand(advantage: float, slope: float) -> None:
    """log_prob 0 nats higher at the mean: clipped, without gradient, only where that would be too good."""
    mean = torch.tensor([[0.5]], requires_grad=True)
    log_std = torch.zeros(1)
    acting = torch.tensor([[-0.125 - 0.5 * math.log(2 * math.pi) - math.log(2.0)]])
    found = clipped_surrogate(
        mean,
        log_std,
        torch.tensor([[1.0]]),
        acting,
        torch.tensor([advantage]),
        torch.ones(1),
        (1,),
        0.2,
    )
    assert found.loss.item() == pytest.approx(-1.2 if advantage > 0 else 2.0)
    # ratio * z / std = 2 * 0.5, where the surrogate is not clipped.
    (gradient,) = torch.autograd.grad(found.loss, mean)
    assert gradient.item() == pytest.approx(slope)
    assert found.kl.item() == pytest.approx(1.0 - math.log(2.0), rel=1e-5)
    assert found.clipped.item() == 1.0
