"""The README's tables are those of the committed records, and what it names exists."""

import dataclasses
import importlib.util
import re

import pytest

from benchmarks import readme
from benchmarks.record_store import read_records
from ma_ssm_env import SCENARIOS

TEXT = (readme.ROOT / "README.md").read_text()


def test_tables_are_made_of_the_committed_records():
    assert readme.filled(TEXT) == TEXT, "stale; run: python -m benchmarks.readme"


@pytest.mark.parametrize("name", ["demo", "point", "speed", "peers"])
def test_a_table_changes_with_its_records(name, monkeypatch):
    monkeypatch.setitem(readme.TABLES, name, lambda: "| other | numbers |")
    made = readme.filled(TEXT)
    assert "| other | numbers |" in made
    assert made != TEXT


def _by(command, records):
    return [dataclasses.replace(one, run=dataclasses.replace(one.run, command=command)) for one in records]


def test_a_command_whose_runs_another_makes_too_is_left_out():
    whole = "python -m benchmarks.run --suite quick --out kept"
    again, beside = f"{whole} --methods team-s5", f"{whole} --seeds 5 --methods team-s5"
    team = [one for one in read_records(readme.RESULTS / "point") if one.run.method in ("team-s5", "mono-s5")]
    early = [one for one in team if one.run.seed < 3]
    late = [one for one in team if one.run.seed >= 3 and one.run.method == "team-s5"]
    assert early
    assert late
    assert readme.makers(_by(whole, early[:1]) + _by(again, early[1:])) == (whole,)
    assert set(readme.makers(_by(whole, early) + _by(beside, late))) == {whole, beside}
    with pytest.raises(ValueError, match="none of their commands"):
        readme.makers(_by(whole, late))


def test_a_missing_marker_is_named():
    with pytest.raises(ValueError, match="results:demo"):
        readme.filled(TEXT.replace("<!-- results:demo -->", ""))


def test_every_module_of_a_command_exists():
    modules = set(re.findall(r"python -m ((?:benchmarks|policies|ma_ssm_env)[\w.]*)", TEXT))
    assert len(modules) >= 5
    missing = [name for name in modules if importlib.util.find_spec(name) is None]
    assert not missing


def test_every_scenario_is_in_the_table_and_no_other():
    listed = set(re.findall(r"^\| `(\w+-v\d+)` \|", TEXT, re.MULTILINE))
    assert listed == set(SCENARIOS)


def test_the_ten_line_example_runs():
    code = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)
    assert code
    short = code[1].replace('"HalfCheetahVel-v0", 256', '"HalfCheetahVel-v0", 4')
    exec(compile(short, "README.md", "exec"), {})


def test_a_run_with_a_smaller_budget_shows_its_last_evaluation():
    record = next(one for one in read_records(readme.RESULTS / "demo") if one.run.method == "mono-s5")
    short = [one for one in record.result.evaluations if one.steps < 700_000]
    assert len(short) > 1
    cut = dataclasses.replace(record, result=dataclasses.replace(record.result, evaluations=tuple(short)))
    last = max((one for one in short if one.actions == "mode"), key=lambda one: one.steps)
    assert readme._judged(cut, 1_000_000) == pytest.approx(last.array().mean((1, 2)))


def test_runs_of_another_configuration_are_no_seeds_of_a_row():
    records = [one for one in read_records(readme.RESULTS / "point") if one.run.method == "team-s5"]
    other = dataclasses.replace(records[0], run=dataclasses.replace(records[0].run, budget=7))
    assert "| 5 |" in readme.returns_table([*records, records[0]])  # the same run twice is one
    with pytest.raises(ValueError, match=r"PointDir-v0: team-s5: 6 records of 2 .* move the others away"):
        readme.returns_table([*records, other])
