"""The single-agent twin as a Gymnasium environment: one agent, one world, the game of module `twin`."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.actions import checked_action
from ma_ssm_env.cloned_state import require_kind
from ma_ssm_env.options import RENDER_MODES, TEAM_ONLY, make_options
from ma_ssm_env.rendering import Renderer
from ma_ssm_env.scenarios import Scenario, find_scenario, reference
from ma_ssm_env.single_agent_vector import SingleAgentVectorEnv
from ma_ssm_env.streams import checked_seed
from ma_ssm_env.strip import twin_panels
from ma_ssm_env.twin import TwinGame

Float = NDArray[np.float32]


class SingleAgentEnv(gym.Env[Float, Float]):
    """One world of the twin as a Gymnasium environment; an episode is a trial, and its end a termination."""

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012 Gymnasium's form

    def __init__(self, scenario: str | Scenario, **options: Any) -> None:
        self.scenario = find_scenario(scenario)
        self.options = make_options(self.scenario, options, team=False)
        self.game = TwinGame(self.scenario, self.options, 1)
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": self.game.trials.physics.frames_per_second,
        }
        self.render_mode = self.options.render_mode
        self.observation_space = self.game.observation_space
        self.action_space = self.game.action_space
        self.state_space = self.game.state_space
        self._running = False
        self._renderer = Renderer(self.game.trials, partial(twin_panels, self.game))

    def observation_fields(self) -> dict[str, slice]:
        """Where each field lies in the observation."""
        return dict(self.game.observation_fields)

    @property
    def state_fields(self) -> dict[str, slice]:
        """Where each field lies in `state()`."""
        return dict(self.game.state_fields)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float, dict[str, Any]]:
        """Begin the next trial; a seed starts the streams anew, `options={"task": ...}` gives the task.

        Returns:
            The observation [O] and infos.
        """
        seed = None if seed is None else checked_seed(seed)
        self.game.reset(seed, options)
        super().reset(seed=seed)
        self._running = True
        self._follow()
        return self.game.observe()[0], {}

    def step(self, action: Any) -> tuple[Float, float, bool, bool, dict[str, Any]]:
        """One control step.

        Args:
            action: the torque [m] in [-1, 1]; numbers outside are clipped.

        Returns:
            Observation [O], reward, terminated, truncated (never), infos.

        Raises:
            RuntimeError: before `reset`, or after the end of the trial.
            ValueError: an action that is not a finite vector of the right size; nothing has changed then.
        """
        if not self._running:
            raise RuntimeError(f"{self.scenario.id}: no trial is running; call reset() first")
        shape = self.game.action_space.shape
        torque = checked_action(self.scenario.id, "the agent", action, shape)[None]
        result = self.game.step(torque)
        ended = bool(result.trial_ended[0])
        self._running = not ended
        self._follow()
        infos: dict[str, Any] = {
            "episode_ended": bool(result.episode_ended[0]),
            "episode_return": float(result.episode_return[0]),
            "physics_unstable": bool(result.unstable[0]),
            "phase": int(result.phase[0]),
        }
        infos |= {"reward_" + name: float(term[0]) for name, term in result.terms.items()}
        return self.game.observe()[0], float(result.reward[0]), ended, False, infos

    def set_tasks(self, task: Any | None) -> None:
        """Play this task in every trial from the next reset on; None draws tasks from the split again."""
        self.game.trials.set_tasks(task)

    def state(self) -> Float:
        """The state of the game [S], for critics in training."""
        state: Float = self.game.state()[0]
        return state

    def render(self) -> Any:
        """A frame [480, 640, 3] under `render_mode="rgb_array"`, else None; `human` draws into a window."""
        return self._renderer.render(self.render_mode)

    def _follow(self) -> None:
        if self.render_mode == "human":
            self.render()

    def close(self) -> None:
        """Release the renderer; closing twice is fine."""
        self._renderer.close()

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how this trial and later ones go on."""
        return {"game": self.game.clone_state(), "running": self._running}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit.

        Raises:
            ValueError: the state is of another kind, scenario or options; nothing has changed then.
        """
        require_kind(state, dict.fromkeys(("game", "running")), "SingleAgentEnv")
        self.game.restore_state(state["game"])
        self._running = bool(state["running"])

    def __getstate__(self) -> dict[str, Any]:
        options = {name: getattr(self.options, name) for name in self.options.__dataclass_fields__}
        for name in TEAM_ONLY:
            options.pop(name)
        return {
            "scenario": reference(self.scenario),
            "options": options,
            "state": self.clone_state(),
            "spec": self.spec,
            # We draw nothing from it, but Gymnasium's wrappers do; a copy draws for itself.
            "np_random": deepcopy((self._np_random, self._np_random_seed)),
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, state["scenario"], **state["options"])
        self.restore_state(state["state"])
        self.spec = state["spec"]
        self._np_random, self._np_random_seed = state["np_random"]

    def __deepcopy__(self, memo: dict[int, Any]) -> SingleAgentEnv:
        copy = type(self).__new__(type(self))
        copy.__setstate__(self.__getstate__())
        memo[id(self)] = copy
        return copy


def single_agent_env(scenario: str | Scenario, num_envs: int | None = None, **options: Any) -> Any:
    """The single-agent twin of a scenario: a Gymnasium `Env`, or a `VectorEnv` where `num_envs` is given.

    Args:
        scenario: the scenario or its id.
        num_envs: worlds of the `VectorEnv`; None makes an `Env`.
        options: options of the environment (`ma_ssm_env.options.Options`).

    Raises:
        ValueError: an unknown scenario, or an option that does not fit.
    """
    if num_envs is None:
        return SingleAgentEnv(scenario, **options)
    return SingleAgentVectorEnv(scenario, num_envs, **options)
