"""What is written and drawn beside a body in a frame: a caption, and what the roles say, as panels of bars.

Pure functions of a game and the number of a world; `rendering` draws what they return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.trial import TrialBatch
from ma_ssm_env.variations import Coordinate

Float = NDArray[np.float32]
PHASES = ("before", "shock", "recovery")
_NAMED = 3  # numbers of a task that fit into a caption


@dataclass(frozen=True)
class Panel:
    """One panel of a strip.

    Attributes:
        title: what it shows.
        bars: numbers in [-1, 1], drawn from the middle line up or down [n].
        ticks: numbers that are marked with a line each across their bar, or None [n].
    """

    title: str
    bars: Float
    ticks: Float | None = None


def caption(trials: TrialBatch, world: int) -> tuple[str, str]:
    """Two lines: scenario and the task in force; inner episode, step, phase and return of `world`."""
    scenario, options = trials.scenario, trials.options
    episode, step = int(trials.episode[world]), int(trials.clock[world])
    second = f"inner episode {episode + 1}/{options.episodes_per_trial}, step {step}/{options.horizon}"
    if scenario.variation.changes:
        second += f", {PHASES[int(trials.phase()[world])]}"
    second += f", return {trials.return_so_far[world]:.1f}"
    return f"{scenario.id}: {task_in_words(trials, world)}", second


def task_in_words(trials: TrialBatch, world: int) -> str:
    """The task that is in force in `world`, such as `speed 1.32 m/s` or `actuator 3 is dead`."""
    coordinates, values = trials.variation.shown, trials.active[world]
    if not coordinates:
        return "no hidden task"
    if trials.variation.mask is not None:
        dead = [c.name for c, value in zip(coordinates, values, strict=True) if value]
        return ", ".join(dead) or "all actuators work"
    named = [_in_words(c, float(v)) for c, v in zip(coordinates[:_NAMED], values, strict=False)]
    more = len(coordinates) - _NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def _in_words(coordinate: Coordinate, value: float) -> str:
    name, _, unit = coordinate.name.partition(", ")
    if unit.startswith("exponent of "):
        base = float(unit.removeprefix("exponent of "))
        return f"{name} x {base**value:.2f}"
    return f"{name} {value:+.2f} {unit}".rstrip() if value < 0 else f"{name} {value:.2f} {unit}".rstrip()


def team_panels(game: Any, world: int) -> list[Panel]:
    """What the roles of a `team.TeamGame` said in the last step, and the torque that came of it."""
    board, silent = game.blackboard, game.options.absent_roles | game.options.muted_roles

    def title(field: str, role: str) -> str:
        return f"{field} (muted)" if role in silent else field

    def said(field: str) -> Float:
        row: Float = board.posted[field][world]
        return row

    rate = float(said("rate")[0])
    return [
        Panel(
            title("belief (line: as sent)", "state_modeling"),
            board.fields["received_belief"][world],
            said("belief"),
        ),
        Panel(title("prior", "meta_learning"), said("prior")),
        Panel(title("correction", "adaptation"), said("correction")),
        Panel(title("trust", "coordinator"), board.fields["last_trust"][world]),
        Panel("torque", board.fields["last_torque"][world]),
        Panel(f"rate {rate:+.2f}, {board.bits[world]:.0f} bits", said("rate")),
    ]


def twin_panels(game: Any, world: int) -> list[Panel]:
    """The last torque of a `twin.TwinGame`, which has nothing else to say."""
    return [Panel("torque", game.last_torque[world])]
