"""Scripted policies of the environment role: uniform sampling, and ALP-GMM.

Both speak the policy protocol (`policy.py`) and propose a task in normalised coordinates, [-1, 1] each, in
the observations with `episode_start` 1; elsewhere their action, which has no effect, is 0.

ALP-GMM (Portelas et al. 2019, "Teacher algorithms for curriculum learning of deep RL in continuously
parameterized environments") keeps the history of tasks and outcomes, and for each trial the absolute
learning progress ALP = |outcome - outcome of the most similar earlier task|. Every 250 trials it fits
mixtures of 2 to 10 Gaussians to (task, ALP) of the last 250, and takes the one of least AIC. A task is then
uniform with probability 0.2; else it comes from a Gaussian drawn in proportion to its mean ALP. Until the
first fit tasks are uniform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ma_ssm_env.ledger import ENTRIES, task_distance
from ma_ssm_env.policy import Float, Memory
from ma_ssm_env.roles import HEADER
from ma_ssm_env.scenarios import Scenario, find_scenario
from ma_ssm_env.variations import Variation

Array = NDArray[np.float64]
_PARTS = ("weights", "means", "covariances")  # the arrays of a mixture
_FLOOR = 1e-6  # added to the variances, so that a component on a single point stays a density


@dataclass(frozen=True)
class Mixture:
    """A mixture of Gaussians with full covariances.

    Attributes:
        weights: probability of each component [K].
        means: their means [K, D].
        covariances: their covariances [K, D, D].
        log_likelihood: of the data that it was fitted to, in nats.
    """

    weights: Array
    means: Array
    covariances: Array
    log_likelihood: float

    @property
    def aic(self) -> float:
        """Akaike's criterion, 2 (number of free parameters) - 2 log-likelihood; less is better."""
        K, D = self.means.shape
        parameters = K - 1 + K * D + K * D * (D + 1) // 2
        return float(2.0 * parameters - 2.0 * self.log_likelihood)


def fit_mixture(
    data: Array, components: int, rng: np.random.Generator, *, iterations: int = 100, tolerance: float = 1e-3
) -> Mixture:
    """Fit a mixture of `components` Gaussians to `data` [N, D] by expectation maximisation.

    Starts from k-means++ seeds (Arthur and Vassilvitskii 2007); ends when the mean log-likelihood rises by
    less than `tolerance`.
    """
    centres = _seeds(data, components, rng)
    nearest = np.square(data[:, None] - centres).sum(-1).argmin(1)
    mixture = _maximise(data, np.eye(components)[nearest])
    before = -np.inf
    for iteration in range(iterations):
        joint = np.log(mixture.weights) + _log_densities(data, mixture)  # [N, K]
        top = joint.max(1, keepdims=True)
        log_evidence = top + np.log(np.exp(joint - top).sum(1, keepdims=True))
        now = float(log_evidence.mean())
        mixture = Mixture(mixture.weights, mixture.means, mixture.covariances, now * len(data))
        if now - before < tolerance or iteration + 1 == iterations:
            break
        before = now
        mixture = _maximise(data, np.exp(joint - log_evidence))
    return mixture


def best_mixture(data: Array, components: range, rng: np.random.Generator) -> Mixture:
    """The mixture of least AIC of points [n, d] among those with `components` Gaussians, at most n."""
    counts = [count for count in components if count <= len(data)]
    return min((fit_mixture(data, count, rng) for count in counts), key=lambda mixture: mixture.aic)


def _seeds(data: Array, components: int, rng: np.random.Generator) -> Array:
    chosen = [int(rng.integers(len(data)))]
    while len(chosen) < components:
        gap = np.square(data[:, None] - data[chosen]).sum(-1).min(1)
        # Where all points are taken, the next seed is any of them.
        odds = gap / gap.sum() if gap.sum() > 0 else np.full(len(data), 1.0 / len(data))
        chosen.append(int(rng.choice(len(data), p=odds)))
    return data[chosen]


def _maximise(data: Array, responsibility: Array) -> Mixture:
    mass = responsibility.sum(0) + 1e-12  # [K]; a component that lost all its points keeps a density
    means = responsibility.T @ data / mass[:, None]
    offset = data[:, None] - means  # [N, K, D]
    covariances = np.einsum("nk,nki,nkj->kij", responsibility, offset, offset) / mass[:, None, None]
    covariances += _FLOOR * np.eye(data.shape[1])
    return Mixture(mass / mass.sum(), means, covariances, -np.inf)


