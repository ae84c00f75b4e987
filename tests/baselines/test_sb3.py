"""Training Stable-Baselines3's PPO, its checkpoints, and its policy under the protocol."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3 import SAC

from baselines.sb3 import TUNED, Sb3Policy, Sb3PpoConfig, TrainedSb3, sb3_ppo_config, train_sb3_ppo
from baselines.vec_env import twin_vec_env
from ma_ssm_env import SCENARIOS, Policy, single_agent_env

SMALL = Sb3PpoConfig(worlds=4, rollout_steps=16, minibatches=4, epochs=2, width=8)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def trained(seed: int = 0, total: int = 128, world_seed: int = 10, **others: Any) -> TrainedSb3:
    options = {"horizon": 5, **others.pop("options", {})}
    return train_sb3_ppo("PointDir-v0", seed, total, SMALL, world_seed=world_seed, options=options, **others)


def weights(policy: Sb3Policy) -> np.ndarray:
    return policy.network.parameters_to_vector()


def observed(count: int, size: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (count, size)).astype(np.float32)


def test_the_tuned_table_names_scenarios_and_settings() -> None:
    fields = {field.name for field in dataclasses.fields(Sb3PpoConfig)}
    for scenario, settings in TUNED.items():
        assert scenario in SCENARIOS
        assert set(settings) <= fields
        defaults = Sb3PpoConfig()
        assert all(getattr(defaults, name) != value for name, value in settings.items())
    for scenario in SCENARIOS:
        sb3_ppo_config(scenario)
    assert sb3_ppo_config("PointDir-v0", epochs=3).gamma == 0.95
    assert sb3_ppo_config("PointDir-v0", epochs=3).epochs == 3


def test_settings_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="minibatches=7"):
        Sb3PpoConfig(minibatches=7)
    with pytest.raises(ValueError, match="worlds=0"):
        Sb3PpoConfig(worlds=0)
    with pytest.raises(ValueError, match="total_steps=0"):
        trained(total=0)
    with pytest.raises(ValueError, match="seed=-1"):
        trained(seed=-1)
    with pytest.raises(ValueError, match="checkpoint 129"):
        trained(checkpoints=[129])


def test_the_learning_rate_falls_linearly_and_never_below_its_end() -> None:
    config = Sb3PpoConfig(learning_rate=1.0, final_learning_rate=0.1)
    assert [config.learning_rate_at(p) for p in (1.0, 0.5, 0.0, -0.1)] == pytest.approx([1.0, 0.55, 0.1, 0.1])


def test_equal_seeds_give_equal_parameters() -> None:
    first, again = trained(), trained()
    np.testing.assert_array_equal(weights(first.policy), weights(again.policy))
    np.testing.assert_array_equal(first.normaliser.obs_rms.mean, again.normaliser.obs_rms.mean)
    assert not np.array_equal(weights(first.policy), weights(trained(seed=1).policy))
    assert not np.array_equal(weights(first.policy), weights(trained(world_seed=11).policy))


def test_worlds_are_seeded_with_the_world_seed() -> None:
    run = trained(seed=3, world_seed=500)
    np.testing.assert_array_equal(run.normaliser.unwrapped.worlds.game.trials.seeds, [500, 501, 502, 503])


def test_callbacks_neither_shift_the_run_nor_see_it_late() -> None:
    seen: list[tuple[int, np.ndarray]] = []
    ticks: list[int] = []

    def on_checkpoint(steps: int, policy: Policy) -> None:
        assert isinstance(policy, Sb3Policy)
        seen.append((steps, weights(policy)))
        policy.with_mode(False).act(observed(2, 8), None, np.random.default_rng())
        torch.rand(5)
        np.random.rand(5)  # noqa: NPY002
        random.random()

    run = trained(
        total=130, checkpoints=[100, 0, 60, 61, 130], on_checkpoint=on_checkpoint, progress=ticks.append
    )
    assert run.steps == 192
    assert [steps for steps, _ in seen] == [0, 64, 128, 192]
    assert ticks == [64, 128, 192]
    assert not np.array_equal(seen[0][1], seen[1][1])  # the policy after the update on those 64 steps
    np.testing.assert_array_equal(seen[-1][1], weights(run.policy))
    np.testing.assert_array_equal(weights(trained(total=130).policy), weights(run.policy))


def test_training_puts_the_global_generators_back() -> None:
    torch.manual_seed(1)
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    python_before = random.getstate()
    trained(total=64)
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(numpy_before, np.random.get_state()[1])  # noqa: NPY002
    assert python_before == random.getstate()


def test_acting_is_the_models_prediction() -> None:
    run = trained()
    assert isinstance(run.policy, Policy)
    observations = observed(50, 8)
    expected, _ = run.model.predict(run.normaliser.normalize_obs(observations), deterministic=True)
    actions, memory = run.policy.act(observations, run.policy.initial_memory(50), np.random.default_rng(0))
    np.testing.assert_array_equal(actions, expected)
    assert memory is None
    assert actions.dtype == np.float32
    assert np.abs(actions).max() <= 1


def test_drawn_actions_come_from_the_given_generator() -> None:
    policy = trained(total=64).policy.with_mode(False)
    observations = observed(4000, 8) * 0
    torch_before = torch.get_rng_state()
    first, _ = policy.act(observations, None, np.random.default_rng(4))
    assert torch.equal(torch_before, torch.get_rng_state())
    again, _ = policy.act(observations, None, np.random.default_rng(4))
    other, _ = policy.act(observations, None, np.random.default_rng(5))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    mode, _ = policy.with_mode(True).act(observations, None, np.random.default_rng(4))
    np.testing.assert_allclose(first.mean(axis=0), mode[0], atol=0.05)
    assert first.std() == pytest.approx(np.exp(-1.0), abs=0.05)  # log_std_init, hardly moved, little clipped


def test_statistics_of_a_checkpoint_are_frozen() -> None:
    kept: list[Sb3Policy] = []

    def on_checkpoint(steps: int, policy: Policy) -> None:
        assert isinstance(policy, Sb3Policy)
        kept.append(policy)

    run = trained(checkpoints=[0, 128], on_checkpoint=on_checkpoint)
    early, late = kept[0].normaliser, kept[1].normaliser
    assert early is not None
    assert late is not None
    assert not np.array_equal(early.mean, late.mean)
    np.testing.assert_array_equal(late.mean, run.normaliser.obs_rms.mean)


def test_divergence_is_said_to_be_one() -> None:
    with pytest.raises(FloatingPointError, match=r"PPO diverged by .* steps: .* not finite"):
        train_sb3_ppo("PointDir-v0", 0, 6400, sb3_ppo_config("PointDir-v0", learning_rate=1e30), world_seed=0)


def test_parameters_are_counted() -> None:
    run = trained(total=64)
    inputs, width, torques = 8, 8, 2
    hidden = inputs * width + width + width * width + width
    assert run.parameters == {"actor": hidden + width * torques + 2 * torques, "critic": hidden + width + 1}
    assert sum(run.parameters.values()) == sum(p.numel() for p in run.model.policy.parameters())


def test_the_oracle_sees_the_task() -> None:
    blind, oracle = trained(total=64), trained(total=64, reveal_task=True)
    extra = oracle.normaliser.observation_space.shape[0] - blind.normaliser.observation_space.shape[0]
    env = oracle.normaliser.unwrapped
    fields = env.env_method("observation_fields")[0]
    assert extra == fields["task"].stop - fields["task"].start > 0
    env.set_options({"task": [0.5]})
    first = env.reset()
    env.set_options({"task": [-0.5]})
    assert not np.array_equal(first[:, fields["task"]], env.reset()[:, fields["task"]])


def test_a_saved_policy_comes_back(tmp_path: Path) -> None:
    policy = trained().policy.with_mode(False)
    policy.save(tmp_path / "kept")
    loaded = Sb3Policy.load(tmp_path / "kept", trust=True)
    assert loaded.deterministic is False
    observations = observed(20, 8)
    expected, _ = policy.act(observations, None, np.random.default_rng(3))
    actions, _ = loaded.act(observations, None, np.random.default_rng(3))
    np.testing.assert_array_equal(actions, expected)
    assert loaded.parameters == policy.parameters
    Sb3Policy(policy.network).save(tmp_path / "kept")  # without statistics: the old ones must not stay
    assert Sb3Policy.load(tmp_path / "kept", trust=True).normaliser is None


@pytest.mark.parametrize("arguments", [{}, {"trust": False}, {"trust": "yes"}])
def test_an_untrusted_load_is_refused(tmp_path: Path, arguments: dict[str, Any]) -> None:
    (tmp_path / "policy.pt").write_bytes(b"not a pickle: reading it would fail otherwise")
    (tmp_path / "policy.json").write_text('{"class": "ActorCriticPolicy", "deterministic": true}')
    with pytest.raises(PermissionError, match="trust=True"):
        Sb3Policy.load(tmp_path, **arguments)


def test_loading_names_what_is_wrong(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"policy\.json"):
        Sb3Policy.load(tmp_path, trust=True)
    (tmp_path / "policy.json").write_text('{"class": "Evil", "deterministic": true}')
    with pytest.raises(ValueError, match="Evil"):
        Sb3Policy.load(tmp_path, trust=True)


def test_a_model_of_another_algorithm_plugs_in(tmp_path: Path) -> None:
    env = twin_vec_env("PointDir-v0", 2, seed=0, horizon=5)
    model = SAC(
        "MlpPolicy", env, learning_starts=4, buffer_size=100, policy_kwargs={"net_arch": [8]}, device="cpu"
    )
    model.learn(12)
    policy = Sb3Policy.from_model(model)
    observations = env.reset()
    expected, _ = model.predict(observations, deterministic=True)
    np.testing.assert_allclose(
        policy.act(observations, None, np.random.default_rng(0))[0], expected, atol=1e-6
    )
    assert policy.parameters["actor"] == sum(p.numel() for p in model.actor.parameters())
    assert policy.parameters["critic"] == sum(p.numel() for p in model.critic.parameters())
    policy.save(tmp_path)
    loaded = Sb3Policy.load(tmp_path, trust=True)
    np.testing.assert_allclose(
        loaded.act(observations, None, np.random.default_rng(0))[0], expected, atol=1e-6
    )


def test_it_learns_to_follow_a_task_that_it_is_shown() -> None:
    """Oracle on PointDir, 20 rollouts: far above 0, which is what is earned blindly."""
    config = sb3_ppo_config("PointDir-v0", width=32)
    run = train_sb3_ppo("PointDir-v0", 0, 40_000, config, reveal_task=True, world_seed=0)
    env = single_agent_env("PointDir-v0", 20, reveal_task=True, split="validation")
    observations, _ = env.reset(seed=10**9)
    returns = np.zeros(20)
    for _ in range(50):
        actions, _ = run.policy.act(observations, None, np.random.default_rng(0))
        observations, _, _, _, infos = env.step(actions)
        returns += infos["episode_return"]
    assert returns.mean() > 30.0
