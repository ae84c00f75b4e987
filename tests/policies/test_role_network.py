"""A role's network: both modes agree, its distribution is a Gaussian, and its policy uses its rng alone."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Independent, Normal

from ma_ssm_env import Policy
from policies.cores import CORES, CoreConfig
from policies.role_network import HeadConfig, NetworkPolicy, RoleNetwork, linear

FIELDS = {"episode_start": slice(0, 1), "velocities": slice(1, 5)}
ACTIONS = {"trust": slice(0, 2), "rate": slice(2, 3)}
T, B = 9, 4


def _network(kind: str = "s5", head: HeadConfig | None = None, seed: int = 0) -> RoleNetwork:
    network = RoleNetwork(
        FIELDS,
        ACTIONS,
        CoreConfig(kind=kind, width=8, state_size=6),
        head or HeadConfig(gain=1.0),
        torch.Generator().manual_seed(seed),
    )
    network.normaliser.update(torch.randn(64, 5, generator=torch.Generator().manual_seed(5)) * 2.0 + 1.0)
    return network


def _observations(seed: int = 1) -> torch.Tensor:
    return torch.randn(T, B, 5, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("squash", [False, True])
@pytest.mark.parametrize("kind", sorted(CORES))
def test_acting_step_by_step_equals_the_sequence(kind: str, squash: bool) -> None:
    network = _network(kind, HeadConfig(gain=1.0, squash=squash))
    observations, policy = _observations(), NetworkPolicy(network)
    assert isinstance(policy, Policy)
    memory, rng = policy.initial_memory(B), np.random.default_rng(0)
    with torch.no_grad():
        means, _ = network.sequence(observations, torch.zeros(T, B), network.initial_memory(B))
    for t in range(T):
        actions, memory = policy.act(observations[t].numpy(), memory, rng)
        assert actions.dtype == np.float32
        np.testing.assert_allclose(actions, means[t].clamp(-1, 1), atol=1e-6)
    assert rng.bit_generator.state == np.random.default_rng(0).bit_generator.state  # the mode draws nothing


def test_samples_come_from_the_given_generator_alone() -> None:
    network = _network(head=HeadConfig(gain=0.01, log_std=-1.5))
    policy = NetworkPolicy(network, deterministic=False)
    observations = _observations()[0].numpy()
    torch_before = torch.get_rng_state()
    numpy_before = np.random.get_state(legacy=False)  # noqa: NPY002
    drawn = [
        policy.act(observations, policy.initial_memory(B), np.random.default_rng(s))[0] for s in (3, 3, 4)
    ]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.isclose(drawn[0], drawn[2]).any()
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert str(np.random.get_state(legacy=False)) == str(numpy_before)  # noqa: NPY002


def test_samples_have_the_networks_mean_and_deviation() -> None:
    network = _network(head=HeadConfig(gain=0.01, log_std=-2.0))
    observations = np.tile(_observations()[0, :1].numpy(), (20_000, 1))
    mode, _ = NetworkPolicy(network).act(
        observations, network.initial_memory(20_000), np.random.default_rng(0)
    )
    policy = NetworkPolicy(network, deterministic=False)
    found, _ = policy.act(observations, policy.initial_memory(20_000), np.random.default_rng(0))
    np.testing.assert_allclose(found.mean(0), mode[0], atol=0.005)
    np.testing.assert_allclose(found.std(0), math.exp(-2.0), rtol=0.03)


def test_actions_are_clipped_to_the_box() -> None:
    network = _network(head=HeadConfig(gain=50.0, log_std=1.0))
    for deterministic in (True, False):
        policy = NetworkPolicy(network, deterministic)
        actions, _ = policy.act(
            _observations()[0].numpy(), policy.initial_memory(B), np.random.default_rng(0)
        )
        assert np.abs(actions).max() == 1.0


def test_log_probabilities_and_entropy_are_a_gaussians() -> None:
    network = _network()
    with torch.no_grad():
        network.log_std.copy_(torch.tensor([-1.0, 0.3, -2.0]))
        mean, action = torch.randn(2, T, B, 3, generator=torch.Generator().manual_seed(0))
        expected = Independent(Normal(mean, torch.exp(network.log_std)), 1)
        torch.testing.assert_close(network.log_prob(mean, action), expected.log_prob(action))
        torch.testing.assert_close(network.entropy(), expected.entropy()[0, 0])


def test_a_squashed_mean_stays_in_the_box() -> None:
    network = _network(head=HeadConfig(gain=100.0, squash=True))
    means, _ = network.sequence(_observations(), torch.zeros(T, B), network.initial_memory(B))
    assert means.abs().max() <= 1.0


def test_parameters_depend_on_the_generator_alone() -> None:
    before = torch.get_rng_state()
    a, b, other = _network(seed=0), _network(seed=0), _network(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True):
        assert torch.equal(x, y)
    assert not torch.equal(a.head.weight, other.head.weight)


def test_a_linear_layer_is_orthogonal_times_its_gain() -> None:
    layer = linear(8, 3, 0.5, torch.Generator().manual_seed(0))
    torch.testing.assert_close(layer.weight @ layer.weight.t(), 0.25 * torch.eye(3), rtol=0, atol=1e-6)
    assert not layer.bias.any()
