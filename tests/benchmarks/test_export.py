"""Exports: the schema that marl-eval reads, even by construction; rows; what a tracker is told."""

import dataclasses
import json
import sys

import numpy as np
import pytest

from benchmarks.export import main, marl_eval, rows, track
from benchmarks.record_store import write_record
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Run, Timings, record_key


def record(method, seed, *, scenario="PointDir-v0", points=2, late=0, base=0.0):
    returns = (((base + 1.0, base + 3.0), (base + 3.0, base + 5.0)), ((base, base), (base + 2.0, base + 2.0)))
    evaluations = (
        Evaluation(50 + late, "test", "mode", ((0.0,), (0.5,)), tuple(((0.0, 0.0),) * 2 for _ in range(2))),
        Evaluation(100 + late, "test", "mode", ((0.0,), (0.5,)), returns),
        Evaluation(100 + late, "test", "sampled", ((0.0,), (0.5,)), returns),
    )
    curve = tuple(CurvePoint(50 * (p + 1) + late, (p + base, p + base + 1.0)) for p in range(points))
    return Record(
        Run(scenario, method, seed, 100, "s", {}, "0", "c"),
        {"mujoco": "4"},
        Result({}, 100, curve, evaluations),
        Timings({}, 1.0, 1.0, 1.0, "2026-01-01"),
    )


def test_the_schema_of_marl_eval_by_hand():
    records = [record("a", 0), record("c", 0, late=3, base=10.0), record("floor", 0, points=0)]
    data, left_out = marl_eval(records)
    assert left_out == []
    assert list(data) == ["ma-ssm-env"]
    task = data["ma-ssm-env"]["PointDir-v0"]
    assert set(task) == {"a", "c", "floor"}
    assert task["a"]["seed_0"]["step_0"] == {"step_count": 53, "return": [0.5]}
    assert task["c"]["seed_0"]["step_1"] == {"step_count": 103, "return": [11.5]}
    assert task["a"]["seed_0"]["absolute_metrics"] == {"return": [2.0, 4.0, 0.0, 2.0]}
    assert task["floor"]["seed_0"]["step_1"] == {"step_count": 103, "return": [2.0]}
    counts = {
        method: [run[k]["step_count"] for run in runs.values() for k in ("step_0", "step_1")]
        for method, runs in task.items()
    }
    assert len({tuple(c) for c in counts.values()}) == 1


def test_absolute_metrics_are_of_the_test_tasks():
    whole = record("a", 0)
    ood = dataclasses.replace(whole.result.evaluations[1], split="ood", returns=(((9.0, 9.0),) * 2,) * 2)
    result = dataclasses.replace(whole.result, evaluations=(*whole.result.evaluations, ood))
    data, _ = marl_eval([dataclasses.replace(whole, result=result)])
    told = data["ma-ssm-env"]["PointDir-v0"]["a"]["seed_0"]["absolute_metrics"]
    assert told == {"return": [2.0, 4.0, 0.0, 2.0]}


def test_what_not_all_methods_have_is_left_out_and_said():
    records = [record("a", 0), record("b", 0, points=1), record("a", 1)]
    data, left_out = marl_eval(records)
    assert left_out == [
        "PointDir-v0 seed 0: points after number 1, which not all have",
        "PointDir-v0 seed 1: without b",
    ]
    runs = data["ma-ssm-env"]["PointDir-v0"]
    assert {method: list(found) for method, found in runs.items()} == {"a": ["seed_0"], "b": ["seed_0"]}
    assert set(runs["a"]["seed_0"]) == {"step_0", "absolute_metrics"}


def test_methods_of_another_budget_have_another_axis_and_are_left_out():
    # Their checks lie at other steps: side by side the shorter run would look as slow as the longer.
    even = [record(method, 0) for method in ("a", "b")]
    short = record("off", 0)
    short = dataclasses.replace(short, run=dataclasses.replace(short.run, budget=30))
    floor = record("floor", 0, points=0)
    floor = dataclasses.replace(floor, run=dataclasses.replace(floor.run, budget=7))  # it does not learn
    data, left_out = marl_eval([short, *even, floor])
    assert data == marl_eval([*even, floor])[0]
    assert [line.partition(":")[0] for line in left_out] == ["off"]


def test_rows_hold_every_return_once():
    one = record("a", 4)
    found = list(rows([one]))
    assert len(found) == 3 * 2 * 2 * 2
    last = [r for r in found if r["steps"] == 100 and r["actions"] == "mode"]
    values = np.zeros((2, 2, 2))
    for row in last:
        values[row["task"], row["trial"], row["episode"]] = row["return"]
        assert (row["record"], row["seed"], row["mujoco"]) == (record_key(one.run), 4, "4")
    np.testing.assert_array_equal(values, one.result.evaluations[1].array())


def test_a_tracker_is_told_every_point_in_the_order_of_steps():
    told = []

    class Tracker:
        def log(self, run, step, values):
            told.append((run, step, dict(values)))

    one = record("a", 0)
    track([one], Tracker())
    assert {run for run, _, _ in told} == {record_key(one.run)}
    assert [step for _, step, _ in told] == [50, 50, 100, 100, 100]
    assert told[0][2] == {"validation/episode_0": 0.0, "validation/episode_1": 1.0}
    assert {"test/mode/episode_0": 1.5, "test/mode/episode_1": 2.5} in [values for _, _, values in told]


def test_the_command(tmp_path, capsys):
    for method in ("a", "b"):
        write_record(tmp_path, record(method, 0))
    target = tmp_path / "marl.json"
    assert main([str(tmp_path), "--marl-eval", str(target)]) == 0
    assert json.loads(target.read_text()) == marl_eval([record("a", 0), record("b", 0)])[0]
    assert main([str(tmp_path)]) == 2
    assert main([str(tmp_path / "none"), "--marl-eval", str(target)]) == 2
    assert "no records" in capsys.readouterr().err


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch, capsys):
    write_record(tmp_path, record("a", 0))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert main([str(tmp_path), "--parquet", str(tmp_path / "x.parquet")]) == 2
    assert "pip install -e .[export]" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert main([str(tmp_path), "--tensorboard", str(tmp_path / "board")]) == 2
    assert "tensorboard is not installed" in capsys.readouterr().err


@pytest.mark.slow  # quick, but its package is installed for the slow tests alone
def test_parquet_is_read_back(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is an extra: pip install -e .[export]")
    write_record(tmp_path, record("a", 0))
    assert main([str(tmp_path), "--parquet", str(tmp_path / "x.parquet")]) == 0
    assert parquet.read_table(tmp_path / "x.parquet").to_pylist() == list(rows([record("a", 0)]))


def test_runs_of_another_configuration_are_left_out_and_said_to_be():
    kept = [record("mono-s5", seed) for seed in range(2)]
    odd = record("mono-s5", 0, base=100.0)
    odd = dataclasses.replace(odd, run=dataclasses.replace(odd.run, budget=odd.run.budget * 3))
    data, left_out = marl_eval([*kept, odd])
    assert data == marl_eval(kept)[0]
    assert any("2 different configurations" in line for line in left_out)
