"""One role as an environment: the team stepped by hand, and a learner of another library inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecMonitor

from baselines.vec_env import BatchVecEnv
from ma_ssm_env import TeamVectorEnv, neutral_policy, random_policy
from ma_ssm_env.roles import AGENTS, ROLE_TABLE
from policies.role_env import RoleVectorEnv

SHORT: dict[str, Any] = {"horizon": 4, "episodes_per_trial": 2}
SCENARIO = "PointDir-v0"
ROLE = "meta_learning"
AGENT = ROLE_TABLE[ROLE].agent
B = 3


class Counting:
    """Plays the number of its steps since the trial began, a 128th each (exact in any precision)."""

    def __init__(self, size: int) -> None:
        self.size = size

    def initial_memory(self, batch: int) -> np.ndarray:
        """No step yet."""
        return np.zeros((batch, 1), dtype=np.float32)

    def act(self, observations: np.ndarray, memory: np.ndarray, rng: Any) -> tuple[np.ndarray, np.ndarray]:
        """One more."""
        del rng
        memory = memory + 1
        return np.repeat(memory / 128, self.size, axis=1).astype(np.float32), memory


def size_of(role: str) -> int:
    return int(TeamVectorEnv(SCENARIO, 1).single_action_space(ROLE_TABLE[role].agent).shape[0])


def drawn(env: RoleVectorEnv, steps: int) -> np.ndarray:
    shape = (steps, *env.action_space.shape)
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def test_it_is_the_team_with_partners_stepped_by_hand() -> None:
    partners = {"state_modeling": Counting(size_of("state_modeling"))}
    env = RoleVectorEnv(SCENARIO, ROLE, partners, B, **SHORT)
    team = TeamVectorEnv(SCENARIO, B, absent_roles=set(AGENTS.values()) - {ROLE, "state_modeling"}, **SHORT)
    seen, _ = env.reset(seed=5)
    expected, _ = team.reset(seed=5)
    np.testing.assert_array_equal(seen, expected[AGENT])
    ends = 0
    for t, actions in enumerate(drawn(env, 20)):  # through the ends of two trials of eight steps
        counted = np.full((B, size_of("state_modeling")), (t % 8 + 1) / 128, dtype=np.float32)
        seen, rewards, ended, truncated, infos = env.step(actions)
        expected, paid, over, _, about = team.step(
            {AGENT: actions, ROLE_TABLE["state_modeling"].agent: counted}
        )
        np.testing.assert_array_equal(seen, expected[AGENT])
        np.testing.assert_array_equal(rewards, paid[AGENT])
        np.testing.assert_array_equal(ended, over[AGENT])
        assert not truncated.any()
        np.testing.assert_array_equal(env.state(), team.state())
        if ended.any():
            ends += 1
            np.testing.assert_array_equal(np.stack(list(infos["final_obs"])), about["final_obs"][AGENT])
        else:
            assert "final_obs" not in infos
    assert ends == 2


class Noting(Counting):
    """Counting that notes the counts it is at."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.counts: list[list[float]] = []

    def act(self, observations: np.ndarray, memory: np.ndarray, rng: Any) -> tuple[np.ndarray, np.ndarray]:
        """One more."""
        self.counts.append(memory[:, 0].tolist())
        return super().act(observations, memory, rng)


def test_partners_that_act_begin_anew_after_the_setup_step() -> None:
    """Trials of a setup step and eight more; who chooses the task remembers what it chose."""
    acting, chooser = Noting(size_of("state_modeling")), Noting(size_of("environment"))
    partners = {"state_modeling": acting, "environment": chooser}
    env, other = (
        RoleVectorEnv(SCENARIO, ROLE, partners, B, task_source="environment", **SHORT) for _ in range(2)
    )
    _, infos = env.reset(seed=0)
    assert infos["setup"].all()
    actions = drawn(env, 20)
    env.step(actions[0])
    other.restore_state(env.clone_state())  # the step after the setup step is the clone's
    for step in actions[1:]:
        other.step(step)
    trial = [0, *range(8)]
    assert acting.counts == [[count] * B for count in [*trial, *trial, 0, 0]]
    assert chooser.counts == [[count] * B for count in [*range(9), *range(9), 0, 1]]
    other.reset(seed=1, options={"task": [0.5]})  # no setup step
    acting.counts.clear()
    for step in actions[:3]:
        other.step(step)
    assert acting.counts == [[count] * B for count in range(3)]


def test_a_seed_is_also_the_partners() -> None:
    partners = {"coordinator": random_policy(size_of("coordinator"))}
    env = RoleVectorEnv(SCENARIO, ROLE, partners, B, **SHORT)

    def trust(seed: Any) -> np.ndarray:
        env.reset(seed=seed)
        for step in drawn(env, 3):
            env.step(step)
        fields: slice = env.team.state_fields["last_trust"]
        return env.state()[:, fields]

    first = trust(3)
    assert np.array_equal(trust(3), first)
    assert np.array_equal(trust([3, 4, 5]), first)  # the same worlds
    assert not np.array_equal(trust(4), first)
    assert not np.array_equal(trust(None), trust(None))
    env = RoleVectorEnv(SCENARIO, ROLE, partners, B, seed=1, **SHORT)
    assert not np.array_equal(trust(3), first)


def test_it_goes_on_from_a_clone_bit_for_bit() -> None:
    partners = {"coordinator": random_policy(size_of("coordinator"))}
    env, other = (RoleVectorEnv(SCENARIO, ROLE, partners, B, seed=seed, **SHORT) for seed in (0, 9))
    env.reset(seed=0)
    actions = drawn(env, 14)
    for step in actions[:5]:
        env.step(step)
    other.restore_state(env.clone_state())
    for step in actions[5:]:
        (seen, rewards, *_), (others, again, *_) = env.step(step), other.step(step)
        np.testing.assert_array_equal(seen, others)
        np.testing.assert_array_equal(rewards, again)


def test_a_learner_of_stable_baselines3_is_a_member() -> None:
    partners = {"state_modeling": neutral_policy(size_of("state_modeling"))}
    env = BatchVecEnv(RoleVectorEnv(SCENARIO, ROLE, partners, B, **SHORT), seed=0)
    model = PPO("MlpPolicy", VecMonitor(env), n_steps=16, batch_size=16, n_epochs=1, seed=0, device="cpu")
    model.learn(96)
    assert model.ep_info_buffer is not None
    assert {info["l"] for info in model.ep_info_buffer} == {8}  # a trial is one episode
    env.env_method("set_tasks", [0.5])
    env.reset()
    np.testing.assert_array_equal(env.worlds.team.game.trials.task, [[0.5]] * B)


@pytest.mark.parametrize(
    ("role", "partners", "message"),
    [
        ("pilot", {}, "role 'pilot': there is none; the roles are state_modeling"),
        (ROLE, {"pilot": neutral_policy(1)}, "role 'pilot': there is none"),
        (ROLE, {ROLE: neutral_policy(1)}, "'meta_learning' is the role that learns; leave it out"),
    ],
)
def test_roles_that_do_not_fit_are_named(role: str, partners: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RoleVectorEnv(SCENARIO, role, partners, B)


def test_step_before_reset_is_refused() -> None:
    env = RoleVectorEnv(SCENARIO, ROLE, {}, B, **SHORT)
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(np.zeros((B, 2)))
