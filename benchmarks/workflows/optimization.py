"""Emergent optimisation: what a team is best made of, searched by Optuna.

    found = EmergentOptimization().search("PointDir-v0", trials=20, budget=50_000)
    print(found)

A trial trains one team for the budget and is worth its *score per control step*: the mean validation score
while it learned (the area under its curve). The search is kept in its folder: a journal and the trials' own
runs. The same call goes on where an interrupted one was, in the middle of a trial too; the sampler of trial n
is seeded with n, so interruptions change nothing.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from benchmarks.judged_return import judged_return
from benchmarks.runner.claim import locked
from benchmarks.stats import area_under_curve
from benchmarks.workflows.collaboration import CollaborativeLearning
from benchmarks.workflows.judgement import reference_of
from benchmarks.workflows.learners import PpoLearner
from benchmarks.workflows.modes import Mode
from benchmarks.workflows.names import scenario_of
from benchmarks.workflows.session import task_of, train_team
from ma_ssm_env.roles import ACTING_ROLES
from policies.agents import (
    AdaptationAgent,
    Agent,
    CoordinatorAgent,
    EnvironmentAgent,
    MetaLearningAgent,
    StateModelingAgent,
)

OUT = Path("runs/optimization")
ALL = "all"
DIVERGED = -1.0  # the worth of a trial that diverged: below every score that learning gives
REDRAWS = 50
Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Choices:
    """What is searched: the values of each setting. A single value holds a setting fixed.

    Attributes:
        roles: `all`, or the acting role that is left out.
        core: of every role.
        width: features of every role.
        belief_size: numbers of the belief that are sent.
        bandwidth_cost: of a step of belief at full rate.
        curriculum: whether an environment agent chooses the tasks.
    """

    roles: tuple[str, ...] = (ALL, *ACTING_ROLES)
    core: tuple[str, ...] = ("mlp", "gru", "s5")
    width: tuple[int, ...] = (48, 96)
    belief_size: tuple[int, ...] = (2, 4, 8)
    bandwidth_cost: tuple[float, ...] = (0.0, 0.01, 0.05)
    curriculum: tuple[bool, ...] = (False, True)

    def __post_init__(self) -> None:
        for name, values in self.lists.items():
            if not isinstance(values, list | tuple) or not values or len(set(values)) < len(values):
                raise ValueError(f"{name}={values!r}: at least one value, each once, is expected")
        for role in self.roles:
            if role not in (ALL, *ACTING_ROLES):
                valid = ", ".join((ALL, *ACTING_ROLES))
                raise ValueError(f"roles={role!r}: of {valid} is expected; a role is left out, all: none")
        for values in np.ndindex(
            *(len(v) for v in self.lists.values())
        ):  # refuses what an agent would refuse
            team_of({n: v[i] for (n, v), i in zip(self.lists.items(), values, strict=True)})

    @property
    def lists(self) -> dict[str, Any]:
        """Setting -> values."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}


@dataclass(frozen=True)
class Optimization:
    """What a search found.

    Attributes:
        scenario: id.
        collaboration_mode: of all its teams.
        budget: control steps of a trial.
        trials: (settings, worth) of each, in order.
        best: the settings that were worth most.
        worth: of these: mean validation score while learning; optimistic, as it was chosen for being high.
        final: their last validation score.
        explained: setting -> share of the variance between the trials that it alone explains
            (`explained_variance`); empty where there are too few trials.
        effects: setting -> value -> mean worth and number of trials.
        folder: of journal and runs.
    """

    scenario: str
    collaboration_mode: Mode
    budget: int
    trials: tuple[tuple[dict[str, Any], float], ...]
    best: dict[str, Any]
    worth: float
    final: float
    explained: dict[str, float]
    effects: dict[str, dict[Any, tuple[float, int]]]
    folder: Path

    @property
    def workflow(self) -> CollaborativeLearning:
        """The best team, ready to solve a task with a larger budget."""
        return CollaborativeLearning(team_of(self.best))

    def __str__(self) -> str:
        def line(settings: Settings) -> str:
            return ", ".join(f"{name} {value}" for name, value in settings.items())

        lines = [
            f"{self.scenario}, {self.collaboration_mode}: {len(self.trials)} teams of {self.budget:,} steps",
            f"  best        {line(self.best)}",
            f"  worth       {self.worth:.3f} mean score while learning, {self.final:.3f} at the end",
        ]
        for name, values in self.effects.items():
            share = f" ({self.explained[name]:.0%})" if name in self.explained else ""
            means = ", ".join(f"{value} {mean:.3f} (n={count})" for value, (mean, count) in values.items())
            lines.append(f"  {name + share:<22}{means}")
        lines.append(
            "  In brackets the share of the variance that it alone explains; mean worth by value. One seed."
        )
        return "\n".join(lines)


