"""Let a crew of language-model agents train and judge a team: `python -m benchmarks.crew GOAL --model M`.

    crew = make_crew("anthropic/claude-sonnet-4-5", "Find the direction on PointDir-v0 within 20000 steps.")
    print(crew.kickoff())

CrewAI is the extra `crew` (730 MB), imported when a crew is made and not before; its telemetry, tracing and
version check are switched off before that. A model is CrewAI's name of one, with its key in the environment,
or any `crewai.BaseLLM`, which is how the tests run a crew without a network.

The crew has two agents, who work one after the other. The *researcher* has the tools of `policies.tools` and
`solve_task`, which trains and judges a team; the *reviewer* has nothing but the researcher's account, and
says what it shows. What a tool refuses comes back to the model as a sentence, so that it can correct itself.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast, get_args

from benchmarks.workflows import CollaborationResult, CollaborativeLearning
from benchmarks.workflows.baseline import METHOD
from ma_ssm_env.commands import exit_with
from policies.agents import (
    AdaptationAgent,
    Agent,
    CoordinatorAgent,
    EnvironmentAgent,
    MetaLearningAgent,
    StateModelingAgent,
)
from policies.forecast import MAX_HORIZON
from policies.tools import TOOLS, Tool, ToolError
from policies.tools.tool import Items, Range, Schema, checked, schema_of

QUIET = {
    "CREWAI_DISABLE_TELEMETRY": "true",
    "CREWAI_DISABLE_TRACKING": "true",
    "OTEL_SDK_DISABLED": "true",
    "CREWAI_TRACING_ENABLED": "false",
    "CREWAI_DISABLE_VERSION_CHECK": "true",
}
MISSING = (
    "a crew needs CrewAI, the extra `crew`: in an environment of its own, "
    "pip install -r tests/crew/requirements.txt"
)
AGENTS: dict[str, type[Any]] = {
    "meta_learning": MetaLearningAgent,
    "adaptation": AdaptationAgent,
    "state_modeling": StateModelingAgent,
    "environment": EnvironmentAgent,
}
RoleName = Literal["meta_learning", "adaptation", "state_modeling", "environment"]


@dataclass(frozen=True)
class SolveTaskTool:
    """`CollaborativeLearning.solve_task` as a tool.

    Attributes:
        out: folder of the runs.
        largest_budget: control steps that one call may ask for.
        width: features of every agent's core; None: the agents' default.
    """

    out: Path = Path("runs/crew")
    largest_budget: int = 300_000
    width: int | None = None
    name: ClassVar[str] = "solve_task"
    description: ClassVar[str] = (
        "Train a team of agents together on a scenario with a hidden task, until it reaches a score on "
        "validation tasks or its budget of control steps is used, and judge it on test tasks. Scores are "
        "normalised: 0 is random acting, 1 an agent that is shown the task."
    )

    def schema(self) -> Schema:
        """JSON schema of the arguments."""
        schema = schema_of(type(self).__call__)
        schema["properties"]["budget"]["maximum"] = self.largest_budget
        return schema

    @checked
    def __call__(
        self,
        scenario: str,
        budget: Annotated[int, Range(1)],
        collaboration_mode: Literal["emergent", "silent", "fixed", "centralised", "independent"] = "emergent",
        target_performance: Annotated[float, Range(0, 1)] | None = None,
        prediction_horizon: Annotated[int, Range(1, MAX_HORIZON)] = 10,
        roles: Annotated[list[RoleName], Items(1)] = ["meta_learning", "adaptation", "state_modeling"],  # noqa: B006  a schema's default, never changed
        compare: bool = False,
        seed: Annotated[int, Range(0)] = 0,
    ) -> dict[str, Any]:
        """Train and judge.

        Args:
            scenario: its id, such as PointDir-v0.
            budget: control steps.
            collaboration_mode: how the team works together.
            target_performance: score at which training ends; by default the whole budget is used.
            prediction_horizon: steps that the state model forecasts.
            roles: who is in the team, beside the coordinator.
            compare: train a single agent for as many steps too.
            seed: of networks, sampling and worlds.

        Returns:
            `score` on test tasks with its 95% interval, `score_before` training, whether the target was
            `reached` and in how many `steps`, `returns` of the inner episodes of a trial, `improvement` over
            the single agent where it was trained, `checkpoint` and `report`.
        """
        if budget > self.largest_budget:
            raise ToolError(f"{self.name}: budget={budget}: at most {self.largest_budget} is expected here")
        width: dict[str, Any] = {} if self.width is None else {"width": self.width}
        try:
            workflow = CollaborativeLearning(
                agents=[cast(Agent, AGENTS[role](**width)) for role in dict.fromkeys(roles)],
                coordinator=CoordinatorAgent(**width),
            )
            result = workflow.solve_task(
                scenario,
                collaboration_mode=collaboration_mode,
                target_performance=target_performance,
                prediction_horizon=prediction_horizon,
                budget=budget,
                seed=seed,
                out=self.out,
                single_agent=METHOD if compare else None,
                progress=False,
            )
        except (ValueError, FloatingPointError) as error:
            raise ToolError(f"{self.name}: {error}") from None
        return _told(result)


@dataclass
class Log:
    """What a crew's tools were called with, and what they said: one entry a call, in order.

    Attributes:
        calls: `tool`, `arguments`, and `result` or `refused`.
    """

    calls: list[dict[str, Any]] = field(default_factory=list)


def import_crewai() -> Any:
    """CrewAI, without telemetry.

    Raises:
        RuntimeError: it is not installed; the message says how to.
    """
    os.environ.update(QUIET)
    try:
        return importlib.import_module("crewai")
    except ImportError as error:
        raise RuntimeError(f"{MISSING} ({error})") from None


def as_crewai_tool(tool: Tool, log: Log | None = None) -> Any:
    """A tool of ours as a `crewai.tools.BaseTool`, with the schema that it has here."""
    import_crewai()
    base = importlib.import_module("crewai.tools").BaseTool
    pydantic = importlib.import_module("pydantic")
    schema = tool.schema()

    def model_json_schema(cls: Any, *args: Any, **kwargs: Any) -> Schema:
        return {**schema, "title": tool.name}

    # Arguments are held to the schema by the tool itself, which says more when one is refused.
    arguments = type(
        tool.name,
        (pydantic.BaseModel,),
        {
            "__module__": __name__,
            "model_config": pydantic.ConfigDict(extra="allow"),
            "model_json_schema": classmethod(model_json_schema),
        },
    )

    def run(self: Any, **given: Any) -> str:
        entry: dict[str, Any] = {"tool": tool.name, "arguments": given}
        if log is not None:
            log.calls.append(entry)
        try:
            entry["result"] = tool(**given)
        except ToolError as error:
            entry["refused"] = str(error)
            return f"refused: {error}"
        return json.dumps(entry["result"])

    made = type("CrewTool", (base,), {"_run": run, "__module__": __name__, "__annotations__": {}})
    return made(name=tool.name, description=tool.description, args_schema=arguments)


def make_crew(llm: Any, goal: str, *, tools: Sequence[Tool] | None = None, log: Log | None = None) -> Any:
    """A crew that pursues a goal; `kickoff()` runs it.

    Args:
        llm: CrewAI's name of a model, or a `crewai.BaseLLM`.
        goal: what is to be found out or reached, in words.
        tools: what the researcher may use; by default `solve_task` and all of `policies.tools`.
        log: takes down what the tools are called with.
    """
    crewai = import_crewai()
    chosen = [SolveTaskTool(), *TOOLS] if tools is None else tools
    researcher = crewai.Agent(
        role="researcher",
        goal="Reach the goal with the fewest control steps, and measure what was reached.",
        backstory="You train teams of agents on hidden tasks. You believe figures that a tool gave you only.",
        tools=[as_crewai_tool(tool, log) for tool in chosen],
        llm=llm,
        allow_delegation=False,
        max_iter=12,
        verbose=False,
    )
    reviewer = crewai.Agent(
        role="reviewer",
        goal="Say what the researcher's figures show, and what they do not.",
        backstory="You referee experiments: one seed is an anecdote, and a claim needs a figure.",
        llm=llm,
        allow_delegation=False,
        verbose=False,
    )
    work = crewai.Task(
        description=goal,
        expected_output="What was run, with which arguments, and the figures that the tools gave.",
        agent=researcher,
    )
    review = crewai.Task(
        description=f"Judge the researcher's account of this goal: {goal}",
        expected_output="Whether the goal was reached, the figures that show it, and what remains open.",
        agent=reviewer,
        context=[work],
    )
    return crewai.Crew(
        agents=[researcher, reviewer],
        tasks=[work, review],
        process=crewai.Process.sequential,
        verbose=False,
        memory=False,
    )


def _told(result: CollaborationResult) -> dict[str, Any]:
    plain = result.to_json()
    renamed = {
        "score": "after",
        "score_before": "before",
        "reached": "reached",
        "steps": "steps",
        "returns": "returns_after",
        "collapsed": "collapsed",
        "baseline": "baseline",
        "baseline_score": "baseline_score",
        "improvement": "improvement",
        "checkpoint": "checkpoint",
        "report": "report",
    }
    return {name: plain[field] for name, field in renamed.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; 0, 1 where the crew failed, or 2 where there is no CrewAI."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.crew",
        description="Let a crew of language-model agents train and judge a team.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("goal", help="what is to be reached or found out, in words")
    parser.add_argument(
        "--model", required=True, help="CrewAI's name of a model; its key is in the environment"
    )
    parser.add_argument("--out", type=Path, default=SolveTaskTool.out, help="folder of the runs")
    parser.add_argument(
        "--largest-budget",
        type=int,
        default=SolveTaskTool.largest_budget,
        help="control steps of one training",
    )
    parser.add_argument(
        "--json", action="store_true", help="print one line of JSON: the answer and the calls"
    )
    given = parser.parse_args(arguments)
    if given.largest_budget < 1:
        parser.error(f"--largest-budget {given.largest_budget}: at least 1 is expected")
    log = Log()
    try:
        crew = make_crew(
            given.model,
            given.goal,
            tools=[SolveTaskTool(given.out, given.largest_budget), *TOOLS],
            log=log,
        )
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        answer = str(crew.kickoff())
    except Exception as error:  # whatever the provider's library raises
        print(f"the crew failed: {type(error).__name__}: {error}".splitlines()[0], file=sys.stderr)
        return 1
    print(json.dumps({"answer": answer, "calls": log.calls}) if given.json else answer)
    return 0


assert set(get_args(RoleName)) == set(AGENTS)

if __name__ == "__main__":
    exit_with(main)
