"""A trained role that adapts while it acts, behind the NumPy policy protocol.

Every few steps, each world takes a gradient step on its own affine layer (`layer.py`), downhill on

    forecast error over the last steps / the running error without the layer
    + penalty * mean squared change of the action (or belief) that the network would send,

the network itself frozen. Between inner episodes it can also take a step of policy gradient, from rewards
that it observed. Implementation details:
 1. the layer is the identity when a trial begins, and is forgotten when it ends;
 2. a *shadow* without the layer forecasts the same steps: its error says whether anything is wrong;
    while its running mean is below `surprise` times nominal, adaptation is refused;
 3. rollback: where the adapted running error is above `rollback` times the shadow's, the layer goes back to
    the identity and the memory to the shadow's, and that world does not adapt for `cooldown` steps;
 4. gradients are clipped for each world apart, and every number of a layer stays within `trust` of the
    identity;
 5. a window begins with the memory that acting had there; no gradient goes further back;
 6. refusals, beginnings, rollbacks and policy-gradient steps are events in the log.

The design follows PAD (Hansen et al. 2021), GrBAL (Nagabandi et al. 2019: adapt on the last steps) and, for
gains, self-tuning control (Åström and Wittenmark 1973).
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from policies.adaptation.episode_advantages import episode_advantages
from policies.adaptation.forecaster import TORQUE, Forecast
from policies.adaptation.layer import (
    PARTS,
    Layer,
    affine,
    bounded,
    compensated,
    identity,
    names_of,
)
from policies.ranges import check_count, check_number
from policies.role_network import RoleNetwork


@dataclass(frozen=True)
class AdaptationConfig:
    """How a role adapts in a trial.

    Attributes:
        adapts: parts of the layer that learn (`layer.py`); none: it acts as the network does.
        window: steps whose forecasts are looked at.
        every: control steps between gradient steps.
        rate: learning rate of a gradient step.
        clip: largest norm of a world's gradient.
        penalty: weight of the mean squared change of what is sent.
        trust: largest change of a number of the layer.
        surprise: error of the shadow, in units of nominal, below which adaptation is refused.
        rollback: adapted error, in units of the shadow's, above which the layer is taken back.
        cooldown: steps without adaptation after that.
        smoothing: share of the newest error in the running means.
        policy_rate: learning rate of the policy-gradient step between inner episodes; 0 takes none.
        gamma: discount of that step.
    """

    adapts: tuple[str, ...] = ("features",)
    window: int = 16
    every: int = 2
    rate: float = 0.1
    clip: float = 1.0
    penalty: float = 0.1
    trust: float = 2.5
    surprise: float = 3.0
    rollback: float = 1.2
    cooldown: int = 50
    smoothing: float = 0.1
    policy_rate: float = 0.0
    gamma: float = 0.95

    def __post_init__(self) -> None:
        parts: object = self.adapts
        if isinstance(parts, str) or not set(self.adapts) <= set(PARTS):
            raise ValueError(f"adapts={parts!r}: a tuple of {', '.join(PARTS)} is expected")
        if self.policy_rate and not self.adapts:
            raise ValueError(
                f"policy_rate={self.policy_rate} with adapts=(): nothing would learn; name a part of "
                f"the layer, of {', '.join(PARTS)}, or set policy_rate=0"
            )
        check_count(self, "window", least=2)
        check_count(self, "every", least=1)
        check_count(self, "cooldown", least=0)
        check_number(self, "rate")  # below 0 it goes uphill, which is how its safeguards are tried
        check_number(self, "penalty", "policy_rate", least=0.0)
        check_number(self, "clip", "trust", "surprise", "rollback", least=0.0, finite=False)
        check_number(self, "smoothing", least=0.0, most=1.0, above=True)
        check_number(self, "gamma", least=0.0, most=1.0)


@dataclass(frozen=True)
class Event:
    """A line of the log.

    Attributes:
        step: of the trial, from 0.
        world: in which it happened.
        kind: what happened: a refusal, a step, a rollback.
        value: the figure that it rests on.
    """

    step: int
    world: int
    kind: str
    value: float


@dataclass
class _State:
    """Memory of a batch of worlds in a trial."""

    core: Tensor
    shadow: Tensor
    layer: Layer
    error: Tensor  # running mean squared error, in units of nominal [B]
    shadow_error: Tensor
    paused: Tensor  # steps for which a world does not adapt [B]
    adapting: Tensor  # worlds that have begun to [B]
    step: int = 0
    # The last `window` steps: normalised observation, memory before it, torque that then acted.
    seen: deque[Tensor] = field(default_factory=deque)
    memories: deque[Tensor] = field(default_factory=deque)
    torques: deque[Tensor] = field(default_factory=deque)
    begins: deque[Tensor] = field(default_factory=deque)
    shadow_features: Tensor | None = None
    # The whole trial, for policy gradients alone.
    trial: list[tuple[Tensor, Tensor, Tensor, Tensor]] = field(default_factory=list)
    episode_scores: list[list[float]] = field(default_factory=list)


class AdaptivePolicy:
    """A role that adapts; one of these for each evaluation, as it keeps the log.

    Attributes:
        log: events of all trials that were played, in order.

    Args:
        network: the trained role; it is copied, and its parameters never change.
        forecast: of the same network.
        config: how it adapts.
        deterministic: act by the mode of the distribution, else by a sample.
    """

    def __init__(
        self,
        network: RoleNetwork,
        forecast: Forecast,
        config: AdaptationConfig | None = None,
        deterministic: bool = True,
    ) -> None:
        self.config = config or AdaptationConfig()
        if self.config.policy_rate and deterministic:
            raise ValueError(
                f"policy_rate={self.config.policy_rate} with deterministic actions: there is no policy "
                "gradient without exploration; take deterministic=False"
            )
        self.network = copy.deepcopy(network).requires_grad_(False)
        self.forecast, self.deterministic = forecast, deterministic
        self.log: list[Event] = []
        self._names = names_of(self.config.adapts)
        self._apart = bool({"sensors", "actuators"} & set(self.config.adapts))  # the shadow's memory differs
        self._torque = self.network.fields[TORQUE]
        if "actuators" in self.config.adapts and "torque" not in self.network.action_fields:
            raise ValueError(
                f"a role that acts {', '.join(self.network.action_fields)} cannot make good an actuator's "
                "gain: only the twin's agent, which acts the torque, can"
            )
        self._start = self.network.fields["episode_start"].start
        self._reward = self.network.fields.get("last_reward")
        if self.config.policy_rate and self._reward is None:
            raise ValueError("policy gradients want a role that observes `last_reward`")

    def initial_memory(self, batch: int) -> _State:
        """Nothing learned yet."""
        sizes = (len(self.network.normaliser.mean), self.network.core.out_features, self.network.action_size)
        core = self.network.initial_memory(batch)
        ones = torch.ones(batch)
        state = _State(
            core=core,
            shadow=core,
            layer=identity(batch, *sizes),
            error=ones,
            shadow_error=ones,
            paused=torch.zeros(batch),
            adapting=torch.zeros(batch, dtype=torch.bool),
        )
        state.episode_scores = [[] for _ in range(batch)]
        return state

    def act(
        self, observations: NDArray[np.float32], memory: Any, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Any]:
        """Actions [B, A] for observations [B, O], clipped to [-1, 1]; learns from them before it acts."""
        state: _State = memory
        raw = torch.from_numpy(observations)
        begins = raw[:, self._start] == 1.0
        if state.seen:
            state.torques.append(raw[:, self._torque])
        plainly_seen = self.network.normaliser(raw)
        seen = self._effective(state, plainly_seen)
        self._measure(state, seen, begins)
        self._adapt(state, seen, begins)
        if self.config.policy_rate and state.step:
            self._learn_from_feedback(state, raw, begins)
        with torch.no_grad():
            starts = torch.zeros(len(raw))
            before = state.core
            features, state.core = self.network.core.step(
                affine(state.layer, "sensors", seen), starts, before
            )
            wanted = self._mean(affine(state.layer, "features", features))
            plain, state.shadow = (
                self.network.core.step(plainly_seen, starts, state.shadow)
                if self._apart
                else (features, state.core)
            )
            if not self.deterministic:
                noise = rng.standard_normal(tuple(wanted.shape), dtype=np.float32)
                wanted = wanted + torch.exp(self.network.log_std) * torch.from_numpy(noise)
            sent = compensated(state.layer, wanted.clamp(-1.0, 1.0)).clamp(-1.0, 1.0)
        state.shadow_features = plain
        for queue, value in (
            (state.seen, seen),
            (state.memories, before),
            (state.begins, begins),
        ):
            queue.append(value)
            if len(queue) > self.config.window:
                queue.popleft()
        if len(state.torques) == self.config.window:
            state.torques.popleft()
        if self.config.policy_rate:
            state.trial.append((seen, wanted, raw, begins))
        state.step += 1
        return sent.numpy(), state

    # -- errors -----------------------------------------------------------------------------------------

    @torch.no_grad()
    def _measure(self, state: _State, seen: Tensor, begins: Tensor) -> None:
        """Take the newest forecast errors, with and without the layer, into the running means."""
        if not state.seen:
            return
        before, torque = state.seen[-1], state.torques[-1]
        inner = affine(state.layer, "sensors", before)
        starts = torch.zeros(len(seen))
        features, _ = self.network.core.step(inner, starts, state.memories[-1])
        gained = self._gained(state.layer, torque)
        adapted = self._error(
            affine(state.layer, "features", features), gained, inner, self._sensed(state, seen)
        )
        assert state.shadow_features is not None
        shadow = self._error(state.shadow_features, torque, before, seen)
        for name, new in (("error", adapted), ("shadow_error", shadow)):
            old = getattr(state, name)
            moved = old + self.config.smoothing * (new - old)
            setattr(state, name, torch.where(begins, old, moved))  # the body was put somewhere else

    def _sensed(self, state: _State, seen: Tensor) -> Tensor:
        return affine(state.layer, "sensors", seen)

    def _gained(self, layer: Layer, torques: Tensor) -> Tensor:
        return layer["actuators/gain"] * torques if "actuators" in self.config.adapts else torques

    def _effective(self, state: _State, seen: Tensor) -> Tensor:
        """The observation with the torque that it believes to have arrived."""
        if "actuators" not in self.config.adapts:
            return seen
        effective = seen.clone()
        effective[:, self._torque] *= state.layer["actuators/gain"]
        return effective

    def _error(self, features: Tensor, torques: Tensor, before: Tensor, after: Tensor) -> Tensor:
        """Mean squared error of the forecasts, in units of nominal [..., B]; no gradient from the target."""
        columns = self.forecast.columns
        target = (after[..., columns] - before[..., columns]).detach() / self.forecast.scale
        off = self.forecast(features, torques) - target
        return off.square().mean(-1) / self.forecast.nominal

    def _mean(self, features: Tensor) -> Tensor:
        mean: Tensor = self.network.head(features)
        return torch.tanh(mean) if self.network.squash else mean

    # -- learning from forecasts ------------------------------------------------------------------------

    def _adapt(self, state: _State, seen: Tensor, begins: Tensor) -> None:
        config = self.config
        state.paused = (state.paused - 1.0).clamp(min=0.0)
        if not self._names or len(state.seen) < 2 or state.step % config.every:
            return
        worse = state.adapting & (state.error > config.rollback * state.shadow_error)
        if bool(worse.any()):
            self._note(state, worse, "rollback", state.error)
            start = identity(len(seen), *(state.layer[n].shape[1] for n in _SIZED))
            for name, value in state.layer.items():
                state.layer[name] = torch.where(worse[:, None], start[name], value)
            # What the layer left in the memory goes too; where it has left nothing, the two are the same.
            state.core = torch.where(worse[:, None], state.shadow, state.core)
            state.error = torch.where(worse, state.shadow_error, state.error)
            state.paused = torch.where(worse, float(config.cooldown), state.paused)
            state.adapting = state.adapting & ~worse
        surprised = state.shadow_error > config.surprise
        willing = surprised & (state.paused == 0.0)
        if len(state.seen) == config.window and state.step % (config.every * config.window) == 0:
            self._note(state, ~surprised, "refused", state.shadow_error)
        if not bool(willing.any()):
            return
        self._note(state, willing & ~state.adapting, "adapts", state.shadow_error)
        state.adapting = state.adapting | willing
        gradient = self._gradient(state, seen, begins)
        self._move(state, gradient, config.rate, willing)

    def _gradient(self, state: _State, seen: Tensor, begins: Tensor) -> Layer:
        """Gradient of the loss over the window, each world's in its row."""
        layer = {n: v.clone().requires_grad_(n in self._names) for n, v in state.layer.items()}
        before = torch.stack(list(state.seen))  # [W, B, O]
        after = torch.stack([*list(state.seen)[1:], seen])
        valid = ~torch.stack([*list(state.begins)[1:], begins])  # the next observation is of the same episode
        torques = torch.stack(list(state.torques))
        inner = affine(layer, "sensors", before)
        starts = torch.zeros(before.shape[:2])
        features, _ = self.network.core(inner, starts, state.memories[0])
        adapted = affine(layer, "features", features)
        error = self._error(adapted, self._gained(layer, torques), inner, affine(layer, "sensors", after))
        yardstick = state.shadow_error.clamp(min=self.config.surprise)
        loss = (error * valid).sum(0) / valid.sum(0).clamp(min=1) / yardstick
        with torch.no_grad():
            plain, _ = self.network.core(before, starts, state.memories[0])
            reference = self._mean(plain)
        loss = loss + self.config.penalty * (self._mean(adapted) - reference).square().mean((0, 2))
        found = torch.autograd.grad(loss.sum(), [layer[name] for name in self._names])
        return dict(zip(self._names, found, strict=True))

    def _move(self, state: _State, gradient: Layer, rate: float, worlds: Tensor) -> None:
        """One clipped step downhill in `worlds` [B], within the trust region."""
        norm = torch.cat(list(gradient.values()), -1).norm(dim=-1)
        scale = (self.config.clip / (norm + 1e-8)).clamp(max=1.0)
        usable = worlds & torch.isfinite(norm)
        for name, value in gradient.items():
            moved = state.layer[name] - rate * scale[:, None] * value
            state.layer[name] = torch.where(usable[:, None], moved, state.layer[name])
        state.layer = bounded(state.layer, self.config.trust)

    # -- learning from feedback -------------------------------------------------------------------------

    def _learn_from_feedback(self, state: _State, raw: Tensor, begins: Tensor) -> None:
        """A policy-gradient step in worlds whose inner episode has just ended."""
        ended = begins.clone()
        if not bool(ended.any()):
            return
        assert self._reward is not None
        rewards = torch.stack(
            [step[2][:, self._reward.start] for step in state.trial[1:]] + [raw[:, self._reward.start]]
        )
        first = torch.stack([step[3] for step in state.trial])  # [t, B]
        begin = torch.where(first, torch.arange(len(first))[:, None], 0).amax(0)
        mask = (torch.arange(len(first))[:, None] >= begin) & ended
        advantages, scores = episode_advantages(rewards, mask, ended, state.episode_scores, self.config.gamma)
        for world in torch.nonzero(ended).flatten().tolist():
            state.episode_scores[world].append(float(scores[world]))
        layer = {n: v.clone().requires_grad_(n in self._names) for n, v in state.layer.items()}
        seen, actions = (torch.stack([step[i] for step in state.trial]) for i in (0, 1))
        starts = torch.zeros(seen.shape[:2])
        memory = self.network.initial_memory(seen.shape[1])
        features, _ = self.network.core(affine(layer, "sensors", seen), starts, memory)
        log_probs = self.network.log_prob(self._mean(affine(layer, "features", features)), actions)
        loss = -(log_probs * advantages * mask).sum(0) / mask.sum(0).clamp(min=1)
        wanted = [layer[n] for n in self._names]
        # Gains do not enter the density of an action: rewards say nothing about them here.
        found = torch.autograd.grad(loss.sum(), wanted, allow_unused=True, materialize_grads=True)
        gradient: Layer = dict(zip(self._names, found, strict=True))
        informed = ended & (advantages * mask).abs().sum(0).gt(0.0)
        self._note(state, ended & ~informed, "refused", torch.zeros(len(raw)))
        self._note(
            state, informed, "policy step", (advantages * mask).abs().sum(0) / mask.sum(0).clamp(min=1)
        )
        self._move(state, gradient, self.config.policy_rate, informed)

    def _note(self, state: _State, worlds: Tensor, kind: str, value: Tensor) -> None:
        for world in torch.nonzero(worlds).flatten().tolist():
            self.log.append(Event(state.step, world, kind, float(value[world])))


_SIZED = ("sensors/scale", "features/scale", "actuators/gain")
