"""Parameter-shared PPO of Stable-Baselines3 on the five roles, through SuperSuit: one network plays them all.

Observations and actions are padded to the largest role's, and the role is shown as a one-hot vector. Traps on
the way: padding comes before the indicator; SuperSuit's worlds have no `seed` and no `get_attr`, so the model
is built without a seed of its own and the worlds are seeded by `reset(seed=)`; SB3 counts one transition a
role, so control steps are its count divided by five. SuperSuit steps its worlds one by one, and what its
wrappers hold cannot be kept: a run that is cut off begins anew.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import supersuit
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.utils import set_random_seed
from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize

from baselines.sb3 import Sb3PpoConfig, ppo_model, sb3_ppo_config
from baselines.sb3_policy import Sb3Policy
from baselines.training import Hooks, train_model
from ma_ssm_env.parallel import parallel_env
from ma_ssm_env.policy import Memory, Policy
from ma_ssm_env.roles import AGENTS
from ma_ssm_env.scenarios import Scenario

Float = NDArray[np.float32]


@dataclass(frozen=True)
class TrainedShared:
    """What a training run gives.

    Attributes:
        policy: role -> policy.
        model: the SB3 model.
        config: its settings.
        steps: control steps charged.
    """

    policy: dict[str, Policy]
    model: PPO
    config: Sb3PpoConfig
    steps: int

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of trained parameters of the one `actor` that plays all roles, and of its `critic`."""
        return next(iter(self.policy.values())).parameters  # type: ignore[attr-defined,no-any-return]


class SharedPolicy:
    """One role's view of the shared network: pads what it sees, shows the role, cuts the action to size.

    Args:
        policy: the shared network, its frozen statistics, and its mode.
        position: of the role among those that were trained.
        roles: how many there were.
        observation_size: of a padded observation, without the indicator.
        action_size: of this role's action.
    """

    def __init__(
        self, policy: Sb3Policy, position: int, roles: int, observation_size: int, action_size: int
    ) -> None:
        self.policy, self.position, self.roles = policy, position, roles
        self.observation_size, self.action_size = observation_size, action_size

    @property
    def parameters(self) -> dict[str, int]:
        """Numbers of trained parameters of the shared `actor` and `critic`."""
        return self.policy.parameters

    def with_mode(self, deterministic: bool) -> SharedPolicy:
        """The same network, playing its mode or drawing its actions."""
        policy = self.policy.with_mode(deterministic)
        return SharedPolicy(policy, self.position, self.roles, self.observation_size, self.action_size)

    def initial_memory(self, batch: int) -> Memory:
        """None: nothing is remembered."""
        del batch
        return None

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Actions [B, A] of this role."""
        seen = np.zeros((len(observations), self.observation_size + self.roles), np.float32)
        seen[:, : observations.shape[1]] = observations
        seen[:, self.observation_size + self.position] = 1.0
        actions, _ = self.policy.act(seen, None, rng)
        return actions[:, : self.action_size], memory


def shared_worlds(scenario: str | Scenario, worlds: int, **options: Any) -> Any:
    """SuperSuit's vector environment over the roles of `worlds` teams, for Stable-Baselines3."""
    env = parallel_env(scenario, **options)
    padded = supersuit.pad_action_space_v0(supersuit.pad_observations_v0(env))
    shown = supersuit.agent_indicator_v0(padded)
    vector = supersuit.pettingzoo_env_to_vec_env_v1(shown)
    with warnings.catch_warnings():  # SB3 asks SuperSuit's worlds for a render mode, which they cannot say
        warnings.filterwarnings("ignore", message="The `render_mode` attribute is not defined")
        joined = supersuit.concat_vec_envs_v1(vector, worlds, num_cpus=0, base_class="stable_baselines3")
        return _Seeded(joined)


class _Seeded(VecEnvWrapper):
    """Gives the next reset the seed that SuperSuit's worlds cannot be told otherwise."""

    def __init__(self, venv: Any) -> None:
        super().__init__(venv)
        self.next_seed: int | None = None

    def reset(self) -> Any:
        seed, self.next_seed = self.next_seed, None
        if seed is None:
            return self.venv.reset()
        # SuperSuit's own wrapper for SB3 would ask its worlds for a `seed` method that they do not have.
        inner: Any = self.venv
        observations, inner.reset_infos = inner.venv.reset(seed=seed)
        return observations

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        if attr_name == "render_mode":  # the worlds are not drawn
            return [None] * self.num_envs
        return super().get_attr(attr_name, indices)

    def step_wait(self) -> Any:
        return self.venv.step_wait()


def train_shared_ppo(
    scenario: str | Scenario,
    seed: int,
    total_steps: int,
    config: Sb3PpoConfig,
    *,
    world_seed: int,
    hooks: Hooks,
    options: Mapping[str, Any] | None = None,
) -> TrainedShared:
    """Train one network on all five roles.

    Args:
        scenario: id of a scenario, or the scenario.
        seed: of the learner; in [0, 2**32).
        total_steps: control steps over all worlds (SB3 counts five times as many).
        config: the settings of PPO; a minibatch holds all roles' transitions.
        world_seed: world i is seeded with `world_seed + i`.
        hooks: checkpoints and progress; a state is not kept.
        options: options of the team.

    Raises:
        ValueError: a state to go on from: none is kept.
    """
    hooks.require(total_steps, seed)
    sizes = _sizes(scenario, options or {})
    widest = max(observation for observation, _ in sizes.values())
    seeded = shared_worlds(scenario, config.worlds, **(options or {}))
    env = VecNormalize(seeded, clip_obs=config.clip_observation, gamma=config.gamma)

    def build() -> PPO:
        set_random_seed(seed)
        return ppo_model(env, config, None)

    def policy_of(model: PPO) -> dict[str, Policy]:
        policy = Sb3Policy.from_model(model)
        return {
            role: SharedPolicy(policy, position, len(sizes), widest, action)
            for position, (role, (_, action)) in enumerate(sizes.items())
        }

    def seed_worlds(model: Any) -> None:
        del model
        seeded.next_seed = world_seed

    if hooks.kept is not None:
        raise ValueError(f"{hooks.kept}: a shared PPO has no state to go on from; begin the run anew")
    hooks = dataclasses.replace(hooks, keep=None)
    model = train_model(
        build, policy_of, total_steps, seed_worlds=seed_worlds, hooks=hooks, agents=len(sizes)
    )
    return TrainedShared(policy_of(model), model, config, int(model.num_timesteps) // len(sizes))


def shared_ppo_config(scenario: str | Scenario, **changes: Any) -> Sb3PpoConfig:
    """The settings of the single agent's PPO; they were not tuned again for the roles."""
    return sb3_ppo_config(scenario, **changes)


def _sizes(scenario: str | Scenario, options: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Role -> sizes of its observation and of its action, in the order of the agents."""
    env = parallel_env(scenario, **options)
    sizes = {
        AGENTS[agent]: (env.observation_space(agent).shape[0], env.action_space(agent).shape[0])
        for agent in env.possible_agents
    }
    env.close()
    return sizes
