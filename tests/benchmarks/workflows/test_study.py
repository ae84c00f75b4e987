"""The study of the modes: its records, and the table that is made of them."""

import json

import pytest

from benchmarks.studies import collaboration


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


def test_the_table_by_hand(tmp_path):
    for mode, scores in {"emergent": (0.8, 0.9, 1.0), "silent": (0.0, 0.0, 0.0)}.items():
        for seed, score in enumerate(scores):
            path = tmp_path / f"collaboration-PointDir-v0-mlp-{mode}-seed{seed}.json"
            path.write_text(json.dumps(record(seed, score)))
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
