"""The study of the modes: its records, and the table that is made of them."""

import json

import pytest

from benchmarks.runner.software import versions
from benchmarks.studies import collaboration
from benchmarks.studies.settings import SettingsError, plain
from benchmarks.workflows.session import write_json

SCENARIO = "PointDir-v0"


def record(seed, score, **more):
    interval = {"estimate": score, "low": score - 0.1, "high": score + 0.1}
    return {
        "seed": seed,
        "after": interval,
        "returns_after": [100 * score, 110 * score],
        "area_under_curve": score / 2,
        "diagnostics": {
            "listening": {"estimate": 50.0},
            "bits": 32.0,
            "conflicts": {"share": 0.25},
        },
        "baseline_score": {"estimate": 0.95},
        "cpu_s": 80.0,
        **more,
    }


def made_with(mode, budget=collaboration.BUDGET):
    asked = plain(collaboration.settings(SCENARIO, "mlp", mode, budget))
    return {"settings": asked, "versions": versions()}


def place(folder, mode, seed):
    return folder / f"collaboration-{SCENARIO}-mlp-{mode}-seed{seed}.json"


def test_the_table_by_hand(tmp_path):
    for mode, scores in {"emergent": (0.8, 0.9, 1.0), "silent": (0.0, 0.0, 0.0)}.items():
        for seed, score in enumerate(scores):
            write_json(place(tmp_path, mode, seed), record(seed, score, **made_with(mode)))
    lines = collaboration.table(tmp_path, "PointDir-v0", "mlp").splitlines()
    assert len(lines) == 5
    cells = [cell.strip() for cell in lines[2].split("|")[1:-1]]
    # Mean 0.9, deviation 0.1: 0.9 +- 4.303 x 0.1 / sqrt(3)
    assert cells[:5] == ["`emergent`", "3", "0.900 (0.652 to 1.148)", "-", "90.0 / 99.0"]
    assert cells[6:] == ["50.0 (50.0 to 50.0)", "32.0", "25%", "80"]
    cells = [cell.strip() for cell in lines[3].split("|")[1:-1]]
    assert cells[:4] == ["`silent`", "3", "0.000 (0.000 to 0.000)", "0.900 (0.652 to 1.148)"]
    assert "| one agent (`mono-mlp`) | 3 | 0.950 (0.950 to 0.950) |" in lines[4]
    assert collaboration.main(["table", "--out", str(tmp_path / "none")]) == 2


class Result:
    """What a workflow gives back."""

    def __init__(self, seed):
        self.seed = seed

    def to_json(self):
        return record(self.seed, 0.5)


def test_a_run_that_diverges_ends_no_other_and_the_table_counts_it(tmp_path, monkeypatch, capsys):
    out, diverging = tmp_path / "out", {("emergent", 0), ("silent", 0), ("silent", 1)}

    def solve(self, scenario, *, collaboration_mode, seed, **rest):
        if (collaboration_mode, seed) in diverging:
            raise FloatingPointError("loss is nan")
        return Result(seed)

    monkeypatch.setattr(collaboration.CollaborativeLearning, "solve_task", solve)
    given = ["--teams", "mlp", "--out", str(out)]
    asked = ["run", *given, "--modes", "emergent", "silent", "fixed", "--seeds", "0", "1"]
    assert collaboration.main(asked) == 1
    said = capsys.readouterr()
    done = [place(out, mode, seed) for mode, seed in (("fixed", 0), ("emergent", 1), ("fixed", 1))]
    assert said.out.split() == [str(path) for path in done]
    assert "diverged: mlp emergent of seed 0: loss is nan\n" in said.err
    told = "mlp emergent of seed 0; mlp silent of seed 0; mlp silent of seed 1"
    assert said.err.endswith(f"diverged, without a record: {told}\n")

    lines = collaboration.table(out, SCENARIO, "mlp").splitlines()
    rows = {cells[1].strip(): cells[2].strip() for line in lines[2:6] if (cells := line.split("|"))}
    whole = {"`emergent`": "1 (1 failed)", "`fixed`": "2", "`silent`": "0 (2 failed)"}
    assert rows == whole | {"one agent (`mono-mlp`)": "2"}
    assert len({line.count("|") for line in lines[:6]}) == 1
    note = "Failed, and in no figure of its row: "
    assert f"{note}emergent of seed 0; silent of seed 0, 1." in lines
    with pytest.raises(ValueError, match="no records"):  # failures of other settings are not of this table
        collaboration.table(out, SCENARIO, "s5")
    assert collaboration.failed_seeds(out, SCENARIO, "mlp", 2_000) == {}

    diverging -= {("emergent", 0), ("silent", 0)}
    assert collaboration.main(asked) == 1
    assert capsys.readouterr().err.endswith("diverged, without a record: mlp silent of seed 1\n")
    diverging.clear()
    assert collaboration.main(asked) == 0
    assert "ailed" not in collaboration.table(out, SCENARIO, "mlp")
    assert not list((out / "failed").iterdir())


