"""The reference table: ceilings that can be worked out by hand, and which oracle is taken."""

import dataclasses
import json

import numpy as np
import pytest

import benchmarks.reference
from benchmarks.record_index import INDEX
from benchmarks.record_store import write_record
from benchmarks.records import CurvePoint, Evaluation, Record, Result, Timings
from benchmarks.reference import (
    BLIND,
    BUDGETS,
    OFF_POLICY_BUDGET,
    ORACLES,
    RANDOM_TRIALS,
    TRAINED_BLIND,
    _last_quarter,
    blind_ceiling,
    main,
    measure,
)
from benchmarks.reference_table import reference_table
from benchmarks.report.references import read_references
from benchmarks.runner.execute import plan
from benchmarks.runner.methods import METHODS
from benchmarks.runner.schedule import Done
from benchmarks.runner.software import versions
from benchmarks.runner.suites import Suite
from ma_ssm_env import SCENARIOS, random_policy
from ma_ssm_env.evaluation import evaluate


def test_blind_ceilings_by_hand():
    assert blind_ceiling("PointDir-v0")[0] == 0.0
    # 20 speeds evenly over [0, 3] m/s; at 1.5 m/s one is 0.75 m/s off on average, for 200 steps.
    ceiling, how = blind_ceiling("HalfCheetahVel-v0")
    assert ceiling == -150.0
    assert "median speed" in how
    assert blind_ceiling("PointDirDelayed-v0")[0] == 0.0
    assert blind_ceiling("AntDir-v0")[0] == 200.0  # 1 a step for 200 steps
    # Two Latin columns over [0, 3]: 0.75 m/s off on average for 400 steps, but for the rounding of columns.
    assert blind_ceiling("HalfCheetahSwitch-v0")[0] == pytest.approx(-300.0, abs=10.0)


@pytest.mark.parametrize("scenario", list(BUDGETS))
def test_every_scenario_with_a_budget_has_a_ceiling_and_oracles(scenario):
    assert scenario in SCENARIOS
    if scenario in TRAINED_BLIND:
        assert METHODS[BLIND].evaluation_options == {"feedback": "none"}
    else:
        blind_ceiling(scenario)
    for method in ORACLES:
        assert METHODS[method].evaluation_options == {"reveal_task": True}


@pytest.mark.parametrize("scenario", ["HalfCheetahBase-v0", "Nowhere-v0"])
def test_a_ceiling_that_is_not_known_is_an_error(scenario):
    with pytest.raises(ValueError, match=f"{scenario}: "):
        blind_ceiling(scenario)


