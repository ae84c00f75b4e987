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

from ma_ssm_env.roles import BELIEF_SIZE, BOUNDS, layout

Float = NDArray[np.float32]
R_MAX = 8.0
_RECEIVED_BOUND = np.float32(BOUNDS["received_belief"])
_ONE, _MINUS_ONE, _HALF = np.float32(1.0), np.float32(-1.0), np.float32(0.5)
_SHARE = np.float32(1.0 / (BELIEF_SIZE * R_MAX))  # a power of two: a product with it is exact


def gate(trust: Float) -> Float:
    """Weight of the correction, (trust + 1) / 2, in [0, 1]."""
    weight = trust + _ONE
    weight *= _HALF
    return weight


def combine(prior: Float, correction: Float, trust: Float) -> Float:
    """The torque on the body: clip(prior + g * correction, -1, 1)."""
    torque = gate(trust) * correction
    torque += prior
    np.maximum(torque, _MINUS_ONE, torque)
    return np.minimum(torque, _ONE, torque)


def bits_per_dimension(rate: Float) -> Float:
    """R, nominal bits per belief dimension, of a rate in [-1, 1]."""
    return np.float32(R_MAX) * gate(rate)


def snr(rate: Float) -> Float:
    """Signal-to-noise ratio of the channel at a rate in [-1, 1]."""
    return _snr(bits_per_dimension(rate))


def _snr(bits: Float) -> Float:
    ratio: Float = np.exp2(np.float32(2.0) * bits) - np.float32(1.0)
    return ratio


def receive(belief: Float, rate: Float, noise: Float) -> Float:
    """What comes out of the channel [B, d], from belief [B, d], rate [B, 1] and noise eps [B, d].

    Bounded by construction: |received| <= (1 + sqrt(1 + eps^2)) / 2, and clipped at 4, which standard
    normal noise does not reach in practice (|eps| > 6.9).
    """
    return _received(belief, snr(rate), noise, np.empty_like(belief))


def _received(belief: Float, ratio: Float, noise: Float, out: Float) -> Float:
    # Ufuncs that write in place: in a single world, what a call costs is the call.
    received = ratio * belief
    received += np.sqrt(ratio) * noise
    received /= np.float32(1.0) + ratio
    np.maximum(received, -_RECEIVED_BOUND, received)
    return np.minimum(received, _RECEIVED_BOUND, out)


class Blackboard:
    """What B worlds' roles will observe next.

    Attributes:
        board: everything that is on it, side by side [B, n]; written in place, so copy what you keep.
        fields: views of its parts: `received_belief` [B, d], `last_torque`, `last_prior`, `last_correction`,
            `last_trust` [B, m], `last_rate` [B, 1]; 0 at the start of a trial, and wherever the sender is
            absent or muted (the trust, which `state()` alone shows, is the one that was used).
        layout: where each of them lies in a row of `board`.
        bits: nominal bits sent in the last step [B].
        snr: of the last step's channel [B, 1]; 0 where nothing was sent.
        noise: eps of the last step [B, d].
    """

    def __init__(self, num_worlds: int, num_actuators: int, silent: frozenset[str]) -> None:
        B, m = num_worlds, num_actuators
        self.layout = layout(
            ("received_belief", "last_torque", "last_prior", "last_correction", "last_trust", "last_rate"),
            {
                "received_belief": BELIEF_SIZE,
                **dict.fromkeys(("last_torque", "last_prior", "last_correction", "last_trust"), m),
                "last_rate": 1,
            },
        )
        self.board = np.zeros((B, self.layout["last_rate"].stop), np.float32)
        self.fields: dict[str, Float] = {name: self.board[:, where] for name, where in self.layout.items()}
        # Prior, correction, trust and rate lie here as they do in the roles' actions.
        self._posted = self.board[:, self.layout["last_prior"].start :]
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
        self.bits = np.zeros(B, np.float32)
        self.snr = np.zeros((B, 1), np.float32)
        self.noise = np.zeros((B, BELIEF_SIZE), np.float32)

    def post(self, belief: Float, rest: Float, torque: Float, noise: Float) -> None:
        """Take what the roles posted in this step.

        Args:
            belief: [B, d].
            rest: prior, correction, trust and rate side by side [B, 3 m + 1]; the rate is the belief's.
            torque: what they came to [B, m].
            noise: eps of the channel [B, d].
        """
        self.noise = noise
        self._posted[...] = rest
        self.fields["last_torque"][...] = torque
        if self._believes:
            bits = bits_per_dimension(rest[:, -1:])
            self.snr = _snr(bits)
            self.bits = np.float32(BELIEF_SIZE) * bits[:, 0]
            _received(belief, self.snr, noise, self.fields["received_belief"])
        for field in self._silent:
            field[...] = 0.0

    def normalised_rate(self) -> Float:
        """Bits of the last step as a share of the most that the channel can carry, in [0, 1] [B]."""
        return self.bits * _SHARE

    def clear(self, worlds: NDArray[np.int64]) -> None:
        """Forget everything in `worlds`: a trial starts."""
        self.noise = self.noise.copy()
        for array in (self.board, self.noise, self.bits, self.snr):
            array[worlds] = 0.0

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that is on the board."""
        rest = {name: getattr(self, name).copy() for name in ("bits", "snr", "noise")}
        return {"fields": {name: field.copy() for name, field in self.fields.items()}, **rest}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        for name, field in self.fields.items():
            field[...] = state["fields"][name]
        for name in ("bits", "snr", "noise"):
            setattr(self, name, state[name].copy())
