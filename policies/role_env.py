"""One role of the team as an ordinary environment: whoever learns alone can learn to be a member.

    env = RoleVectorEnv("PointDir-v0", "meta_learning", others, num_envs=32)
    seen, _ = env.reset(seed=0)

`others` are policies by role (`ma_ssm_env.policy`): of our networks, of another library, or scripted. Any
learner of Gymnasium vector environments can be the role then; `baselines.vec_env.BatchVecEnv` gives the
worlds to Stable-Baselines3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ma_ssm_env import Policy, TeamVectorEnv
from ma_ssm_env.roles import ACTING_ROLES, AGENTS, ROLE_TABLE, ROLES
from ma_ssm_env.scenarios import Scenario
from policies.partners import Partner

Float = NDArray[np.float32]


class RoleVectorEnv(gym.vector.VectorEnv[Float, Float, NDArray[Any]]):
    """One role of B teams as a Gymnasium vector environment that resets finished worlds in the same step.

    An episode is a trial, and its end a termination. World i of `reset(seed=s)` is the team of
    `TeamVectorEnv.reset(seed=s)`, and infos are the same; `final_obs` are the role's. Partners' memory begins
    anew where trials do: to who acts, after the setup step, where there is one. What they draw begins anew
    with every seed.

    Args:
        scenario: id of a scenario, or the scenario.
        role: who learns.
        partners: role -> policy, for others; roles that are not named are absent.
        num_envs: B.
        seed: of what the partners draw, beside the seed of `reset`.
        options: of the team's environment.

    Raises:
        ValueError: a role that there is not, or a partner of the role that learns.
    """

    def __init__(
        self,
        scenario: str | Scenario,
        role: str,
        partners: Mapping[str, Policy],
        num_envs: int = 1,
        *,
        seed: int = 0,
        **options: Any,
    ) -> None:
        for name in (role, *partners):
            if name not in ROLES:
                raise ValueError(f"role {name!r}: there is none; the roles are {', '.join(ROLES)}")
        if role in partners:
            raise ValueError(f"partners: {role!r} is the role that learns; leave it out")
        absent = set(AGENTS.values()) - {role, *partners}
        self.team = TeamVectorEnv(scenario, num_envs, absent_roles=absent, **options)
        self.scenario, self.num_envs = self.team.scenario, num_envs
        self.agent = ROLE_TABLE[role].agent
        self.partners = {
            ROLE_TABLE[who].agent: Partner(who, policy, num_envs, seed) for who, policy in partners.items()
        }
        self.metadata = {name: value for name, value in self.team.metadata.items() if name != "name"}
        self.render_mode = self.team.render_mode
        self.single_observation_space = self.team.single_observation_space(self.agent)
        self.single_action_space = self.team.single_action_space(self.agent)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.state_space = self.team.state_space
        self._seen: dict[str, Float] = {}
        self._starts = np.ones(num_envs, dtype=bool)
        self._setup = np.zeros(num_envs, dtype=bool)  # worlds at their setup step now,
        self._set_up = np.zeros(num_envs, dtype=bool)  # and those that were one step ago

    def observation_fields(self) -> dict[str, slice]:
        """Where each field lies in an observation."""
        return self.team.observation_fields(self.agent)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float, dict[str, Any]]:
        """Begin the next trial of every world; world i is seeded with `seed + i` (or `seed[i]`)."""
        self._seen, infos = self.team.reset(seed, options)
        self._starts = np.ones(self.num_envs, dtype=bool)
        self._setup, self._set_up = infos["setup"].copy(), np.zeros(self.num_envs, dtype=bool)
        if seed is not None:
            for partner in self.partners.values():
                partner.reseed(seed if isinstance(seed, (int, np.integer)) else seed[0])
        return self._seen[self.agent], infos

    def step(
        self, actions: Any
    ) -> tuple[Float, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One control step of every world: the role's actions [B, A], the partners' beside them.

        Raises:
            RuntimeError: before `reset`.
        """
        if not self._seen:
            raise RuntimeError(f"{self.scenario.id}: step before reset; call reset() first")
        joint = {
            who: partner.act(self._seen[who], self._starts | (self._set_up & (AGENTS[who] in ACTING_ROLES)))
            for who, partner in self.partners.items()
        }
        joint[self.agent] = actions
        self._seen, rewards, ended, never, infos = self.team.step(joint)
        self._starts = ended[self.agent]
        # To who acts, the step after the setup step is the first one of the trial.
        self._set_up, self._setup = self._setup, infos["setup"].copy()
        if self._starts.any():
            last = np.full(self.num_envs, None, dtype=object)
            for world in np.flatnonzero(self._starts):
                last[world] = infos["final_obs"][self.agent][world]
            infos["final_obs"] = last
        return self._seen[self.agent], rewards[self.agent], self._starts.copy(), never[self.agent], infos

    def set_tasks(self, tasks: Any | None) -> None:
        """Pin one task for all worlds, or one a world, for trials that begin from now on; None draws."""
        self.team.set_tasks(tasks)

    def state(self) -> Float:
        """The state of every world [B, S], for critics in training."""
        return self.team.state()

    def render(self) -> Any:
        """A tuple of frames, one a world, under `render_mode="rgb_array"`, else None."""
        return self.team.render()

    def close_extras(self, **kwargs: Any) -> None:
        """Release the renderer."""
        del kwargs
        self.team.close()

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds and the partners go on."""
        return {
            "team": self.team.clone_state(),
            "partners": {who: partner.clone_state() for who, partner in self.partners.items()},
            "seen": {who: seen.copy() for who, seen in self._seen.items()},
            "starts": self._starts.copy(),
            "setup": self._setup.copy(),
            "set_up": self._set_up.copy(),
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit."""
        self.team.restore_state(state["team"])
        for who, partner in self.partners.items():
            partner.restore_state(state["partners"][who])
        self._seen = {who: seen.copy() for who, seen in state["seen"].items()}
        self._starts = state["starts"].copy()
        self._setup, self._set_up = state["setup"].copy(), state["set_up"].copy()
