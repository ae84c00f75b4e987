"""A user's suite in a file: what is read, and that what is wrong is named with its line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.record_store import read_records
from benchmarks.run import main
from benchmarks.runner.suite_file import SuiteFileError, read_suite
from benchmarks.runner.suites import Suite

ROOT = Path(__file__).resolve().parents[3]
GOOD = """\
# a comparison
scenarios = ["PointDir-v0",
             "HalfCheetahVel-v0"]
methods = ["random", "mono-s5", "sb3-sac"]
seeds = 5
budget = 300_000
judged = [100_000, 300_000]
[budgets]
off-policy = 50_000
"""


def written(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_a_toml_file_is_a_suite(tmp_path):
    assert read_suite(written(tmp_path, GOOD)) == Suite(
        "mine",
        ("PointDir-v0", "HalfCheetahVel-v0"),
        ("random", "mono-s5", "sb3-sac"),
        5,
        300_000,
        (100_000, 300_000),
        budgets={"off-policy": 50_000},
    )
    least = 'scenarios = ["PointDir-v0"]\nmethods = ["all"]\nseeds = 1\nbudget = 10\n'
    assert read_suite(written(tmp_path, least)).judged == (10,)


def test_budgets_by_kind_and_by_method(tmp_path):
    suite = read_suite(written(tmp_path, GOOD + "mono-s5 = 200_000\n"))
    assert suite.of("sb3-sac", "off-policy") == (50_000, (50_000,))
    assert suite.of("mono-s5", "on-policy") == (200_000, (100_000, 200_000))
    assert suite.of("mono-gru", "on-policy") == (300_000, (100_000, 300_000))


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"HalfCheetahVel-v0"', '"HalfCheetahVel-v7"', 3, "HalfCheetahVel-v7: unknown scenario"),
        ('"mono-s5"', '"mono-s6"', 4, "method 'mono-s6': unknown"),
        ("seeds = 5", "seeds = 0", 5, "seeds=0: a whole number of at least 1"),
        ("seeds = 5", "sedes = 5", 5, "unknown field 'sedes'; did you mean 'seeds'?"),
        ("budget = 300_000\n", "budget = [3]\n", 6, "budget=[3]: a whole number"),
        ("[100_000, 300_000]", "[300_000, 100_000]", 7, "judged=[300000, 100000]: rising"),
        ("[100_000, 300_000]", "[100_000, 400_000]", 7, "judged=[100000, 400000]: rising"),
        ("[100_000, 300_000]", "300_000", 7, "judged=300000: a list is expected"),
        ("[100_000, 300_000]", '["late"]', 7, "judged: 'late' is no whole number"),
        ("off-policy = 50", "of-policy = 50", 9, "budgets: 'of-policy' is no method"),
        ("seeds = 5", "seeds = = 5", 5, "no TOML"),
        ("seeds = 5\n", "", 1, "without 'seeds'"),
        ("seeds = 5", 'imports = "mine"\nseeds = 5', 5, "imports='mine': a list is expected"),
        ("seeds = 5", 'imports = ["no_such"]\nseeds = 5', 5, "imports: no_such: ModuleNotFoundError"),
        ('"random", ', '"random", "random", ', 4, "methods: 'random' is there twice"),
    ],
)
def test_an_error_names_the_line(tmp_path, old, new, line, message):
    assert old in GOOD
    path = written(tmp_path, GOOD.replace(old, new))
    with pytest.raises(SuiteFileError) as caught:
        read_suite(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


MODULE = """\
import dataclasses

from ma_ssm_env import SCENARIOS, register_scenario

register_scenario(dataclasses.replace(SCENARIOS["PointDir-v0"], id="PointMine-v0", horizon=5))
"""


def test_processes_import_what_registers_a_scenario_of_ones_own(tmp_path):
    written(tmp_path, MODULE, "mine.py")
    suite = 'scenarios = ["PointMine-v0"]\nmethods = ["random", "mono-mlp"]\nseeds = 1\nbudget = 10\n'
    written(tmp_path, suite + 'imports = ["mine"]\n', "suite.toml")
    command = ["-m", "benchmarks.run", "--suite", "suite.toml", "--out", "runs", "--jobs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    # A process of its own: what is registered stays.
    done = subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "2 runs finished, 0 reused, 0 failed" in done.stdout, done.stderr
    found = {record.run.scenario for record in read_records(tmp_path / "runs")}
    assert found == {"PointMine-v0"}


PYTHON = """\
from benchmarks.runner.suites import Suite

SUITE = Suite(
    "mine", ("PointDir-v0",), ("random",
    "zero"), seeds=1, budget=10, judged=(10,)
)
"""


def test_a_python_file_assigns_a_suite(tmp_path):
    expected = Suite("mine", ("PointDir-v0",), ("random", "zero"), 1, 10, (10,))
    assert read_suite(written(tmp_path, PYTHON, "mine.py")) == expected


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"zero"', '"nil"', 5, "method 'nil': unknown"),
        ("SUITE = Suite(", "SUITE = Suite((", 3, "no Python"),
        ("budget=10", "budget=0", 3, "ValueError: budget=0"),
        ("SUITE = ", "OTHER = ", 7, "SUITE is None"),
        ("SUITE = ", "SUITE = 3 or ", 3, "SUITE is 3"),
        ("from benchmarks", "1 / 0\nfrom benchmarks", 1, "ZeroDivisionError"),
    ],
)
def test_an_error_in_python_names_the_line(tmp_path, old, new, line, message):
    path = written(tmp_path, PYTHON.replace(old, new), "mine.py")
    with pytest.raises(SuiteFileError) as caught:
        read_suite(path)
    assert str(caught.value).startswith(f"{path}:{line}: ")
    assert message in str(caught.value)


def test_the_command_runs_a_file_and_refuses_a_wrong_one(tmp_path, capsys):
    bad = written(tmp_path, GOOD.replace("seeds = 5", "seeds = 0"), "bad.toml")
    out = tmp_path / "out"
    assert main(["--suite", str(bad), "--out", str(out)]) == 2
    assert f"{bad}:5: seeds=0" in capsys.readouterr().err
    assert main(["--suite", str(tmp_path / "none.toml"), "--out", str(out)]) == 2
    assert "none.toml:1: cannot be read" in capsys.readouterr().err
    assert not out.exists()
