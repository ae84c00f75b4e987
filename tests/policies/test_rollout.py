"""What a rollout records is what was seen, done and paid, and learning can compute it anew."""

from typing import Any

import numpy as np
import pytest
import torch

from ma_ssm_env import ACTING_ROLES, SingleAgentVectorEnv, TeamVectorEnv
from ma_ssm_env.roles import ROLE_TABLE
from policies.cores import CORES, CoreConfig
from policies.game import AGENT, Game
from policies.role_network import HeadConfig
from policies.rollout import Collector, Rollout
from policies.team import NetworkConfig, TeamNetwork

B, LENGTH, SEGMENT, SEED = 3, 40, 10, 7
OPTIONS = {"horizon": 7, "episodes_per_trial": 2}  # trials of 14 steps: they end inside of segments


def _collector(
    team: bool = True,
    core: str = "s5",
    seed: int = 0,
    privileged: bool = True,
    options: dict[str, Any] | None = None,
) -> Collector:
    generator = torch.Generator().manual_seed(seed)
    game = Game("PointDir-v0", B, team, {**OPTIONS, **(options or {})})
    config = NetworkConfig(
        core=CoreConfig(kind=core, width=8, state_size=6),
        head=HeadConfig(gain=0.5),
        critic_width=9,
        privileged_critic=privileged,
    )
    network = TeamNetwork(game, config, True, generator)
    for role in network.roles:  # statistics that change what the cores read
        size = len(network.actor(role).normaliser.mean)
        network.actor(role).normaliser.update(torch.randn(99, size, generator=generator) * 2.0 + 0.5)
    return Collector(game, network, SEED, generator)


