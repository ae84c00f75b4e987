"""Train one agent or the five-role team with PPO: `python -m policies.train --help`.

    python -m policies.train --scenario PointDir-v0 --team --out runs/team

It reads top to bottom: the loop, what it leaves, the command line.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from tqdm import tqdm

from ma_ssm_env import Policy
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.options import make_options
from ma_ssm_env.scenarios import find_scenario
from policies import checkpoint
from policies.config import WORLDS_OF_A_RUN, TrainConfig, tuned
from policies.cores import CoreConfig
from policies.game import AGENT, Game
from policies.ppo import Communication, Ppo, PpoConfig
from policies.role_network import NetworkPolicy
from policies.rollout import Collector
from policies.team import NetworkConfig, TeamNetwork


@dataclass
class Trained:
    """What a run left.

    Attributes:
        network: the trained networks.
        config: what was run.
        steps: control steps that were taken.
        history: metrics of every iteration.
    """

    network: TeamNetwork
    config: TrainConfig
    steps: int
    history: list[dict[str, float]]


def train(
    config: TrainConfig,
    *,
    checkpoints: Sequence[int] = (),
    on_checkpoint: Callable[[int, TeamNetwork], None] | None = None,
    on_iteration: Callable[[int, Mapping[str, float]], None] | None = None,
) -> Trained:
    """Train by `config`.

    Args:
        config: what to train, on what.
        checkpoints: step counts; `on_checkpoint` is called after the first iteration at or past each, once
            for all that one iteration passed.
        on_checkpoint: (steps taken, network).
        on_iteration: (steps taken, metrics) after every iteration.
    """
    find_scenario(config.scenario)
    game = Game(config.scenario, config.ppo.num_worlds, config.team, config.options)
    generator = torch.Generator().manual_seed(config.seed)
    differentiable = config.communication == "differentiable"
    network = TeamNetwork(game, config.network, differentiable, generator)
    learner = Ppo(network, config.ppo, config.communication, generator)
    collector = Collector(game, network, config.seed * WORLDS_OF_A_RUN, generator)
    due, history, steps = sorted(checkpoints), [], 0
    per_iteration = config.ppo.num_worlds * config.ppo.rollout
    while steps < config.steps:
        began = time.process_time()
        rollout = collector.collect(config.ppo.rollout, config.ppo.segment)
        collected = time.process_time()
        metrics = learner.learn(rollout, steps / config.steps)
        steps += per_iteration
        metrics |= {"acting_s": collected - began, "learning_s": time.process_time() - collected}
        history.append({"steps": float(steps), **metrics})
        if on_iteration is not None:
            on_iteration(steps, metrics)
        if due and steps >= due[0]:
            due = [count for count in due if count > steps]
            if on_checkpoint is not None:
                on_checkpoint(steps, network)
    return Trained(network, config, steps, history)


def players(network: TeamNetwork, deterministic: bool = True) -> Policy | dict[str, Policy]:
    """The networks behind the policy protocol: one policy for the twin, a mapping by role for the team."""
    if network.roles == (AGENT,):
        return NetworkPolicy(network.actor(AGENT), deterministic)
    team: dict[str, Policy] = {r: NetworkPolicy(network.actor(r), deterministic) for r in network.roles}
    return team


@dataclass(frozen=True)
class Command:
    """Train one agent or the five-role team.

    Attributes:
        out: folder for the checkpoint and the metrics (JSON lines).
        scenario: id of the scenario.
        team: the five-role team; else the single-agent twin.
        core: memory of every actor.
        poles: of s5.
        width: features of every actor.
        steps: control steps, over all worlds.
        seed: of networks and sampling; also chooses the run's worlds.
        communication: how the belief is learned (teams).
        privileged_critic: the critic reads the state, the hidden task included.
        observability: what roles see (teams).
        muted_roles: roles whose posts are received as 0 (teams).
        absent_roles: roles without an agent (teams).
        ppo: changes to the learner's settings, such as `learning_rate=3e-4`.
    """

    out: Path
    scenario: str = "PointDir-v0"
    team: bool = False
    core: Literal["mlp", "gru", "lstm", "s5", "mamba", "transformer"] = "s5"
    poles: Literal["real", "complex"] = CoreConfig.poles
    width: int = CoreConfig.width
    steps: int = TrainConfig.steps
    seed: int = 0
    communication: Communication = "differentiable"
    privileged_critic: bool = NetworkConfig.privileged_critic
    observability: Literal["split", "full"] = "split"
    muted_roles: tuple[str, ...] = ()
    absent_roles: tuple[str, ...] = ()
    ppo: tuple[str, ...] = field(default=())


def configuration(command: Command) -> TrainConfig:
    """The training run that a command line asks for."""
    scenario = find_scenario(command.scenario)
    for name, least in (("steps", 1), ("seed", 0)):
        if getattr(command, name) < least:
            raise ValueError(f"--{name} {getattr(command, name)}: at least {least} is expected")
    options: dict[str, Any] = {}
    if command.team or command.observability != "split":
        options |= {"observability": command.observability}
    options |= {"muted_roles": list(command.muted_roles)} if command.muted_roles else {}
    options |= {"absent_roles": list(command.absent_roles)} if command.absent_roles else {}
    make_options(scenario, options, team=command.team)  # refuses what the environment would refuse later
    return TrainConfig(
        scenario=scenario.id,
        team=command.team,
        steps=command.steps,
        seed=command.seed,
        communication=command.communication,
        network=NetworkConfig(
            core=CoreConfig(kind=command.core, width=command.width, poles=command.poles),
            privileged_critic=command.privileged_critic,
        ),
        ppo=tuned(command.scenario, **_changes(command.ppo)),
        options=options,
    )


def _changes(pairs: Sequence[str]) -> dict[str, Any]:
    types = {name: type(value) for name, value in dataclasses.asdict(PpoConfig()).items()}
    changes = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name not in types:
            raise ValueError(f"--ppo {pair}: unknown setting {name!r}; one of {', '.join(types)} is expected")
        try:
            changes[name] = types[name](value)
        except ValueError:
            raise ValueError(f"--ppo {pair}: {value!r} is not a value for {name}") from None
    return changes


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when the run finished, 1 when it diverged, 2 on bad usage."""
    command = tyro.cli(Command, args=arguments)
    try:
        config = configuration(command)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    command.out.mkdir(parents=True, exist_ok=True)
    checkpoints = [round(config.steps * share / 10) for share in range(1, 11)]
    with (
        open(command.out / "metrics.jsonl", "w") as metrics_file,
        tqdm(total=config.steps, unit="step", unit_scale=True) as bar,
    ):

        def on_iteration(steps: int, metrics: Mapping[str, float]) -> None:
            bar.update(steps - bar.n)
            bar.set_postfix({"return": f"{metrics['episode_return']:.1f}"})
            print(json.dumps({"steps": steps, **metrics}), file=metrics_file, flush=True)

        def on_checkpoint(steps: int, network: TeamNetwork) -> None:
            checkpoint.save(command.out, network, config, steps)
            found = evaluate(
                config.scenario, players(network), split="validation", trials=2, **config.options
            )
            returns = [round(float(x), 2) for x in found.returns.mean((0, 1))]
            bar.write(f"{steps} steps: return per inner episode on validation tasks {returns}")

        try:
            train(config, checkpoints=checkpoints, on_checkpoint=on_checkpoint, on_iteration=on_iteration)
        except FloatingPointError as error:
            kept = (command.out / checkpoint.FILE).exists()
            where = f"the last good checkpoint is in {command.out}" if kept else "before the first checkpoint"
            print(f"diverged: {error}; {where}", file=sys.stderr)
            return 1
    print(f"checkpoint in {command.out}; judge it with: python -m policies.evaluate {command.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
