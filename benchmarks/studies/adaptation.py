"""The worth of test-time adaptation: `python -m benchmarks.studies.adaptation ROW --seeds 0 1`, or `table`.

Each row trains a policy, fits its forecaster on sound trials, and plays the same worlds with and without
adaptation: trials whose body changes (deficit, recovery) and sound ones (harm). `point-flip` is the positive
control: all actuators change sign, and the old policy with its torques negated earns what it earned before.
A row whose record is there is not run again; a policy that a row has trained is not trained again.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runner.software import versions, versions_note
from benchmarks.studies.command import run_study
from benchmarks.studies.over_seeds import over_seeds, paired
from benchmarks.studies.settings import (
    Settings,
    SettingsError,
    difference,
    is_done,
    plain,
    read,
    refuse_other_versions,
    write,
)
from ma_ssm_env import Policy
from ma_ssm_env.commands import exit_with
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies import checkpoint
from policies.adaptation import (
    AdaptationConfig,
    AdaptivePolicy,
    Tampered,
    fit_forecaster,
    harm,
    play,
    recovery,
)
from policies.adaptation.forecaster import ForecastConfig
from policies.adaptation.recovery import changes_of
from policies.config import TrainConfig, to_json, tuned
from policies.cores import CoreConfig
from policies.game import AGENT
from policies.role_network import NetworkPolicy, RoleNetwork
from policies.team import NetworkConfig, TeamNetwork
from policies.train import train

RESULTS = Path("benchmarks/results/maml")
COST = "cost.json"  # beside a kept checkpoint


@dataclass(frozen=True)
class Row:
    """One trained policy and the trials that it is judged on.

    Attributes:
        trained_on: scenario of training.
        judged_on: scenario of the trials that change, and their options.
        sound: scenario of the trials that do not, and their options.
        steps: control steps of training.
        core: memory of the agent.
        flip_at: step from which the actuators' gains are -1; None where the scenario itself changes.
        trials: on each test task.
        settings: name -> how it adapts.
    """

    trained_on: str
    judged_on: tuple[str, dict[str, Any]]
    sound: tuple[str, dict[str, Any]]
    steps: int
    core: str = "mlp"
    flip_at: int | None = None
    trials: int = 3
    settings: dict[str, AdaptationConfig] = field(default_factory=dict)


_SETTINGS = {
    "features": AdaptationConfig(),
    "sensors": AdaptationConfig(adapts=("sensors",)),
    "actuators": AdaptationConfig(adapts=("actuators",), rate=0.5, every=1, window=8),
    # Refuses for longer, so that the errors of a sound body's model move no gain.
    "actuators, wary": AdaptationConfig(adapts=("actuators",), rate=0.5, every=1, window=8, surprise=10.0),
}
_LONG = {"episodes_per_trial": 1, "horizon": 400}

ROWS: dict[str, Row] = {
    "point-flip": Row(
        "PointSwitch-v0",
        ("PointDir-v0", _LONG),
        ("PointDir-v0", _LONG),
        600_000,
        flip_at=200,
        settings=_SETTINGS,
    ),
    "cheetah-fault": Row(
        "HalfCheetahFault-v0",
        ("HalfCheetahFault-v0", {}),
        ("HalfCheetah-v0", {"horizon": 400}),
        1_000_000,
        trials=10,
        settings=_SETTINGS,
    ),
    "hopper-fault": Row(
        "HopperFault-v0",
        ("HopperFault-v0", {}),
        ("Hopper-v0", {"horizon": 400}),
        1_000_000,
        trials=10,
        settings=_SETTINGS,
    ),
}


def run_row(name: str, seed: int, out: Path, scratch: Path, allow_mixed: bool = False) -> Path:
    """Train and judge a row; the path of its record."""
    row, path = ROWS[name], out / f"adapt-{name}-seed{seed}.json"
    if is_done(path, settings(row), allow_mixed):
        return path
    network, training_s = _policy(row, seed, scratch / f"adapt-{name}-seed{seed}")
    began = time.process_time()
    actor = network.actor(AGENT)
    scenario, options = row.sound
    forecaster = fit_forecaster(network, AGENT, scenario, options, seed=seed)
    record: dict[str, Any] = {
        "row": name,
        "seed": seed,
        "trained_on": row.trained_on,
        "steps": row.steps,
        "command": f"python -m benchmarks.studies.adaptation {name} --seeds {seed}",
        "forecast_error": round(forecaster.nominal, 5),
        "plain": _judged(row, actor, NetworkPolicy(actor), NetworkPolicy(actor), seed),
    }
    plain_returns = np.array(record["plain"]["sound"])
    for setting, config in row.settings.items():
        changed, sound = (AdaptivePolicy(actor, forecaster, config) for _ in range(2))
        found = _judged(row, actor, changed, sound, seed)
        found["harm"] = round(harm(plain_returns, np.array(found["sound"])), 5)
        found["events"] = dict(Counter(event.kind for event in changed.log))
        found["events_sound"] = dict(Counter(event.kind for event in sound.log))
        record[f"adapts/{setting}"] = found
    record["cpu_s"] = round(training_s + time.process_time() - began, 1)
    write(path, record, settings(row))
    return path


def settings(row: Row) -> Settings:
    """What a record of the row must have been made with."""
    return {"row": row, "training": _training(row, 0), "forecast": ForecastConfig()}


def _training(row: Row, seed: int) -> TrainConfig:
    network = NetworkConfig(core=CoreConfig(kind=row.core))
    return TrainConfig(
        row.trained_on, steps=row.steps, seed=seed, network=network, ppo=tuned(_tuned_as(row.trained_on))
    )


def _policy(row: Row, seed: int, folder: Path) -> tuple[TeamNetwork, float]:
    """The trained policy, and the CPU seconds of its training; what is kept of this very training is reused.

    What it cost is written before the checkpoint, so that no checkpoint of this study is without it.

    Raises:
        SettingsError: a checkpoint of another training, or of unknown cost: it may be wanted, so nothing is
            written over it.
    """
    config, cost = _training(row, seed), folder / COST
    if not (folder / checkpoint.FILE).exists():
        began = time.process_time()
        trained = train(config)
        spent_s = round(time.process_time() - began, 1)
        replace_file(cost, json.dumps({"cpu_s": spent_s, "versions": versions()}) + "\n")
        checkpoint.save(folder, trained.network, config, trained.steps)
    try:
        network, made, steps = checkpoint.load(folder)
    except checkpoint.CheckpointError as error:
        raise SettingsError(str(error)) from None
    wrong = difference(*(plain(to_json(of)) for of in (made, config)))
    if not wrong and steps < config.steps:
        wrong = f"trained for {steps:,} of {config.steps:,} steps"
    elif not wrong and not cost.exists():
        wrong = f"a checkpoint without {COST}, which says what its training cost"
    if wrong:
        raise SettingsError(f"{folder}: {wrong}: move the folder away, or choose another --scratch")
    kept = json.loads(cost.read_text(encoding="utf-8"))
    refuse_other_versions(folder, kept["versions"])
    return network, float(kept["cpu_s"])


def _tuned_as(scenario: str) -> str:
    return "PointDir-v0" if scenario.startswith("Point") else scenario


def _judged(row: Row, actor: RoleNetwork, changed: Policy, sound: Policy, seed: int) -> dict[str, Any]:
    scenario, options = row.judged_on
    tasks = find_scenario(scenario).variation.tasks("test")
    player = changed
    if row.flip_at is not None:
        player = Tampered(changed, row.flip_at, actor.fields, actuators=-1.0)
    played = play(scenario, player, tasks, trials=row.trials, policy_seed=seed, **options)
    at = changes_of(played) if row.flip_at is None else np.full(played.rewards.shape[1], row.flip_at)
    found = recovery(played.rewards, at, played.alive)
    scenario, options = row.sound
    tasks = find_scenario(scenario).variation.tasks("test")
    trials = max(row.trials, 20 // len(tasks))
    healthy = play(scenario, sound, tasks, trials=trials, policy_seed=seed, **options)
    return {
        "level": np.round(found.level, 3).tolist(),
        "deficit": np.round(found.deficit, 2).tolist(),
        "recovery_steps": [None if np.isinf(s) else int(s) for s in found.steps],
        "after": np.round(found.after, 3).tolist(),
        "sound": np.round(healthy.rewards.sum(0), 2).tolist(),
        "ms_per_step": round(played.ms_per_step, 3),
        "worlds": int(played.rewards.shape[1]),
    }


def table(out: Path) -> str:
    """Markdown of all records, of the settings that all seeds of a row have.

    `saved` is the deficit without adaptation minus that with it, seed by seed.
    """
    records: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(out.glob("adapt-*-seed*.json")):
        name = path.stem.removeprefix("adapt-").rpartition("-seed")[0]
        if name in ROWS:
            records.setdefault(name, []).append(read(path, settings(ROWS[name])))
    lines = [
        "| row | seeds | adapts | level before | deficit after the change | saved | last 50 steps "
        "| recovered, % | steps to 90%, median | harm where sound, % | ms a step and world |",
        "|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name in [name for name in ROWS if name in records]:
        found = records[name]
        common = [key for key in found[0] if all(key in record for record in found)]
        for key in ["plain", *[key for key in common if key.startswith("adapts/")]]:
            adapts = key != "plain"
            # A body that always falls before its change says nothing of what comes after.
            met = [record for record in found if record["plain"]["level"] and record[key]["level"]]
            if not met:
                lines.append(f"| `{name}` | 0 of {len(found)} met their change |" + " |" * 9)
                continue
            parts, plain = [record[key] for record in met], [record["plain"] for record in met]
            taken = [np.array([np.inf if s is None else s for s in p["recovery_steps"]]) for p in parts]
            median = np.median(np.concatenate(taken))
            cells = [
                f"`{name}`",
                str(len(met)) if met == found else f"{len(met)} of {len(found)}",
                key.removeprefix("adapts/") if adapts else "nothing",
                over_seeds([p["level"] for p in parts], 2, "trials"),
                over_seeds([p["deficit"] for p in parts], 1, "trials"),
                _saved(plain, parts) if adapts else "",
                over_seeds([p["after"] for p in parts], 2, "trials"),
                over_seeds([100.0 * np.isfinite(steps).mean() for steps in taken], 0),
                "never" if np.isinf(median) else f"{median:.0f}",
                over_seeds([100.0 * record[key]["harm"] for record in found], 2) if adapts else "",
                f"{np.mean([p['ms_per_step'] / p['worlds'] for p in parts]):.3f}",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n" + versions_note([r for found in records.values() for r in found])


def _saved(plain: list[dict[str, Any]], parts: list[dict[str, Any]]) -> str:
    # Means, because seeds may have met their change in different numbers of trials with and without.
    without, adapted = ([float(np.mean(p["deficit"])) for p in found] for found in (plain, parts))
    return paired(without, adapted)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run rows of the study, or print its table; the exit code."""
    return run_study(
        arguments,
        prog="python -m benchmarks.studies.adaptation",
        description=__doc__,
        rows=ROWS,
        run_row=run_row,
        table=table,
        out=RESULTS,
        scratch=Path("runs/adaptation_study"),
    )


if __name__ == "__main__":
    exit_with(main)
