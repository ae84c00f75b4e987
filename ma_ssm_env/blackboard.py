"""The blackboard: what the roles post, and what of it the others receive one step later.

The belief goes through a rate-limited Gaussian channel; prior, correction and rate are read as posted.

    R = R_max (rate + 1) / 2                nominal bits per belief dimension
    snr = 2^(2R) - 1                        capacity of a Gaussian channel: R = 1/2 log2(1 + snr)
    received = (snr belief + sqrt(snr) eps) / (1 + snr),   eps ~ N(0, I)

which is the minimum-mean-square-error estimate of a unit-variance belief from what comes through. One eps
is drawn a world and step, the same for all receivers. Bits are nominal capacity: an upper bound on what
was said. Source: Shannon 1948; Cover and Thomas, "Elements of information theory", chapter 9.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.roles import BELIEF_SIZE, layout

Float = NDArray[np.float32]
R_MAX = 8.0
NOISE_BOUND = 6.9  # with it, |received| <= (1 + sqrt(1 + eps^2)) / 2 < 4, the bound of the observation
# In a single world, what an array operation costs is the call, and a call with arrays alone is the cheapest.
_ONE, _MINUS_ONE, _HALF, _R_MAX, _MOST_BITS, _EXPONENT = (
    np.array(number, np.float32) for number in (1.0, -1.0, 0.5, R_MAX, BELIEF_SIZE * R_MAX, 2.0 * R_MAX)
)


def gate(trust: Float) -> Float:
    """Weight of the correction, (trust + 1) / 2, in [0, 1]."""
    weight = trust + _ONE
    weight *= _HALF
    return weight


def combine(prior: Float, correction: Float, trust: Float) -> Float:
    """The torque on the body: clip(prior + g * correction, -1, 1), g = (trust + 1) / 2, all [..., m]."""
    return _combined(prior, correction, gate(trust), np.empty_like(prior))


def _combined(prior: Float, correction: Float, weight: Float, out: Float) -> Float:
    torque = weight * correction
    torque += prior
    np.maximum(torque, _MINUS_ONE, out=torque)
    combined: Float = np.minimum(torque, _ONE, out=out)
    return combined


def bits_per_dimension(rate: Float) -> Float:
    """R, nominal bits per belief dimension, of a rate in [-1, 1]."""
    return _R_MAX * gate(rate)


def snr(rate: Float) -> Float:
    """Signal-to-noise ratio of the channel at a rate in [-1, 1]."""
    ratio: Float = np.exp2(_EXPONENT * gate(rate)) - _ONE
    return ratio


def receive(belief: Float, rate: Float, noise: Float) -> Float:
    """What comes out of the channel [B, d], from belief [B, d], rate [B, 1] and noise eps [B, d].

    Bounded by 4 for noise within +-`NOISE_BOUND`, as the game draws it:
    |received| <= (1 + sqrt(1 + eps^2)) / 2.
    """
    return receive_at_snr(belief, snr(rate), noise)


def receive_at_snr(belief: Float, ratio: Float, noise: Float) -> Float:
    """`receive` of a signal-to-noise ratio: one a world [B, 1], or one a number [B, d]."""
    received: Float = (ratio * belief + np.sqrt(ratio) * noise) / (ratio + _ONE)
    return received


def _received(belief: Float, share: Float, noise: Float, out: Float) -> tuple[Float, Float]:
    # `receive`, bit for bit, and the ratio [B, d], without arrays in between.
    # 2^(2R), once for each belief dimension: arrays of one shape are multiplied in less time. Taking 1 off it
    # is exact, so that 1 + snr is this very number.
    powers = np.exp2(_EXPONENT * share, np.empty_like(belief))
    ratio = powers - _ONE
    received = ratio * belief
    root = np.sqrt(ratio)
    root *= noise
    received += root
    return np.divide(received, powers, out), ratio


def channel_noise(generator: np.random.Generator, shape: tuple[int, ...]) -> Float:
    """Standard normal eps of `shape`, clipped to +-6.9, which one number in 10^11 exceeds."""
    noise = generator.standard_normal(shape, dtype=np.float32)
    bounded: Float = np.clip(noise, -NOISE_BOUND, NOISE_BOUND, out=noise)
    return bounded


class Blackboard:
    """What B worlds' roles will observe next.

    Args:
        board: where it is kept [B, `size(m)`].
        posted: where the roles put belief, prior, correction, trust and rate before `post`, side by side
            [B, d + 3 m + 1]; the rate is that of the belief beside it.
        num_actuators: m.
        silent: roles whose posts are received as 0.

    Attributes:
        board: everything that is on it, side by side [B, n]; written in place.
        fields: views of its parts: `received_belief` [B, d], `last_torque`, `last_prior`, `last_correction`,
            `last_trust` [B, m], `last_rate` [B, 1]; 0 at the start of a trial, and wherever the sender is
            absent or muted (the trust, which `state()` alone shows, is the one that was used).
        layout: where each of them lies in a row of `board`.
        share: the rate of the last step as a share of the most that the channel can carry, in [0, 1] [B];
            0 where nothing was sent.
        snr: of the last step's channel [B, 1]; 0 where nothing was sent.
        noise: eps of the last step [B, d].
        said: what was posted in the last step, as it was laid out for `post`.
    """

    def __init__(self, board: Float, posted: Float, num_actuators: int, silent: frozenset[str]) -> None:
        self.board, self.layout = board, _layout(num_actuators)
        self.fields: dict[str, Float] = {name: board[:, where] for name, where in self.layout.items()}
        B = len(board)
        self._posting, self.said = posted, np.zeros_like(posted)
        # Prior, correction, trust and rate lie on the board as they are posted.
        self._copies, self._originals = board[:, self.layout["last_prior"].start :], posted[:, BELIEF_SIZE:]
        ends = BELIEF_SIZE + np.array([0, num_actuators, 2 * num_actuators])
        self._belief, self._prior, self._correction, self._gated = np.split(posted, ends, axis=1)
        self._believes = "state_modeling" not in silent
        self._silent = [
            self.fields[field]
            for role, field in (
                ("meta_learning", "last_prior"),
                ("adaptation", "last_correction"),
                ("coordinator", "last_rate"),
            )
            if role in silent
        ]
        self.share = np.zeros(B, np.float32)
        self.snr = np.zeros((B, 1), np.float32)
        self.noise = np.zeros((B, BELIEF_SIZE), np.float32)

    @staticmethod
    def size(num_actuators: int) -> int:
        """Numbers on the board of a world."""
        return int(_layout(num_actuators)["last_rate"].stop)

    @property
    def bits(self) -> Float:
        """Nominal bits sent in the last step [B]; a fresh array."""
        return _MOST_BITS * self.share

    @property
    def posted(self) -> dict[str, Float]:
        """What was posted in the last step, heard or not; views, for pictures and logs: no role observes it.

        `belief` [B, d], `prior`, `correction` and `trust` [B, m], `rate` [B, 1].
        """
        d, m = BELIEF_SIZE, self.layout["last_torque"].stop - self.layout["last_torque"].start
        said = self.said
        return {
            "belief": said[:, :d],
            "prior": said[:, d : d + m],
            "correction": said[:, d + m : d + 2 * m],
            "rate": said[:, -1:],
            "trust": said[:, d + 2 * m : d + 3 * m],
        }

    def post(self, noise: Float) -> Float:
        """Take what the roles have put into `posted`.

        Args:
            noise: eps of the channel [B, d].

        Returns:
            The torque on the body that it comes to [B, m]; a view.
        """
        self.noise, self.said = noise, self._posting.copy()
        self._copies[...] = self._originals
        weights = gate(self._gated)
        torque = self.fields["last_torque"]
        _combined(self._prior, self._correction, weights[:, :-1], torque)
        if self._believes:
            share, received = weights[:, -1:], self.fields["received_belief"]
            self.share, self.snr = share[:, 0], _received(self._belief, share, noise, received)[1][:, :1]
        for field in self._silent:
            field[...] = 0.0
        return torque

    def clear(self, worlds: NDArray[np.int64]) -> None:
        """Forget everything in `worlds` [n], their indices: a trial starts."""
        self.noise, self.share, self.said = self.noise.copy(), self.share.copy(), self.said.copy()
        for array in (self.board, self.noise, self.share, self.snr, self.said):
            array[worlds] = 0.0

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that is on the board."""
        rest = {name: getattr(self, name).copy() for name in ("share", "snr", "noise", "said")}
        return {"fields": {name: field.copy() for name, field in self.fields.items()}, **rest}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        for name, field in self.fields.items():
            field[...] = state["fields"][name]
        for name in ("share", "snr", "noise", "said"):
            setattr(self, name, state[name].copy())


def _layout(num_actuators: int) -> dict[str, slice]:
    torques = ("last_torque", "last_prior", "last_correction", "last_trust")
    sizes = {"received_belief": BELIEF_SIZE, **dict.fromkeys(torques, num_actuators), "last_rate": 1}
    return layout(tuple(sizes), sizes)
