"""Meta-train one agent or the team: `python -m policies.maml --help`.

    python -m policies.maml --scenario PointDir-v0 --out runs/maml
    python -m policies.maml.curves runs/maml

The same command on the same folder goes on where an interrupted run stopped.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
import tyro
from tqdm import tqdm

from ma_ssm_env.commands import exit_with
from ma_ssm_env.options import make_options
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies import checkpoint, run_folder
from policies.config import ppo_changes
from policies.cores import CoreConfig, CoreKind
from policies.maml.inner import InnerConfig
from policies.maml.outer import OuterConfig
from policies.maml.train import STATE, MamlConfig, MetaTraining, maml_ppo
from policies.role_network import HeadConfig
from policies.team import NetworkConfig


@dataclass(frozen=True)
class Command:
    """Meta-train one agent or the five-role team.

    Attributes:
        out: folder for the checkpoint, the metrics (JSON lines) and what it takes to go on.
        scenario: id of the scenario.
        team: the five-role team; else the single-agent twin.
        core: memory of every actor.
        width: features of every actor.
        log_std: initial log standard deviation of the actions.
        steps: control steps, over all worlds and phases.
        seed: of networks, tasks and sampling; also chooses the run's worlds.
        tasks: tasks of an iteration.
        trials: trials of each task and phase.
        statistics: iterations whose observations enter the normalisation (with inner steps).
        episodes_per_trial: inner episodes of a trial; the scenario's own where not given.
        horizon: control steps of an inner episode; the scenario's own where not given.
        feedback: when the policy sees the reward; the scenario's own where not given.
        observability: what roles see (teams).
        inner: adaptation.
        outer: learning of the prior.
        ppo: changes to the outer step's settings, such as `learning_rate=3e-4`.
        save_every: iterations between two checkpoints.
    """

    out: Path
    scenario: str = MamlConfig.scenario
    team: bool = False
    core: CoreKind = "mlp"
    width: int = 64
    log_std: float = HeadConfig.log_std
    steps: int = MamlConfig.steps
    seed: int = 0
    tasks: int = MamlConfig.tasks
    trials: int = MamlConfig.trials
    statistics: int = MamlConfig.statistics
    episodes_per_trial: int | None = None
    horizon: int | None = None
    feedback: Literal["step", "episode", "none"] | None = None
    observability: Literal["split", "full"] = "split"
    inner: InnerConfig = field(default_factory=InnerConfig)
    outer: OuterConfig = field(default_factory=OuterConfig)
    ppo: tuple[str, ...] = ()
    save_every: int = 10


def configuration(command: Command) -> MamlConfig:
    """The run that a command line asks for.

    Raises:
        ValueError: a count below what is possible.
    """
    scenario = find_scenario(command.scenario)
    for name, least in (
        ("steps", 1),
        ("seed", 0),
        ("tasks", 1),
        ("trials", 1),
        ("statistics", 0),
        ("save_every", 1),
    ):
        if getattr(command, name) < least:
            raise ValueError(f"--{name} {getattr(command, name)}: at least {least} is expected")
    options: dict[str, Any] = {
        name: getattr(command, name)
        for name in ("episodes_per_trial", "horizon", "feedback")
        if getattr(command, name) is not None
    }
    if command.team or command.observability != "split":
        options["observability"] = command.observability
    full = make_options(scenario, options, team=command.team)
    worlds, length = command.tasks * command.trials, full.horizon * full.episodes_per_trial
    return MamlConfig(
        scenario=scenario.id,
        team=command.team,
        steps=command.steps,
        seed=command.seed,
        tasks=command.tasks,
        trials=command.trials,
        statistics=command.statistics,
        inner=command.inner,
        outer=command.outer,
        network=NetworkConfig(
            core=CoreConfig(kind=command.core, width=command.width),
            head=HeadConfig(log_std=command.log_std),
            # As loud as the others: inner steps learn from what their noise does.
            modulator_head=HeadConfig(log_std=command.log_std),
        ),
        ppo=maml_ppo(worlds, length, command.inner.steps, **ppo_changes(command.ppo)),
        options=options,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0 when the run finished, 1 when it diverged, 2 on bad usage."""
    command = tyro.cli(Command, args=arguments, prog="python -m policies.maml")
    torch.set_num_threads(1)
    try:
        run = MetaTraining(configuration(command))
        _check_free(command.out)
        command.out.mkdir(parents=True, exist_ok=True)
        resumed = run.restore(command.out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not resumed:
        run.save(command.out)  # from here on the folder is this run's
    metrics_path = command.out / run_folder.METRICS
    _keep_lines(metrics_path, run.iteration if resumed else 0)
    with (
        open(metrics_path, "a") as metrics_file,
        tqdm(total=run.config.steps, initial=run.steps, unit="step", unit_scale=True) as bar,
    ):
        while run.steps < run.config.steps:
            try:
                metrics = run.iterate()
            except FloatingPointError as error:
                print(
                    f"diverged: {error}; what was saved before, if anything, is in {command.out}",
                    file=sys.stderr,
                )
                return 1
            print(json.dumps({"steps": run.steps, **metrics}), file=metrics_file, flush=True)
            bar.update(run.steps - bar.n)
            bar.set_postfix({name: f"{metrics[name]:.1f}" for name in ("before", "after")})
            if run.iteration % command.save_every == 0 or run.steps >= run.config.steps:
                # The state last: a run that is cut between the two takes up the older state, and writes both.
                checkpoint.save(command.out, run.network, run.config.as_training, run.steps)
                run.save(command.out)
    print(f"prior in {command.out}; judge it with: python -m policies.maml.curves {command.out}")
    return 0


def _check_free(out: Path) -> None:
    other = run_folder.another_run(out, STATE)
    if other is not None:
        raise ValueError(f"{out} holds {other}: give another --out")


def _keep_lines(path: Path, count: int) -> None:
    # Iterations after the saved state are done again, so their lines go.
    if path.exists():
        lines = path.read_text().splitlines(keepends=True)[:count]
        replace_file(path, "".join(lines))


if __name__ == "__main__":
    exit_with(main)
