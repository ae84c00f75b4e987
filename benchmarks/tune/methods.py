"""The methods whose settings are searched: their settings of today, the values tried, how one is trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from baselines.a2c import a2c_config, train_a2c
from baselines.off_policy import Algorithm, off_policy_config, train_off_policy
from baselines.recurrent_ppo import recurrent_ppo_config, train_recurrent_ppo
from baselines.sb3 import sb3_ppo_config, train_sb3_ppo
from baselines.training import Hooks
from ma_ssm_env.policy import Players
from policies.config import WORLDS_OF_A_RUN, TrainConfig, tuned
from policies.cores import CoreConfig
from policies.team import NetworkConfig
from policies.train import players
from policies.training import Training

SEED = 1000  # of training in a search, and the next ones where it is confirmed: no run of a suite has them
WORLD_SEED = 10**12  # nor these worlds
Choices = dict[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Searched:
    """A method that can be searched.

    Attributes:
        settings: scenario -> its present settings, by name.
        choices: values of each setting that is searched.
        train: (scenario, steps, changes, seed) -> who plays.
    """

    settings: Callable[[str], Mapping[str, Any]]
    choices: Choices
    train: Callable[[str, int, Mapping[str, Any], int], Players]


_ON_POLICY: Choices = {
    "learning_rate": (3e-4, 6e-4, 1e-3, 2e-3, 3e-3),
    "gamma": (0.9, 0.95, 0.97, 0.99),
    "epochs": (3, 6, 10),
    "minibatches": (4, 8, 16),
}
_OFF_POLICY: Choices = {
    "learning_rate": (3e-4, 1e-3, 3e-3),
    "gamma": (0.9, 0.95, 0.97, 0.99),
    "tau": (0.005, 0.02, 0.05),
    "updates": (2, 4, 8),
}


def _sb3(config: Callable[..., Any], train: Callable[..., Any], choices: Choices) -> Searched:
    def run(scenario: str, steps: int, changes: Mapping[str, Any], seed: int) -> Players:
        settings = config(scenario, **changes)
        world_seed = WORLD_SEED + (seed - SEED) * WORLDS_OF_A_RUN
        trained = train(scenario, seed, steps, settings, world_seed=world_seed, hooks=Hooks())
        policy: Players = trained.policy
        return policy

    return Searched(lambda scenario: dataclasses.asdict(config(scenario)), choices, run)


def _sb3_ppo(scenario: str, seed: int, steps: int, config: Any, *, world_seed: int, hooks: Hooks) -> Any:
    del hooks
    return train_sb3_ppo(scenario, seed, steps, config, world_seed=world_seed)


def _off_policy(algorithm: Algorithm) -> Searched:
    def config(scenario: str, **changes: Any) -> Any:
        return off_policy_config(algorithm, scenario, **changes)

    return _sb3(config, train_off_policy, _OFF_POLICY)


def _ours(core: str, team: bool) -> Searched:
    def run(scenario: str, steps: int, changes: Mapping[str, Any], seed: int) -> Players:
        training = Training(
            TrainConfig(
                scenario=scenario,
                team=team,
                steps=steps,
                seed=seed,
                network=NetworkConfig(core=CoreConfig(kind=core)),
                ppo=tuned(scenario, **changes),
            )
        )
        while not training.finished:
            training.iterate()
        return players(training.network)

    return Searched(lambda scenario: dataclasses.asdict(tuned(scenario)), _ON_POLICY, run)


SEARCHED: dict[str, Searched] = {
    "sb3-ppo": _sb3(sb3_ppo_config, _sb3_ppo, _ON_POLICY),
    "sb3-a2c": _sb3(
        a2c_config,
        train_a2c,
        {
            "learning_rate": (3e-4, 1e-3, 3e-3, 6e-3),
            "gamma": _ON_POLICY["gamma"],
            "rollout_steps": (5, 8, 16, 32),
            "log_std_init": (-1.0, -0.5, 0.0),
        },
    ),
    "sb3-recurrent-ppo": _sb3(recurrent_ppo_config, train_recurrent_ppo, _ON_POLICY),
    "mono-mlp": _ours("mlp", team=False),
    "mono-s5": _ours("s5", team=False),
    "team-s5": _ours("s5", team=True),
    "sb3-sac": _off_policy("sac"),
    "sb3-td3": _off_policy("td3"),
    "sb3-tqc": _off_policy("tqc"),
}
