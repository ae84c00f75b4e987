"""A crew of scripted models trains a team, is refused, corrects itself, and reports; without a network.

It runs where CrewAI is installed: in an environment of its own, by `python tests/crew/run.py`.
"""

import importlib.util
import json
import os
import socket
from typing import ClassVar

import pytest

if importlib.util.find_spec("crewai") is None:
    pytest.skip("CrewAI is the extra `crew`: python tests/crew/run.py", allow_module_level=True)

from benchmarks import crew as under_test
from benchmarks.crew import QUIET, Log, SolveTaskTool, as_crewai_tool, import_crewai, make_crew
from policies.tools import TOOLS

crewai = import_crewai()
GOAL = "Train a team on PointDir-v0 within 3200 steps and say how well it does."


class ScriptedModel(crewai.BaseLLM):
    """Answers from a list, and remembers what it was told."""

    replies: list[str]
    heard: ClassVar[list[str]] = []

    def call(self, messages, *args, **kwargs):
        self.heard.append(messages if isinstance(messages, str) else json.dumps(messages))
        return self.replies.pop(0)

    def supports_function_calling(self):
        return False


def acting(tool, **arguments):
    return f"Thought: I need a figure.\nAction: {tool}\nAction Input: {json.dumps(arguments)}"


def ending(text):
    return f"Thought: I now know the final answer\nFinal Answer: {text}"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Whoever opens a connection fails, and is known."""
    tried = []

    def refuse(self, address, *args):
        tried.append(address)
        raise OSError("this test has no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    yield tried
    internet = [address for address in tried if not isinstance(address, str)]
    assert not internet, f"connections were tried: {internet}"


def test_a_crew_drives_collaborative_learning(tmp_path):
    ScriptedModel.heard.clear()
    line = [[0.5 * t % 3.0] for t in range(400)]
    solve = SolveTaskTool(tmp_path, largest_budget=3200, width=16)
    asked = {"scenario": "PointDir-v0", "budget": 3200, "prediction_horizon": 3}
    model = ScriptedModel(
        model="scripted",
        replies=[
            acting("solve_task", **{**asked, "budget": 10_000_000}),
            acting("solve_task", **{**asked, "scenario": "PointDor-v0"}),
            acting("solve_task", **asked),
            acting("ssm_forecast", sequences=line, horizon=2),
            ending("It was trained for 3200 steps."),
            ending("One seed: an anecdote."),
        ],
    )
    log = Log()
    tools = [solve, *TOOLS]
    answer = make_crew(model, GOAL, tools=tools, log=log).kickoff()
    assert str(answer) == "One seed: an anecdote."
    assert not model.replies
    assert [call["tool"] for call in log.calls] == ["solve_task"] * 3 + ["ssm_forecast"]
    assert "at most 3200 is expected" in log.calls[0]["refused"]
    assert "PointDir-v0" in log.calls[1]["refused"], "the model is told what was meant"
    trained = log.calls[2]["result"]
    assert trained["steps"] == 3200
    assert (tmp_path / os.path.relpath(trained["checkpoint"], tmp_path) / "checkpoint.json").exists()
    assert len(trained["returns"]) == 2
    assert len(log.calls[3]["result"]["forecast"]) == 2
    # What the tools said reached the model, and the reviewer was given the researcher's account.
    assert "refused: solve_task: budget=10000000" in model.heard[1]
    assert json.dumps(trained["returns"])[1:-1] in model.heard[3]
    assert "It was trained for 3200 steps." in model.heard[-1]
    assert "You referee experiments" in model.heard[-1]


def test_tools_keep_their_schemas():
    for tool in (SolveTaskTool(largest_budget=7), *TOOLS):
        wrapped = as_crewai_tool(tool)
        assert (wrapped.name, wrapped.args_schema.model_json_schema()["properties"]) == (
            tool.name,
            tool.schema()["properties"],
        )
    assert SolveTaskTool(largest_budget=7).schema()["properties"]["budget"]["maximum"] == 7


def test_telemetry_is_off_before_crewai_is_imported():
    from crewai.telemetry import Telemetry

    assert all(os.environ[name] == value for name, value in QUIET.items())
    assert not Telemetry()._should_execute_telemetry()


def test_a_model_that_fails_ends_the_command_with_a_line(monkeypatch, capsys):
    class Broken(ScriptedModel):
        def call(self, *args, **kwargs):
            raise RuntimeError("no credit left")

    real = under_test.make_crew
    broken = Broken(model="scripted", replies=[])
    monkeypatch.setattr(under_test, "make_crew", lambda llm, *a, **k: real(broken, *a, **k))
    assert under_test.main([GOAL, "--model", "scripted"]) == 1
    captured = capsys.readouterr()
    assert "the crew failed: RuntimeError: no credit left" in captured.err
