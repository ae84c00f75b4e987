"""Keeps Stable-Baselines3's draws from the global generators of Python, NumPy and torch apart from ours."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def kept_global_streams() -> Iterator[None]:
    """Put the global generators back on leaving: what runs inside shifts no draw of what runs outside."""
    python, torch_state = random.getstate(), torch.get_rng_state()
    numpy_state = np.random.get_state()  # noqa: NPY002 - the generator that Stable-Baselines3 uses
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(torch_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
