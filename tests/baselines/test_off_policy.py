"""SAC, TD3, TQC and A2C on the twin: counted, seeded, frozen, and refused where they cannot be."""

import numpy as np
import pytest
import torch

from baselines import a2c, off_policy
from baselines.a2c import A2cConfig, a2c_config, train_a2c
from baselines.off_policy import CLASSES, OffPolicyConfig, off_policy_config, train_off_policy
from baselines.training import Hooks
from ma_ssm_env import SCENARIOS, Policy
from ma_ssm_env.evaluation import evaluate

SHORT = {"horizon": 5}


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def trained(algorithm, seed=0, hooks=None, **changes):
    settings = {"worlds": 4, "width": 8, "learning_starts": 40, "updates": 1, "batch": 16} | changes
    config = off_policy_config(algorithm, "PointDir-v0", **settings)
    return train_off_policy(
        "PointDir-v0", seed, 100, config, world_seed=10, hooks=hooks or Hooks(), options=SHORT
    )


def weights(policy):
    return policy.network.parameters_to_vector()


@pytest.mark.parametrize("algorithm", list(CLASSES))
def test_a_run_is_counted_seeded_and_evaluated(algorithm):
    seen = []
    hooks = Hooks((0, 50, 100), lambda steps, policy: seen.append((steps, weights(policy))))
    run = trained(algorithm, hooks=hooks)
    assert run.steps == 100
    assert [steps for steps, _ in seen] == [0, 52, 100]
    assert not np.array_equal(seen[0][1], seen[2][1])
    np.testing.assert_array_equal(seen[-1][1], weights(run.policy))
    np.testing.assert_array_equal(weights(trained(algorithm).policy), weights(run.policy))
    assert not np.array_equal(weights(trained(algorithm, seed=1).policy), weights(run.policy))
    assert isinstance(run.policy, Policy)
    assert set(run.parameters) == {"actor", "critic"}
    assert run.parameters["actor"] >= 8 * 8 + 8 + 8 * 8 + 8 + 8 * 2 + 2
    found = evaluate("PointDir-v0", run.policy, trials=1, **SHORT)
    assert np.isfinite(found.returns).all()
    assert run.model.replay_buffer.pos == 25  # steps of all four worlds


def test_updates_are_as_many_as_asked():
    # 25 steps of four worlds; the first update comes when more than 40 control steps are in the buffer.
    assert trained("sac", updates=3).model._n_updates == 3 * 15


def test_replayed_rewards_are_those_paid_and_observations_raw():
    run = trained("td3")
    assert not run.normaliser.norm_reward
    fields = run.normaliser.venv.worlds.observation_fields()
    seen = run.model.replay_buffer.observations[:25, :, fields["time_left"]]
    assert seen.max() == 1.0  # as the twin gives it
    assert run.model.action_noise is not None


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="algorithm='ddpg': one of sac, td3, tqc"):
        OffPolicyConfig(algorithm="ddpg")
    with pytest.raises(ValueError, match="updates=0"):
        OffPolicyConfig(updates=0)
    with pytest.raises(ValueError, match="checkpoint 101"):
        trained("sac", hooks=Hooks((101,)))


def test_the_tuned_tables_name_scenarios_and_settings():
    for algorithm, table in off_policy.TUNED.items():
        for scenario, settings in table.items():
            assert scenario in SCENARIOS
            config = off_policy_config(algorithm, scenario)
            assert {name: getattr(config, name) for name in settings} == settings
    for scenario, settings in a2c.TUNED.items():
        assert scenario in SCENARIOS
        assert {name: getattr(a2c_config(scenario), name) for name in settings} == settings


def test_a2c_updates_once_a_rollout():
    config = A2cConfig(worlds=4, rollout_steps=5, width=8)
    run = train_a2c("PointDir-v0", 0, 100, config, world_seed=3, hooks=Hooks(), options=SHORT)
    assert run.steps == 100
    assert run.model._n_updates == 5
    again = train_a2c("PointDir-v0", 0, 100, config, world_seed=3, hooks=Hooks(), options=SHORT)
    np.testing.assert_array_equal(weights(again.policy), weights(run.policy))
    assert config.learning_rate_at(0.0) == pytest.approx(1e-4)