def record(run, first, second):
    """A record whose test returns are `first` and `second` in the two inner episodes, on average."""
    spread = np.linspace(-1.0, 1.0, 5)[None, :, None] * np.ones((20, 1, 1))
    returns = np.array([first, second]) + spread
    nested = tuple(tuple(tuple(trial) for trial in task) for task in returns.tolist())
    tasks = tuple((0.0,) for _ in range(20))
    early = tuple(tuple(tuple(0.0 * x for x in trial) for trial in task) for task in nested)
    lucky = tuple(tuple(tuple(x + 1000.0 for x in trial) for trial in task) for task in nested)
    evaluations = (
        Evaluation(run.budget // 2, "test", "mode", tasks, early),
        Evaluation(run.budget, "test", "mode", tasks, nested),
        Evaluation(run.budget, "test", "sampled", tasks, lucky),  # not what counts
    )
    return Record(
        run,
        versions(),
        Result({"actor": 1}, run.budget, (), evaluations),
        Timings({"cpu": "x"}, 1.0, 1.0, 1.0, "2026-01-01T00:00:00Z"),
    )


@pytest.fixture
def small(monkeypatch):
    """Two seeds of each oracle and few random trials; returns the runs."""

    def suite(scenario, methods, seeds):
        return Suite("reference", (scenario,), methods, seeds, 1000, (1000,), 2)

    monkeypatch.setattr(benchmarks.reference, "_suite", suite)
    monkeypatch.setattr(benchmarks.reference, "SEEDS", 2)
    monkeypatch.setattr(benchmarks.reference, "RANDOM_TRIALS", 2)
    return plan(suite("PointDir-v0", ORACLES, 2), "command")


def test_the_entry_takes_the_best_method(tmp_path, small):
    # By the mean over seeds and inner episodes: 31 against 25 and 5. The best single run is another's.
    means = {
        ("mono-mlp-oracle", 0): (20.0, 40.0),
        ("mono-mlp-oracle", 1): (20.0, 44.0),
        ("sb3-ppo-oracle", 0): (60.0, 40.0),
        ("sb3-ppo-oracle", 1): (-10.0, 10.0),
        ("sb3-sac-oracle", 0): (5.0, 5.0),
        ("sb3-sac-oracle", 1): (5.0, 5.0),
    }
    for run in small:
        write_record(tmp_path, record(run, *means[run.method, run.seed]))
    entry = measure("PointDir-v0", tmp_path, 1, "command")
    oracle = entry["oracle"]
    assert (oracle["method"], oracle["returns"]) == ("mono-mlp-oracle", [20.0, 42.0])
    assert oracle["tried"] == {
        method: {"returns": returns, "per_seed": per_seed, "budget": 1000, "last_quarter": None}
        for method, returns, per_seed in [
            ("mono-mlp-oracle", [20.0, 42.0], {"0": 30.0, "1": 32.0}),
            ("sb3-ppo-oracle", [25.0, 25.0], {"0": 50.0, "1": 0.0}),
            ("sb3-sac-oracle", [5.0, 5.0], {"0": 5.0, "1": 5.0}),
        ]
    }
    floor = evaluate("PointDir-v0", random_policy(2), trials=2).returns.mean((0, 1))
    assert entry["random"] == {"returns": [round(float(x), 3) for x in floor]}
    assert entry["blind"]["returns"] == [0.0, 0.0]
    assert entry["command"] == "command"


def test_what_is_added_later_joins_what_is_there(tmp_path, small, monkeypatch):
    there = [run for run in small if run.method == "mono-mlp-oracle"]
    (added,) = [run for run in small if (run.method, run.seed) == ("sb3-sac-oracle", 0)]
    for run in there:
        write_record(tmp_path, record(run, 1.0, 1.0))
    asked = []

    def run_all(runs, directory, jobs):
        asked.extend(runs)
        write_record(directory, record(added, 2.0, 4.0))
        return Done(0, 1, {})

    monkeypatch.setattr(benchmarks.reference, "run_all", run_all)
    oracle = measure("PointDir-v0", tmp_path, 1, "command", ("sb3-sac-oracle",), seeds=1)["oracle"]
    assert [(run.method, run.seed) for run in asked] == [("sb3-sac-oracle", 0)]
    assert {name: tried["per_seed"] for name, tried in oracle["tried"].items()} == {
        "mono-mlp-oracle": {"0": 1.0, "1": 1.0},
        "sb3-sac-oracle": {"0": 3.0},
    }
    assert oracle["returns"] == [2.0, 4.0]


def test_every_seed_that_is_there_counts_and_none_of_other_versions(tmp_path, small, monkeypatch):
    monkeypatch.setattr(benchmarks.reference, "run_all", lambda runs, directory, jobs: Done(0, 0, {}))
    for seed in (0, 1, 7):
        run = dataclasses.replace(small[0], method="mono-mlp-oracle", seed=seed)
        planned = next(r for r in small if r.method == "mono-mlp-oracle")
        configuration = {
            **planned.configuration,
            **({"seed": seed} if "seed" in planned.configuration else {}),
        }
        made = record(dataclasses.replace(run, configuration=configuration), 1.0, 1.0)
        write_record(tmp_path, made)
    oracle = measure("PointDir-v0", tmp_path, 1, "command", seeds=1)["oracle"]
    assert list(oracle["tried"]["mono-mlp-oracle"]["per_seed"]) == ["0", "1", "7"]
    write_record(tmp_path, dataclasses.replace(made, versions={**made.versions, "mujoco": "3.0.0"}))
    with pytest.raises(RuntimeError, match=r"seed7.*: made with mujoco 3\.0\.0 \(here .*move it away"):
        measure("PointDir-v0", tmp_path, 1, "command", seeds=1)


def test_a_blind_ceiling_that_is_trained_has_seeds_as_the_oracles_have(tmp_path, small, monkeypatch):
    scenario = "HopperRandParams-v0"
    monkeypatch.setattr(benchmarks.reference, "TRAINED_BLIND", (scenario,))

    def run_all(runs, directory, jobs):
        for run in runs:
            shift = 10.0 * run.seed if run.method == BLIND else 100.0
            write_record(directory, record(run, shift, shift))
        return Done(0, len(runs), {})

    monkeypatch.setattr(benchmarks.reference, "run_all", run_all)
    blind = measure(scenario, tmp_path, 1, "command")["blind"]
    assert (blind["returns"], blind["per_seed"]) == ([5.0, 5.0], {"0": 0.0, "1": 10.0})
    assert blind["how"].startswith(f"trained: {BLIND}")


def test_the_table_says_what_was_tried_the_best_first(tmp_path):
    def tried(returns, seeds, last_quarter):
        per_seed = {str(seed): 0.0 for seed in range(seeds)}
        return {"returns": returns, "per_seed": per_seed, "budget": 3000, "last_quarter": last_quarter}

    oracle = {
        "returns": [10.0, 20.0],
        "method": "b",
        "tried": {"a": tried([9.0, 9.0], 3, 1.0), "b": tried([10.0, 20.0], 2, 5.04)},
    }
    random, blind = {"returns": [-1.0, 1.0]}, tried([4.0, 6.0], 3, 0.0)
    entries = {
        "PointDir-v0": {"random": random, "blind": blind, "oracle": oracle},
        "PointDirDelayed-v0": {"random": random, "blind": {"returns": [2.0, 3.0]}, "oracle": oracle},
    }
    (tmp_path / "r.json").write_text(json.dumps(entries))
    mean, last = reference_table(tmp_path / "r.json").splitlines()[2:]
    assert mean == (
        "| `PointDir-v0` | 0 | 5 (trained; 3) | **15.0** | `b` 15.0 (2; 3,000), `a` 9.0 (3; 3,000) | 5.0 |"
    )
    assert last == (
        "| `PointDirDelayed-v0` | 1 | 3 | **20.0** | `b` 20.0 (2; 3,000), `a` 9.0 (3; 3,000) | 5.0 |"
    )


def test_off_policy_oracles_have_a_budget_of_their_own():
    runs = plan(benchmarks.reference._suite("AntDir-v0", ORACLES, 1), "command")
    assert {run.method: run.budget for run in runs} == {
        "mono-mlp-oracle": BUDGETS["AntDir-v0"],
        "sb3-ppo-oracle": BUDGETS["AntDir-v0"],
        "sb3-sac-oracle": OFF_POLICY_BUDGET,
    }


def test_what_the_last_quarter_still_gained(small):
    one = record(small[0], 1.0, 2.0)
    levels = (0.0, 0.0, 3.0, 5.0, 7.0, 9.0, 9.5, 10.5)
    curve = tuple(CurvePoint(n + 1, (x - 1.0, x + 1.0)) for n, x in enumerate(levels))
    rising = dataclasses.replace(one, result=dataclasses.replace(one.result, curve=curve))
    assert _last_quarter([rising]) == 2.0  # (9.5 + 10.5) / 2 - (7 + 9) / 2


def test_the_command_writes_a_table_that_the_report_reads(tmp_path, small, monkeypatch, capsys):
    table = tmp_path / "references.json"
    table.write_text(json.dumps({"Other-v0": {"random": {"returns": [1.0]}, "oracle": {"returns": [2.0]}}}))
    monkeypatch.setattr(benchmarks.reference, "TABLE", table)
    for run in small:
        write_record(tmp_path, record(run, 50.0, 100.0))
    assert main(["--out", str(tmp_path), "--scenarios", "PointDir-v0", "--jobs", "1"]) == 0
    assert '"method"' in capsys.readouterr().out
    written = json.loads(table.read_text())
    assert set(written) == {"Other-v0", "PointDir-v0"}  # what was measured before stays
    assert read_references(table).scenarios == written
    assert [path.name for path in tmp_path.iterdir() if path.is_file() and path.name != INDEX] == [
        "references.json"
    ]


def test_failed_oracles_are_told_and_leave_the_table_as_it_was(tmp_path, small, monkeypatch, capsys):
    table = tmp_path / "references.json"
    monkeypatch.setattr(benchmarks.reference, "TABLE", table)
    failure = Done(0, 3, {"PointDir-v0--sb3-ppo-oracle--seed1": "FloatingPointError: loss is nan"})
    monkeypatch.setattr(benchmarks.reference, "run_all", lambda runs, directory, jobs: failure)
    assert main(["--out", str(tmp_path), "--scenarios", "PointDir-v0"]) == 1
    assert "1 oracle runs failed: FloatingPointError: loss is nan" in capsys.readouterr().err
    assert not table.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--scenarios", "PointDir-v0", "Nowhere-v0"], "Nowhere-v0: no reference budget; one of PointDir-v0"),
        (["--jobs", "0"], "--jobs 0: at least 1 is expected"),
        (["--seeds", "0"], "--seeds 0: at least 1 is expected"),
        (["--oracles", "sb3-ppo"], "--oracles sb3-ppo: it is not shown the task"),
    ],
)
def test_bad_usage(arguments, message, tmp_path, capsys):
    assert main(["--out", str(tmp_path / "out"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_table_is_measured_with_many_trials():
    assert RANDOM_TRIALS >= 20
