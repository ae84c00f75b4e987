"""The differentiable channel is the environment's channel, with the gradient that it should have."""

import numpy as np
import torch

from ma_ssm_env import blackboard
from policies.channel import received, received_sequence, straight_through_clip

T, B, D = 6, 3, 8


def _posts(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Beliefs [T, B, d], snr [T, B, 1] and noise [T, B, d]."""
    generator = torch.Generator().manual_seed(seed)
    belief = torch.rand(T, B, D, generator=generator) * 2.0 - 1.0
    rate = torch.rand(T, B, 1, generator=generator) * 2.0 - 1.0
    return (
        belief,
        torch.from_numpy(blackboard.snr(rate.numpy())),
        torch.randn(T, B, D, generator=generator),
    )


def test_received_is_what_the_blackboard_gives() -> None:
    rng = np.random.default_rng(0)
    belief = rng.uniform(-1, 1, (500, D)).astype(np.float32)
    rate = rng.uniform(-1, 1, (500, 1)).astype(np.float32)
    rate[:3, 0] = -1.0, 0.0, 1.0  # silence, half and full rate
    noise = rng.standard_normal((500, D)).astype(np.float32)
    snr = torch.from_numpy(blackboard.snr(rate))
    found = received(torch.from_numpy(belief), snr, torch.from_numpy(noise))
    np.testing.assert_allclose(found, blackboard.receive(belief, rate, noise), rtol=1e-5, atol=1e-6)
    assert not found[0].any()


def test_the_gradient_of_what_is_received_is_the_channels_gain() -> None:
    belief, snr, noise = _posts()
    belief.requires_grad_()
    received(belief, snr, noise).sum().backward()
    assert belief.grad is not None
    torch.testing.assert_close(belief.grad, (snr / (1.0 + snr)).expand(T, B, D))


def test_a_sequence_is_observed_one_step_later() -> None:
    belief, snr, noise = _posts()
    first = torch.full((B, D), 0.5)
    heard = received_sequence(belief, snr, noise, torch.zeros(T, B), first)
    assert torch.equal(heard[0], first)
    for t in range(1, T):
        assert torch.equal(heard[t], received(belief[t - 1], snr[t - 1], noise[t - 1]))


def test_the_board_is_empty_where_a_trial_starts() -> None:
    belief, snr, noise = _posts()
    starts = torch.zeros(T, B)
    starts[3, 1] = 1.0
    first = torch.full((B, D), 0.5)
    heard = received_sequence(belief, snr, noise, starts, first)
    whole = received_sequence(belief, snr, noise, torch.zeros(T, B), first)
    assert not heard[3, 1].any()
    whole[3, 1] = 0.0
    assert torch.equal(heard, whole)


def test_gradients_reach_the_step_before_and_no_other() -> None:
    belief, snr, noise = _posts()
    belief.requires_grad_()
    starts = torch.zeros(T, B)
    starts[4, 0] = 1.0
    first = torch.zeros(B, D)
    heard = received_sequence(belief, snr, noise, starts, first)
    for t in range(T):
        (gradient,) = torch.autograd.grad(
            heard[t].sum(), belief, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        reached = gradient.abs().sum(-1) > 0
        expected = torch.zeros(T, B, dtype=torch.bool)
        if t > 0:  # nothing of this segment reaches what its step 0 observes
            expected[t - 1] = starts[t] == 0
        assert torch.equal(reached, expected)


def test_straight_through_clip() -> None:
    x = torch.tensor([-3.0, -1.0, -0.2, 0.0, 0.9, 1.0, 2.5], requires_grad=True)
    y = straight_through_clip(x)
    torch.testing.assert_close(y.detach(), x.detach().clamp(-1.0, 1.0), rtol=0, atol=1e-7)
    weights = torch.arange(1.0, 8.0)
    (y * weights).sum().backward()
    assert x.grad is not None
    assert torch.equal(x.grad, weights)  # the identity, outside of the box too
