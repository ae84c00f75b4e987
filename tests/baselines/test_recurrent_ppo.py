"""RecurrentPPO: the fused pass gives the numbers of the loop, and memory is the world's own."""

import numpy as np
import pytest
import torch
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

from baselines.recurrent_ppo import (
    TUNED,
    FusedLstmPolicy,
    RecurrentPpoConfig,
    recurrent_ppo_config,
    train_recurrent_ppo,
)
from baselines.sb3 import Sb3PpoConfig, train_sb3_ppo
from baselines.training import Hooks
from ma_ssm_env import SCENARIOS
from ma_ssm_env.evaluation import evaluate

SHORT = {"horizon": 5}
SMALL = RecurrentPpoConfig(worlds=4, rollout_steps=20, minibatches=2, epochs=2, lstm_width=8, width=8)


@pytest.fixture(scope="module")
def run():
    torch.set_num_threads(1)
    return train_recurrent_ppo("PointDir-v0", 0, 160, SMALL, world_seed=10, hooks=Hooks(), options=SHORT)


@pytest.mark.parametrize("where", [(), (0,), (0, 3), (2,)])
def test_the_fused_pass_is_the_loop(where):
    generator = torch.Generator().manual_seed(len(where))
    lstm = torch.nn.LSTM(3, 5)
    features = torch.randn(2 * 6, 3, generator=generator)
    states = tuple(torch.randn(1, 2, 5, generator=generator) for _ in range(2))
    starts = torch.zeros(2, 6)
    starts[1, list(where)] = 1.0
    fused = FusedLstmPolicy._process_sequence(features, states, starts.flatten(), lstm)
    looped = RecurrentActorCriticPolicy._process_sequence(features, states, starts.flatten(), lstm)
    torch.testing.assert_close(fused[0], looped[0])
    for ours, theirs in zip(fused[1], looped[1], strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_start_at_the_front_takes_one_call(monkeypatch):
    called = []
    monkeypatch.setattr(
        RecurrentActorCriticPolicy, "_process_sequence", staticmethod(lambda *given: called.append(given))
    )
    lstm = torch.nn.LSTM(3, 5)
    states = (torch.ones(1, 2, 5), torch.ones(1, 2, 5))
    starts = torch.zeros(2, 6)
    starts[:, 0] = 1.0
    FusedLstmPolicy._process_sequence(torch.zeros(12, 3), states, starts.flatten(), lstm)
    assert called == []


def test_acting_remembers_its_world(run):
    policy, rng = run.policy, np.random.default_rng(0)
    observations = rng.normal(size=(6, 3, run.model.observation_space.shape[0])).astype(np.float32)
    memory = policy.initial_memory(3)
    together = []
    for now in observations:
        actions, memory = policy.act(now, memory, rng)
        together.append(actions)
    alone = policy.initial_memory(1)
    for now, expected in zip(observations, together, strict=True):
        actions, alone = policy.act(now[1:2], alone, rng)
        np.testing.assert_allclose(actions, expected[1:2], atol=1e-6)
    fresh, _ = policy.act(observations[-1], policy.initial_memory(3), rng)
    assert not np.allclose(fresh, together[-1])


def test_a_run_is_counted_and_evaluated(run):
    assert run.steps == 160
    again = train_recurrent_ppo("PointDir-v0", 0, 160, SMALL, world_seed=10, hooks=Hooks(), options=SHORT)
    np.testing.assert_array_equal(
        again.policy.policy.network.parameters_to_vector(), run.policy.policy.network.parameters_to_vector()
    )
    assert np.isfinite(evaluate("PointDir-v0", run.policy, trials=1, **SHORT).returns).all()
    sampled = run.policy.with_mode(False)
    first, other = (evaluate("PointDir-v0", sampled, trials=1, policy_seed=s, **SHORT) for s in (0, 1))
    assert not np.array_equal(first.returns, other.returns)
    inputs = run.model.observation_space.shape[0]
    lstm = 4 * 8 * (inputs + 8 + 2)
    assert run.parameters["actor"] == lstm + 8 * 8 + 8 + 8 * 2 + 2 + 2  # LSTM, layer, mean, deviation
    assert run.parameters["critic"] == lstm + 8 * 8 + 8 + 8 + 1


def test_settings():
    with pytest.raises(ValueError, match="minibatches=7"):
        RecurrentPpoConfig(minibatches=7)
    for scenario, settings in TUNED.items():
        assert scenario in SCENARIOS
        config = recurrent_ppo_config(scenario)
        assert {name: getattr(config, name) for name in settings} == settings


def test_a_stacking_agent_acts_as_it_saw_in_training():
    config = Sb3PpoConfig(worlds=2, rollout_steps=8, minibatches=2, epochs=1, width=8)
    run = train_sb3_ppo("PointDir-v0", 0, 16, config, world_seed=0, stack=3, options=SHORT)
    env, policy, rng = run.normaliser, run.policy, np.random.default_rng(0)
    env.training = False
    env.seed(4)
    stacked = env.reset()
    size = stacked.shape[1] // 3
    memory = policy.initial_memory(2)
    for _ in range(23):  # past the end of a trial of 10 steps, where both begin anew
        raw = env.get_original_obs()[:, -size:]
        actions, memory = policy.act(raw, memory, rng)
        expected, _ = run.model.predict(stacked, deterministic=True)
        np.testing.assert_allclose(actions, expected, atol=1e-6)
        stacked, _, dones, _ = env.step(actions)
        memory = policy.initial_memory(2) if dones.all() else memory
        assert dones.all() == dones.any()
