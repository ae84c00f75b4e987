"""How fast RecurrentPPO trains, as sb3-contrib gives it and as it is used here.

    python -m benchmarks.recurrent_speed --scenario HalfCheetahVel-v0

Three settings, each for whole iterations and timed by CPU time: sb3-contrib's defaults (one world, 128 steps,
batches of 128, LSTM of 256); our settings with sb3-contrib's own pass over sequences; and our settings with
the fused one. It prints one JSON line of control steps per CPU-second.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any
from unittest.mock import patch

import torch
from sb3_contrib import RecurrentPPO
from sb3_contrib.common.recurrent.policies import RecurrentActorCriticPolicy

from baselines import recurrent_ppo
from baselines.recurrent_ppo import recurrent_ppo_config, train_recurrent_ppo
from baselines.sb3 import normalised_twin
from baselines.training import Hooks
from benchmarks.runner.software import host, versions
from ma_ssm_env.commands import exit_with
from ma_ssm_env.scenarios import find_scenario


def defaults(scenario: str, steps: int) -> float:
    """Control steps per CPU-second of sb3-contrib's defaults on one world."""
    model = RecurrentPPO(
        "MlpLstmPolicy", normalised_twin(scenario, 1, 10.0, 0.99, options={}), seed=0, device="cpu"
    )
    began = time.process_time()
    model.learn(steps)
    return float(model.num_timesteps / (time.process_time() - began))


def ours(scenario: str, steps: int, policy: Any) -> float:
    """Control steps per CPU-second of our settings with that policy class."""
    with patch.object(recurrent_ppo, "FusedLstmPolicy", policy):
        began = time.process_time()
        trained = train_recurrent_ppo(
            scenario, 0, steps, recurrent_ppo_config(scenario), world_seed=0, hooks=Hooks()
        )
        return trained.steps / (time.process_time() - began)


class LoopingPolicy(recurrent_ppo.FusedLstmPolicy):
    """The same network with sb3-contrib's own pass."""

    @staticmethod
    def _process_sequence(*inputs: Any) -> Any:
        return RecurrentActorCriticPolicy._process_sequence(*inputs)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.recurrent_speed",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--scenario", default="HalfCheetahVel-v0", help="id of the scenario")
    given = parser.parse_args(arguments)
    try:
        find_scenario(given.scenario)
    except ValueError as error:
        parser.error(str(error))
    torch.set_num_threads(1)
    config = recurrent_ppo_config(given.scenario)
    iteration = config.worlds * config.rollout_steps
    told = {
        "scenario": given.scenario,
        "steps per CPU-second": {
            "sb3-contrib's defaults, one world": round(defaults(given.scenario, 512)),
            "our settings, sb3-contrib's pass": round(ours(given.scenario, iteration, LoopingPolicy)),
            "our settings, fused pass": round(
                ours(given.scenario, 2 * iteration, recurrent_ppo.FusedLstmPolicy)
            ),
        },
        "versions": versions(),
        "host": host(),
    }
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    exit_with(main)
