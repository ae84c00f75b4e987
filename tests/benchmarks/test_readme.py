"""The README's tables are those of the committed records, and what it names exists."""

import importlib.util
import re

import pytest

from benchmarks import readme
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
