"""Counter-based random substreams: every draw of a world is addressed, none depends on history.

A world is named by its seed. Each purpose (task, start state, channel noise, sensor noise, faults) has a
stream of its own, and each trial and inner episode an address in it, so that a draw depends on
(seed, purpose, trial, inner episode) alone: what an option, an absent role or an early end consumes or
leaves unused can never shift another draw. That is what lets coalitions and ablations share their random
numbers, and what makes world i of a batch equal a single world with seed s + i.

Source: Philox, Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3".
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np

MAX_SEED = 2**63 - 1


class Purpose(IntEnum):
    """What a substream is for. Values are part of every result: never renumber, only append."""

    TASK = 0
    START = 1
    CHANNEL = 2
    SENSORS = 3
    FAULT = 4
    SPLIT = 5


def substream(seed: int, purpose: Purpose, trial: int = 0, episode: int = 0) -> np.random.Generator:
    """The generator of one purpose in one inner episode of one trial of one world.

    Args:
        seed: the world's seed, in [0, 2**63).
        purpose: which substream.
        trial: index of the trial since the world was seeded.
        episode: index of the inner episode in the trial.

    Returns:
        A fresh `numpy.random.Generator` at the start of that address.
    """
    counter = np.array([0, 0, episode, trial], dtype=np.uint64)
    key = np.array([seed, purpose], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(counter=counter, key=key))


def checked_seed(seed: object) -> int:
    """`seed` as an int, or an error that says what a seed may be."""
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) <= MAX_SEED:
        raise ValueError(f"seed {seed!r}: a whole number in [0, 2**63) is expected, or None")
    return int(seed)


def entropy_seed() -> int:
    """A seed from the operating system's entropy, for worlds that were never seeded."""
    return int(np.random.SeedSequence().generate_state(1, np.uint64)[0] >> np.uint64(1))
