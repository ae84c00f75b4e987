"""What of the crew needs no CrewAI; the crew itself is tested in `tests/crew`."""

import json
import sys

import pytest

from benchmarks.crew import SolveTaskTool, import_crewai, main
from policies.tools import ToolError


def test_without_crewai_it_is_said_how_to_get_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "crewai", None)
    with pytest.raises(RuntimeError, match=r"the extra `crew`: in an environment of its own, pip install -r"):
        import_crewai()
    assert main(["goal", "--model", "m"]) == 2
    captured = capsys.readouterr()
    assert "a crew needs CrewAI" in captured.err
    assert captured.err.count("\n") == 1


def test_nothing_here_imports_crewai_before_a_crew_is_made():
    import benchmarks.crew

    assert benchmarks.crew.TOOLS
    assert "crewai" not in sys.modules


def test_solve_task_says_what_it_takes_and_refuses_the_rest(tmp_path):
    tool = SolveTaskTool(tmp_path, largest_budget=5000)
    schema = json.loads(json.dumps(tool.schema()))
    assert schema["properties"]["budget"]["maximum"] == 5000
    assert schema["required"] == ["scenario", "budget"]
    for arguments, message in (
        ({"budget": 10}, "missing a required argument: 'scenario'"),
        ({"scenario": "PointDir-v0", "budget": 5001}, "budget=5001: at most 5000"),
        ({"scenario": "PointDor-v0", "budget": 10}, "PointDir-v0"),
        ({"scenario": "PointDir-v0", "budget": 10, "roles": ["boss"]}, r"roles\[0\]=\"boss\": one of 'meta"),
        ({"scenario": "PointDir-v0", "budget": 10, "collaboration_mode": "loud"}, "collaboration_mode="),
    ):
        with pytest.raises(ToolError, match=message):
            tool(**arguments)
    assert not list(tmp_path.iterdir())
