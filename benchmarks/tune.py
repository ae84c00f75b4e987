"""Search a method's settings with Optuna: `python -m benchmarks.tune --methods sb3-ppo --steps 50000`.

Every method gets the same budget: `--trials` settings, each trained once for `--steps` control steps, judged
on the `validation` split (10 tasks x 3 trials, mode actions, judged as results are), which no result is
computed on. Trial 0 has the settings that the method had when its search began (the outcome's `before`, which
a later change of its settings does not alter). The best trial minus trial 0 is an optimistic figure, the best
of several draws of one seed each; so both settings are then trained with `--confirm` seeds that the search
has not used, and what those gain, with its interval, is what tuning gained.

The search is kept in `--out`: a journal that a killed search goes on from (a trial that was cut off is run
again with its settings; the sampler of trial n is seeded with n, so the order of interruptions changes
nothing), and `<scenario>.json`, the outcome in brief, from which it goes on too where there is no journal.
Each outcome says the package versions of its trainings; a search does not go on with others unasked.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from baselines.a2c import a2c_config, train_a2c
from baselines.off_policy import Algorithm, off_policy_config, train_off_policy
from baselines.recurrent_ppo import recurrent_ppo_config, train_recurrent_ppo
from baselines.sb3 import sb3_ppo_config, train_sb3_ppo
from baselines.training import Hooks
from benchmarks.judged_return import judged_return
from benchmarks.runner.schedule import MixedVersionsError
from benchmarks.runner.software import differing, versions
from ma_ssm_env.commands import exit_with
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.policy import Players
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies.config import WORLDS_OF_A_RUN, TrainConfig, tuned
from policies.cores import CoreConfig
from policies.team import NetworkConfig
from policies.train import players
from policies.training import Training

VALIDATION_TRIALS = 3
SEED = 1000  # of training in a search, and the next ones where it is confirmed: no run of a suite has them
WORLD_SEED = 10**12  # nor these worlds
DRAWS = 50  # of the sampler, to find settings that were not tried yet
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


def search(
    scenario: str,
    method: str,
    trials: int,
    steps: int,
    out: Path,
    confirm: int = 0,
    earlier: Mapping[str, Any] | None = None,
    allow_mixed: bool = False,
) -> dict[str, Any]:
    """Bring the search of a method to `trials` finished trials, and give its outcome.

    Args:
        scenario: id.
        method: of `SEARCHED`.
        trials: settings that it may try.
        steps: control steps of a trial.
        out: folder of the journal.
        confirm: fresh seeds that the former and the best settings are trained with, where they differ.
        earlier: an outcome of this search to go on from, where there is no journal of it.
        allow_mixed: go on with a search that was begun with other package versions.

    Raises:
        MixedVersionsError: there is something to train, other versions began, and `allow_mixed` is False.
    """
    searched = SEARCHED[method]
    out.mkdir(parents=True, exist_ok=True)
    storage = JournalStorage(JournalFileBackend(str(out / "journal.log")))
    study = optuna.create_study(
        storage=storage,
        study_name=f"{scenario}--{method}--{steps}",
        direction="maximize",
        load_if_exists=True,
    )
    if not study.trials and earlier is not None and earlier["steps"] == steps:
        _take_up(study, searched, earlier)
    if _finished(study) and "versions" not in study.user_attrs:  # a journal of before, or taken up just now
        known = earlier if earlier is not None and earlier["steps"] == steps else {}
        study.set_user_attr("versions", known.get("versions", [{}]))
    present = searched.settings(scenario)
    if not study.trials:
        study.enqueue_trial(
            {name: _choice(present[name], searched.choices[name]) for name in searched.choices}
        )
    for trial in study.get_trials(states=(TrialState.RUNNING,)):  # cut off: the same settings again
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)
    while len(_finished(study)) < trials:
        _enter_versions(study, allow_mixed)
        number = len(_finished(study))
        trial, chosen = _next(study, searched.choices, number, trials)
        began = time.process_time()
        value = _worth(searched, scenario, steps, chosen, SEED)
        trial.set_user_attr("cpu_s", round(time.process_time() - began, 1))
        study.tell(trial, value)
        print(f"{scenario} {method} {number + 1}/{trials}: {value:.2f} {chosen}", flush=True)
    outcome = _outcome(study, searched)
    if outcome["best"]["settings"] != outcome["before"]["settings"]:
        seeds = max(confirm, _known(study, outcome))  # what was found out is not dropped
        if seeds:
            outcome["confirmed"] = _confirmed(study, searched, scenario, steps, seeds, outcome, allow_mixed)
    return {**outcome, "versions": study.user_attrs.get("versions", [])}


def _enter_versions(study: optuna.Study, allow_mixed: bool) -> None:
    """Say with the study that these packages train for it, from now on."""
    entered = study.user_attrs.get("versions", [])
    others = [other for made_with in entered if (other := differing(made_with))]
    if others and not allow_mixed:
        raise MixedVersionsError(
            f"{study.study_name}: begun with {'; '.join(others)}: results of different versions are not "
            "mixed; choose another --out, or say --allow-mixed"
        )
    if versions() not in entered:
        study.set_user_attr("versions", [*entered, versions()])


def _take_up(study: optuna.Study, searched: Searched, earlier: Mapping[str, Any]) -> None:
    """Enter the trials of an outcome, if it was of the same choices."""
    choices = {name: list(values) for name, values in searched.choices.items()}
    if earlier["searched"] != choices:
        return
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: optuna.distributions.CategoricalDistribution(values)
        for name, values in searched.choices.items()
    }
    for number, (value, chosen) in enumerate(earlier["all"]):
        study.add_trial(
            optuna.trial.create_trial(
                params=dict(zip(choices, chosen, strict=True)),
                distributions=distributions,
                value=float("-inf") if value is None else value,
                user_attrs={"cpu_s": earlier["cpu_s"] if number == 0 else 0.0},  # it is kept as a sum
            )
        )
    for which, values in earlier.get("confirmed", {}).items():
        for seed, value in enumerate(values, SEED + 1):
            worth = float("-inf") if value is None else value
            study.set_user_attr(_confirmation(seed, earlier[which]["settings"]), worth)


def _worth(searched: Searched, scenario: str, steps: int, chosen: Mapping[str, Any], seed: int) -> float:
    """Return on the validation tasks after a training; minus infinity where it diverged."""
    try:
        found = evaluate(
            scenario,
            searched.train(scenario, steps, chosen, seed),
            split="validation",
            trials=VALIDATION_TRIALS,
        )
    except FloatingPointError:
        return float("-inf")
    return float(judged_return(scenario, found.returns).mean())


def _confirmed(
    study: optuna.Study,
    searched: Searched,
    scenario: str,
    steps: int,
    seeds: int,
    outcome: Mapping[str, Any],
    allow_mixed: bool,
) -> dict[str, Any]:
    """Returns of the former and the best settings with seeds that the search has not used.

    What is done is kept with the study, under the settings' own name: a later search may find others.
    """
    values: dict[str, list[float]] = {"before": [], "best": []}
    for seed in range(SEED + 1, SEED + 1 + seeds):
        for which, found in values.items():
            settings = outcome[which]["settings"]
            name = _confirmation(seed, settings)
            if name not in study.user_attrs:
                _enter_versions(study, allow_mixed)
                study.set_user_attr(name, _worth(searched, scenario, steps, settings, seed))
                print(f"{study.study_name} {name}: {study.user_attrs[name]:.2f}", flush=True)
            found.append(float(study.user_attrs[name]))
    return {which: [_number(value) for value in found] for which, found in values.items()}


def _confirmation(seed: int, settings: Mapping[str, Any]) -> str:
    """Name of a confirming run among the study's attributes."""
    return f"seed {seed}: {json.dumps(settings, sort_keys=True)}"


