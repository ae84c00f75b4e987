"""What a variation is: a law of hidden tasks, and how a task changes the reward.

A task is a vector of k plain numbers in the law's own units (a speed, an angle, a direction of +-1). In
*normalised coordinates* each lies in [-1, 1]: that is what `state()`, the ledger and a proposal of the
environment role use.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Body

Array = NDArray[np.float64]
Split = Literal["train", "validation", "test", "ood"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "ood")
VALIDATION_TASKS = 10
TEST_TASKS = 20


@dataclass(frozen=True)
class Coordinate:
    """One number of a task.

    Attributes:
        name: what it is, with its unit.
        low, high: its range in training.
        kind: `real`; `wrapped`, an angle whose ends are the same place; or `category`, compared by equality,
            whose values are `low` and `high` themselves.
        outside: the range of the `ood` split; None where the law has no outside.
    """

    name: str
    low: float
    high: float
    kind: Literal["real", "wrapped", "category"] = "real"
    outside: tuple[float, float] | None = None


@dataclass(frozen=True)
class Transition:
    """What a reward law may look at after one control step of B worlds.

    Attributes:
        velocity: planar velocity of the body, m/s, mean over the control step, measured where the body
            says [B, 1 or 2].
        position: planar position of the root after the step, m [B, 1 or 2].
        torque: the torque that was applied, in the actuators' own range; float32 where that is [-1, 1]
            (Gymnasium's costs are computed so), else float64 [B, m].
        healthy: whether the body is healthy after the step [B].
    """

    velocity: Array
    position: Array
    torque: NDArray[np.floating[Any]]
    healthy: NDArray[np.bool_]


@dataclass(frozen=True)
class Weights:
    """Numbers in which the reward of one law differs between bodies.

    Attributes:
        control: cost of the squared torque |a|^2, in the actuators' own range.
        speed: weight of the velocity.
        bonus: paid for every step, the last of a fallen body included.
    """

    control: float
    speed: float = 1.0
    bonus: float = 0.0


def weights_for(law: str, table: Mapping[str, Weights], body: Body) -> Weights:
    """The weights of `body` in the table of `law`; an error that names what is missing where it has none."""
    if body.name not in table:
        raise ValueError(f"{body.name}{law}: the law has no weights for this body; add them to its table")
    return table[body.name]


@dataclass(frozen=True)
class Variation:
    """A law of hidden tasks.

    Attributes:
        name: last part of the scenario ids, such as `Vel`; empty for the body's own reward.
        coordinates: the task's numbers, k of them (none for the body's own reward).
        draw: maps k uniform numbers in [0, 1) and the ranges of the k coordinates to a task.
        target: maps one task to the numbers that the reward law reads [f]; computed once a trial.
        reward: (body, transition, target [B, f]) -> the terms of the reward by name, each [B]; their sum
            in order is the reward.
        terms: names of the reward's terms, in the order of their sum.
        worst_reward: reward of a step that broken physics leaves out; below what any step can earn.
        place: the task is a place, so the root's planar position is observed.
        source: where the law comes from.
        ends_unhealthy: an unhealthy body ends the inner episode.
    """

    name: str
    coordinates: tuple[Coordinate, ...]
    draw: Callable[[Array, tuple[tuple[float, float], ...]], Array]
    target: Callable[[Array], Array]
    reward: Callable[[Body, Transition, Array], dict[str, Array]]
    terms: tuple[str, ...]
    worst_reward: float
    place: bool
    source: str
    ends_unhealthy: bool = True

    @property
    def size(self) -> int:
        """k, how many numbers a task has."""
        return len(self.coordinates)

    @property
    def finite(self) -> bool:
        """Whether the law has finitely many tasks, so that train = validation = test."""
        return all(coordinate.kind == "category" for coordinate in self.coordinates)

    def sample(self, generator: np.random.Generator, split: Split = "train") -> Array:
        """Draw one task [k] of `split`; `validation` and `test` draw from their fixed lists."""
        uniform = generator.random(self.size + 1)
        if split in ("validation", "test"):
            tasks = self.tasks(split)
            task: Array = tasks[int(uniform[-1] * len(tasks))]
            return task
        return self.draw(uniform[:-1], self.ranges(split))

    def tasks(self, split: Split) -> Array:
        """The fixed list of tasks of `split` [N, k].

        `validation` and `test` are disjoint lists that cover the training range evenly (the centres of
        equal shares, or an additive recurrence in more than one dimension); a finite law lists all its
        tasks for both. `train` of an infinite law has no list.
        """
        ranges = self.ranges(split)
        if self.size == 0:
            return np.zeros((1, 0))
        if self.finite:
            grid = np.meshgrid(*[[c.low, c.high] for c in self.coordinates], indexing="ij")
            return np.stack([axis.ravel() for axis in grid], axis=1)
        if split == "train":
            raise ValueError(
                f"{self.name}: the train split is a continuous law; use sample(generator, 'train')"
            )
        count, shift = (VALIDATION_TASKS, 0.25) if split == "validation" else (TEST_TASKS, 0.5)
        if self.size == 1:
            uniform = ((np.arange(count) + 0.5) / count)[:, None]
        else:
            uniform = (shift + np.arange(1, count + 1)[:, None] * _recurrence(self.size)) % 1.0
        return np.stack([self.draw(row, ranges) for row in uniform])

    def ranges(self, split: Split) -> tuple[tuple[float, float], ...]:
        """The range of each coordinate in `split`."""
        if split not in SPLITS:
            raise ValueError(f"split {split!r}: unknown; one of {', '.join(SPLITS)} is expected")
        if split != "ood":
            return tuple((c.low, c.high) for c in self.coordinates)
        if all(c.outside is None for c in self.coordinates):
            raise ValueError(f"split 'ood': the tasks of {self.name or 'this body'} have no outside")
        return tuple(c.outside or (c.low, c.high) for c in self.coordinates)

    def normalise(self, tasks: Array) -> Array:
        """Tasks [..., k] in normalised coordinates; the training range becomes [-1, 1]."""
        low, high = self._bounds()
        return 2.0 * (tasks - low) / (high - low) - 1.0

    def denormalise(self, coordinates: Array) -> Array:
        """Tasks [..., k] from normalised coordinates; categories go to the nearer of their values."""
        low, high = self._bounds()
        tasks = low + (np.asarray(coordinates, dtype=np.float64) + 1.0) * 0.5 * (high - low)
        for i, c in enumerate(self.coordinates):
            if c.kind == "category":
                tasks[..., i] = np.where(tasks[..., i] < 0.5 * (c.low + c.high), c.low, c.high)
        return tasks

    def checked(self, task: object) -> Array:
        """`task` as an array [k], or an error that says what the law allows (the ood range included)."""
        try:
            array = np.asarray(task, dtype=np.float64).reshape(-1)
        except (TypeError, ValueError):
            raise ValueError(f"task {task!r}: {self.describe()} expected") from None
        if array.shape != (self.size,) or not np.isfinite(array).all():
            raise ValueError(f"task {task!r}: {self.describe()} expected")
        for value, c in zip(array, self.coordinates, strict=True):
            low, high = (
                (c.low, c.high) if c.outside is None else (min(c.low, *c.outside), max(c.high, *c.outside))
            )
            allowed = value in (c.low, c.high) if c.kind == "category" else low <= value <= high
            if not allowed:
                raise ValueError(f"task {task!r}: {c.name} is {value:g}; {self.describe()} expected")
        return array

    def describe(self) -> str:
        """The law in a few words, for messages."""
        if not self.coordinates:
            return "an empty task (this scenario has one task)"
        parts = [
            f"{c.name} {c.low:g} or {c.high:g}"
            if c.kind == "category"
            else f"{c.name} in [{c.low:g}, {c.high:g}]"
            + (f" (ood: [{c.outside[0]:g}, {c.outside[1]:g}])" if c.outside else "")
            for c in self.coordinates
        ]
        return ", ".join(parts)

    def _bounds(self) -> tuple[Array, Array]:
        low = np.array([c.low for c in self.coordinates], dtype=np.float64)
        high = np.array([c.high for c in self.coordinates], dtype=np.float64)
        return low, high


def uniform_draw(uniform: Array, ranges: tuple[tuple[float, float], ...]) -> Array:
    """A task that is uniform in every coordinate."""
    return np.array([low + u * (high - low) for u, (low, high) in zip(uniform, ranges, strict=True)])


def _recurrence(dimensions: int) -> Array:
    """Steps of the low-discrepancy sequence R_d (Roberts 2018): powers of the root of x^(d+1) = x + 1."""
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    return np.array([root ** -(i + 1) % 1.0 for i in range(dimensions)])
