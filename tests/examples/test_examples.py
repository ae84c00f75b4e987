"""Every file of `examples/` says what it shows and runs with a tiny budget; a new one is tested by itself."""

import ast
import ctypes.util
import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ma_ssm_env import SCENARIOS
from ma_ssm_env.evaluation import evaluate
from ma_ssm_env.message_log import TrialLog

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py"))
NEEDS = {"torchrl_ppo": "torchrl", "rllib_five_policies": "ray"}  # of others: in a process of their own
DRAWS = {"train_and_render_team"}  # in a process of its own, as MuJoCo chooses its OpenGL when it is imported
LONG = {"analyse_emergence", "sb3_in_a_role"}  # more than some seconds, whatever the budget


def load(name, monkeypatch):
    """The example as a module, new each time."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)  # so that its functions can be pickled
    spec.loader.exec_module(module)
    return module


def run_apart(command, folder):
    """What the command prints, in a process of its own."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def missing(name):
    return name in NEEDS and importlib.util.find_spec(NEEDS[name]) is None


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_opens_with_what_it_shows_and_how_long_it_takes(name):
    words = ast.get_docstring(ast.parse((FOLDER / f"{name}.py").read_text()))
    title = words.splitlines()[0]
    assert 40 < len(title) <= 110, title
    assert title.endswith((".", "?"))
    assert re.search(rf"^    (.* )?\S*python examples/{name}\.py", words, re.MULTILINE), "the command"
    assert re.search(r"\bTakes \d+ s of CPU time", words), "the time that it takes"


def test_the_list_has_a_line_for_each_and_no_other():
    lines = re.findall(r"^- \[`(\w+)\.py`\]\((\w+)\.py\): (.+\.)$", (FOLDER / "README.md").read_text(), re.M)
    assert all(shown == target for shown, target, _ in lines)
    assert sorted(shown for shown, _, _ in lines) == EXAMPLES


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONG)) for name in EXAMPLES]
)
def test_it_runs_with_a_tiny_budget(name, table, tmp_path, monkeypatch, capsys):
    python = Path(sys.executable)
    if missing(name):  # it wants other versions than ours: it runs where `make consumers` has been
        python = Path(os.environ.get("CONSUMERS", ROOT / ".consumers")) / name / "bin" / "python"
        if not python.exists():
            pytest.skip(f"no {python}; `python tests/consumers/run.py {name}` makes it (or set CONSUMERS)")
    monkeypatch.chdir(tmp_path)
    tiny = ["--steps", "1", "--out", str(tmp_path / "out")]
    if name in DRAWS or name in NEEDS:
        printed = run_apart([python, FOLDER / f"{name}.py", *tiny], tmp_path)
    else:
        assert load(name, monkeypatch).main(tiny) == 0
        printed = capsys.readouterr().out
    assert len(printed.splitlines()) >= 5, printed
    assert re.search(r"\d\.\d", printed), "numbers worth reading"
    assert "nan" not in printed
    assert list((tmp_path / "out").iterdir()), "what it says it leaves"
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "and nothing elsewhere"
    CHECKS.get(name, lambda printed, out: None)(printed, tmp_path / "out")


def check_getting_started(printed, out):
    log = TrialLog.load(out / "trial.npz")
    assert len(list(log.replay())) == len(log) == 2  # two inner episodes of a step
    assert (out / "trial.svg").read_text().startswith("<svg")


def check_train_and_render_team(printed, out):
    from policies import checkpoint

    _, config, steps = checkpoint.load(out)
    assert (config.team, steps) == (True, 3200)
    assert (out / "trial.svg").read_text().startswith("<svg")
    assert len(re.findall(r"number \d: (?:sin|cos) of the hidden direction", printed)) == 8
    drawn = ctypes.util.find_library("EGL") is not None
    assert (out / "film.svg").exists() == drawn
    assert ("no film: " in printed) or (out / "trial.mp4").stat().st_size > 1000


def check_sb3_in_a_role(printed, out):
    from baselines.sb3_policy import Sb3Policy

    played = Sb3Policy.load(out, trust=True).act(np.zeros((3, 13), np.float32), None, np.random.default_rng())
    assert played[0].shape == (3, 2)
    assert len(re.findall(r" -?\d+\.\d +-?\d+\.\d$", printed, re.MULTILINE)) == 5


