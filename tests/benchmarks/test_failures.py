"""Runs that failed leave a trace, until a record takes its place, and whoever reads the folder is told."""

import json
from pathlib import Path

import pytest

from benchmarks.compare import compare
from benchmarks.compare import main as compare_main
from benchmarks.failures import clear_failure, failure_path, read_failures, write_failure
from benchmarks.record_store import RecordWarning, read_records, write_record
from benchmarks.records import Evaluation, Record, Result, Run, Timings
from benchmarks.report.__main__ import ReportError, read_folder, write_report
from benchmarks.report.references import ReferenceTable
from benchmarks.report.summary import summarise

REASON = "Traceback (most recent call last):\n  ...\nFloatingPointError: loss is nan after 7 updates\n"


def run_of(seed, *, method="team-s5", scenario="PointDir-v0", rate=1.0):
    return Run(scenario, method, seed, 1000, "quick", {"rate": rate, "seed": seed}, "0.1.0", "x")


def record(seed, value=10.0, **options):
    nested = (((float(value),),),)
    evaluation = Evaluation(1000, "test", "mode", ((0.0,),), nested)
    return Record(
        run_of(seed, **options), {}, Result({}, 1000, (), (evaluation,)), Timings({}, 1.0, 1.0, None, "")
    )


def test_a_failure_is_read_as_it_was_written_until_a_record_is_there(tmp_path):
    write_failure(tmp_path, run_of(2), REASON, {"torch": "2.13.0"})
    (failure,) = read_failures(tmp_path)
    assert (failure.run, failure.reason, failure.versions) == (run_of(2), REASON, {"torch": "2.13.0"})
    assert failure.run.command == "x"
    assert failure.in_short == "FloatingPointError: loss is nan after 7 updates"
    write_record(tmp_path, record(2))
    assert read_failures(tmp_path) == []
    assert failure_path(tmp_path, run_of(2)).exists()
    clear_failure(tmp_path, run_of(2))
    clear_failure(tmp_path, run_of(2))
    assert not failure_path(tmp_path, run_of(2)).exists()
    assert [r.run.seed for r in read_records(tmp_path)] == [2]


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 1}', '{"schema": 2}', '{"schema": 1, "run": {}}'])
def test_a_damaged_file_is_named_and_hides_no_other(tmp_path, content):
    write_failure(tmp_path, run_of(2), REASON, {})
    (tmp_path / "failed" / "a.json").write_text(content)
    with pytest.warns(RecordWarning, match=r"a\.json: left out: .*; remove it"):
        assert [failure.run.seed for failure in read_failures(tmp_path)] == [2]


def failing(directory, *seeds, **options):
    for seed in seeds:
        write_failure(directory, run_of(seed, **options), REASON, {})
    return read_failures(directory)


def test_a_summary_counts_what_failed_in_the_configuration_that_it_shows(tmp_path):
    records = [record(0, 10.0), record(1, 12.0)]
    failing(tmp_path, 2)
    failures = failing(tmp_path, 3, 4, rate=2.0)  # of settings that are not shown
    (scenario,) = summarise(records, ReferenceTable({}), failures=failures).scenarios
    (method,) = scenario.methods
    assert (method.runs, method.failed) == (2, (2,))
    (note,) = scenario.notes
    assert "team-s5: 1 run failed (seed 2: FloatingPointError: loss is nan after 7 updates)" in note
    assert "flatters" in note


def test_a_method_all_of_whose_runs_failed_is_on_the_page(tmp_path):
    for seed in range(2):
        write_record(tmp_path, record(seed))
    failing(tmp_path, 0, 1, method="team-gru")
    failing(tmp_path, 5, scenario="PointGoal-v0")
    page = write_report(tmp_path)
    told = (page.parent / "report.md").read_text(encoding="utf-8")
    assert "team-gru: 2 runs failed (seed 0, 1: FloatingPointError" in told
    assert "failed (2 runs)" in told
    assert "team-s5 on PointGoal-v0, seed 5: failed: FloatingPointError" in told
    assert "FloatingPointError" in page.read_text(encoding="utf-8")


def test_a_folder_of_failures_alone_says_why_there_is_nothing_to_report(tmp_path, capsys):
    failing(tmp_path, 0, 1)
    with pytest.raises(ReportError, match=r"no records, and 2 runs failed \(FloatingPointError: loss is nan"):
        read_folder(tmp_path)


def test_folders_are_not_the_same_where_one_has_lost_a_run(tmp_path, capsys):
    for side in "ab":
        for seed in range(2):
            write_record(tmp_path / side, record(seed))
    assert compare_main([str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    assert "identical" in capsys.readouterr().out
    failures = failing(tmp_path / "b", 2)
    records = read_records(tmp_path / "a")
    found = compare(records, records, ReferenceTable({}), ((), failures))
    assert not any(cell.identical for cell in found.cells)
    assert compare_main([str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    (note,) = json.loads(capsys.readouterr().out)["notes"]
    assert note.startswith("B, PointDir-v0: team-s5: 1 run failed (seed 2")


def test_nothing_that_is_committed_failed():
    results = Path(__file__).parents[2] / "benchmarks" / "results"
    assert [failure for folder in results.iterdir() for failure in read_failures(folder)] == []
