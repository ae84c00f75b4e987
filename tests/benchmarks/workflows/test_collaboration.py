"""`solve_task`: trains, stops at the target, goes on to the bit, and says what it found."""

import dataclasses
import json
import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock, Timeout

import benchmarks.workflows.baseline as trainer
import benchmarks.workflows.session as session
from benchmarks.record_store import find_record, read_records, write_record
from benchmarks.records import record_key
from benchmarks.report.references import default_path, read_references
from benchmarks.runner import claim
from benchmarks.runner.claim import claimed
from benchmarks.workflows import CollaborationResult, CollaborativeLearning
from benchmarks.workflows.baseline import baseline, baseline_run
from benchmarks.workflows.learners import PpoLearner
from policies import (
    AdaptationAgent,
    CoordinatorAgent,
    EnvironmentAgent,
    MetaLearningAgent,
    StateModelingAgent,
    checkpoint,
)
from policies.adaptation import AdaptationConfig
from policies.training import Training

TINY = {"core": "mlp", "width": 8}
STEPS = 3_200  # an iteration


def workflow(**more) -> CollaborativeLearning:
    return CollaborativeLearning(
        [MetaLearningAgent(**TINY), AdaptationAgent(**TINY), StateModelingAgent(**TINY)],
        CoordinatorAgent(**TINY),
        **more,
    )


def solve(out: Path, team: CollaborativeLearning | None = None, **changes) -> CollaborationResult:
    given = {"budget": STEPS, "single_agent": None, "progress": False, "prediction_horizon": 0}
    return (team or workflow()).solve_task("PointDir-v0", out=out, **given | changes)


def test_a_result_says_all_that_was_asked(tmp_path, capsys) -> None:
    found = solve(tmp_path, single_agent="mono-mlp", current_performance=0.25, progress=True)
    assert (found.scenario, found.steps, found.reached) == ("PointDir-v0", STEPS, False)
    assert found.before is not None
    assert found.after is not None
    assert found.before.low <= found.before.estimate <= found.before.high
    assert found.before.estimate == pytest.approx(0.0, abs=0.02)  # an untrained team does nothing
    assert len(found.returns_after) == 2
    assert (found.baseline, found.baseline_steps) == ("mono-mlp", STEPS)
    assert found.improvement is not None
    gap = found.after.estimate - found.baseline_score.estimate
    reference, _ = read_references(default_path()).find("PointDir-v0", 2)
    width = reference.judged("oracle") - reference.judged("random")
    assert found.improvement.estimate == pytest.approx(gap * width, abs=0.01)
    assert set(found.diagnostics.contributions) == {
        "state_modeling",
        "meta_learning",
        "adaptation",
        "coordinator",
    }
    assert found.steps_to[0.9] == math.inf
    assert found.report.is_file()
    _, config, steps = checkpoint.load(found.checkpoint)
    assert (steps, config.options["absent_roles"]) == (STEPS, ["environment"])
    assert {record.run.method for record in read_records(found.report.parents[1])} == {
        "team-emergent",
        "mono-mlp",
    }
    text = str(found)
    for words in ("not reached after 3,200", "said to be 0.25", "of mono-mlp at 3,200 steps", "bits a step"):
        assert words in text
    assert "PointDir-v0 emergent" in capsys.readouterr().err
    assert json.loads((found.checkpoint.parent / "result.json").read_text())["steps"] == STEPS
    with pytest.raises(dataclasses.FrozenInstanceError):
        found.steps = 0  # type: ignore[misc]


