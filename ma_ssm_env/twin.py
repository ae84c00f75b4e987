"""The game of the single-agent twin: the same body, tasks, trials, reward and clock under one agent.

Observation: header, positions, velocities, last torque, last reward, and the active task under
`reveal_task=True` (the oracle). Action: the torque, in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from numpy.typing import NDArray

from ma_ssm_env.cloned_state import names_of, require_kind
from ma_ssm_env.options import Options
from ma_ssm_env.roles import HEADER, SENSED, action_box, layout, observation_box
from ma_ssm_env.scenarios import Scenario, find_scenario, reference
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