def _log_densities(data: Array, mixture: Mixture) -> Array:
    factor = np.linalg.cholesky(mixture.covariances)  # [K, D, D]
    offset = data[:, None] - mixture.means  # [N, K, D]
    white = np.linalg.solve(factor, offset.transpose(1, 2, 0))  # [K, D, N]
    log_determinant = 2.0 * np.log(np.diagonal(factor, axis1=1, axis2=2)).sum(1)
    squares = np.square(white).sum(1).T  # [N, K]
    densities: Array = -0.5 * (squares + log_determinant + data.shape[1] * np.log(2.0 * np.pi))
    return densities


class UniformTeacher:
    """Proposes tasks that are uniform in normalised coordinates; of a category each value is as likely.

    That is the scenario's own distribution where that is uniform in its coordinates; goals, which are
    uniform on a disc, are then closer on average than those of `task_source="distribution"`.
    """

    def __init__(self, scenario: str | Scenario) -> None:
        self._size = find_scenario(scenario).variation.size
        self._values = _category_values(find_scenario(scenario).variation)

    def initial_memory(self, batch: int) -> Memory:
        """None: nothing is remembered."""
        del batch
        return None

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Proposals [B, k] for observations [B, O] of the environment role."""
        proposals = np.zeros((len(observations), self._size), dtype=np.float32)
        starts = np.flatnonzero(observations[:, 0] == 1.0)
        proposals[starts] = _uniform(len(starts), self._size, self._values, rng)
        return proposals, memory


def _uniform(count: int, size: int, values: Mapping[int, Array], rng: np.random.Generator) -> Array:
    """Uniform normalised tasks [count, size]; `values`: of the coordinates that are categories."""
    drawn = rng.uniform(-1.0, 1.0, (count, size))
    for i, known in values.items():  # what is nearest to a uniform number favours the inner ones
        drawn[:, i] = known[(0.5 * (drawn[:, i] + 1.0) * len(known)).astype(np.int64)]
    return drawn


def _category_values(variation: Variation) -> dict[int, Array]:
    """Index of each category among the coordinates -> the normalised coordinates of its values."""
    low = np.array([c.low for c in variation.coordinates])
    found = {}
    for i, c in enumerate(variation.coordinates):
        if c.kind == "category":
            values = np.array(sorted(c.categories((c.low, c.high))))
            tasks = np.tile(low, (len(values), 1))
            tasks[:, i] = values
            found[i] = variation.normalise(tasks)[:, i]
    return found


class AlpGmm:
    """Proposes tasks where the team's returns change; see the head of this module.

    It is a learner, so its history is its own and outlives the trials: use one for each training run, and
    the same rows for the same worlds. It reads new trials off the ledgers that it observes, pooling worlds
    that have ledgers of their own. Of a shared ledger it misses trials where more than 32 end in one step.
    Similarity goes round the circle and compares categories by equality; the Gaussians do not, and proposals
    past the end of an angle come in again at the other.

    Attributes:
        tasks, outcomes, progress: the history: tasks [N, k], outcomes [N] and ALP [N], oldest first.
        mixture: of the last fit, over (task, ALP); None before it.

    Args:
        scenario: whose tasks are proposed.
        refit_every: trials between fits, and how many of the last trials are fitted.
        uniform_share: probability of a uniform task.
        components: numbers of Gaussians that are tried.
        shared_ledger: the worlds share one ledger, which is read once a step and not once a world.
    """

    def __init__(
        self,
        scenario: str | Scenario,
        *,
        refit_every: int = 250,
        uniform_share: float = 0.2,
        components: range = range(2, 11),
        shared_ledger: bool = False,
    ) -> None:
        variation = find_scenario(scenario).variation
        coordinates = variation.coordinates
        if refit_every < max(2, components.start):
            raise ValueError(
                f"refit_every={refit_every}: at least {max(2, components.start)} trials are needed to fit "
                f"{components.start} Gaussians"
            )
        if not 0.0 <= uniform_share <= 1.0:
            raise ValueError(f"uniform_share={uniform_share}: a probability is expected")
        self._kinds = tuple(coordinate.kind for coordinate in coordinates)
        self._values = _category_values(variation)
        self._refit_every, self._uniform_share, self._components = refit_every, uniform_share, components
        self.tasks = np.zeros((0, len(coordinates)))
        self.outcomes = np.zeros(0)
        self.progress = np.zeros(0)
        self.mixture: Mixture | None = None
        self._fitted = 0
        self._shared = shared_ledger
        self._seen: Float | None = None

    def initial_memory(self, batch: int) -> Memory:
        """None: what it remembers outlives the trials."""
        del batch
        return None

    def act(self, observations: Float, memory: Memory, rng: np.random.Generator) -> tuple[Float, Memory]:
        """Proposals [B, k] for observations [B, O] of the environment role; learns from their ledgers."""
        self._read(observations)
        if len(self.tasks) - self._fitted >= self._refit_every:
            recent = slice(-self._refit_every, None)
            data = np.concatenate([self.tasks[recent], self.progress[recent, None]], axis=1)
            self.mixture, self._fitted = best_mixture(data, self._components, rng), len(self.tasks)
        proposals = np.zeros((len(observations), len(self._kinds)), dtype=np.float32)
        starts = np.flatnonzero(observations[:, 0] == 1.0)
        proposals[starts] = self._sample(len(starts), rng)
        return proposals, memory

    def clone_state(self) -> dict[str, Any]:
        """A copy of all that it has learned: the history, the last fit, and the ledgers that it has read."""
        mixture = None
        if self.mixture is not None:
            parts = {name: getattr(self.mixture, name).copy() for name in _PARTS}
            mixture = {**parts, "log_likelihood": self.mixture.log_likelihood}
        return {
            "tasks": self.tasks.copy(),
            "outcomes": self.outcomes.copy(),
            "progress": self.progress.copy(),
            "mixture": mixture,
            "fitted": self._fitted,
            "seen": None if self._seen is None else self._seen.copy(),
        }

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Put back what `clone_state` gave."""
        self.tasks, self.outcomes = state["tasks"].copy(), state["outcomes"].copy()
        self.progress, self._fitted = state["progress"].copy(), state["fitted"]
        self.mixture = None
        if state["mixture"] is not None:
            parts = {name: state["mixture"][name].copy() for name in _PARTS}
            self.mixture = Mixture(**parts, log_likelihood=state["mixture"]["log_likelihood"])
        self._seen = None if state["seen"] is None else state["seen"].copy()

    def _sample(self, count: int, rng: np.random.Generator) -> Array:
        k = len(self._kinds)
        tasks = _uniform(count, k, self._values, rng)
        if self.mixture is None:
            return tasks
        interest = np.maximum(self.mixture.means[:, -1], 0.0)
        if interest.sum() <= 0.0:
            return tasks
        component = rng.choice(len(interest), count, p=interest / interest.sum())
        factor = np.linalg.cholesky(self.mixture.covariances[:, :k, :k])[component]
        drawn = self.mixture.means[component, :k]
        drawn = drawn + np.einsum("nij,nj->ni", factor, rng.standard_normal((count, k)))
        for i, kind in enumerate(self._kinds):
            if kind == "wrapped":
                drawn[:, i] = (drawn[:, i] + 1.0) % 2.0 - 1.0
        uniform = rng.random(count) < self._uniform_share
        return np.where(uniform[:, None], tasks, np.clip(drawn, -1.0, 1.0))

    def _read(self, observations: Float) -> None:
        ledgers = observations[:, len(HEADER) :].reshape(len(observations), ENTRIES, -1)
        if self._shared:
            ledgers = ledgers[:1]
        if self._seen is None:
            self._seen = np.zeros_like(ledgers)
        if self._seen.shape != ledgers.shape:
            raise ValueError(
                f"{len(ledgers)} worlds, but {len(self._seen)} before: use a teacher for each run"
            )
        for world in np.flatnonzero((ledgers != self._seen).any((1, 2))):
            for entry in reversed(_news(self._seen[world], ledgers[world])):
                self._record(entry)
        self._seen = ledgers.copy()

    def _record(self, entry: Float) -> None:
        task, outcome, progress = entry[:-2].astype(np.float64), float(entry[-2]), 0.0
        if len(self.tasks):
            # The newest of the equally similar ones, as in the ledger.
            distance = task_distance(task, self.tasks[::-1], self._kinds)
            progress = abs(outcome - self.outcomes[::-1][distance.argmin()])
        self.tasks = np.concatenate([self.tasks, task[None]])
        self.outcomes = np.append(self.outcomes, outcome)
        self.progress = np.append(self.progress, progress)


def _news(old: Float, new: Float) -> list[Float]:
    """Entries of the ledger `new` [32, k + 2] that were put on top of `old`, the newest first."""
    for count in range(ENTRIES + 1):
        if np.array_equal(new[count:], old[: ENTRIES - count]):
            return [entry for entry in new[:count] if entry[-1] > 0]
    raise AssertionError("all entries are new at the latest")
