"""The index of a store: it says what the records say, and never more than they do."""

import json
import os

import numpy as np
import pytest

from benchmarks import record_index
from benchmarks.record_index import INDEX, read_index
from benchmarks.record_store import RecordWarning, read_records, write_record
from benchmarks.records import record_key
from benchmarks.store_scale import main, report, simulated, summarise

COUNT = 40


@pytest.fixture
def store(tmp_path):
    rng = np.random.default_rng(1)
    for number in range(COUNT):
        write_record(tmp_path, simulated(number, rng, {"mujoco": "4"}, {"cpu": "x"}))
    return tmp_path


@pytest.fixture
def reads(monkeypatch):
    """Names of the record files that were read."""
    names = []
    read = record_index.read_record
    monkeypatch.setattr(record_index, "read_record", lambda path: names.append(path.stem) or read(path))
    return names


def test_entries_are_what_the_records_say(store):
    entries = read_index(store)
    records = {record_key(record.run): record for record in read_records(store)}
    assert list(entries) == sorted(records)
    for key, entry in entries.items():
        record = records[key]
        assert (entry.scenario, entry.method, entry.seed) == (
            record.run.scenario,
            record.run.method,
            record.run.seed,
        )
        np.testing.assert_allclose(entry.returns, record.result.evaluations[0].array().mean((0, 1)))
        assert entry.versions == {"mujoco": "4"}


def test_only_what_is_new_or_changed_is_read(store, reads):
    first = read_index(store)
    assert sorted(reads) == sorted(first)
    reads.clear()
    assert read_index(store) == first
    assert reads == []
    write_record(store, simulated(COUNT, np.random.default_rng(2), {"mujoco": "4"}, {"cpu": "x"}))
    touched = next(iter(first))
    os.utime(store / "records" / f"{touched}.json", ns=(1, 1))
    now = read_index(store)
    assert len(now) == COUNT + 1
    assert len(reads) == 2
    assert touched in reads
    gone = store / "records" / f"{touched}.json"
    gone.unlink()
    assert touched not in read_index(store)


@pytest.mark.parametrize("text", ["", "{", '{"index": 0}\n{"key": "x"}\n', '{"index": 1}\n{"key": "x"}\n'])
def test_a_damaged_index_is_built_anew(store, reads, text):
    first = read_index(store)
    (store / INDEX).write_text(text)
    reads.clear()
    assert read_index(store) == first
    assert len(reads) == COUNT
    reads.clear()
    assert read_index(store) == first
    assert reads == []


def test_a_damaged_record_is_named_and_set_aside(store):
    first = read_index(store)
    broken = next(iter(first))
    (store / "records" / f"{broken}.json").write_text("{")
    with pytest.warns(RecordWarning, match=f"{broken}.json: damaged"):
        assert set(read_index(store)) == set(first) - {broken}
    assert (store / "records" / "damaged" / f"{broken}.json").exists()


def test_no_store_no_entries(tmp_path):
    assert read_index(tmp_path) == {}
    assert list(tmp_path.iterdir()) == []


def test_the_scale_study_counts_and_summarises(tmp_path, capsys):
    assert main(["--records", "400", "--out", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["records"] == 400
    assert told["bytes"]["each"] > 1000
    summary = summarise(list(read_index(tmp_path).values()))
    assert len(summary) == 200
    assert all(values["runs"] == 2 for values in summary.values())
    # Returns are drawn around 10 x scenario + method, deviation 5, 200 of them a run.
    for (scenario, method), values in summary.items():
        expected = 10.0 * int(scenario[9]) + int(method[7:])
        assert values["iqm"] == pytest.approx(expected, abs=2.0)
    assert report(summary) == (tmp_path / "summary.md").read_text()
    assert main(["--records", "1", "--out", str(tmp_path)]) == 2
    assert main(["--records", "0", "--out", str(tmp_path / "x")]) == 2


def test_a_file_that_is_gone_takes_no_other_with_it(store):
    (store / "records" / "gone--mono-s5--seed0--abc.json").symlink_to(store / "nowhere.json")
    assert len(read_index(store)) == COUNT
