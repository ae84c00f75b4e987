"""Adapt a checkpoint to trials whose sensors read differently: gains and offsets, undone before the networks.

    AdaptationTool()("runs/mono", "trials.npz", out="runs/mono-adapted")

The trained role with the most sensors forecasts its next observation (`adaptation.fit_forecaster`, fitted to
sound trials of the checkpoint). On the new trials a gain a > 0 and an offset b for each normalised sensor,
n' = a n + b, are fitted by maximum likelihood: with F the forecast and s^2 the variance of its error on sound
trials, a sensor pays

    (F(a n + b) - a dn)^2 / (2 s^2) - log a        for each change dn,

where -log a is the Jacobian; without it a small gain would make any error small. The same gains and offsets
then go into the normaliser of every role, so that what is written is a checkpoint like any other.

Half of the new trials and half of the old ones are kept for judgement. *Error* is the mean square of
F / a - dn, in units of s^2: 1 is what is usual on sound trials. *Harm* is the error on old trials with the
gains and offsets over the one without. Nothing is written, and the reason is told, where the error on the
new trials is usual, where what was fitted does not help on those that were kept, or where harm is above
`max_harm`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from ma_ssm_env.recorded_trials import TWIN, RecordedTrials, as_recorded_trials, record
from policies import checkpoint as checkpoints
from policies.adaptation.forecaster import TORQUE, ForecastConfig, Forecaster, fit_forecaster
from policies.config import TrainConfig
from policies.game import AGENT
from policies.normaliser import Normaliser
from policies.role_network import RoleNetwork
from policies.team import SENDER, TeamNetwork
from policies.tools.tool import Range, Schema, ToolError, checked, schema_of
from policies.train import players

_OLD_SEED = 10**15 - 10**6  # worlds of the old trials; neither training nor evaluation plays them


@dataclass(frozen=True)
class _Steps:
    """Steps of one role in trials: what enters the likelihood.

    Attributes:
        seen: normalised observations [T, N, O].
        torques: the torque that acted after each step but the last [T - 1, N, m].
        valid: the next observation is of the same inner episode [T - 1, N].
    """

    seen: Tensor
    torques: Tensor
    valid: Tensor


@dataclass(frozen=True)
class AdaptationTool:
    """Recalibrate the sensors of a checkpoint on recorded trials.

    Attributes:
        iterations: steps of Adam.
        learning_rate: of Adam, falling to a tenth.
        surprise: error on the new trials below which there is nothing to adapt to.
        least_gain: share of the error on new trials that must be won.
        forecaster: how much the forecaster is fitted to.
        name, description: see `Tool`.
    """

    iterations: int = 300
    learning_rate: float = 0.05
    surprise: float = 3.0
    least_gain: float = 0.1
    forecaster: ForecastConfig = field(default_factory=lambda: ForecastConfig(worlds=32, steps=400))
    name: ClassVar[str] = "adapt_checkpoint"
    description: ClassVar[str] = (
        "Adapt a trained checkpoint to recorded trials in which the sensors read differently (other gains "
        "and offsets). Reports the forecast error on new trials before and after, the harm on trials of the "
        "old kind, and the gains and offsets that were found; writes an adapted checkpoint, or refuses and "
        "says why."
    )

    def schema(self) -> Schema:
        """JSON schema of the arguments."""
        return schema_of(type(self).__call__)

    @checked
    def __call__(
        self,
        checkpoint: str,
        trials: str,
        old_trials: str | None = None,
        out: str | None = None,
        max_harm: Annotated[float, Range(1)] | None = None,
        seed: Annotated[int, Range(0)] = 0,
    ) -> dict[str, Any]:
        """Fit, judge and write.

        Args:
            checkpoint: folder that training wrote.
            trials: file of recorded trials of the new kind, on the checkpoint's scenario.
            old_trials: file of recorded trials of the old kind; by default the checkpoint plays 32.
            out: folder for the adapted checkpoint; by default nothing is written.
            max_harm: largest error on old trials afterwards, as a multiple of the one before; by default
                any, as sensors that changed are wrong where they did not.
            seed: of the forecaster's trials and fit.

        Returns:
            `adapted`: whether something was; `refused`: else why; `error` of `new` and `old` trials, `before`
            and `after` what was fitted; `harm` of it; `sensors`: name -> `gain` and `offset` that its
            readings seem to have got;
            `role`: who forecast; `out`: where the checkpoint is.
        """
        try:
            network, config, steps = checkpoints.load(checkpoint)
            new = as_recorded_trials(trials, scenario=config.scenario)
            old = (
                _played(network, config, seed)
                if old_trials is None
                else as_recorded_trials(old_trials, name="old_trials", scenario=config.scenario)
            )
            found = self.adapt(network, config, new, old, seed)
        except ToolError:
            raise
        except ValueError as error:
            raise ToolError(f"{self.name}: {error}") from None
        told = found.told
        if max_harm is not None and told["adapted"] and told["harm"] > max_harm:
            told |= {
                "adapted": False,
                "refused": f"harm {told['harm']:.2f} on old trials is above max_harm={max_harm:g}",
            }
        if told["adapted"] and out is not None:
            told["out"] = str(checkpoints.save(out, found.network, config, steps).parent)
        return told

    def adapt(
        self,
        network: TeamNetwork,
        config: TrainConfig,
        new: RecordedTrials,
        old: RecordedTrials,
        seed: int = 0,
    ) -> Adapted:
        """The adapted network and what is to be told of it; `network` itself stays as it is.

        Raises:
            ToolError: trials that lack the role or see something else than it was trained on, or too few.
        """
        role = AGENT if not config.team else SENDER
        if role not in network.roles or config.partners:
            raise ToolError(f"{self.name}: a checkpoint of the twin, or of a team with {SENDER}, is expected")
        actor = copy.deepcopy(network.actor(role)).requires_grad_(False)
        new_fit, new_kept = _halves(self.name, "trials", actor, role, new)
        old_fit, old_kept = _halves(self.name, "old_trials", actor, role, old)
        forecast = fit_forecaster(
            network, role, config.scenario, dict(config.options), seed=seed, config=self.forecaster
        )
        none = torch.zeros(2, len(forecast.columns))  # log a and b of no change
        variance = _mean_over(old_fit, _residuals(actor, forecast, old_fit, none)).clamp(min=1e-8)

        def error(steps: _Steps, by: Tensor) -> float:
            squares = _residuals(actor, forecast, steps, by) * torch.exp(-2.0 * by[0])
            return float((_mean_over(steps, squares) / variance).mean())

        surprised = error(new_kept, none) >= self.surprise
        layer = self._fitted(actor, forecast, new_fit, variance) if surprised else none
        errors = {
            "new": {"before": error(new_kept, none), "after": error(new_kept, layer)},
            "old": {"before": error(old_kept, none), "after": error(old_kept, layer)},
        }
        before, after = errors["new"].values()
        refused = None
        if not surprised:
            refused = (
                f"error {before:.2f} on new trials is below {self.surprise:g} times that on "
                "sound ones: there is nothing to adapt to"
            )
        elif not after < (1.0 - self.least_gain) * before:
            refused = (
                f"gains and offsets do not help: error {before:.2f} before and {after:.2f} after, on new "
                "trials that were kept apart"
            )
        sensors, adapted = _recalibrated(network, role, forecast, layer)
        told: dict[str, Any] = {
            "adapted": refused is None,
            "refused": refused,
            "role": role,
            "error": errors,
            "harm": errors["old"]["after"] / errors["old"]["before"],
            "sensors": sensors,
            "out": None,
        }
        return Adapted(adapted if refused is None else network, told)

    def _fitted(self, actor: RoleNetwork, forecast: Forecaster, steps: _Steps, variance: Tensor) -> Tensor:
        """Log a and b [2, F] of the largest likelihood."""
        layer = torch.zeros(2, len(forecast.columns), requires_grad=True)
        optimiser = torch.optim.Adam([layer], lr=self.learning_rate)
        for iteration in range(self.iterations):
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate * (1.0 - 0.9 * iteration / self.iterations)
            loss = _likelihood(actor, forecast, steps, variance, layer)
            # Far from the answer it is huge, and its logarithm has the same minimum.
            (gradient,) = torch.autograd.grad(torch.log1p(loss.clamp(min=0.0)) if loss > 1 else loss, [layer])
            layer.grad = gradient
            optimiser.step()
        return layer.detach()


@dataclass(frozen=True)
class Adapted:
    """What `AdaptationTool.adapt` found: the network, adapted unless refused, and the result to be told."""

    network: TeamNetwork
    told: dict[str, Any]


def _played(network: TeamNetwork, config: TrainConfig, seed: int) -> RecordedTrials:
    sampled = players(network, deterministic=False)
    return record(
        config.scenario, sampled, 32, _OLD_SEED + 32 * (seed % 1000), policy_seed=seed, **config.options
    )


def _halves(
    tool: str, name: str, actor: RoleNetwork, role: str, recorded: RecordedTrials
) -> tuple[_Steps, _Steps]:
    agent = TWIN if role == AGENT else f"{role}_0"
    if agent not in recorded.agents or recorded.fields(agent) != actor.fields:
        raise ToolError(
            f"{tool}: {name} of {', '.join(recorded.agents)} are not what the checkpoint's {role} observes; "
            "record them with its options: python -m ma_ssm_env.recorded_trials --checkpoint ..."
        )
    if len(recorded) < 4:
        raise ToolError(f"{tool}: {name}: {len(recorded)} trials; at least 4 are expected")
    first, second = (_steps(actor, agent, recorded.part(slice(start, None, 2))) for start in (0, 1))
    return first, second


@torch.no_grad()
def _steps(actor: RoleNetwork, agent: str, recorded: RecordedTrials) -> _Steps:
    raw = torch.from_numpy(recorded.observations[agent])
    follows = recorded.playing[1:] & ~recorded.starts[1:]
    return _Steps(actor.normaliser(raw), raw[1:, :, actor.fields[TORQUE]], torch.from_numpy(follows))


def _residuals(actor: RoleNetwork, forecast: Forecaster, steps: _Steps, layer: Tensor) -> Tensor:
    """Squares of F(a n + b) - a dn, in units of the forecaster's scale [T - 1, N, F]."""
    columns, gain = forecast.columns, torch.exp(layer[0])
    part = steps.seen[..., columns] * gain + layer[1]
    inner = steps.seen.index_copy(-1, columns, part)
    starts = torch.zeros(inner.shape[:2])
    features, _ = actor.core(inner, starts, actor.initial_memory(inner.shape[1]))
    told: Tensor = forecast(features[:-1], steps.torques) - (part[1:] - part[:-1]) / forecast.scale
    return told.square()


