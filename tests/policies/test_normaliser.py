"""Running statistics against NumPy's over everything that was seen; messages are left alone."""

import numpy as np
import pytest
import torch

from ma_ssm_env.roles import ACTING_ROLES, BOUNDS, ROLE_TABLE
from policies.game import Game
from policies.normaliser import Normaliser, ReturnScale
from policies.team import NetworkConfig, TeamNetwork

FIELDS = {
    "episode_start": slice(0, 1),
    "velocities": slice(1, 4),
    "received_belief": slice(4, 12),
    "last_reward": slice(12, 13),
}
UNBOUNDED, BOUNDED = [1, 2, 3, 12], [0, *range(4, 12)]


def _batches() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = [(7, 3, 13), (5, 13), (2, 2, 2, 13)]
    spread = torch.linspace(0.5, 4.0, 13)
    return [torch.randn(s, generator=generator) * spread + 3.0 * i for i, s in enumerate(shapes)]


def test_statistics_equal_numpys_over_all_batches() -> None:
    normaliser = Normaliser(FIELDS)
    batches = _batches()
    for batch in batches:
        normaliser.update(batch)
    seen = np.concatenate([b.reshape(-1, 13).double().numpy() for b in batches])[:, UNBOUNDED]
    # The empty statistics count as 1e-4 samples of mean 0 and variance 1.
    np.testing.assert_allclose(normaliser.mean[UNBOUNDED], seen.mean(0), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(normaliser.var[UNBOUNDED], seen.var(0), rtol=1e-4)
    assert float(normaliser.count) == pytest.approx(len(seen), abs=1e-3)
    out = normaliser(batches[0])[..., UNBOUNDED]
    expected = (batches[0].numpy()[..., UNBOUNDED] - seen.mean(0)) / seen.std(0)
    np.testing.assert_allclose(out, expected, atol=1e-3)


def test_bounded_fields_pass_as_they_are() -> None:
    normaliser = Normaliser(FIELDS)
    for batch in _batches():
        normaliser.update(batch)
    x = torch.rand(6, 13, generator=torch.Generator().manual_seed(1)) * 8.0 - 4.0
    assert torch.equal(normaliser(x)[:, BOUNDED], x[:, BOUNDED])
    assert not torch.isclose(normaliser(x)[:, UNBOUNDED], x[:, UNBOUNDED]).any()


def test_bounded_fields_are_known_in_the_joined_form_too() -> None:
    normaliser = Normaliser(
        {"received_belief/adaptation": slice(0, 8), "velocities/adaptation": slice(8, 10)}
    )
    normaliser.update(torch.randn(50, 10, generator=torch.Generator().manual_seed(0)) * 3.0 + 1.0)
    assert normaliser.mask.tolist() == [0.0] * 8 + [1.0] * 2
    x = torch.ones(1, 10)
    assert torch.equal(normaliser(x)[:, :8], x[:, :8])
    assert not torch.isclose(normaliser(x)[:, 8:], x[:, 8:]).any()


def test_a_critic_of_observations_knows_every_field_of_every_role() -> None:
    game = Game("PointDir-v0", 1, True, {})
    network = TeamNetwork(game, NetworkConfig(privileged_critic=False), True, torch.Generator())
    expected = []
    for role in ACTING_ROLES:
        for name, where in game.observation_fields[role].items():
            assert name in (*ROLE_TABLE[role].observes, "episode_start", "time_left", "episode_index")
            expected += [0.0 if name in BOUNDS else 1.0] * (where.stop - where.start)
    assert network.critic.normaliser.mask.tolist() == expected


def test_nothing_of_the_blackboard_is_normalised_in_the_state() -> None:
    game = Game("PointDir-v0", 1, True, {})
    mask = TeamNetwork(game, NetworkConfig(), True, torch.Generator()).critic.normaliser.mask
    normalised = {name for name, where in game.state_fields.items() if mask[where].any()}
    assert normalised == {"velocities", "root_position", "true_last_reward", "return_so_far"}


def test_what_comes_out_is_clipped_at_ten() -> None:
    normaliser = Normaliser({"velocities": slice(0, 1)})
    normaliser.update(torch.tensor([[-1.0], [1.0]]))
    assert normaliser(torch.tensor([[1e6], [-1e6]])).tolist() == [[10.0], [-10.0]]


def test_before_any_sample_nothing_changes() -> None:
    x = torch.randn(4, 13, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Normaliser(FIELDS)(x), x)


def test_return_scale_equals_a_plain_loop() -> None:
    gamma, worlds = 0.9, 3
    scale = ReturnScale(worlds, gamma)
    generator = torch.Generator().manual_seed(0)
    running, seen = [0.0] * worlds, []
    for length in (5, 8):  # what runs goes on from call to call
        rewards = torch.randn(length, worlds, generator=generator) + 0.5
        dones = (torch.rand(length, worlds, generator=generator) < 0.3).float()
        assert dones.any()
        scale.update(rewards, dones)
        for t in range(length):
            for w in range(worlds):
                running[w] = gamma * running[w] + float(rewards[t, w])
                seen.append(running[w])
                if dones[t, w]:
                    running[w] = 0.0
    assert scale.running.tolist() == pytest.approx(running)
    assert scale.scale == pytest.approx(1.0 / np.std(seen), rel=1e-4)
