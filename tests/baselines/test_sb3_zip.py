"""SB3's own files: opened where the caller names them, and then a policy for the twin or for any role."""

import pickle

import gymnasium
import numpy as np
import pytest
from stable_baselines3 import PPO, SAC
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from baselines.off_policy import off_policy_config, train_off_policy
from baselines.sb3 import Sb3PpoConfig, train_sb3_ppo
from baselines.sb3_policy import Sb3Policy
from baselines.training import Hooks
from ma_ssm_env import ROLES, parallel_env, random_policy
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.roles import AGENTS

SHORT = {"horizon": 5}
NAMES = {"model.zip", "vecnormalize.pkl"}


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    """A trained model in SB3's own files."""
    folder = tmp_path_factory.mktemp("sb3")
    config = Sb3PpoConfig(worlds=4, rollout_steps=16, minibatches=4, epochs=1, width=8)
    run = train_sb3_ppo("PointDir-v0", 0, 64, config, world_seed=0, options=SHORT)
    run.model.save(folder / "model.zip")
    run.normaliser.save(str(folder / "vecnormalize.pkl"))
    return folder, run


def test_a_zip_plays_as_the_model_that_was_stored(stored):
    folder, run = stored
    policy = Sb3Policy.from_zip(
        folder / "model.zip", PPO, trusted=NAMES, normaliser=folder / "vecnormalize.pkl"
    )
    seen = np.random.default_rng(0).normal(0, 2, (9, 8)).astype(np.float32)
    expected, _ = run.policy.act(seen, None, np.random.default_rng(0))
    np.testing.assert_array_equal(policy.act(seen, None, np.random.default_rng(0))[0], expected)
    ours, theirs = (evaluate("PointDir-v0", p, trials=1, **SHORT) for p in (policy, run.policy))
    np.testing.assert_array_equal(ours.returns, theirs.returns)


class Exploit:
    """A pickle that leaves a mark where it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return (open, (str(self.mark), "w"))


@pytest.mark.parametrize("trusted", [(), {"other.zip"}, {"model.zip"}])
def test_a_file_that_is_not_named_is_not_opened(stored, tmp_path, trusted):
    folder, _ = stored
    (tmp_path / "model.zip").write_bytes((folder / "model.zip").read_bytes())
    (tmp_path / "vecnormalize.pkl").write_bytes(pickle.dumps(Exploit(tmp_path / "mark")))
    with pytest.raises(PermissionError, match="loading it runs the code in it"):
        Sb3Policy.from_zip(
            tmp_path / "model.zip", PPO, trusted=trusted, normaliser=tmp_path / "vecnormalize.pkl"
        )
    assert not (tmp_path / "mark").exists()


def test_errors_name_what_is_wrong(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.zip"):
        Sb3Policy.from_zip(tmp_path / "none.zip", PPO, trusted={"none.zip"})
    with pytest.raises(ValueError, match="a set of file names"):
        Sb3Policy.from_zip(tmp_path / "none.zip", PPO, trusted="none.zip")


@pytest.mark.parametrize("role", ROLES)
def test_a_stored_model_plays_any_role(role, tmp_path):
    env = parallel_env("PointDir-v0")
    agent = next(a for a, r in AGENTS.items() if r == role)
    observed, acted = env.observation_space(agent), env.action_space(agent)

    class OfTheRole(gymnasium.Env):
        observation_space, action_space = observed, acted

    model = PPO("MlpPolicy", VecNormalize(DummyVecEnv([OfTheRole])), seed=0, n_steps=8, batch_size=8)
    model.save(tmp_path / "role.zip")
    policy = Sb3Policy.from_zip(tmp_path / "role.zip", PPO, trusted={"role.zip"})
    team = {
        r: policy if r == role else random_policy(env.action_space(a).shape[0]) for a, r in AGENTS.items()
    }
    found = evaluate("PointDir-v0", team, trials=1, **SHORT)
    assert np.isfinite(found.returns).all()
    actions, _ = policy.act(np.zeros((3, *observed.shape), np.float32), None, np.random.default_rng(0))
    expected, _ = model.predict(np.zeros((3, *observed.shape), np.float32), deterministic=True)
    np.testing.assert_array_equal(actions, expected)


def test_an_off_policy_zip(tmp_path):
    config = off_policy_config("sac", "PointDir-v0", worlds=4, width=8, learning_starts=20, updates=1)
    run = train_off_policy("PointDir-v0", 0, 40, config, world_seed=0, hooks=Hooks(), options=SHORT)
    run.model.save(tmp_path / "sac.zip")
    run.normaliser.save(str(tmp_path / "sac.pkl"))
    policy = Sb3Policy.from_zip(
        tmp_path / "sac.zip", SAC, trusted={"sac.zip", "sac.pkl"}, normaliser=tmp_path / "sac.pkl"
    )
    ours, theirs = (evaluate("PointDir-v0", p, trials=1, **SHORT) for p in (policy, run.policy))
    np.testing.assert_array_equal(ours.returns, theirs.returns)
