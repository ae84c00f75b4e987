"""Records survive: a round trip, a kill, a damaged neighbour."""

import json
import math
import os
from dataclasses import replace

import pytest

from benchmarks.record_store import RecordWarning, find_record, read_records, write_record
from benchmarks.records import CurvePoint, Evaluation, Record, RecordError, Result, Run, Timings, record_key


def make_run(**changes):
    run = Run(
        scenario="PointDir-v0",
        method="team-s5",
        seed=0,
        budget=1000,
        suite="quick",
        configuration={"rate": 3e-4, "widths": (64, 64)},
        code="0.1.0",
        command="python -m benchmarks.run --suite quick",
    )
    return replace(run, **changes)


def make_record(run=None, returns=(((1.23456789, 2.0),),), **changes):
    record = Record(
        run=run or make_run(),
        versions={"python": "3.11"},
        result=Result(
            parameters={"actor": 5},
            charged_steps=1000,
            curve=(CurvePoint(500, (0.5, 0.25)), CurvePoint(1000, (1.0, 2.0))),
            evaluations=(Evaluation(1000, "test", "mode", ((0.5,),), returns),),
        ),
        timings=Timings({"cpu": "some"}, 1.0, 2.0, None, "2026-01-01T00:00:00Z"),
    )
    return replace(record, **changes)


def test_round_trip_keeps_six_digits(tmp_path):
    path = write_record(tmp_path, make_record())
    (read,) = read_records(tmp_path)
    assert path.parent == tmp_path / "records"
    assert read.result.evaluations[0].returns == (((1.23457, 2.0),),)
    assert read == make_record(returns=(((1.23457, 2.0),),))


def test_not_finite_returns_come_back_as_nan_and_the_file_is_plain_json(tmp_path):
    path = write_record(tmp_path, make_record(returns=(((math.inf, math.nan),),)))
    assert "NaN" not in path.read_text()
    assert "Infinity" not in path.read_text()
    assert all(map(math.isnan, read_records(tmp_path)[0].result.evaluations[0].returns[0][0]))


def test_identity_is_all_but_suite_and_command(tmp_path):
    run = make_run()
    same = make_run(suite="other", command="else")
    assert run == same
    assert record_key(run) == record_key(same)
    for change in ({"seed": 1}, {"budget": 2}, {"configuration": {}}, {"code": "0.2"}, {"method": "x"}):
        assert make_run(**change) != run
        assert record_key(make_run(**change)) != record_key(run)
    assert find_record(tmp_path, run) is None
    write_record(tmp_path, make_record())
    assert find_record(tmp_path, same) is not None
    assert find_record(tmp_path, make_run(seed=1)) is None


def test_a_kill_before_the_rename_leaves_no_record(tmp_path, monkeypatch):
    write_record(tmp_path, make_record(make_run(seed=1)))

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_record(tmp_path, make_record())
    monkeypatch.undo()
    name = record_key(make_run())
    (tmp_path / "records" / f".{name}.123.tmp").write_text(
        '{"schema": 1, "ru'
    )  # a kill that nothing cleaned up
    assert [record.run.seed for record in read_records(tmp_path)] == [1]
    assert find_record(tmp_path, make_run()) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[: len(text) // 2],
        lambda _: "",
        lambda _: "[]",
        lambda text: text.replace('"charged_steps":1000', '"charged_steps":"many"'),
        lambda text: text.replace('"budget":1000', '"budget":2000'),  # no longer the run that its name says
        lambda text: text.replace('"method":"team-s5"', '"method":"../escape"'),
    ],
)
def test_a_damaged_record_is_set_aside_and_named(tmp_path, spoil):
    path = write_record(tmp_path, make_record())
    write_record(tmp_path, make_record(make_run(seed=1)))
    path.write_text(spoil(path.read_text()))
    with pytest.warns(RecordWarning, match=path.name):
        records = read_records(tmp_path)
    assert [record.run.seed for record in records] == [1]
    assert not path.exists()
    assert (path.parent / "damaged" / path.name).exists()
    assert len(read_records(tmp_path)) == 1  # and is not named again


def test_a_newer_schema_is_left_in_place(tmp_path):
    path = write_record(tmp_path, make_record())
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": 99}))
    with pytest.warns(RecordWarning, match="schema 99"):
        assert read_records(tmp_path) == []
    assert path.exists()


def test_errors_name_field_value_and_remedy():
    with pytest.raises(RecordError, match=r"run\.seed: -1: give a whole number"):
        make_run(seed=-1)
    with pytest.raises(RecordError, match=r"run\.configuration: .*finite JSON"):
        make_run(configuration={"rate": math.nan})
    with pytest.raises(RecordError, match=r"returns: 'shape ragged'"):
        make_record(returns=(((1.0, 2.0), (1.0,)),))
    with pytest.raises(RecordError, match="give one for each of the 2 rows"):
        make_record(returns=(((1.0, 2.0),), ((1.0, 2.0),)))


def test_rewards_by_phase_are_kept_where_there_are_any(tmp_path):
    plain = make_record()
    phases = (((1.23456789, -0.5, math.nan),),)
    judged = replace(plain.result.evaluations[0], phases=phases)
    changed = replace(plain, result=replace(plain.result, evaluations=(judged,)))
    assert "phases" not in plain.to_json()["result"]["evaluations"][0]  # older records stay as they were
    write_record(tmp_path, changed)
    (read,) = read_records(tmp_path)
    found = read.result.evaluations[0].phases[0][0]
    assert found[:2] == (1.23457, -0.5)
    assert math.isnan(found[2])
    assert plain.result.evaluations[0].array_of_phases() is None
    with pytest.raises(RecordError, match="before, shock, recovery"):
        replace(plain.result, evaluations=(replace(judged, phases=(((1.0, 2.0),),)),))


def test_a_run_is_judged_by_the_mode_on_test_tasks():
    names = (("validation", "mode"), ("test", "sampled"), ("test", "mode"), ("test", "mode"), ("ood", "mode"))
    evaluations = tuple(
        Evaluation(steps, split, actions, ((0.5,),), (((1.0, 2.0),),))
        for steps, (split, actions) in enumerate(names)
    )
    result = replace(make_record().result, evaluations=evaluations)
    assert result.judged == evaluations[2:4]
