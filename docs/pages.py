"""Make the pages that come from the code: `python docs/pages.py` (`make docs` calls it too).

- `docs/scenarios/<id>.md` and their index: from the docstrings of bodies and variations, and from the spaces
  of the environments. They are not committed.
- `docs/compatibility.md`: from the consumers' scripts and `docs/consumers.json`. Committed.
- the tables in `docs/game.md` between `<!-- sequence:name -->` and `<!-- /sequence -->`: from `worked.py`.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import sys
from collections.abc import Callable
from pathlib import Path

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

from ma_ssm_env import ROLES, SCENARIOS, bodies, parallel_env, single_agent_env
from ma_ssm_env.options import TEAM_ONLY, TWIN_ONLY, Options
from ma_ssm_env.roles import ROLE_TABLE
from ma_ssm_env.scenarios import Scenario
from ma_ssm_env.variations import BASE

# Why a version is what it is; a scenario's version is raised when what it promises changes.
HISTORY = {"v0": "the first version (0.1.0)."}
MEANING = {
    "episode_start": "1 in the first observation of an inner episode",
    "time_left": "share of the inner episode that is left",
    "episode_index": "number of the inner episode, 0 for the first and 1 for the last",
    "positions": "positions of the body, below",
    "velocities": "velocities of the body, below",
    "last_torque": "the torque on the body in the last step",
    "last_reward": "the observed reward (option `feedback`)",
    "received_belief": "the belief as it came through the channel",
    "last_prior": "the prior of the last step",
    "last_correction": "the correction of the last step",
    "last_rate": "the rate of the last step",
    "ledger": "the last 32 trials of this world: tasks and outcomes",
    "task": "the task in force, in normalised coordinates",
    "belief": "posted to the team through the channel",
    "prior": "a proposal of the torque",
    "correction": "a correction of the prior",
    "trust": "weight of the correction, (trust + 1) / 2, for each actuator",
    "rate": "rate of the belief channel",
    "proposal": "the task of the next trial, in normalised coordinates",
    "torque": "the torque on the body",
}
SECTIONS = ("Start state", "Health", "Left out")
MARKS = ("# -- what a user writes", "# -- until here")


def table(head: list[str], rows: list[list[object]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


# -- scenarios -----------------------------------------------------------------------------------------------


def module_of_body(scenario: Scenario) -> str:
    """The docstring of the module that defines the scenario's body."""
    for file in pkgutil.iter_modules(bodies.__path__):
        module = importlib.import_module(f"ma_ssm_env.bodies.{file.name}")
        if file.name == "body":
            continue
        if scenario.body in vars(module).values():
            return inspect.getdoc(module) or ""
    raise ValueError(f"{scenario.id}: no module of ma_ssm_env.bodies defines {scenario.body.name}")


def module_of_law(scenario: Scenario) -> str:
    """The docstring of the module that explains the scenario's law."""
    law = scenario.variation.name
    if law == "Dir" and len(scenario.variation.terms) == 3:
        name = "planar_dir"
    else:
        known = {"": "base", "RandParams": "rand_params"}
        known |= dict.fromkeys(("Gravity", "Mass", "Friction", "Damping"), "multiplied")
        name = known.get(law, law.lower())
    return inspect.getdoc(importlib.import_module(f"ma_ssm_env.variations.{name}")) or ""


def split_docstring(text: str) -> tuple[str, str, dict[str, str], str]:
    """Title line, description, labelled paragraphs (`Start state: ...`) and tables of a body's docstring."""
    title, _, rest = text.partition("\n")
    description, labelled, tables = [], {}, []
    for block in re.split(r"\n{2,}", rest.strip()):
        label = next((name for name in SECTIONS if block.startswith(name + ": ")), None)
        if block.startswith("|"):
            tables.append(block)
        elif label:
            words = block.removeprefix(label + ": ")
            labelled[label] = words[0].upper() + words[1:]
        else:
            description.append(block)
    return title, "\n\n".join(description), labelled, "\n\n".join(tables)


