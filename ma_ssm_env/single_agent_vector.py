"""The batched view of the single-agent twin: B worlds, finished ones begun anew in the same step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ma_ssm_env.actions import checked_action
from ma_ssm_env.cloned_state import require_kind
from ma_ssm_env.options import make_options, one_window, whole_number
from ma_ssm_env.rendering import Renderer
from ma_ssm_env.scenarios import Scenario, find_scenario
from ma_ssm_env.streams import checked_seed
from ma_ssm_env.strip import twin_panels
from ma_ssm_env.twin import TwinGame

Float = NDArray[np.float32]


class SingleAgentVectorEnv(gym.vector.VectorEnv[Float, Float, NDArray[Any]]):
    """B worlds of the twin as a Gymnasium vector environment that resets finished worlds in the same step.

    World i of `reset(seed=s)` is bit for bit the single environment under `reset(seed=s + i)`. In steps in
    which trials end, `infos` holds `final_obs` and `final_info` with their masks, as Gymnasium's do.
    """

    def __init__(self, scenario: str | Scenario, num_envs: int = 1, **options: Any) -> None:
        self.scenario = find_scenario(scenario)
        self.options = make_options(self.scenario, options, team=False)
        self.game = TwinGame(self.scenario, self.options, whole_number("num_envs", num_envs))
        self.num_envs = self.game.num_worlds
        self.metadata = {
            "autoreset_mode": AutoresetMode.SAME_STEP,
            "render_modes": ["rgb_array"],
            "render_fps": self.game.trials.physics.frames_per_second,
        }
        self.render_mode = one_window(self.options.render_mode)
        self.single_observation_space = self.game.observation_space
        self.single_action_space = self.game.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.state_space = self.game.state_space
        self._renderer = Renderer(self.game.trials, partial(twin_panels, self.game))
        self._started = False

    def observation_fields(self) -> dict[str, slice]:
        """Where each field lies in an observation."""
        return dict(self.game.observation_fields)

    @property
    def state_fields(self) -> dict[str, slice]:
        """Where each field lies in a row of `state()`."""
        return dict(self.game.state_fields)

    def reset(
        self, *, seed: int | Sequence[int] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Float, dict[str, Any]]:
        """Begin the next trial of every world; world i is seeded with `seed + i` (or `seed[i]`)."""
        self.game.reset(seed, options)
        if seed is not None:  # of what Gymnasium's wrappers draw; the worlds have streams of their own
            super().reset(seed=checked_seed(seed[0] if isinstance(seed, Sequence) else seed))
        self._started = True
        return self.game.observe(), {}

    def step(
        self, actions: Any
    ) -> tuple[Float, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """One control step of every world under torques [B, m].

        Raises:
            RuntimeError: before `reset`.
        """
        if not self._started:
            raise RuntimeError(f"{self.scenario.id}: step before reset; call reset() first")
        game = self.game
        shape = (self.num_envs, game.action_space.shape[0])
        result = game.step(checked_action(self.scenario.id, "the agent", actions, shape))
        infos: dict[str, Any] = {
            "episode_ended": result.episode_ended,
            "episode_return": result.episode_return,
            "physics_unstable": result.unstable.copy(),
            "phase": result.phase,
        }
        infos |= {"reward_" + name: np.array(term, dtype=np.float64) for name, term in result.terms.items()}
        done = np.flatnonzero(result.trial_ended)
        if done.size:
            final = np.full(self.num_envs, None, dtype=object)
            last = game.observe()
            for world in done:
                final[world] = last[world]
            ended = result.trial_ended.copy()
            infos["final_info"] = {**{name: np.array(value) for name, value in infos.items()}}
            infos["final_obs"], infos["_final_obs"], infos["_final_info"] = final, ended, ended.copy()
            game.begin_trials(done)
        never = np.zeros(self.num_envs, dtype=bool)
        return game.observe(), result.reward.copy(), result.trial_ended.copy(), never, infos

    def set_tasks(self, tasks: Any | None) -> None:
        """Pin one task for all worlds, or one a world, for trials that begin from now on; None draws."""
        self.game.trials.set_tasks(tasks)

    def state(self) -> Float:
        """The state of every world [B, S], for critics in training."""
        return self.game.state()

    def render(self) -> Any:
        """A tuple of frames, one a world, under `render_mode="rgb_array"`, else None."""
        if self.render_mode is None:
            return None
        return tuple(self._renderer.frame(world) for world in range(self.num_envs))

    def close_extras(self, **kwargs: Any) -> None:
        """Release the renderer."""
        del kwargs
        self._renderer.close()

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds go on."""
        return {"game": self.game.clone_state(), "started": self._started}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit.

        Raises:
            ValueError: the state is of another kind, scenario, options or number of worlds; nothing has
                changed then.
        """
        require_kind(state, dict.fromkeys(("game", "started")), "SingleAgentVectorEnv")
        self.game.restore_state(state["game"])
        self._started = bool(state["started"])

    def __getstate__(self) -> dict[str, Any]:
        # A picture is of the worlds of its own environment, so the copy gets a renderer of its own; and the
        # game knows its scenario, which is that of the table where the table has it.
        return {n: value for n, value in self.__dict__.items() if n not in ("_renderer", "scenario")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.scenario = self.game.scenario
        self._renderer = Renderer(self.game.trials, partial(twin_panels, self.game))
