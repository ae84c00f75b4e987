"""What is under test, and how it is played."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ma_ssm_env.options import TEAM_ONLY, TWIN_ONLY
from ma_ssm_env.roles import ROLES
from ma_ssm_env.scenarios import Scenario
from ma_ssm_env.streams import MAX_SEED

Maker = Callable[..., Any]
Actions = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """A scenario under options, and the functions that make its environments.

    Attributes:
        scenario: what is checked.
        options: how it is played; those of the team and of the twin may stand side by side.
        make, make_batch, make_twin: as `parallel_env`, `vector_env` and `single_agent_env`.
        seed: seed of the worlds and of the actions.
    """

    scenario: Scenario
    make: Maker
    make_batch: Maker
    make_twin: Maker
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0

    def team(self, **more: Any) -> Any:
        """A new team, with more options."""
        return self.make(self.scenario, **self._options(TWIN_ONLY, more))

    def batch(self, worlds: int, **more: Any) -> Any:
        """A new batch of teams."""
        return self.make_batch(self.scenario, worlds, **self._options(TWIN_ONLY, more))

    def twin(self, **more: Any) -> Any:
        """A new twin."""
        return self.make_twin(self.scenario, **self._options(TEAM_ONLY, more))

    def rng(self) -> np.random.Generator:
        """The generator of the actions, anew."""
        return np.random.default_rng(self.seed)

    @property
    def absent(self) -> frozenset[str]:
        """Roles that the options leave out."""
        return frozenset(self.options.get("absent_roles", ()))

    @property
    def muted(self) -> frozenset[str]:
        """Roles that the options mute."""
        return frozenset(self.options.get("muted_roles", ()))

    @property
    def present(self) -> tuple[str, ...]:
        """Roles that the options leave in."""
        return tuple(role for role in ROLES if role not in self.absent)

    @property
    def drawn(self) -> bool:
        """Whether tasks come from the distribution."""
        return bool(self.options.get("task_source", "distribution") == "distribution")

    def _options(self, foreign: frozenset[str], more: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in {**self.options, **more}.items() if name not in foreign}


def random_actions(env: Any, rng: np.random.Generator) -> Actions:
    """Uniform actions of every agent of a team or a batch of teams."""
    if hasattr(env, "num_envs"):
        shapes = {a: (env.num_envs, *env.single_action_space(a).shape) for a in env.possible_agents}
    else:
        shapes = {a: env.action_space(a).shape for a in env.possible_agents}
    return {a: rng.uniform(-1.0, 1.0, shape).astype(np.float32) for a, shape in shapes.items()}


def together(
    envs: Sequence[Any],
    rng: np.random.Generator,
    *,
    seed: int | None = None,
    trials: int = 1,
    tasks: Sequence[Any] | None = None,
    acts: Sequence[Callable[[Actions], Actions]] | None = None,
    running: bool = False,
) -> Iterator[tuple[str, list[Any]]]:
    """Play teams side by side under the same random actions, the first one's.

    Args:
        envs: the teams.
        rng: where the actions come from.
        seed: of the first reset; later trials start by an unseeded one.
        trials: how many trials are played.
        tasks: a task for each team, instead of a drawn one.
        acts: what becomes of the actions in each team.
        running: the teams are in mid-trial already, so that the first reset is left out.

    Yields:
        The moment in words, and what each team returned.

    Raises:
        AssertionError: the trials do not end together, or not after all their steps.
    """
    options = [None if tasks is None else {"task": task} for task in tasks or envs]
    acts = acts or [dict] * len(envs)
    limit = envs[0].options.episodes_per_trial * envs[0].options.horizon + 1
    for trial in range(trials):
        if trial or not running:
            first = {"seed": seed} if trial == 0 else {}
            given = zip(envs, options, strict=True)
            yield f"reset of trial {trial}", [env.reset(options=option, **first) for env, option in given]
        step = 0
        while envs[0].agents:
            actions = random_actions(envs[0], rng)
            # Every team gets arrays of its own, so that none can pass a change on.
            own = [act({agent: action.copy() for agent, action in actions.items()}) for act in acts]
            yield (
                f"step {step} of trial {trial}",
                [env.step(action) for env, action in zip(envs, own, strict=True)],
            )
            step += 1
            if len({bool(env.agents) for env in envs}) > 1:
                raise AssertionError(f"step {step - 1} of trial {trial}: one trial ended and another did not")
            if step > limit:
                raise AssertionError(
                    f"step {step - 1} of trial {trial}: the trial has more than {limit} steps"
                )


def next_seed(seed: int, offset: int) -> int:
    """Another seed, inside the range of seeds."""
    return (seed + offset) % (MAX_SEED + 1)
