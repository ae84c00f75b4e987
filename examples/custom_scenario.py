"""A scenario of your own, without touching the package: a law of hidden tasks, registered, checked, learned.

    python examples/custom_scenario.py

Takes 40 s of CPU time. `PointDrift-v0` is the body Point under a new law: match the velocity of a current
that nobody sees. What a scenario needs is written in the first half, about 40 lines; the second half asks
whether it keeps the promises of this package, how hard it is, and whether an agent with memory learns it.

Whoever wants to use it elsewhere writes `import custom_scenario` there: that is what registers it. So do the
commands, called from Python: `import custom_scenario; policies.evaluate.main(["runs/custom_scenario"])`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ma_ssm_env import Policy, Scenario, ScriptedPolicy, random_policy, register_scenario, single_agent_env
from ma_ssm_env.bodies import BODIES, Body
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import neutral_policy
from ma_ssm_env.testing import check_env
from ma_ssm_env.variations import Coordinate, Split, Transition, Variation
from policies import checkpoint
from policies.config import TrainConfig, tuned
from policies.train import players, train

Array = NDArray[np.float64]

# -- the law ------------------------------------------------------------------------------------------------
# A task is two numbers: the current's speed and its angle. In training the speed is at most 1 m/s; the split
# `ood` has faster ones. Functions stand at the top of a module, so that an environment can be pickled.


def draw(uniform: Array, ranges: tuple[tuple[float, float], ...]) -> Array:
    """A task from two uniform numbers: uniform on the disc (or the ring, out of distribution)."""
    (slow, fast), (low, high) = ranges
    speed = math.sqrt(slow**2 + uniform[0] * (fast**2 - slow**2))
    return np.array([speed, low + uniform[1] * (high - low)])


def current(task: Array) -> Array:
    """What the reward compares with: the velocity of the current (x, y) in m/s."""
    return np.array([task[0] * math.cos(task[1]), task[0] * math.sin(task[1])])


def reward(body: Body, transition: Transition, target: Array) -> dict[str, Array]:
    """The terms of the reward, each [B]; their sum is what is paid. `target` is [B, 2]."""
    del body
    slip: Array = np.linalg.norm(transition.velocity - target, axis=1)
    return {"slip": -slip}


DRIFT = Variation(
    name="Drift",
    coordinates=(
        Coordinate("speed, m/s", 0.0, 1.0, outside=(1.0, 1.5)),
        Coordinate("angle, rad", -math.pi, math.pi, "wrapped"),
    ),
    draw=draw,
    target=current,
    reward=reward,
    terms=("slip",),
    worst_reward=-20.0,  # paid for steps that broken physics leaves out; below all that can be earned
    place=False,  # the task is no place, so nobody is shown where the body is
    source="examples/custom_scenario.py",
)

# Two inner episodes of 50 steps. The last pair of numbers scales the outcomes in the ledger to about [0, 1]:
# an inner episode's return under random actions and under a good controller, as measured below.
SCENARIO = register_scenario(Scenario("PointDrift-v0", BODIES["Point"], DRIFT, 2, 50, (-37.0, -0.5)))

# -- is it any good? ----------------------------------------------------------------------------------------


def told_policy() -> Policy:
    """A controller that is shown the task (`reveal_task=True`): the drag's torque, and a push at first."""
    twin = single_agent_env(SCENARIO.id, reveal_task=True)
    fields = twin.observation_fields()

    def act(seen: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        del rng
        tasks = DRIFT.denormalise(seen[:, fields["task"]].astype(np.float64))
        wanted = np.stack([current(task) for task in tasks])
        torque = wanted / 2.0 + 2.0 * (wanted - seen[:, fields["velocities"]])  # 2 m/s at torque 1
        return np.clip(torque, -1.0, 1.0).astype(np.float32)

    return ScriptedPolicy(act)


def learned_policy(steps: int, out: Path) -> Policy:
    """One agent with an S5 memory, trained by our PPO; the checkpoint goes into `out`."""
    config = TrainConfig(SCENARIO.id, steps=steps, ppo=tuned("PointDir-v0"))  # short trials, as there
    trained = train(config)
    checkpoint.save(out, trained.network, trained.config, trained.steps)
    policy = players(trained.network)
    assert not isinstance(policy, dict)  # the twin, not a team
    return policy


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300_000, help="control steps of training (300000)")
    parser.add_argument("--out", type=Path, default=Path("runs/custom_scenario"), help="for the checkpoint")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)

    print(f"{SCENARIO.id}: {DRIFT.describe()}\n")
    results = check_env(SCENARIO.id)
    passed = sum(result == "passed" for result in results.values())
    print(f"{passed} of {len(results)} conformance checks passed, no task leaks to anybody.\n")

    print("Return of the first and the second inner episode on 20 held-out tasks x 5 trials:\n")
    policy = learned_policy(given.steps, given.out)
    learned = f"an agent with memory, {given.steps:,} steps"
    rows: dict[str, tuple[Policy, Split, bool]] = {
        "random torques": (random_policy(2), "test", False),
        "standing still": (neutral_policy(2), "test", False),
        "a controller that is shown the current": (told_policy(), "test", True),
        learned: (policy, "test", False),
        "  the same, currents faster than any it met": (policy, "ood", False),
    }
    last: dict[str, float] = {}
    for name, (player, split, told) in rows.items():
        found = evaluate(SCENARIO.id, player, split=split, reveal_task=told)
        first, second = found.returns.mean((0, 1))
        last[name] = float(second)
        print(f"  {name:<44} {first:6.1f} {second:6.1f}")
    blind, best = last["standing still"], last["a controller that is shown the current"]
    share = (last[learned] - blind) / (best - blind)
    print(f"\nIn its second inner episode the agent has come {100 * share:.0f}% of the way from standing")
    print("still to being shown the current; longer training (--steps) comes further.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
