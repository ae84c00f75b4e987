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

from ma_ssm_env.roles import BELIEF_SIZE, BOUNDS

Float = NDArray[np.float32]
R_MAX = 8.0
_RECEIVED_BOUND = np.float32(BOUNDS["received_belief"])


def gate(trust: Float) -> Float:
    """Weight of the correction, (trust + 1) / 2, in [0, 1]."""
    return (trust + np.float32(1.0)) * np.float32(0.5)


def combine(prior: Float, correction: Float, trust: Float) -> Float:
    """The torque on the body: clip(prior + g * correction, -1, 1)."""
    torque: Float = np.clip(prior + gate(trust) * correction, np.float32(-1.0), np.float32(1.0))
    return torque


def bits_per_dimension(rate: Float) -> Float:
    """R, nominal bits per belief dimension, of a rate in [-1, 1]."""
    return np.float32(R_MAX) * gate(rate)


def snr(rate: Float) -> Float:
    """Signal-to-noise ratio of the channel at a rate in [-1, 1]."""
    ratio: Float = np.exp2(np.float32(2.0) * bits_per_dimension(rate)) - np.float32(1.0)
    return ratio


def receive(belief: Float, rate: Float, noise: Float) -> Float:
    """What comes out of the channel [B, d], from belief [B, d], rate [B, 1] and noise eps [B, d].

    Bounded by construction: |received| <= (1 + sqrt(1 + eps^2)) / 2, and clipped at 4, which standard
    normal noise does not reach in practice (|eps| > 6.9).
    """
    ratio = snr(rate)
    received = (ratio * belief + np.sqrt(ratio) * noise) / (np.float32(1.0) + ratio)
    clipped: Float = np.clip(received, -_RECEIVED_BOUND, _RECEIVED_BOUND)
    return clipped


class Blackboard:
    """What B worlds' roles will observe next.

    Attributes:
        fields: `received_belief` [B, d], `last_prior`, `last_correction`, `last_torque` [B, m],
            `last_rate` [B, 1]; 0 at the start of a trial, and wherever the sender is absent or muted.
        posted: what was posted in the last step, heard or not: `belief` [B, d], `prior`, `correction` [B, m],
            `rate` [B, 1]; for pictures and logs, no role observes it.
        trust: the coordinator's trust of the last step [B, m].
        bits: nominal bits sent in the last step [B].
        snr: of the last step's channel [B, 1]; 0 where nothing was sent.
        noise: eps of the last step [B, d].
    """

    def __init__(self, num_worlds: int, num_actuators: int, silent: frozenset[str]) -> None:
        self._sends = {
            role: role not in silent
            for role in ("state_modeling", "meta_learning", "adaptation", "coordinator")
        }
        B, m = num_worlds, num_actuators
        sizes = {
            "received_belief": BELIEF_SIZE,
            "last_prior": m,
            "last_correction": m,
            "last_torque": m,
            "last_rate": 1,
        }
        self.fields: dict[str, Float] = {
            name: np.zeros((B, size), np.float32) for name, size in sizes.items()
        }
        posts = {"belief": BELIEF_SIZE, "prior": m, "correction": m, "rate": 1}
        self.posted: dict[str, Float] = {name: np.zeros((B, n), np.float32) for name, n in posts.items()}
        self.trust = np.zeros((B, m), np.float32)
        self.bits = np.zeros(B, np.float32)
        self.snr = np.zeros((B, 1), np.float32)
        self.noise = np.zeros((B, BELIEF_SIZE), np.float32)

    def post(
        self,
        *,
        belief: Float,
        prior: Float,
        correction: Float,
        trust: Float,
        rate: Float,
        torque: Float,
        noise: Float,
    ) -> None:
        """Take what the roles posted in this step; the rate applies to the belief beside it."""
        silent = np.zeros_like
        self.fields = {
            "received_belief": receive(belief, rate, noise)
            if self._sends["state_modeling"]
            else silent(belief),
            "last_prior": prior if self._sends["meta_learning"] else silent(prior),
            "last_correction": correction if self._sends["adaptation"] else silent(correction),
            "last_torque": torque,
            "last_rate": rate if self._sends["coordinator"] else silent(rate),
        }
        self.posted = {"belief": belief, "prior": prior, "correction": correction, "rate": rate}
        self.trust, self.noise = trust, noise
        if self._sends["state_modeling"]:
            self.snr = snr(rate)
            self.bits = np.float32(BELIEF_SIZE) * bits_per_dimension(rate)[:, 0]

    def normalised_rate(self) -> Float:
        """Bits of the last step as a share of the most that the channel can carry, in [0, 1] [B]."""
        return self.bits / np.float32(BELIEF_SIZE * R_MAX)

    def clear(self, worlds: NDArray[np.int64]) -> None:
        """Forget everything in `worlds`: a trial starts."""
        self.fields = {name: field.copy() for name, field in self.fields.items()}
        self.posted = {name: post.copy() for name, post in self.posted.items()}
        for field in (*self.fields.values(), *self.posted.values()):
            field[worlds] = 0.0
        self.trust, self.noise = self.trust.copy(), self.noise.copy()
        for array in (self.trust, self.noise, self.bits, self.snr):
            array[worlds] = 0.0

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that is on the board."""
        rest: dict[str, Any] = {
            name: getattr(self, name).copy() for name in ("trust", "bits", "snr", "noise")
        }
        rest["posted"] = {name: post.copy() for name, post in self.posted.items()}
        return {"fields": {name: field.copy() for name, field in self.fields.items()}, **rest}

    def restore_state(self, state: dict[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self.fields = {name: field.copy() for name, field in state["fields"].items()}
        self.posted = {name: post.copy() for name, post in state["posted"].items()}
        for name in ("trust", "bits", "snr", "noise"):
            setattr(self, name, state[name].copy())