def _mean_over(steps: _Steps, values: Tensor) -> Tensor:
    """Mean over the steps that count, a sensor each [F]."""
    weight = steps.valid[..., None].float()
    return (values * weight).sum((0, 1)) / weight.sum().clamp(min=1)


def _likelihood(
    actor: RoleNetwork, forecast: Forecaster, steps: _Steps, variance: Tensor, layer: Tensor
) -> Tensor:
    """Negative log likelihood of a change, mean over sensors, without its constant; 1/2 on sound trials."""
    squares = _mean_over(steps, _residuals(actor, forecast, steps, layer))
    return (squares / (2.0 * variance) - layer[0]).mean()


@torch.no_grad()
def _recalibrated(
    network: TeamNetwork, role: str, forecast: Forecaster, layer: Tensor
) -> tuple[dict[str, dict[str, float]], TeamNetwork]:
    """What the sensors seem to have got, by name, and a copy of the network whose roles undo it."""
    adapted = copy.deepcopy(network)
    mine = network.actor(role)
    names = {
        i: (sensed, i - where.start)
        for sensed, where in mine.fields.items()
        for i in range(where.start, where.stop)
    }
    sensors: dict[str, dict[str, float]] = {}
    for column, (log_gain, b) in zip(forecast.columns.tolist(), layer.T, strict=True):
        scale, shift = mine.normaliser.scale[column], mine.normaliser.shift[column]
        gain = torch.exp(log_gain)
        # a (x s - h) + b = s (a x + c) - h: the true reading is a x + c.
        offset = (b + shift * (1.0 - gain)) / scale
        sensed, number = names[column]
        sensors[f"{sensed}[{number}]"] = {"gain": float(1.0 / gain), "offset": float(-offset / gain)}
        for name in adapted.roles:
            actor = adapted.actor(name)
            if sensed in actor.fields:
                _fold(actor.normaliser, actor.fields[sensed].start + number, gain, offset)
    return sensors, adapted


def _fold(normaliser: Normaliser, column: int, gain: Tensor, offset: Tensor) -> None:
    """Make it read a x + c in place of x."""
    normaliser.mean[column] = (normaliser.mean[column] - offset) / gain
    normaliser.var[column] = normaliser.var[column] / gain**2
    normaliser.shift[column] -= normaliser.scale[column] * offset
    normaliser.scale[column] *= gain
