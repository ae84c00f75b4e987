"""The cost of training: what is measured against what, and where it is written; never its timings."""

import json

from benchmarks import training_cost
from benchmarks.throughput import Comparison


def test_every_method_meets_both_peers_and_the_facts_are_beside(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(training_cost, "compare", lambda what, *_: Comparison(what, 2.0, 1.0, 2.0, 1.5, 2.5))
    monkeypatch.setattr(training_cost, "acting_ms", lambda *_: 1.25)
    monkeypatch.setattr(training_cost, "floor_us", lambda _, team: 90.0 if team else 40.0)
    monkeypatch.setattr(training_cost, "peak_memory", lambda _, team: 700.4 if team else 500.0)
    out = tmp_path / "deep" / "cost.json"
    assert training_cost.main(["--alternations", "1", "--out", str(out)]) == 0
    content = json.loads(out.read_text())
    assert [row["what"].split("training ")[1].split(",")[0] for row in content["rows"]] == [
        method for method in training_cost.METHODS for _ in range(2)
    ]
    assert sum("DummyVecEnv" in row["what"] for row in content["rows"]) == len(training_cost.METHODS)
    assert content["team_acting_step_64_worlds_cpu_ms"] == 1.25
    assert (content["team_training_peak_mib"], content["mono_training_peak_mib"]) == (700, 500)
    assert (content["team_s5_floor_us_a_step"], content["mono_s5_floor_us_a_step"]) == (90.0, 40.0)
    assert content["host"]["cores"] >= 1
    assert "ratio 2.0" in capsys.readouterr().out


def test_the_peer_learns_for_the_steps_that_it_is_charged():
    assert training_cost.sb3_as_its_users_run_it("PointDir-v0", 1)() > 0