def test_of_runs_that_all_failed_the_error_says_so(tmp_path, monkeypatch, capsys):
    def solve(self, scenario, **given):
        raise FloatingPointError("loss is nan")

    monkeypatch.setattr(collaboration.CollaborativeLearning, "solve_task", solve)
    given = ["--teams", "mlp", "--out", str(tmp_path)]
    assert collaboration.main(["run", *given, "--modes", "silent", "--seeds", "4"]) == 1
    assert collaboration.main(["table", *given]) == 2
    assert "no records of team mlp" in (said := capsys.readouterr().err)
    assert "Failed, and in no figure of its row: silent of seed 4." in said


def test_records_of_another_budget_or_mode_are_neither_done_nor_pooled(tmp_path, monkeypatch, capsys):
    path = place(tmp_path, "silent", 0)
    monkeypatch.setattr(collaboration.CollaborativeLearning, "solve_task", None)  # nothing is trained

    def run(budget):
        return collaboration.run_one(SCENARIO, "mlp", "silent", 0, tmp_path, tmp_path / "runs", budget)

    write_json(path, record(0, 0.5, **made_with("silent", 2_000)))
    assert run(2_000) == path
    assert "| `silent` | 1 | 0.500 |" in collaboration.table(tmp_path, SCENARIO, "mlp", 2_000)
    with pytest.raises(SettingsError, match=r"budget 2000, and now it is 300000 .*--out"):
        run(300_000)
    given = ["--teams", "mlp", "--modes", "silent", "--seeds", "0", "--out", str(tmp_path)]
    for what in ("run", "table"):
        assert collaboration.main([what, *given]) == 2
        assert "2000, and now it is 300000" in capsys.readouterr().err
    write_json(path, record(0, 0.5, **made_with("fixed")))
    with pytest.raises(SettingsError, match="made with mode fixed, and now it is silent"):
        run(300_000)
    write_json(path, record(0, 0.5, **made_with("silent")) | {"versions": {"mujoco": "3.14.0"}})
    assert collaboration.main(["run", *given]) == 2
    assert "made with mujoco 3.14.0 (here " in capsys.readouterr().err
    assert collaboration.main(["run", *given, "--allow-mixed"]) == 0
    write_json(place(tmp_path, "silent", 1), record(1, 0.5, **made_with("silent")))
    assert "\nMixed versions: mujoco 3.14.0 / " in collaboration.table(tmp_path, SCENARIO, "mlp")


def test_a_record_without_settings_is_neither_done_nor_in_the_table(tmp_path):
    write_json(place(tmp_path, "silent", 0), record(0, 0.5))
    with pytest.raises(SettingsError, match="its settings are not recorded"):
        collaboration.run_one(SCENARIO, "mlp", "silent", 0, tmp_path, tmp_path / "runs")
    with pytest.raises(SettingsError, match="its settings are not recorded"):
        collaboration.table(tmp_path, SCENARIO, "mlp")


@pytest.mark.slow
def test_a_run_is_recorded_and_not_done_twice(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(collaboration.TEAMS, "mlp", collaboration.Team("mlp", 4, 0, "mono-mlp"))
    given = ["run", "--teams", "mlp", "--modes", "silent", "--seeds", "1", "--budget", "3200"]
    given += ["--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    assert collaboration.main(given) == 0
    (path,) = (tmp_path / "out").iterdir()
    found = json.loads(path.read_text())
    assert (found["collaboration_mode"], found["seed"], found["target"]) == ("silent", 1, None)
    assert found["diagnostics"]["bits"] == 0.0
    assert str(tmp_path) not in path.read_text()
    written = path.stat().st_mtime_ns
    assert collaboration.main(given) == 0
    assert path.stat().st_mtime_ns == written
    assert capsys.readouterr().out.split() == [str(path)] * 2
