"""`BatchVecEnv` under Stable-Baselines3's wrappers, callbacks and checks."""

from __future__ import annotations

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from baselines.vec_env import BatchVecEnv, twin_vec_env
from ma_ssm_env.scenarios import SCENARIOS
from ma_ssm_env.single_agent import SingleAgentEnv

SHORT: dict[str, Any] = {"horizon": 4, "episodes_per_trial": 2}


def drawn(env: BatchVecEnv, steps: int, seed: int = 0) -> np.ndarray:
    """Actions [T, B, A]."""
    shape = (steps, env.num_envs, *env.action_space.shape)
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_twin_passes_the_check_of_stable_baselines3(scenario: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(SingleAgentEnv(scenario, **SHORT))


def test_worlds_are_the_single_environments() -> None:
    env = twin_vec_env("PointDir-v0", 3, seed=7, **SHORT)
    singles = [SingleAgentEnv("PointDir-v0", **SHORT) for _ in range(3)]
    observations = env.reset()
    for i, single in enumerate(singles):
        np.testing.assert_array_equal(observations[i], single.reset(seed=7 + i)[0])
    for actions in drawn(env, 20):  # through the ends of trials
        observations, rewards, dones, infos = env.step(actions)
        for i, single in enumerate(singles):
            expected, reward, terminated, _, info = single.step(actions[i])
            assert rewards[i] == np.float32(reward)
            assert dones[i] == terminated
            assert ("episode_return" in infos[i]) == info["episode_ended"]
            if info["episode_ended"]:
                assert infos[i]["episode_return"] == info["episode_return"]
            assert ("terminal_observation" in infos[i]) == terminated
            if terminated:
                np.testing.assert_array_equal(infos[i]["terminal_observation"], expected)
                assert infos[i]["TimeLimit.truncated"] is False
                expected, _ = single.reset()
            np.testing.assert_array_equal(observations[i], expected)


def test_types_are_those_of_stable_baselines3() -> None:
    env = twin_vec_env("PointDir-v0", 2, **SHORT)
    assert env.reset().dtype == np.float32
    first = env.step(drawn(env, 1)[0])
    observations, rewards, dones, infos = first
    assert (observations.dtype, rewards.dtype, dones.dtype) == (np.float32, np.float32, np.bool_)
    assert infos == [{}, {}]
    infos[0]["mine"] = 1  # SB3 writes into infos
    second = env.step(drawn(env, 1)[0])
    assert second[3] == [{}, {}]
    assert not any(np.shares_memory(first[k], second[k]) for k in range(3))


def test_a_seed_is_used_once() -> None:
    env = twin_vec_env("PointDir-v0", 2, **SHORT)
    assert env.seed(5) == [5, 6]
    first, later = env.reset(), env.reset()
    assert not np.array_equal(env.get_attr("game")[0].trials.task, 0)
    task_later = env.worlds.game.trials.task.copy()
    env.seed(5)
    np.testing.assert_array_equal(env.reset(), first)
    task_first = env.worlds.game.trials.task.copy()
    assert not np.array_equal(task_first, task_later)
    np.testing.assert_array_equal(env.reset(), later)
    np.testing.assert_array_equal(env.worlds.game.trials.task, task_later)
    env.seed(6)
    env.reset()
    assert env.worlds.game.trials.task[0] == task_first[1]


def test_seeding_without_a_seed_leaves_the_global_generator_alone() -> None:
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    env = twin_vec_env("PointDir-v0", 2, **SHORT)
    assert env.seed() != env.seed()
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_options_are_used_once() -> None:
    env = twin_vec_env("PointDir-v0", 2, seed=0, **SHORT)
    env.set_options({"task": [0.5]})
    env.reset()
    np.testing.assert_array_equal(env.worlds.game.trials.task, [[0.5], [0.5]])
    env.set_options([{"task": [0.25]}, {"task": [-0.25]}])
    env.reset()
    np.testing.assert_array_equal(env.worlds.game.trials.task, [[0.25], [-0.25]])
    env.reset()
    assert not np.isin(env.worlds.game.trials.task, [0.25, -0.25, 0.5]).any()
    env.set_options([{"task": [0.25]}, {}])
    with pytest.raises(ValueError, match="some worlds only"):
        env.reset()


def test_attributes_and_methods_of_the_worlds() -> None:
    env = twin_vec_env("PointDir-v0", 3, seed=0, **SHORT)
    env.reset()
    assert env.get_attr("observation_space") == [env.observation_space] * 3
    assert env.get_attr("action_space", [0, 2]) == [env.action_space] * 2
    assert env.get_attr("render_mode", 1) == [None]
    assert env.has_attr("scenario")
    assert not env.has_attr("no_such_thing")
    env.set_attr("note", 4)
    assert env.get_attr("note") == [4, 4, 4]
    with pytest.raises(ValueError, match="all 3 worlds"):
        env.set_attr("note", 5, indices=[0])
    states = env.env_method("state", indices=[2, 0])
    np.testing.assert_array_equal(states, env.worlds.state()[[2, 0]])
    assert set(env.env_method("observation_fields", indices=0)[0]) >= {"positions", "last_reward"}
    assert env.env_method("set_tasks", [0.5]) == [None] * 3
    env.reset()
    np.testing.assert_array_equal(env.worlds.game.trials.task, [[0.5]] * 3)
    with pytest.raises(ValueError, match="all 3 worlds"):
        env.env_method("set_tasks", [0.5], indices=1)
    with pytest.raises(ValueError, match=r"call reset\(\) of the BatchVecEnv"):
        env.env_method("reset")
    assert env.env_is_wrapped(gym.Wrapper) == [False] * 3
    assert env.get_images() == [None] * 3
    env.close()
    env.close()


def test_frames_of_all_worlds(monkeypatch: pytest.MonkeyPatch) -> None:
    env = twin_vec_env("PointDir-v0", 2, seed=0, render_mode="rgb_array", **SHORT)
    env.reset()
    frames = tuple(np.full((4, 6, 3), shade, dtype=np.uint8) for shade in (1, 2))
    monkeypatch.setattr(env.worlds, "render", lambda: frames)  # drawing needs OpenGL; it is tested elsewhere
    assert env.render_mode == "rgb_array"
    assert [int(frame[0, 0, 0]) for frame in env.get_images()] == [1, 2]
    assert int(env.env_method("render", indices=1)[0][0, 0, 0]) == 2
    tiled = env.render()
    assert tiled is not None
    assert tiled.shape == (8, 6, 3)


def test_wrappers_and_evaluation_callback_run() -> None:
    def wrapped(split: str) -> VecNormalize:
        return VecNormalize(VecMonitor(twin_vec_env("PointDir-v0", 2, seed=1, split=split, **SHORT)))

    training, evaluation = wrapped("train"), wrapped("validation")
    evaluation.training = evaluation.norm_reward = False
    callback = EvalCallback(evaluation, n_eval_episodes=3, eval_freq=16, verbose=0)
    model = PPO("MlpPolicy", training, n_steps=16, batch_size=16, n_epochs=1, seed=3, device="cpu")
    model.learn(64, callback=callback)
    assert np.isfinite(callback.last_mean_reward)
    assert model.ep_info_buffer is not None
    assert {info["l"] for info in model.ep_info_buffer} == {8}  # a trial is one episode
    assert evaluation.get_attr("options")[0].split == "validation"
    training.seed(4)
    np.testing.assert_array_equal(training.reset(), training.normalize_obs(training.get_original_obs()))


def test_step_before_reset_is_refused() -> None:
    env = twin_vec_env("PointDir-v0", 2, **SHORT)
    with pytest.raises(RuntimeError, match="reset"):
        env.step(np.zeros((2, 2)))
