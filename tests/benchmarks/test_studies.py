"""The studies of MAML, adaptation and curricula: what they play, charge and write, on tiny rows."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.runner.software import versions
from benchmarks.studies import adaptation, curriculum, maml, maml_rows, maml_training, settings
from benchmarks.studies.command import run_study
from benchmarks.studies.learned_teacher import LearnedTeacher
from benchmarks.studies.over_seeds import over_seeds, paired, unpaired
from benchmarks.studies.settings import plain as as_json
from ma_ssm_env import ScriptedPolicy
from ma_ssm_env.ledger import Ledger
from ma_ssm_env.scenarios import find_scenario
from ma_ssm_env.whole_file import replace_file
from policies import checkpoint
from policies.config import TrainConfig
from policies.curriculum_learner import CurriculumConfig
from policies.game import AGENT, Game
from policies.maml import InnerConfig
from policies.maml import train as maml_train
from policies.train import Trained, train

TINY = {"episodes_per_trial": 1, "horizon": 6}


# -- what several seeds found ---------------------------------------------------------------------------


def test_intervals_are_students_over_seeds() -> None:
    assert over_seeds([[0.0, 2.0], [2.0, 2.0], [3.0, 3.0]]) == "2.0 (-0.5 to 4.5)"  # seeds 1, 2, 3
    assert over_seeds([5.0]) == "5.0"
    assert over_seeds([[1.0, 3.0]], 0, "trials") == "2 (-11 to 15 over trials)"
    assert paired([3.0, 5.0], [1.0, 3.0]) == "2.0 (2.0 to 2.0)"
    # Welch: standard errors 1 and 1, 2 degrees of freedom, t = 4.303.
    assert unpaired([3.0, 5.0], [1.0, 3.0]) == "2.0 (-4.1 to 8.1)"
    assert unpaired([3.0, 5.0], [1.0]) == "-"


# -- the command line of a study ------------------------------------------------------------------------


def test_a_run_that_diverges_ends_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def run_row(name: str, seed: int, out: Path, scratch: Path, allow_mixed: bool) -> Path:
        if (name, seed) == ("a", 0):
            raise FloatingPointError("loss is nan")
        return out / f"{name}-seed{seed}.json"

    arguments = ["a", "b", "--seeds", "0", "1", "--out", str(tmp_path)]
    code = run_study(
        arguments,
        prog="study",
        description=None,
        rows=("a", "b"),
        run_row=run_row,
        table=lambda folder: "",
        out=tmp_path,
        scratch=tmp_path,
    )
    said = capsys.readouterr()
    assert code == 1
    assert said.out.split() == [str(tmp_path / f"{name}.json") for name in ("a-seed1", "b-seed0", "b-seed1")]
    assert said.err.splitlines()[-1] == "diverged, without a record: a of seed 0"


# -- the settings of records ----------------------------------------------------------------------------


def test_a_record_is_taken_for_one_of_its_settings_alone(tmp_path: Path) -> None:
    path = tmp_path / "a-seed0.json"
    asked = {"row": InnerConfig(), "law": curriculum.rarely_far, "training": {"seed": 3, "sizes": (1, 2)}}
    assert not settings.is_done(path, asked)
    settings.write(path, {"found": 1.5}, asked)
    assert settings.is_done(path, {**asked, "training": {"seed": 4, "sizes": [1, 2]}})  # seeds apart
    record = settings.read(path, asked)
    assert (record["found"], record["versions"]) == (1.5, versions())
    assert record["settings"]["law"] == "rarely_far"
    changed = {**asked, "row": dataclasses.replace(InnerConfig(), rate=0.7)}
    with pytest.raises(
        settings.SettingsError, match=r"a-seed0\.json: made with row\.rate 0\.1, and now it is 0\.7"
    ):
        settings.is_done(path, changed)
    with pytest.raises(settings.SettingsError, match=r"made with new not recorded, and now it is 1 .*--out"):
        settings.read(path, {**asked, "new": 1})
    path.write_text("{}")
    with pytest.raises(settings.SettingsError, match="its settings are not recorded"):
        settings.is_done(path, asked)


def _of_versions(path: Path, **other: str) -> None:
    """Make the record at `path` one of other versions; of none at all without `other`."""
    record = json.loads(path.read_text())
    made_with = record.pop("versions", versions())
    path.write_text(json.dumps({**record, "versions": {**made_with, **other}} if other else record))


def test_a_record_of_other_versions_is_reused_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, asked = tmp_path / "a-seed0.json", {"rate": 1}
    settings.write(path, {}, asked)
    assert settings.is_done(path, asked)
    assert capsys.readouterr().err == ""
    _of_versions(path, mujoco="3.14.0")
    with pytest.raises(settings.SettingsError, match=r"made with mujoco 3\.14\.0 \(here .*--allow-mixed"):
        settings.is_done(path, asked)
    assert settings.is_done(path, asked, allow_mixed=True)
    assert "as --allow-mixed says: made with mujoco 3.14.0" in capsys.readouterr().err
    _of_versions(path)
    assert settings.is_done(path, asked)
    assert "versions that made it are not recorded" in capsys.readouterr().err
    path.write_text(json.dumps({"settings": asked, "code": "0.0.9"}))  # the first records say so much
    with pytest.raises(settings.SettingsError, match=r"made with ma-ssm-env 0\.0\.9"):
        settings.is_done(path, asked)


def test_a_table_of_several_versions_says_so(tmp_path: Path) -> None:
    paths = [tmp_path / f"pointdir-maml-seed{seed}.json" for seed in range(3)]
    for seed, path in enumerate(paths):
        path.write_text(_maml_record("pointdir-maml", seed, [1.0], [2.0]))
    plain = maml.table(tmp_path)
    assert "Mixed" not in plain  # none says its versions
    _of_versions(paths[0], mujoco="3.14.0")
    said = maml.table(tmp_path).removeprefix(plain)
    assert said == "\nMixed versions: not recorded in 2 of 3 records. Differences may come from that.\n"
    for path in paths[1:]:
        _of_versions(path, mujoco="4.0.0")
    said = maml.table(tmp_path).removeprefix(plain)
    assert said == "\nMixed versions: mujoco 3.14.0 / 4.0.0. Differences may come from that.\n"


def test_rows_whose_settings_changed_do_not_keep_their_old_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "pointdir-maml-seed0.json"
    path.write_text(_maml_record("pointdir-maml", 0, [1.0], [2.0]))
    assert maml.main(["table", "--out", str(tmp_path)]) == 0
    row = maml.ROWS["pointdir-maml"]
    monkeypatch.setitem(maml.ROWS, "pointdir-maml", dataclasses.replace(row, steps=7))
    for what in ("table", "pointdir-maml"):
        assert maml.main([what, "--out", str(tmp_path), "--scratch", str(tmp_path / "s")]) == 2
        assert "made with row.steps 300000, and now it is 7" in capsys.readouterr().err
    monkeypatch.setitem(curriculum.STUDIES, "hopper", curriculum.Study("HopperRandParams-v0", 3_200))
    settings.write(tmp_path / "curriculum-hopper-uniform-seed0.json", {}, {"study": {}})
    assert curriculum.main(["table", "--out", str(tmp_path)]) == 2
    assert "curriculum-hopper-uniform-seed0.json: made with" in capsys.readouterr().err


def test_committed_records_are_of_the_rows_as_they_are() -> None:
    for study in (maml, adaptation, curriculum):
        assert study.table(study.RESULTS)
    named = [f"{name}-seed" for name in maml.ROWS] + [f"adapt-{name}-seed" for name in adaptation.ROWS]
    named += [f"curriculum-{name}-{t}-seed" for name, s in curriculum.STUDIES.items() for t in s.teachers]
    for path in maml.RESULTS.glob("*-seed*.json"):
        assert any(path.name.startswith(name) for name in named), path


def test_a_history_tells_no_return_where_no_inner_episode_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(row for row in maml.ROWS.values() if row.kind == "memory")
    entries = [{"steps": 80.0}, {"steps": 160.0, "episode_return": 1.234}]
    monkeypatch.setattr(maml_rows, "train", lambda config: Trained(None, config, 160, entries))
    assert maml_rows._memory(row, 0) == (None, 160, [[160, 1.23]])


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
    ledgers = seen[-1][:, 3:].reshape(2, 32, 3)  # of each world its own; the newest trial first
    assert seen[-1][:, 0].tolist() == [1.0, 1.0]
    assert ledgers[0, :3, 2].tolist() == [1.0, 1.0, 0.0]
    assert ledgers[0, :2, 0].tolist() == pytest.approx([0.2, 0.1])
    scaled = (np.array(returns[::-1]) - low) / (high - low)  # [2 trials, 2 worlds]
    np.testing.assert_allclose(ledgers[:, :2, 1].T, scaled, rtol=1e-4)
    assert [float(task[0]) for task in game.played] == pytest.approx([0.1, 0.1, 0.2, 0.2])


def test_each_decision_of_the_learned_teacher_is_paid_the_progress_of_its_own_trial() -> None:
    teacher = LearnedTeacher(1, 3, seed=0, config=CurriculumConfig(decisions=2))
    worlds = np.arange(3.0)
    shown, rng = np.zeros((3, 3 + 96), np.float32), np.random.default_rng(0)
    chosen = []
    for begins in ([1, 1, 1], [1, 1, 1], [0, 1, 0], [1, 0, 0], [0, 1, 0]):
        # A trial's payment says whose it is: its world, and how many trials that world had before.
        shown[:, 0] = begins
        if len(chosen) >= 2:
            counts = np.array([sum(b[w] for _, b in chosen) - 2 for w in range(3)])
            teacher.pay(10.0 * counts + worlds, np.array(begins, dtype=bool))
        chosen.append((teacher.act(shown, None, rng)[0][:, 0], begins))
    of_world = [[float(p[w]) for p, begins in chosen if begins[w]] for w in range(3)]
    paid = teacher.learner._finished
    assert paid.payments.tolist() == [1.0, 0.0, 11.0]
    assert paid.actions[:, 0].tolist() == [of_world[1][0], of_world[0][0], of_world[1][1]]
    assert all(p[w] == 0.0 for p, begins in chosen for w in range(3) if not begins[w])
    with pytest.raises(ValueError, match="4 worlds: this teacher was made for 3"):
        teacher.initial_memory(4)


def test_the_learned_teacher_moves_to_the_tasks_where_returns_change() -> None:
    teacher = LearnedTeacher(1, 32, 0, CurriculumConfig(decisions=32, learning_rate=1e-2))
    ledger, rng = Ledger(32, ["real"]), np.random.default_rng(0)
    shown = np.ones((32, 3), np.float32)
    coming, _ = teacher.act(np.concatenate([shown, ledger.rows()], 1), None, rng)
    means = []
    for trial in range(30):
        present = np.clip(coming, -1.0, 1.0)
        coming, _ = teacher.act(np.concatenate([shown, ledger.rows()], 1), None, rng)
        # Above 0.5 the outcome goes up and down from trial to trial; elsewhere nothing is learnt.
        outcomes = np.where(present[:, 0] > 0.5, float(trial % 2), 0.0).astype(np.float32)
        worlds = np.arange(32)
        teacher.pay(ledger.learning_progress(worlds, present, outcomes), np.ones(32, dtype=bool))
        ledger.record(worlds, present, outcomes)
        teacher.learner.learn()
        means.append(float(present.mean()))
    assert abs(np.mean(means[:3])) < 0.3
    assert np.mean(means[-10:]) > 0.5


def test_far_goals_are_rare_under_uniform_proposals() -> None:
    uniform = np.stack(np.meshgrid(np.linspace(-1, 1, 2001), [-1.0, 0.5]), axis=-1)
    tasks = curriculum.rarely_far(uniform)
    law = find_scenario("PointGoal-v0").variation
    assert tasks.max(axis=(0, 1)).tolist() == [2.5, np.pi / 2]
    assert np.median(tasks[..., 0]) == pytest.approx(2.5 / 8)
    assert (tasks[..., 0] > law.coordinates[0].high).mean() == pytest.approx(0.112, abs=0.002)
    for task in tasks[:, ::500].reshape(-1, 2):
        law.checked(task)


def test_teachers_are_charged_alike_and_judged_on_the_same_tasks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = curriculum.Study("PointGoal-v0", 3_200)
    monkeypatch.setattr(curriculum, "STUDIES", {"tiny": study})
    records = []
    for teacher in curriculum.TEACHERS:
        records.append(json.loads(curriculum.run_one("tiny", teacher, 0, tmp_path).read_text()))
        assert records[-1]["versions"] == versions()
    assert [record["steps"] for record in records] == [3_200] * 4
    assert all(len(record["test"]) == 20 and len(record["ood"]) == 20 for record in records)
    assert records[0]["test"] != records[1]["test"]
    assert [record.get("trials") for record in records] == [None, 32, 32, 32]
    lines = curriculum.table(tmp_path).splitlines()
    assert [line.split("|")[2].strip() for line in lines[2:]] == list(curriculum.TEACHERS)


# -- MAML -----------------------------------------------------------------------------------------------


def test_a_row_is_trained_judged_written_and_not_done_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = {"options": TINY, "tasks": 2, "trials": 3, "width": 8, "steps": 72, "judged": (0, 2)}
    rows = {
        "a": maml_rows.Row("PointDir-v0", "maml", **small),
        "b": maml_rows.Row("PointDir-v0", "multitask", **small),
        "c": maml_rows.Row(
            "PointDir-v0", "maml", team=True, judged_roles=("adaptation",), inner=InnerConfig(), **small
        ),
    }
    monkeypatch.setattr(maml, "ROWS", rows)
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
    lines = maml.table(tmp_path).splitlines()
    assert lines[2].split(" | ")[6:] == ["0", "2", "3", "gain |"]
    # Two lines, by the mode and by samples, for each thing that adapts.
    assert [(row[1], row[5]) for row in _cells(lines[4:])] == [
        *[("`a`", "all")] * 2, *[("`b`", "all")] * 2, *[("`c`", "all")] * 2, *[("`c`", "adaptation")] * 2
    ]  # fmt: skip


def _cells(lines: list[str]) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("|")]


def _maml_record(row: str, seed: int, before: list[float], after: list[float]) -> str:
    points = [(0, before), (10, after)]
    curve = [
        {"episodes": e, "steps": 0, "returns": [[v] for v in values], "sampled": values}
        for e, values in points
    ]
    found = {"row": row, "seed": seed, "steps": 1000, "cpu_s": 5.0, "curve": curve}
    return json.dumps({**found, "settings": as_json(maml_rows.settings(maml.ROWS[row]))})


def test_the_table_has_intervals_over_seeds_and_gains_seed_by_seed(tmp_path: Path) -> None:
    for seed, (before, after) in enumerate([(0.0, 10.0), (10.0, 22.0), (20.0, 34.0)]):
        content = _maml_record("pointdir-maml", seed, [before - 5, before + 5], [after, after])
        (tmp_path / f"pointdir-maml-seed{seed}.json").write_text(content)
    alone = _maml_record("pointdir-multitask", 0, [1.0, 3.0], [4.0, 4.0])
    (tmp_path / "pointdir-multitask-seed0.json").write_text(alone)
    mode, _, single, _ = _cells(maml.table(tmp_path).splitlines()[4:])
    # Three seeds: t(2) = 4.303, deviations 10 of the returns before and 2 of the gains 10, 12, 14.
    assert mode[2] == "3"
    assert mode[7] == "10.0 (-14.8 to 34.8)"
    assert mode[9] == "12.0 (7.0 to 17.0)"
    # One seed: t(1) = 12.706 over two tasks of deviation sqrt(2).
    assert single[7] == "2.0 (-10.7 to 14.7 over tasks)"
    assert single[9] == "2.0 (-10.7 to 14.7 over tasks)"


def test_a_row_that_is_killed_at_any_point_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = dataclasses.replace(
        maml.ROWS["dir-maml"],
        scenario="PointDir-v0",
        options=TINY,
        tasks=2,
        trials=3,
        width=8,
        steps=500,
    )
    config = maml_rows.configuration(row, 0)
    whole, history, earlier_s = maml_training.meta_train(config, tmp_path / "whole")
    assert earlier_s == 0.0
    assert len(history) == 7
    cut = tmp_path / "cut"
    for written in (0, 1, 2, 3):  # files: the log and the state after 5 iterations, and those of the end
        with monkeypatch.context() as patch:
            _killed_after(patch, written)
            with pytest.raises(KeyboardInterrupt):
                maml_training.meta_train(config, cut)
        log = cut / maml_training.LOG
        if log.exists():
            kept = json.loads(log.read_text())["iterations"]
            kept = [[*line[:-1], 1000.0 * (1 + i)] for i, line in enumerate(kept)]
            log.write_text(json.dumps({"versions": versions(), "iterations": kept}))
        again, found, earlier_s = maml_training.meta_train(config, cut)
        assert found == history
        assert again.steps == whole.steps == 504
        assert earlier_s == (0.0 if written < 2 else 5000.0)
        for name, value in whole.network.state_dict().items():
            assert torch.equal(value, again.network.state_dict()[name]), name
        spent = [line[-1] for line in json.loads(log.read_text())["iterations"]]
        assert spent == sorted(spent)
        assert (spent[-1] > 5000.0) == (written >= 2)
        shutil.rmtree(cut)


def _killed_after(patch: pytest.MonkeyPatch, writes: int) -> None:
    """The training of MAML is killed in the place of writing one more file."""
    done: list[Path] = []

    def write(path: Path, content: str | bytes) -> None:
        if len(done) == writes:
            raise KeyboardInterrupt
        done.append(path)
        replace_file(path, content)

    patch.setattr(maml_training, "replace_file", write)
    patch.setattr(maml_train, "replace_file", write)


def test_what_is_kept_of_a_meta_training_fits_its_state_and_its_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = maml_rows.Row(
        "PointDir-v0", "maml", options=TINY, tasks=2, trials=3, width=8, steps=72, judged=(0,)
    )
    monkeypatch.setattr(maml, "ROWS", {"a": row})
    arguments = ["a", "--out", str(tmp_path), "--scratch", str(tmp_path / "s")]
    assert maml.main(arguments) == 0
    path, log = tmp_path / "a-seed0.json", tmp_path / "s" / "a-seed0" / maml_training.LOG
    kept = json.loads(log.read_text())
    kept["iterations"][-1][-1] = 5000.0
    log.write_text(json.dumps(kept))
    path.unlink()
    assert maml.main(arguments) == 0
    assert 5000.0 <= json.loads(path.read_text())["cpu_s"] < 5100.0
    path.unlink()
    for content, said in (
        (None, "holds 0 of the 1 iterations of the state beside it"),
        ({**kept, "versions": {"mujoco": "3.14.0"}}, "kept of a training with mujoco 3.14.0 (here "),
    ):
        log.unlink() if content is None else log.write_text(json.dumps(content))
        capsys.readouterr()
        assert maml.main(arguments) == 2
        assert said in capsys.readouterr().err
    monkeypatch.setattr(maml, "ROWS", {"a": dataclasses.replace(row, steps=73)})
    assert maml.main(arguments) == 2
    assert "a run with another steps" in capsys.readouterr().err
    assert not path.exists()


# -- adaptation -----------------------------------------------------------------------------------------


def test_a_kept_policy_is_reused_for_its_own_training_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    row = dataclasses.replace(adaptation.ROWS["point-flip"], steps=3_200)
    folder = tmp_path / "adapt-tiny-seed0"
    trainings: list[TrainConfig] = []

    def trained(config: TrainConfig) -> Trained:
        trainings.append(config)
        return train(dataclasses.replace(config, steps=0))

    monkeypatch.setattr(adaptation, "train", lambda config: dataclasses.replace(trained(config), steps=3_200))
    network, spent_s = adaptation._policy(row, 0, folder)
    cost = json.loads((folder / adaptation.COST).read_text())
    assert cost == {"cpu_s": spent_s, "versions": versions()}
    (folder / adaptation.COST).write_text(json.dumps({**cost, "cpu_s": 5000.0}))
    again, spent_s = adaptation._policy(row, 0, folder)
    assert spent_s == 5000.0
    assert len(trainings) == 1
    for name, value in network.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    monkeypatch.setattr(adaptation, "ROWS", {"tiny": row})
    config = adaptation._training(row, 0)

    def refused() -> str:
        written = (folder / checkpoint.FILE).read_bytes()
        arguments = ["tiny", "--out", str(tmp_path / "out"), "--scratch", str(tmp_path)]
        assert adaptation.main(arguments) == 2
        assert (folder / checkpoint.FILE).read_bytes() == written
        assert len(trainings) == 1
        return capsys.readouterr().err

    (folder / adaptation.COST).write_text(json.dumps({"cpu_s": 1.0, "versions": {"mujoco": "3.14.0"}}))
    assert "kept of a training with mujoco 3.14.0 (here " in refused()
    (folder / adaptation.COST).unlink()
    assert f"a checkpoint without {adaptation.COST}" in refused()
    checkpoint.save(folder, network, config, 7)
    assert "trained for 7 of 3,200 steps: move the folder away" in refused()
    for other, said in (
        (dataclasses.replace(config, seed=99), "made with seed 99, and now it is 0"),
        (dataclasses.replace(config, scenario="PointDir-v0"), "scenario PointDir-v0, and now it is PointSw"),
        (dataclasses.replace(config, steps=7), "made with steps 7, and now it is 3200"),
    ):
        checkpoint.save(folder, network, other, other.steps)
        assert said in refused()
    (folder / checkpoint.FILE).write_text("{}")
    assert "checkpoint.json: format None" in refused()


@pytest.mark.slow
def test_an_adaptation_row_measures_change_and_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = dataclasses.replace(adaptation.ROWS["point-flip"], steps=3_200, trials=1)
    monkeypatch.setattr(adaptation, "ROWS", {"tiny": row})
    path = adaptation.run_row("tiny", 0, tmp_path, tmp_path / "scratch")
    cost = tmp_path / "scratch" / "adapt-tiny-seed0" / adaptation.COST
    cost.write_text(json.dumps({"cpu_s": 5000.0, "versions": versions()}))
    path.unlink()  # as if it had been cut off while it was judged
    record = json.loads(adaptation.run_row("tiny", 0, tmp_path, tmp_path / "scratch").read_text())
    assert 5000.0 < record["cpu_s"] < 6000.0
    assert set(record) >= {"plain", "adapts/features", "adapts/actuators", "forecast_error"}
    assert len(record["plain"]["deficit"]) == 20
    assert "harm" in record["adapts/actuators"]
    assert "| actuators |" in adaptation.table(tmp_path)


def test_what_adaptation_saves_is_counted_seed_by_seed(tmp_path: Path) -> None:
    def measured(deficit: float, share: float) -> dict[str, object]:
        found = {"level": [2.0, 2.0], "deficit": [deficit, deficit + 20.0], "after": [1.0, 1.0]}
        return found | {"recovery_steps": [30, None], "harm": share, "ms_per_step": 1.0, "worlds": 2}

    def made_with(row: str) -> dict[str, object]:
        return {"row": row, "settings": as_json(adaptation.settings(adaptation.ROWS[row]))}

    for seed, deficit in enumerate([100.0, 200.0, 300.0]):
        record = made_with("point-flip") | {"plain": measured(deficit, 0.0)}
        record["adapts/actuators"] = measured(deficit - 40.0 - 2.0 * seed, 0.01 * (1 + seed))
        (tmp_path / f"adapt-point-flip-seed{seed}.json").write_text(json.dumps(record))
    fell = measured(0.0, 0.0) | {"level": [], "deficit": [], "after": [], "recovery_steps": []}
    record = made_with("hopper-fault") | {"plain": fell, "adapts/features": fell}
    (tmp_path / "adapt-hopper-fault-seed0.json").write_text(json.dumps(record))
    plain, adapted, *none = _cells(adaptation.table(tmp_path).splitlines()[2:])
    assert [line[2] for line in none] == ["0 of 1 met their change"] * 2
    assert plain[5] == "210.0 (-38.4 to 458.4)"
    assert adapted[6] == "42.0 (37.0 to 47.0)"
    assert adapted[8:11] == ["50 (50 to 50)", "never", "2.00 (-0.48 to 4.48)"]
