"""The PettingZoo view of one world of the five-role game."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec

from ma_ssm_env.cloned_state import require_kind
from ma_ssm_env.options import RENDER_MODES, TWIN_ONLY, make_options
from ma_ssm_env.rendering import Renderer
from ma_ssm_env.roles import ROLE_TABLE
from ma_ssm_env.scenarios import Scenario, find_scenario, reference
from ma_ssm_env.streams import checked_seed
from ma_ssm_env.strip import team_panels
from ma_ssm_env.team import TeamGame

Float = NDArray[np.float32]


class TeamEnv(ParallelEnv[str, Float, Float]):
    """One trial of one world, as a PettingZoo `ParallelEnv`.

    `reset(seed=s)` starts the world's random streams anew; `reset()` goes on with its next trial.
    `reset(options={"task": ...})` plays a given task. The end of a trial terminates every agent.

    Infos are flat and numeric, with the same keys at reset and step: `active` (1 where the action that
    answers this observation has an effect: the environment role's in a setup step, the acting roles'
    otherwise; learners leave the rest out), `task_reward` (the plain task
    reward, before the channel's cost), `rate_cost`, `bits`, `episode_ended`, `episode_return`,
    `physics_unstable`, `phase` (where the task changes in mid-trial: 0 before, 1 shock, 2 recovery; else 0),
    and `reward_<term>` for each term of the law.
    """

    def __init__(self, scenario: str | Scenario, **options: Any) -> None:
        self.scenario = find_scenario(scenario)
        self.options = make_options(self.scenario, options, team=True)
        self.game = TeamGame(self.scenario, self.options, 1)
        self.metadata: dict[str, Any] = {
            "name": self.scenario.id,
            "render_modes": list(RENDER_MODES),
            "render_fps": self.game.trials.physics.frames_per_second,
            "is_parallelizable": True,
        }
        self.render_mode = self.options.render_mode
        self.possible_agents: list[str] = list(self.game.agents)
        self.agents: list[str] = []
        self.observation_spaces: dict[str, Any] = dict(self.game.observation_spaces)
        self.action_spaces: dict[str, Any] = dict(self.game.action_spaces)
        self.state_space = self.game.state_space
        self._chooser = ROLE_TABLE["environment"].agent
        self._terms = ["reward_" + name for name in self.scenario.variation.terms]
        self._started = False
        self._renderer = Renderer(self.game.trials, partial(team_panels, self.game))

    def observation_space(self, agent: str) -> Box[np.float32]:
        """The agent's observations: float32, field by field as in `observation_fields(agent)`."""
        self._known(agent)
        return self.game.observation_spaces[agent]

    def action_space(self, agent: str) -> Box[np.float32]:
        """The agent's actions: float32 in [-1, 1], field by field as in `action_fields(agent)`."""
        self._known(agent)
        return self.game.action_spaces[agent]

    def observation_fields(self, agent: str) -> dict[str, slice]:
        """Where each field lies in the agent's observation."""
        self._known(agent)
        return dict(self.game.observation_fields[agent])

    def action_fields(self, agent: str) -> dict[str, slice]:
        """Where each field lies in the agent's action."""
        self._known(agent)
        return dict(self.game.action_fields[agent])

    @property
    def state_fields(self) -> dict[str, slice]:
        """Where each field lies in `state()`."""
        return dict(self.game.state_fields)

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[dict[str, Float], dict[str, dict[str, Any]]]:
        """Begin the next trial.

        Args:
            seed: starts the world's random streams anew; None goes on with the next trial of the world.
            options: `{"task": ...}` plays that task (in the law's units) in this trial, without a setup
                step under `task_source="environment"`.

        Returns:
            Observations [O] and infos of every agent.

        Raises:
            ValueError: a seed or a task that is none.
        """
        self.game.reset(None if seed is None else checked_seed(seed), options)
        self.agents = list(self.possible_agents)
        self._started = True
        self._follow()
        base = {"task_reward": 0.0, "rate_cost": 0.0, "bits": 0.0, "episode_ended": 0, "episode_return": 0.0}
        base |= {"physics_unstable": 0, "phase": 0, **dict.fromkeys(self._terms, 0.0)}
        return self._observations(), {a: {"active": self._active(a), **base} for a in self.agents}

    def step(
        self, actions: Mapping[str, Any]
    ) -> tuple[
        dict[str, Float], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """One control step.

        Args:
            actions: an action [A] in [-1, 1] of every agent; numbers outside are clipped.

        Returns:
            Observations [O], rewards, terminations, truncations and infos, by agent.

        Raises:
            RuntimeError: before `reset`, or after the end of the trial.
            ValueError: a missing or unknown agent, or an action that is not a finite vector of the right
                size; nothing has changed then.
        """
        if not self._started:
            raise RuntimeError(f"{self.scenario.id}: step before reset; call reset() first")
        if not self.agents:
            raise RuntimeError(f"{self.scenario.id}: the trial has ended; call reset() to begin the next")
        step = self.game.step(actions, batched=False)
        result = step.outcome
        ended: bool = result.trial_ended.item()
        setup = int(self.game.setup.item())
        active: dict[str, Any] = {
            "active": 1 - setup,
            "task_reward": result.reward.item(),
            "rate_cost": step.cost.item(),
            "bits": self.game.blackboard.bits.item(),
            "episode_ended": int(result.some_ended),
            "episode_return": result.episode_return.item(),
            "physics_unstable": int(result.unstable.item()),
            "phase": result.phase.item(),
        }
        for name, term in zip(self._terms, result.terms.values(), strict=True):
            active[name] = term.item()
        agents, pay, progress = self.agents, step.pay.item(), step.progress.item()
        infos = {agent: active.copy() for agent in agents}
        rewards = dict.fromkeys(agents, pay)
        if self._chooser in rewards:
            rewards[self._chooser], infos[self._chooser]["active"] = progress, setup
        observations = self._observations()
        if ended:
            self.agents = []
        self._follow()
        return (
            observations,
            rewards,
            dict.fromkeys(agents, ended),
            dict.fromkeys(agents, False),
            infos,
        )

    def set_tasks(self, task: Any | None) -> None:
        """Play this task in every trial from the next reset on, without setup steps; None takes it back."""
        self.game.trials.set_tasks(task)

    def state(self) -> Float:
        """The state of the game [S], for critics in training; its fields are in `state_fields`."""
        state: Float = self.game.state()[0]
        return state

    def render(self) -> NDArray[np.uint8] | None:
        """A frame [480, 640, 3] under `render_mode="rgb_array"`, else None; `human` draws into a window."""
        return self._renderer.render(self.render_mode)

    def close(self) -> None:
        """Release the renderer; closing twice is fine."""
        self._renderer.close()

    def clone_state(self) -> dict[str, Any]:
        """Everything that decides how this trial and later ones go on."""
        return {"game": self.game.clone_state(), "agents": list(self.agents), "started": self._started}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave, bit for bit.

        Raises:
            ValueError: the state is of another kind, scenario or options; nothing has changed then.
        """
        require_kind(state, dict.fromkeys(("game", "agents", "started")), "TeamEnv")
        self.game.restore_state(state["game"])
        self.agents, self._started = list(state["agents"]), bool(state["started"])

    def __getstate__(self) -> dict[str, Any]:
        options = {name: getattr(self.options, name) for name in self.options.__dataclass_fields__}
        for name in TWIN_ONLY:
            options.pop(name)
        return {"scenario": reference(self.scenario), "options": options, "state": self.clone_state()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).__init__(self, state["scenario"], **state["options"])
        self.restore_state(state["state"])

    def __deepcopy__(self, memo: dict[int, Any]) -> TeamEnv:
        copy = type(self).__new__(type(self))
        copy.__setstate__(self.__getstate__())
        memo[id(self)] = copy
        return copy

    def _observations(self) -> dict[str, Float]:
        return {agent: observation[0] for agent, observation in self.game.observe().items()}

    def _active(self, agent: str) -> int:
        return int(self.game.active(agent)[0])

    def _follow(self) -> None:
        if self.render_mode == "human":
            self.render()

    def _known(self, agent: str) -> None:
        if agent not in self.game.observation_spaces:
            raise ValueError(
                f"{self.scenario.id}: unknown agent {agent!r}; the agents are {', '.join(self.game.agents)}"
            )


def parallel_env(scenario: str | Scenario, **options: Any) -> TeamEnv:
    """The five-role team of a scenario as a PettingZoo `ParallelEnv`; options are those of `Options`."""
    return TeamEnv(scenario, **options)


def env(scenario: str | Scenario, **options: Any) -> AECEnv[str, Float, Any]:
    """The same as an agent-environment-cycle environment; observations [O], actions [A].

    Args:
        scenario: the scenario or its id.
        options: options of the environment, as of `parallel_env`.
    """
    team: ParallelEnv[str, Float, Any] = TeamEnv(scenario, **options)
    return parallel_to_aec(team)
