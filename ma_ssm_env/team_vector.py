"""The batched view of the five-role game: B worlds, finished ones begun anew in the same step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from ma_ssm_env.cloned_state import require_kind
from ma_ssm_env.options import make_options, one_window, whole_number
from ma_ssm_env.rendering import Renderer
from ma_ssm_env.scenarios import Scenario, find_scenario
from ma_ssm_env.strip import team_panels
from ma_ssm_env.team import TeamGame

Float = NDArray[np.float32]
Arrays = dict[str, Any]


class TeamVectorEnv:
    """B worlds of the five-role team, stepped together; not a PettingZoo class, but its batched shape.

    World i of `reset(seed=s)` is bit for bit `parallel_env(...)` under `reset(seed=s + i)`; a world whose
    trial ends begins its next trial in the same step, as `parallel_env(...).reset()` would, and its last
    observation is in `infos["final_obs"]`.

    `infos["setup"]` [B], at reset and step, says which worlds now stand at a setup step, where the action of
    the environment role alone has an effect (`active(agent)` [B] says the same an agent). Worlds reach it
    each for itself: some choose a task while others play. Without `task_source="environment"` it is False.

    Under `shared_ledger=True` all worlds read and write one ledger; worlds whose trials end in the same step
    do not count as earlier to each other. That alone is exempt from the bit-for-bit promise.

    Step infos, arrays over worlds: `task_reward`, `rate_cost`, `bits`, `snr` [B, 1] and `channel_noise`
    [B, d] of this step's channel (for learners that differentiate through it), `episode_ended`,
    `episode_return`, `physics_unstable`, `phase`, `reward_<term>`, and, in steps in which a trial ended,
    `final_obs` (agent -> [B, O]), `final_state` [B, S] and the mask `_final_obs` [B].
    """

    def __init__(self, scenario: str | Scenario, num_envs: int, **options: Any) -> None:
        self.scenario = find_scenario(scenario)
        self.options = make_options(self.scenario, options, team=True)
        self.game = TeamGame(self.scenario, self.options, whole_number("num_envs", num_envs))
        self.num_envs = self.game.num_worlds
        self.metadata: dict[str, Any] = {
            "name": self.scenario.id,
            "autoreset_mode": AutoresetMode.SAME_STEP,
            "render_modes": ["rgb_array"],
            "render_fps": self.game.trials.physics.frames_per_second,
        }
        self.render_mode = one_window(self.options.render_mode)
        self._renderer = Renderer(self.game.trials, partial(team_panels, self.game))
        self.agents: list[str] = list(self.game.agents)
        self.possible_agents: list[str] = list(self.game.agents)
        self.state_space = self.game.state_space
        self._started = False

    def single_observation_space(self, agent: str) -> Box[np.float32]:
        """Observations of one world's agent."""
        return self.game.observation_spaces[self._known(agent)]

    def single_action_space(self, agent: str) -> Box[np.float32]:
        """Actions of one world's agent."""
        return self.game.action_spaces[self._known(agent)]

    def observation_fields(self, agent: str) -> dict[str, slice]:
        """Where each field lies in the agent's observation."""
        return dict(self.game.observation_fields[self._known(agent)])

    def action_fields(self, agent: str) -> dict[str, slice]:
        """Where each field lies in the agent's action."""
        return dict(self.game.action_fields[self._known(agent)])

    @property
    def state_fields(self) -> dict[str, slice]:
        """Where each field lies in a row of `state()`."""
        return dict(self.game.state_fields)

    def reset(
        self, seed: int | Sequence[int] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Float], Arrays]:
        """Begin the next trial of every world: observations agent -> [B, O], and infos.

        Args:
            seed: world i starts its random streams anew from `seed + i` (or `seed[i]`).
            options: `{"task": ...}`: one task for all worlds, or one a world; there is no setup step then.
        """
        self.game.reset(seed, options)
        self._started = True
        return self.game.observe(), {"setup": self.game.setup.copy()}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Float],
        dict[str, NDArray[np.float64]],
        dict[str, NDArray[np.bool_]],
        dict[str, NDArray[np.bool_]],
        Arrays,
    ]:
        """One control step of every world; actions agent -> [B, A]. Errors as `TeamEnv.step`."""
        if not self._started:
            raise RuntimeError(f"{self.scenario.id}: step before reset; call reset() first")
        game = self.game
        step = game.step(actions, batched=True)
        result = step.outcome
        infos: Arrays = {
            "task_reward": result.reward.copy(),
            "rate_cost": step.cost,
            "bits": game.blackboard.bits.copy(),
            "snr": game.blackboard.snr.copy(),
            "channel_noise": game.blackboard.noise.copy(),
            "episode_ended": result.episode_ended,
            "episode_return": result.episode_return,
            "physics_unstable": result.unstable.copy(),
            "phase": result.phase,
        }
        for name, term in result.terms.items():
            infos["reward_" + name] = np.array(term, dtype=np.float64)
        done = np.flatnonzero(result.trial_ended)
        if done.size:
            infos["final_obs"] = game.observe()
            infos["final_state"] = game.state()
            infos["_final_obs"] = result.trial_ended.copy()
            game.begin_trials(done)
        infos["setup"] = game.setup.copy()
        return (
            game.observe(),
            {a: step.paid(a) for a in self.agents},
            {a: result.trial_ended.copy() for a in self.agents},
            {a: np.zeros(self.num_envs, dtype=bool) for a in self.agents},
            infos,
        )

    def active(self, agent: str) -> NDArray[np.bool_]:
        """In which worlds the agent's action that answers the present observation has an effect [B]."""
        return self.game.active(self._known(agent))

    def set_tasks(self, tasks: Any | None) -> None:
        """Pin one task for all worlds, or one a world, for trials that begin from now on; None takes it back.

        Trials on a pinned task have no setup step.
        """
        self.game.trials.set_tasks(tasks)

    def state(self) -> Float:
        """The state of every world [B, S], for critics in training."""
        return self.game.state()

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Frames [480, 640, 3], one a world, under `render_mode="rgb_array"`, else None."""
        if self.render_mode is None:
            return None
        return tuple(self._renderer.frame(world) for world in range(self.num_envs))

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how the worlds go on."""
        return {"game": self.game.clone_state(), "started": self._started}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit.

        Raises:
            ValueError: the state is of another kind, scenario, options or number of worlds; nothing has
                changed then.
        """
        require_kind(state, dict.fromkeys(("game", "started")), "TeamVectorEnv")
        if "agents" in state:
            raise ValueError("state of one world of a TeamEnv does not fit a TeamVectorEnv; restore it there")
        self.game.restore_state(state["game"])
        self._started = bool(state["started"])

    def __getstate__(self) -> dict[str, Any]:
        # A picture is of the worlds of its own environment, so the copy gets a renderer of its own; and the
        # game knows its scenario, which is that of the table where the table has it.
        return {n: value for n, value in self.__dict__.items() if n not in ("_renderer", "scenario")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.scenario = self.game.scenario
        self._renderer = Renderer(self.game.trials, partial(team_panels, self.game))

    def close(self) -> None:
        """Release the renderer; closing twice is fine."""
        self._renderer.close()

    def _known(self, agent: str) -> str:
        if agent not in self.game.observation_spaces:
            raise ValueError(
                f"{self.scenario.id}: unknown agent {agent!r}; the agents are {', '.join(self.agents)}"
            )
        return agent


def vector_env(scenario: str | Scenario, num_envs: int, **options: Any) -> TeamVectorEnv:
    """`num_envs` worlds of the five-role team of a scenario; options are those of `Options`."""
    return TeamVectorEnv(scenario, num_envs, **options)
