"""Warm starts from the sample file do what they say, and refuse what is of no use."""

import dataclasses

import numpy as np
import pytest
import torch

from benchmarks.workflows import CollaborativeLearning, pretraining
from benchmarks.workflows.learners import PpoLearner
from benchmarks.workflows.pretraining import paired
from benchmarks.workflows.warm_start import WarmStart
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.ledger import outcome
from ma_ssm_env.recorded_trials import SAMPLE, load
from ma_ssm_env.scenarios import find_scenario
from policies import (
    AdaptationAgent,
    CoordinatorAgent,
    EnvironmentAgent,
    MetaLearningAgent,
    StateModelingAgent,
)
from policies.train import players

TINY = {"core": "mlp", "width": 16}
RECORDED = load(SAMPLE)


def learner(*more, horizon: int = 2) -> PpoLearner:
    agents = [MetaLearningAgent(**TINY), AdaptationAgent(**TINY), StateModelingAgent(**TINY), *more]
    team = CollaborativeLearning(agents, CoordinatorAgent(**TINY))
    return PpoLearner(team.training_config("PointDir-v0", "emergent", 3_200, prediction_horizon=horizon))


def warm(**data) -> WarmStart:
    return WarmStart.of("PointDir-v0", data)


def parameters(run: PpoLearner) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in run.network.named_parameters()}


def changed(run: PpoLearner, before: dict[str, torch.Tensor]) -> set[str]:
    after = run.network.named_parameters()
    return {name.split(".")[1] for name, p in after if not torch.equal(p, before[name])}


def test_sequences_teach_state_modeling_to_forecast_and_nobody_else_anything(monkeypatch) -> None:
    monkeypatch.setattr(pretraining, "UPDATES", 60)
    run = learner()
    before = parameters(run)
    found = warm(sequence=SAMPLE).apply(run, 0)["sequence_data"]
    assert found["error_after"] < 0.8 * found["persistence_error"]
    assert found["error_after"] < 0.8 * found["error_before"]
    assert changed(run, before) == {"state_modeling"}
    assert float(run.network.actor("state_modeling").normaliser.count) > 1_000
    assert float(run.network.actor("adaptation").normaliser.count) < 1.0
    run.iterate()  # and learning goes on from there


def test_support_is_imitated(monkeypatch) -> None:
    monkeypatch.setattr(pretraining, "UPDATES", 150)
    run = learner()
    found = warm(support=RECORDED).apply(run, 0)["support_data"]
    for role in ("state_modeling", "meta_learning", "coordinator"):
        assert found[role]["error_after"] < 0.3 * found[role]["error_before"], role
    # Not a step of its own, and it is on its way, on the tasks that it was shown.
    shown = evaluate("PointDir-v0", players(run.network), tasks=RECORDED.tasks, **run.training_config.options)
    assert shown.returns.mean() > 20.0


def test_support_and_query_are_meta_learned(monkeypatch) -> None:
    monkeypatch.setattr(pretraining, "META", dataclasses.replace(pretraining.META, iterations=15))
    run = learner()
    found = warm(support=RECORDED, query=RECORDED).apply(run, 0)["support_data, query_data"]
    assert found["meta_learning"]["query_error_after"] < 0.9 * found["meta_learning"]["query_error_before"]
    assert all(p.grad is None for p in run.network.parameters())


def test_pairs_are_of_one_task() -> None:
    order = np.arange(len(RECORDED))[::-1]
    assert paired(RECORDED, RECORDED.part(order)) == [(i, int(order[i])) for i in range(len(order))]
    with pytest.raises(ValueError, match="no trial left of the task"):
        paired(RECORDED, RECORDED.part(order[1:]))
    unknown = dataclasses.replace(RECORDED, tasks=np.full_like(RECORDED.tasks, np.nan))
    assert paired(unknown, RECORDED)[:2] == [(0, 0), (1, 1)]
    with pytest.raises(ValueError, match="15 trials for 16 of support_data"):
        paired(unknown, RECORDED.part(order[1:]))


@pytest.mark.parametrize("shared", [True, False])
def test_the_ledger_knows_what_was_tried(shared) -> None:
    run = learner(EnvironmentAgent(shared_ledger=shared))
    found = warm(environment=SAMPLE).apply(run, 0)["environment_data"]
    scenario = find_scenario("PointDir-v0")
    ledger = run.training.game._ledger[:, 3:].reshape(-1, 32, 3)
    tasks = scenario.variation.normalise(RECORDED.tasks)[::-1, 0]
    outcomes = outcome(RECORDED.returns.mean(1), scenario.outcome_scale)[::-1]
    for world in (0, 31):
        np.testing.assert_allclose(ledger[world, :16, 0], tasks, rtol=1e-5)  # the newest first
        np.testing.assert_allclose(ledger[world, :16, 1], outcomes, rtol=1e-5)
        np.testing.assert_array_equal(ledger[world, :, 2], np.arange(32) < 16)
    assert found["mean_outcome"] == pytest.approx(float(outcomes.mean()))
    proposed = [
        r.training.game.proposer.propose(r.training.game._ledger, r.training.game._setup)
        for r in (run, learner(EnvironmentAgent(shared_ledger=shared)))
    ]
    assert not np.array_equal(*proposed)  # whoever proposes has read it


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"query": SAMPLE}, "query_data without support_data"),
        ({"support": "sample"}, "support_data: sample: no such file; recorded trials are expected"),
        ({"support": b"x"}, "support_data is b'x'; recorded trials are expected"),
    ],
)
def test_what_is_no_warm_start_is_refused(data, message) -> None:
    with pytest.raises(ValueError, match=message):
        warm(**data)


def test_data_that_this_team_cannot_use_is_refused() -> None:
    with pytest.raises(ValueError, match="recorded on PointDir-v0, not on PointGoal-v0"):
        WarmStart.of("PointGoal-v0", {"support": SAMPLE})
    with pytest.raises(ValueError, match="environment_data without an EnvironmentAgent"):
        warm(environment=SAMPLE).apply(learner(), 0)
    with pytest.raises(ValueError, match="state_modeling forecasts nothing"):
        warm(sequence=SAMPLE).apply(learner(horizon=0), 0)
    blind = dataclasses.replace(RECORDED, tasks=np.full_like(RECORDED.tasks, np.nan))
    with pytest.raises(ValueError, match="tasks of some trials are not known"):
        warm(environment=blind).apply(learner(EnvironmentAgent()), 0)
    team = CollaborativeLearning([MetaLearningAgent(**TINY)])
    everything = PpoLearner(team.training_config("PointDir-v0", "centralised", 3_200))
    with pytest.raises(
        ValueError, match=r"support_data: meta_learning_0 observed .*; in this team it observes"
    ):
        warm(support=SAMPLE).apply(everything, 0)


def test_a_warm_start_is_part_of_what_a_run_is() -> None:
    assert warm(support=SAMPLE).digests == warm(support=RECORDED).digests
    assert warm(support=SAMPLE).digests != warm(support=RECORDED.part(slice(0, 3))).digests
    assert warm(support=SAMPLE, environment=SAMPLE).steps == 2 * int(RECORDED.lengths.sum())
