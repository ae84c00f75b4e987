"""The options that any scenario takes, with their defaults, checked at the door."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from ma_ssm_env.roles import ROLES
from ma_ssm_env.scenarios import Feedback, Scenario
from ma_ssm_env.variations import SPLITS, Split

Observability = Literal["split", "full"]
TaskSource = Literal["distribution", "environment"]
RENDER_MODES = ("rgb_array", "human")


@dataclass(frozen=True)
class Options:
    """How a scenario is played.

    Attributes:
        episodes_per_trial: inner episodes in a trial, K >= 1.
        horizon: control steps in an inner episode, H >= 1.
        observability: `split`, each role senses its own part; or `full`, every acting role also sees
            positions, velocities and the last reward.
        feedback: when the reward is *observed*: every `step`; as the mean reward of the inner episode, in
            the one observation that starts the next (`episode`); or never (`none`). The reward *paid* is
            the same.
        hide_velocities: leave the velocities out (rewards of running tasks still contain the speed).
        sensor_noise: standard deviation of Gaussian noise on positions and velocities, in their units; that
            of the positions is the same with hidden velocities as without.
        bandwidth_cost: reward paid for a step of belief at full rate.
        absent_roles: roles without an agent; their fields are neutral and their sends cost nothing.
        muted_roles: roles whose posts are observed as 0, by the others and by a muted coordinator in its own
            `last_rate` (their acts on the torque and on the channel remain).
        split: which tasks are drawn: `train`, `validation`, `test` or `ood`.
        task_source: who chooses the hidden task: the `distribution` of the split, or the `environment` role
            in a setup step before each trial (module `team`). Evaluation always uses the distribution.
        shared_ledger: the worlds of a batch share one ledger of tasks and outcomes, for training. World i
            then sees what the others tried, and is no longer the single environment with seed s + i.
        reveal_task: the twin observes the active task in normalised coordinates (the oracle).
        num_threads: physics threads of a batch.
        render_mode: None; `rgb_array`, frames on demand; or `human`, a window that follows each step (of one
            world only).
    """

    episodes_per_trial: int
    horizon: int
    observability: Observability = "split"
    feedback: Feedback = "step"
    hide_velocities: bool = False
    sensor_noise: float = 0.0
    bandwidth_cost: float = 0.01
    absent_roles: frozenset[str] = frozenset()
    muted_roles: frozenset[str] = frozenset()
    split: Split = "train"
    task_source: TaskSource = "distribution"
    shared_ledger: bool = False
    reveal_task: bool = False
    num_threads: int = 1
    render_mode: str | None = None


TEAM_ONLY = frozenset(
    {"observability", "bandwidth_cost", "absent_roles", "muted_roles", "task_source", "shared_ledger"}
)
TWIN_ONLY = frozenset({"reveal_task"})
# Of the batches that module `controls` makes, and of no other environment.
TEAM_CONTROLS = frozenset({"fixed_trust", "fixed_rate", "belief_size"})
TWIN_CONTROLS = frozenset({"handicap", "scratchpad"})


def make_options(scenario: Scenario, given: dict[str, Any], *, team: bool) -> Options:
    """Options of `scenario`, from keyword arguments.

    Raises:
        ValueError: an unknown option (the nearest is named), or a value that the option does not take.
    """
    every = {field.name for field in dataclasses.fields(Options)}
    names = every - (TWIN_ONLY if team else TEAM_ONLY)
    for name in given:
        if name not in names:
            if name in TEAM_ONLY | TWIN_ONLY:
                kind = "the single-agent twin" if team else "the five-role team"
                raise ValueError(f"option {name!r} belongs to {kind}, not to this environment")
            if name in TEAM_CONTROLS | TWIN_CONTROLS:
                maker = "team_vector_env" if name in TEAM_CONTROLS else "twin_vector_env"
                raise ValueError(
                    f"{scenario.id}: option {name!r} belongs to the batches of ma_ssm_env.controls.{maker}, "
                    "not to this environment"
                )
            known = every | TEAM_CONTROLS | TWIN_CONTROLS  # whose it is, is told of the right name
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.55)
            hint = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(names))} is expected"
            raise ValueError(f"{scenario.id}: unknown option {name!r}; {hint}")
    values = {name: getattr(scenario, name) for name in ("episodes_per_trial", "horizon", "feedback")}
    values |= {name: plain_number(value) for name, value in given.items()}
    for name in ("absent_roles", "muted_roles"):
        if name in values:
            values[name] = set_of_roles(name, values[name])
    options = Options(**values)
    for name in ("episodes_per_trial", "horizon", "num_threads"):
        whole_number(name, getattr(options, name))
    for name in ("sensor_noise", "bandwidth_cost"):
        value = getattr(options, name)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0:
            raise ValueError(f"option {name}={value!r}: a finite number of at least 0 is expected")
    for name in ("hide_velocities", "reveal_task", "shared_ledger"):
        if not isinstance(getattr(options, name), bool):
            raise ValueError(f"option {name}={getattr(options, name)!r}: True or False is expected")
    _one_of("observability", options.observability, get_args(Observability))
    _one_of("feedback", options.feedback, get_args(Feedback))
    _one_of("split", options.split, SPLITS)
    _one_of("task_source", options.task_source, get_args(TaskSource))
    _one_of("render_mode", options.render_mode, (None, *RENDER_MODES))
    scenario.variation.ranges(options.split)
    if options.absent_roles == set(ROLES):
        raise ValueError("option absent_roles: at least one role must be present")
    if options.task_source == "environment":
        if "environment" in options.absent_roles:
            raise ValueError(
                "option task_source='environment': the environment role chooses the tasks, so it must not be "
                "in absent_roles; let it be present, or take task_source='distribution'"
            )
        if options.split != "train":
            raise ValueError(
                f"option task_source='environment': proposals are tasks of the training range, and "
                f"split={options.split!r} draws none; take task_source='distribution' to play that split"
            )
    return options


def one_window(render_mode: str | None) -> str | None:
    """`render_mode` of a batch: `human` is refused, since a window shows one world."""
    if render_mode == "human":
        raise ValueError(
            "option render_mode='human': a window shows one world; take 'rgb_array' for a batch, "
            "or parallel_env or single_agent_env without num_envs"
        )
    return render_mode


def plain_number(value: Any) -> Any:
    """A scalar of NumPy as Python's own, so that it can be compared, printed and stored; else `value`."""
    return value.item() if isinstance(value, np.generic) else value


def whole_number(name: str, value: object) -> int:
    """`value` if it is a whole number of at least 1, else an error."""
    value = plain_number(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"option {name}={value!r}: a whole number of at least 1 is expected")
    return value


def _one_of(name: str, value: object, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"option {name}={value!r}: one of {', '.join(map(repr, allowed))} is expected")


def set_of_roles(name: str, value: object) -> frozenset[str]:
    """`value`, any collection of roles, as a set, or an error that names the option `name`."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise ValueError(f"option {name}={value!r}: a set of roles is expected, such as {{'{ROLES[0]}'}}")
    roles = frozenset(value)
    for role in roles:
        if role not in ROLES:
            raise ValueError(f"option {name}: unknown role {role!r}; the roles are {', '.join(ROLES)}")
    return roles
