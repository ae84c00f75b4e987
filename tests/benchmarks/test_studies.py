"""The studies of MAML, adaptation and curricula: what they play, charge and write, on tiny rows."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.studies import adaptation, curriculum, maml
from ma_ssm_env import ScriptedPolicy
from policies.game import AGENT, Game
from policies.maml import InnerConfig

TINY = {"episodes_per_trial": 1, "horizon": 6}


# -- curricula ------------------------------------------------------------------------------------------


def _taught(proposals: list[float]) -> tuple[curriculum.TaughtGame, list[np.ndarray]]:
    """Two worlds of PointDir; the teacher proposes these, one call after the other."""
    seen: list[np.ndarray] = []

    def propose(observations: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        seen.append(observations.copy())
        return np.full((2, 1), proposals[len(seen) - 1], np.float32)

    game = Game("PointDir-v0", 2, False, {**TINY, "reveal_task": True})
    return curriculum.TaughtGame(game, ScriptedPolicy(propose), np.random.default_rng(0)), seen


def test_trials_are_played_on_what_the_teacher_proposed_and_their_outcomes_come_back() -> None:
    proposals = [0.1, 0.2, 0.3, 0.4]
    game, seen = _taught(proposals)
    observations = game.reset(0)[AGENT]
    shown, returns = [float(observations[0, -1])], []
    for _ in range(12):
        observations, _, _, infos = game.step({AGENT: torch.full((2, 2), 0.5)})
        if infos["episode_ended"][0]:
            shown.append(float(observations[AGENT][0, -1]))
            returns.append(infos["episode_return"])
    assert shown == pytest.approx(proposals[:3])
    low, high = game.scenario.outcome_scale
    top = seen[-1][0, 3:].reshape(
        32, 3
    )  # the newest first: two worlds of the second trial, then of the first
    assert top[:5, 2].tolist() == [1.0, 1.0, 1.0, 1.0, 0.0]
    assert top[:4, 0].tolist() == pytest.approx([0.2, 0.2, 0.1, 0.1])
    scaled = [(r - low) / (high - low) for r in (*returns[1][::-1], *returns[0][::-1])]
    assert top[:4, 1].tolist() == pytest.approx(scaled, rel=1e-4)


def test_teachers_are_charged_alike_and_judged_on_the_same_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = curriculum.Study("PointGoal-v0", 3_200)
    monkeypatch.setattr(curriculum, "STUDIES", {"tiny": study})
    records = []
    for teacher in curriculum.TEACHERS:
        records.append(json.loads(curriculum.run_one("tiny", teacher, 0, tmp_path).read_text()))
    assert [record["steps"] for record in records] == [3_200] * 3
    assert all(len(record["test"]) == 20 and len(record["ood"]) == 20 for record in records)
    assert records[0]["test"] != records[1]["test"]
    assert records[2]["trials"] == 32  # what ALP-GMM read off the ledger: a trial of each world
    lines = curriculum.table(tmp_path).splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:]] == list(curriculum.TEACHERS)


# -- MAML -----------------------------------------------------------------------------------------------


def test_a_row_is_trained_judged_written_and_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"options": TINY, "tasks": 2, "trials": 3, "width": 8, "steps": 72}
    rows = {
        "a": maml.Row("PointDir-v0", "maml", **small),
        "b": maml.Row("PointDir-v0", "multitask", **small),
        "c": maml.Row(
            "PointDir-v0", "maml", team=True, judged_roles=("adaptation",), inner=InnerConfig(), **small
        ),
    }
    monkeypatch.setattr(maml, "ROWS", rows)
    monkeypatch.setattr(maml, "EPISODES", (0, 2))
    records = {}
    for name in rows:
        path = maml.run_row(name, 0, tmp_path, tmp_path / "scratch")
        records[name] = json.loads(path.read_text())
        written = path.stat().st_mtime_ns
        assert maml.run_row(name, 0, tmp_path, tmp_path / "scratch") == path
        assert path.stat().st_mtime_ns == written
    assert [records[name]["steps"] for name in rows] == [72, 72, 72]
    assert [point["episodes"] for point in records["a"]["curve"]] == [0, 2]
    assert records["b"]["rate"] > 0.0
    assert [point["episodes"] for point in records["c"]["curve/adaptation"]] == [3]
    text = maml.table(tmp_path)
    assert text.count("\n") == 2 + 2 + 2 + 3
    assert "| adaptation | 3 |" in text


def test_an_interrupted_row_goes_on(tmp_path: Path) -> None:
    row = dataclasses.replace(
        maml.ROWS["dir-maml"],
        scenario="PointDir-v0",
        options=TINY,
        tasks=2,
        trials=3,
        width=8,
        steps=500,
    )
    whole, history = maml._meta_train(row, 0, tmp_path / "whole")
    (tmp_path / "cut").mkdir()
    run = maml.MetaTraining(maml.configuration(row, 0))
    for _ in range(5):
        run.iterate()
    run.save(tmp_path / "cut")
    (tmp_path / "cut" / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in history[:5]))
    again, found = maml._meta_train(row, 0, tmp_path / "cut")
    assert found == history
    assert again.steps == whole.steps == 504
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


# -- adaptation -----------------------------------------------------------------------------------------


@pytest.mark.slow
def test_an_adaptation_row_measures_change_and_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = dataclasses.replace(adaptation.ROWS["point-flip"], steps=3_200, trials=1)
    monkeypatch.setattr(adaptation, "ROWS", {"tiny": row})
    record = json.loads(adaptation.run_row("tiny", 0, tmp_path, tmp_path / "scratch").read_text())
    assert set(record) >= {"plain", "adapts/features", "adapts/actuators", "forecast_error"}
    assert len(record["plain"]["deficit"]) == 20
    assert "harm" in record["adapts/actuators"]
    assert "| actuators |" in adaptation.table(tmp_path)
