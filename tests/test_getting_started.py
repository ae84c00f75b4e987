"""The page docs/getting_started.md, followed from top to bottom with tiny budgets."""

import ctypes.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "getting_started.md").read_text()
SET_UP = {"make setup", "source .venv/bin/activate"}  # has been done where tests run
DRAWS = r"-m (ma_ssm_env\.play|benchmarks\.films) "
BUDGET = "--steps 100000"


def steps():
    """(commands, the excerpt of their output or None), in the order of the page."""
    found = re.findall(r"^```(sh|text)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for (kind, block), (after, excerpt) in zip(found, [*found[1:], ("", "")], strict=True):
        if kind == "sh":
            yield block.splitlines(), excerpt if after == "text" else None


def shape(line):
    """A line without what differs from run to run: its numbers and spaces."""
    return re.sub(r"\s+", " ", re.sub(r"[-+]?\d[\d.,]*k?", "#", line)).strip()


def test_the_page_has_its_steps_and_real_excerpts():
    commands = [command for block, _ in steps() for command in block]
    assert commands[:2] == ["make setup", "source .venv/bin/activate"]
    assert sum(BUDGET in command for command in commands) == 2
    excerpts = [excerpt for _, excerpt in steps() if excerpt]
    assert len(excerpts) >= 5
    assert "@" not in PAGE, "a place that was not filled in"


def test_what_returns_are_held_against_is_in_the_table_of_references():
    table = json.loads((ROOT / "ma_ssm_env" / "references.json").read_text())["PointDir-v0"]
    names = {"random": "random actions", "blind": "best without knowing the task", "oracle": "shown the task"}
    for key, name in names.items():
        rows = re.findall(rf"^  (\S+)  (\S+)  {name}$", PAGE, re.MULTILINE)
        assert rows == [tuple(f"{value:.2f}" for value in table[key]["returns"])] * 2
    assert f"{np.mean(table['oracle']['returns']):.1f} what one" in PAGE


def test_its_python_prints_what_it_says(capsys):
    ((code, excerpt),) = re.findall(
        r"^```python\n(.*?)^```\n\nprints\n\n```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL
    )
    exec(compile(code, "docs/getting_started.md", "exec"), {})
    printed = capsys.readouterr().out
    assert [shape(line) for line in printed.splitlines()] == [shape(line) for line in excerpt.splitlines()]
    numbers = [[float(x) for x in re.findall(r"[\d.]+", text)] for text in (printed, excerpt)]
    np.testing.assert_allclose(*numbers, atol=0.2)  # of another kind of CPU they may differ


@pytest.mark.slow
def test_it_can_be_followed(tmp_path):
    """Each command ends well, and its output has the lines of the excerpt, but for their numbers."""
    drawing = ctypes.util.find_library("EGL") is not None
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for commands, excerpt in steps():
        printed = ""
        for command in commands:
            if command in SET_UP or (not drawing and re.search(DRAWS, command)):
                continue
            tiny = command.replace(BUDGET, "--steps 1").replace(" examples/", f" {ROOT}/examples/")
            tiny = re.sub(r"(^| )python ", rf"\1{sys.executable} ", tiny)
            ran = subprocess.run(
                ["bash", "-c", tiny], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert ran.returncode == 0, f"{command}\n{ran.stderr}"
            printed += ran.stdout
        if excerpt:
            shapes = {shape(line) for line in printed.splitlines()}
            # Sentences depend on what a team has learned; rows, heads and questions do not.
            lines = [line for line in excerpt.splitlines() if line.strip() not in ("", "...")]
            known = [line for line in lines if shape(line) in shapes]
            assert shape(lines[0]) in shapes, f"{commands}: {lines[0]!r} is not in\n{printed}"
            assert len(known) >= len(lines) / 2, f"{commands}: only {known} is in\n{printed}"
    if drawing:
        assert (tmp_path / "runs" / "team.mp4").stat().st_size > 1000
        assert list((tmp_path / "runs" / "first" / "films").glob("*.svg"))