def _known(study: optuna.Study, outcome: Mapping[str, Any]) -> int:
    """How many seeds both the former and the best settings have been confirmed with."""
    names = ([_confirmation(seed, outcome[which]["settings"]) for which in ("before", "best")]
             for seed in itertools.count(SEED + 1))  # fmt: skip
    return sum(1 for _ in itertools.takewhile(lambda both: study.user_attrs.keys() >= set(both), names))


def _next(study: optuna.Study, choices: Choices, number: int, trials: int) -> tuple[Any, dict[str, Any]]:
    """The next trial, and settings that no finished trial has had (or the last drawn, where few are left)."""
    had = [trial.params for trial in _finished(study)]
    for draw in range(DRAWS):
        if draw == 0:
            study.sampler = optuna.samplers.TPESampler(seed=number, n_startup_trials=trials // 2)
        else:  # it was tried: any other will do
            study.sampler = optuna.samplers.RandomSampler(seed=DRAWS * number + draw)
        trial = study.ask()
        chosen = {name: trial.suggest_categorical(name, list(values)) for name, values in choices.items()}
        if chosen not in had or draw == DRAWS - 1:
            break
        study.tell(trial, state=TrialState.FAIL)
    return trial, chosen


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    if value not in choices:
        raise ValueError(f"present setting {value!r} is not among the searched {choices}: add it")
    return value


def _finished(study: optuna.Study) -> list[Any]:
    return study.get_trials(states=(TrialState.COMPLETE,))


def _outcome(study: optuna.Study, searched: Searched) -> dict[str, Any]:
    finished = _finished(study)
    first, best = finished[0], max(finished, key=lambda trial: trial.value)
    return {
        "trials": len(finished),
        "searched": {name: list(values) for name, values in searched.choices.items()},
        "before": {"value": _number(first.value), "settings": first.params},
        "best": {"value": _number(best.value), "settings": best.params},
        "all": [[_number(trial.value), list(trial.params.values())] for trial in finished],
        "cpu_s": round(sum(trial.user_attrs.get("cpu_s", 0.0) for trial in finished), 1),
    }


def _number(value: float) -> float | None:
    return round(value, 3) if value > float("-inf") else None


def _table(path: Path, scenario: str) -> dict[str, Any]:
    """The outcomes of a scenario that there are, each with a list of the versions that trained for it.

    A mapping without versions stands for trainings of which they are not known. The first files said versions
    once, for whoever wrote last; that is all that is known of their methods.
    """
    if not path.exists():
        return {"scenario": scenario, "methods": {}}
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    said = [table.pop("versions", {})]
    table["methods"] = {name: {"versions": said, **found} for name, found in table["methods"].items()}
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, or 2 on bad usage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.tune",
        description=__doc__.splitlines()[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--scenario", default="PointDir-v0", help="id of the scenario")
    parser.add_argument("--methods", nargs="+", default=list(SEARCHED), help=f"of {', '.join(SEARCHED)}")
    parser.add_argument("--trials", type=int, default=8, help="settings that each method may try")
    parser.add_argument(
        "--confirm", type=int, default=3, help="seeds that the former and the best settings are trained with"
    )
    parser.add_argument("--steps", type=int, default=50_000, help="control steps of a trial")
    parser.add_argument(
        "--out", type=Path, default=Path("benchmarks/results/tuning"), help="folder of the outcomes"
    )
    parser.add_argument(
        "--allow-mixed", action="store_true", help="go on with searches of other package versions too"
    )
    given = parser.parse_args(arguments)
    unknown = [name for name in given.methods if name not in SEARCHED]
    if unknown or given.trials < 1 or given.steps < 1 or given.confirm < 0:
        told = (
            f"method {unknown[0]!r}: one of {', '.join(SEARCHED)}"
            if unknown
            else "--trials and --steps: 1 or more, --confirm: 0 or more"
        )
        print(f"error: {told} is expected", file=sys.stderr)
        return 2
    try:
        find_scenario(given.scenario)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    torch.set_num_threads(1)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{given.scenario}.json"
    for method in given.methods:
        earlier = _table(path, given.scenario)["methods"].get(method)
        try:
            outcome = search(
                given.scenario,
                method,
                given.trials,
                given.steps,
                given.out,
                given.confirm,
                earlier,
                given.allow_mixed,
            )
        except MixedVersionsError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        table = _table(path, given.scenario)  # anew: another search may have written to it in the meantime
        table["methods"][method] = {"steps": given.steps, **outcome}
        replace_file(path, json.dumps(table, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    exit_with(main)
