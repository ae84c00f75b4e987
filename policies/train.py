"""Train one agent or the five-role team with PPO: `python -m policies.train --help`.

    python -m policies.train --scenario PointDir-v0 --team --out runs/team

It reads top to bottom: the loop, what it leaves, the command line.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

import torch
import tyro
from tqdm import tqdm

from ma_ssm_env import Policy
from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.options import make_options
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies import checkpoint, run_folder, tensor_store, tensorboard, training_state
from policies.config import TrainConfig, ppo_changes, tuned
from policies.cores import CoreConfig, CoreKind
from policies.game import AGENT
from policies.ppo import Communication
from policies.role_network import NetworkPolicy
from policies.team import NetworkConfig, TeamNetwork
from policies.training import Training


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
    config: TrainConfig | Training,
    *,
    partners: Mapping[str, Policy] | None = None,
    checkpoints: Sequence[int] = (),
    on_start: Callable[[Training], None] | None = None,
    on_checkpoint: Callable[[int, TeamNetwork], None] | None = None,
    on_iteration: Callable[[int, Mapping[str, float]], None] | None = None,
    state_folder: str | os.PathLike[str] | None = None,
    state_every: float = 60.0,
    device: str | torch.device = "cpu",
) -> Trained:
    """Train by `config`.

    With a `state_folder` the run can be stopped at any time and called again: it goes on from the last state
    that was stored there, and ends in the same bits as a run that was never stopped. `on_checkpoint` is then
    called once more for a checkpoint after which no state was stored yet, never for an older one.

    Args:
        config: what to train, on what; or the run that was made of it, whose own partners and device stand.
        partners: role -> policy that plays it while the other roles learn (teams): a scripted function, a
            Stable-Baselines3 model, one of our networks. `evaluate` takes the whole team as
            `players(network) | partners`. No gradient flows through them: a sender that is to learn the
            language of partners wants `communication="reinforced"`.
        checkpoints: step counts; `on_checkpoint` is called after the first iteration at or past each, once
            for all that one iteration passed.
        on_start: called once before the first iteration, with the run as it was made or taken up.
        on_checkpoint: (steps taken, network).
        on_iteration: (steps taken, metrics) after every iteration.
        state_folder: where the training state is kept: stored at the start, after every checkpoint, at the
            end, and every `state_every` seconds between.
        state_every: seconds of wall time.
        device: of networks, rollouts and learning, such as "cuda"; the worlds stay on the CPU.

    Raises:
        ConfigurationError: the state in the folder is of another configuration.
        FloatingPointError: the run diverged; what was stored before stays.
        ValueError: a configuration that cannot be trained, before anything is written.
    """
    if isinstance(config, Training) and partners is not None:
        raise ValueError("a run that is made has its partners: give them to Training(config, partners)")
    training = config if isinstance(config, Training) else Training(config, partners, device)
    if state_folder is not None and not training_state.resume(state_folder, training):
        training_state.save(state_folder, training)
    if on_start is not None:
        on_start(training)
    due = sorted(count for count in checkpoints if count > training.steps)
    stored = time.monotonic()
    while not training.finished:
        metrics = training.iterate()
        if on_iteration is not None:
            on_iteration(training.steps, metrics)
        reached = bool(due) and training.steps >= due[0]
        if reached:
            due = [count for count in due if count > training.steps]
            if on_checkpoint is not None:
                on_checkpoint(training.steps, training.network)
        late = time.monotonic() - stored >= state_every
        if state_folder is not None and (reached or late or training.finished):
            training_state.save(state_folder, training)
            stored = time.monotonic()
    return Trained(training.network, training.config, training.steps, training.history)


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
        role_cores: roles with another core, as `coordinator=mlp` or, with its width, `coordinator=mlp:32`.
        shared: all roles share one actor (teams).
        forecast_horizon: steps that state_modeling, or the single agent, forecasts its sensors for; 0: none.
        infer_task: state_modeling, or the single agent, is taught in training to tell the hidden task.
        steps: control steps, over all worlds.
        seed: of networks and sampling; also chooses the run's worlds.
        communication: how the belief is learned (teams).
        privileged_critic: the critic reads the state, the hidden task included.
        observability: what roles see (teams).
        muted_roles: roles whose posts are received as 0 (teams).
        absent_roles: roles without an agent (teams).
        task_source: who chooses the tasks: their distribution, or the environment role, which learns (teams).
        shared_ledger: the environment role sees the tasks and outcomes of all worlds (teams).
        ppo: changes to the learner's settings, such as `learning_rate=3e-4`.
        device: of networks and learning; the worlds stay on the CPU.
        tensorboard: write the metrics for TensorBoard too, into `tensorboard` in `out`.
        restart: begin anew where `out` holds a run, whose files are set aside; else that run is continued.
    """

    out: Path
    scenario: str = "PointDir-v0"
    team: bool = False
    core: CoreKind = "s5"
    poles: Literal["real", "complex"] = CoreConfig.poles
    width: int = CoreConfig.width
    role_cores: tuple[str, ...] = ()
    shared: bool = False
    forecast_horizon: int = NetworkConfig.forecast_horizon
    infer_task: bool = NetworkConfig.infer_task
    steps: int = TrainConfig.steps
    seed: int = 0
    communication: Communication = "differentiable"
    privileged_critic: bool = NetworkConfig.privileged_critic
    observability: Literal["split", "full"] = "split"
    muted_roles: tuple[str, ...] = ()
    absent_roles: tuple[str, ...] = ()
    task_source: Literal["distribution", "environment"] = "distribution"
    shared_ledger: bool = False
    ppo: tuple[str, ...] = field(default=())
    device: Literal["cpu", "cuda"] = "cpu"
    tensorboard: bool = False
    restart: bool = False