def markdown(docstring: str) -> str:
    """A docstring as Markdown: indented lines become code, a product sign stays what it is."""
    return docstring.replace("*(", r"\*(")


FIELD_HEAD = ["field", "slice", "numbers", "range", "what it is"]


def field_rows(agent: str, space, fields: dict[str, slice]) -> list[list[object]]:
    """A row for each field of a vector: agent, field, slice, numbers, range, meaning."""
    rows: list[list[object]] = []
    for name, where in fields.items():
        size = where.stop - where.start
        if size == 0:
            continue
        low, high = float(space.low[where].min()), float(space.high[where].max())
        span = "unbounded" if high == float("inf") else f"{low:g} to {high:g}"
        at = f"{where.start}" if size == 1 else f"{where.start}:{where.stop}"
        rows.append([agent, f"`{name}`", at, size, span, MEANING[name]])
    return rows


def scenario_page(id: str) -> str:
    """The page of a scenario."""
    scenario = SCENARIOS[id]
    law = scenario.variation
    team, twin = parallel_env(id), single_agent_env(id)
    title, description, labelled, sensors = split_docstring(module_of_body(scenario))
    law_title, _, law_text = module_of_law(scenario).partition("\n")
    twin_fields = twin.observation_fields()
    out = [f"# {id}", f"![{id}](../pictures/thumbs/{id}.webp)"]
    torque = team.game.trials.physics.num_actuators
    delayed = scenario.feedback == "episode"
    out.append(
        table(
            ["", ""],
            [
                ["Make", f'`ma_ssm_env.parallel_env("{id}")`, `ma_ssm_env.single_agent_env("{id}")`'],
                ["Body", title.partition(":")[0] + f", from {scenario.body.source}"],
                ["Hidden task", law.describe() if law.size else "none: the body's own reward"],
                ["Trial", f"{scenario.episodes_per_trial} inner episodes of {scenario.horizon} steps"],
                ["Control step", f"{team.game.trials.physics.control_dt:g} s"],
                ["Actuators", torque],
                [
                    "Observed reward",
                    "the mean reward of an inner episode, at its end" if delayed else "every step",
                ],
                ["Observation, twin", twin.observation_space.shape[0]],
                *[
                    [f"Observation, action: {agent}", f"{o.shape[0]}, {team.action_space(agent).shape[0]}"]
                    for agent, o in team.observation_spaces.items()
                ],
                ["State (critics)", team.state_space.shape[0]],
                ["Source of the law", law.source],
            ],
        )
    )
    out += ["## Description", title, description]
    if "Left out" in labelled:
        out.append("Left out: " + labelled["Left out"])
    out += ["## Hidden task and reward", markdown(law_title), markdown(law_text.strip("\n"))]
    out.append(
        own_reward(scenario)
        + f"In the tables above, this scenario is that of {scenario.body.name}"
        + (f" and {law.name}. " if law.name else ". ")
        + "Infos carry the terms "
        + ", ".join(f"`reward_{name}`" for name in law.terms)
        + f", whose sum is `task_reward`. A step that broken physics leaves out is paid "
        f"{law.worst_reward:g}. "
        "The acting roles are paid the task reward less 0.01 (`bandwidth_cost`) times the share of "
        "the channel's "
        "64 bits that the step used; the twin is paid the task reward."
    )
    if delayed:
        out.append(
            "This is a delayed scenario: the reward is *observed* only as the mean reward of the "
            "inner episode "
            "that ended, in the one observation that starts the next. The score is the return of the "
            "last inner "
            "episode."
        )
    out += ["## Actions", "All numbers are in [-1, 1]; 0 is the neutral action of every field."]
    rows = [
        row
        for agent in team.possible_agents
        for row in field_rows(agent, team.action_space(agent), team.action_fields(agent))
    ]
    rows += field_rows("the single-agent twin", twin.action_space, twin.game.action_fields)
    out.append(table(["agent", *FIELD_HEAD], rows))
    out.append("## Observations")
    for agent, role in zip(team.possible_agents, ROLES, strict=True):
        out += [f"### {agent}", f"Its duty: {ROLE_TABLE[role].duty}."]
        rows = field_rows("", team.observation_space(agent), team.observation_fields(agent))
        out.append(table(FIELD_HEAD, [row[1:] for row in rows]))
    rows = field_rows("", twin.observation_space, twin_fields)
    out += ["### The single-agent twin", table(FIELD_HEAD, [row[1:] for row in rows])]
    out += ["### What the numbers of the body are", sensors]
    planar = "Here `positions` holds every qpos, the planar position of the root too."
    out.append(planar if law.place else "A root's planar position (`-`) is not observed.")
    out += ["## Start state", labelled["Start state"]]
    out.append("Every inner episode starts at a fresh draw; the task stays for the whole trial.")
    health = labelled["Health"]
    if scenario.body.healthy is not None:
        health += (
            " A body that is not ends its inner episode, the last one ends the trial."
            if law.ends_unhealthy
            else " A body that is not plays on: under this law nothing ends before the horizon."
        )
    out += [
        "## Termination",
        f"A trial terminates for every agent after {scenario.episodes_per_trial} inner episodes. "
        f"{health} Broken "
        "physics ends the trial, with `physics_unstable` in infos.",
        "## Truncation",
        "Never: the clock is observed, so the end of a trial is part of the game.",
        "## Arguments",
        arguments(scenario),
        "## Version history",
        "\n".join(f"- {version}: {why}" for version, why in HISTORY.items() if id.endswith("-" + version)),
    ]
    # Only line ends are taken off: a law's text may begin with a formula, which its indentation makes code.
    return "\n\n".join(part.strip("\n") for part in out if part.strip()) + "\n"


