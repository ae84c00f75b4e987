"""The door for recorded arrays: what does not fit its scenario, or the other arrays, is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.controls import team_vector_env, twin_vector_env
from ma_ssm_env.options import plain_number

TWIN = "agent"  # the name of the twin's one agent


def world(scenario: str, options: Mapping[str, Any], team: bool, num_envs: int = 1) -> Any:
    """The vector environment that trials were, or will be, recorded in."""
    return (team_vector_env if team else twin_vector_env)(scenario, num_envs, **options)


def checked(given: Any) -> dict[str, Any]:
    """The attributes of a `RecordedTrials`, as arrays of their types and shapes.

    Raises:
        ValueError: what does not fit; the message names the array, what it is and what is expected.
    """
    if not isinstance(given.scenario, str):
        raise ValueError(f"scenario {given.scenario!r}: an id such as PointDir-v0 is expected")
    if not isinstance(given.options, Mapping):
        raise ValueError(f"options {given.options!r}: a mapping from option to value is expected")
    options = {
        n: sorted(v) if isinstance(v, (set, frozenset)) else plain_number(v) for n, v in given.options.items()
    }
    for name in ("render_mode", "num_threads"):  # no part of what was recorded
        options.pop(name, None)
    if not given.observations or set(given.observations) != set(given.actions):
        raise ValueError(
            f"observations of {', '.join(given.observations) or 'nobody'} and actions of "
            f"{', '.join(given.actions) or 'nobody'}: the same agents are expected"
        )
    team = TWIN not in given.observations
    env = world(given.scenario, options, team)
    expected = tuple(env.agents) if team else (TWIN,)
    if set(expected) != set(given.observations):
        raise ValueError(
            f"{given.scenario}: agents {', '.join(given.observations)}; with these options "
            f"{', '.join(expected)} are expected"
        )
    rewards = _array("rewards", given.rewards, np.float64, ("T", "N"))
    T, N = rewards.shape
    most = env.options.episodes_per_trial * env.options.horizon
    if not 1 <= T <= most or N < 1:
        raise ValueError(
            f"rewards of shape {rewards.shape}: at least one trial of 1 to {most} steps is expected"
        )
    observations, actions = {}, {}
    for agent in expected:
        spaces = (
            (env.single_observation_space(agent), env.single_action_space(agent))
            if team
            else (env.single_observation_space, env.single_action_space)
        )
        sizes = [(T, N, *space.shape) for space in spaces]
        observations[agent] = _array(
            f"observations of {agent}", given.observations[agent], np.float32, sizes[0]
        )
        actions[agent] = _array(f"actions of {agent}", given.actions[agent], np.float32, sizes[1])
        if np.abs(actions[agent]).max(initial=0.0) > 1.0:
            raise ValueError(f"actions of {agent}: numbers in [-1, 1] are expected")
    lengths = np.full(N, T) if given.lengths is None else _array("lengths", given.lengths, np.int64, (N,))
    if lengths.min() < 1 or lengths.max() > T:
        raise ValueError(f"lengths from {lengths.min()} to {lengths.max()}: 1 to {T} is expected")
    first = env.observation_fields(expected[0]) if team else env.observation_fields()
    playing = np.arange(T)[:, None] < lengths
    begins = (observations[expected[0]][:, :, first["episode_start"].start] == 1.0) & playing
    if given.starts is not None:
        starts = _array("starts", given.starts, np.bool_, (T, N))
        if not np.array_equal(starts, begins):
            raise ValueError("starts: they differ from episode_start in the observations")
    if not begins[0].all() or begins.sum(0).max() > env.options.episodes_per_trial:
        raise ValueError(
            "observations: a trial begins with episode_start 1, and has at most "
            f"{env.options.episodes_per_trial} inner episodes"
        )
    law = env.scenario.variation
    tasks = np.full((N, law.size), np.nan)
    if given.tasks is not None:
        tasks = _array("tasks", given.tasks, np.float64, (N, law.size), finite=False)
        for row in tasks[~np.isnan(tasks).all(1)].tolist():
            law.checked(row)
    return {
        "options": options,
        "observations": observations,
        "actions": actions,
        "rewards": rewards,
        "tasks": tasks,
        "lengths": lengths,
        "starts": begins,
    }


def _array(
    name: str, value: Any, dtype: Any, shape: tuple[int | str, ...], *, finite: bool = True
) -> NDArray[Any]:
    try:
        array = np.asarray(value, dtype=dtype)
    except (TypeError, ValueError):
        raise ValueError(f"{name}: an array of numbers is expected, not {value!r:.80}") from None
    sizes = [s for s in shape if not isinstance(s, str)]
    if array.ndim != len(shape) or (sizes and array.shape != shape):
        expected = f"[{', '.join(map(str, shape))}]"
        raise ValueError(f"{name}: shape {list(array.shape)}; {expected} is expected")
    if finite and not np.isfinite(array).all():
        raise ValueError(f"{name}: finite numbers are expected")
    return array
