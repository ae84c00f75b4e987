"""The search of one method's settings on one scenario, in a journal that a killed search goes on from."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from benchmarks.judged_return import judged_return
from benchmarks.runner.claim import locked
from benchmarks.runner.schedule import MixedVersionsError
from benchmarks.runner.software import differing, versions
from benchmarks.tune.methods import SEARCHED, SEED, Choices, Searched
from ma_ssm_env.evaluation import evaluate

VALIDATION_TRIALS = 3
DRAWS = 50  # of the sampler, to find settings that were not tried yet


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

    Where another process does the same search, this one waits, says so, and goes on from what came of it.

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
    name = f"{scenario}--{method}--{steps}"

    def say_waits() -> None:
        print(f"another process does the search {name} in {out}: waiting for it", file=sys.stderr)

    # One process at a time: whoever holds the lock may take a trial that runs for one that was cut off.
    with locked(out / f"{name}.lock", say_waits):
        study = _study(name, searched, scenario, steps, out, earlier)
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
                outcome["confirmed"] = _confirmed(
                    study, searched, scenario, steps, seeds, outcome, allow_mixed
                )
        return {**outcome, "versions": study.user_attrs.get("versions", [])}


def _study(
    name: str,
    searched: Searched,
    scenario: str,
    steps: int,
    out: Path,
    earlier: Mapping[str, Any] | None,
) -> optuna.Study:
    """The search as it is: of its journal, of an earlier outcome, or a new one; for who holds its lock."""
    storage = JournalStorage(JournalFileBackend(str(out / "journal.log")))
    study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
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
    return study


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