def own_reward(scenario: Scenario) -> str:
    """The body's own reward with its numbers, where that is what the scenario pays; else nothing."""
    body = scenario.body
    if scenario.variation.reward is not BASE.reward:
        return ""
    weights = f"{body.forward_weight:g} v_x + {body.alive_bonus:g} [healthy] - {body.control_cost:g} |a|^2"
    return f"The body's own reward is, for each control step:\n\n    reward = {weights}\n\n"


def arguments(scenario: Scenario) -> str:
    """The options of an environment, from the docstring of `Options`."""
    text = inspect.getdoc(Options) or ""
    rows = []
    for name, words in re.findall(
        r"^    (\w+): (.*(?:\n        .*)*)", text.partition("Attributes:")[2], re.MULTILINE
    ):
        default = getattr(scenario, name) if hasattr(scenario, name) else getattr(Options, name)
        default = "none" if default == frozenset() else default
        who = "team" if name in TEAM_ONLY else "twin" if name in TWIN_ONLY else "both"
        rows.append([f"`{name}`", who, f"`{default!r}`", re.sub(r"\s+", " ", words)])
    return table(["option", "of", "default", "what it does"], rows)


def scenario_index() -> str:
    """The index: a thumbnail each, by body."""
    out = [
        "# Scenarios",
        f"{len(SCENARIOS)} scenarios, by body. A scenario's id is body, law and version; the laws are "
        "told on the "
        "pages. Each is played by the five-role team and by the single-agent twin.",
    ]
    bodies = list(dict.fromkeys(scenario.body.name for scenario in SCENARIOS.values()))
    for body in bodies:
        out.append(f"## {body}")
        mine = [scenario for scenario in SCENARIOS.values() if scenario.body.name == body]
        cells = [f"[![{s.id}](../pictures/thumbs/{s.id}.webp) {s.id}]({s.id}.md)" for s in mine]
        out.append("```{container} thumbs\n" + "\n\n".join(cells) + "\n```")
    listed = "\n".join(SCENARIOS)
    out.append(f"```{{toctree}}\n:hidden:\n\n{listed}\n```")
    return "\n\n".join(out) + "\n"


# -- consumers -----------------------------------------------------------------------------------------------


def user_lines(name: str) -> str:
    """What a user writes: the lines between the marks of a consumer's script."""
    text = (ROOT / "tests" / "consumers" / f"{name}.py").read_text()
    return text.partition(MARKS[0] + "\n")[2].partition(MARKS[1])[0].strip()


