"""What trains a team: PPO, or meta-training where the meta-learning agent takes inner steps. One face."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.variations import Split
from policies import training_state
from policies.config import TrainConfig, to_json
from policies.maml import MamlConfig, MetaTraining
from policies.maml.curves import adaptation_curve
from policies.team import TeamNetwork
from policies.train import players
from policies.training import Training


@dataclass(frozen=True)
class Judged:
    """Returns on the tasks of a split.

    Attributes:
        tasks: normalised [N, k].
        returns: plain return of each inner episode [N, trials, K].
        steps: control steps that were played to judge, and to adapt before.
    """

    tasks: NDArray[np.float64]
    returns: NDArray[np.float64]
    steps: int


class Learner(Protocol):
    """A training run that can be left after any iteration, judged, and taken up again."""

    @property
    def network(self) -> TeamNetwork:
        """The networks."""

    @property
    def training_config(self) -> TrainConfig:
        """The run as a checkpoint of it says."""

    @property
    def configuration(self) -> dict[str, Any]:
        """All that decides the run, as JSON."""

    def parameter_counts(self) -> dict[str, int]:
        """Numbers that learn, by what they are of."""

    @property
    def steps(self) -> int:
        """Control steps taken."""

    @property
    def finished(self) -> bool:
        """The budget is spent."""

    def iterate(self) -> dict[str, float]:
        """One iteration; its metrics."""

    def save(self, folder: Path) -> None:
        """Write the state into a folder."""

    def resume(self, folder: Path) -> None:
        """Take up the state in a folder."""

    def judge(self, split: Split, trials: int, adapted: bool = True) -> Judged:
        """Play the tasks of a split by the mode of the actions."""


class PpoLearner:
    """PPO on all roles together, or on each with a critic of its own."""

    def __init__(self, config: TrainConfig) -> None:
        self.training_config, self.configuration = config, to_json(config)
        self.training = Training(config)

    @property
    def network(self) -> TeamNetwork:
        """See `Learner.network`."""
        return self.training.network

    def parameter_counts(self) -> dict[str, int]:
        """See `Learner.parameter_counts`."""
        return self.training.parameter_counts()

    @property
    def steps(self) -> int:
        """See `Learner.steps`."""
        return self.training.steps

    @property
    def finished(self) -> bool:
        """See `Learner.finished`."""
        return self.training.finished

    def iterate(self) -> dict[str, float]:
        """See `Learner.iterate`."""
        return self.training.iterate()

    def save(self, folder: Path) -> None:
        """See `Learner.save`."""
        training_state.save(folder, self.training)

    def resume(self, folder: Path) -> None:
        """See `Learner.resume`."""
        training_state.resume(folder, self.training)

    def judge(self, split: Split, trials: int, adapted: bool = True) -> Judged:
        """See `Learner.judge`."""
        config = self.training_config
        found = evaluate(config.scenario, players(self.network), split=split, trials=trials, **config.options)
        normalised = find_scenario(config.scenario).variation.normalise(found.tasks)
        return Judged(normalised, found.returns, found.steps)


class MamlLearner:
    """Meta-training over whole trials; judged after the inner steps on each task, or before them."""

    def __init__(self, config: MamlConfig) -> None:
        self.config = config
        self.training_config, self.configuration = config.as_training, config.as_json
        self.training = MetaTraining(config)

    @property
    def network(self) -> TeamNetwork:
        """See `Learner.network`."""
        return self.training.network

    def parameter_counts(self) -> dict[str, int]:
        """See `Learner.parameter_counts`; inner steps leave the critic out."""
        counts = self.network.parameter_counts()
        return {**counts, "critic": 0} if self.config.inner.steps else counts

    @property
    def steps(self) -> int:
        """See `Learner.steps`."""
        return self.training.steps

    @property
    def finished(self) -> bool:
        """See `Learner.finished`."""
        return self.training.steps >= self.config.steps

    def iterate(self) -> dict[str, float]:
        """See `Learner.iterate`."""
        metrics = self.training.iterate()
        return {**metrics, "episode_return": metrics["after"]}

    def save(self, folder: Path) -> None:
        """See `Learner.save`."""
        self.training.save(folder)

    def resume(self, folder: Path) -> None:
        """See `Learner.resume`."""
        self.training.restore(folder)

    def judge(self, split: Split, trials: int, adapted: bool = True) -> Judged:
        """See `Learner.judge`."""
        config, law = self.config, find_scenario(self.config.scenario).variation
        (point,) = adaptation_curve(
            self.network,
            self.training.adaptation,
            config.scenario,
            config.options,
            trials=(config.trials if adapted else 0,),
            split=split,
            judged=trials,
        )
        returns = point.returns[:, None]  # already a mean over the trials
        tasks = law.tasks(split)
        return Judged(law.normalise(tasks), returns, point.steps)
