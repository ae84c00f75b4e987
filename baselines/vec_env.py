"""Worlds in one physics as a Stable-Baselines3 `VecEnv`: the single-agent twin, or one role of a team.

    from stable_baselines3 import PPO
    from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

    env = VecNormalize(VecMonitor(twin_vec_env("HalfCheetahVel-v0", 32, seed=0)))
    PPO("MlpPolicy", env, device="cpu").learn(1_000_000)

    env = BatchVecEnv(RoleVectorEnv("PointDir-v0", "meta_learning", others, 32))  # `policies.role_env`

An episode of the `VecEnv` is a trial. Its end is a termination and never a time limit: `TimeLimit.truncated`
is False, so nothing is bootstrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv

from ma_ssm_env.scenarios import Scenario
from ma_ssm_env.single_agent_vector import SingleAgentVectorEnv
from ma_ssm_env.streams import checked_seed, entropy_seed

Indices = None | int | Iterable[int]

SPACES = {"observation_space": "single_observation_space", "action_space": "single_action_space"}
PER_WORLD_METHODS = frozenset({"render", "state"})
REFUSED_METHODS = frozenset({"reset", "step", "close"})


class Worlds(Protocol):
    """What `BatchVecEnv` asks of a Gymnasium vector environment that resets finished worlds in the same step.

    Infos hold, over worlds, `episode_ended`, `episode_return`, `physics_unstable` and, where a trial ended,
    `final_obs`. `set_tasks`, `state` and `render` are called by name (`env_method`).
    """

    num_envs: int
    single_observation_space: gym.Space[Any]
    single_action_space: gym.Space[Any]

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin the next trial of every world: observations [B, O] and infos."""
        ...

    def step(
        self, actions: Any
    ) -> tuple[
        NDArray[np.float32], NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """One control step under actions [B, A]."""
        ...

    def render(self) -> Any:
        """A tuple of frames, one a world, or None."""
        ...

    def close(self) -> None:
        """Release the renderer."""
        ...

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds go on."""
        ...

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        ...


class BatchVecEnv(VecEnv):
    """B worlds of one batch for Stable-Baselines3.

    Infos are fresh dicts in every step. They are empty but for `episode_return` where an inner episode ended,
    `physics_unstable` where physics broke, and `terminal_observation` and `TimeLimit.truncated` where a
    trial ended.

    The worlds share one physics, so attributes and methods belong to all of them: `get_attr` and `env_method`
    look at `worlds`, and `set_attr` takes all worlds or none.

    Args:
        worlds: `ma_ssm_env.SingleAgentVectorEnv`, or `policies.role_env.RoleVectorEnv`.
        seed: as `seed(seed)`: world i of the first reset gets `seed + i`.
    """

    def __init__(self, worlds: Worlds, seed: int | None = None) -> None:
        self.worlds = worlds
        self._actions: NDArray[Any] | None = None
        super().__init__(worlds.num_envs, worlds.single_observation_space, worlds.single_action_space)
        if seed is not None:
            self.seed(seed)

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seeds of the next reset, `seed + i` for world i; None takes them from the system's entropy."""
        first = entropy_seed() // 2 if seed is None else checked_seed(seed)
        self._seeds = [first + world for world in range(self.num_envs)]
        return list(self._seeds)

    def reset(self) -> NDArray[np.float32]:
        """Begin the next trial of every world: observations [B, O]; seeds and options are used once."""
        seeds = [seed for seed in self._seeds if seed is not None]
        observations, _ = self.worlds.reset(seed=seeds or None, options=self._reset_options_of_worlds())
        self.reset_infos = [{} for _ in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        self._actions = None
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Remember actions [B, A] for `step_wait`."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_], list[dict[str, Any]]]:
        """One control step: observations [B, O], rewards [B], dones [B], infos."""
        observations, rewards, dones, _, batched = self.worlds.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if batched["episode_ended"].any():
            for world in np.flatnonzero(batched["episode_ended"]):
                infos[world]["episode_return"] = float(batched["episode_return"][world])
            for world in np.flatnonzero(batched["physics_unstable"]):
                infos[world]["physics_unstable"] = True
            for world in np.flatnonzero(dones):
                infos[world]["terminal_observation"] = batched["final_obs"][world].copy()
                infos[world]["TimeLimit.truncated"] = False
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Release the renderer; closing twice is fine."""
        self.worlds.close()

    def get_attr(self, attr_name: str, indices: Indices = None) -> list[Any]:
        """The attribute of the worlds, once for each world asked for; spaces are those of one world."""
        value = getattr(self.worlds, SPACES.get(attr_name, attr_name))
        return [value for _ in self._worlds_of(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Indices = None) -> None:
        """Set an attribute of all worlds.

        Raises:
            ValueError: some worlds only; they share the attribute.
        """
        self._require_all(indices, f"attribute {attr_name!r}")
        setattr(self.worlds, SPACES.get(attr_name, attr_name), value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: Indices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the worlds once; one result for each world asked for.

        `env_method("set_tasks", task)` pins the task of all worlds; `set_tasks` takes one task a world, too.

        Raises:
            ValueError: a method that would step past the `VecEnv`, or that acts on all worlds, for some only.
        """
        if method_name in REFUSED_METHODS:
            raise ValueError(f"env_method({method_name!r}): call {method_name}() of the BatchVecEnv instead")
        method = getattr(self.worlds, method_name)
        worlds = self._worlds_of(indices)
        if method_name in PER_WORLD_METHODS:
            result = method(*method_args, **method_kwargs)
            return [None if result is None else result[world] for world in worlds]
        if method_name != "observation_fields":  # the one that changes nothing
            self._require_all(indices, f"method {method_name!r}")
        result = method(*method_args, **method_kwargs)
        return [result for _ in worlds]

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Indices = None) -> list[bool]:
        """False: there is no environment of one world that a wrapper could be around."""
        del wrapper_class
        return [False for _ in self._worlds_of(indices)]

    def get_images(self) -> list[NDArray[np.uint8] | None]:
        """A frame of each world [height, width, 3], or None without `render_mode="rgb_array"`."""
        frames = self.worlds.render()
        return [None] * self.num_envs if frames is None else list(frames)

    def _worlds_of(self, indices: Indices) -> list[int]:
        return [int(world) for world in self._get_indices(indices)]

    def _require_all(self, indices: Indices, what: str) -> None:
        if sorted(self._worlds_of(indices)) != list(range(self.num_envs)):
            raise ValueError(f"{what} belongs to all {self.num_envs} worlds together; leave `indices` out")

    def _reset_options_of_worlds(self) -> dict[str, Any] | None:
        tasks = [options.get("task") for options in self._options]
        merged = dict(self._options[0])
        if all(task is None for task in tasks):
            return merged or None
        if any(task is None for task in tasks):
            raise ValueError("set_options: a task is given for some worlds only; give one for each, or none")
        merged["task"] = np.stack([np.atleast_1d(np.asarray(task, dtype=np.float64)) for task in tasks])
        return merged


def twin_vec_env(
    scenario: str | Scenario, num_envs: int, seed: int | None = None, **options: Any
) -> BatchVecEnv:
    """B worlds of the single-agent twin for Stable-Baselines3.

    Args:
        scenario: id of a scenario, or the scenario.
        num_envs: number of worlds, B.
        seed: world i of the first reset gets `seed + i`.
        options: options of the twin, such as `reveal_task=True` or `split="validation"`.
    """
    return BatchVecEnv(SingleAgentVectorEnv(scenario, num_envs, **options), seed)
