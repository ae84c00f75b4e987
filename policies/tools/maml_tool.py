"""MAML on anyone's tasks: a prior that fits a new task after a few gradient steps on a few examples.

    MAMLTool()(tasks, new_tasks)

The model is an MLP on inputs and targets in units of their deviation over all meta-training tasks; the
learner is `maml.supervised`. Beside it stands what it has to beat: the same network trained on the examples
of all tasks at once, without adaptation (`joint`) and after the same gradient steps (`joint_adapted`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypedDict

import torch
from torch import Tensor, nn
from torch.nn import functional

from policies.cores.core import tanh_linear
from policies.maml.supervised import MetaTrained, Pair, SupervisedConfig, adapt, fit
from policies.tools.tool import Items, Range, Schema, ToolError, checked, schema_of

Rows = Annotated[list[Annotated[list[float], Items(1)]], Items(1)]


class Examples(TypedDict):
    """Inputs [n, I] and targets [n, O], row by row."""

    inputs: Rows
    targets: Rows


class TaskData(TypedDict):
    """What a task is learned from, and what it is judged on."""

    support: Examples
    query: Examples


@dataclass(frozen=True)
class _Scale:
    """Means and deviations of inputs and targets over all meta-training examples."""

    mean: tuple[Tensor, Tensor]
    deviation: tuple[Tensor, Tensor]

    def __call__(self, examples: Examples) -> Pair:
        x, y = (
            (torch.tensor(rows, dtype=torch.float64) - mean) / deviation
            for rows, mean, deviation in zip(_both(examples), self.mean, self.deviation, strict=True)
        )
        return x.float(), y.float()


@dataclass(frozen=True)
class MAMLTool:
    """Meta-train a small network on tasks, and adapt it to new ones.

    Attributes:
        hidden: width of its two hidden layers; 0: a linear model.
        algorithm: `maml`, `fomaml` or `reptile`.
        inner_steps: gradient steps on a task's support.
        inner_rate: their learning rate, on inputs and targets of unit deviation.
        learned_rates: a learning rate for each parameter is learned too.
        iterations: outer steps; as many of Adam for the joint model.
        tasks_a_step: tasks in an outer step.
        learning_rate: of the outer steps.
        name, description: see `Tool`.
    """

    hidden: int = 40
    algorithm: Literal["maml", "fomaml", "reptile"] = "maml"
    inner_steps: int = 3
    inner_rate: float = 0.05
    learned_rates: bool = True
    iterations: int = 500
    tasks_a_step: int = 8
    learning_rate: float = 3e-3
    name: ClassVar[str] = "maml"
    description: ClassVar[str] = (
        "Meta-train a small model on many tasks of inputs and targets, then adapt it to new tasks from a few "
        "examples each. Reports the error on the new tasks' queries before and after adaptation, and that of "
        "one model trained on all tasks at once, and predicts the queries."
    )

    def schema(self) -> Schema:
        """JSON schema of the arguments."""
        return schema_of(type(self).__call__)

    @checked
    def __call__(
        self,
        tasks: Annotated[list[TaskData], Items(2)],
        new_tasks: Annotated[list[TaskData], Items(1)],
        seed: Annotated[int, Range(0)] = 0,
    ) -> dict[str, Any]:
        """Meta-train, adapt and judge.

        Args:
            tasks: tasks to meta-train on, each with support and query examples: `inputs` and `targets`, a
                row for each example.
            new_tasks: tasks to adapt to from their support, and to be judged on by their query.
            seed: of the initial parameters and the order of the tasks.

        Returns:
            `error`: mean squared error on the queries of the new tasks, in the targets' units, `before`
            adaptation, `adapted`, of the `joint` model and of `joint_adapted`; `standard_error` of each over
            tasks; `gain`, the mean of before - adapted over tasks, and `gain_standard_error`; and
            `predictions` of the adapted model for each task's query.
        """
        shape = _shape(self.name, tasks + new_tasks)
        scale = _scale(self.name, tasks)
        training = [(scale(task["support"]), scale(task["query"])) for task in tasks]
        config = SupervisedConfig(
            algorithm=self.algorithm,
            inner_steps=self.inner_steps,
            inner_rate=self.inner_rate,
            learned_rates=self.learned_rates and self.algorithm != "reptile",
            iterations=self.iterations,
            tasks=self.tasks_a_step,
            learning_rate=self.learning_rate,
        )
        generator = torch.Generator().manual_seed(seed)
        try:
            trained = fit(self._model(shape, generator), training, config, generator)
        except FloatingPointError as error:
            raise ToolError(f"{self.name}: diverged, {error}; a smaller inner_rate may help") from None
        joint = self._joint(shape, training, trained, torch.Generator().manual_seed(seed))
        errors: dict[str, list[float]] = {}
        predictions = []
        for number, task in enumerate(new_tasks):
            support, (x, y) = scale(task["support"]), scale(task["query"])
            models = {
                "before": trained.model,
                "adapted": adapt(trained, support),
                "joint": joint.model,
                "joint_adapted": adapt(joint, support),
            }
            for name, model in models.items():
                with torch.no_grad():
                    told = model(x)
                squared = float(((told - y) * scale.deviation[1]).square().mean())
                if not math.isfinite(squared * squared):  # its square is needed for the standard error
                    raise ToolError(
                        f"{self.name}: new_tasks[{number}]: the error of the model {name!r} is {squared:g}; "
                        "are its numbers in the units of tasks? Else a smaller inner_rate may help"
                    )
                errors.setdefault(name, []).append(squared)
                if name == "adapted":
                    predictions.append((told * scale.deviation[1] + scale.mean[1]).tolist())
        gains = [b - a for b, a in zip(errors["before"], errors["adapted"], strict=True)]
        return {
            "tasks": len(tasks),
            "new_tasks": len(new_tasks),
            "error": {name: sum(values) / len(values) for name, values in errors.items()},
            "standard_error": {name: _standard_error(values) for name, values in errors.items()},
            "gain": sum(gains) / len(gains),
            "gain_standard_error": _standard_error(gains),
            "predictions": predictions,
        }

    def _model(self, shape: tuple[int, int], generator: torch.Generator) -> nn.Module:
        inputs, outputs = shape
        last = tanh_linear(self.hidden or inputs, outputs, generator)
        if not self.hidden:
            return last
        return nn.Sequential(
            tanh_linear(inputs, self.hidden, generator),
            nn.Tanh(),
            tanh_linear(self.hidden, self.hidden, generator),
            nn.Tanh(),
            last,
        )

    def _joint(
        self,
        shape: tuple[int, int],
        tasks: list[tuple[Pair, Pair]],
        trained: MetaTrained,
        generator: torch.Generator,
    ) -> MetaTrained:
        """The same network on all examples at once; it adapts at the rates that were given."""
        model = self._model(shape, generator)
        rate = 1e-3 if self.algorithm == "reptile" else self.learning_rate
        optimiser = torch.optim.Adam(model.parameters(), lr=rate)
        x, y = (torch.cat([pair[i] for task in tasks for pair in task]) for i in (0, 1))
        size = min(len(x), 32 * self.tasks_a_step)
        for _ in range(self.iterations):
            rows = torch.randint(len(x), (size,), generator=generator)
            optimiser.zero_grad(set_to_none=True)
            functional.mse_loss(model(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        rates = {name: torch.tensor(self.inner_rate) for name, _ in model.named_parameters()}
        return MetaTrained(model, rates, trained.config, [])


def _both(examples: Examples) -> tuple[list[list[float]], list[list[float]]]:
    return examples["inputs"], examples["targets"]


def _shape(name: str, tasks: list[TaskData]) -> tuple[int, int]:
    """Numbers of an input and of a target, the same everywhere."""
    shapes = set()
    for number, task in enumerate(tasks):
        for part, examples in (("support", task["support"]), ("query", task["query"])):
            inputs, targets = _both(examples)
            if len(inputs) != len(targets):
                raise ToolError(
                    f"{name}: task {number}: {part} of {len(inputs)} inputs and {len(targets)} targets: as "
                    "many are expected"
                )
            shapes |= {(len(x), len(y)) for x, y in zip(inputs, targets, strict=True)}
    if len(shapes) > 1:
        raise ToolError(
            f"{name}: rows of {sorted(shapes)} (inputs, targets): the same size everywhere is expected"
        )
    return shapes.pop()


def _scale(name: str, tasks: list[TaskData]) -> _Scale:
    columns = []
    for i in (0, 1):
        rows = [row for task in tasks for part in (task["support"], task["query"]) for row in _both(part)[i]]
        columns.append(torch.tensor(rows, dtype=torch.float64))
    mean = tuple(x.mean(0) for x in columns)
    deviation = tuple(torch.where(d < 1e-12, 1.0, d) for d in (x.std(0, unbiased=False) for x in columns))
    for part, x, d in zip(("inputs", "targets"), columns, deviation, strict=True):
        if not bool(torch.isfinite(d).all()):
            raise ToolError(
                f"{name}: {part} of tasks up to {float(x.abs().max()):g}: their deviation is "
                f"{float(d.max()):g}; give them in a larger unit"
            )
    return _Scale((mean[0], mean[1]), (deviation[0], deviation[1]))


def _standard_error(values: list[float]) -> float | None:
    """Of the mean; None of a single value."""
    if len(values) < 2:
        return None
    mean = sum(values) / len(values)
    return math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1) / len(values))
