"""Forecasts of a sequence by a state-space model, judged beside persistence and a linear model.

    SSMTool()(sequences, horizon=3)

All three forecast x_{t+1} to x_{t+h} from x_0 to x_t on data that none was fitted to:

- *persistence*: x_t;
- *linear*: least squares of x_{t+k} - x_t on the last `lags` values, a regression for each k;
- *ssm*: an S5 core with complex poles (module `cores.s5`) over the whole past, and a linear read-out of its
  features and of the same last values, so that what the core adds is what tells the two apart. Trained by
  Adam, the read-out also by ridge regression; what is best on a fifth of the training data is kept.

Errors are mean squares in units of each channel's variance in the training data, which is reported too. Who
is better is said only where the mean difference is more than two standard errors from 0, by the means of 20
blocks of successive forecasts, as errors of one time are not independent.
"""

from __future__ import annotations

import copy
import itertools
import math
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ma_ssm_env.recorded_trials import TWIN, RecordedTrials, as_recorded_trials
from policies.cores import CoreConfig, make_core
from policies.forecast import MAX_HORIZON, sensor_columns
from policies.tools.tool import Items, Range, Schema, ToolError, checked, schema_of

Array = NDArray[np.float64]
Sequence2D = Annotated[list[Annotated[list[float], Items(1)]], Items(1)]
BLOCKS = 20
CHECKS = 8  # times in training that a model is judged on what is kept
RIDGES = (1e-8, 1e-5, 1e-2)  # in units of the mean square of what is read
_LEAST = 32  # origins to be judged on


@dataclass(frozen=True)
class _Data:
    """Sequences in units of the training data's deviation, and from where on each is held out."""

    sequences: list[Array]  # [T_i, n]
    held_from: list[int]  # first step that is kept from training; T_i where none is
    mean: Array
    deviation: Array

    @property
    def training(self) -> list[Array]:
        """What may be fitted to."""
        return [x[:at] for x, at in zip(self.sequences, self.held_from, strict=True) if at > 0]


