"""What a variation is: a law of hidden tasks, and how a task changes the reward, the actuators or the model.

A task is a vector of k plain numbers in the law's own units (a speed, an angle, an exponent). In *normalised
coordinates* each lies in [-1, 1]: that is what the ledger and a proposal of the environment role use.

What is *active* now is what the task comes to at this step, and what `state()` and the oracle see. In most
laws it is the task itself. A law that cripples a body shows the dead actuators; a law that changes in
mid-trial shows what is in force before the change, then what is in force after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.bodies.body import Body
from ma_ssm_env.roles import BOUNDS
from ma_ssm_env.streams import Purpose, substream

Array = NDArray[np.float64]
Split = Literal["train", "validation", "test", "ood"]
Kind = Literal["real", "wrapped", "category"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test", "ood")
VALIDATION_TASKS = 10
TEST_TASKS = 20
_FEW = 3  # dimensions in which a recurrence covers a box with as few points as these lists have
_DESCRIBED = 3  # coordinates that a message names; a law of many elements says how many more there are


@dataclass(frozen=True)
class Coordinate:
    """One number of a task.

    Attributes:
        name: what it is, with its unit.
        low, high: its range in training.
        kind: `real`; `wrapped`, an angle whose ends are the same place; or `category`, compared by equality.
        outside: the range of the `ood` split; None where the law has no outside.
        both_sides: the `ood` split also has the mirror image of `outside` about the middle of the range.
        values: what a category can be: those in [low, high] are trained on, those in `outside` held out.
            Without values it is `low` or `high`.

    Raises:
        ValueError: an unknown kind, or a range that is none; a category may have one value, `low` = `high`.
    """

    name: str
    low: float
    high: float
    kind: Kind = "real"
    outside: tuple[float, float] | None = None
    both_sides: bool = False
    values: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        kinds, where = get_args(Kind), f"coordinate {self.name!r}"
        if self.kind not in kinds:
            raise ValueError(f"{where}: kind is {self.kind!r}; one of {', '.join(kinds)} is expected")
        spans = {"its range": (self.low, self.high)}
        if self.outside is not None:
            spans["outside"] = self.outside
        for name, (low, high) in spans.items():
            point = low == high and (self.kind == "category" or name == "outside")
            if not (math.isfinite(low) and math.isfinite(high) and (low < high or point)):
                raise ValueError(
                    f"{where}: {name} is [{low:g}, {high:g}]; "
                    "two finite numbers are expected, the lower first"
                )
        if self.kind == "category" and not self.categories((self.low, self.high)):
            raise ValueError(
                f"{where}: none of its values {self.values} lies in [{self.low:g}, {self.high:g}]; "
                "give it some that can be trained on"
            )

    def categories(self, span: tuple[float, float]) -> list[float]:
        """The values of a category that lie in `span`."""
        return [v for v in self.values or (self.low, self.high) if span[0] <= v <= span[1]]

    def mirrored(self, value: float) -> float:
        """The mirror image of `value` about the middle of the training range."""
        return self.low + self.high - value

    def allows(self, value: float) -> bool:
        """Whether a task may have this value; the outside is allowed too."""
        spans = [(self.low, self.high)] + ([] if self.outside is None else [self.outside])
        if self.kind == "category":
            return any(value in self.categories(span) for span in spans)
        ends = [end for span in spans for end in span]
        inside = min(ends) <= value <= max(ends)
        return inside or (self.both_sides and min(ends) <= self.mirrored(value) <= max(ends))


class Transition(NamedTuple):
    """What a reward law may look at after one control step of B worlds.

    Attributes:
        velocity: planar velocity of the body, m/s, mean over the control step, measured where the body
            says [B, 1 or 2].
        position: planar position of the root after the step, m [B, 1 or 2].
        torque: the torque that was commanded, in the actuators' own range; float32 where that is [-1, 1]
            (Gymnasium's costs are computed so), else float64 [B, m]. Costs count what a controller asks of
            a dead actuator too.
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


@lru_cache(maxsize=256)
def constant(value: float, worlds: int) -> Array:
    """A term that is `value` in every world [B]: one array for all calls, which cannot be written into."""
    term = np.full(worlds, value)
    term.flags.writeable = False
    return term


def _same(task: Array, changed: bool) -> Array:
    del changed
    return task


def _unscaled(active: Array) -> Mapping[str, Array]:
    del active
    return {}


@dataclass(frozen=True)
class Variation:
    """A law of hidden tasks.

    Attributes:
        name: last part of the scenario ids, such as `Vel`; empty for the body's own reward.
        coordinates: the task's numbers, k of them (none for the body's own reward).
        draw: maps k uniform numbers in [0, 1) and the ranges of the k coordinates to a task.
        target: maps what is active [a] to the numbers that the reward law reads [f].
        reward: (body, transition, target [B, f]) -> the terms of the reward by name, each [B]; their sum
            in order is the reward.
        terms: names of the reward's terms, in the order of their sum.
        worst_reward: reward of a step that broken physics leaves out; below what any step can earn.
        place: the task is a place, so the root's planar position is observed.
        source: where the law comes from.
        ends_unhealthy: an unhealthy body ends the inner episode.
        active: (task [k], whether the change has come) -> what is active [a]; the task where not given.
        active_coordinates: the numbers of what is active, if they are not the task's own.
        changes: the task changes once, in mid-trial.
        mask: maps what is active to 1 for each actuator that works and 0 for each that is dead [m]; it
            multiplies the torque on its way to the body.
        fields: fields of the model that differ between worlds, as `mujoco.batch` names them.
        factors: maps what is active to the factor of each of `fields`, which multiplies the body's own.
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
    # Laws that are made by a function bind these with `functools.partial`, which can be pickled.
    active: Callable[[Array, bool], Array] = _same
    active_coordinates: tuple[Coordinate, ...] | None = None
    changes: bool = False
    mask: Callable[[Array], Array] | None = None
    fields: tuple[str, ...] = ()
    factors: Callable[[Array], Mapping[str, Array]] = _unscaled

    def __post_init__(self) -> None:
        bound = BOUNDS["task"]
        for c in self.shown:
            low, high = c.outside or (c.low, c.high)
            reach = float(np.abs(_normalised(np.array([[low], [high]]), (c,))).max())
            if reach > bound + 1e-6:
                raise ValueError(
                    f"coordinate {c.name!r}: its outside [{low:g}, {high:g}] reaches {reach:g} in normalised "
                    f"coordinates, and an observed task {bound:g} at most; bring it nearer to the training "
                    f"range [{c.low:g}, {c.high:g}]"
                )

    @property
    def size(self) -> int:
        """k, how many numbers a task has."""
        return len(self.coordinates)

    @property
    def shown(self) -> tuple[Coordinate, ...]:
        """The coordinates of what is active, a of them: what `state()` and the oracle see."""
        return self.coordinates if self.active_coordinates is None else self.active_coordinates

    @property
    def changes_dynamics(self) -> bool:
        """Whether tasks differ in how the body moves, so that its observations tell them apart."""
        return self.mask is not None or bool(self.fields)

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
        return self._drawn(uniform[:-1], split)

    def tasks(self, split: Split) -> Array:
        """The fixed list of tasks of `split` [N, k].

        `validation` and `test` are disjoint lists that cover the training range evenly: the centres of equal
        shares; an additive recurrence in two or three dimensions; in more, a Latin hypercube, which has the
        centres of equal shares in each coordinate. A finite law lists all its tasks for both. `train` of an
        infinite law has no list.

        Raises:
            ValueError: `train` of an infinite law, or an unknown split.
        """
        ranges = self.ranges(split)
        if self.size == 0:
            return np.zeros((1, 0))
        if self.finite:
            values = [c.categories(span) for c, span in zip(self.coordinates, ranges, strict=True)]
            grid = np.meshgrid(*values, indexing="ij")
            return np.stack([axis.ravel() for axis in grid], axis=1)
        if split == "train":
            raise ValueError(
                f"{self.name}: the train split is a continuous law; use sample(generator, 'train')"
            )
        count, shift = (VALIDATION_TASKS, 0.25) if split == "validation" else (TEST_TASKS, 0.5)
        if self.size == 1:
            uniform = ((np.arange(count) + 0.5) / count)[:, None]
        elif self.size > _FEW:
            stream = substream(0, Purpose.SPLIT, SPLITS.index(split))
            uniform = (stream.random((count, self.size)).argsort(0) + 0.5) / count
        else:
            uniform = (shift + np.arange(1, count + 1)[:, None] * _recurrence(self.size)) % 1.0
        return np.stack([self._drawn(row, split) for row in uniform])

    def _drawn(self, uniform: Array, split: Split) -> Array:
        ranges = self.ranges(split)
        twofold = np.array(
            [split == "ood" and c.outside is not None and c.both_sides for c in self.coordinates]
        )
        if not twofold.any():
            return self.draw(uniform, ranges)
        # The lower half of a uniform number draws on the mirrored side, the upper half on the given one.
        task = self.draw(np.where(twofold, 2.0 * uniform % 1.0, uniform), ranges)
        mirror = np.array([c.mirrored(value) for c, value in zip(self.coordinates, task, strict=True)])
        return np.where(twofold & (uniform < 0.5), mirror, task)

    def ranges(self, split: Split) -> tuple[tuple[float, float], ...]:
        """The range of each coordinate in `split`.

        Raises:
            ValueError: an unknown split, or `ood` of a law that has no outside.
        """
        if split not in SPLITS:
            raise ValueError(f"split {split!r}: unknown; one of {', '.join(SPLITS)} is expected")
        if split != "ood":
            return tuple((c.low, c.high) for c in self.coordinates)
        if all(c.outside is None for c in self.coordinates):
            raise ValueError(f"split 'ood': the tasks of {self.name or 'this body'} have no outside")
        return tuple(c.outside or (c.low, c.high) for c in self.coordinates)

    def normalise(self, tasks: Array) -> Array:
        """Tasks [..., k] in normalised coordinates; the training range becomes [-1, 1]."""
        return _normalised(tasks, self.coordinates)

    def normalise_active(self, active: Array) -> Array:
        """What is active [..., a] in normalised coordinates."""
        return _normalised(active, self.shown)

    def denormalise(self, coordinates: Array) -> Array:
        """Tasks [..., k] from normalised coordinates.

        Categories go to the nearest of their values; one that is held out needs a coordinate beyond [-1, 1].
        """
        low, high = _bounds(self.coordinates)
        tasks = low + (np.asarray(coordinates, dtype=np.float64) + 1.0) * 0.5 * (high - low)
        for i, c in enumerate(self.coordinates):
            if c.kind == "category":
                trained, value = c.categories((c.low, c.high)), tasks[..., i]
                known = sorted({*trained, *(c.categories(c.outside) if c.outside else ())})
                tasks[..., i] = _nearest(value, known)
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
            if not c.allows(float(value)):
                raise ValueError(f"task {task!r}: {c.name} is {value:g}; {self.describe()} expected")
        return array

    def describe(self) -> str:
        """The law in a few words, for messages."""
        if not self.coordinates:
            return "an empty task (this scenario has one task)"
        shown = self.coordinates[:_DESCRIBED]
        more = f", ... ({self.size} numbers)" if self.size > _DESCRIBED else ""
        return ", ".join(_described(c) for c in shown) + more


def uniform_draw(uniform: Array, ranges: tuple[tuple[float, float], ...]) -> Array:
    """A task [k] that is uniform in every coordinate, from k uniform numbers and k ranges."""
    return np.array([low + u * (high - low) for u, (low, high) in zip(uniform, ranges, strict=True)])


def category_draw(*coordinates: Coordinate) -> Callable[[Array, tuple[tuple[float, float], ...]], Array]:
    """The draw of a law whose k coordinates are categories, every value as likely as the next; tasks [k]."""
    return partial(_draw_categories, coordinates)


def _draw_categories(
    coordinates: tuple[Coordinate, ...], uniform: Array, ranges: tuple[tuple[float, float], ...]
) -> Array:
    values = [c.categories(span) for c, span in zip(coordinates, ranges, strict=True)]
    return np.array([v[int(u * len(v))] for u, v in zip(uniform, values, strict=True)])


def _described(c: Coordinate) -> str:
    if c.kind == "category":
        names = [f"{value:g}" for value in c.categories((c.low, c.high))]
        trained = f"{c.name} {', '.join(names[:-1])} or {names[-1]}" if names[1:] else f"{c.name} {names[0]}"
        held_out = c.categories(c.outside) if c.outside else []
        return trained + (f" (ood: {', '.join(f'{value:g}' for value in held_out)})" if held_out else "")
    text = f"{c.name} in [{c.low:g}, {c.high:g}]"
    if c.outside is None:
        return text
    low, high = c.outside
    mirror = f"[{c.mirrored(high):g}, {c.mirrored(low):g}] and " if c.both_sides else ""
    return f"{text} (ood: {mirror}[{low:g}, {high:g}])"


def _nearest(value: Array, values: list[float]) -> Array:
    middles = 0.5 * (np.array(values[1:]) + np.array(values[:-1]))
    nearest: Array = np.array(values)[np.searchsorted(middles, value, side="right")]
    return nearest


def _bounds(coordinates: tuple[Coordinate, ...]) -> tuple[Array, Array]:
    low = np.array([c.low for c in coordinates], dtype=np.float64)
    high = np.array([c.high for c in coordinates], dtype=np.float64)
    return low, high


def _normalised(tasks: Array, coordinates: tuple[Coordinate, ...]) -> Array:
    low, high = _bounds(coordinates)
    width = np.where(low == high, 1.0, high - low)  # a category of one value has no width
    return 2.0 * (tasks - low) / width - 1.0


def _recurrence(dimensions: int) -> Array:
    """Steps of the low-discrepancy sequence R_d (Roberts 2018): powers of the root of x^(d+1) = x + 1."""
    root = 2.0
    for _ in range(64):
        root = (1.0 + root) ** (1.0 / (dimensions + 1))
    return np.array([root ** -(i + 1) % 1.0 for i in range(dimensions)])