@dataclass(frozen=True)
class EmergentOptimization:
    """The search for a team.

    Attributes:
        choices: what is searched.
        collaboration_mode: of all teams.
        prediction_horizon: steps that state_modeling forecasts.
    """

    choices: Choices = field(default_factory=Choices)
    collaboration_mode: Mode = "emergent"
    prediction_horizon: int = 0

    def search(
        self,
        scenario: str,
        *,
        trials: int = 20,
        budget: int = 50_000,
        seed: int = 0,
        out: str | Path = OUT,
        progress: bool = True,
    ) -> Optimization:
        """Bring the search to `trials` finished trials, and say what it found.

        Where another process does the same search, this one waits, says so, and goes on from what came of it.

        Args:
            scenario: id, with reference values.
            trials: teams that are trained; those of an earlier call count.
            budget: control steps of each.
            seed: of their training.
            out: folder.
            progress: show a progress bar.

        Raises:
            ValueError: an argument that cannot be used.
        """
        counts: dict[str, object] = {"trials": trials, "budget": budget}
        for name, value in counts.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r}: a whole number, 1 or more, is expected")
        torch.set_num_threads(1)
        found = scenario_of(scenario).id
        folder = Path(out) / f"{found}--{self.collaboration_mode}--{budget}--seed{seed}"

        def say_waits() -> None:
            print(f"another process does the search in {folder}: waiting for it", file=sys.stderr)

        # One process at a time: whoever holds the lock may take a trial that runs for one that was cut off.
        with locked(folder / "search.lock", say_waits):
            study = self._study(folder)
            with tqdm(total=trials, initial=min(trials, len(_finished(study))), disable=not progress) as bar:
                while (number := len(_finished(study))) < trials:
                    trial, settings = self._next(study, number)
                    worth, final = self._worth(settings, found, budget, seed, folder)
                    trial.set_user_attr("final", final)
                    study.tell(trial, worth)
                    bar.update()
                    bar.set_postfix({"best": f"{study.best_value:.3f}"})
            return self._outcome(study, found, budget, folder)

    def _study(self, folder: Path) -> optuna.Study:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
        study = optuna.create_study(
            storage=storage, study_name="team", direction="maximize", load_if_exists=True
        )
        lists = {name: list(values) for name, values in self.choices.lists.items()}
        asked = {"choices": lists, "prediction_horizon": self.prediction_horizon}
        before = study.user_attrs.get("asked")
        if before not in (None, asked):
            raise ValueError(f"{folder} holds a search with {before}, not {asked}: take another out folder")
        study.set_user_attr("asked", asked)
        for trial in study.get_trials(states=(TrialState.RUNNING,)):  # cut off: the same settings again
            study.enqueue_trial(trial.params)
            study.tell(trial.number, state=TrialState.FAIL)
        return study

    def _next(self, study: optuna.Study, number: int) -> tuple[optuna.Trial, dict[str, Any]]:
        """The next trial; settings that were tried already are drawn anew."""
        had = [trial.params for trial in _finished(study)]
        for draw in range(REDRAWS):
            study.sampler = (
                optuna.samplers.TPESampler(seed=number, n_startup_trials=8)
                if draw == 0
                else optuna.samplers.RandomSampler(seed=REDRAWS * number + draw)
            )
            trial = study.ask()
            settings = {n: trial.suggest_categorical(n, list(v)) for n, v in self.choices.lists.items()}
            if settings not in had or draw == REDRAWS - 1:
                break
            study.tell(trial, state=TrialState.FAIL)
        return trial, settings

    def _worth(
        self, settings: Settings, scenario: str, budget: int, seed: int, folder: Path
    ) -> tuple[float, float]:
        """Mean validation score while learning, and the last one."""
        workflow = CollaborativeLearning(team_of(settings))
        config = workflow.training_config(
            scenario, self.collaboration_mode, budget, seed, self.prediction_horizon
        )
        reference = reference_of(config, target=1.0)
        assert reference is not None
        learner = PpoLearner(config)
        task = task_of(learner, self.collaboration_mode, None, reference, {}, folder / "trials")
        try:
            trained = train_team(task, lambda: learner, lambda fresh: {})
        except FloatingPointError:
            return DIVERGED, DIVERGED
        curve = trained.record.result.curve
        scores = reference.score(judged_return(reference.scenario, [point.returns for point in curve]))
        return area_under_curve([point.steps for point in curve], scores), float(scores[-1])

    def _outcome(self, study: optuna.Study, scenario: str, budget: int, folder: Path) -> Optimization:
        finished = _finished(study)
        best = max(finished, key=_value)
        effects: dict[str, dict[Any, tuple[float, int]]] = {}
        for name, values in self.choices.lists.items():
            groups = {v: [_value(t) for t in finished if t.params[name] == v] for v in values}
            effects[name] = {v: (float(np.mean(g)), len(g)) for v, g in groups.items() if g}
        return Optimization(
            scenario=scenario,
            collaboration_mode=self.collaboration_mode,
            budget=budget,
            trials=tuple((dict(trial.params), _value(trial)) for trial in finished),
            best=dict(best.params),
            worth=_value(best),
            final=float(best.user_attrs["final"]),
            explained=explained_variance([(trial.params, _value(trial)) for trial in finished]),
            effects=effects,
            folder=folder,
        )