def _rewards(rollout: Rollout, collector: Collector) -> None:
    """Play the recorded actions in an environment of its own: the same rewards, ends and observations."""
    if collector.game.team:
        env: Any = TeamVectorEnv("PointDir-v0", B, **OPTIONS)
    else:
        env = SingleAgentVectorEnv("PointDir-v0", B, **OPTIONS)
    observations, _ = env.reset(seed=SEED)
    returns = []
    for t in range(LENGTH):
        if collector.game.team:
            for role in ACTING_ROLES:
                seen = rollout.observations[role][t].numpy()
                assert np.array_equal(seen, observations[ROLE_TABLE[role].agent])
            actions = {ROLE_TABLE[r].agent: rollout.actions[r][t].numpy() for r in ACTING_ROLES}
            actions["environment_0"] = np.zeros((B, 1), np.float32)
            observations, rewards, ended, _, infos = env.step(actions)
            reward, done = rewards["adaptation_0"], ended["adaptation_0"]
            assert rollout.snr is not None
            assert rollout.channel_noise is not None
            assert np.array_equal(rollout.snr[t].numpy(), infos["snr"])
            assert np.array_equal(rollout.channel_noise[t].numpy(), infos["channel_noise"])
        else:
            assert np.array_equal(rollout.observations[AGENT][t].numpy(), observations)
            observations, reward, done, _, infos = env.step(rollout.actions[AGENT][t].numpy())
        assert np.array_equal(rollout.rewards[t].numpy(), reward.astype(np.float32))
        assert np.array_equal(rollout.dones[t].numpy() == 1, done)
        returns += infos["episode_return"][infos["episode_ended"]].tolist()
    assert rollout.episode_returns == returns
    assert len(returns) == B * (LENGTH // 7)


@pytest.mark.parametrize("team", [False, True])
def test_rewards_ends_and_observations_are_the_environments(team: bool) -> None:
    collector = _collector(team)
    _rewards(collector.collect(LENGTH, SEGMENT), collector)


@pytest.mark.parametrize("privileged", [True, False])
@pytest.mark.parametrize("core", sorted(CORES))
def test_sequences_from_the_recorded_memory_give_what_acting_gave(core: str, privileged: bool) -> None:
    collector = _collector(core=core, privileged=privileged)
    network = collector.network
    collector.collect(LENGTH, SEGMENT)  # so that memories are not empty at the start
    rollout = collector.collect(LENGTH, SEGMENT)
    with torch.no_grad():
        for number in range(LENGTH // SEGMENT):
            now = slice(number * SEGMENT, (number + 1) * SEGMENT)
            features = []
            for role in network.roles:
                actor = network.actor(role)
                means, feature = actor.sequence(
                    rollout.observations[role][now], rollout.starts[now], rollout.memories[role][number]
                )
                torch.testing.assert_close(feature, rollout.features[role][now], rtol=0, atol=2e-5)
                log_prob = actor.log_prob(means, rollout.actions[role][now])
                torch.testing.assert_close(log_prob, rollout.log_probs[role][now], rtol=0, atol=1e-3)
                std = torch.exp(actor.log_std)
                actions = means + std * rollout.noise[role][now]
                torch.testing.assert_close(actions, rollout.actions[role][now], rtol=0, atol=2e-5)
                features.append(feature)
            values, _ = network.critic(
                rollout.states[now], features, rollout.starts[now], rollout.memories["critic"][number]
            )
            torch.testing.assert_close(values, rollout.values[now], rtol=0, atol=2e-5)


@pytest.mark.parametrize("privileged", [True, False])
def test_rollouts_go_on_where_the_last_one_ended(privileged: bool) -> None:
    collector, whole = (_collector(privileged=privileged) for _ in range(2))
    first, second = collector.collect(LENGTH, SEGMENT), collector.collect(LENGTH, SEGMENT)
    torch.testing.assert_close(second.starts[0], first.dones[-1])
    assert not first.dones[-1].any()  # 40 steps are no whole number of trials
    torch.testing.assert_close(first.last_value, second.values[0], rtol=0, atol=1e-5)
    # The draws of a rollout are made at once, so only the first one's play is the same.
    long = whole.collect(2 * LENGTH, SEGMENT)
    assert torch.equal(long.memories["adaptation"][0], first.memories["adaptation"][0])
    assert torch.equal(long.observations["adaptation"][0], first.observations["adaptation"][0])


def test_starts_follow_the_ends_of_trials() -> None:
    rollout = _collector().collect(LENGTH, SEGMENT)
    assert (rollout.starts[0] == 1).all()
    assert torch.equal(rollout.starts[1:], rollout.dones[:-1])
    assert [int(t) for t in rollout.dones[:, 0].nonzero()] == [13, 27]


def test_memory_at_the_start_of_a_run_is_empty_and_later_is_not() -> None:
    rollout = _collector().collect(LENGTH, SEGMENT)
    for role in ACTING_ROLES:
        assert rollout.memories[role].shape == (LENGTH // SEGMENT, B, 6)
        assert not rollout.memories[role][0].any()
        assert rollout.memories[role][1:].abs().sum((1, 2)).min() > 0


def _flat(value: Any) -> list[torch.Tensor]:
    if isinstance(value, dict):
        return [tensor for item in value.values() for tensor in _flat(item)]
    return [value] if isinstance(value, torch.Tensor) else []


@pytest.mark.parametrize("team", [False, True])
def test_the_seed_decides_the_rollout_and_global_streams_are_left_alone(team: bool) -> None:
    torch_before = torch.get_rng_state()
    numpy_before = str(np.random.get_state(legacy=False))  # noqa: NPY002
    a, b, other = (_collector(team, seed=seed).collect(LENGTH, SEGMENT) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), torch_before)
    assert str(np.random.get_state(legacy=False)) == numpy_before  # noqa: NPY002
    for name, value in vars(a).items():
        for x, y in zip(_flat(value), _flat(getattr(b, name)), strict=True):
            assert torch.equal(x, y), name
    assert a.episode_returns == b.episode_returns
    role = next(iter(a.actions))
    assert not torch.isclose(a.actions[role], other.actions[role]).any(2).any()


def test_roles_that_are_absent_do_not_play() -> None:
    collector = _collector(options={"absent_roles": ["coordinator", "environment"]})
    rollout = collector.collect(LENGTH, SEGMENT)
    assert list(rollout.actions) == ["state_modeling", "meta_learning", "adaptation"]
