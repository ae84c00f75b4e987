"""Data of which the best possible error is known: for the study of the tools, and for their tests."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

RADIUS, ANGLE, NOISE = 0.95, 0.5, 0.3
# Of `sines`, the error of the best model that does not adapt, E[A] E[sin(x + p)] = 2.55 (2 / pi) cos x:
# E[A^2] / 2 - (2.55 2 / pi)^2 E[cos^2 x] = 3.006.
SINES_UNADAPTED = (4.9**2 / 12 + 2.55**2) / 2 - (2.55 * 2 / np.pi) ** 2 * (0.5 + np.sin(10.0) / 20)


def rotation(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """x' = r R x + noise in the plane, stationary: a linear model is the right one."""
    turn = RADIUS * np.array([[math.cos(ANGLE), -math.sin(ANGLE)], [math.sin(ANGLE), math.cos(ANGLE)]])
    x = np.zeros((steps, 2))
    x[0] = NOISE / math.sqrt(1 - RADIUS**2) * rng.standard_normal(2)
    for t in range(1, steps):
        x[t] = turn @ x[t - 1] + NOISE * rng.standard_normal(2)
    return x


def oscillation(rng: np.random.Generator, steps: int) -> NDArray[np.float64]:
    """An AR(2) process, stationary after 100 steps: one number, of which two must be remembered."""
    x = np.zeros((steps + 100, 1))
    for t in range(2, steps + 100):
        told = 2 * RADIUS * math.cos(ANGLE) * x[t - 1] - RADIUS**2 * x[t - 2]
        x[t] = told + NOISE * rng.standard_normal()
    return x[100:]


def told_once(rng: np.random.Generator, count: int, steps: int) -> list[NDArray[np.float64]]:
    """x' = s u + noise, with a sign s that the first step alone tells: memory, and a product."""
    found = []
    for _ in range(count):
        u, sign = rng.standard_normal(steps), rng.choice([-1.0, 1.0])
        x, told = np.zeros(steps), np.zeros(steps)
        x[1:], told[0] = sign * u[:-1] + NOISE * rng.standard_normal(steps - 1), sign
        found.append(np.stack([x, u, told], axis=1))
    return found


def sines(rng: np.random.Generator, count: int, queries: int) -> list[Any]:
    """Tasks A sin(x + p), A in [0.1, 5], p in [0, pi]: 10 examples to learn from, `queries` to judge."""
    found = []
    for _ in range(count):
        amplitude, phase = rng.uniform(0.1, 5.0), rng.uniform(0.0, np.pi)
        x = [rng.uniform(-5.0, 5.0, (n, 1)) for n in (10, queries)]
        parts = [{"inputs": part, "targets": amplitude * np.sin(part + phase)} for part in x]
        found.append({"support": parts[0], "query": parts[1]})
    return found
