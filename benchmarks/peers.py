"""Peers of the environments: callables that give steps per CPU-second (or per second) under random actions.

They are optional: `pip install -e .[peers]`. A peer that is not installed raises `PeerMissing`.
"""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import numpy as np
from gymnasium.spaces import Box

Clock = Callable[[], float]
Measure = Callable[[], float]


class PeerMissing(RuntimeError):
    """A peer is not installed; the message says how it is."""


@contextmanager
def quietly() -> Iterator[None]:
    """Without the peers' warnings and greetings."""
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def envpool(body: str, worlds: int, steps: int, clock: Clock = time.process_time) -> Measure:
    """EnvPool's batched `<body>-v5` on one thread; it resets by itself."""
    try:
        with quietly():
            import envpool as library
    except ImportError:
        raise PeerMissing("EnvPool is not installed: pip install -e .[peers]") from None

    def measure() -> float:
        with quietly():
            env = library.make(f"{body}-v5", env_type="gymnasium", num_envs=worlds, num_threads=1, seed=0)
            env.reset()
            actions = _actions(worlds, env.action_space.shape[-1], float(env.action_space.high[0]))
            return _timed(lambda step: env.step(actions[step % 16]), worlds, steps, clock)

    return measure


def gymnasium_vector(
    body: str, worlds: int, steps: int, mode: str, clock: Clock = time.perf_counter
) -> Measure:
    """Gymnasium's `make_vec("<body>-v5")`; by wall time: async works in other processes."""
    import gymnasium

    def measure() -> float:
        with quietly():
            env = gymnasium.make_vec(f"{body}-v5", num_envs=worlds, vectorization_mode=mode)
            env.reset(seed=0)
            space = cast(Box, env.single_action_space)
            actions = _actions(worlds, space.shape[0], float(space.high[0]))
            speed = _timed(lambda step: env.step(actions[step % 16]), worlds, steps, clock)
            env.close()
        return speed

    return measure


def multi_agent_mujoco(worlds: int, steps: int, clock: Clock = time.process_time) -> Measure:
    """Multi-Agent MuJoCo's HalfCheetah 2x3: `worlds` worlds, one after the other, as it has no batch."""
    try:
        with quietly():
            from gymnasium_robotics import mamujoco_v1 as library
    except ImportError:
        raise PeerMissing("gymnasium-robotics is not installed: pip install -e .[peers]") from None

    def measure() -> float:
        with quietly():
            envs = [library.parallel_env(scenario="HalfCheetah", agent_conf="2x3") for _ in range(worlds)]
            for i, env in enumerate(envs):
                env.reset(seed=i)
            actions: dict[str, Any] = {a: envs[0].action_space(a).sample() for a in envs[0].possible_agents}

            def step_all(step: int) -> None:
                del step
                for env in envs:
                    if not env.agents:
                        env.reset()
                    env.step(actions)

            return _timed(step_all, worlds, steps, clock)

    return measure


def _actions(worlds: int, size: int, high: float) -> np.ndarray[Any, Any]:
    draws = np.random.default_rng(0).uniform(-high, high, (16, worlds, size))
    return draws.astype(np.float32)


def _timed(step: Callable[[int], Any], worlds: int, steps: int, clock: Clock) -> float:
    began = clock()
    for i in range(steps):
        step(i)
    return worlds * steps / (clock() - began)
