"""The single-agent twin: one agent controls the same body on the same tasks, trials, reward and clock.

Observation: header, positions, velocities, last torque, last reward, and the active task under
`reveal_task=True` (the oracle). Action: the torque, in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cached_property, partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from ma_ssm_env.actions import checked_action
from ma_ssm_env.cloned_state import names_of, require_kind
from ma_ssm_env.options import RENDER_MODES, TEAM_ONLY, Options, make_options, one_window, whole_number
from ma_ssm_env.rendering import Renderer
from ma_ssm_env.roles import HEADER, SENSED, action_box, layout, observation_box
from ma_ssm_env.scenarios import Scenario, find_scenario, reference
from ma_ssm_env.streams import checked_seed
from ma_ssm_env.strip import twin_panels
from ma_ssm_env.trial import Outcome, TrialBatch

Float = NDArray[np.float32]
STATE_FIELDS = (
    *HEADER,
    "positions",
    "velocities",
    "root_position",
    "true_last_reward",
    "return_so_far",
    "last_torque",
    "task",
)


class TwinGame:
    """B worlds of the twin; nothing begins anew by itself."""

    def __init__(self, scenario: Scenario, options: Options, num_worlds: int) -> None:
        self.scenario, self.options, self.num_worlds = scenario, options, num_worlds
        self.trials = TrialBatch(scenario, options, num_worlds)
        m = self.trials.physics.num_actuators
        sizes = {
            **dict.fromkeys(HEADER, 1),
            "positions": self.trials.num_positions,
            "velocities": self.trials.num_velocities,
            "root_position": len(scenario.body.root),
            "last_torque": m,
            "last_reward": 1,
            "true_last_reward": 1,
            "return_so_far": 1,
            "task": len(scenario.variation.shown),
            "torque": m,
        }
        revealed = ("task",) if options.reveal_task else ()
        self.observation_fields = layout((*HEADER, *SENSED, *revealed), sizes)
        self.action_fields = layout(("torque",), sizes)
        self.state_fields = layout(STATE_FIELDS, sizes)
        self.observation_space = observation_box(self.observation_fields)
        self.action_space = action_box(self.action_fields)
        size = self.state_fields["task"].stop
        self.state_space = Box(-np.inf, np.inf, (size,), dtype=np.float32)
        self.last_torque = np.zeros((num_worlds, m), dtype=np.float32)
        self._worlds = np.arange(num_worlds)

    def reset(self, seed: int | Sequence[int] | None, options: Mapping[str, Any] | None) -> None:
        """Begin the next trial of every world."""
        tasks = self.trials.tasks_of_options(options)
        self.trials.seed(seed)
        self.begin_trials(self._worlds, tasks)

    def begin_trials(self, worlds: NDArray[np.int64], tasks: NDArray[np.float64] | None = None) -> None:
        """Begin the next trial of `worlds` [n] alone, on `tasks` [n, k] or drawn ones."""
        self.trials.begin_trials(worlds, tasks)
        self.last_torque = self.last_torque.copy()
        self.last_torque[worlds] = 0.0

    def step(self, torque: Float) -> Outcome:
        """One control step under a checked torque [B, m]."""
        self.last_torque = torque
        return self.trials.step(torque)

    def observe(self) -> Float:
        """What the agent observes now [B, O]; a fresh array."""
        sensed = self.trials.sense()
        parts = [sensed[:, :-1], self.last_torque, sensed[:, -1:]]
        if self.options.reveal_task:
            parts.append(self.trials.normalised_active())
        return np.concatenate(parts, axis=1)

    def state(self) -> Float:
        """The state of the game [B, S], for critics in training."""
        trials = self.trials
        return np.concatenate(
            [
                trials.sense()[:, :-1],
                trials.root_position(),
                trials.last_reward[:, None].astype(np.float32),
                trials.return_so_far[:, None].astype(np.float32),
                self.last_torque,
                trials.normalised_active(),
            ],
            axis=1,
        )

    def clone_state(self) -> dict[str, Any]:
        """A copy of everything that decides how the game goes on."""
        return {"trials": self.trials.clone_state(), "last_torque": self.last_torque.copy()}

    @cached_property
    def _cloned_names(self) -> dict[str, Any]:
        return names_of(self.clone_state())  # once: planners restore a state at every branch

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, in this or another game of the same scenario and options."""
        require_kind(state, self._cloned_names, "the twin")
        self.trials.restore_state(state["trials"])
        self.last_torque = state["last_torque"].copy()

    def __getstate__(self) -> dict[str, Any]:
        # Arrays that are parts of one another would come apart.
        arguments = (reference(self.scenario), self.options, self.num_worlds)
        return {"arguments": arguments, "state": self.clone_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        scenario, options, num_worlds = state["arguments"]
        type(self).__init__(self, find_scenario(scenario), options, num_worlds)
        self.restore_state(state["state"])


class SingleAgentEnv(gym.Env[Float, Float]):
    """One world of the twin as a Gymnasium environment; an episode is a trial, and its end a termination."""

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012 Gymnasium's form

    def __init__(self, scenario: str | Scenario, **options: Any) -> None:
        self.scenario = find_scenario(scenario)
        self.options = make_options(self.scenario, options, team=False)
        self.game = TwinGame(self.scenario, self.options, 1)
        self.metadata = {
            "render_modes": list(RENDER_MODES),
            "render_fps": round(1.0 / self.game.trials.physics.control_dt),
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
            "render_fps": round(1.0 / self.game.trials.physics.control_dt),
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