class Forecaster(nn.Module):
    """Changes from x_t to x_{t+1} .. x_{t+h} from a core's features, and the last values.

    Args:
        channels: n.
        horizon: h.
        lags: how many values are read.
        core: of what the core is made.
        scale: deviation of each change in the training data [h, n], the unit of the read-out.
        generator: the only source of the initial parameters.
    """

    scale: Tensor

    def __init__(
        self,
        channels: int,
        horizon: int,
        lags: int,
        core: CoreConfig,
        scale: Tensor,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.shape, self.lags = (horizon, channels), lags
        self.core = make_core(core, channels, generator)
        self.register_buffer("scale", scale)
        size = self.core.out_features + lags * channels + 1
        self.read_out = nn.Parameter(torch.zeros(size, horizon * channels))  # at first, persistence

    def features(self, x: Tensor) -> Tensor:
        """What is read [T, B, D + lags * n + 1], from sequences [T, B, n] with nothing before them."""
        starts = torch.zeros(x.shape[:2])
        found, _ = self.core(x, starts, self.core.initial_memory(x.shape[1]))
        padded = torch.cat([x[:1].expand(self.lags - 1, -1, -1), x])
        last = [padded[self.lags - 1 - lag :][: len(x)] for lag in range(self.lags)]
        return torch.cat([found, *last, torch.ones(*x.shape[:2], 1)], dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """Changes [T, B, h, n], in units of `scale`."""
        return self.told(self.features(x))

    def told(self, seen: Tensor) -> Tensor:
        """`forward`, from what is read [T, B, F]."""
        flat = seen @ self.read_out
        return flat.view(*flat.shape[:-1], *self.shape)


@dataclass(frozen=True)
class SSMTool:
    """Fit a state-space model to sequences and forecast them.

    Attributes:
        width: features of the core.
        state_size: real states of its poles, in conjugate pairs.
        lags: last values that both models read.
        iterations: steps of Adam.
        learning_rate: of Adam, falling to a tenth.
        window: steps of a training sequence.
        batch: training sequences of a step.
        name, description: see `Tool`.
    """

    width: int = 16
    state_size: int = 16
    lags: int = 8
    iterations: int = 800
    learning_rate: float = 1e-2
    window: int = 64
    batch: int = 16
    name: ClassVar[str] = "ssm_forecast"
    description: ClassVar[str] = (
        "Fit a state-space model to one or more sequences of numbers and forecast how the last one goes on. "
        "Reports the error on data that was kept apart beside those of persistence and of a linear "
        "autoregressive model, and which of them is better, if any."
    )

    def schema(self) -> Schema:
        """JSON schema of the arguments."""
        return schema_of(type(self).__call__)

    @checked
    def __call__(
        self,
        sequences: str | Annotated[list[Sequence2D], Items(1)] | Sequence2D,
        horizon: Annotated[int, Range(1, MAX_HORIZON)] = 1,
        held_out: Annotated[float, Range(0.05, 0.5)] = 0.2,
        agent: str | None = None,
        seed: Annotated[int, Range(0)] = 0,
    ) -> dict[str, Any]:
        """Fit, judge and forecast.

        Args:
            sequences: one sequence as a list of steps, each a list of channels; or several such; or the
                path of a file of recorded trials, whose inner episodes are the sequences.
            horizon: steps ahead that are forecast.
            held_out: share of the data to judge on; whole sequences, the last ones, where there are at
                least 5, else the end of each.
            agent: whose positions and velocities are forecast, of recorded trials; by default the one
                that observes most of them.
            seed: of the initial parameters and the order of the data.

        Returns:
            `error` of `ssm`, `linear` and `persistence` at each horizon; `variance` of each channel, which is
            their unit; `better` than the linear model: `ssm`, `linear` or `neither`; `difference` (ssm -
            linear, as a share of persistence's error) and its `standard_error`; `forecast` of the steps after
            the end of the last sequence [h][n]; and how much data there was.
        """
        found = _sequences(self.name, sequences, agent)
        data = _split(self.name, found, horizon, held_out, self.lags)
        torch_generator = torch.Generator().manual_seed(seed)
        model = self._fit(data, horizon, torch_generator, np.random.default_rng(seed))
        linear = _linear(data.training, self.lags, horizon)
        errors: dict[str, list[Array]] = {"ssm": [], "linear": [], "persistence": []}
        for x, at in zip(data.sequences, data.held_from, strict=True):
            origins = np.arange(max(at, self.lags - 1), len(x) - horizon)
            if not len(origins):
                continue
            actual = np.stack([x[origins + k] - x[origins] for k in range(1, horizon + 1)], axis=1)
            told = {
                "ssm": _changes(model, x)[origins],
                "linear": _lagged(x, origins, self.lags) @ linear,
                "persistence": np.zeros_like(actual),
            }
            for name, change in told.items():
                errors[name].append(((change.reshape(actual.shape) - actual) ** 2).mean(-1))
        pooled = {name: np.concatenate(parts) for name, parts in errors.items()}  # [origins, h]
        # A horizon counts as much as another, however hard it is.
        difference = ((pooled["ssm"] - pooled["linear"]) / pooled["persistence"].mean(0).clip(1e-12)).mean(-1)
        blocks = np.array([block.mean() for block in np.array_split(difference, BLOCKS)])
        error = float(blocks.std(ddof=1) / math.sqrt(BLOCKS))
        last = data.sequences[-1]
        forecast = (last[-1] + _changes(model, last)[-1]) * data.deviation + data.mean
        value = float(difference.mean())
        better = "ssm" if value < -2 * error else "linear" if value > 2 * error else "neither"
        return {
            "horizon": horizon,
            "error": {name: values.mean(0).tolist() for name, values in pooled.items()},
            "variance": (data.deviation**2).tolist(),
            "better": better,
            "difference": value,
            "standard_error": error,
            "forecast": forecast.tolist(),
            "fitted_to": sum(len(x) for x in data.training),
            "judged_on": len(difference),
        }

    def _fit(
        self, data: _Data, horizon: int, generator: torch.Generator, rng: np.random.Generator
    ) -> Forecaster:
        """The forecaster that is best on a fifth of the training data that it was not fitted to."""
        whole = [torch.from_numpy(x.astype(np.float32)) for x in data.training if len(x) > horizon]
        # What is judged on: every fifth of the sequences that hold an origin, else the end of each.
        judges = [len(x) - horizon >= self.lags for x in whole]
        if sum(judges) >= 5:
            fifth = [able and number % 5 == 0 for able, number in zip(judges, np.cumsum(judges), strict=True)]
            cut = [0 if kept else len(x) for kept, x in zip(fifth, whole, strict=True)]
        else:
            cut = [max(horizon + 1, len(x) * 4 // 5) for x in whole]
        training = [x[:at] for x, at in zip(whole, cut, strict=True) if at]
        changes = [torch.cat([x[k:] - x[:-k] for x in training]) for k in range(1, horizon + 1)]
        scale = torch.stack([change.square().mean(0).sqrt() for change in changes]).clamp(min=1e-6)
        core = CoreConfig(kind="s5", width=self.width, state_size=self.state_size, poles="complex")
        model = Forecaster(whole[0].shape[1], horizon, self.lags, core, scale, generator)
        optimiser = torch.optim.Adam(model.parameters(), lr=self.learning_rate)
        x_all, ends_all = _padded(whole)
        targets_all, valid_all = _targets(x_all, ends_all, horizon, scale)
        # Judged, and fitted by regression, where the linear model is too: with all its lags.
        time, since = torch.arange(len(x_all))[:, None], torch.tensor(cut)
        valid_all = valid_all * (time >= self.lags - 1)[..., None, None]
        kept = valid_all * (time >= since)[..., None, None]
        fitted_to = valid_all * (time + horizon < since)[..., None, None]

        @torch.no_grad()
        def judged() -> list[tuple[float, Forecaster]]:
            seen = model.features(x_all)
            found = [copy.deepcopy(model), *_read_outs(model, seen, targets_all, fitted_to)]
            return [(_error(one, seen, targets_all, kept), one) for one in found]

        candidates = judged()
        for iteration in range(self.iterations):
            for group in optimiser.param_groups:
                group["lr"] = self.learning_rate * (1.0 - 0.9 * iteration / self.iterations)
            x, ends = self._windows(training, rng)
            targets, valid = _targets(x, ends, horizon, scale)
            squares = (model(x) - targets).square() * valid
            loss = squares.sum() / (valid.sum() * x.shape[2]).clamp(min=1)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            if (iteration + 1) % max(1, self.iterations // CHECKS) == 0:
                candidates += judged()
        return min(candidates, key=lambda candidate: candidate[0])[1]

    def _windows(self, training: list[Tensor], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Pieces of the sequences [L, B, n], padded with zeros, and where each ends [B]."""
        lengths = np.array([len(x) for x in training])
        chosen = rng.choice(len(training), self.batch, p=lengths / lengths.sum())
        size = min(self.window, int(lengths.max()))
        x = torch.zeros(size, self.batch, training[0].shape[1])
        ends = torch.zeros(self.batch, dtype=torch.long)
        for column, number in enumerate(chosen):
            start = int(rng.integers(max(1, lengths[number] - size + 1)))
            piece = training[number][start : start + size]
            x[: len(piece), column], ends[column] = piece, len(piece)
        return x, ends


def _sequences(name: str, given: Any, agent: str | None) -> list[Array]:
    if isinstance(given, str):
        try:
            recorded = as_recorded_trials(given, name="sequences")
        except ValueError as error:
            raise ToolError(f"{name}: {error}") from None
        return _episodes(name, recorded, agent)
    if agent is not None:
        raise ToolError(f"{name}: agent={agent!r} is for recorded trials, and sequences are lists")
    several = isinstance(given[0][0], list)
    found = []
    for number, steps in enumerate(given if several else [given]):
        widths = {len(step) for step in steps}
        if len(widths) > 1:
            raise ToolError(
                f"{name}: sequence {number} has steps of {sorted(widths)} channels: as many in each"
            )
        found.append(np.array(steps, dtype=np.float64))
    channels = {x.shape[1] for x in found}
    if len(channels) > 1:
        raise ToolError(f"{name}: sequences of {sorted(channels)} channels: as many in each are expected")
    return found


def _episodes(name: str, recorded: RecordedTrials, agent: str | None) -> list[Array]:
    columns = {a: sensor_columns(recorded.fields(a)) for a in recorded.agents}
    chosen = agent or (max(columns, key=lambda a: len(columns[a])) if recorded.team else TWIN)
    if not columns.get(chosen):
        able = ", ".join(a for a, found in columns.items() if found)
        raise ToolError(f"{name}: agent={chosen!r} has no sensors there; one of {able} is expected")
    seen = recorded.observations[chosen][:, :, columns[chosen]].astype(np.float64)
    found = []
    for trial, length in enumerate(recorded.lengths):
        bounds = [*np.flatnonzero(recorded.starts[:length, trial]).tolist(), int(length)]
        found += [seen[a:b, trial] for a, b in itertools.pairwise(bounds)]
    return found


def _split(name: str, sequences: list[Array], horizon: int, held_out: float, lags: int) -> _Data:
    lengths = [len(x) for x in sequences]
    if len(sequences) >= 5:
        kept = max(1, math.ceil(held_out * len(sequences)))
        held_from = [*lengths[:-kept], *([0] * kept)]
    else:
        held_from = [round(length * (1.0 - held_out)) for length in lengths]
    training = [x[:at] for x, at in zip(sequences, held_from, strict=True) if at]
    # Origins of a forecast: with all lags before them in their sequence, and the horizon after them.
    judged = sum(max(0, n - horizon - max(at, lags - 1)) for n, at in zip(lengths, held_from, strict=True))
    fitted = sum(max(0, len(x) - horizon - (lags - 1)) for x in training)
    if judged < _LEAST or fitted < 2 * _LEAST:
        raise ToolError(
            f"{name}: {sum(lengths)} steps in {len(lengths)} sequences, of which {judged} could be judged "
            f"on and {fitted} fitted to, as one counts with {lags - 1} steps before it and {horizon} after: "
            f"at least {_LEAST} and {2 * _LEAST} are expected; give more data, or longer sequences"
        )
    pooled = np.concatenate(training)
    deviation = pooled.std(0)
    deviation[deviation < 1e-12] = 1.0
    mean = pooled.mean(0)
    return _Data([(x - mean) / deviation for x in sequences], held_from, mean, deviation)


def _targets(x: Tensor, ends: Tensor, horizon: int, scale: Tensor) -> tuple[Tensor, Tensor]:
    """Changes [T, B, h, n] in units of `scale`, and which of them count [T, B, h, 1]."""
    time = torch.arange(len(x))[:, None]
    targets, valid = [], []
    for k in range(1, horizon + 1):
        ahead = torch.zeros_like(x)
        ahead[:-k] = x[k:] - x[:-k]
        targets.append(ahead / scale[k - 1])
        valid.append(time + k < ends)
    return torch.stack(targets, 2), torch.stack(valid, 2)[..., None].float()


def _padded(sequences: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Sequences side by side [T, B, n], padded with zeros, and their lengths [B]."""
    return nn.utils.rnn.pad_sequence(sequences), torch.tensor([len(x) for x in sequences])


def _error(model: Forecaster, seen: Tensor, targets: Tensor, counts: Tensor) -> float:
    """Mean squared error where `counts` [T, B, h, 1], from what the model reads [T, B, ...]."""
    squares = (model.told(seen) - targets).square() * counts
    return float(squares.sum() / (counts.sum() * targets.shape[-1]).clamp(min=1))


def _read_outs(model: Forecaster, seen: Tensor, targets: Tensor, counts: Tensor) -> list[Forecaster]:
    """The same core with the read-outs that ridge regressions give where all horizons count."""
    rows = counts.amin((2, 3)) > 0
    x, y = seen[rows].double(), targets[rows].flatten(1).double()
    gram, moment = x.T @ x / len(x), x.T @ y / len(x)
    fitted = []
    for ridge in RIDGES:
        fitted.append(copy.deepcopy(model))
        solved = torch.linalg.solve(gram + ridge * torch.eye(len(gram)).double(), moment)
        fitted[-1].read_out.copy_(solved.float())
    return fitted


@torch.no_grad()
def _changes(model: Forecaster, x: Array) -> Array:
    """Changes that are forecast at every step of a sequence [T, h, n]."""
    told: Tensor = model(torch.from_numpy(x.astype(np.float32))[:, None])[:, 0] * model.scale
    return told.numpy().astype(np.float64)


def _lagged(x: Array, origins: NDArray[np.int64], lags: int) -> Array:
    """The last `lags` values at each origin, and 1 [origins, lags * n + 1]."""
    columns = [x[origins - lag] for lag in range(lags)]
    return np.concatenate([*columns, np.ones((len(origins), 1))], axis=1)


def _linear(training: list[Array], lags: int, horizon: int) -> Array:
    """Coefficients of the changes [lags * n + 1, h * n], by least squares."""
    rows, targets = [], []
    for x in training:
        origins = np.arange(lags - 1, len(x) - horizon)
        if len(origins):
            rows.append(_lagged(x, origins, lags))
            targets.append(np.concatenate([x[origins + k] - x[origins] for k in range(1, horizon + 1)], 1))
    found: Array = np.linalg.lstsq(np.concatenate(rows), np.concatenate(targets), rcond=None)[0]
    return found