def compatibility_page() -> str:
    """The table of consumers and their lines."""
    results = json.loads((DOCS / "consumers.json").read_text())
    notes = json.loads((DOCS / "consumers_notes.json").read_text())
    beside = ("gymnasium", "pettingzoo", "mujoco", "numpy", "torch")
    rows = []
    for name, note in notes.items():
        about = results[name]
        own = ", ".join(f"{k} {v}" for k, v in about["versions"].items() if k not in beside)
        common = ", ".join(f"{k} {about['versions'][k]}" for k in beside if k in about["versions"])
        rows.append(
            [
                f"[{note['title']}](#{name.replace('_', '-')})",
                own or "-",
                common,
                about["outcome"],
                about["ran"],
            ]
        )
        rows[-1].append(about["date"])
    out = [
        "# Compatibility",
        "Each consumer below was run for real, in an environment of its own, with these versions (Python "
        + ", ".join(sorted({about["python"] for about in results.values()}))
        + "):",
        table(["consumer", "versions", "beside it", "outcome", "what ran", "date"], rows),
        "`make consumers` runs them again (it makes a virtual environment each under `.consumers/`, "
        "about 9 GB in "
        "all, and takes some 15 minutes); the exact versions of everything are in "
        "`tests/consumers/requirements/`. "
        "It is not a part of `.ci/run`; SuperSuit with SB3 and Gymnasium's vector environments also "
        "run in the "
        "ordinary tests. This page is made from the scripts in `tests/consumers/` and from the "
        "results of that "
        "run, and a test holds it to them.",
        "Infos are flat and numeric, with the same keys at reset and step; arrays and dicts are "
        "fresh at each "
        "step, so a consumer may write into them. All agents end together, and the end is a termination. "
        '`parallel_env(id, absent_roles={"environment"})` leaves out the role that acts only when it chooses '
        "tasks.",
    ]
    for name, note in notes.items():
        out += [f"({name.replace('_', '-')})=\n## {note['title']}", note["note"]]
        out.append(f"```python\n{user_lines(name)}\n```")
    out += [
        "## One shape for all roles without SuperSuit",
        "```python\nfrom ma_ssm_env.homogeneous import homogeneous\n\nenv = "
        "homogeneous(ma_ssm_env.parallel_env("
        '"PointDir-v0"))  # pads and marks; one space for all\n```',
        "The observations are SuperSuit's, number for number; `env.pad_action(agent, action)` and "
        "`env.own_action(agent, action)` go between an agent's own actions and the common shape.",
    ]
    return "\n\n".join(out) + "\n"


# -- worked sequences ----------------------------------------------------------------------------------------


def with_sequences(text: str, sequences: dict[str, Callable[[], str]]) -> str:
    """`text` with the tables between its marks made anew."""

    def made(match: re.Match[str]) -> str:
        return f"<!-- sequence:{match[1]} -->\n\n{sequences[match[1]]()}\n\n<!-- /sequence -->"

    return re.sub(r"<!-- sequence:(\w+) -->.*?<!-- /sequence -->", made, text, flags=re.DOTALL)


def worked_sequences() -> dict[str, Callable[[], str]]:
    spec = importlib.util.spec_from_file_location("worked", DOCS / "worked.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.SEQUENCES


def write_all() -> None:
    """Write every page that is made; files that would stay the same are not touched."""
    pages = {DOCS / "scenarios" / f"{id}.md": scenario_page(id) for id in SCENARIOS}
    pages[DOCS / "scenarios" / "index.md"] = scenario_index()
    pages[DOCS / "compatibility.md"] = compatibility_page()
    game = DOCS / "game.md"
    pages[game] = with_sequences(game.read_text(), worked_sequences())
    (DOCS / "scenarios").mkdir(exist_ok=True)
    for old in (DOCS / "scenarios").glob("*.md"):
        if old not in pages:
            old.unlink()
    for path, text in pages.items():
        if not path.exists() or path.read_text() != text:
            path.write_text(text)


if __name__ == "__main__":
    write_all()