def configuration(command: Command) -> TrainConfig:
    """The training run that a command line asks for.

    Raises:
        ValueError: a count below what is possible.
    """
    scenario = find_scenario(command.scenario)
    for name, least in (("steps", 1), ("seed", 0)):
        if getattr(command, name) < least:
            raise ValueError(f"--{name} {getattr(command, name)}: at least {least} is expected")
    options: dict[str, Any] = {}
    if command.team or command.observability != "split":
        options |= {"observability": command.observability}
    options |= {"muted_roles": list(command.muted_roles)} if command.muted_roles else {}
    options |= {"absent_roles": list(command.absent_roles)} if command.absent_roles else {}
    options |= {"task_source": command.task_source} if command.task_source != "distribution" else {}
    options |= {"shared_ledger": True} if command.shared_ledger else {}
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
            role_cores=_role_cores(command),
            shared=command.shared,
            forecast_horizon=command.forecast_horizon,
            infer_task=command.infer_task,
        ),
        ppo=tuned(command.scenario, **ppo_changes(command.ppo)),
        options=options,
    )


def _role_cores(command: Command) -> dict[str, CoreConfig]:
    cores = {}
    for given in command.role_cores:
        role, _, core = given.partition("=")
        kind, _, width = core.partition(":")
        if width and not width.isdecimal():
            raise ValueError(f"--role-cores {given}: {width!r} is no width; write {role}={kind}:32")
        try:
            cores[role] = CoreConfig(kind=kind, width=int(width) if width else command.width)
        except ValueError as error:
            raise ValueError(f"--role-cores {given}: {error}") from None
        if not command.team:
            raise ValueError(f"--role-cores {given}: roles belong to the five-role team; add --team")
        if role in command.absent_roles:
            raise ValueError(
                f"--role-cores {given}: --absent-roles leaves {role} out; name it in one of them"
            )
    return cores


def _metrics_line(steps: int, metrics: Mapping[str, float]) -> str:
    return json.dumps({"steps": steps, **metrics} | {"steps": steps}) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when the run finished, 1 when it diverged, 2 on bad usage."""
    command = tyro.cli(Command, args=arguments, prog="python -m policies.train")
    try:
        config = configuration(command)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    if command.device == "cuda" and not torch.cuda.is_available():
        print(
            "--device cuda: torch sees no GPU here; leave the option out to train on the CPU", file=sys.stderr
        )
        return 2
    if command.tensorboard and not tensorboard.available():
        print(f"--tensorboard: {tensorboard.MISSING}", file=sys.stderr)
        return 2
    try:
        made = Training(config, device=command.device)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if command.restart:
        aside = run_folder.set_aside(command.out)
        if aside is not None:
            print(f"the earlier run is in {aside}")
    elif other := run_folder.another_run(command.out, training_state.FILE):
        print(
            f"{command.out} holds {other}: give another --out, or --restart, which sets it aside",
            file=sys.stderr,
        )
        return 2
    for change in training_state.changed_versions(command.out):
        print(f"{change}: the bits may differ from those of a run without a stop")
    checkpoints = [round(config.steps * share / 10) for share in range(1, 11)]
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=config.steps, unit="step", unit_scale=True))
        metrics_file: IO[str]
        logs: list[tensorboard.Log] = []

        def on_start(training: Training) -> None:
            nonlocal metrics_file
            if training.history:
                bar.write(f"{command.out}: continuing after {training.steps} of {config.steps} steps")
                bar.update(training.steps)
            # A killed run has metrics of steps that will be taken again.
            path = command.out / run_folder.METRICS
            lines = [_metrics_line(int(entry["steps"]), entry) for entry in training.history]
            replace_file(path, "".join(lines))
            metrics_file = stack.enter_context(open(path, "a"))
            if command.tensorboard:
                log = tensorboard.Log(command.out / "tensorboard", training.steps)
                logs.append(stack.enter_context(contextlib.closing(log)))

        def on_iteration(steps: int, metrics: Mapping[str, float]) -> None:
            bar.update(steps - bar.n)
            if "episode_return" in metrics:  # else no inner episode ended, and the last is still shown
                bar.set_postfix({"return": f"{metrics['episode_return']:.1f}"})
            metrics_file.write(_metrics_line(steps, metrics))
            metrics_file.flush()
            for log in logs:
                log.add(steps, metrics)

        def on_checkpoint(steps: int, network: TeamNetwork) -> None:
            checkpoint.save(command.out, network, config, steps)
            found = evaluate(
                config.scenario, players(network), split="validation", trials=2, **config.options
            )
            returns = [round(float(x), 2) for x in found.returns.mean((0, 1))]
            bar.write(f"{steps} steps: return per inner episode on validation tasks {returns}")

        try:
            train(
                made,
                checkpoints=checkpoints,
                on_start=on_start,
                on_checkpoint=on_checkpoint,
                on_iteration=on_iteration,
                state_folder=command.out,
            )
        except FloatingPointError as error:
            kept = (command.out / checkpoint.FILE).exists()
            where = f"the last good checkpoint is in {command.out}" if kept else "before the first checkpoint"
            print(f"diverged: {error}; {where}", file=sys.stderr)
            return 1
        except tensor_store.StoreError as error:
            print(f"{error}; --restart sets it aside and begins anew", file=sys.stderr)
            return 2
    print(f"checkpoint in {command.out}; judge it with: python -m policies.evaluate {command.out}")
    return 0


if __name__ == "__main__":
    exit_with(main)