def check_custom_scenario(printed, out):
    assert "20 of 20 conformance checks passed" in printed
    assert "PointDrift-v0" in SCENARIOS
    from policies import checkpoint
    from policies.train import players

    network, config, _ = checkpoint.load(out)
    assert config.scenario == "PointDrift-v0"
    assert evaluate("PointDrift-v0", players(network), trials=1).returns.shape == (20, 1, 2)
    rows = dict(re.findall(r"^  (\S.*?)  +-?\d+\.\d +(-?\d+\.\d)$", printed, re.MULTILINE))
    # Standing still slips by the speed, whose mean over the disc is 2/3 m/s, in each of 50 steps.
    assert float(rows["standing still"]) == pytest.approx(-50 * 2 / 3, rel=0.15)
    assert float(rows["a controller that is shown the current"]) > -2


def check_analyse_emergence(printed, out):
    assert printed.count("?\n  ") == 7, "questions, and an answer below each"
    record = json.loads((out / "emergence" / "team.json").read_text())
    assert f"{record['returns']['team']:.1f}" in printed
    heard = any(edge["verdict"] == "coordination" for edge in record["graph"])
    assert (" listens to " in printed) == heard


CHECKS = {
    name.removeprefix("check_"): check for name, check in list(globals().items()) if name.startswith("check_")
}


def test_getting_started_shows_a_team_that_talks(table, tmp_path, monkeypatch, capsys):
    """With its own budget, which is small."""
    assert load("getting_started", monkeypatch).main(["--out", str(tmp_path)]) == 0
    rows = dict(
        re.findall(r"^  (the s\w+[^0-9]*?)  +-?\d+\.\d +(-?\d+\.\d)$", capsys.readouterr().out, re.MULTILINE)
    )
    assert float(rows["the scripted team"]) > 100
    assert abs(float(rows["the same, its sender muted"])) < 10


def test_the_analysis_refuses_what_is_no_checkpoint(tmp_path, monkeypatch, capsys):
    assert load("analyse_emergence", monkeypatch).main([str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err


# -- the answers of the analysis, on records whose answer is known -----------------------------------------


def record_of(name):
    return json.loads((ROOT / "benchmarks/results/emergence/emergence" / f"{name}.json").read_text())


@pytest.mark.parametrize(
    ("team", "said", "not_said"),
    [
        (
            "told",
            [
                "meta_learning listens to state_modeling",
                "About the task; those of another trial",
                "more bits earn more",
            ],
            [],
        ),
        (
            "scripted-deaf",
            ["Nobody, as far", "About nothing that is shown to earn", "the hidden task ("],
            ["another task's words"],
        ),
        ("untrained", ["Nobody, as far", "more bits are not shown to help"], ["another task's words"]),
        ("trained", ["beyond the sum of what each role adds alone", "listens to state_modeling"], []),
    ],
)
def test_the_committed_controls_are_read_aloud_as_they_are(team, said, not_said, monkeypatch):
    printed = " ".join(load("analyse_emergence", monkeypatch).read_aloud(record_of(team)).split())
    for words in said:
        assert words in printed, printed
    for words in not_said:
        assert words not in printed, printed


# -- the two that need packages that are not among the extras -----------------------------------------------


def user_lines(name):
    """The lines that docs/compatibility.md has, as `docs/pages.py` reads them."""
    text = (ROOT / "tests" / "consumers" / f"{name}.py").read_text()
    return text.partition("# -- what a user writes\n")[2].partition("# -- until here")[0]


@pytest.mark.parametrize("name", NEEDS)
def test_its_lines_are_those_of_the_compatibility_page(name):
    text = (FOLDER / f"{name}.py").read_text()
    lines = text.partition("# -- the lines\n")[2].partition("    # -- until here")[0]
    lines = lines.replace("total_frames=steps", "total_frames=1200")  # the one thing that is asked for
    assert ast.dump(ast.parse(textwrap.dedent(lines))) == ast.dump(ast.parse(user_lines(name)))


@pytest.mark.parametrize("name", NEEDS)
def test_it_says_what_is_missing(name, monkeypatch, capsys):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda module: None if module == NEEDS[name] else found(module)
    )
    assert load(name, monkeypatch).main([]) == 2
    said = capsys.readouterr().err
    assert "is not installed here" in said
    assert f"python tests/consumers/run.py {name}" in said