def team_of(settings: Settings) -> list[Agent]:
    """The agents of one point of the search."""
    shape = {"core": settings["core"], "width": settings["width"]}
    agents: list[Agent] = [
        MetaLearningAgent(**shape),
        AdaptationAgent(**shape),
        StateModelingAgent(**shape, belief_size=settings["belief_size"]),
        CoordinatorAgent(**shape, bandwidth_cost=settings["bandwidth_cost"]),
    ]
    if settings["curriculum"]:
        agents.append(EnvironmentAgent())
    return [agent for agent in agents if agent.role != settings["roles"]]


def explained_variance(trials: Sequence[tuple[Settings, float]]) -> dict[str, float]:
    """Setting -> share of the variance of worth that it alone explains, the largest first.

    R^2 of a sum of one term for each value of each setting, minus R^2 without that setting's terms: what the
    other settings could explain as well, because they were tried together, counts for none of them. Nothing
    where there are no more trials than terms, as anything can be explained then. Settings of which one value
    was tried are left out.
    """
    worth = np.array([value for _, value in trials])
    total = float(np.square(worth - worth.mean()).sum())
    columns = {}
    for name in trials[0][0]:
        values = list(dict.fromkeys(settings[name] for settings, _ in trials))
        if len(values) > 1:
            columns[name] = np.array([[float(s[name] == v) for v in values[1:]] for s, _ in trials])
    if total == 0.0 or len(trials) <= 1 + sum(c.shape[1] for c in columns.values()):
        return {}

    def unexplained(names: Sequence[str]) -> float:
        terms = np.column_stack([np.ones(len(worth)), *(columns[name] for name in names)])
        found, *_ = np.linalg.lstsq(terms, worth, rcond=None)
        return float(np.square(worth - terms @ found).sum())

    least = unexplained(list(columns))
    shares = {n: (unexplained([m for m in columns if m != n]) - least) / total for n in columns}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _finished(study: optuna.Study) -> Sequence[FrozenTrial]:
    return study.get_trials(states=(TrialState.COMPLETE,))


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None
    return trial.value
