"""Known trajectories: dynamics, draws and layouts stay as they are, for one MuJoCo version.

Run this file to take them anew: `python tests/ma_ssm_env/test_golden.py`. Do that together with a new
version in the scenarios' ids, or with a new MuJoCo; never to make a test pass.
"""

import json
import re
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import pytest

from ma_ssm_env import SCENARIOS, parallel_env

PATH = Path(__file__).with_name("golden.json")
STEPS = 30


def trajectory(scenario: str) -> dict[str, Any]:
    """What a team is after 30 steps in inner episodes of 10, under fixed random actions."""
    env = parallel_env(scenario, horizon=10, episodes_per_trial=2, sensor_noise=0.01)
    env.reset(seed=2024)
    rng = np.random.default_rng(7)
    paid, bits, task = 0.0, 0.0, env.game.trials.task[0].tolist()
    for _ in range(STEPS):
        if not env.agents:
            env.reset()
        actions = {a: rng.random(env.action_space(a).shape) * 2 - 1 for a in env.possible_agents}
        observations, rewards, _, _, infos = env.step(actions)
        paid += rewards["coordinator_0"]
        bits += infos["coordinator_0"]["bits"]
    physics = env.game.trials.physics
    return {
        "double": {
            "first_task": task,
            "task": env.game.trials.task[0].tolist(),
            "qpos": physics.qpos[0].tolist(),
            "qvel": physics.qvel[0].tolist(),
            "paid": [paid],
            "bits": [bits],
        },
        "single": {
            "state": env.state().tolist(),
            **{a: o[: 12 if a == "environment_0" else None].tolist() for a, o in observations.items()},
        },
    }


def test_the_pinned_mujoco_has_known_trajectories() -> None:
    """Else the test below would be skipped everywhere, unseen."""
    pins = (Path(__file__).parents[2] / "constraints.txt").read_text()
    (pinned,) = re.findall(r"^mujoco==(\S+)$", pins, re.M)
    assert json.loads(PATH.read_text())[pinned].keys() >= set(SCENARIOS)


def test_trajectories_are_known(scenario: str) -> None:
    known = json.loads(PATH.read_text())
    if mujoco.__version__ not in known:
        pytest.skip(f"no trajectories of MuJoCo {mujoco.__version__} are stored (only of {', '.join(known)})")
    expected, got = known[mujoco.__version__][scenario], trajectory(scenario)
    for precision, tolerance in (("double", 1e-9), ("single", 1e-5)):
        assert got[precision].keys() == expected[precision].keys()
        for name, values in expected[precision].items():
            # CPUs differ in the last bits, and a running body amplifies them a little.
            np.testing.assert_allclose(
                got[precision][name], values, rtol=tolerance, atol=tolerance / 10, err_msg=name
            )


def test_every_scenario_has_a_trajectory() -> None:
    for version, scenarios in json.loads(PATH.read_text()).items():
        assert set(scenarios) == set(SCENARIOS), version


if __name__ == "__main__":
    stored = json.loads(PATH.read_text()) if PATH.exists() else {}
    digits = {"double": 15, "single": 8}
    stored[mujoco.__version__] = {
        id: {
            precision: {
                name: [float(f"%.{digits[precision]}g" % x) for x in xs] for name, xs in values.items()
            }
            for precision, values in trajectory(id).items()
        }
        for id in SCENARIOS
    }
    PATH.write_text(json.dumps(stored, indent=1) + "\n")