def test_whoever_trains_holds_a_claim_on_the_run(tmp_path, monkeypatch) -> None:
    iterate, held = Training.iterate, set()

    def looked(self: Training) -> dict[str, float]:
        for path in tmp_path.rglob("*.lock"):
            lock = FileLock(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                held.add(path.name.split("--")[1])
            else:
                lock.release()
        return iterate(self)

    monkeypatch.setattr(Training, "iterate", looked)
    solve(tmp_path, single_agent="mono-mlp")
    assert held == {"team-emergent", "mono-mlp"}


def test_what_another_process_has_trained_in_the_meantime_is_taken(tmp_path, monkeypatch, capsys) -> None:
    run = baseline_run("PointDir-v0", 0, STEPS, "mono-mlp")
    made = baseline(run, tmp_path / "elsewhere")
    monkeypatch.setattr(claim, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(trainer, "execute", lambda *_: pytest.fail("it is trained twice"))
    held = threading.Event()

    def work() -> None:
        with claimed(tmp_path, run, lambda: None):
            held.set()
            time.sleep(0.2)
            write_record(tmp_path, made)

    other = threading.Thread(target=work)
    other.start()
    held.wait()
    leave_states(tmp_path / "elsewhere")
    found = find_record(tmp_path / "elsewhere", run)
    assert baseline(run, tmp_path) == baseline(run, tmp_path / "elsewhere") == found
    assert not states(tmp_path)
    other.join()
    assert f"another process does {record_key(run)}: waiting for it" in capsys.readouterr().err


def test_training_ends_at_the_target(tmp_path, monkeypatch) -> None:
    judge, splits = PpoLearner.judge, []
    monkeypatch.setattr(PpoLearner, "judge", lambda *given: splits.append(given[1]) or judge(*given))
    found = solve(tmp_path, target_performance=-1.0, budget=4 * STEPS)
    assert (found.reached, found.steps, found.budget) == (True, STEPS, 4 * STEPS)
    assert len(found.curve) == 1
    assert splits == ["test", "validation", "test"]  # before, to see whether to stop, and after
    assert "-1 on validation: reached after 3,200 of 12,800" in str(found)


def leave_states(folder) -> None:
    """As a process does that is killed just after it wrote a record."""
    records = list(folder.rglob("records/*.json"))
    assert records
    for path in records:
        left = path.parents[1] / "unfinished" / path.stem / "state-50"
        left.mkdir(parents=True)
        (left / "replay").write_bytes(b"1234")


def states(folder) -> list[Path]:
    return list(folder.rglob("unfinished/*"))


def test_an_interrupted_run_goes_on_to_the_bit_and_a_finished_one_is_read(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(session, "KEEP_EVERY_S", 0.0)
    whole = solve(tmp_path / "whole", budget=3 * STEPS)
    iterate, calls = Training.iterate, []

    def interrupted(self: Training) -> dict[str, float]:
        calls.append(self.steps)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return iterate(self)

    monkeypatch.setattr(Training, "iterate", interrupted)
    with pytest.raises(KeyboardInterrupt) as stopped:
        solve(tmp_path / "cut", budget=3 * STEPS)
    assert stopped.value.__notes__ == ["interrupted after 6,400 of 9,600 steps: the same call goes on"]
    found = solve(tmp_path / "cut", budget=3 * STEPS)
    assert calls == [0, STEPS, 2 * STEPS, 2 * STEPS]
    same = ("before", "after", "curve", "returns_after", "diagnostics", "steps_to")
    both = [result.to_json() for result in (found, whole)]
    assert {name: both[0][name] for name in same} == {name: both[1][name] for name in same}
    weights = [checkpoint.load(result.checkpoint)[0].state_dict() for result in (whole, found)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    leave_states(tmp_path / "cut")
    again = solve(tmp_path / "cut", budget=3 * STEPS)
    assert not states(tmp_path / "cut")
    assert len(calls) == 4
    assert again.to_json() == both[0]


@pytest.mark.slow
def test_the_baseline_is_trained_once_and_judged_wherever_a_team_may_stop(tmp_path) -> None:
    first = solve(tmp_path, single_agent="mono-mlp", target_performance=-1.0, budget=2 * STEPS)
    store = tmp_path / "baselines" / "records"
    (record,) = store.glob("*.json")
    written = record.stat().st_mtime_ns
    second = solve(tmp_path, single_agent="mono-mlp", target_performance=None, budget=2 * STEPS)
    assert record.stat().st_mtime_ns == written
    assert (first.baseline_steps, second.baseline_steps) == (STEPS, 2 * STEPS)
    assert first.baseline_score != second.baseline_score
    judged = baseline_run("PointDir-v0", 3, 300_000).configuration["judged"]
    assert judged == [15_000 * (i + 1) for i in range(20)]


def test_a_scenario_without_references_has_no_target_but_a_result(tmp_path) -> None:
    with pytest.raises(
        ValueError, match=r"target_performance=0\.9: the reference table has no HalfCheetah-v0"
    ):
        workflow().solve_task("HalfCheetah-v5", out=tmp_path, progress=False)
    found = workflow().solve_task(
        "ma_ssm/InvertedPendulum-v4".removeprefix("ma_ssm/"),
        target_performance=None,
        budget=1,
        out=tmp_path,
        progress=False,
        single_agent=None,
    )
    assert (found.scenario, found.asked) == ("InvertedPendulum-v0", "InvertedPendulum-v4")
    assert (found.before, found.after, found.improvement) == (None, None, None)
    assert np.isfinite(found.curve[-1][1])
    assert "asked for as InvertedPendulum-v4" in str(found)


def test_an_environment_agent_chooses_the_training_tasks(tmp_path) -> None:
    team = CollaborativeLearning(
        [MetaLearningAgent(**TINY), StateModelingAgent(**TINY), EnvironmentAgent(width=8)]
    )
    found = solve(tmp_path, team)
    assert found.parameters["proposer"] > 0
    assert set(found.diagnostics.contributions) == {"state_modeling", "meta_learning"}


@pytest.mark.slow
def test_inner_steps_are_judged_after_they_were_taken(tmp_path) -> None:
    meta = MetaLearningAgent(**TINY, inner_steps=1, tasks=2, trials=2)
    found = solve(tmp_path, CollaborativeLearning([meta, StateModelingAgent(**TINY)]), budget=2_400)
    assert found.steps == 2_400  # two phases of 2 x 2 trials of 100 steps, three times
    assert found.returns_before != found.returns_after


@pytest.mark.slow
def test_the_adaptation_role_goes_on_learning_where_it_is_asked_to(tmp_path) -> None:
    online = AdaptationConfig(window=4, surprise=0.0)
    team = CollaborativeLearning(
        [StateModelingAgent(**TINY), AdaptationAgent(**TINY, online=online)], CoordinatorAgent(**TINY)
    )
    with pytest.raises(ValueError, match=r"online=AdaptationConfig.* on PointDir-v0: .*'centralised'"):
        solve(tmp_path, team)
    assert not list(tmp_path.iterdir())
    found = solve(tmp_path, team, collaboration_mode="centralised")
    assert found.online is not None
    assert found.online.events["adapts"] >= 100  # it is never refused, in none of 20 x 5 trials
    assert "refused" not in found.online.events
    assert "test-time adaptation" in str(found)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"target_performance": "high"}, "target_performance='high'"),
        ({"target_performance": 90}, "target_performance=90: a normalised score is expected, such as 0.9"),
        ({"current_performance": float("nan")}, "current_performance=nan"),
        ({"prediction_horizon": 11}, "prediction_horizon=11: a whole number, 0 to 10"),
        ({"budget": 0}, "budget=0: a whole number, 1 or more,"),
        ({"seed": -1}, "seed=-1"),
        ({"collaboration_mode": "loud"}, "collaboration_mode='loud'"),
        (
            {"support_data": "no-such-file.npz"},
            "support_data: no-such-file.npz: no such file; recorded trials",
        ),
        ({"sequence_data": 3}, "sequence_data is 3; recorded trials are expected"),
    ],
)
def test_what_cannot_be_used_is_named_before_anything_is_done(tmp_path, change, message) -> None:
    with pytest.raises(ValueError, match=message):
        solve(tmp_path, **change)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_team_learns_to_talk(tmp_path) -> None:
    team = CollaborativeLearning(
        [MetaLearningAgent(core="mlp"), StateModelingAgent()], CoordinatorAgent(core="mlp")
    )
    found = solve(tmp_path, team, budget=64_000, target_performance=0.5)
    assert found.reached
    assert found.after.low > 0.3
    assert found.diagnostics.listening.low > 20.0
    silent = solve(tmp_path, team, budget=16_000, target_performance=0.5, collaboration_mode="silent")
    assert not silent.reached
    assert abs(silent.after.estimate) < 0.15
