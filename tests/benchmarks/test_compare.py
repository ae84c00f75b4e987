"""Two results folders: what differs is found, what does not is not, and the sureness is checked by hand."""

import json

import numpy as np
import pytest
from scipy import stats as scipy_stats

from benchmarks.compare import compare, main, text
from benchmarks.record_store import write_record
from benchmarks.records import Evaluation, Record, Result, Run, Timings
from benchmarks.report.references import ReferenceTable

TABLE = ReferenceTable({"PointDir-v0": {"random": {"returns": [0.0]}, "oracle": {"returns": [200.0]}}})


def record(value, seed, *, method="team-s5", scenario="PointDir-v0", setting=1, version="4.0.0", host="a"):
    nested = (((float(value),),),)
    return Record(
        Run(scenario, method, seed, 1000, "quick", {"lr": {"rate": setting}, "seed": seed}, "0.1.0", "x"),
        {"mujoco": version},
        Result({}, 1000, (), (Evaluation(1000, "test", "mode", ((0.0,),), nested),)),
        Timings({"cpu": host}, 1.0, 1.0, None, ""),
    )


def folder(values, **options):
    return [record(value, seed, **options) for seed, value in enumerate(values)]


A = [10.0, 12.0, 11.0]
B = [20.0, 23.0, 20.0]


def test_a_difference_is_found_with_its_interval_and_p():
    found = compare(folder(A), folder(B), TABLE)
    (cell,) = found.cells
    expected = scipy_stats.ttest_ind(B, A, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert (cell.first, cell.second) == (11, 21)
    gap = cell.difference
    assert (gap.estimate, gap.low, gap.high) == pytest.approx((10, low, high))
    assert cell.p == pytest.approx(expected.pvalue)
    assert cell.corrected == cell.p
    assert cell.score == pytest.approx(10 / 200)
    assert cell.verdict == "B is better"
    assert compare(folder(B), folder(A), TABLE).cells[0].verdict == "B is worse"
    assert found.sentence.startswith("They differ in 1 of 1 comparison: team-s5 on PointDir-v0 (p < 0.05")


def test_no_difference_says_how_large_a_one_would_be_hidden():
    found = compare(folder([10, 14, 12]), folder([11, 15, 12]), TABLE)
    assert not found.differs
    gap = found.cells[0].difference
    assert gap.high > -gap.low  # the end that lies further from 0: what was seen is never above it
    assert f"up to about {gap.high:.2f} in return" in found.sentence
    assert "That is not equality" in found.sentence
    turned = compare(folder([11, 15, 12]), folder([10, 14, 12]), TABLE)
    assert turned.sentence == found.sentence


def test_constants_that_differ_prove_nothing():
    found = compare(folder([-300.273] * 3), folder([-300.274] * 3), TABLE)
    assert found.cells[0].verdict == "constants that differ"
    assert not found.differs
    assert "by constants, of which more seeds say nothing" in found.sentence
    beside = compare(
        folder([-300.273] * 3) + folder(A, method="mono-s5"),
        folder([-300.274] * 3) + folder(B, method="mono-s5"),
        TABLE,
    )
    assert [cell.verdict for cell in beside.cells] == ["B is better", "constants that differ"]
    assert beside.cells[0].corrected == beside.cells[0].p  # one comparison, not two


def test_the_same_numbers_are_called_identical():
    found = compare(folder(A), folder(A)[::-1], TABLE)
    assert found.cells[0].identical
    assert found.sentence == "They are identical in all of 1 comparison: the same numbers, seed by seed."
    assert not compare(folder(A), folder([10.0, 12.0, 11.5]), TABLE).cells[0].identical


def test_one_seed_is_not_decided():
    found = compare(folder(A[:1]), folder(B), TABLE)
    assert found.cells[0].verdict == "one seed: open"
    assert found.sentence.startswith("Not decided")


def test_many_comparisons_are_corrected():
    rng = np.random.default_rng(0)
    first = [r for i in range(30) for r in folder(rng.normal(size=5), scenario=f"S{i}-v0")]
    second = [r for i in range(30) for r in folder(rng.normal(size=5), scenario=f"S{i}-v0")]
    found = compare(first, second, ReferenceTable({}))
    assert sum(cell.p < 0.05 for cell in found.cells) >= 1  # by chance
    assert not found.differs
    assert all(cell.score is None for cell in found.cells)


def test_what_was_asked_for_differently_is_named():
    more = folder(B, method="mono-s5")
    found = compare(folder(A), folder(B, setting=2, version="4.1.0", host="b") + more, TABLE)
    assert "team-s5 on PointDir-v0: lr.rate 1 in A, 2 in B" in found.settings
    assert "versions: mujoco 4.0.0 in A, 4.0.0 / 4.1.0 in B" in found.settings
    assert "host: cpu a in A, a / b in B" in found.settings
    assert found.only_second == (("PointDir-v0", "mono-s5"),)
    told = text(found, ("one", "two"))
    assert "only in B: mono-s5 on PointDir-v0" in told
    assert "A: one" in told
    same = text(compare(folder(A), folder(B), TABLE), ("one", "two"))
    assert "settings, versions and hosts: the same" in same


def test_command_line(tmp_path, capsys):
    for name, values in (("a", A), ("b", B), ("c", A), ("other", A)):
        method = "mono-s5" if name == "other" else "team-s5"
        for one in folder(values, method=method):
            write_record(tmp_path / name, one)
    paths = {name: str(tmp_path / name) for name in ("a", "b", "c", "other", "none")}
    assert main([paths["a"], paths["b"]]) == 1
    assert "B is better" in capsys.readouterr().out
    assert main([paths["a"], paths["c"]]) == 0
    capsys.readouterr()
    assert main([paths["a"], paths["b"], "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["differs"] is True
    assert found["cells"][0]["difference"][0] == pytest.approx(10)
    assert main([paths["a"], paths["other"]]) == 2
    assert "Nothing to compare" in capsys.readouterr().out
    assert main([paths["a"], paths["none"]]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_a_folder_of_two_configurations_is_not_called_identical():
    other = folder([900.0, 901.0], setting=3)
    found = compare(folder(A), folder(A) + other, TABLE)
    assert not found.cells[0].identical
    assert "identical" not in found.sentence
    assert any(
        "left out: B, PointDir-v0: team-s5: 5 records" in line
        for line in text(found, ("a", "b")).splitlines()
    )
